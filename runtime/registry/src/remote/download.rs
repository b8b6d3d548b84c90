//! A blob on its way down. What broke off goes on where it broke off, as far as the registry can.

use reqwest::header::{CONTENT_RANGE, RANGE};
use reqwest::{Method, StatusCode};
use tokio::time::Instant;

use super::retry::Failure;
use super::{Remote, Right, text};
use crate::RegistryError;
use crate::blob::Landing;

impl Remote {
    pub(super) async fn download(&self, landing: &mut Landing) -> Result<(), RegistryError> {
        let mut backoff = self.host.backoff();
        loop {
            match self.download_once(landing).await {
                Ok(()) => return Ok(()),
                Err(failure) => backoff.pause(failure).await?,
            }
        }
    }

    async fn download_once(&self, landing: &mut Landing) -> Result<(), Failure> {
        let expected = landing.expected().clone();
        let mut call = self.blob_call(Method::GET, expected.digest(), "pull", Right::Pull)?;
        if landing.count() > 0 {
            call.headers.push((RANGE, format!("bytes={}-", landing.count())));
        }
        let mut response = self.host.once(&call).await?;
        match response.status() {
            StatusCode::PARTIAL_CONTENT if goes_on(text(response.headers(), CONTENT_RANGE.as_str()), landing.count()) => {}
            StatusCode::OK => landing.restart()?,
            StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE => {
                landing.restart()?;
                return Err(Failure::again(call.nonsense("it sent another part than it was asked for"), None));
            }
            _ => return Err(Failure::Final(self.host.refusal(&call, response).await)),
        }
        let end = Instant::now() + self.host.options.timeouts.whole(expected.size());
        while let Some(piece) = self.host.next_piece(&call, &mut response).await? {
            landing.take(&piece)?;
            self.host.options.tell(&call.at, landing.count(), Some(expected.size()));
            if Instant::now() > end {
                let reason = format!("it comes too slowly: {} bytes of {}", landing.count(), expected.size());
                return Err(Failure::again(call.unreachable(reason), None));
            }
        }
        if landing.count() < expected.size() {
            let reason = format!("it ended after {} bytes of {}", landing.count(), expected.size());
            return Err(Failure::again(call.unreachable(reason), None));
        }
        Ok(())
    }
}

/// Returns whether `content-range` says that the answer begins at `offset`.
fn goes_on(range: Option<&str>, offset: u64) -> bool {
    let start = range.and_then(|range| range.strip_prefix("bytes ")?.split_once('-')?.0.trim().parse::<u64>().ok());
    start == Some(offset)
}
