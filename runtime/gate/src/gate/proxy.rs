//! Proxies, by the variables that everybody uses. A proxy looks names up in our place, so that only literal addresses can be checked before it; what
//! a grant lets through (scheme, host, port, method) is checked all the same.

use crate::GateError;
use crate::access::{Target, origin_of};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{HOST, PROXY_AUTHORIZATION};
use http::{HeaderValue, Method, Request, StatusCode};
use http_body_util::Empty;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use ipnet::IpNet;
use percent_encoding::percent_decode_str;
use relrun_manifest::{HttpTls, Origin};
use std::net::IpAddr;
use tokio::net::TcpStream;
use tokio_util::task::AbortOnDropHandle;
use url::{Host, Url};

/// Which proxies there are. Each may hold a user and a password, so none is ever shown.
#[derive(Clone, Default)]
pub struct Proxies {
    /// For `http` origins.
    pub http: Option<String>,
    /// For `https` origins.
    pub https: Option<String>,
    /// What is reached without one: names with all below them, addresses, networks, `*`; with commas between.
    pub none_for: String,
}

/// A proxy that a request goes through.
pub(super) struct Proxy {
    pub(super) target: Target,
    authorization: Option<HeaderValue>,
}

impl Proxies {
    /// Takes them from variables: `https_proxy`, `http_proxy`, `all_proxy` and `no_proxy`, in lower case before upper case. `HTTP_PROXY` in upper case
    /// is not taken where a CGI request could have set it.
    pub fn of_variables(get: &dyn Fn(&str) -> Option<String>) -> Self {
        let either = |name: &str| get(name).or_else(|| get(&name.to_uppercase())).filter(|text| !text.trim().is_empty());
        let in_cgi = get("REQUEST_METHOD").is_some();
        let http = if in_cgi { get("http_proxy").filter(|text| !text.trim().is_empty()) } else { either("http_proxy") };
        let all = either("all_proxy");
        Self { http: http.or_else(|| all.clone()), https: either("https_proxy").or(all), none_for: either("no_proxy").unwrap_or_default() }
    }

    /// Returns the proxy for a target, where it goes through one.
    pub(super) fn of(&self, target: &Target) -> Result<Option<Proxy>, GateError> {
        let named = if target.origin.scheme == "https" { &self.https } else { &self.http };
        match named {
            Some(text) if !self.is_direct(target) => Proxy::parse(text).map(Some),
            _ => Ok(None),
        }
    }

    /// Returns the address of the proxy that a URL is reached through, with its user and password: for a client beside the gate, which then holds to the
    /// same variables.
    pub fn of_url(&self, url: &Url) -> Result<Option<Url>, GateError> {
        let (origin, host) = origin_of(url).map_err(GateError::invalid)?;
        let target = Target { origin, host, private: false, tls: HttpTls::default() };
        let named = if target.origin.scheme == "https" { &self.https } else { &self.http };
        match (named, self.of(&target)?) {
            (Some(text), Some(_)) => address(text).map(Some),
            _ => Ok(None),
        }
    }

    fn is_direct(&self, target: &Target) -> bool {
        let (host, port) = (target.origin.host.as_str(), target.origin.port);
        let address: Option<IpAddr> = match &target.host {
            Host::Ipv4(address) => Some((*address).into()),
            Host::Ipv6(address) => Some((*address).into()),
            Host::Domain(_) => None,
        };
        if host == "localhost" || address.is_some_and(|address| address.is_loopback()) {
            return true;
        }
        self.none_for.split(',').map(str::trim).filter(|entry| !entry.is_empty()).any(|entry| {
            let (name, wanted) = match entry.rsplit_once(':') {
                Some((name, text)) if !name.contains(':') => match text.parse::<u16>() {
                    Ok(wanted) => (name, Some(wanted)),
                    Err(_) => (entry, None),
                },
                _ => (entry, None),
            };
            let name = name.trim_start_matches("*.").trim_start_matches('.').to_ascii_lowercase();
            let is_it = match address {
                Some(address) => {
                    name.parse::<IpAddr>().is_ok_and(|known| known == address)
                        || name.parse::<IpNet>().is_ok_and(|net| net.contains(&address))
                }
                None => host == name || host.strip_suffix(&name).is_some_and(|rest| rest.ends_with('.')),
            };
            entry == "*" || (is_it && wanted.is_none_or(|wanted| wanted == port))
        })
    }
}

impl std::fmt::Debug for Proxies {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Proxies").field("none_for", &self.none_for).finish_non_exhaustive()
    }
}

impl Proxy {
    fn parse(text: &str) -> Result<Self, GateError> {
        let mut url = address(text)?;
        let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let authorization = (!url.username().is_empty()).then(|| {
            let pair = format!("{}:{}", decoded(url.username()), decoded(url.password().unwrap_or_default()));
            HeaderValue::from_str(&format!("Basic {}", STANDARD.encode(pair)))
        });
        let mut authorization = authorization.transpose().map_err(|_| wrong("its password cannot stand in a header"))?;
        if let Some(value) = &mut authorization {
            value.set_sensitive(true);
        }
        // Neither can fail on a URL with a host, and without one it is refused below.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        let (origin, host) = origin_of(&url).map_err(wrong)?;
        Ok(Self { target: Target { origin, host, private: true, tls: HttpTls::default() }, authorization })
    }

    /// Returns what a request in plain HTTP must carry.
    pub(super) fn authorization(&self) -> Option<&HeaderValue> {
        self.authorization.as_ref()
    }

