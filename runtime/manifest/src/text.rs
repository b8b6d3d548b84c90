//! The small languages inside strings: names, sizes, durations, globs, and the nearest known word.

use std::time::Duration;

/// How long a file may be. The parser reads 2 MB a second.
pub(crate) const MAX_BYTES: usize = 32 << 20;

/// Returns the candidate that a person most likely meant, if one is near enough.
pub fn nearest<'a, I>(word: &str, candidates: I) -> Option<&'a str>
where
    I: IntoIterator<Item = &'a str>,
{
    let lower = word.to_lowercase();
    let room = (word.chars().count() / 3).max(1) + usize::from(word.chars().count() > 3);
    candidates
        .into_iter()
        .map(|candidate| (strsim::osa_distance(&lower, &candidate.to_lowercase()), candidate))
        .filter(|(distance, candidate)| *distance <= room && *distance < candidate.chars().count())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// What a plain name may be, for messages.
pub(crate) const PLAIN_NAME: &str = "a name is made of letters, digits, `-` and `_`, and begins with a letter or a digit";

/// Returns whether the text is a plain name: it can stand in a reference, a path and a command line without quoting.
pub(crate) fn is_plain_name(text: &str) -> bool {
    text.len() <= 128
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
}

/// Returns the name that is nearest to the text and plain, for a help line.
pub(crate) fn plain_name_of(text: &str) -> Option<String> {
    let mapped: String = text.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' }).collect();
    let trimmed = mapped.trim_matches(|c| c == '-' || c == '_');
    is_plain_name(trimmed).then(|| trimmed.to_owned())
}

/// Returns the bytes that `512MiB` means. Units: B, KiB, MiB, GiB, TiB, and kB, MB, GB, TB by thousands.
pub(crate) fn parse_size(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let unit = match text[digits..].trim() {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        "kB" | "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "TB" => 1_000_000_000_000,
        _ => return None,
    };
    text[..digits].parse::<u64>().ok()?.checked_mul(unit)
}

/// Returns the time that `1m 30s` means, if it is longer than nothing.
pub(crate) fn parse_duration(text: &str) -> Option<Duration> {
    humantime::parse_duration(text).ok().filter(|duration| !duration.is_zero())
}

/// Returns why a path may not be used inside the manifest's tree, if it may not.
pub(crate) fn leaves_tree(path: &str) -> Option<&'static str> {
    if path.is_empty() {
        Some("it is empty")
    } else if path.starts_with(['/', '\\', '~']) {
        Some("it is not relative to the manifest's directory")
    } else if path.split(['/', '\\']).any(|part| part == "..") {
        Some("it leaves the manifest's directory by `..`")
    } else {
        None
    }
}

/// Returns why a glob cannot be read, if it cannot.
pub(crate) fn bad_glob(glob: &str) -> Option<String> {
    globset::GlobBuilder::new(glob).literal_separator(true).build().err().map(|error| error.kind().to_string())
}
