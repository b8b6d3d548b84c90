//! first light
use relrun_confine::*;
use std::path::PathBuf;
use tokio::io::AsyncReadExt;

fn main() -> std::process::ExitCode {
    if std::env::args().nth(1).as_deref() == Some("__confined") {
        return confined_main();
    }
    let rt = tokio::runtime::Runtime::new().unwrap();
    rt.block_on(async {
        let d = tempfile::tempdir().unwrap();
        for n in ["in", "out", "tmp", "work"] {
            std::fs::create_dir(d.path().join(n)).unwrap();
        }
        let args: Vec<String> = std::env::args().skip(1).collect();
        let launcher = Launcher::new(std::env::current_exe().unwrap(), ["__confined"]);
        let spec = Spec {
            program: resolve(&args[0], &[]).unwrap().path,
            args: args[1..].to_vec(),
            env: vec![],
            stdin: vec![],
            mode: if std::env::var("NONE").is_ok() {
                Mode::Unconfined { dir: "/".into() }
            } else {
                Mode::Confined { view: View::new(d.path()), dir: PathBuf::new() }
            },
            network: std::env::var("NET").is_ok(),
            limits: Limits::default(),
        };
        let mut child = match launcher.spawn(&spec).await {
            Ok(c) => c,
            Err(e) => {
                println!("{:?}", miette::Report::new(e));
                return;
            }
        };
        let (mut o, mut e) = (String::new(), String::new());
        child.stdout.take().unwrap().read_to_string(&mut o).await.unwrap();
        child.stderr.take().unwrap().read_to_string(&mut e).await.unwrap();
        println!("{o}---\n{e}---\n{:?}", child.wait().await);
    });
    std::process::ExitCode::SUCCESS
}
