//! An HTTP client that gives up quickly on dead hosts, retries transient failures and can be interrupted.

use std::io::Read;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use reqwest::blocking::{Client, Response};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue, RANGE, RETRY_AFTER};
use reqwest::redirect::{Action, Attempt, Policy};
use reqwest::{Method, StatusCode, Url};

use super::interruptible;
use super::stop::{Interrupted, Stop};

/// Longest time until a connection is established.
const CONNECT: Duration = Duration::from_secs(10);
/// Longest silence in the middle of an exchange.
const SILENCE: Duration = Duration::from_secs(30);
/// A transfer that brings less than [`PACE`] bytes in this time is given up.
const WINDOW: Duration = Duration::from_secs(60);
/// 1 KiB/s, slower than a modem.
const PACE: u64 = 60 << 10;
/// Redirections that are followed for one request, as in browsers.
const REDIRECTIONS: usize = 10;
/// Pause before the second attempt; every later pause is twice as long as the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// A server whose `Retry-After` is longer than this counts as down.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// Number of attempts for one request, including the first.
pub(crate) const ATTEMPTS: u32 = 4;

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The server answered with an error status.
    #[error("{url} answered {status}")]
    Status {
        /// The requested address.
        url: String,
        /// The HTTP status of the answer.
        status: StatusCode,
        /// The pause that the server requested with `Retry-After`.
        retry_after: Option<Duration>,
    },
    /// The name of the host has no address.
    #[error("cannot resolve {}", host(.url))]
    Dns {
        /// The requested address.
        url: String,
    },
    /// No connection to the host could be established.
    #[error("cannot connect to {}: {reason}", host(.url))]
    Unreachable {
        /// The requested address.
        url: String,
        /// The innermost cause.
        reason: String,
    },
    /// The server sent nothing for too long.
    #[error("{url} stopped responding")]
    TimedOut {
        /// The requested address.
        url: String,
    },
    /// The server sends too little for anyone to wait for the rest.
    #[error("{url} is too slow: less than {} KiB in {} s", PACE >> 10, WINDOW.as_secs())]
    TooSlow {
        /// The requested address.
        url: String,
    },
    /// The connection ended before the answer was complete.
    #[error("the connection broke while reading {url}: {reason}")]
    Broken {
        /// The requested address.
        url: String,
        /// The innermost cause.
        reason: String,
    },
    /// The answer is longer than allowed.
    #[error("{url} is larger than the allowed {limit} bytes")]
    TooLarge {
        /// The requested address.
        url: String,
        /// The allowed number of bytes.
        limit: u64,
    },
    /// The address or a redirection from it is not valid.
    #[error("{url} is not a usable address: {reason}")]
    InvalidUrl {
        /// The requested address.
        url: String,
        /// The innermost cause.
        reason: String,
    },
    /// A stop was requested.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

impl Error {
    /// Whether the same request may succeed in a moment.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Error::Status { status, .. } => {
                status.is_server_error() && *status != StatusCode::NOT_IMPLEMENTED
                    || matches!(*status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT)
            }
            Error::TimedOut { .. } | Error::Broken { .. } => true,
            _ => false,
        }
    }

    /// Whether the server reported that the file does not exist (404 or 410).
    pub(crate) fn is_absent(&self) -> bool {
        matches!(self, Error::Status { status: StatusCode::NOT_FOUND | StatusCode::GONE, .. })
    }

    /// The status code alone, else the whole sentence; for a list of failed attempts.
    pub(crate) fn brief(&self) -> String {
        match self {
            Error::Status { status, .. } => status.as_u16().to_string(),
            other => other.to_string(),
        }
    }

    fn from_reqwest(url: &str, error: &reqwest::Error) -> Error {
        let url = url.to_owned();
        let reason = root(error);
        if error.is_builder() || error.is_redirect() {
            Error::InvalidUrl { url, reason }
        } else if error.is_dns() {
            Error::Dns { url }
        } else if error.is_connect() {
            Error::Unreachable { url, reason }
        } else if error.is_timeout() {
            Error::TimedOut { url }
        } else {
            Error::Broken { url, reason }
        }
    }
}

fn host(url: &str) -> String {
    let parsed = Url::parse(url).ok();
    parsed.and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_else(|| url.to_owned())
}

