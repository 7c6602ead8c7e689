//! A Debian mirror behind a bad network, and one that lies.

use std::collections::HashMap;
use std::io::{BufReader, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kpatch_build::base::digest::sha256;
use pgp::composed::{ArmorOptions, CleartextSignedMessage, KeyType};
use pgp::types::Password;
use rand::Rng;

use super::stand_in::{Packages, StandIn};
use super::{Campaign, scratch};
use crate::support::fixtures::packages::{certificate, contents, secret_key};
use crate::support::http::{Request, listen};
use crate::support::need::have;

const ROOT: &str = "/debian/dists/bookworm";
const ARCHIVE: &str = "/debian/pool/main/l/linux/linux_6.1.5.orig.tar.xz";

/// What the network does to an answer. Parts are of the body's length.
#[derive(Clone, Copy, Debug)]
enum Fault {
    /// The connection ends after this part.
    Cut(f64),
    /// The body comes in small pieces with pauses.
    Slow,
    /// One bit of the byte at this part differs.
    Flip(f64),
    /// A portal's page, with status 200.
    Html,
    /// `Content-Length` is too large by this number, and the connection ends.
    Longer(usize),
    /// `Content-Length` is too small.
    Shorter(f64),
    /// The server has only this part of the file.
    Truncated(f64),
    /// A status instead of the file.
    Status(u16),
    /// The body never ends, and has no length.
    Endless,
    /// Other bytes follow the file.
    Appended,
}

fn fault(campaign: &mut Campaign) -> Fault {
    let part = campaign.random.gen_range(0.0..1.0);
    match campaign.random.gen_range(0..10) {
        0 => Fault::Cut(part),
        1 => Fault::Slow,
        2 => Fault::Flip(part),
        3 => Fault::Html,
        4 => Fault::Longer(campaign.random.gen_range(1..100_000)),
        5 => Fault::Shorter(part),
        6 => Fault::Truncated(part),
        7 => Fault::Status(*campaign.any(&[403, 404, 416, 500, 503])),
        8 => Fault::Endless,
        _ => Fault::Appended,
    }
}

#[derive(Default)]
struct Mirror {
    files: HashMap<String, Vec<u8>>,
    /// The file with the fault, and for how many requests it stays.
    fault: Option<(String, Fault, usize)>,
}

impl Mirror {
    /// Returns the file and the fault of this answer.
    fn take(&mut self, path: &str) -> (Option<Vec<u8>>, Option<Fault>) {
        let fault = match &mut self.fault {
            Some((at, fault, times)) if at == path && *times > 0 => {
                *times -= 1;
                Some(*fault)
            }
            _ => None,
        };
        (self.files.get(path).cloned(), fault)
    }
}

fn head(out: &mut TcpStream, status: &str, length: usize) -> std::io::Result<()> {
    write!(out, "HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n")
}

fn answer(connection: TcpStream, mirror: &Mutex<Mirror>) -> std::io::Result<()> {
    let mut reader = BufReader::new(connection.try_clone()?);
    let mut out = connection;
    while let Some(Request { method, path, headers }) = Request::read(&mut reader)? {
        let (file, fault) = mirror.lock().unwrap().take(&path);
        let Some(body) = file else {
            head(&mut out, "404 Not Found", 0)?;
            continue;
        };
        if method == "HEAD" {
            head(&mut out, "200 OK", body.len())?;
            continue;
        }
        match fault {
            Some(fault) if !disturbed(&mut out, &body, fault)? => return Ok(()),
            Some(_) => {}
            None => healthy(&mut out, &body, headers.get("range"))?,
        }
    }
    Ok(())
}

fn healthy(out: &mut TcpStream, body: &[u8], range: Option<&String>) -> std::io::Result<()> {
    let from = range.and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse::<usize>().ok());
    match from.filter(|from| *from < body.len()) {
        Some(from) => {
            let (length, all) = (body.len() - from, body.len());
            write!(out, "HTTP/1.1 206 Partial Content\r\nContent-Length: {length}\r\n")?;
            write!(out, "Content-Range: bytes {from}-{}/{all}\r\n\r\n", all - 1)?;
            out.write_all(&body[from..])
        }
        None => {
            head(out, "200 OK", body.len())?;
            out.write_all(body)
        }
    }
}

/// Returns whether the connection stays open.
fn disturbed(out: &mut TcpStream, body: &[u8], fault: Fault) -> std::io::Result<bool> {
    let at = |part: f64| (body.len() as f64 * part) as usize;
    match fault {
        Fault::Cut(part) => {
            head(out, "200 OK", body.len())?;
            out.write_all(&body[..at(part)])?;
        }
        Fault::Slow => {
            head(out, "200 OK", body.len())?;
            for piece in body.chunks(body.len() / 20 + 1) {
                out.write_all(piece)?;
                std::thread::sleep(Duration::from_millis(30));
            }
            return Ok(true);
        }
        Fault::Flip(part) => {
            let mut body = body.to_vec();
            body[at(part)] ^= 1;
            head(out, "200 OK", body.len())?;
            out.write_all(&body)?;
            return Ok(true);
        }
        Fault::Html => {
            let page = "<!DOCTYPE html><title>Log in</title><p>Accept our terms.";
            head(out, "200 OK", page.len())?;
            out.write_all(page.as_bytes())?;
            return Ok(true);
        }
        Fault::Longer(more) => {
            head(out, "200 OK", body.len() + more)?;
            out.write_all(body)?;
        }
        Fault::Shorter(part) => {
            head(out, "200 OK", at(part))?;
            out.write_all(body)?;
        }
        Fault::Truncated(part) => {
            head(out, "200 OK", at(part))?;
            out.write_all(&body[..at(part)])?;
            return Ok(true);
        }
        Fault::Status(status) => {
            head(out, &format!("{status} Trouble"), 0)?;
            return Ok(true);
        }
        Fault::Endless => {
            out.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")?;
            out.write_all(body)?;
            loop {
                out.write_all(&[b'\n'; 1 << 16])?;
            }
        }
        Fault::Appended => {
            head(out, "200 OK", body.len() + 9)?;
            out.write_all(body)?;
            out.write_all(b"appended\n")?;
            return Ok(true);
        }
    }
    Ok(false)
}

