//! `wasi:http/outgoing-handler`: the same gate as `http`, for guests whose language speaks it. Secrets are not its business.

use super::http::origin;
use crate::attempt::Attempt;
use crate::error::CallError;
use crate::state::Ways;
use http_body_util::BodyExt;
use relrun_gate::{GateError, GateErrorKind, Timeouts};
use std::sync::Arc;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

/// Sends what a guest sends through WASI.
pub(crate) struct Hooks {
    pub(crate) attempt: Arc<Attempt>,
    pub(crate) ways: Arc<Ways>,
}

type Exchange = (http::Response<WasiBody>, Box<dyn Future<Output = Result<(), Error>> + Send>);

impl WasiHttpHooks for Hooks {
    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        _: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = Result<Exchange, Error>> + Send> {
        let (attempt, ways) = (Arc::clone(&self.attempt), Arc::clone(&self.ways));
        Box::new(async move { send(&attempt, &ways, request, options).await })
    }
}

async fn send(
    attempt: &Attempt,
    ways: &Ways,
    request: http::Request<WasiBody>,
    options: Option<RequestOptions>,
) -> Result<Exchange, Error> {
    let capability = format!("http \"{}\"", origin(&request.uri().to_string()));
    attempt.effects_only(&capability).map_err(|_: CallError| Error::HttpRequestDenied)?;
    let gate = ways.gate().map_err(|reason| Error::InternalError(Some(reason)))?;
    let timeouts = options.map_or_else(Timeouts::default, |options| Timeouts {
        connect: options.connect_timeout,
        first_byte: options.first_byte_timeout,
        between_bytes: options.between_bytes_timeout,
        total: None,
    });
    let response = gate.send_http(request, timeouts, &attempt.access()).await.map_err(|error| {
        if error.kind == GateErrorKind::Denied {
            attempt.gate_error(&capability, error);
            return Error::HttpRequestDenied;
        }
        wasi(error)
    })?;
    attempt.using(&capability, None);
    Ok((response.map(|body| body.map_err(wasi).boxed_unsync()), Box::new(async { Ok(()) })))
}

fn wasi(error: GateError) -> Error {
    match error.kind {
        GateErrorKind::Denied => Error::HttpRequestDenied,
        GateErrorKind::TimedOut => Error::ConnectionTimeout,
        GateErrorKind::Invalid => Error::HttpRequestUriInvalid,
        GateErrorKind::Missing | GateErrorKind::Transient | GateErrorKind::Permanent => Error::InternalError(Some(error.message)),
    }
}
