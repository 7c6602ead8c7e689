//! A small HTTP server with selectable faults.

use std::collections::HashMap;
use std::io::{BufReader, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};

use crate::support::http::{Request, listen};

/// How the server responds to requests for a path.
#[derive(Clone, Debug)]
pub enum Behaviour {
    /// Supports ranges and sends an ETag.
    Good,
    /// Always sends the whole file, like a server without ranges.
    IgnoresRanges,
    /// Sends that many bytes of the body and then nothing.
    Stalls {
        bytes: usize,
    },
    /// Responds with `status` to the first `times` requests, then like `Good`.
    FailsFirst {
        status: u16,
        times: usize,
    },
    /// Closes each of the first `times` connections after `bytes` bytes of the body.
    Breaks {
        bytes: usize,
        times: usize,
    },
    Redirects {
        to: String,
    },
    /// Accepts the request and never responds.
    Hangs,
}

#[derive(Clone, Debug)]
struct Resource {
    body: Vec<u8>,
    behaviour: Behaviour,
    etag: String,
}

#[derive(Default)]
struct State {
    resources: HashMap<String, Resource>,
    /// `GET /path` or `GET /path bytes=3-`
    requests: Vec<String>,
}

/// Serves on 127.0.0.1 until the test's process ends.
pub struct Server {
    pub url: String,
    state: Arc<Mutex<State>>,
}

impl Server {
    pub fn start() -> Server {
        let state = Arc::new(Mutex::new(State::default()));
        let shared = state.clone();
        Server { url: listen(move |connection| answer(connection, &shared)), state }
    }

    pub fn put(&self, path: &str, body: impl Into<Vec<u8>>) {
        self.put_as(path, body, Behaviour::Good);
    }

    pub fn put_as(&self, path: &str, body: impl Into<Vec<u8>>, behaviour: Behaviour) {
        let body = body.into();
        let etag = format!("\"{}-{}\"", body.len(), body.iter().map(|byte| u64::from(*byte)).sum::<u64>());
        let resource = Resource { body, behaviour, etag };
        self.state.lock().unwrap().resources.insert(path.to_owned(), resource);
    }

    pub fn remove(&self, path: &str) {
        self.state.lock().unwrap().resources.remove(path).unwrap();
    }

    /// The requests since the start or since the last call.
    pub fn take_requests(&self) -> Vec<String> {
        std::mem::take(&mut self.state.lock().unwrap().requests)
    }
}

fn answer(connection: TcpStream, state: &Mutex<State>) -> std::io::Result<()> {
    let mut reader = BufReader::new(connection.try_clone()?);
    let mut out = connection;
    while let Some(Request { method, path, headers }) = Request::read(&mut reader)? {
        let range = headers.get("range").cloned();
        let shown = format!("{method} {path} {}", range.clone().unwrap_or_default());
        let resource = {
            let mut state = state.lock().unwrap();
            state.requests.push(shown.trim_end().to_owned());
            take_turn(&mut state.resources, &path)
        };
        let Some(resource) = resource else {
            out.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")?;
            continue;
        };
        let same = headers.get("if-range").is_none_or(|version| *version == resource.etag);
        let from = range
            .filter(|_| same)
            .and_then(|range| range.strip_prefix("bytes=")?.split('-').next()?.parse::<usize>().ok());
        if !respond(&mut out, method == "HEAD", &resource, from)? {
            break;
        }
    }
    Ok(())
}

/// Returns the resource for this request and counts down the faults with a limit.
fn take_turn(resources: &mut HashMap<String, Resource>, path: &str) -> Option<Resource> {
    let path = path.split('?').next().unwrap_or(path);
    let resource = resources.get_mut(path)?;
    let now = resource.clone();
    resource.behaviour = match resource.behaviour.clone() {
        Behaviour::FailsFirst { times: 0 | 1, .. } | Behaviour::Breaks { times: 0 | 1, .. } => {
            Behaviour::Good
        }
        Behaviour::FailsFirst { status, times } => Behaviour::FailsFirst { status, times: times - 1 },
        Behaviour::Breaks { bytes, times } => Behaviour::Breaks { bytes, times: times - 1 },
        other => other,
    };
    Some(now)
}

/// Returns whether the connection stays open.
fn respond(
    out: &mut TcpStream,
    head: bool,
    resource: &Resource,
    from: Option<usize>,
) -> std::io::Result<bool> {
    let (body, etag) = (&resource.body, &resource.etag);
    let from = match resource.behaviour {
        Behaviour::IgnoresRanges => None,
        _ => from.filter(|from| *from < body.len()),
    };
    match &resource.behaviour {
        Behaviour::Hangs => {
            std::thread::sleep(std::time::Duration::from_secs(600));
            return Ok(false);
        }
        Behaviour::FailsFirst { status, .. } => {
            write!(out, "HTTP/1.1 {status} Later\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n")?;
            return Ok(true);
        }
        Behaviour::Redirects { to } => {
            write!(out, "HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n")?;
            return Ok(true);
        }
        _ => {}
    }
    let rest = &body[from.unwrap_or(0)..];
    match from {
        Some(from) => {
            let (last, all) = (body.len() - 1, body.len());
            write!(out, "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {from}-{last}/{all}\r\n")?;
        }
        None => write!(out, "HTTP/1.1 200 OK\r\n")?,
    }
    write!(out, "Content-Length: {}\r\nETag: {etag}\r\nAccept-Ranges: bytes\r\n\r\n", rest.len())?;
    if head {
        return Ok(true);
    }
    if let Behaviour::Breaks { bytes, .. } = resource.behaviour {
        out.write_all(&rest[..bytes.min(rest.len())])?;
        out.flush()?;
        return Ok(false);
    }
    if let Behaviour::Stalls { bytes } = resource.behaviour {
        out.write_all(&rest[..bytes])?;
        out.flush()?;
        std::thread::sleep(std::time::Duration::from_secs(600));
        return Ok(false);
    }
    out.write_all(rest)?;
    Ok(true)
}
