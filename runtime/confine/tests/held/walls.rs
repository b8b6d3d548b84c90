//! What a confined command cannot reach, and what it can.

use crate::bench::{Step, is_root, make_public, marker, trial};
use libtest_mimic::Trial;
use relrun_confine::{ConfineError, Exit, Mode};
use std::net::{TcpListener, TcpStream};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::{Command, ExitCode};

pub(crate) fn trials() -> Vec<Trial> {
    let mut trials = vec![
        trial("files_of_the_host_are_not_there", files_of_the_host_are_not_there),
        trial("nothing_is_written_outside", nothing_is_written_outside),
        trial("its_own_directories_are_written", its_own_directories_are_written),
        trial("other_processes_are_not_seen", other_processes_are_not_seen),
        trial("loopback_is_reached_only_with_the_network", loopback_is_reached_only_with_the_network),
        trial("abstract_sockets_are_not_reached_even_with_the_network", abstract_sockets_are_not_reached),
        trial("no_privilege_is_left_or_gained", no_privilege_is_left_or_gained),
        trial("descriptors_of_the_host_are_closed", descriptors_of_the_host_are_closed),
        trial("grants_are_honoured", grants_are_honoured),
        trial("in_place_shows_the_tree_without_what_is_hidden", in_place_shows_the_tree),
        trial("a_symlink_in_a_private_directory_is_not_followed", a_symlink_is_not_followed),
        trial("nothing_stays_mounted", nothing_stays_mounted),
    ];
    if is_root() {
        trials.push(trial("a_setuid_program_gains_nothing", a_setuid_program_gains_nothing));
    }
    trials
}

/// Inside: tries to connect, and says how it went.
pub(crate) fn attempt(args: &[String]) -> ExitCode {
    let went = match args {
        [what, port] if what == "tcp" => TcpStream::connect(("127.0.0.1", port.parse().unwrap())).map(drop),
        [what, name] if what == "abstract" => {
            SocketAddr::from_abstract_name(name).and_then(|address| UnixStream::connect_addr(&address)).map(drop)
        }
        _ => Err(std::io::ErrorKind::InvalidInput.into()),
    };
    println!("{}", went.map_or_else(|error| format!("refused: {error}"), |()| "reached".to_owned()));
    ExitCode::SUCCESS
}

fn files_of_the_host_are_not_there() {
    let host = tempfile::tempdir().unwrap();
    std::fs::write(host.path().join("secret"), "hunter2").unwrap();
    let script = format!(
        "cat {0}/secret /etc/shadow /etc/ssh/* /proc/1/root{0}/secret /proc/sys/kernel/random/../../../1/cwd{0}/secret; ls /root /home /var /run /sys /etc/ssl/private {1}; ls /tmp /in /work",
        host.path().display(),
        env!("CARGO_MANIFEST_DIR")
    );
    let ran = Step::sh(&script).run();
    assert!(!ran.stdout.contains("hunter2"), "{ran:?}");
    // The last `ls` sees three empty directories, and nothing else saw anything.
    assert_eq!(ran.stdout, "/in:\n\n/tmp:\n\n/work:\n", "{ran:?}");
}

fn nothing_is_written_outside() {
    let script = r"
        for place in / /usr /usr/bin /etc /etc/ssl /in /dev /proc /proc/sys/kernel /bin; do
            if touch $place/made 2>/dev/null; then echo made in $place; fi
        done
        for file in /etc/passwd /etc/ld.so.cache /proc/sys/kernel/core_pattern /proc/sys/kernel/hostname /proc/sysrq-trigger /proc/self/oom_score_adj; do
            if (: >> $file) 2>/dev/null; then echo opened $file; fi
            if chmod 777 $file 2>/dev/null; then echo changed $file; fi
        done
        echo x > /dev/null && echo null works";
    let ran = Step::sh(script).run();
    assert_eq!(ran.stdout, "null works\n", "{ran:?}");
}

