//! What can be wrong with a graph, in words that name the lines and the way out.

use miette::{Diagnostic, LabeledSpan, SourceSpan};
use thiserror::Error;

/// Every mistake in a graph, all at once. The source text is the caller's to attach.
#[derive(Debug, Error, Diagnostic)]
#[error("the steps do not make a graph: {}", count(.errors.len()))]
#[diagnostic(code(relrun::graph))]
pub struct GraphErrors {
    /// The mistakes, in file order as far as they have a place.
    #[related]
    pub errors: Vec<GraphError>,
}

fn count(errors: usize) -> String {
    match errors {
        1 => "1 mistake".to_owned(),
        many => format!("{many} mistakes"),
    }
}

/// One mistake.
#[derive(Debug, Error, Diagnostic)]
#[expect(missing_docs, reason = "the messages say what the fields are")]
pub enum GraphError {
    /// A reference, `reads` or `needs` names no step.
    #[error("step \"{by}\" {verb} \"{name}\", and there is no such step")]
    #[diagnostic(code(relrun::graph::unknown_step))]
    UnknownStep {
        by: String,
        verb: &'static str,
        name: String,
        #[help]
        help: String,
        #[label("no such step")]
        span: SourceSpan,
    },
    /// A step names an errand.
    #[error("step \"{by}\" {verb} \"{name}\", which is an errand")]
    #[diagnostic(
        code(relrun::graph::errand),
        help("an errand runs when somebody asks for it, and no step can wait for it; make it a `step` or a `deploy`")
    )]
    WaitsForErrand {
        by: String,
        verb: &'static str,
        name: String,
        #[label("never runs with a release")]
        span: SourceSpan,
    },
    /// `reads "${step.x.y}"` where `x` does not write `y`.
    #[error("step \"{by}\" reads \"{artifact}\" of \"{step}\", which does not write it")]
    #[diagnostic(code(relrun::graph::unknown_artifact))]
    UnknownArtifact {
        by: String,
        step: String,
        artifact: String,
        #[help]
        help: String,
        #[label("no such artifact")]
        span: SourceSpan,
    },
    /// `after` names no phase.
    #[error("phase \"{by}\" runs after \"{name}\", and there is no such phase")]
    #[diagnostic(code(relrun::graph::unknown_phase))]
    UnknownPhase {
        by: String,
        name: String,
        #[help]
        help: String,
        #[label("no such phase")]
        span: SourceSpan,
    },
    /// An environment-free step needs an environment-bound one.
    #[error("step \"{by}\" runs once, but {verb} \"{name}\", which runs in each environment of phase \"{phase}\"")]
    #[diagnostic(
        code(relrun::graph::bound),
        help("give phase \"{by_phase}\" an `environments=…` too, or take the value from a step that belongs to no environment")
    )]
    Bound {
        by: String,
        by_phase: String,
        verb: &'static str,
        name: String,
        phase: String,
        #[label("which environment's?")]
        span: SourceSpan,
    },
    /// A step needs one that does not run in all of its environments.
    #[error("step \"{by}\" {verb} \"{name}\", which does not run in {}", .environments.join(", "))]
    #[diagnostic(
        code(relrun::graph::elsewhere),
        help("let phase \"{phase}\" match these environments too, or refer to a step that runs there or belongs to no environment")
    )]
    Elsewhere {
        by: String,
        verb: &'static str,
        name: String,
        phase: String,
        environments: Vec<String>,
        #[label("not in every environment of \"{by}\"")]
        span: SourceSpan,
    },
    /// A step needs one of a phase that waits for its own.
    #[error("step \"{by}\" of phase \"{by_phase}\" {verb} \"{name}\" of phase \"{phase}\", which runs only afterwards")]
    #[diagnostic(
        code(relrun::graph::later_phase),
        help("move \"{by}\" into or behind phase \"{phase}\", or say with `after=…` which phases phase \"{phase}\" really waits for")
    )]
    LaterPhase {
        by: String,
        by_phase: String,
        verb: &'static str,
        name: String,
        phase: String,
        #[label("runs after phase \"{by_phase}\"")]
        span: SourceSpan,
    },
    /// Steps, or phases, that wait for one another.
    #[error("{what} wait for one another: {path}")]
    #[diagnostic(code(relrun::graph::cycle), help("an arrow reads \"waits for\"; take one of them away"))]
    Cycle {
        what: &'static str,
        path: String,
        #[label(collection)]
        lines: Vec<LabeledSpan>,
    },
    /// A deploy in a phase without environments.
    #[error("deploy \"{name}\" stands in a phase without environments")]
    #[diagnostic(
        code(relrun::graph::unbound_deploy),
        help("say where it goes: phase \"{phase}\" environments=\"*\" {{ … }}; or make it a `step`, which belongs to no environment")
    )]
    UnboundDeploy {
        name: String,
        phase: String,
        #[label("goes nowhere")]
        span: SourceSpan,
    },
    /// A selector names no environment.
    #[error("phase \"{phase}\" is for environment \"{name}\", and there is none of that name")]
    #[diagnostic(code(relrun::graph::unknown_environment))]
    UnknownEnvironment {
        phase: String,
        name: String,
        #[help]
        help: String,
        #[label("no such environment")]
        span: SourceSpan,
    },
    /// A selector matches nothing.
    #[error("phase \"{phase}\" matches no environment")]
    #[diagnostic(code(relrun::graph::matches_nothing))]
    MatchesNothing {
        phase: String,
        #[help]
        help: String,
        #[label("matches nothing")]
        span: SourceSpan,
    },
    /// `-e` names no environment.
    #[error("-e {name}: there is no such environment")]
    #[diagnostic(code(relrun::graph::no_such_environment))]
    NoSuchEnvironment {
        name: String,
        #[help]
        help: String,
    },
    /// `-e` names an environment that no phase is for.
    #[error("-e {name}: no phase that was chosen is for this environment")]
    #[diagnostic(code(relrun::graph::nothing_there))]
    NothingThere {
        name: String,
        #[help]
        help: String,
    },
    /// `--phase` names no phase.
    #[error("--phase {name}: there is no such phase")]
    #[diagnostic(code(relrun::graph::no_such_phase))]
    NoSuchPhase {
        name: String,
        #[help]
        help: String,
    },
}

/// Returns a help line that names the nearest of the known names, and lists them.
pub(crate) fn known<'a>(what: &str, wrong: &str, names: impl IntoIterator<Item = &'a str>) -> String {
    /// More than a screen line of names helps nobody.
    const SHOWN: usize = 12;
    let names: Vec<&str> = names.into_iter().collect();
    if names.is_empty() {
        return format!("there are no {what}");
    }
    let meant = match relrun_manifest::nearest(wrong, names.iter().copied()) {
        Some(name) => format!("did you mean \"{name}\"? "),
        None => String::new(),
    };
    let rest = names.len().saturating_sub(SHOWN);
    let more = if rest > 0 { format!(" and {rest} more") } else { String::new() };
    format!("{meant}known {what}: {}{more}", names[..names.len() - rest].join(", "))
}

impl GraphError {
    /// Returns where the mistake stands first; what a person typed comes before what stands in a file.
    pub(crate) fn place(&self) -> usize {
        self.labels().and_then(|labels| labels.map(|label| label.offset()).min()).unwrap_or(0)
    }
}