/// The innermost cause: the layers above it only repeat the address.
fn root(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

/// The client. Clones share its connections.
#[derive(Clone, Debug)]
pub struct Http {
    client: Client,
    stop: Stop,
}

impl Http {
    /// A client that honours `http_proxy`, `https_proxy` and `no_proxy`. `stop` interrupts every request.
    pub(crate) fn new(stop: &Stop) -> Http {
        let builder = || {
            Client::builder()
                .user_agent(concat!("kpatch-build/", env!("CARGO_PKG_VERSION")))
                .connect_timeout(CONNECT)
                .timeout(SILENCE)
                .redirect(Policy::custom(follow))
        };
        // A minimal host may lack certificate authorities and still have a Debian mirror.
        let client = builder().build().or_else(|_| builder().tls_certs_only(shipped_authorities()).build());
        let client = client.expect("the shipped authorities are valid certificates");
        Http { client, stop: stop.clone() }
    }

    /// Returns the whole document at `url`, of `limit` bytes at most.
    pub(crate) fn get(&self, url: &str, limit: u64) -> Result<Vec<u8>, Error> {
        self.retry(|| {
            let (client, address) = (self.client.clone(), url.to_owned());
            self.interruptibly(move || {
                let response = send(&client, Method::GET, &address, HeaderMap::new())?;
                whole(response, &address, limit)
            })
        })
    }

    /// Checks that `url` can be downloaded, with a `HEAD` request, or else a request for one byte.
    pub(crate) fn probe(&self, url: &str) -> Result<(), Error> {
        self.retry(|| {
            let (client, address) = (self.client.clone(), url.to_owned());
            self.interruptibly(move || match send(&client, Method::HEAD, &address, HeaderMap::new()) {
                // Some servers do not support HEAD.
                Err(Error::Status { status, .. }) if matches!(status.as_u16(), 400 | 403 | 405 | 501) => {
                    let headers = HeaderMap::from_iter([(RANGE, HeaderValue::from_static("bytes=0-0"))]);
                    send(&client, Method::GET, &address, headers).map(drop)
                }
                other => other.map(drop),
            })
        })
    }

    /// Returns `urls` without the leading ones that cannot be downloaded. `urls` must not be empty.
    ///
    /// # Errors
    /// The failure of the last address when none can be downloaded.
    pub(crate) fn skip_unavailable(&self, urls: &[String]) -> Result<Vec<String>, Error> {
        let mut failure = None;
        for (index, url) in urls.iter().enumerate() {
            match self.probe(url) {
                Ok(()) => return Ok(urls[index..].to_vec()),
                Err(interrupted @ Error::Interrupted(_)) => return Err(interrupted),
                Err(error) => failure = Some(error),
            }
        }
        Err(failure.expect("a list of addresses is never empty"))
    }

    /// Starts a request and returns the head of the response; the body follows in chunks.
    pub(crate) fn open(&self, url: &str, headers: HeaderMap) -> Result<(Head, Body), Error> {
        let (client, address) = (self.client.clone(), url.to_owned());
        let (sender, chunks) = sync_channel(8);
        let head = self.interruptibly(move || {
            let mut response = send(&client, Method::GET, &address, headers)?;
            let head = Head {
                status: response.status(),
                headers: response.headers().clone(),
                length: response.content_length(),
            };
            std::thread::spawn(move || {
                loop {
                    let mut chunk = vec![0; 128 * 1024];
                    let read = response.read(&mut chunk).map(|count| {
                        chunk.truncate(count);
                        chunk
                    });
                    let last = !read.as_ref().is_ok_and(|chunk| !chunk.is_empty());
                    let read = read.map_err(|error| root(&error));
                    // The receiver is gone when the download was abandoned.
                    if sender.send(read).is_err() || last {
                        return;
                    }
                }
            });
            Ok(head)
        })?;
        let pace = Pace::default();
        Ok((head, Body { url: url.to_owned(), chunks, pace, stop: self.stop.clone() }))
    }

    /// Repeats `attempt` with growing pauses while its failures are transient, [`ATTEMPTS`] times at most.
    fn retry<T>(&self, mut attempt: impl FnMut() -> Result<T, Error>) -> Result<T, Error> {
        let mut number = 1;
        loop {
            match attempt() {
                Err(error) if error.is_transient() && number < ATTEMPTS => {
                    self.pause(number, &error)?;
                    number += 1;
                }
                result => return result,
            }
        }
    }

    /// Waits between attempt `number` and the next one, for as long as the server requested, if it did.
    pub(crate) fn pause(&self, number: u32, error: &Error) -> Result<(), Interrupted> {
        let requested = match error {
            Error::Status { retry_after, .. } => *retry_after,
            _ => None,
        };
        let pause = requested.unwrap_or(FIRST_PAUSE * 2u32.pow(number - 1)).min(LONGEST_PAUSE);
        let end = Instant::now() + pause;
        while Instant::now() < end {
            self.stop.check()?;
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    fn interruptibly<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        interruptible::run(&self.stop, work)?
    }
}

/// Follows a redirection, but not from an encrypted address to one that anyone on the way can change.
fn follow(attempt: Attempt) -> Action {
    if attempt.previous().len() > REDIRECTIONS {
        attempt.error(format!("more than {REDIRECTIONS} redirections"))
    } else if loses_encryption(attempt.previous(), attempt.url()) {
        let target = attempt.url().host_str().unwrap_or_default().to_owned();
        attempt.error(format!("it redirects to {target} without encryption"))
    } else {
        attempt.follow()
    }
}

fn loses_encryption(previous: &[Url], next: &Url) -> bool {
    previous.iter().any(|url| url.scheme() == "https") && next.scheme() != "https"
}

/// Reads a document of `limit` bytes at most.
fn whole(mut response: Response, url: &str, limit: u64) -> Result<Vec<u8>, Error> {
    let (mut body, mut pace) = (Vec::new(), Pace::default());
    let mut chunk = vec![0; 64 << 10];
    loop {
        let read = response.read(&mut chunk);
        match read.map_err(|error| Error::Broken { url: url.to_owned(), reason: root(&error) })? {
            0 => return Ok(body),
            count if pace.is_too_slow(count) => return Err(Error::TooSlow { url: url.to_owned() }),
            count => body.extend_from_slice(&chunk[..count]),
        }
        if body.len() as u64 > limit {
            return Err(Error::TooLarge { url: url.to_owned(), limit });
        }
    }
}

/// Measures how fast a body arrives, or a file by several connections.
#[derive(Debug)]
pub(crate) struct Pace {
    since: Instant,
    bytes: u64,
}

impl Default for Pace {
    fn default() -> Pace {
        Pace { since: Instant::now(), bytes: 0 }
    }
}

impl Pace {
    /// Counts `more` bytes; whether the last [`WINDOW`] brought less than [`PACE`].
    pub(crate) fn is_too_slow(&mut self, more: usize) -> bool {
        self.is_too_slow_at(Instant::now(), more)
    }

    fn is_too_slow_at(&mut self, now: Instant, more: usize) -> bool {
        self.bytes += more as u64;
        if now.duration_since(self.since) < WINDOW {
            return false;
        }
        let is_slow = self.bytes < PACE;
        (self.since, self.bytes) = (now, 0);
        is_slow
    }
}

fn shipped_authorities() -> Vec<reqwest::Certificate> {
    let certificates = webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter();
    certificates.filter_map(|der| reqwest::Certificate::from_der(der).ok()).collect()
}

fn send(client: &Client, method: Method, url: &str, headers: HeaderMap) -> Result<Response, Error> {
    let request = client.request(method, url).headers(headers);
    let response = request.send().map_err(|error| Error::from_reqwest(url, &error))?;
    let status = response.status();
    // 416 answers the request to resume a download; the address itself works.
    if status.is_success() || status == StatusCode::RANGE_NOT_SATISFIABLE {
        return Ok(response);
    }
    let seconds = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    Err(Error::Status { url: url.to_owned(), status, retry_after: seconds.map(Duration::from_secs) })
}

/// Status and headers of a response.
#[derive(Debug)]
pub(crate) struct Head {
    /// The HTTP status.
    pub(crate) status: StatusCode,
    headers: HeaderMap,
    /// Bytes of this body, which may be only a part of the file.
    pub(crate) length: Option<u64>,
}

impl Head {
    /// The value of a header, if it is present and text.
    pub(crate) fn header(&self, name: &HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// The body of a response as it arrives.
#[derive(Debug)]
pub(crate) struct Body {
    url: String,
    chunks: Receiver<Result<Vec<u8>, String>>,
    pace: Pace,
    stop: Stop,
}

impl Body {
    /// Waits for the next chunk; `None` at the end of the body.
    pub(crate) fn next_chunk(&mut self) -> Result<Option<Vec<u8>>, Error> {
        loop {
            self.stop.check()?;
            match self.chunks.recv_timeout(Duration::from_millis(50)) {
                Ok(Ok(chunk)) if chunk.is_empty() => return Ok(None),
                Ok(Ok(chunk)) if self.pace.is_too_slow(chunk.len()) => {
                    return Err(Error::TooSlow { url: self.url.clone() });
                }
                Ok(Ok(chunk)) => return Ok(Some(chunk)),
                Ok(Err(reason)) => return Err(Error::Broken { url: self.url.clone(), reason }),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(None),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_redirection_leads_away_from_encryption() {
        let urls = |texts: &[&str]| texts.iter().map(|text| Url::parse(text).unwrap()).collect::<Vec<_>>();
        let loses =
            |previous: &[&str], next: &str| loses_encryption(&urls(previous), &Url::parse(next).unwrap());
        assert!(loses(&["https://a.example.org/x"], "http://a.example.org/x"));
        assert!(loses(&["http://a.example.org/x", "https://a.example.org/x"], "http://b.example.org/x"));
        assert!(!loses(&["https://a.example.org/x"], "https://b.example.org/x"));
        assert!(!loses(&["http://a.example.org/x"], "https://a.example.org/x"));
        assert!(!loses(&["http://a.example.org/x"], "http://b.example.org/x"));
    }

    #[test]
    fn a_body_that_trickles_is_given_up_and_a_slow_one_is_not() {
        let start = Instant::now();
        let mut pace = Pace { since: start, bytes: 0 };
        let at = |seconds| start + Duration::from_secs(seconds);
        // 2 KiB/s
        assert!((1..200).all(|second| !pace.is_too_slow_at(at(second), 2 << 10)));
        assert!((200..300).any(|second| pace.is_too_slow_at(at(second), 1)));
    }
}
