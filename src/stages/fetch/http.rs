//! HTTP as the sources need it: fast to give up, patient with what passes, and interruptible.

use std::io::Read;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use reqwest::blocking::{Client, Response};
use reqwest::header::{HeaderMap, RANGE, RETRY_AFTER};
use reqwest::{Method, StatusCode};

use crate::base::stop::Stop;

const CONNECT: Duration = Duration::from_secs(10);
/// Longest silence in the middle of an exchange.
const SILENCE: Duration = Duration::from_secs(30);
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// A server that asks for more than this is as good as down.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
pub const ATTEMPTS: u32 = 4;

/// Why an address did not deliver.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error("{url} answered {status}")]
    Status { url: String, status: StatusCode, pause: Option<Duration> },
    #[error("the name of {} is not known (DNS)", host(.url))]
    Name { url: String },
    #[error("{} cannot be reached: {reason}", host(.url))]
    Unreachable { url: String, reason: String },
    #[error("{url} stopped answering")]
    TimedOut { url: String },
    #[error("the connection broke while reading {url}: {reason}")]
    Broken { url: String, reason: String },
    #[error("{url} is larger than the {limit} bytes that it may have")]
    TooLarge { url: String, limit: u64 },
    #[error("{url} is not an address that can be fetched: {reason}")]
    Address { url: String, reason: String },
    #[error("interrupted")]
    Interrupted,
}

impl Failure {
    /// Whether the same request may succeed in a moment.
    fn is_transient(&self) -> bool {
        match self {
            Failure::Status { status, .. } => {
                status.is_server_error() && *status != StatusCode::NOT_IMPLEMENTED
                    || matches!(*status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT)
            }
            Failure::TimedOut { .. } | Failure::Broken { .. } => true,
            _ => false,
        }
    }

    /// Whether the server said that there is no such file.
    pub fn is_absent(&self) -> bool {
        matches!(self, Failure::Status { status: StatusCode::NOT_FOUND | StatusCode::GONE, .. })
    }

    /// In a few words, for a list of what was tried.
    pub fn short(&self) -> String {
        match self {
            Failure::Status { status, .. } => status.as_u16().to_string(),
            other => other.to_string(),
        }
    }

    pub fn from_reqwest(url: &str, error: &reqwest::Error) -> Failure {
        let url = url.to_owned();
        let reason = root(error);
        if error.is_builder() {
            Failure::Address { url, reason }
        } else if error.is_dns() {
            Failure::Name { url }
        } else if error.is_connect() {
            Failure::Unreachable { url, reason }
        } else if error.is_timeout() {
            Failure::TimedOut { url }
        } else if error.is_redirect() {
            Failure::Address { url, reason }
        } else {
            Failure::Broken { url, reason }
        }
    }
}

fn host(url: &str) -> String {
    reqwest::Url::parse(url).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or(url.to_owned())
}

