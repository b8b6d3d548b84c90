//! A plan as Markdown, for a comment on a pull request or a merge request.
//!
//! Nothing of it may become markup that a plugin or a manifest wrote: cells are escaped, and longer texts stand in fences that they cannot close.

use super::plan::{action, need};
use relrun_engine::plan::{Action, Plan, PlannedStep};

/// The first line: by it a comment is found again, and written anew in place of a second one.
const MARK: &str = "<!-- relrun plan -->";
/// A comment has room for 65,536 characters: details that would go beyond this are left out, and that is said.
const LONGEST: usize = 60_000;

/// Returns the page.
pub(super) fn markdown(plan: &Plan) -> String {
    let mut page = format!("{MARK}\n### `relrun plan` of {}\n\n{}\n\n", cell(&plan.package), headline(plan));
    page += "| | Step | Phase | What would happen |\n|---|---|---|---|\n";
    for step in &plan.steps {
        page += &format!("| {} | {} | {} | {} |\n", sign(&step.action), cell(&step.step), cell(&step.phase), cell(&in_short(step)));
    }
    for gone in &plan.destroys {
        page += &format!(
            "| 🗑️ | {} | | {} is destroyed in {}, which is declared no longer |\n",
            cell(&gone.deployment),
            gone.release,
            cell(&gone.environment)
        );
    }
    page.push('\n');
    for dependency in &plan.dependencies {
        page += &format!("{}\n\n", cell(&need(dependency)));
    }
    for (environment, release) in &plan.standing {
        page += &format!("{} has this already: {release}\n\n", cell(environment));
    }
    let mut left_out = 0;
    for step in &plan.steps {
        let Some(details) = details(step) else { continue };
        if page.len() + details.len() > LONGEST {
            left_out += 1;
        } else {
            page += &details;
        }
    }
    if left_out > 0 {
        page += &format!("_The details of {left_out} more are too long for a comment: `relrun plan` shows them._\n\n");
    }
    let commit =
        plan.git.as_ref().map(|git| format!(" of commit `{}`", git.commit.chars().take(12).collect::<String>())).unwrap_or_default();
    page + &format!("<sub>plan `{}`{commit}, identity `{}`</sub>\n", plan.digest().short(), plan.identity.short())
}

fn headline(plan: &Plan) -> String {
    let count = |is: fn(&Action) -> bool| plan.steps.iter().filter(|step| is(&step.action)).count();
    let changes = count(|action| matches!(action, Action::Change { .. } | Action::Unplannable { .. }));
    let runs = count(|action| matches!(action, Action::Run { .. } | Action::Built { .. }));
    let later = count(|action| matches!(action, Action::KnownAfter { .. }));
    let failed = count(|action| matches!(action, Action::Failed { .. }));
    let parts = [
        (changes, "would change something"),
        (runs, "would run"),
        (later, "known later"),
        (failed, "failed"),
        (plan.destroys.len(), "would be destroyed"),
    ];
    let said: Vec<String> = parts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("**{count}** {what}")).collect();
    if said.is_empty() { "Nothing would change.".to_owned() } else { format!("{}.", said.join(", ")) }
}

fn sign(action: &Action) -> &'static str {
    match action {
        Action::Cached => "💤",
        Action::Run { .. } | Action::Built { .. } => "🔨",
        Action::Failed { .. } => "❌",
        Action::Change { .. } | Action::Unplannable { .. } => "🚀",
        Action::KnownAfter { .. } => "❔",
    }
}

fn in_short(step: &PlannedStep) -> String {
    let (word, lines) = action(&step.action);
    match &step.action {
        Action::Change { changes } if !changes.is_empty() => {
            let first: Vec<&str> = changes.iter().take(3).map(|change| change.summary.as_str()).collect();
            let more = if changes.len() > 3 { format!(" and {} more", changes.len() - 3) } else { String::new() };
            format!("{}{more}", first.join("; "))
        }
        _ => format!("{word} {}", lines.first().map_or("", String::as_str)).trim().to_owned(),
    }
}

/// What a step would change, and what it may do that a careful reader wants to see.
fn details(step: &PlannedStep) -> Option<String> {
    let mut text = match &step.action {
        Action::Change { changes } => {
            let one = |change: &relrun_host::Change| {
                let detail = change.detail.as_ref().map_or_else(String::new, |detail| format!("{}\n", detail.trim_end()));
                format!("# {}\n{detail}", change.summary)
            };
            changes.iter().filter(|change| change.detail.is_some() || changes.len() > 3).map(one).collect::<String>()
        }
        Action::Failed { reason } | Action::Unplannable { reason } => format!("{reason}\n"),
        Action::Run { why } | Action::Built { why } if why.len() > 1 => why.join("\n") + "\n",
        _ => String::new(),
    };
    for line in &step.open {
        text += &format!("# may: {line}\n");
    }
    if text.is_empty() {
        return None;
    }
    let fence = "`".repeat(longest_run(&text).max(2) + 1);
    Some(format!("<details><summary>{}</summary>\n\n{fence}diff\n{text}{fence}\n\n</details>\n\n", cell(&step.step)))
}

fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

/// A text that stays in its cell and is no markup.
fn cell(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\r' | '\t' => out.push(' '),
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            // A mention would call somebody.
            '@' => out += "&#64;",
            '|' | '`' | '*' | '_' | '[' | ']' | '\\' | '~' | '#' | '!' => {
                out.push('\\');
                out.push(c);
            }
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_holds_no_markup() {
        assert_eq!(cell("a|b\n<b>`x`</b> @ana web\u{1b}[2m"), "a\\|b &lt;b&gt;\\`x\\`&lt;/b&gt; &#64;ana web\\[2m");
    }

    #[test]
    fn a_fence_is_longer_than_what_it_holds() {
        let changes = vec![relrun_host::Change { summary: "x".to_owned(), detail: Some("````\n</details>".to_owned()) }];
        let step = PlannedStep { step: "web".to_owned(), phase: "live".to_owned(), action: Action::Change { changes }, open: Vec::new() };
        let text = details(&step).unwrap();
        assert!(text.contains("`````diff\n# x\n````\n</details>\n`````\n"), "{text}");
    }
}
