//! A scenario: what a person types, and what comes out.
//!
//! `run.txt` holds commands after a `$`, each followed by what it says and, for relrun, by its exit code in `[exit N]`. There is no shell:
//! beside relrun there is a handful of words for files, which [`Stage::command`] lists. What differs from run to run (times, dates, digests,
//! numbers of processes, the folder) is replaced by a name in brackets.

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use nix::unistd::gethostname;
use regex::Regex;
use similar::TextDiff;

use crate::sandbox::{ROOT, Ran, Running, Sandbox};

/// Runs the scenario in `folder` and compares it with its `run.txt`, which is written anew under `RELRUN_REGENERATE=1`.
pub fn check(folder: &Path) -> Result<(), String> {
    let script = folder.join("run.txt");
    let expected = fs::read_to_string(&script).map_err(|error| format!("{}: {error}", script.display()))?;
    let mut stage = Stage { sandbox: Sandbox::of(folder), running: None };
    fs::remove_file(stage.sandbox.path("run.txt")).unwrap();
    let mut transcript = String::new();
    for line in expected.lines() {
        if line.starts_with("# ") {
            let _ = writeln!(transcript, "{line}");
        } else if let Some(typed) = line.strip_prefix("$ ") {
            let said = stage.command(typed)?;
            let _ = writeln!(transcript, "$ {typed}\n{}", tidy(&said, &stage.sandbox.root()));
        }
    }
    if std::env::var_os("RELRUN_REGENERATE").is_some() {
        fs::write(&script, &transcript).unwrap();
        return Ok(());
    }
    if transcript == expected {
        return Ok(());
    }
    let diff = TextDiff::from_lines(&expected, &transcript);
    let shown = diff.unified_diff().context_radius(4).header("what run.txt says", "what came").to_string();
    Err(format!("{shown}\nwhere this is right: RELRUN_REGENERATE=1 cargo test -p relrun-tests --test scenarios"))
}

/// The project, and the command that runs in the background.
struct Stage {
    sandbox: Sandbox,
    running: Option<Running>,
}

impl Stage {
    /// Does one command and returns what it says.
    fn command(&mut self, typed: &str) -> Result<String, String> {
        let words = words(typed);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let sandbox = &mut self.sandbox;
        match words[..] {
            ["relrun", ref rest @ ..] => return Ok(shown(&sandbox.relrun(rest))),
            ["start", "relrun", ref rest @ ..] => self.running = Some(sandbox.start(rest)),
            ["wait"] => return Ok(shown(&self.running.take().ok_or("nothing was started")?.wait())),
            ["until", file] => sandbox.wait_for(file),
            ["write", file, ref text @ ..] => sandbox.write(file, &format!("{}\n", text.join(" "))),
            ["replace", file, from, to] => {
                let text = sandbox.read(file);
                if !text.contains(from) {
                    return Err(format!("`{typed}`: it is not in there"));
                }
                sandbox.write(file, &text.replace(from, to));
            }
            ["rm", file] => remove(&sandbox.path(file)).map_err(|error| format!("`{typed}`: {error}"))?,
            ["link", target, file] => {
                std::os::unix::fs::symlink(target, sandbox.path(file)).map_err(|error| format!("`{typed}`: {error}"))?;
            }
            ["cat", file] => return Ok(cat(&sandbox.path(file))),
            ["ls", folder] => return Ok(ls(&sandbox.path(folder))),
            ["grep", text] => return Ok(grep(&sandbox.root(), text.as_bytes()).join("\n")),
            ["set", name, value] => sandbox.set(name, value),
            ["unset", name] => sandbox.unset(name),
            _ => {
                return Err(format!(
                    "`{typed}` is none of relrun, start relrun, wait, until, write, replace, rm, link, cat, ls, grep, set, unset"
                ));
            }
        }
        Ok(String::new())
    }
}

/// Splits what was typed at blanks, but for those between quotes.
fn words(typed: &str) -> Vec<String> {
    static WORD: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"(?:[^\s']|'[^']*')+").unwrap());
    WORD.find_iter(typed).map(|word| word.as_str().replace('\'', "")).collect()
}

fn shown(ran: &Ran) -> String {
    let output = ran.output.trim_end();
    let gap = if output.is_empty() { "" } else { "\n" };
    format!("{output}{gap}[exit {}]", ran.code)
}

fn remove(path: &Path) -> std::io::Result<()> {
    if path.is_dir() && !path.is_symlink() { fs::remove_dir_all(path) } else { fs::remove_file(path) }
}

fn cat(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| format!("{error}"))
}

/// Returns the names in a folder, sorted, and where links lead.
fn ls(folder: &Path) -> String {
    let Ok(entries) = fs::read_dir(folder) else { return "there is no such folder".to_owned() };
    let mut names: Vec<String> = entries
        .map(|entry| {
            let entry = entry.unwrap();
            let name = entry.file_name().to_string_lossy().into_owned();
            fs::read_link(entry.path()).map_or(name.clone(), |target| format!("{name} -> {}", target.display()))
        })
        .collect();
    names.sort();
    names.join("\n")
}

/// Returns the files below a folder that hold some bytes.
fn grep(folder: &Path, bytes: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_symlink() {
            continue;
        }
        if path.is_dir() {
            found.extend(grep(&path, bytes));
        } else if fs::read(&path).unwrap().windows(bytes.len()).any(|window| window == bytes) {
            found.push(path.display().to_string());
        }
    }
    found.sort();
    found
}

/// Replaces whatever differs from run to run.
fn tidy(text: &str, root: &Path) -> String {
    static PATTERNS: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
        let host = gethostname().unwrap().to_string_lossy().into_owned();
        let patterns = [
            (r"\b[0-9a-f]{12,64}\b".to_owned(), "[DIGEST]"),
            (r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+)?Z".to_owned(), "[DATE]"),
            (r"\b(after|in) \d+(\.\d+)? (ms|s|m)\b( \d+ s\b)?".to_owned(), "$1 [TIME]"),
            (format!(r"[\w.-]+@{}", regex::escape(&host)), "[USER]"),
            (r"\bpid \d+".to_owned(), "pid [PID]"),
            (r#""duration_ms":\d+"#.to_owned(), r#""duration_ms":[TIME]"#),
        ];
        patterns.map(|(pattern, name)| (Regex::new(&pattern).unwrap(), name)).to_vec()
    });
    static GAP: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"(\S) {2,}").unwrap());
    let mut text = text.replace(&root.display().to_string(), ROOT);
    for (pattern, name) in PATTERNS.iter() {
        text = pattern.replace_all(&text, *name).into_owned();
    }
    // A table's gaps are as wide as what was replaced; a picture of source text must stay as it is.
    let is_picture = |line: &str| line.contains(['│', '·', '╭', '╰', '─']);
    let lines = text.lines().map(|line| if is_picture(line) { line.to_owned() } else { GAP.replace_all(line, "$1  ").into_owned() });
    lines.map(|line| line.trim_end().to_owned() + "\n").collect()
}
