//! What every command gets and gives: environment, standard streams, exit code, limits.

use crate::bench::{Step, all_of, block_on, launcher, trial};
use libtest_mimic::Trial;
use relrun_confine::{ConfineError, Exit, Mode};
use std::path::PathBuf;
use tokio::io::AsyncReadExt;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("this_machine_can_confine", this_machine_can_confine),
        trial("the_environment_is_cleared", the_environment_is_cleared),
        trial("exit_codes_and_signals_come_back", exit_codes_and_signals_come_back),
        trial("standard_input_arrives_whole", standard_input_arrives_whole),
        trial("much_output_streams", much_output_streams),
        trial("what_does_not_start_says_why", what_does_not_start_says_why),
        trial("processes_are_limited", processes_are_limited),
        trial("without_namespaces_nothing_runs", without_namespaces_nothing_runs),
        trial("limits_are_set", limits_are_set),
        trial("a_supervisor_that_is_none_is_an_error", a_supervisor_that_is_none_is_an_error),
    ]
}

fn this_machine_can_confine() {
    block_on(async { launcher().probe().await.unwrap() });
    assert!(relrun_confine::doctor().iter().all(|finding| finding.works));
}

fn both(script: &str) -> [Step; 2] {
    [Step::sh(script), Step::sh(script).unconfined()]
}

fn the_environment_is_cleared() {
    let env = |step: Step| {
        let ran =
            step.with(|spec| spec.env = vec![("GREETING".to_owned(), "a=b c".to_owned()), ("LANG".to_owned(), "de".to_owned())]).run();
        let mut lines: Vec<String> = ran.stdout.lines().map(str::to_owned).collect();
        lines.sort();
        lines.join("\n")
    };
    let path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    let [confined, unconfined] = both("exec env -u PWD -u OLDPWD -u SHLVL -u _");
    assert_eq!(env(confined), format!("GREETING=a=b c\nHOME=/tmp\nLANG=de\n{path}\nTMPDIR=/tmp"));
    assert_eq!(env(unconfined), format!("GREETING=a=b c\nLANG=de\n{path}"));
}

fn exit_codes_and_signals_come_back() {
    for (script, exit, code) in [
        ("exit 0", Exit::Code(0), 0),
        ("exit 7", Exit::Code(7), 7),
        ("kill -9 $$", Exit::Signal(9), 137),
        ("echo oops >&2; kill -15 $$", Exit::Signal(15), 143),
    ] {
        for step in both(script) {
            let ran = step.run();
            assert_eq!((ran.exit, ran.exit.code()), (exit, code), "{script} {ran:?}");
            assert_eq!(ran.stderr, if code == 143 { "oops\n" } else { "" });
        }
    }
}

fn standard_input_arrives_whole() {
    for step in both("cat | wc -c; cat | wc -c") {
        assert_eq!(
            step.with(|spec| spec.stdin = vec![b'x'; 3_000_000]).run().stdout.split_whitespace().collect::<Vec<_>>(),
            ["3000000", "0"]
        );
    }
    for step in both("wc -c") {
        assert_eq!(step.run().stdout.trim(), "0");
    }
}

/// A hundred megabytes on each stream.
fn much_output_streams() {
    const SIZE: u64 = 100_000_000;
    let script = format!("head -c {SIZE} /dev/zero & head -c {SIZE} /dev/zero >&2; wait");
    for step in both(&script) {
        block_on(async {
            let mut child = step.spawn().await.unwrap();
            let count = async |mut from: Box<dyn tokio::io::AsyncRead + Unpin>| {
                let (mut buffer, mut count) = (vec![0; 1 << 16], 0);
                while let read @ 1.. = from.read(&mut buffer).await.unwrap() {
                    count += read as u64;
                }
                count
            };
            let (stdout, stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
            let (stdout, stderr) = tokio::join!(count(Box::new(stdout)), count(Box::new(stderr)));
            assert_eq!((stdout, stderr, child.wait().await.unwrap()), (SIZE, SIZE, Exit::Code(0)));
        });
    }
}

fn what_does_not_start_says_why() {
    let place = tempfile::tempdir().unwrap();
    let script = place.path().join("script");
    std::fs::write(&script, "#!/no/such/interpreter\n").unwrap();
    std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    for step in both("") {
        let error = step.with(|spec| spec.program.clone_from(&script)).try_run().unwrap_err();
        assert!(matches!(&error, ConfineError::Start { help, .. } if help.contains("interpreter")), "{error:?}");
    }
    let step = Step::sh("true").with(|spec| {
        if let Mode::Confined { dir, .. } = &mut spec.mode {
            *dir = PathBuf::from("absent");
        }
    });
    let error = step.try_run().unwrap_err();
    assert!(error.to_string().contains("there is no directory /work/absent"), "{error}");
    let error = Step::sh("").with(|spec| spec.program = PathBuf::from("/no/such/program")).try_run().unwrap_err();
    assert!(matches!(error, ConfineError::Start { .. }), "{error:?}");
}

/// Bounded, so that a fault costs this machine 600 sleeping processes and no more.
fn processes_are_limited() {
    let script = "i=0; while [ $i -lt 600 ]; do sleep 20 & i=$((i+1)); done; echo all";
    let ran = Step::sh(script).with(|spec| spec.limits.processes = Some(400)).run();
    assert!(!ran.exit.success() && ran.stdout.is_empty(), "{ran:?}");
}

/// In a namespace that allows no further ones: the script must not run, and the answer names the setting.
fn without_namespaces_nothing_runs() {
    let script = "echo 0 > /proc/sys/user/max_user_namespaces && exec \"$0\" __host confined 'echo it ran'";
    let host = std::env::current_exe().unwrap();
    let output = std::process::Command::new("unshare").args(["--user", "--map-root-user", "sh", "-c", script]).arg(host).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.contains("cannot be confined on this machine") && said.contains("sysctl -w user.max_user_namespaces="), "{output:?}");
    assert!(!said.contains("it ran"), "{said}");
}

fn limits_are_set() {
    let limit = |spec: &mut relrun_confine::Spec| {
        spec.limits.cpu_seconds = Some(100);
        spec.limits.open_files = Some(50);
        spec.limits.file_size = Some(1 << 20);
    };
    for step in both("ulimit -c; ulimit -t; ulimit -n; head -c 2000000 /dev/zero > big; echo $?") {
        let ran = step.with(limit).run();
        // 128 and SIGXFSZ.
        assert_eq!(ran.stdout.split_whitespace().collect::<Vec<_>>(), ["0", "100", "50", "153"], "{ran:?}");
    }
}

fn a_supervisor_that_is_none_is_an_error() {
    block_on(async {
        let step = Step::sh("true");
        let error = relrun_confine::Launcher::new("/bin/true", ["__confined"]).spawn(&step.spec).await.unwrap_err();
        assert!(matches!(error, ConfineError::Unavailable { .. }), "{error:?}");
        let error = relrun_confine::Launcher::new("/no/such/relrun", ["__confined"]).spawn(&step.spec).await.unwrap_err();
        assert!(matches!(error, ConfineError::Machine { .. }), "{error:?}");
        assert_eq!(all_of(&b""[..]).await, "");
    });
}
