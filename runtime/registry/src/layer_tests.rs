//! Layers: the same tree, the same bytes.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::time::{Duration, SystemTime};

use super::*;

const LONG: &str = "a-name-that-is-longer-than-the-hundred-letters-that-the-oldest-form-of-an-archive-has-room-for-in-its-header.txt";

/// Makes a tree, its files in the given order and with the given modes and times, which must not matter.
fn tree(order: &[&str], mode: u32, age: u64) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("bin")).unwrap();
    for name in order {
        let path = folder.path().join(name);
        fs::write(&path, name).unwrap();
        let runs = if name.starts_with("bin/") { 0o111 } else { 0 };
        fs::set_permissions(&path, fs::Permissions::from_mode(mode | runs)).unwrap();
        File::options().write(true).open(&path).unwrap().set_modified(SystemTime::now() - Duration::from_secs(age)).unwrap();
    }
    symlink("../nowhere", folder.path().join("link")).unwrap();
    folder
}

fn layer(tree: &Path, compression: Compression) -> (Layer, Vec<u8>) {
    let to = tempfile::NamedTempFile::new().unwrap();
    let layer = layer_of_tree(tree, to.path(), &LayerOptions { compression, prefix: PathBuf::new() }).unwrap();
    (layer, fs::read(to.path()).unwrap())
}

#[test]
fn the_same_tree_gives_the_same_layer() {
    let first = tree(&["bin/run", "z.txt", "a.txt", LONG], 0o644, 0);
    let second = tree(&[LONG, "a.txt", "z.txt", "bin/run"], 0o600, 5000);
    for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
        let (one, bytes) = layer(first.path(), compression);
        let (two, others) = layer(second.path(), compression);
        assert_eq!(bytes, others, "{compression:?}");
        assert_eq!((one.blob.descriptor(), &one.diff_id), (two.blob.descriptor(), &two.diff_id));
        assert_eq!((one.blob.digest(), one.blob.size()), (&crate::digest_of(&bytes), bytes.len() as u64));
    }
    fs::write(first.path().join("a.txt"), "other").unwrap();
    assert_ne!(layer(first.path(), Compression::Gzip).0.diff_id, layer(second.path(), Compression::Gzip).0.diff_id);
}

#[test]
fn the_archive_names_no_person_and_no_time() {
    let folder = tree(&["bin/run", "a.txt"], 0o640, 0);
    let (layer, bytes) = layer(folder.path(), Compression::None);
    assert_eq!((&layer.diff_id, layer.unpacked), (layer.blob.digest(), bytes.len() as u64));
    let mut archive = tar::Archive::new(&bytes[..]);
    let mut seen = Vec::new();
    for entry in archive.entries().unwrap() {
        let entry = entry.unwrap();
        let header = entry.header();
        assert_eq!((header.uid().unwrap(), header.gid().unwrap(), header.mtime().unwrap()), (0, 0, 0));
        assert_eq!(header.username_bytes().unwrap_or_default(), b"");
        seen.push(format!("{} {:o}", entry.path().unwrap().display(), header.mode().unwrap()));
    }
    assert_eq!(seen, ["a.txt 644", "bin 755", "bin/run 755", "link 777"]);
}

#[test]
fn compressed_layers_unpack_to_the_archive() {
    let folder = tree(&["bin/run", "a.txt"], 0o644, 0);
    let (plain, archive) = layer(folder.path(), Compression::None);
    let (gzip, packed) = layer(folder.path(), Compression::Gzip);
    let mut unpacked = Vec::new();
    flate2::read::GzDecoder::new(&packed[..]).read_to_end(&mut unpacked).unwrap();
    assert_eq!((&gzip.diff_id, gzip.unpacked, unpacked), (&plain.diff_id, plain.unpacked, archive.clone()));
    let (zstd, packed) = layer(folder.path(), Compression::Zstd);
    assert_eq!((&zstd.diff_id, zstd::decode_all(&packed[..]).unwrap()), (&plain.diff_id, archive));
}

#[test]
fn a_prefix_has_its_folders_and_stays_inside() {
    let folder = tree(&["a.txt"], 0o644, 0);
    let to = tempfile::NamedTempFile::new().unwrap();
    let pack =
        |prefix: &str| layer_of_tree(folder.path(), to.path(), &LayerOptions { compression: Compression::None, prefix: prefix.into() });
    pack("/srv/app").unwrap();
    let bytes = fs::read(to.path()).unwrap();
    let mut archive = tar::Archive::new(&bytes[..]);
    let names: Vec<String> = archive.entries().unwrap().map(|entry| entry.unwrap().path().unwrap().display().to_string()).collect();
    assert_eq!(names, ["srv", "srv/app", "srv/app/a.txt", "srv/app/bin", "srv/app/link"]);
    assert!(pack("../x").unwrap_err().to_string().contains("leaves the image"));
}

#[test]
fn what_is_no_file_is_refused() {
    let folder = tree(&["a.txt"], 0o644, 0);
    let _socket = std::os::unix::net::UnixListener::bind(folder.path().join("socket")).unwrap();
    let to = tempfile::NamedTempFile::new().unwrap();
    let error = layer_of_tree(folder.path(), to.path(), &LayerOptions::default()).unwrap_err();
    assert!(error.to_string().ends_with("socket cannot go into a layer: it is neither a file, a folder nor a link"), "{error}");
}

#[test]
fn a_file_that_shrinks_or_grows_is_noticed() {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), b"hello").unwrap();
    for size in [4, 6] {
        let mut whole = Whole { inner: File::open(file.path()).unwrap(), left: size };
        assert!(io::copy(&mut whole, &mut io::sink()).is_err(), "{size}");
    }
    let mut whole = Whole { inner: File::open(file.path()).unwrap(), left: 5 };
    assert_eq!(io::copy(&mut whole, &mut io::sink()).unwrap(), 5);
}
