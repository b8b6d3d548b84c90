//! Which files of a work tree a step reads.
//!
//! A glob is a path below the root with `*`, `?`, `[…]`, `{…}` and `**`; one that names a folder means all that is in it; one that begins with `!`
//! takes away from the others. `.git` and `.relrun` are never matched. Only the folders that a glob's plain beginning names are walked, and no
//! link is followed.

use crate::StoreError;
use crate::local::files::failed;
use crate::tree::refused;
use globset::{GlobBuilder, GlobMatcher, GlobSet, GlobSetBuilder};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use walkdir::WalkDir;

/// What is never read, wherever it stands.
const HIDDEN: [&str; 2] = [".git", ".relrun"];

/// What globs matched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Globbed {
    /// Files and links, with `/`-separated paths below the root, sorted bytewise.
    pub files: Vec<String>,
    /// The globs that matched nothing, as they were written.
    pub unmatched: Vec<String>,
}

/// Finds the files and links below a folder that globs match.
///
/// # Errors
/// [`StoreError::Tree`] for a glob that cannot be read, that leaves the folder, or whose plain beginning goes through a link, and for a matched
/// name that is not UTF-8.
pub fn glob_files<G: AsRef<str>>(root: &Path, globs: &[G]) -> Result<Globbed, StoreError> {
    let (negative, positive): (Vec<&str>, Vec<&str>) = globs.iter().map(AsRef::as_ref).partition(|glob| glob.starts_with('!'));
    let positive: Vec<Pattern<'_>> = positive.into_iter().map(Pattern::read).collect::<Result<_, _>>()?;
    let except = if negative.is_empty() { None } else { Some(exceptions(&negative)?) };
    let mut files = BTreeSet::new();
    let mut matched = vec![false; positive.len()];
    let mut walks: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (index, pattern) in positive.iter().enumerate() {
        match plain(root, pattern)? {
            Plain::Nothing => {}
            Plain::Walk => walks.entry(pattern.beginning).or_default().push(index),
            Plain::File => {
                matched[index] = true;
                files.insert(pattern.beginning.to_owned());
            }
        }
    }
    for (beginning, indices) in walks {
        walk(root, beginning, &mut |path| {
            for &index in &indices {
                if positive[index].matches(path) {
                    matched[index] = true;
                    files.insert(path.to_owned());
                }
            }
        })?;
    }
    if let Some(except) = except {
        files.retain(|path| !except.is_match(path));
    }
    let unmatched = positive.iter().zip(matched).filter(|(_, matched)| !matched).map(|(pattern, _)| pattern.written.to_owned()).collect();
    Ok(Globbed { files: files.into_iter().collect(), unmatched })
}

struct Pattern<'a> {
    written: &'a str,
    /// The folders before the first part with a wildcard; all of it where there is none.
    beginning: &'a str,
    /// `None` where there is no wildcard.
    matcher: Option<GlobMatcher>,
}

impl<'a> Pattern<'a> {
    fn read(written: &'a str) -> Result<Self, StoreError> {
        let path = check(written)?;
        let beginning = beginning_of(path);
        let matcher = if beginning.len() == path.len() { None } else { Some(compile(path)?.compile_matcher()) };
        Ok(Self { written, beginning, matcher })
    }

    fn matches(&self, path: &str) -> bool {
        // Without a wildcard it is a folder's name, and the walk began there.
        self.matcher.as_ref().is_none_or(|matcher| matcher.is_match(path))
    }
}

/// Returns the glob without what does not matter, where it stays below the root.
fn check(written: &str) -> Result<&str, StoreError> {
    let path = written.strip_prefix('!').unwrap_or(written);
    let path = path.strip_prefix("./").unwrap_or(path);
    let path = path.strip_suffix('/').unwrap_or(path);
    if path.starts_with('/') || path.split('/').any(|part| part == "..") {
        return Err(refused(written, "it leaves the work tree", Some("write a path below the project's root")));
    }
    if path == "." {
        return Ok("**");
    }
    if path.split('/').any(|part| part.is_empty() || part == ".") {
        let written = if written.is_empty() { "\"\"" } else { written };
        return Err(refused(written, "it is no path", Some("write it without empty parts and without `.`")));
    }
    Ok(path)
}

