//! The compile cache: believed only where it can be, and never a reason to fail.

use crate::support::{options, source};
use relrun_host::{CompileLimits, Host, HostError, HostOptions};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

async fn describe(options: HostOptions) -> Result<(), HostError> {
    Host::new(options).describe(&source()).await.map(drop)
}

fn artifact(cache: &Path) -> PathBuf {
    let mut files =
        fs::read_dir(cache).unwrap().map(|file| file.unwrap().path()).filter(|path| path.extension().is_some_and(|e| e == "cwasm"));
    files.next().expect("an artifact")
}

#[tokio::test]
async fn an_artifact_is_private_used_again_and_made_again_when_it_was_touched() {
    let dir = tempfile::tempdir().unwrap();
    let cache = dir.path().join("compiled");
    describe(options(Some(cache.clone()))).await.unwrap();
    let kept = artifact(&cache);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&cache), mode(&kept), mode(&cache.join("key"))), (0o700, 0o600, 0o600));

    // With a compiler that cannot work, only the cache can answer.
    let without_compiler = || HostOptions {
        compiler: relrun_host::Compiler::Child { program: "/bin/false".into(), args: Vec::new() },
        ..options(Some(cache.clone()))
    };
    describe(without_compiler()).await.expect("comes from the cache");

    let whole = fs::read(&kept).unwrap();
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    for touched in [flipped.as_slice(), &whole[..100], &[]] {
        fs::write(&kept, touched).unwrap();
        assert!(describe(without_compiler()).await.is_err(), "what was touched is not believed");
        describe(options(Some(cache.clone()))).await.expect("is made again");
        assert_eq!(fs::read(&kept).unwrap().len(), whole.len());
    }
    fs::write(cache.join("key"), [0; 32]).unwrap();
    assert!(describe(without_compiler()).await.is_err(), "another key seals nothing of before");
}

#[tokio::test]
async fn a_cache_that_others_can_reach_is_not_used() {
    let dir = tempfile::tempdir().unwrap();
    let cache = dir.path().join("compiled");
    fs::create_dir(&cache).unwrap();
    fs::set_permissions(&cache, fs::Permissions::from_mode(0o755)).unwrap();
    describe(options(Some(cache.clone()))).await.expect("compiles anew");
    assert_eq!(fs::read_dir(&cache).unwrap().count(), 0);
}

#[tokio::test]
async fn compiling_has_limits() {
    let starved = HostOptions { compile_limits: CompileLimits { memory: 32 << 20, ..CompileLimits::default() }, ..options(None) };
    let error = describe(starved).await.expect_err("too little memory");
    assert!(matches!(&error, HostError::Unfit { reason, .. } if reason.starts_with("it does not compile")), "{error}");
    let hasty =
        HostOptions { compile_limits: CompileLimits { timeout: std::time::Duration::ZERO, ..CompileLimits::default() }, ..options(None) };
    assert!(describe(hasty).await.expect_err("too little time").to_string().contains("took longer than 0 s"));
}

/// A component made to keep a compiler busy: one function of half a million operations, each on what the one before gave.
fn heavy() -> Vec<u8> {
    let step = "(local.set 0 (i32.mul (i32.xor (local.get 0) (local.get 1)) (i32.const 7)))";
    let body = step.repeat(120_000);
    let text = format!("(component (core module (func (export \"f\") (param i32 i32) (result i32) {body} (local.get 0))))");
    wat::parse_str(text).expect("it is a component")
}

#[tokio::test]
async fn a_component_that_is_made_to_keep_a_compiler_busy_takes_nobody_down() {
    let seconds = std::time::Duration::from_secs;
    let bounded = CompileLimits { memory: 256 << 20, cpu: seconds(1), timeout: seconds(20), ..CompileLimits::default() };
    let host = Host::new(HostOptions { compile_limits: bounded, ..options(None) });
    let heavy: std::sync::Arc<[u8]> = heavy().into();
    let source = relrun_host::ComponentSource {
        digest: relrun_ledger::Digest::of(&heavy),
        bytes: relrun_host::ComponentBytes::Memory(heavy.clone()),
    };
    let began = std::time::Instant::now();
    let error = host.describe(&source).await.expect_err("it is too much");
    assert!(matches!(&error, HostError::Unfit { reason, .. } if reason.starts_with("it does not compile")), "{error}");
    assert!(began.elapsed() < seconds(30), "{:?}", began.elapsed());
    // Another is compiled as ever.
    describe(options(None)).await.expect("the compiler is as it was");
}
