//! A disk, a store and a ledger that are full, read-only or damaged: relrun says so and changes nothing, and when they are mended it goes on.

#![expect(clippy::unwrap_used, reason = "a test's panic is how it fails, in its helpers too")]

use std::fs;
use std::path::{Path, PathBuf};

use relrun_tests::{Ran, Sandbox};

const MANIFEST: &str = r#"
package "acme/shop" version="1.0.@"
input "n"
environment "live" { host "web1" "file:hosts/live" }
step "site" plugin="build" {
    reads "src/**"
    writes "dist"
    grant { run "sh" "-c" "*" }
    config { command "sh" "-c" "mkdir dist && cp src/* dist" }
}
phase "live" environments="live" {
    deploy "web" plugin="symlink-swap" {
        grant { host "*" }
        config { source "${step.site.dist}"; root "/srv/shop"; file "n.txt" "${input.n}" }
    }
}
"#;

/// A project with two releases, of which the second is live.
struct Project(Sandbox);

impl Project {
    fn new() -> Self {
        let project = Self(Sandbox::new());
        project.0.write("release.kdl", MANIFEST);
        project.0.write("src/index.html", "the page of this very test");
        project.does("apply -i n=1");
        project.does("apply -i n=2");
        project
    }

    fn relrun(&self, words: &str) -> Ran {
        self.0.relrun(&words.split(' ').collect::<Vec<_>>())
    }

    fn does(&self, words: &str) -> String {
        let ran = self.relrun(words);
        assert_eq!(ran.code, 0, "relrun {words}\n{}", ran.output);
        ran.output
    }

    /// Every command that opens the ledger says this, with its exit code.
    fn refuses(&self, code: i32, what: &str) {
        for words in ["status", "apply -i n=3", "rollback -e live", "releases list", "cache verify"] {
            let ran = self.relrun(words);
            let said = ran.output.replace(&self.0.root().display().to_string(), "[ROOT]");
            assert!(ran.code == code && said.contains(what), "relrun {words}: {}\n{said}", ran.code);
        }
    }

    /// Nothing that was recorded is lost: the release that was live is, the one before can come back, and the next can be made.
    fn goes_on(&self, live: u32) {
        let is_live = |n: u32| assert_eq!(self.0.read("hosts/live/srv/shop/current/n.txt"), n.to_string());
        is_live(live);
        assert!(self.does("status").contains(&format!("  r{live}  ")));
        self.does("rollback -e live");
        is_live(live - 1);
        self.does(&format!("apply -i n={}", live + 1));
        is_live(live + 1);
    }

    /// The ledger's files, as they are now.
    fn ledger(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let names = ["ledger.db", "ledger.db-wal"].map(|name| self.0.path(".relrun").join(name));
        names.into_iter().filter_map(|path| Some((path.clone(), fs::read(path).ok()?))).collect()
    }

    /// Puts other bytes in the ledger's place, looks, and puts its own back.
    fn with_ledger(&self, bytes: &[u8], look: impl Fn(&Self)) {
        let kept = self.ledger();
        for (path, _) in &kept {
            fs::remove_file(path).unwrap();
        }
        let path = self.0.path(".relrun/ledger.db");
        fs::write(&path, bytes).unwrap();
        look(self);
        assert!(fs::read(&path).unwrap() == bytes, "the file is left as it was");
        for (path, bytes) in kept {
            fs::write(path, bytes).unwrap();
        }
    }
}

#[test]
fn garbage_in_the_ledgers_place_is_refused_and_left() {
    let project = Project::new();
    let left = "\n  help: the file was left as it is; restore it from a backup, or move it away to begin a new ledger\n";
    let garbage = format!("the ledger [ROOT]/.relrun/ledger.db: the file is damaged (file is not a\n  │ database){left}");
    project.with_ledger(&[b'x'; 9_000], |project| project.refuses(6, &garbage));
    let short = format!("the ledger [ROOT]/.relrun/ledger.db: the file is damaged (it is 5 bytes\n  │ long){left}");
    project.with_ledger(b"short", |project| project.refuses(6, &short));
    project.goes_on(2);
}

#[test]
fn a_truncated_ledger_is_refused_and_left() {
    let project = Project::new();
    let whole = project.ledger()[0].1.clone();
    project.with_ledger(&whole[..whole.len() / 2], |project| {
        project.refuses(6, "[ROOT]/.relrun/ledger.db: the file is damaged (database disk\n  │ image is malformed)");
    });
    project.goes_on(2);
}

