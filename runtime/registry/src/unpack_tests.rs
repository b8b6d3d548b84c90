//! Archives that are right, and archives that were made to hurt.

use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;
use crate::{LayerOptions, layer_of_tree};

fn tree() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("bin/deep")).unwrap();
    fs::write(folder.path().join("bin/run"), "#!/bin/sh\n").unwrap();
    fs::set_permissions(folder.path().join("bin/run"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(folder.path().join("empty"), "").unwrap();
    symlink("bin/run", folder.path().join("link")).unwrap();
    symlink("/nowhere", folder.path().join("dangling")).unwrap();
    folder
}

/// Writes an archive of what `fill` puts in.
fn archive(fill: impl FnOnce(&mut tar::Builder<Vec<u8>>)) -> tempfile::NamedTempFile {
    let mut builder = tar::Builder::new(Vec::new());
    fill(&mut builder);
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), builder.into_inner().unwrap()).unwrap();
    file
}

/// Adds an entry whose name no honest program would write.
fn add(builder: &mut tar::Builder<Vec<u8>>, kind: EntryType, name: &str, link: &str, content: &str) {
    let mut header = crate::layer::header(kind, 0o4777, content.len() as u64);
    let gnu = header.as_gnu_mut().unwrap();
    gnu.name[..name.len()].copy_from_slice(name.as_bytes());
    gnu.linkname[..link.len()].copy_from_slice(link.as_bytes());
    header.set_cksum();
    builder.append(&header, content.as_bytes()).unwrap();
}

fn unpack(layer: &Path, to: &Path, bytes: u64) -> Result<Digest, RegistryError> {
    unpack_layer(layer, Compression::None, to, None, UnpackLimits { bytes, entries: 10 })
}

#[test]
fn a_layer_becomes_the_tree_that_it_was() {
    let (tree, folder) = (tree(), tempfile::tempdir().unwrap());
    for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
        let (file, to) = (folder.path().join("layer"), folder.path().join(format!("{compression:?}")));
        let layer = layer_of_tree(tree.path(), &file, &LayerOptions { compression, prefix: PathBuf::new() }).unwrap();
        assert_eq!(Compression::of(layer.blob.descriptor().media_type()), Some(compression));
        let digest = unpack_layer(&file, compression, &to, Some(&layer.diff_id), UnpackLimits::default()).unwrap();
        assert_eq!(digest, layer.diff_id);
        let again = layer_of_tree(&to, &folder.path().join("again"), &LayerOptions::default()).unwrap();
        assert_eq!(again.diff_id, layer.diff_id);
        assert_eq!(fs::read_link(to.join("dangling")).unwrap(), Path::new("/nowhere"));

        let other = Some(crate::digest_of(b"other"));
        let error = unpack_layer(&file, compression, &folder.path().join("new"), other.as_ref(), UnpackLimits::default()).unwrap_err();
        assert!(matches!(error, RegistryError::Digest { .. }));
        let error = unpack_layer(&file, compression, &to, None, UnpackLimits::default()).unwrap_err();
        assert!(error.to_string().ends_with("it is there already"), "{error}");
    }
    assert_eq!(Compression::of(&MediaType::from("application/wasm")), None);
}

#[test]
fn an_archive_writes_nowhere_else() {
    let folder = tempfile::tempdir().unwrap();
    let outside = folder.path().join("outside");
    fs::create_dir(&outside).unwrap();
    let target = outside.to_str().unwrap();
    let cases = [
        archive(|all| add(all, EntryType::Regular, "../outside/x", "", "gotcha")),
        archive(|all| add(all, EntryType::Regular, &format!("{target}/x"), "", "gotcha")),
        archive(|all| {
            add(all, EntryType::Symlink, "link", target, "");
            add(all, EntryType::Regular, "link/x", "", "gotcha");
        }),
        archive(|all| add(all, EntryType::Link, "x", "/etc/passwd", "")),
        archive(|all| add(all, EntryType::Fifo, "x", "", "")),
        archive(|all| add(all, EntryType::Char, "x", "", "")),
    ];
    for case in cases {
        let error = unpack(case.path(), &folder.path().join("to"), 1 << 20).unwrap_err();
        assert!(matches!(error, RegistryError::Malformed { .. }), "{error}");
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left");
    }
    let mode = archive(|all| add(all, EntryType::Regular, "x", "", "runs as root?"));
    unpack(mode.path(), &folder.path().join("to"), 1 << 20).unwrap();
    assert_eq!(fs::metadata(folder.path().join("to/x")).unwrap().permissions().mode() & 0o7000, 0);
}

