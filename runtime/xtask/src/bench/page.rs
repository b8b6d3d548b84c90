//! The table of the results, as Markdown.

use std::error::Error;
use std::fmt::Write;
use std::fs;
use std::process::Command;
use std::time::Duration;

use super::cases::Tools;
use super::clock::{Measured, Taken};
use super::peers::version;

const BEGIN: &str = "<!-- results: written by `cargo xtask bench` -->\n";
const END: &str = "<!-- end of the results -->\n";

/// Replaces what stands between the marks.
pub(crate) fn replace(text: &str, results: &str) -> Result<String, Box<dyn Error>> {
    let (before, rest) = text.split_once(BEGIN).ok_or("docs/benchmarks.md has no mark where the results begin")?;
    let (_, after) = rest.split_once(END).ok_or("docs/benchmarks.md has no mark where the results end")?;
    Ok(format!("{before}{BEGIN}{results}{END}{after}"))
}

/// Returns the whole part between the marks.
pub(crate) fn results(measured: &[Measured], rows: &[String], tools: &Tools) -> Result<String, Box<dyn Error>> {
    let mut text = format!("\nMeasured on {}, with {}.\n\n", machine()?, versions(tools)?);
    text += "| | aim | relrun | peers (and what they took in relrun's terms) | rounds |\n|---|---|---|---|---|\n";
    for one in measured {
        text += &row(one);
        text.push('\n');
    }
    writeln!(text, "{}\n", rows.join("\n"))?;
    Ok(text)
}

/// Returns a case's row: medians, the quickest round in brackets, and each peer's median divided by relrun's.
pub(crate) fn row(measured: &Measured) -> String {
    let Some((relrun, peers)) = measured.taken.split_first() else { return String::new() };
    let peer = |taken: &Taken| {
        let ratio = taken.median.as_secs_f64() / relrun.median.as_secs_f64();
        format!("{} {} ({ratio:.2}×)", taken.name, milliseconds(taken.median))
    };
    let peers: Vec<String> = peers.iter().map(peer).collect();
    let aim = measured.aim.unwrap_or("");
    let own = format!("{} ({})", milliseconds(relrun.median), milliseconds(relrun.quickest));
    format!("| {} | {aim} | {own} | {} | {} |", measured.case, peers.join(", "), measured.rounds)
}

fn milliseconds(time: Duration) -> String {
    let time = time.as_secs_f64() * 1_000.0;
    if time < 10.0 { format!("{time:.1} ms") } else { format!("{time:.0} ms") }
}

fn machine() -> Result<String, Box<dyn Error>> {
    let field = |file: &str, name: &str| {
        let text = fs::read_to_string(file).unwrap_or_default();
        text.lines().find_map(|line| line.strip_prefix(name)?.split_once(':').map(|(_, value)| value.trim().to_owned())).unwrap_or_default()
    };
    let cores = std::thread::available_parallelism()?;
    let kibibytes: u64 = field("/proc/meminfo", "MemTotal").split(' ').next().unwrap_or_default().parse().unwrap_or_default();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    Ok(format!("{cores} cores of {}, {} GiB, Linux {}", field("/proc/cpuinfo", "model name"), kibibytes >> 20, kernel.trim()))
}

fn versions(tools: &Tools) -> Result<String, Box<dyn Error>> {
    let peers = &tools.peers;
    let mut all = Vec::new();
    for tool in [&tools.relrun, &peers.ninja, &"make".into(), &peers.just, &peers.task, &peers.b3sum] {
        all.push(version(tool)?);
    }
    let copy = Command::new("cp").arg("--version").output()?;
    all.push(String::from_utf8_lossy(&copy.stdout).lines().next().unwrap_or_default().to_owned());
    Ok(all.join(", "))
}