fn beginning_of(path: &str) -> &str {
    let wild = path.split('/').scan(0, |end, part| {
        let start = *end;
        *end += part.len() + 1;
        Some((start, part))
    });
    let first = wild.into_iter().find(|(_, part)| part.contains(['*', '?', '[', ']', '{', '}', '\\']));
    first.map_or(path, |(start, _)| path[..start].trim_end_matches('/'))
}

fn compile(path: &str) -> Result<globset::Glob, StoreError> {
    GlobBuilder::new(path).literal_separator(true).backslash_escape(true).build().map_err(|e| refused(path, e.kind().to_string(), None))
}

fn exceptions(negative: &[&str]) -> Result<GlobSet, StoreError> {
    let mut set = GlobSetBuilder::new();
    for written in negative {
        let path = check(written)?;
        set.add(compile(path)?);
        set.add(compile(&format!("{path}/**"))?);
    }
    set.build().map_err(|e| refused(negative[0], e.to_string(), None))
}

/// What stands at a glob's plain beginning.
enum Plain {
    Nothing,
    File,
    Walk,
}

fn plain(root: &Path, pattern: &Pattern<'_>) -> Result<Plain, StoreError> {
    let beginning = pattern.beginning;
    if beginning.split('/').any(|part| HIDDEN.contains(&part)) {
        return Ok(Plain::Nothing);
    }
    let ends = beginning.match_indices('/').map(|(end, _)| end);
    for end in ends {
        let folder = &beginning[..end];
        match look(root, folder)? {
            Some(meta) if meta.is_symlink() => return Err(through_link(pattern.written, folder)),
            Some(_) => {}
            None => return Ok(Plain::Nothing),
        }
    }
    let Some(meta) = (if beginning.is_empty() { return Ok(Plain::Walk) } else { look(root, beginning)? }) else {
        return Ok(Plain::Nothing);
    };
    match (&pattern.matcher, meta.is_dir(), meta.is_symlink()) {
        (_, true, _) => Ok(Plain::Walk),
        (None, false, _) => Ok(Plain::File),
        (Some(_), false, true) => Err(through_link(pattern.written, beginning)),
        (Some(_), false, false) => Ok(Plain::Nothing),
    }
}

fn through_link(written: &str, folder: &str) -> StoreError {
    refused(written, format!("{folder} is a link, and links are not followed"), Some("name the folder that it points to"))
}

fn look(root: &Path, path: &str) -> Result<Option<fs::Metadata>, StoreError> {
    let place = root.join(path);
    match fs::symlink_metadata(&place) {
        Ok(meta) => Ok(Some(meta)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(failed("look at", &place)(error)),
    }
}

fn walk(root: &Path, beginning: &str, found: &mut dyn FnMut(&str)) -> Result<(), StoreError> {
    let start = if beginning.is_empty() { root.to_owned() } else { root.join(beginning) };
    let hidden = |name: &std::ffi::OsStr| HIDDEN.iter().any(|hidden| name == *hidden);
    let items = WalkDir::new(&start).min_depth(1).into_iter().filter_entry(|item| !hidden(item.file_name()));
    for item in items {
        let item = item.map_err(|e| failed("list", &start)(e.into()))?;
        if item.file_type().is_dir() {
            continue;
        }
        let below = item.path().strip_prefix(root).unwrap_or(item.path());
        let Some(path) = below.to_str() else {
            return Err(refused(&below.to_string_lossy(), "its name is not UTF-8", Some("give it a name in UTF-8")));
        };
        found(path);
    }
    Ok(())
}
