//! What is measured: the same work, written down for each tool in its own words.

use std::error::Error;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::clock::Contestant;
use super::peers::Peers;

/// What the cases need.
pub(crate) struct Tools {
    pub(crate) relrun: PathBuf,
    pub(crate) peers: Peers,
    /// A component that does as good as nothing.
    pub(crate) plugin: PathBuf,
    /// Where the cases lay their files.
    pub(crate) folder: PathBuf,
}

/// One row of the table.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// What the design aims at.
    pub(crate) aim: Option<&'static str>,
    pub(crate) rounds: usize,
    pub(crate) prepare: fn(&Tools) -> Prepared,
}

type Prepared = Result<Vec<Contestant>, Box<dyn Error>>;

/// Returns the cases. The first contestant of each is relrun, and what the others took is told in its terms.
pub(crate) fn all() -> Vec<Case> {
    vec![
        Case { name: "start-up (`--version`)", aim: Some("under 5 ms"), rounds: 50, prepare: start },
        Case { name: "nothing to do, 100 steps", aim: Some("at most 10 ms"), rounds: 30, prepare: |tools| null(tools, 100) },
        Case { name: "nothing to do, 1,000 steps", aim: Some("twice ninja's"), rounds: 30, prepare: |tools| null(tools, 1_000) },
        Case { name: "nothing to do, 10,000 steps", aim: Some("ninja's"), rounds: 5, prepare: |tools| null(tools, 10_000) },
        Case { name: "1,000 effect steps", aim: Some("under 1 s"), rounds: 5, prepare: effects },
        Case { name: "1,000 pure steps from the cache, a new release", aim: Some("under 100 ms"), rounds: 10, prepare: cached },
        Case { name: "hash 1 GiB in 10,000 files, nothing known", aim: None, rounds: 5, prepare: hash },
        Case { name: "the same tree, unchanged", aim: Some("a stat a file"), rounds: 10, prepare: unchanged },
        Case { name: "restore 1 GiB in 10,000 files", aim: Some("the speed of `cp -r`"), rounds: 5, prepare: restore },
    ]
}

fn start(tools: &Tools) -> Prepared {
    let peers = &tools.peers;
    let all = [
        ("relrun", &tools.relrun),
        ("ninja", &peers.ninja),
        ("make", &PathBuf::from("make")),
        ("just", &peers.just),
        ("task", &peers.task),
    ];
    let contestants: Vec<_> = all.into_iter().map(|(name, tool)| contestant(name, &tools.folder, &[&word(tool), "--version"])).collect();
    contestants.iter().try_for_each(first)?;
    Ok(contestants)
}

/// Each step copies one file. All is done before the clock starts; `just` is not there, because it has no notion of that.
fn null(tools: &Tools, steps: usize) -> Prepared {
    let folder = fresh(tools, &format!("null-{steps}"))?;
    fs::create_dir(folder.join("src"))?;
    let mut manifest = "package \"bench/null\" version=\"1.0.@\"\nphase \"copy\" {\n".to_owned();
    let mut ninja = "rule copy\n  command = cp $in $out\n".to_owned();
    let (mut make, mut all) = (String::new(), "all:".to_owned());
    let (mut task, mut deps) = ("version: '3'\nsilent: true\ntasks:\n".to_owned(), "  default:\n    deps:\n".to_owned());
    for n in 0..steps {
        fs::write(folder.join(format!("src/f{n}")), format!("input {n}\n"))?;
        let body =
            format!("reads \"src/f{n}\"; writes \"out\"; grant {{ run \"cp\" \"**\" }}; config {{ command \"cp\" \"src/f{n}\" \"out\" }}");
        writeln!(manifest, "    step \"s{n}\" plugin=\"build\" {{ {body} }}")?;
        writeln!(ninja, "build ninja/f{n}: copy src/f{n}")?;
        writeln!(make, "make/f{n}: src/f{n}\n\t@cp $< $@")?;
        write!(all, " make/f{n}")?;
        writeln!(task, "  s{n}:\n    sources: [src/f{n}]\n    generates: [task/f{n}]\n    cmds: [cp src/f{n} task/f{n}]")?;
        writeln!(deps, "      - s{n}")?;
    }
    fs::write(folder.join("release.kdl"), manifest + "}\n")?;
    fs::write(folder.join("build.ninja"), ninja)?;
    fs::create_dir(folder.join("make"))?;
    fs::write(folder.join("Makefile"), format!("{all}\n{make}"))?;
    fs::create_dir(folder.join("task"))?;
    fs::write(folder.join("Taskfile.yml"), task + &deps)?;
    let contestants = vec![
        contestant("relrun", &folder, &[&word(&tools.relrun), "apply"]),
        contestant("ninja", &folder, &[&word(&tools.peers.ninja)]),
        contestant("make", &folder, &["make", "-s"]),
        contestant("task", &folder, &[&word(&tools.peers.task), "--silent"]),
    ];
    contestants.iter().try_for_each(first)?;
    Ok(contestants)
}

