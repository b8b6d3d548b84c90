//! Servers that answer what a case recorded. The host's gate connects to them in place of the network, when everything is checked already.

use relrun_gate::StandIn;
use relrun_manifest::Origin;
use relrun_manifest::case::HttpAnswer;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::io::AsyncBufReadExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader, DuplexStream};

/// The longest line of a request's head.
const LONGEST_LINE: usize = 256 << 10;
/// The longest body that is kept.
const LONGEST_BODY: usize = 64 << 20;

/// A request that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sent {
    pub(super) method: String,
    pub(super) url: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

/// The answers of a case, and what was asked of them.
#[derive(Default)]
pub(super) struct Servers(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    answers: Vec<(HttpAnswer, u32)>,
    sent: Vec<Sent>,
    unanswered: Vec<String>,
}

impl Servers {
    pub(super) fn new(answers: Vec<HttpAnswer>) -> Self {
        let answers = answers.into_iter().map(|answer| (answer, 0)).collect();
        Self(Arc::new(Mutex::new(State { answers, ..State::default() })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each change is whole, so one that panicked left it whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what was sent since it was last asked.
    pub(super) fn take(&self) -> Vec<Sent> {
        std::mem::take(&mut self.state().sent)
    }

    /// Takes the requests that no answer was recorded for.
    pub(super) fn unanswered(&self) -> Vec<String> {
        std::mem::take(&mut self.state().unanswered)
    }

    /// Returns another handle on the same.
    pub(super) fn handle(&self) -> Arc<dyn StandIn> {
        Arc::new(Self(Arc::clone(&self.0)))
    }

    /// Notes a request and returns what answers it.
    fn answer(&self, sent: Sent) -> Option<HttpAnswer> {
        let mut state = self.state();
        let fits = |answer: &HttpAnswer| answer.method == sent.method && answer.url == sent.url;
        let found = state.answers.iter_mut().find(|(answer, used)| fits(answer) && answer.times.is_none_or(|times| *used < times));
        let answer = found.map(|(answer, used)| {
            *used += 1;
            answer.clone()
        });
        if answer.is_none() {
            state.unanswered.push(format!("{} {}", sent.method, sent.url));
        }
        state.sent.push(sent);
        answer
    }
}

impl StandIn for Servers {
    fn connect(&self, origin: &Origin) -> DuplexStream {
        let (ours, theirs) = tokio::io::duplex(64 << 10);
        let (servers, origin) = (Self(Arc::clone(&self.0)), origin.to_string());
        // It ends with the connection: the gate drops its side when the call is over.
        tokio::spawn(async move { serve(ours, &servers, &origin).await });
        theirs
    }
}

/// Answers requests until the connection ends, or an answer is to be none.
async fn serve(stream: DuplexStream, servers: &Servers, origin: &str) {
    let mut stream = BufReader::new(stream);
    while let Ok(Some(sent)) = read(&mut stream, origin).await {
        let bare = sent.method == "HEAD";
        let Some(answer) = servers.answer(sent) else {
            let text = "no `http` line of the case answers this request";
            let head = format!("HTTP/1.1 501 Not Recorded\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{text}", text.len());
            let _ = stream.write_all(head.as_bytes()).await;
            return;
        };
        if let Some(after) = answer.after {
            tokio::time::sleep(after).await;
        }
        if answer.broken || write(&mut stream, &answer, bare).await.is_err() {
            return;
        }
    }
}

async fn write(stream: &mut BufReader<DuplexStream>, answer: &HttpAnswer, bare: bool) -> io::Result<()> {
    let mut head = format!("HTTP/1.1 {} Recorded\r\n", answer.status);
    for (name, value) in &answer.headers {
        head += &format!("{name}: {value}\r\n");
    }
    let length = answer.body.len() * answer.repeat;
    if !matches!(answer.status, 204 | 304) {
        head += &format!("content-length: {length}\r\n");
    }
    stream.write_all((head + "\r\n").as_bytes()).await?;
    if !bare && !matches!(answer.status, 204 | 304) {
        for _ in 0..answer.repeat {
            stream.write_all(answer.body.as_bytes()).await?;
        }
    }
    stream.flush().await
}

/// Reads one request; nothing where the connection ended before it.
async fn read(stream: &mut BufReader<DuplexStream>, origin: &str) -> io::Result<Option<Sent>> {
    let first = line(stream).await?;
    let mut words = first.split(' ');
    let (Some(method), Some(target)) = (words.next().filter(|word| !word.is_empty()), words.next()) else { return Ok(None) };
    let (method, url) = (method.to_owned(), format!("{origin}{target}"));
    let mut headers = Vec::new();
    loop {
        let line = line(stream).await?;
        let Some((name, value)) = line.split_once(':') else { break };
        headers.push((name.to_lowercase(), value.trim().to_owned()));
    }
    let header = |wanted: &str| headers.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str());
    let body = match header("content-length").and_then(|length| length.parse::<usize>().ok()) {
        Some(length) => exactly(stream, length).await?,
        None if header("transfer-encoding").is_some() => chunks(stream).await?,
        None => Vec::new(),
    };
    Ok(Some(Sent { method, url, headers, body }))
}

async fn line(stream: &mut BufReader<DuplexStream>) -> io::Result<String> {
    let mut bytes = Vec::new();
    let read = (&mut *stream).take(LONGEST_LINE as u64).read_until(b'\n', &mut bytes).await?;
    if read == LONGEST_LINE {
        return Err(io::Error::other("a line without an end"));
    }
    Ok(String::from_utf8_lossy(&bytes).trim_end().to_owned())
}

async fn exactly(stream: &mut BufReader<DuplexStream>, length: usize) -> io::Result<Vec<u8>> {
    if length > LONGEST_BODY {
        return Err(io::Error::other("a body longer than a test needs"));
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    Ok(body)
}

async fn chunks(stream: &mut BufReader<DuplexStream>) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let length = usize::from_str_radix(line(stream).await?.trim(), 16).map_err(io::Error::other)?;
        if body.len().saturating_add(length) > LONGEST_BODY {
            return Err(io::Error::other("a body longer than a test needs"));
        }
        body.extend(exactly(stream, length).await?);
        line(stream).await?;
        if length == 0 {
            return Ok(body);
        }
    }
}
