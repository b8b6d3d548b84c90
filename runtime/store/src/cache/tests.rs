use super::*;
use crate::{Entry, EntryKind, StoreError};
use std::os::unix::fs::symlink;

/// Lets what was written come to rest.
fn rest() {
    std::thread::sleep(Duration::from_millis(80));
}

fn file(path: &str, content: &str, executable: bool) -> Entry {
    let kind = EntryKind::File { digest: Digest::of(content.as_bytes()), size: content.len() as u64, executable };
    Entry { path: path.to_owned(), kind }
}

#[test]
fn an_unchanged_file_is_not_read_again_and_a_changed_one_is() {
    let folder = tempfile::tempdir().unwrap();
    let (root, cache) = (folder.path(), LocalCache::open(&folder.path().join("cache")));
    fs::write(root.join("a"), "one").unwrap();
    rest();
    let mut stat = cache.stat();
    assert_eq!(stat.digest_files(root, &["a"]).unwrap(), [file("a", "one", false)]);
    stat.save();

    // A digest that only the cache can have: it shows where an answer comes from.
    let mut stat = cache.stat();
    let planted = stat.plant(&root.join("a"), Digest::of(b"planted"));
    assert!(planted);
    assert_eq!(stat.digest_file(&root.join("a")).unwrap(), Digest::of(b"planted"));
    fs::write(root.join("a"), "two").unwrap();
    assert_eq!(stat.digest_file(&root.join("a")).unwrap(), Digest::of(b"two"));
}

#[test]
fn a_file_that_changed_just_now_is_hashed_again() {
    let folder = tempfile::tempdir().unwrap();
    let (root, cache) = (folder.path(), LocalCache::open(&folder.path().join("cache")));
    let mut stat = cache.stat();
    fs::write(root.join("a"), "one").unwrap();
    stat.digest_files(root, &["a"]).unwrap();
    assert!(!stat.plant(&root.join("a"), Digest::of(b"planted")), "nothing is kept of it");
}

#[test]
fn what_stands_there_is_said_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    fs::create_dir(root.join("folder")).unwrap();
    symlink("nowhere", root.join("link")).unwrap();
    fs::write(root.join("run"), "x").unwrap();
    fs::set_permissions(root.join("run"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let mut stat = LocalCache::open(&root.join("cache")).stat();
    let entries = stat.digest_files(root, &["run", "link", "folder"]).unwrap();
    let link = Entry { path: "link".into(), kind: EntryKind::Link { target: "nowhere".into() } };
    assert_eq!(entries, [file("run", "x", true), link, Entry { path: "folder".into(), kind: EntryKind::Dir }]);
    assert!(matches!(stat.digest_files(root, &["gone"]), Err(StoreError::Io { .. })));
    nix::unistd::mkfifo(&root.join("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert!(matches!(stat.digest_files(root, &["pipe"]), Err(StoreError::Tree { .. })));
}

#[test]
fn values_are_kept_and_damaged_ones_are_thrown_away() {
    let folder = tempfile::tempdir().unwrap();
    let cache = LocalCache::open(&folder.path().join("cache"));
    assert_eq!(cache.get("manifest", "key"), None);
    cache.put("manifest", "key", b"value");
    assert_eq!(cache.get("manifest", "key"), Some(b"value".to_vec()));
    assert_eq!(cache.get("other", "key"), None);
    let path = cache.path_of("manifest", b"key");
    for damaged in [b"valuE".as_slice(), b"", &[0; 64]] {
        fs::write(&path, damaged).unwrap();
        assert_eq!(cache.get("manifest", "key"), None);
        assert!(!path.exists());
    }
}

#[test]
fn a_damaged_stat_cache_is_an_empty_one() {
    let folder = tempfile::tempdir().unwrap();
    let (root, cache) = (folder.path(), LocalCache::open(&folder.path().join("cache")));
    fs::write(root.join("a"), "one").unwrap();
    rest();
    let mut stat = cache.stat();
    stat.digest_files(root, &["a"]).unwrap();
    stat.save();
    let whole = fs::read(root.join("cache/stat")).unwrap();
    for length in 0..whole.len() {
        fs::write(root.join("cache/stat"), &whole[..length]).unwrap();
        assert!(!cache.stat().plant(&root.join("a"), Digest::of(b"")), "{length}");
    }
    fs::write(root.join("cache/stat"), &whole).unwrap();
    assert!(cache.stat().plant(&root.join("a"), Digest::of(b"")));
}

#[test]
fn a_folder_that_cannot_be_written_means_no_cache() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), "x").unwrap();
    rest();
    let cache = LocalCache::open(&folder.path().join("file/cache"));
    cache.put("manifest", "key", b"value");
    assert_eq!(cache.get("manifest", "key"), None);
    let mut stat = cache.stat();
    assert_eq!(stat.digest_files(folder.path(), &["file"]).unwrap(), [file("file", "x", false)]);
    stat.save();
}