/// The innermost cause: the layers above it only repeat the address.
fn root(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

#[derive(Clone, Debug)]
pub struct Http {
    client: Client,
    stop: Stop,
}

impl Http {
    /// Proxies are those of the usual variables (`http_proxy`, `https_proxy`, `no_proxy`).
    pub fn new(stop: &Stop) -> Http {
        let builder = || {
            Client::builder()
                .user_agent(concat!("kpatch-build/", env!("CARGO_PKG_VERSION")))
                .connect_timeout(CONNECT)
                .timeout(SILENCE)
        };
        // A small host may have no certificate authorities at all, and still a Debian mirror.
        let client = builder().build().or_else(|_| builder().tls_certs_only(shipped_authorities()).build());
        let client = client.expect("the shipped authorities make a TLS set-up");
        Http { client, stop: stop.clone() }
    }

    /// A small document, whole.
    pub fn get(&self, url: &str, limit: u64) -> Result<Vec<u8>, Failure> {
        self.retry(|| {
            let (client, address) = (self.client.clone(), url.to_owned());
            self.waited(move || {
                let response = send(&client, Method::GET, &address, HeaderMap::new())?;
                let mut body = Vec::new();
                response
                    .take(limit + 1)
                    .read_to_end(&mut body)
                    .map_err(|error| Failure::Broken { url: address.clone(), reason: root(&error) })?;
                if body.len() as u64 > limit {
                    return Err(Failure::TooLarge { url: address, limit });
                }
                Ok(body)
            })
        })
    }

    /// Whether the address delivers, without taking more than its first byte.
    pub fn delivers(&self, url: &str) -> Result<(), Failure> {
        self.retry(|| {
            let (client, address) = (self.client.clone(), url.to_owned());
            self.waited(move || match send(&client, Method::HEAD, &address, HeaderMap::new()) {
                Err(Failure::Status { status, .. }) if matches!(status.as_u16(), 400 | 403 | 405 | 501) => {
                    let mut headers = HeaderMap::new();
                    headers.insert(RANGE, "bytes=0-0".parse().expect("a valid header"));
                    send(&client, Method::GET, &address, headers).map(drop)
                }
                other => other.map(drop),
            })
        })
    }

    /// Starts a request and hands over its headers; the body follows in pieces.
    pub fn open(&self, url: &str, headers: HeaderMap) -> Result<(Head, Body), Failure> {
        let (client, address) = (self.client.clone(), url.to_owned());
        let (sender, pieces) = sync_channel(8);
        let head = self.waited(move || {
            let mut response = send(&client, Method::GET, &address, headers)?;
            let head = Head {
                status: response.status(),
                headers: response.headers().clone(),
                length: response.content_length(),
            };
            std::thread::spawn(move || {
                loop {
                    let mut piece = vec![0; 128 * 1024];
                    let read = response.read(&mut piece).map(|count| {
                        piece.truncate(count);
                        piece
                    });
                    let last = !read.as_ref().is_ok_and(|piece| !piece.is_empty());
                    let read = read.map_err(|error| root(&error));
                    // The receiver is gone when the download was given up.
                    if sender.send(read).is_err() || last {
                        return;
                    }
                }
            });
            Ok(head)
        })?;
        Ok((head, Body { url: url.to_owned(), pieces, stop: self.stop.clone() }))
    }

    /// Runs `attempt` again, later and later, while what it meets can pass.
    pub fn retry<T>(&self, mut attempt: impl FnMut() -> Result<T, Failure>) -> Result<T, Failure> {
        let mut number = 1;
        loop {
            match attempt() {
                Err(failure) if failure.is_transient() && number < ATTEMPTS => {
                    self.pause(number, &failure)?;
                    number += 1;
                }
                result => return result,
            }
        }
    }

    /// Waits before attempt `number + 1`, as long as the server asked for if it did.
    pub fn pause(&self, number: u32, failure: &Failure) -> Result<(), Failure> {
        let asked = match failure {
            Failure::Status { pause, .. } => *pause,
            _ => None,
        };
        let pause = asked.unwrap_or(FIRST_PAUSE * 2u32.pow(number - 1)).min(LONGEST_PAUSE);
        let end = Instant::now() + pause;
        while Instant::now() < end {
            if self.stop.is_set() {
                return Err(Failure::Interrupted);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    pub fn is_transient(failure: &Failure) -> bool {
        failure.is_transient()
    }

    fn waited<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        waited(&self.stop, work).unwrap_or(Err(Failure::Interrupted))
    }
}

fn shipped_authorities() -> Vec<reqwest::Certificate> {
    let certificates = webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter();
    certificates.filter_map(|der| reqwest::Certificate::from_der(der).ok()).collect()
}

/// Runs what blocks in a thread of its own, so that a stop is answered at once; the thread
/// then ends by its own time limits. `None` when stopped.
pub fn waited<T: Send + 'static>(stop: &Stop, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (sender, result) = sync_channel(1);
    std::thread::spawn(move || {
        let _ = sender.send(work());
    });
    loop {
        match result.recv_timeout(Duration::from_millis(50)) {
            Ok(value) => return Some(value),
            Err(RecvTimeoutError::Timeout) if !stop.is_set() => {}
            Err(_) => return None,
        }
    }
}

fn send(client: &Client, method: Method, url: &str, headers: HeaderMap) -> Result<Response, Failure> {
    let response = client
        .request(method, url)
        .headers(headers)
        .send()
        .map_err(|error| Failure::from_reqwest(url, &error))?;
    let status = response.status();
    // 416 is an answer to a resumed download, not a failure of the address.
    if status.is_success() || status == StatusCode::RANGE_NOT_SATISFIABLE {
        return Ok(response);
    }
    let seconds = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    Err(Failure::Status { url: url.to_owned(), status, pause: seconds.map(Duration::from_secs) })
}

/// What came before a body.
#[derive(Debug)]
pub struct Head {
    pub status: StatusCode,
    pub headers: HeaderMap,
    /// Of this body, not of the whole file.
    pub length: Option<u64>,
}

impl Head {
    pub fn header(&self, name: &reqwest::header::HeaderName) -> Option<String> {
        self.headers.get(name)?.to_str().ok().map(str::to_owned)
    }
}

/// The pieces of a body as they arrive.
#[derive(Debug)]
pub struct Body {
    url: String,
    pieces: Receiver<Result<Vec<u8>, String>>,
    stop: Stop,
}

impl Body {
    /// The next piece, `None` at the end.
    pub fn next(&mut self) -> Result<Option<Vec<u8>>, Failure> {
        loop {
            if self.stop.is_set() {
                return Err(Failure::Interrupted);
            }
            match self.pieces.recv_timeout(Duration::from_millis(50)) {
                Ok(Ok(piece)) if piece.is_empty() => return Ok(None),
                Ok(Ok(piece)) => return Ok(Some(piece)),
                Ok(Err(reason)) => return Err(Failure::Broken { url: self.url.clone(), reason }),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(None),
            }
        }
    }
}