/// Each step runs something that does nothing: a component here, `true` elsewhere. relrun records each in its ledger, on disk, before and after.
fn effects(tools: &Tools) -> Prepared {
    let folder = fresh(tools, "effects")?;
    noop(tools, &folder, "effect")?;
    let (mut ninja, mut make, mut just) = ("rule true\n  command = true\n".to_owned(), ".PHONY: all".to_owned(), String::new());
    let (mut rules, mut names) = (String::new(), String::new());
    let (mut task, mut deps) = ("version: '3'\nsilent: true\ntasks:\n".to_owned(), "  default:\n    deps:\n".to_owned());
    for n in 0..1_000 {
        writeln!(ninja, "build t{n}: true")?;
        write!(names, " t{n}")?;
        write!(rules, "t{n}:\n\t@true\n")?;
        writeln!(just, "t{n}:\n    @true")?;
        writeln!(task, "  t{n}:\n    cmds: ['/bin/true']")?;
        writeln!(deps, "      - t{n}")?;
    }
    write!(make, "{names}\nall:{names}\n{rules}")?;
    fs::write(folder.join("build.ninja"), ninja)?;
    fs::write(folder.join("Makefile"), make)?;
    fs::write(folder.join("justfile"), format!("all:{names}\n{just}"))?;
    fs::write(folder.join("Taskfile.yml"), task + &deps)?;
    let contestants = vec![
        contestant("relrun", &folder, &[&word(&tools.relrun), "apply", "--force"]),
        contestant("ninja", &folder, &[&word(&tools.peers.ninja)]),
        contestant("make", &folder, &["make", "-s", "-j2"]),
        contestant("just", &folder, &[&word(&tools.peers.just), "all"]),
        contestant("task", &folder, &[&word(&tools.peers.task), "--silent"]),
    ];
    first(&contestants[0])?;
    Ok(contestants)
}

/// A new release whose steps all come from the cache: what the engine itself costs.
fn cached(tools: &Tools) -> Prepared {
    let folder = fresh(tools, "cached")?;
    noop(tools, &folder, "pure")?;
    let relrun = contestant("relrun", &folder, &[&word(&tools.relrun), "apply", "--force"]);
    first(&relrun)?;
    Ok(vec![relrun])
}

fn noop(tools: &Tools, folder: &Path, kind: &str) -> Result<(), Box<dyn Error>> {
    fs::copy(&tools.plugin, folder.join("noop.wasm"))?;
    let mut manifest = format!("package \"bench/{kind}\" version=\"1.0.@\"\nplugin \"noop\" from=\"./noop.wasm\"\nphase \"all\" {{\n");
    for n in 0..1_000 {
        writeln!(manifest, "    step \"s{n}\" plugin=\"noop\" {{ config {{ do \"env\"; kind \"{kind}\"; n {n} }} }}")?;
    }
    fs::write(folder.join("release.kdl"), manifest + "}\n")?;
    Ok(())
}

/// Whatever relrun knows of the files is gone when the clock starts; the page cache is warm for both.
fn hash(tools: &Tools) -> Prepared {
    let folder = big_tree(tools)?;
    let mut relrun = contestant("relrun", &folder, &[&word(&tools.relrun), "plan"]);
    relrun.removes = vec![folder.join(".relrun")];
    Ok(vec![relrun, b3sum(tools, &folder)])
}

fn unchanged(tools: &Tools) -> Prepared {
    let folder = big_tree(tools)?;
    Ok(vec![contestant("relrun", &folder, &[&word(&tools.relrun), "plan"]), b3sum(tools, &folder)])
}

/// The step's outcome is in the cache, and is laid into the work tree: relrun checks each file against its digest while it copies.
fn restore(tools: &Tools) -> Prepared {
    let folder = big_tree(tools)?;
    let mut relrun = contestant("relrun", &folder, &[&word(&tools.relrun), "apply", "--force"]);
    relrun.removes = vec![folder.join("restored")];
    let mut copy = contestant("cp -r", &folder, &["cp", "-r", "tree", "copy"]);
    copy.removes = vec![folder.join("copy")];
    first(&relrun)?;
    Ok(vec![relrun, copy])
}

fn b3sum(tools: &Tools, folder: &Path) -> Contestant {
    let all = format!("find tree -type f -print0 | xargs -0 '{}'", word(&tools.peers.b3sum));
    contestant("b3sum", folder, &["sh", "-c", &all])
}

/// Makes 10,000 files of 1 GiB in all, once; what is in them differs from file to file.
fn big_tree(tools: &Tools) -> Result<PathBuf, Box<dyn Error>> {
    const FILES: u64 = 10_000;
    let folder = tools.folder.join("tree");
    if folder.exists() {
        return Ok(folder);
    }
    let size = (1_u64 << 30) / FILES;
    for n in 0..FILES {
        let inside = folder.join(format!("tree/d{}", n % 100));
        fs::create_dir_all(&inside)?;
        let line = format!("file {n} of a tree to hash and to restore\n");
        let text = line.repeat(usize::try_from(size)? / line.len() + 1);
        fs::write(inside.join(format!("f{n}")), &text[..usize::try_from(size)?])?;
    }
    let step = "step \"tree\" plugin=\"build\" { reads \"tree/**\"; writes \"out\" to=\"restored\"; grant { run \"cp\" \"**\" }; \
                config { command \"cp\" \"-r\" \"tree\" \"out\" } }";
    fs::write(folder.join("release.kdl"), format!("package \"bench/tree\" version=\"1.0.@\"\n{step}\n"))?;
    Ok(folder)
}

fn contestant(name: &'static str, folder: &Path, command: &[&str]) -> Contestant {
    let command = command.iter().map(|&word| word.to_owned()).collect();
    Contestant { name, command, folder: folder.to_owned(), removes: Vec::new() }
}

/// Lets a tool do its work once, so that nothing is left to do.
fn first(contestant: &Contestant) -> Result<(), Box<dyn Error>> {
    let mut command = Command::new(&contestant.command[0]);
    command.args(&contestant.command[1..]).current_dir(&contestant.folder).stdin(Stdio::null()).stdout(Stdio::null());
    let status = command.status()?;
    if status.success() { Ok(()) } else { Err(format!("`{}` failed ({status})", contestant.command.join(" ")).into()) }
}

fn fresh(tools: &Tools, name: &str) -> Result<PathBuf, Box<dyn Error>> {
    let folder = tools.folder.join(name);
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

fn word(path: &Path) -> String {
    path.display().to_string()
}
