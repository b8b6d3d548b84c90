//! A host that is far away: requests must not wait for one another.

#![expect(clippy::unwrap_used, reason = "a test's panic is how it fails, in its helpers too")]

mod support;

use relrun_ssh::{Address, Ssh, SshOptions};
use relrun_store::{BlobStore, CaptureMode, LocalBlobStore};
use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc;
use std::thread::{sleep, spawn};
use std::time::{Duration, Instant};
use support::Bench;

/// One way of the journey.
const FAR: Duration = Duration::from_millis(25);

/// Listens, and hands everything on after a while, both ways.
fn far_away(server: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.2:0").unwrap();
    let address = listener.local_addr().unwrap();
    spawn(move || {
        for client in listener.incoming().flatten() {
            let Ok(server) = TcpStream::connect(server) else { return };
            late(client.try_clone().unwrap(), server.try_clone().unwrap());
            late(server, client);
        }
    });
    address
}

fn late(mut from: TcpStream, mut to: TcpStream) {
    let (sender, receiver) = mpsc::channel::<(Instant, Vec<u8>)>();
    spawn(move || {
        let mut bytes = vec![0; 64 << 10];
        while let Ok(length) = from.read(&mut bytes) {
            if length == 0 || sender.send((Instant::now() + FAR, bytes[..length].to_vec())).is_err() {
                return;
            }
        }
    });
    spawn(move || {
        for (due, bytes) in receiver {
            sleep(due.saturating_duration_since(Instant::now()));
            if to.write_all(&bytes).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
    });
}

#[tokio::test]
async fn many_files_go_far_without_waiting_for_one_another() {
    let bench = Bench::new();
    let server = bench.server.address();
    let far = far_away(server);
    let config = bench.beside("far_config");
    let lines = bench.server.client_lines().replace(&server.port().to_string(), &far.port().to_string());
    fs::write(&config, format!("HostKeyAlias [{}]:{}\n{lines}", server.ip(), server.port())).unwrap();
    let url = bench.server.url().replace(&server.port().to_string(), &far.port().to_string());
    let ssh = Ssh::new(SshOptions { config: Some(config), ..SshOptions::default() });
    let link = ssh.link(&Address::parse(&url).unwrap()).await.unwrap_or_else(|error| panic!("{error}"));

    let folder = tempfile::tempdir().unwrap();
    let tree = folder.path().join("tree");
    for number in 0..1_000 {
        fs::create_dir_all(tree.join(format!("d{}", number % 20))).unwrap();
        fs::write(tree.join(format!("d{}/f{number}", number % 20)), format!("file {number}")).unwrap();
    }
    let blobs: Arc<dyn BlobStore> = Arc::new(LocalBlobStore::open(&folder.path().join("store")).unwrap());
    let (digest, _) = relrun_store::capture(&*blobs, &tree, CaptureMode::Copy).unwrap();
    let began = Instant::now();
    link.upload(Arc::clone(&blobs), digest, &bench.at("releases/r1")).await.unwrap();
    let first = began.elapsed();
    let began = Instant::now();
    let second = link.upload(blobs, digest, &bench.at("releases/r2")).await.unwrap();
    assert_eq!(second.linked, 1_000);
    // One after the other, it would be four journeys of 50 ms for each file, and two for each that is linked.
    assert!(first < Duration::from_secs(30), "{first:?}");
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
}
