//! A proxy between a client and a server that, request by request, does what a test tells it: passes on, breaks off, answers itself.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What happens to one request.
#[derive(Clone, Debug)]
pub(crate) enum Fate {
    /// It reaches the server, and the answer comes back.
    Pass,
    /// So many bytes of its body reach the server; then both connections break.
    CutUpload(usize),
    /// It reaches the server, and no answer comes back.
    LoseAnswer,
    /// So many bytes of the answer come back; then both connections break.
    CutAnswer(usize),
    /// The server is not asked, and this comes back.
    Answer(String),
    /// The first comes back at once, and the second a byte at a time, with a wait between them.
    Drip(String, String, Duration),
}

/// Returns an answer.
pub(crate) fn answer(status: &str, headers: &str, body: &str) -> Fate {
    Fate::Answer(format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n{headers}\r\n{body}", body.len()))
}

type Judge = dyn Fn(&str, usize) -> Fate + Send + Sync;

/// The proxy. It closes each connection after one request, so each request has a connection and a fate of its own.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Proxy {
    /// Stands before `server`. `judge` is given each request's first line and how many of the same method came before.
    pub(crate) async fn before(server: SocketAddr, judge: impl Fn(&str, usize) -> Fate + Send + Sync + 'static) -> Self {
        Self::with_heads(server, move |head, before| judge(head.lines().next().unwrap_or_default(), before)).await
    }

    /// Stands before `server`. `judge` is given each request's whole head.
    pub(crate) async fn with_heads(server: SocketAddr, judge: impl Fn(&str, usize) -> Fate + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let heads: Arc<Mutex<Vec<String>>> = Arc::default();
        let (log, judge): (_, Arc<Judge>) = (Arc::clone(&heads), Arc::new(judge));
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (log, judge) = (Arc::clone(&log), Arc::clone(&judge));
                // A connection that breaks is what it is for.
                tokio::spawn(async move { serve(client, server, &log, &*judge).await.unwrap_or_default() });
            }
        });
        Self { address, heads, task }
    }

    pub(crate) fn host(&self) -> String {
        self.address.to_string()
    }

    /// Returns the heads of all requests so far that begin with `method`.
    pub(crate) fn requests(&self, method: &str) -> Vec<String> {
        self.heads.lock().unwrap().iter().filter(|head| head.starts_with(method)).cloned().collect()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut client: TcpStream, server: SocketAddr, log: &Mutex<Vec<String>>, judge: &Judge) -> std::io::Result<()> {
    let Some((head, mut body)) = read_head(&mut client).await? else { return Ok(()) };
    let method = head.split(' ').next().unwrap_or_default().to_owned();
    let before = {
        let mut heads = log.lock().unwrap();
        let before = heads.iter().filter(|head| head.starts_with(&method)).count();
        heads.push(head.clone());
        before
    };
    let length = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0_usize);
    match judge(&head, before) {
        Fate::Answer(text) => {
            drain(&mut client, length - body.len()).await?;
            client.write_all(text.as_bytes()).await?;
            client.shutdown().await
        }
        Fate::Drip(head, text, wait) => {
            client.write_all(head.as_bytes()).await?;
            for byte in text.as_bytes() {
                client.write_all(&[*byte]).await?;
                tokio::time::sleep(wait).await;
            }
            Ok(())
        }
        fate => {
            let mut upstream = TcpStream::connect(server).await?;
            upstream.write_all(closing(&head).as_bytes()).await?;
            let wanted = if let Fate::CutUpload(wanted) = fate { wanted.min(length) } else { length };
            body.truncate(wanted);
            upstream.write_all(&body).await?;
            let mut rest = (&mut client).take((wanted - body.len()) as u64);
            tokio::io::copy(&mut rest, &mut upstream).await?;
            match fate {
                Fate::CutUpload(_) => {
                    // What was sent is to arrive before the connection ends.
                    upstream.shutdown().await?;
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    Ok(())
                }
                Fate::LoseAnswer => {
                    let mut answer = Vec::new();
                    upstream.read_to_end(&mut answer).await.map(drop)
                }
                Fate::CutAnswer(wanted) => {
                    let mut answer = (&mut upstream).take(wanted as u64);
                    tokio::io::copy(&mut answer, &mut client).await.map(drop)
                }
                _ => tokio::io::copy(&mut upstream, &mut client).await.map(drop),
            }
        }
    }
}

/// Asks the server to close the connection after this request.
fn closing(head: &str) -> String {
    let kept = head.lines().filter(|line| !line.is_empty() && !line.to_ascii_lowercase().starts_with("connection:"));
    kept.chain(["connection: close", "", ""]).collect::<Vec<_>>().join("\r\n")
}

async fn read_head(client: &mut TcpStream) -> std::io::Result<Option<(String, Vec<u8>)>> {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
    while bytes.len() < 64 << 10 {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let body = bytes.split_off(end + 4);
            return Ok(Some((String::from_utf8_lossy(&bytes).into_owned(), body)));
        }
        let count = client.read(&mut buffer).await?;
        if count == 0 {
            return Ok(None);
        }
        bytes.extend_from_slice(&buffer[..count]);
    }
    Ok(None)
}

async fn drain(client: &mut TcpStream, count: usize) -> std::io::Result<()> {
    let mut rest = client.take(count as u64);
    tokio::io::copy(&mut rest, &mut tokio::io::sink()).await.map(drop)
}
