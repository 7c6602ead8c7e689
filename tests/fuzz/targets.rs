//! One function for each parser of bytes that a stranger controls, for the fuzzer (`tests/fuzz`) and for the test that runs
//! its corpora.
//!
//! A function panics if the parser does, or if a property below does not hold. The fuzzer adds limits of time and memory.

use std::io::{self, Read};
use std::path::Path;
use std::sync::OnceLock;

use crate::base::archive::cpio::{self, Digits};
use crate::base::archive::deb;
use crate::base::archive::decompress::decompress;
use crate::base::context::Context;
use crate::base::debian::index::{Suite, paragraphs};
use crate::base::events::Events;
use crate::base::openpgp::verify::Certificates;
use crate::base::stop::Stop;
use crate::base::store::Store;
use crate::claims::console::Console;
use crate::kernel::kconfig::Kconfig;
use crate::kernel::kconfig::option_check;
use crate::kernel::series::description::{self, Metadata};
use crate::kernel::series::diff::Reading;
use crate::kernel::series::{PatchFile, mail};
use crate::repo::found;
use crate::stages::boot::Records;
use crate::stages::patch::PatchStatus;
use crate::stages::patch::tree::{File, Overlay, Pristine, ReadError};
use crate::stages::unpack::archive;

/// A parser under test.
pub type Target = fn(&[u8]);

/// The targets by name; `tests/fuzz/corpus/` has a directory for each.
pub const TARGETS: [(&str, Target); 13] = [
    ("console", console),
    ("cpio", cpio),
    ("deb", deb),
    ("fragment", fragment),
    ("index", index),
    ("kconfig", kconfig),
    ("mail", mail),
    ("openpgp", openpgp),
    ("patch", patch),
    ("records", records),
    ("rpm", rpm),
    ("series", series),
    ("tar", tar),
];

/// A directory in memory that ends with the process.
fn scratch() -> &'static Path {
    static SCRATCH: OnceLock<tempfile::TempDir> = OnceLock::new();
    SCRATCH.get_or_init(|| tempfile::tempdir_in("/dev/shm").expect("/dev/shm is writable")).path()
}

/// A file with this content, at the same path each time.
fn file(name: &str, content: &[u8]) -> std::path::PathBuf {
    let path = scratch().join(name);
    std::fs::write(&path, content).expect("/dev/shm has space");
    path
}

fn console(log: &[u8]) {
    let _ = Console::read(log);
}

/// The tool only writes cpio, so the target reads back what was written: each field as 8 hexadecimal digits after the
/// magic number, then the name, padded to a multiple of four (cpio(5), "New ASCII Format").
fn cpio(bytes: &[u8]) {
    let Some((fields, name)) = bytes.split_at_checked(24) else { return };
    let number = |index: usize| u32::from_le_bytes(fields[index * 4..][..4].try_into().expect("4 bytes"));
    let name = String::from_utf8_lossy(name).replace('\0', "");
    let header = cpio::Header {
        name: &name,
        inode: number(0),
        mode: number(1),
        links: number(2),
        mtime: number(3),
        bytes: number(4),
        device: (number(5), number(0)),
    };
    for digits in [Digits::Lower, Digits::Upper] {
        let mut written = Vec::new();
        header.write(digits, &mut written).expect("a vector takes everything");
        assert_eq!(written.len() % 4, 0);
        let text = std::str::from_utf8(&written).expect("digits and a name in UTF-8");
        let field = |index: usize| u32::from_str_radix(&text[6 + index * 8..][..8], 16).expect("8 digits");
        assert_eq!([0, 1, 4, 5, 6].map(field), [0, 1, 2, 3, 4].map(number));
        assert_eq!(field(11) as usize, name.len() + 1);
        assert_eq!(text[110..].trim_end_matches('\0'), name);
    }
}

/// A `.deb` as `repo` and the debuggers' roots read it: the control file, and each file of the data.
fn deb(bytes: &[u8]) {
    let _ = found::deb(&file("package.deb", bytes), &Stop::default());
    let _ = deb::read::<io::Error>(bytes, |_, part| {
        let mut archive = tar::Archive::new(decompress(part)?);
        for entry in archive.entries()? {
            io::copy(&mut entry?, &mut io::sink())?;
        }
        Ok(())
    });
}

fn fragment(text: &[u8]) {
    let path = file("fuzz.config", text);
    let _ = Kconfig::load(&[path.display().to_string()]);
}

