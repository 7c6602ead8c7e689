//! Debian's gdb-minimal with its libraries, verified like every other download.

use std::path::Path;

use indicatif::HumanBytes;
use serde::{Deserialize, Serialize};

use super::deb::Files;
use super::debugger::{Debugger, DebuggerKind};
use super::error::Error;
use super::root;
use super::selection::{DebuggerName, DebuggerRequest};
use crate::base::cache_key::Key;
use crate::base::context::Context;
use crate::base::debian::Debian;
use crate::base::debian::binary::{Closure, Package};
use crate::base::debian::error::Error as DebianError;
use crate::base::events::Stage;
use crate::base::http::Http;
use crate::base::store::{Bucket, Entry, Lookup};
use crate::base::store_archives;

const PACKAGE: &str = "gdb-minimal";
/// The package behind gdb-minimal from trixie on, where gdb-minimal is a transitional package.
const REPLACEMENT: &str = "gdb";
const PROGRAM: &str = "usr/bin/gdb";
/// Version of the layout of stored root directories.
const FORM: u32 = 1;

/// `meta.json` of an entry of [`Bucket::Debuggers`].
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    form: u32,
    /// Name on the command line: `gdb-10`.
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
pub(super) struct Archive<'a> {
    cx: &'a Context,
    debian: Debian,
    http: Http,
}

impl<'a> Archive<'a> {
    pub(super) fn new(cx: &'a Context, request: &DebuggerRequest) -> Result<Archive<'a>, Error> {
        let debian = Debian::new(
            request.debian_mirror.as_deref(),
            request.keyring.as_deref(),
            request.accept_stale_index,
        );
        let debian = debian.map_err(|source| Error::Keyring { source })?;
        Ok(Archive { cx, debian, http: Http::new(&cx.stop) })
    }

    /// Whether a mirror is known.
    pub(super) fn is_known(&self) -> bool {
        self.debian.has_archive()
    }

    /// Returns a debugger from the store, or fetches it if the store lacks it.
    pub(super) fn obtain(&self, name: DebuggerName) -> Result<Debugger, Error> {
        if let Some(debugger) = self.stored(name)? {
            return Ok(debugger);
        }
        let suite = name.suite().expect("the host's debuggers have no suite");
        let failed = |source| Error::debian(name, source);
        if !self.is_known() {
            return Err(failed(DebianError::NoMirror));
        }
        if self.cx.offline {
            let what = format!("{PACKAGE} of Debian's {suite} with its libraries");
            return Err(failed(DebianError::Offline { what }));
        }
        let closure =
            self.debian.binaries(self.cx, &self.http, suite, PACKAGE, &[REPLACEMENT]).map_err(failed)?;
        let version = version_of(name, suite, &closure)?;
        let sums: Vec<_> = closure.packages.iter().map(|package| &package.sha256).collect();
        let key = Key::of("debugger", &(FORM, PROGRAM, sums));
        let slot = match self.cx.lookup(Stage::Fetch, Bucket::Debuggers, key.as_str())? {
            Lookup::Hit(entry) => return Ok(debugger(version, entry)),
            Lookup::Miss(slot) => slot,
        };
        let files = self.files(name, &closure)?;
        root::of_packages(&slot.path().join("root"), name.text(), Path::new(PROGRAM), &files)?;
        let record = record(name, &version, &closure);
        store_archives::write_record(slot.path(), &record)?;
        Ok(debugger(version, slot.commit()?))
    }

    fn files(&self, name: DebuggerName, closure: &Closure) -> Result<Files, Error> {
        let mut files = Files::default();
        let (count, bytes) = (closure.packages.len(), HumanBytes(closure.bytes()));
        self.cx.events.note(Stage::Fetch, format!("{name}: {count} Debian packages, {bytes}"));
        for package in &closure.packages {
            self.cx.stop.check()?;
            let deb = closure.deb(self.cx, &self.http, package);
            files.add(&package.name, &deb.map_err(|source| Error::debian(name, source.into()))?)?;
        }
        Ok(files)
    }

    /// The root directory from an earlier run, if its signer is still trusted.
    fn stored(&self, name: DebuggerName) -> Result<Option<Debugger>, Error> {
        for key in self.cx.store.entries(Bucket::Debuggers)? {
            let path = self.cx.store.path(Bucket::Debuggers, &key).join("meta.json");
            let record =
                std::fs::read(path).ok().and_then(|text| serde_json::from_slice::<Record>(&text).ok());
            let Some(record) = record else { continue };
            let matches = record.form == FORM && record.debugger == name.text();
            if !matches || !self.debian.trusts(&record.signer) {
                continue;
            }
            if let Lookup::Hit(entry) = self.cx.lookup(Stage::Fetch, Bucket::Debuggers, &key)? {
                return Ok(Some(debugger(record.version, entry)));
            }
        }
        Ok(None)
    }
}

fn record(name: DebuggerName, version: &str, closure: &Closure) -> Record {
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

/// Returns the debugger's version; an error if its major version differs from the one in its name.
fn version_of(name: DebuggerName, suite: &'static str, closure: &Closure) -> Result<String, Error> {
    let version = closure.packages[0].upstream_version().to_owned();
    let major = name.text().trim_start_matches("gdb-");
    if version.split('.').next() != Some(major) {
        return Err(Error::OtherVersion { debugger: name, suite, found: version });
    }
    Ok(version)
}

fn debugger(version: String, entry: Entry) -> Debugger {
    Debugger {
        kind: DebuggerKind::Gdb,
        version,
        program: format!("/{PROGRAM}"),
        root: entry.path().join("root"),
        of_host: false,
        entry,
    }
}
