//! Workflow commands, as the runner reads them (actions/runner, `src/Runner.Common/ActionCommand.cs`), and text that is none.

use std::fmt;

/// Stands between two characters and shows nothing. The runner does not take it for white space, so it does not trim it away.
const NOTHING: char = '\u{200b}';

/// A workflow command: `::name key=value,key=value::data`.
#[derive(Debug)]
pub(super) struct Command {
    name: &'static str,
    properties: String,
    data: String,
}

impl Command {
    pub(super) fn new(name: &'static str) -> Self {
        Self { name, properties: String::new(), data: String::new() }
    }

    pub(super) fn property(mut self, key: &'static str, value: &str) -> Self {
        let before = if self.properties.is_empty() { ' ' } else { ',' };
        self.properties.push(before);
        self.properties.push_str(key);
        self.properties.push('=');
        self.properties.push_str(&escape(value, Part::Property));
        self
    }

    pub(super) fn data(mut self, text: &str) -> Self {
        self.data = escape(text, Part::Data);
        self
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "::{}{}::{}", self.name, self.properties, self.data)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Data,
    Property,
}

fn escape(text: &str, part: Part) -> String {
    let mut out = String::with_capacity(text.len());
    for character in without_older_form(text).chars() {
        match (character, part) {
            ('%', _) => out.push_str("%25"),
            ('\r', _) => out.push_str("%0D"),
            ('\n', _) => out.push_str("%0A"),
            (':', Part::Property) => out.push_str("%3A"),
            (',', Part::Property) => out.push_str("%2C"),
            (other, _) => out.push(other),
        }
    }
    out
}

/// Returns a line that the runner cannot take for a command.
///
/// It looks for two forms: `::name…::` after white space at the line's beginning, and the older `##[name…]` anywhere in it. What white space is
/// differs between libraries, so a `::` is broken wherever no letter or digit stands before it. `::stop-commands::` would do too, but
/// it needs a word that nobody can guess, and it would stop our own groups.
pub(super) fn tame(line: &str) -> String {
    let mut out = without_older_form(line);
    if let Some(at) = out.find("::")
        && !out[..at].chars().any(char::is_alphanumeric)
    {
        out.insert(at + 1, NOTHING);
    }
    out
}

fn without_older_form(text: &str) -> String {
    text.replace("##[", &format!("##{NOTHING}["))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What the runner takes for a command, read with the widest idea of white space: anything that shows nothing of its own.
    fn is_command(line: &str) -> bool {
        let text = line.trim_start_matches(|c: char| c.is_whitespace() || c.is_control() || matches!(c, '\u{feff}' | '\u{180e}'));
        text.starts_with("::") || line.contains("##[")
    }

    #[test]
    fn commands_are_escaped_part_by_part() {
        let command = Command::new("error").property("file", "a,b:c%.kdl").property("line", "3").property("title", "x\r\ny");
        assert_eq!(command.data("100%: a\r\n::b").to_string(), "::error file=a%2Cb%3Ac%25.kdl,line=3,title=x%0D%0Ay::100%25: a%0D%0A::b");
        assert_eq!(Command::new("error").data("##[endgroup]").to_string(), "::error::##\u{200b}[endgroup]");
        assert_eq!(Command::new("endgroup").to_string(), "::endgroup::");
    }

    #[test]
    fn a_line_that_looks_like_a_command_is_broken() {
        assert_eq!(tame("::set-output name=x::y"), ":\u{200b}:set-output name=x::y");
        assert_eq!(tame(" \u{a0} ::add-mask::a"), " \u{a0} :\u{200b}:add-mask::a");
        assert_eq!(tame(":::error::a"), ":\u{200b}::error::a");
        assert_eq!(tame("done ##[endgroup]"), "done ##\u{200b}[endgroup]");
        assert_eq!(tame("###[[a]"), "###\u{200b}[[a]");
        assert_eq!(tame("std::io::Error"), "std::io::Error");
    }

    proptest! {
        #[test]
        fn no_line_stays_a_command(line in "[ \\t\u{a0}\u{2003}\u{3000}]{0,3}[:#\\[ a\u{200b}]{0,8}(error|endgroup|stop-commands)?[:#\\[\\] x]{0,8}") {
            prop_assert!(!is_command(&tame(&line)), "{line:?}");
        }
    }
}