#[test]
fn old_values_go() {
    let folder = tempfile::tempdir().unwrap();
    let cache = LocalCache::open(folder.path());
    cache.put("manifest", "old", b"value");
    cache.put("manifest", "new", b"value");
    let old = fs::File::options().write(true).open(cache.path_of("manifest", b"old")).unwrap();
    old.set_modified(SystemTime::now() - Duration::from_hours(48)).unwrap();
    assert_eq!(cache.gc(Duration::from_hours(24)), (1, 37));
    assert_eq!((cache.get("manifest", "old"), cache.get("manifest", "new")), (None, Some(b"value".to_vec())));
}

fn tree(paths: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for path in paths {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
    }
    folder
}

#[test]
fn globs_find_what_they_say() {
    let folder = tree(&[
        "Makefile",
        "src/main.rs",
        "src/a/b.rs",
        "src/a/b.txt",
        "src-old/x.rs",
        "docs/[x].md",
        "docs/x.md",
        ".git/config",
        ".relrun/ledger.db",
        "src/.git/HEAD",
        "src/.hidden",
        "über/ß.rs",
    ]);
    symlink("main.rs", folder.path().join("src/link.rs")).unwrap();
    symlink("src", folder.path().join("to-src")).unwrap();
    let find = |globs: &[&str]| {
        let found = glob_files(folder.path(), globs).unwrap();
        (found.files.join(" "), found.unmatched.join(" "))
    };
    let only = |files: &str| (files.to_owned(), String::new());
    assert_eq!(find(&["Makefile"]), only("Makefile"));
    assert_eq!(find(&["src/**"]), only("src/.hidden src/a/b.rs src/a/b.txt src/link.rs src/main.rs"));
    assert_eq!(find(&["src"]), find(&["src/**"]), "a folder means all that is in it");
    assert_eq!(find(&["./src/"]), find(&["src/**"]));
    assert_eq!(find(&["src/*.rs"]), only("src/link.rs src/main.rs"));
    assert_eq!(find(&["**/*.rs"]), only("src-old/x.rs src/a/b.rs src/link.rs src/main.rs über/ß.rs"));
    assert_eq!(find(&["s*/**/*.rs", "Makefile"]), only("Makefile src-old/x.rs src/a/b.rs src/link.rs src/main.rs"));
    assert_eq!(find(&["src/**", "!src/a"]), only("src/.hidden src/link.rs src/main.rs"));
    assert_eq!(find(&["src/**", "!**/*.rs", "!src/.hidden"]), only("src/a/b.txt"));
    assert_eq!(find(&["docs/\\[x\\].md"]), only("docs/[x].md"));
    assert_eq!(find(&["src/{main,other}.rs"]), only("src/main.rs"));
    assert_eq!(find(&["to-src"]), only("to-src"), "a link is matched as itself");
    assert_eq!(find(&["nothing", "src/*.c", "Makefile", "Makefile/x"]), ("Makefile".into(), "nothing src/*.c Makefile/x".into()));
    assert_eq!(find(&[".git/**", ".relrun"]), (String::new(), ".git/** .relrun".into()));
    assert_eq!(find(&["."]).0.split(' ').count(), 11);
    assert_eq!(find(&["**"]), find(&["."]));
}

#[test]
fn globs_that_cannot_be_meant_are_refused() {
    let folder = tree(&["src/main.rs"]);
    symlink("src", folder.path().join("link")).unwrap();
    let refuse = |glob: &str| glob_files(folder.path(), &[glob]).unwrap_err().to_string();
    assert_eq!(refuse("/etc/passwd"), "/etc/passwd: it leaves the work tree");
    assert_eq!(refuse("src/../../x"), "src/../../x: it leaves the work tree");
    assert_eq!(refuse("!../x"), "!../x: it leaves the work tree");
    assert_eq!(refuse("src//x"), "src//x: it is no path");
    assert_eq!(refuse(""), "\"\": it is no path");
    assert_eq!(refuse("link/*.rs"), "link/*.rs: link is a link, and links are not followed");
    assert_eq!(refuse("link/main.rs"), "link/main.rs: link is a link, and links are not followed");
    assert!(refuse("src/[").starts_with("src/[: "), "{}", refuse("src/["));
}