/// A suite with one kernel. Writes the key of its signer to `keyring` in the workspace.
fn publish(stand_in: &StandIn) -> Mirror {
    let archive = stand_in.archive();
    let index = format!(
        "Package: linux\nVersion: 6.1.5-1\nDirectory: pool/main/l/linux\n\
         Checksums-Sha256:\n {} {} linux_6.1.5.orig.tar.xz\n\n",
        sha256(&archive),
        archive.len()
    );
    let index = liblzma::encode_all(index.as_bytes(), 1).unwrap();
    let release = format!(
        "Origin: Debian\nSuite: bookworm\nCodename: bookworm\nValid-Until: Sat, 01 Jan 2050 00:00:00 UTC\n\
         SHA256:\n {} {} main/source/Sources.xz\n",
        sha256(&index),
        index.len()
    );
    let key = secret_key(KeyType::Ed25519Legacy, true, None);
    stand_in.write("keyring", certificate(&key));
    let signed =
        CleartextSignedMessage::sign(rand::thread_rng(), &release, &key.primary_key, &Password::empty());
    let signed = signed.unwrap().to_armored_string(ArmorOptions::default()).unwrap();
    let files = [
        (format!("{ROOT}/InRelease"), signed.into_bytes()),
        (format!("{ROOT}/main/source/Sources.xz"), index),
        (ARCHIVE.to_owned(), archive),
    ];
    Mirror { files: files.into(), fault: None }
}

/// A run from the mirror; its exit status.
fn run(campaign: &mut Campaign, stand_in: &StandIn, home: &Path, url: &str) -> Option<i32> {
    let mut tool = stand_in.run_from(home, "out", "./own");
    tool.args(["--source", "debian", "--debian-mirror", &format!("{url}/debian"), "--keyring", "keyring"]);
    tool.env("NO_PROXY", "127.0.0.1");
    campaign.end(&mut tool.spawn().unwrap(), "a run from the mirror")
}

/// Every archive of the store is what its name says.
fn assert_only_whole_archives(campaign: &Campaign, home: &Path, what: &str) {
    for entry in std::fs::read_dir(home.join("store/tarballs")).unwrap().flatten() {
        let actual = sha256(std::fs::read(entry.path().join("archive")).unwrap());
        assert_eq!(entry.file_name().to_str().unwrap(), actual, "{}: {what}", campaign.label());
    }
}

fn disturb(
    campaign: &mut Campaign,
    stand_in: &StandIn,
    url: &str,
    mirror: &Mutex<Mirror>,
    expected: &Packages,
) {
    let home = scratch();
    let (fault, times) = (fault(campaign), *campaign.any(&[1, 2, 100]));
    let paths = [format!("{ROOT}/InRelease"), format!("{ROOT}/main/source/Sources.xz"), ARCHIVE.to_owned()];
    let path = campaign.any(&paths).clone();
    let what = format!("{fault:?} of {path}, {times} times");
    mirror.lock().unwrap().fault = Some((path, fault, times));
    let code = run(campaign, stand_in, home.path(), url);
    let messages = stand_in.messages();
    match code {
        Some(0) => {
            assert!(contents(&home.path().join("out")) == *expected, "{}: {what}", campaign.label());
            campaign.count("runs that ended well");
        }
        code => {
            assert_eq!(code, Some(3), "{}: {what}: {messages}", campaign.label());
            assert!(messages.contains("next: "), "{}: {what}: {messages}", campaign.label());
            campaign.count("clear failures");
        }
    }
    assert_only_whole_archives(campaign, home.path(), &what);

    mirror.lock().unwrap().fault = None;
    let code = run(campaign, stand_in, home.path(), url);
    assert_eq!(code, Some(0), "{}: after {what}: {}", campaign.label(), stand_in.messages());
    assert!(contents(&home.path().join("out")) == *expected, "{}: after {what}", campaign.label());
    assert_only_whole_archives(campaign, home.path(), &what);
    campaign.assert_nothing_lives(home.path(), &what);
}

#[test]
fn a_run_over_a_bad_network_has_the_right_source_or_fails_clearly_and_keeps_nothing_wrong() {
    if !have(&["make", "gcc"]) {
        return;
    }
    let mut campaign = Campaign::start("network");
    let stand_in = StandIn::new();
    let mirror = Arc::new(Mutex::new(publish(&stand_in)));
    let shared = mirror.clone();
    let url = listen(move |connection| answer(connection, &shared));
    let home = scratch();
    assert_eq!(run(&mut campaign, &stand_in, home.path(), &url), Some(0), "{}", stand_in.messages());
    let expected = contents(&home.path().join("out"));
    for _ in 0..campaign.times(9, 150) {
        disturb(&mut campaign, &stand_in, &url, &mirror, &expected);
    }
    assert!(campaign.counted("clear failures") > 0, "{}", campaign.label());
    campaign.finish();
}
