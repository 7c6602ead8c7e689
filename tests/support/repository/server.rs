//! A web server for a directory. A test can delay or change its answers.

use std::fs;
use std::io::{BufReader, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use crate::support::http::{Request, listen};

/// Receives a path and the content of that file; returns the content to serve, or `None` for a 404.
type Hook = Box<dyn FnMut(&str, Option<Vec<u8>>) -> Option<Vec<u8>> + Send>;

struct State {
    dir: PathBuf,
    hook: Mutex<Option<Hook>>,
    requests: Mutex<Vec<String>>,
}

/// Serves on 127.0.0.1 until the test's process ends.
pub struct Server {
    pub url: String,
    state: Arc<State>,
}

impl Server {
    pub fn of(dir: &Path) -> Server {
        let state = State { dir: dir.to_owned(), hook: Mutex::default(), requests: Mutex::default() };
        let state = Arc::new(state);
        let shared = state.clone();
        Server { url: listen(move |connection| answer(connection, &shared)), state }
    }

    /// Lets `hook` see every request and change its answer.
    pub fn hook(&self, hook: impl FnMut(&str, Option<Vec<u8>>) -> Option<Vec<u8>> + Send + 'static) {
        *self.state.hook.lock().unwrap() = Some(Box::new(hook));
    }

    /// Serves the directory unchanged.
    pub fn behave(&self) {
        *self.state.hook.lock().unwrap() = None;
    }

    /// Runs `act` once, before the answer to the first matching request.
    pub fn before(&self, matches: fn(&str) -> bool, act: impl FnOnce() + Send + 'static) {
        let mut act = Some(act);
        let dir = self.state.dir.clone();
        self.hook(move |path, content| {
            if matches(path)
                && let Some(act) = act.take()
            {
                act();
                return fs::read(dir.join(path.trim_start_matches('/'))).ok();
            }
            content
        });
    }

    /// Changes one byte in the middle of each matching file.
    pub fn corrupt(&self, matches: fn(&str) -> bool) {
        self.hook(move |path, content| {
            let mut content = content?;
            if matches(path) {
                let middle = content.len() / 2;
                content[middle] ^= 1;
            }
            Some(content)
        });
    }

    /// Returns the requested paths since the last call.
    pub fn requests(&self) -> Vec<String> {
        std::mem::take(&mut self.state.requests.lock().unwrap())
    }
}

fn answer(connection: TcpStream, state: &State) -> std::io::Result<()> {
    let mut reader = BufReader::new(connection.try_clone()?);
    let mut out = connection;
    while let Some(Request { path, .. }) = Request::read(&mut reader)? {
        state.requests.lock().unwrap().push(path.clone());
        let mut content = fs::read(state.dir.join(path.trim_start_matches('/'))).ok();
        if let Some(hook) = &mut *state.hook.lock().unwrap() {
            content = hook(&path, content);
        }
        match content {
            Some(content) => {
                write!(out, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", content.len())?;
                out.write_all(&content)?;
            }
            None => out.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")?,
        }
    }
    Ok(())
}