#[test]
fn an_archive_is_no_larger_than_it_may_be() {
    let folder = tempfile::tempdir().unwrap();
    let (file, to) = (folder.path().join("layer"), folder.path().join("to"));
    let bomb = tempfile::tempdir().unwrap();
    File::create(bomb.path().join("zeros")).unwrap().set_len(64 << 20).unwrap();
    for compression in [Compression::Gzip, Compression::Zstd] {
        let layer = layer_of_tree(bomb.path(), &file, &LayerOptions { compression, prefix: PathBuf::new() }).unwrap();
        assert!(layer.blob.size() < 1 << 20);
        let error = unpack_layer(&file, compression, &to, None, UnpackLimits { bytes: 1 << 20, entries: 10 }).unwrap_err();
        assert!(matches!(error, RegistryError::TooLarge { limit: 1_048_576, .. }), "{error}");
    }
    let many = archive(|all| (0..11).for_each(|number| add(all, EntryType::Directory, &format!("d{number}"), "", "")));
    assert!(unpack(many.path(), &to, 1 << 20).unwrap_err().to_string().ends_with("more than 10 files"));
    for (compression, bytes) in
        [(Compression::None, &b"not an archive at all, but long enough"[..]), (Compression::Gzip, b"x"), (Compression::Zstd, b"x")]
    {
        fs::write(&file, bytes.repeat(20)).unwrap();
        assert!(unpack_layer(&file, compression, &to, None, UnpackLimits::default()).is_err(), "{compression:?}");
    }
    assert!(!to.exists());
}

#[test]
fn an_archive_cannot_say_a_size_twice() {
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("to");
    // To a reader that honours the second size, the file ends where a name of 2 MiB begins: it would be read into memory without a look at its length.
    let hidden = |all: &mut tar::Builder<Vec<u8>>| {
        let name = archive(|all| add(all, EntryType::GNULongName, "././@LongLink", "", &"n".repeat(2 << 20)));
        add(all, EntryType::Regular, "x", "", &String::from_utf8(fs::read(name.path()).unwrap()).unwrap());
    };
    for kind in [EntryType::XHeader, EntryType::XGlobalHeader] {
        let case = archive(|all| {
            add(all, kind, "pax", "", "10 size=0\n");
            hidden(all);
        });
        let error = unpack(case.path(), &to, 64 << 20).unwrap_err();
        assert!(error.to_string().ends_with("it says the size of a file a second time, outside of its header"), "{error}");
    }
    let sparse = archive(|all| add(all, EntryType::GNUSparse, "x", "", ""));
    let error = unpack(sparse.path(), &to, 64 << 20).unwrap_err();
    assert!(error.to_string().contains("it holds a sparse file"), "{error}");
    let other = archive(|all| {
        add(all, EntryType::XHeader, "pax", "", "18 path=renamed.x\n");
        add(all, EntryType::Regular, "x", "", "content");
    });
    unpack(other.path(), &to, 1 << 20).unwrap();
    assert_eq!(fs::read(to.join("renamed.x")).unwrap(), b"content");
}

#[test]
fn a_layout_that_was_tampered_with_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("to");
    let blob = format!("blobs/sha256/{}", &crate::digest_of(b"hello").as_ref()[7..]);
    let layout = |fill: &dyn Fn(&mut tar::Builder<Vec<u8>>)| {
        let file = archive(|all| {
            add(all, EntryType::Regular, "oci-layout", "", "{}");
            fill(all);
        });
        unpack_layout(file.path(), &to, UnpackLimits::default())
    };
    let index = |all: &mut tar::Builder<Vec<u8>>| add(all, EntryType::Regular, "index.json", "", "{}");
    let refused = |error: Result<(), RegistryError>, text: &str| {
        let error = error.unwrap_err().to_string();
        assert!(error.contains(text) && !to.exists(), "{error}");
    };
    refused(layout(&|all| add(all, EntryType::Regular, &blob, "", "hullo")), "is not what its digest says");
    refused(layout(&|all| add(all, EntryType::Symlink, &blob, "/etc/passwd", "")), "does not belong in a layout");
    refused(layout(&|all| add(all, EntryType::Regular, "blobs/sha256/../../x", "", "x")), "leads outside");
    refused(layout(&|all| add(all, EntryType::Regular, "run.sh", "", "x")), "run.sh does not belong in a layout");
    refused(layout(&|_| {}), "it holds no index.json");
    layout(&|all| {
        index(all);
        add(all, EntryType::Regular, &blob, "", "hello");
    })
    .unwrap();
    assert_eq!(fs::read(to.join(&blob)).unwrap(), b"hello");
}
