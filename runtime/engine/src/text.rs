//! Small helpers for what people read.

/// Cuts a text to at most `max` characters, with an ellipsis.
pub(crate) fn cut(text: &str, max: usize) -> String {
    if text.chars().count() <= max {
        return text.to_owned();
    }
    text.chars().take(max.saturating_sub(1)).chain(['…']).collect()
}

/// How many files a line names.
const NAMED: usize = 5;

/// Names the files that two trees differ in, the first of them where there are many.
pub(crate) fn differing(before: &relrun_store::Tree, after: &relrun_store::Tree) -> String {
    let new = after.entries.iter().filter_map(|entry| match before.entry(&entry.path) {
        None => Some((entry.path.as_str(), "added")),
        Some(old) if old.kind != entry.kind => Some((entry.path.as_str(), "changed")),
        Some(_) => None,
    });
    let gone = before.entries.iter().filter(|entry| after.entry(&entry.path).is_none()).map(|entry| (entry.path.as_str(), "removed"));
    let mut all: Vec<(&str, &str)> = new.chain(gone).collect();
    all.sort_unstable();
    let mut named: Vec<String> = all.iter().take(NAMED).map(|(path, what)| format!("{what} {path}")).collect();
    if all.len() > NAMED {
        named.push(format!("{} more", all.len() - NAMED));
    }
    join(&named)
}

/// Joins names for a sentence: `a, b and c`.
pub(crate) fn join(names: &[impl AsRef<str>]) -> String {
    match names {
        [] => String::new(),
        [one] => one.as_ref().to_owned(),
        [rest @ .., last] => format!("{} and {}", rest.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(", "), last.as_ref()),
    }
}