/// The text of an `InRelease` after its signature was verified, and of a `Sources` or `Packages` index.
fn index(text: &[u8]) {
    let _ = Suite::parse(&String::from_utf8_lossy(text));
    let _ = paragraphs(text, |_| true, |paragraph| assert!(!paragraph.is_empty()));
}

/// The `Kconfig` of a source tree, read for the reasons why the options `A` to `E` are not as requested.
fn kconfig(text: &[u8]) {
    static REQUEST: OnceLock<Kconfig> = OnceLock::new();
    let request = REQUEST.get_or_init(|| {
        let path =
            file("request.config", b"CONFIG_A=y\nCONFIG_B=m\nCONFIG_C=7\nCONFIG_D=\"d\"\nCONFIG_E=n\n");
        Kconfig::load(&[path.display().to_string()]).expect("a fragment")
    });
    file("Kconfig", text);
    let values =
        [("B", "y"), ("E", "m"), ("F", "y")].map(|(symbol, value)| (symbol.to_owned(), value.to_owned()));
    let _ = option_check::compare(request, &values.into(), scratch());
}

fn mail(mbox: &[u8]) {
    let _ = mail::patches(mbox);
    let _ = mail::patch_in_file(mbox);
}

/// The same bytes as a keyring, as a detached signature and as a clearsigned document.
fn openpgp(bytes: &[u8]) {
    let certificates = Certificates::parse(bytes);
    let _ = certificates.check_detached(bytes, || Ok(Box::new(io::empty()) as Box<dyn Read>));
    let _ = certificates.check_clearsigned(bytes);
}

/// Each file of this tree has the same content.
struct OneContent<'c>(&'c [u8]);

impl Pristine for OneContent<'_> {
    fn file(&self, _: &Path) -> Result<Option<File>, ReadError> {
        Ok(Some(File { content: self.0.to_owned(), mode: 0o644 }))
    }
}

/// The content of a file, a NUL, and a patch. A patch whose hunks all apply at their lines can be reversed.
fn patch(bytes: &[u8]) {
    let nul = bytes.iter().position(|byte| *byte == 0).unwrap_or(0);
    let (content, patch) = (&bytes[..nul], bytes[nul..].strip_prefix(b"\0").unwrap_or(bytes));
    let pristine = OneContent(content);
    let mut overlay = Overlay::new(&pristine);
    let forward = PatchFile::new("fuzz.patch", patch);
    let Ok(applied) = overlay.apply(&forward) else { return };
    if applied.status != PatchStatus::Applied || applied.max_offset != 0 {
        return;
    }
    let backward = PatchFile { reading: Reading { reverse: true, ..Reading::default() }, ..forward };
    let Ok(reversed) = overlay.apply(&backward) else { return };
    if reversed.status == PatchStatus::Applied && reversed.max_offset == 0 {
        for changed in overlay.into_files().into_values().flatten() {
            assert_eq!(changed.content, content, "the reversed patch does not restore the file");
        }
    }
}

/// Each line as it is, and as the body of a record whose number and checksum are right.
fn records(output: &[u8]) {
    let mut records = Records::default();
    for (number, line) in String::from_utf8_lossy(output).lines().enumerate() {
        let mut checksum = flate2::Crc::new();
        checksum.update(line.as_bytes());
        records.read_line(line);
        records.read_line(&format!("@kpatch-build {number} {:08x} {line}", checksum.sum()));
    }
    records.finish();
}

fn rpm(bytes: &[u8]) {
    let _ = found::rpm(&file("package.rpm", bytes), &Stop::default());
}

fn series(text: &[u8]) {
    let _ = description::parse::<Metadata>(text, Path::new("series.toml"));
}

/// An archive of a kernel. Whatever it holds, nothing appears outside of the directory it is unpacked into.
fn tar(bytes: &[u8]) {
    static CONTEXT: OnceLock<Context> = OnceLock::new();
    let context = CONTEXT.get_or_init(|| Context {
        store: Store::open(&scratch().join("store")).expect("/dev/shm has space"),
        events: Events::silent(),
        stop: Stop::default(),
        offline: true,
        logs: scratch().join("logs"),
    });
    let outside = scratch().join("outside");
    let root = outside.join("tree");
    let _ = std::fs::remove_dir_all(&outside);
    std::fs::create_dir(&outside).expect("/dev/shm is writable");
    let _ = archive::unpack(context, "fuzz.tar", &file("fuzz.tar", bytes), &root);
    let appeared = std::fs::read_dir(&outside).expect("the directory exists");
    for entry in appeared {
        assert_eq!(entry.expect("an entry").path(), root, "the archive wrote outside of its directory");
    }
}