fn its_own_directories_are_written() {
    let step = Step::sh(
        "cat /in/a/text > /out/copy && echo t > /tmp/t && mkdir w && mv /tmp/t w/t && pwd && echo x > /dev/shm/x && stat -c %a /out/copy",
    );
    std::fs::create_dir(step.dir.path().join("in/a")).unwrap();
    std::fs::write(step.dir.path().join("in/a/text"), "staged").unwrap();
    std::fs::create_dir(step.dir.path().join("work/sub")).unwrap();
    let step = step.with(|spec| {
        if let Mode::Confined { dir, .. } = &mut spec.mode {
            *dir = PathBuf::from("sub");
        }
    });
    let ran = step.run();
    assert_eq!((ran.exit, ran.stdout.as_str()), (Exit::Code(0), "/work/sub\n644\n"), "{ran:?}");
    assert_eq!(std::fs::read_to_string(step.dir.path().join("out/copy")).unwrap(), "staged");
    assert_eq!(std::fs::read_to_string(step.dir.path().join("work/sub/w/t")).unwrap(), "t\n");
}

fn other_processes_are_not_seen() {
    let mut other = Command::new("sleep").arg(marker()).env("SECRET", "hunter2").spawn().unwrap();
    let script = format!(
        "cat /proc/*/environ | grep -c SECRET; cat /proc/*/comm | grep -c sleep; kill -0 {0} 2>/dev/null && echo signalled; ls /proc | grep -c '^[0-9]'",
        other.id()
    );
    let ran = Step::sh(&script).run();
    other.kill().unwrap();
    other.wait().unwrap();
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert_eq!(lines[..2], ["0", "0"], "{ran:?}");
    // Process 1, the shell, and the two of the pipe.
    assert!(lines.len() == 3 && lines[2].parse::<u32>().unwrap() <= 5, "{ran:?}");
}

fn loopback_is_reached_only_with_the_network() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let without = Step::attempt(&["tcp", &port]).run();
    assert!(without.stdout.starts_with("refused"), "{without:?}");
    let with = Step::attempt(&["tcp", &port]).with(|spec| spec.network = true).run();
    assert_eq!(with.stdout, "reached\n", "{with:?}");
}

fn abstract_sockets_are_not_reached() {
    let name = format!("relrun-confine-{}", marker());
    let _listener = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
    let unconfined = Step::attempt(&["abstract", &name]).unconfined().run();
    assert_eq!(unconfined.stdout, "reached\n", "{unconfined:?}");
    for network in [false, true] {
        let ran = Step::attempt(&["abstract", &name]).with(|spec| spec.network = network).run();
        assert!(ran.stdout.starts_with("refused"), "{network} {ran:?}");
    }
}

fn no_privilege_is_left_or_gained() {
    let script = "grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status; for try in 'unshare -U true' 'unshare -m true' 'mount -t tmpfs x /tmp' 'umount /proc' 'chroot / true' 'hostname x'; do $try 2>/dev/null && echo could $try; done; :";
    let ran = Step::sh(script).run();
    let none = "0000000000000000";
    let expected =
        format!("CapInh:\t{none}\nCapPrm:\t{none}\nCapEff:\t{none}\nCapBnd:\t{none}\nCapAmb:\t{none}\nNoNewPrivs:\t1\nSeccomp:\t2\n");
    assert_eq!(ran.stdout, expected, "{ran:?}");
}

fn a_setuid_program_gains_nothing() {
    let place = tempfile::tempdir().unwrap();
    make_public(place.path());
    let program = place.path().join("whoami-really");
    std::fs::copy("/usr/bin/id", &program).unwrap();
    std::os::unix::fs::chown(&program, Some(1), None).unwrap();
    std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o4755)).unwrap();
    let step = || Step::sh(&format!("{} -u", program.display()));
    assert_eq!(step().unconfined().run().stdout, "1\n", "the program must gain something where nothing holds it");
    assert_eq!(step().view(|view| view.read = vec![place.path().to_owned()]).run().stdout, "0\n");
}

