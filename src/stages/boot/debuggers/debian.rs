//! Debian's gdb-minimal with its libraries, verified like the tool's other sources.

use std::path::Path;

use indicatif::HumanBytes;
use serde::{Deserialize, Serialize};

use super::choice::{DebuggerRequest, Name};
use super::deb::Files;
use super::error::Error;
use super::{Debugger, Tool, root};
use crate::base::cache_key::Key;
use crate::base::context::Context;
use crate::base::debian::Debian;
use crate::base::debian::binary::{Closure, Package};
use crate::base::debian::error as debian;
use crate::base::events::Stage;
use crate::base::http::Http;
use crate::base::store::{Entry, Lookup, Room};
use crate::base::store_archives;

const PACKAGE: &str = "gdb-minimal";
/// From trixie on gdb-minimal is a transitional package.
const STANDS_FOR: &str = "gdb";
const PROGRAM: &str = "usr/bin/gdb";
/// Of the form in which roots are kept.
const FORM: u32 = 1;

/// `meta.json` of an entry of [`Room::Debuggers`].
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    form: u32,
    /// `gdb-10`
    debugger: String,
    version: String,
    packages: Vec<Part>,
    verified_by: String,
    signer: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct Part {
    name: String,
    version: String,
    sha256: String,
}

/// Debian's archive as a source of debuggers.
pub struct Archive<'a> {
    cx: &'a Context,
    debian: Debian,
    http: Http,
}

impl<'a> Archive<'a> {
    pub fn new(cx: &'a Context, request: &DebuggerRequest) -> Result<Archive<'a>, Error> {
        let debian = Debian::new(request.debian_mirror.as_deref(), request.keyring.as_deref());
        let debian = debian.map_err(|source| Error::Keyring { source })?;
        Ok(Archive { cx, debian, http: Http::new(&cx.stop) })
    }

    /// Whether a mirror is known.
    pub fn is_known(&self) -> bool {
        self.debian.has_archive()
    }

    /// From the store if it has it, without asking anybody.
    pub fn obtain(&self, name: Name) -> Result<Debugger, Error> {
        if let Some(debugger) = self.stored(name)? {
            return Ok(debugger);
        }
        let suite = name.suite().expect("one of Debian's");
        let failed = |source| Error::debian(name, source);
        if !self.is_known() {
            return Err(failed(debian::Error::NoMirror));
        }
        if self.cx.offline {
            let what = format!("{PACKAGE} of Debian's {suite} with its libraries");
            return Err(failed(debian::Error::Offline { what }));
        }
        let closure = self.debian.binaries(&self.http, suite, PACKAGE, &[STANDS_FOR]).map_err(failed)?;
        let version = version_of(name, suite, &closure)?;
        let sums: Vec<_> = closure.packages.iter().map(|package| &package.sha256).collect();
        let key = Key::of("debugger", &(FORM, PROGRAM, sums));
        let slot = match self.cx.lookup(Stage::Fetch, Room::Debuggers, key.as_str())? {
            Lookup::Hit(entry) => return Ok(debugger(version, entry)),
            Lookup::Miss(slot) => slot,
        };
        let files = self.files(name, &closure)?;
        root::of_packages(&slot.path().join("root"), name.text(), Path::new(PROGRAM), &files)?;
        let record = record(name, &version, &closure);
        store_archives::write_record(slot.path(), &record)
            .map_err(|source| Error::Write { path: slot.path().to_owned(), source })?;
        Ok(debugger(version, slot.commit()?))
    }

    fn files(&self, name: Name, closure: &Closure) -> Result<Files, Error> {
        let mut files = Files::default();
        let (count, bytes) = (closure.packages.len(), HumanBytes(closure.bytes()));
        self.cx.events.note(Stage::Fetch, format!("{name}: {count} packages of Debian, {bytes}"));
        for package in &closure.packages {
            if self.cx.stop.is_set() {
                return Err(Error::Interrupted);
            }
            let deb = closure.deb(self.cx, &self.http, package);
            files.add(&package.name, &deb.map_err(|source| Error::debian(name, source.into()))?)?;
        }
        Ok(files)
    }

    /// The root that an earlier run made, if whom it was trusted by is still trusted.
    fn stored(&self, name: Name) -> Result<Option<Debugger>, Error> {
        for key in self.cx.store.entries(Room::Debuggers)? {
            let path = self.cx.store.path(Room::Debuggers, &key).join("meta.json");
            let record =
                std::fs::read(path).ok().and_then(|text| serde_json::from_slice::<Record>(&text).ok());
            let Some(record) = record else { continue };
            let fits = record.form == FORM && record.debugger == name.text();
            if !fits || !self.debian.trusts(&record.signer) {
                continue;
            }
            if let Lookup::Hit(entry) = self.cx.lookup(Stage::Fetch, Room::Debuggers, &key)? {
                return Ok(Some(debugger(record.version, entry)));
            }
        }
        Ok(None)
    }
}

fn record(name: Name, version: &str, closure: &Closure) -> Record {
    let part = |package: &Package| Part {
        name: package.name.clone(),
        version: package.version.clone(),
        sha256: package.sha256.clone(),
    };
    Record {
        form: FORM,
        debugger: name.text().to_owned(),
        version: version.to_owned(),
        packages: closure.packages.iter().map(part).collect(),
        verified_by: closure.chain.clone(),
        signer: closure.signer.clone(),
    }
}

/// The name promises a version: what a mirror has in its place is not taken for it.
fn version_of(name: Name, suite: &'static str, closure: &Closure) -> Result<String, Error> {
    let version = closure.packages[0].upstream_version().to_owned();
    let major = name.text().trim_start_matches("gdb-");
    if version.split('.').next() != Some(major) {
        return Err(Error::OtherVersion { debugger: name, suite, found: version });
    }
    Ok(version)
}

fn debugger(version: String, entry: Entry) -> Debugger {
    Debugger {
        tool: Tool::Gdb,
        version,
        program: format!("/{PROGRAM}"),
        root: entry.path().join("root"),
        of_host: false,
        entry,
    }
}