#[test]
fn a_newer_ledger_is_refused_and_left() {
    let project = Project::new();
    let path = project.0.path(".relrun/ledger.db");
    let set = |version: u32| rusqlite::Connection::open(&path).unwrap().execute("UPDATE meta SET ledger_version = ?1", [version]).unwrap();
    set(7);
    project.refuses(
        6,
        "the ledger has version 7, and this relrun knows up to 1\n  help: use the newer relrun that wrote it; nothing was changed\n",
    );
    set(1);
    project.goes_on(2);
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// Changes a file that may be read-only.
fn damage(path: &Path, bytes: &[u8]) {
    fs::remove_file(path).unwrap();
    fs::write(path, bytes).unwrap();
}

/// The blob of the page that `site` made, as somebody damaged it.
fn damaged_blob(project: &Project) -> String {
    let page = project.0.read("src/index.html");
    let blob = files(&project.0.path(".relrun/store")).into_iter().find(|path| fs::read(path).unwrap() == page.as_bytes()).unwrap();
    damage(&blob, page.to_uppercase().as_bytes());
    let digest = blob.strip_prefix(project.0.path(".relrun/store")).unwrap().display().to_string();
    digest.replace('/', "").replace("blobs", "")
}

#[test]
fn a_damaged_output_is_found_where_it_is_read_and_made_again() {
    let project = Project::new();
    let digest = damaged_blob(&project);
    let ran = project.relrun("apply -i n=3");
    assert_eq!(ran.code, 1, "{}", ran.output);
    assert!(ran.output.contains(&format!("blob {digest} is corrupt")), "{}", ran.output);
    assert!(ran.output.ends_with("hint: type `relrun retry r3`\n"), "{}", ran.output);
    assert_eq!(project.0.read("hosts/live/srv/shop/current/n.txt"), "2", "what was live is live");
    let again = project.does("retry r3");
    assert!(again.contains("site | done"), "it is made again: {again}");
    assert_eq!(project.0.read("hosts/live/srv/shop/current/index.html"), project.0.read("src/index.html"));
    project.goes_on(3);
}

#[test]
fn a_damaged_output_is_found_by_cache_verify_and_made_again() {
    let project = Project::new();
    let digest = damaged_blob(&project);
    let ran = project.relrun("cache verify");
    assert!(ran.code == 6 && ran.output.ends_with(&format!("corrupt, set aside: {digest}\n")), "{}", ran.output);
    assert!(project.does("apply -i n=3").contains("site | done"), "it is made again");
    assert!(!project.does("cache verify").contains("corrupt"));
    project.goes_on(3);
}

#[test]
fn a_damaged_compile_cache_is_made_again() {
    let mut sandbox = Sandbox::new();
    let cache = sandbox.path("../home/cache");
    sandbox.set("XDG_CACHE_HOME", cache.to_str().unwrap());
    sandbox.write("release.kdl", MANIFEST);
    sandbox.write("src/index.html", "page");
    assert_eq!(sandbox.relrun(&["apply", "-i", "n=1"]).code, 0);
    let compiled: Vec<PathBuf> = files(&cache).into_iter().filter(|path| path.extension().is_some_and(|end| end == "cwasm")).collect();
    assert!(compiled.len() >= 2);
    let whole: Vec<Vec<u8>> = compiled.iter().map(|path| fs::read(path).unwrap()).collect();
    for (path, whole) in compiled.iter().zip(&whole) {
        let mut bytes = whole.clone();
        bytes[whole.len() / 2] ^= 1;
        damage(path, &bytes);
    }
    let ran = sandbox.relrun(&["apply", "-i", "n=2", "--no-cache"]);
    assert_eq!(ran.code, 0, "{}", ran.output);
    assert!(compiled.iter().zip(&whole).all(|(path, whole)| fs::read(path).unwrap() == *whole), "each is compiled anew");
}

/// Returns what a script's commands said, each by itself.
fn commands(ran: &Ran) -> Vec<&str> {
    assert_eq!(ran.code, 0, "{}", ran.output);
    ran.output.split_terminator("----\n").collect()
}

#[test]
fn a_read_only_project_can_be_looked_at() {
    let project = Project::new();
    let ran = project.0.script(
        "mount --bind . . && mount -o remount,ro,bind . && cd $PWD || exit\n\
         for words in status 'logs r1' 'releases list' 'apply -i n=3' 'rollback -e live'; do relrun $words; echo [exit $?]; echo ----; done",
    );
    let said = commands(&ran);
    assert!(said[..3].iter().all(|said| said.ends_with("[exit 0]\n")), "{}", ran.output);
    for said in &said[3..] {
        assert!(said.contains("failed to open the ledger") && said.contains("it cannot be written"), "{said}");
        assert!(said.contains("help: check that you may write to that folder and to the ledger in it"), "{said}");
        assert!(said.ends_with("[exit 6]\n"), "{said}");
    }
    project.goes_on(2);
}

#[test]
fn a_full_disk_takes_nothing_along() {
    let project = Project::new();
    let script = "
        mkdir ../small && mount -t tmpfs -o size=32m none ../small && cp -r . ../small && cd ../small || exit
        cat /dev/zero > fill 2>/dev/null
        for words in 'apply -i n=3' status; do relrun $words; echo [exit $?]; echo ----; done
        rm fill
        for words in status 'apply -i n=3' 'rollback -e live'; do relrun $words; echo [exit $?]; echo ----; done
    ";
    let ran = project.0.script(script);
    let said = commands(&ran);
    assert!(said[0].contains("/.relrun/ledger.db: the disk is full\n"), "{}", said[0]);
    let help = "help: make room on that disk, then run the same command again; nothing that was recorded is lost\n[exit 6]\n";
    assert!(said[0].ends_with(help), "{}", said[0]);
    assert!(said[1..].iter().all(|said| said.ends_with("[exit 0]\n")), "{}", ran.output);
    assert!(said[1].contains("r2") && said[2] == said[1], "{}", ran.output);
}

/// A command of a step fills the disk, so that its own success cannot be written down.
#[test]
fn a_disk_that_fills_in_the_middle_of_a_release_leaves_it_to_be_continued() {
    let sandbox = Sandbox::new();
    sandbox.write("release.kdl", FILLING);
    let script = "
        mkdir ../small && mount -t tmpfs -o size=32m none ../small && cp -r . ../small && cd ../small || exit
        relrun apply; echo [exit $?]; echo ----
        rm fill && touch room
        for words in status continue retry status; do relrun $words; echo [exit $?]; echo ----; done
        cat up.log
    ";
    let ran = sandbox.script(script);
    let said = commands(&ran);
    assert!(said[0].contains("the disk is full\n") && said[0].ends_with("[exit 6]\n"), "{}", said[0]);
    assert!(said[1].contains("live: left in the middle  relrun continue r1"), "{}", said[1]);
    // What the command had written down is lost with the disk's room, so that it is taken back before it is done again.
    assert!(said[2].ends_with("hint: type `relrun retry r1`\n[exit 1]\n"), "{}", said[2]);
    assert!(said[3].ends_with("[exit 0]\n") && said[4].contains("r1") && !said[4].contains("UNFINISHED"), "{}", ran.output);
    assert_eq!(said[5], "up\ndown\nup\n");
}

const FILLING: &str = r#"
package "acme/big" version="1.0.@"
environment "live" { host "web1" "file:hosts/live" }
phase "live" environments="live" {
    deploy "big" plugin="deploy" {
        grant { run "sh" "-c" "*" confine="none" }
        config {
            up "sh" "-c" "cd [ROOT]/../small; echo up >> up.log; test -e room || cat /dev/zero > fill 2>/dev/null || true"
            down "sh" "-c" "cd [ROOT]/../small; echo down >> up.log"
            confine "none"
        }
    }
}
"#;

#[test]
fn a_manifest_that_is_none_is_refused_and_loses_nothing() {
    let project = Project::new();
    let manifest = project.0.path("release.kdl");
    for (bytes, words) in [
        (&b"package \"acme/shop\" version=\"1.0.@\" {\n"[..], "release.kdl:"),
        (b"", "package"),
        (b"\xff\xfe not text", "release.kdl is no UTF-8 text"),
        (&vec![b'{'; 100_000], "release.kdl"),
    ] {
        fs::write(&manifest, bytes).unwrap();
        for command in ["apply -i n=3", "check", "rollback -e live", "status"] {
            let ran = project.relrun(command);
            assert!(ran.code == 2 && ran.output.contains(words), "{command}: {}\n{}", ran.code, ran.output);
        }
    }
    fs::remove_file(&manifest).unwrap();
    let ran = project.relrun("apply -i n=3");
    assert!(ran.code == 2 && ran.output.contains("there is no file release.kdl"), "{}", ran.output);
    project.0.write("release.kdl", MANIFEST);
    project.0.write("relrun.kdl", "enviroment \"live\"\n");
    let ran = project.relrun("apply -i n=3");
    assert!(ran.code == 2 && ran.output.contains("did you mean `environment`?"), "{}", ran.output);
    fs::remove_file(project.0.path("relrun.kdl")).unwrap();
    project.goes_on(2);
}