    /// Opens a way through the proxy to an origin.
    pub(super) async fn tunnel(&self, stream: TcpStream, to: &Origin) -> Result<TokioIo<Upgraded>, GateError> {
        let broke = |error: hyper::Error| GateError::transient(format!("the proxy {} broke off: {error}", self.target.origin));
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(broke)?;
        let _task = AbortOnDropHandle::new(tokio::spawn(async move {
            // Its error comes out at the sender.
            let _ = connection.with_upgrades().await;
        }));
        let authority = format!("{}:{}", to.host, to.port);
        let mut request = Request::new(Empty::<Bytes>::new());
        *request.method_mut() = Method::CONNECT;
        *request.uri_mut() = authority.parse().map_err(|_| GateError::invalid("the address's host is not valid"))?;
        let host = HeaderValue::from_str(&authority).map_err(|_| GateError::invalid("the address's host is not valid"))?;
        request.headers_mut().insert(HOST, host);
        if let Some(value) = &self.authorization {
            request.headers_mut().insert(PROXY_AUTHORIZATION, value.clone());
        }
        let response = sender.send_request(request).await.map_err(broke)?;
        match response.status() {
            status if status.is_success() => hyper::upgrade::on(response).await.map(TokioIo::new).map_err(broke),
            StatusCode::PROXY_AUTHENTICATION_REQUIRED => {
                Err(GateError::denied(format!("the proxy {} asks for a user and a password, or takes others", self.target.origin)))
            }
            StatusCode::FORBIDDEN => Err(GateError::denied(format!("the proxy {} does not let {to} through", self.target.origin))),
            status => Err(GateError::transient(format!("the proxy {} answers {status} for {to}", self.target.origin))),
        }
    }
}

fn wrong(why: &str) -> GateError {
    GateError::invalid(format!("the proxy that a variable names cannot be used: {why}"))
}

/// Reads a proxy's address.
fn address(text: &str) -> Result<Url, GateError> {
    let with_scheme = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let url = Url::parse(&with_scheme).map_err(|error| wrong(&error.to_string()))?;
    if url.scheme() == "http" { Ok(url) } else { Err(wrong("only proxies that are spoken to in plain HTTP are, `http://HOST:PORT`")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(url: &str) -> Target {
        let (origin, host) = origin_of(&Url::parse(url).unwrap()).unwrap();
        Target { origin, host, private: false, tls: HttpTls::default() }
    }

    #[test]
    fn another_client_is_told_the_same() {
        let proxies = Proxies { https: Some("ana:pw@proxy:3128".to_owned()), none_for: "corp".to_owned(), http: None };
        let of = |url: &str| proxies.of_url(&Url::parse(url).unwrap()).unwrap().map(String::from);
        assert_eq!(of("https://registry.example.com/v2/").as_deref(), Some("http://ana:pw@proxy:3128/"));
        assert_eq!((of("https://registry.corp/"), of("http://registry.example.com/"), of("https://127.0.0.1/")), (None, None, None));
        let bad = Proxies { https: Some("socks5://proxy".to_owned()), ..Proxies::default() };
        let error = bad.of_url(&Url::parse("https://registry.example.com/").unwrap()).unwrap_err();
        assert!(error.message.contains("the proxy that a variable names cannot be used"), "{error}");
    }

    #[test]
    fn what_goes_without_one_is_told_by_name_address_network_and_port() {
        let proxies = Proxies {
            https: Some("proxy:3128".to_owned()),
            none_for: "example.com, .corp, 10.0.0.0/8,one.net:8443 ,[x".to_owned(),
            http: None,
        };
        let goes = |url: &str| proxies.of(&target(url)).unwrap().is_some();
        for url in [
            "https://example.com",
            "https://a.example.com",
            "https://x.corp",
            "https://10.1.2.3",
            "https://one.net:8443",
            "https://localhost:9",
            "https://127.0.0.1",
            "https://[::1]",
            "http://other.org",
        ] {
            assert!(!goes(url), "{url}");
        }
        for url in ["https://badexample.com", "https://one.net", "https://11.0.0.1", "https://other.org"] {
            assert!(goes(url), "{url}");
        }
        let all = Proxies { none_for: "*".to_owned(), ..proxies.clone() };
        assert!(all.of(&target("https://other.org")).unwrap().is_none());
    }

    #[test]
    fn variables_are_taken_as_others_take_them() {
        let of = |set: &[(&str, &str)]| {
            Proxies::of_variables(&|name| set.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()))
        };
        assert_eq!(of(&[("HTTPS_PROXY", "a"), ("https_proxy", "b")]).https.as_deref(), Some("b"));
        assert_eq!(of(&[("ALL_PROXY", "a")]).http.as_deref(), Some("a"));
        assert_eq!(of(&[("HTTP_PROXY", "a"), ("REQUEST_METHOD", "GET")]).http, None);
        assert_eq!(of(&[("HTTPS_PROXY", " ")]).https, None);
    }

    #[test]
    fn a_proxy_that_cannot_be_used_is_said_without_its_password() {
        for text in ["socks5://user:s3cret@proxy:1", "https://user:s3cret@proxy", "http://user:s3cret@"] {
            let proxies = Proxies { https: Some(text.to_owned()), ..Proxies::default() };
            let error = proxies.of(&target("https://other.org")).err().unwrap().to_string();
            assert!(error.contains("cannot be used") && !error.contains("s3cret"), "{error}");
        }
        assert!(!format!("{:?}", Proxies { https: Some("s3cret".to_owned()), ..Proxies::default() }).contains("s3cret"));
    }
}
