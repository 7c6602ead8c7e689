//! A web server for a folder, which a test can make hesitate or lie.

use std::fs;
use std::io::{BufReader, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use crate::support::http::{Request, listen};

/// Gets a path and what the folder has there, and may answer something else, or do something first.
type Hook = Box<dyn FnMut(&str, Option<Vec<u8>>) -> Option<Vec<u8>> + Send>;

struct State {
    folder: PathBuf,
    hook: Mutex<Option<Hook>>,
    requests: Mutex<Vec<String>>,
}

/// Answers on 127.0.0.1 until the test's process ends.
pub struct Server {
    pub url: String,
    state: Arc<State>,
}

impl Server {
    pub fn of(folder: &Path) -> Server {
        let state = State { folder: folder.to_owned(), hook: Mutex::default(), requests: Mutex::default() };
        let state = Arc::new(state);
        let shared = state.clone();
        Server { url: listen(move |connection| answer(connection, &shared)), state }
    }

    /// Sets what stands between the folder and the clients.
    pub fn hook(&self, hook: impl FnMut(&str, Option<Vec<u8>>) -> Option<Vec<u8>> + Send + 'static) {
        *self.state.hook.lock().unwrap() = Some(Box::new(hook));
    }

    /// Serves the folder as it is.
    pub fn behave(&self) {
        *self.state.hook.lock().unwrap() = None;
    }

    /// Runs `act` once, before the first such path is answered.
    pub fn before(&self, asked: fn(&str) -> bool, act: impl FnOnce() + Send + 'static) {
        let mut act = Some(act);
        let folder = self.state.folder.clone();
        self.hook(move |path, content| {
            if asked(path)
                && let Some(act) = act.take()
            {
                act();
                return fs::read(folder.join(path.trim_start_matches('/'))).ok();
            }
            content
        });
    }

    /// Changes one byte in the middle of what such a path has.
    pub fn corrupt(&self, asked: fn(&str) -> bool) {
        self.hook(move |path, content| {
            let mut content = content?;
            if asked(path) {
                let middle = content.len() / 2;
                content[middle] ^= 1;
            }
            Some(content)
        });
    }

    /// The paths that were asked for since the last call.
    pub fn requests(&self) -> Vec<String> {
        std::mem::take(&mut self.state.requests.lock().unwrap())
    }
}

fn answer(connection: TcpStream, state: &State) -> std::io::Result<()> {
    let mut reader = BufReader::new(connection.try_clone()?);
    let mut out = connection;
    while let Some(Request { path, .. }) = Request::read(&mut reader)? {
        state.requests.lock().unwrap().push(path.clone());
        let mut content = fs::read(state.folder.join(path.trim_start_matches('/'))).ok();
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