fn descriptors_of_the_host_are_closed() {
    let leak = std::fs::File::open("/etc/passwd").unwrap();
    nix::fcntl::fcntl(&leak, nix::fcntl::FcntlArg::F_SETFD(nix::fcntl::FdFlag::empty())).unwrap();
    for step in [Step::sh("ls /proc/$$/fd"), Step::sh("ls /proc/$$/fd").unconfined()] {
        assert_eq!(step.run().stdout, "0\n1\n2\n");
    }
}

fn grants_are_honoured() {
    let place = tempfile::tempdir().unwrap();
    let real = place.path().canonicalize().unwrap();
    for name in ["readable", "writable", "other"] {
        std::fs::create_dir(real.join(name)).unwrap();
        std::fs::write(real.join(name).join("file"), name).unwrap();
    }
    std::os::unix::fs::symlink("readable", real.join("link")).unwrap();
    let script = format!(
        "cd {} && cat readable/file link/file; touch readable/made 2>/dev/null && echo made; cat other/file 2>/dev/null; echo new > writable/made; rm writable/file",
        real.display()
    );
    let ran = Step::sh(&script)
        .view(|view| {
            view.read = vec![real.join("readable/file"), real.join("link")];
            view.write = vec![real.join("writable")];
        })
        .run();
    assert_eq!((ran.exit, ran.stdout.as_str()), (Exit::Code(0), "readablereadable"), "{ran:?}");
    assert_eq!(std::fs::read_to_string(real.join("writable/made")).unwrap(), "new\n");
    assert!(!real.join("writable/file").exists());
    let refused = Step::sh("true").view(|view| view.read = vec![real.join("absent")]).try_run();
    assert!(matches!(refused, Err(ConfineError::Path { .. })), "{refused:?}");
}

fn in_place_shows_the_tree() {
    let place = tempfile::tempdir().unwrap();
    let tree = place.path().canonicalize().unwrap();
    std::fs::create_dir_all(tree.join("src")).unwrap();
    std::fs::create_dir_all(tree.join(".relrun")).unwrap();
    std::fs::write(tree.join(".relrun/ledger"), "precious").unwrap();
    let step = Step::sh("pwd; ls -A .. ../.relrun; touch made; touch ../.relrun/ledger 2>/dev/null && echo touched; touch /out/made");
    let mut view = relrun_confine::View::new(step.dir.path());
    view.hide = vec![tree.join(".relrun")];
    let step = step.with(|spec| spec.mode = Mode::InPlace { view, tree: tree.clone(), dir: PathBuf::from("src") });
    let ran = step.run();
    assert_eq!(ran.stdout, format!("{}\n..:\n.relrun\nsrc\n\n../.relrun:\n", tree.join("src").display()), "{ran:?}");
    assert!(tree.join("src/made").exists() && step.dir.path().join("out/made").exists());
}

/// The way to a mount point in `/tmp` leads over what an earlier command left there.
fn a_symlink_is_not_followed() {
    let outside = tempfile::tempdir().unwrap();
    let granted = tempfile::Builder::new().prefix("granted").tempdir_in("/tmp").unwrap();
    let deep = granted.path().join("a/b");
    std::fs::create_dir_all(&deep).unwrap();
    let step = Step::sh("true").view(|view| view.read = vec![deep]);
    let name = granted.path().file_name().unwrap();
    std::os::unix::fs::symlink(outside.path(), step.dir.path().join("tmp").join(name)).unwrap();
    let refused = step.try_run();
    assert!(matches!(refused, Err(ConfineError::Path { .. })), "{refused:?}");
    assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 0);
}

fn nothing_stays_mounted() {
    let mounts = || std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    let before = mounts();
    assert!(Step::sh("true").run().exit.success());
    assert_eq!(mounts(), before);
}
