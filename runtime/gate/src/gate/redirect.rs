//! Redirects: each hop is a request of its own, checked like the first. What was meant for one origin never reaches another.

use super::body::Response;
use super::request::{Body, Draft, Request};
use super::{Gate, Timeouts};
use crate::{Access, GateError};
use http::header::{
    AUTHORIZATION, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LOCATION, CONTENT_TYPE, COOKIE, LOCATION, PROXY_AUTHORIZATION,
};
use http::{HeaderName, Method, Response as HttpResponse, StatusCode};
use tokio::time::Instant;
use url::Url;

/// How many redirects are followed.
const MAX_HOPS: usize = 10;
const PERSONAL: [HeaderName; 3] = [AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION];
const OF_THE_BODY: [HeaderName; 4] = [CONTENT_TYPE, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LOCATION];

pub(super) async fn follow(
    gate: &Gate,
    request: Request,
    access: &Access<'_>,
    timeouts: Timeouts,
    deadline: Instant,
) -> Result<Response, GateError> {
    let mut draft = Draft::parse(request)?;
    for hop in 0..=MAX_HOPS {
        let target = access.check(&draft.method, &draft.url).map_err(|error| if hop == 0 { error } else { redirected(error) })?;
        let outgoing = draft.outgoing(&target.origin, access)?;
        let sent = gate.exchange(outgoing, timeouts, deadline, access).await;
        let (response, remote) = sent.map_err(|error| if hop == 0 { error } else { redirected(error) })?;
        let Some(next) = next_url(&response, &draft.url)? else { return Ok(Response::new(response, remote)) };
        turn(&mut draft, response.status(), next);
    }
    Err(GateError::permanent(format!("{} leads through more than {MAX_HOPS} redirects", access.show(&draft.url))))
}

fn redirected(mut error: GateError) -> GateError {
    error.message = format!("after a redirect: {}", error.message);
    error
}

/// Returns where a response leads, where it leads anywhere.
fn next_url<B>(response: &HttpResponse<B>, from: &Url) -> Result<Option<Url>, GateError> {
    let follows = matches!(
        response.status(),
        StatusCode::MOVED_PERMANENTLY
            | StatusCode::FOUND
            | StatusCode::SEE_OTHER
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT
    );
    let Some(location) = response.headers().get(LOCATION).filter(|_| follows) else { return Ok(None) };
    let location = location.to_str().ok().and_then(|text| from.join(text).ok());
    location.map(Some).ok_or_else(|| GateError::permanent("the answer redirects to an address that is not valid"))
}

/// Turns a request towards the next hop, as RFC 9110, section 15.4, says.
fn turn(draft: &mut Draft, status: StatusCode, next: Url) {
    let becomes_get = match status {
        StatusCode::SEE_OTHER => draft.method != Method::HEAD,
        StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND => draft.method == Method::POST,
        _ => false,
    };
    if becomes_get {
        draft.method = Method::GET;
        draft.body = Body::Empty;
        for name in OF_THE_BODY {
            draft.headers.remove(name);
        }
    }
    if next.origin() != draft.url.origin() {
        draft.secret_headers.clear();
        draft.basic_auth = None;
        for name in PERSONAL {
            draft.headers.remove(name);
        }
    }
    draft.url = next;
}
