//! The .deb: an `ar` of `debian-binary`, `control.tar.*` and `data.tar.*` (deb(5)).

mod documents;
mod fields;
pub mod kernel;
mod shlibs;
pub(super) mod tool;

use std::io::{Read, Write};
use std::path::Path;

use super::compress::suffix;
use super::output::{Ready, Spool, assemble};
use super::payload::{Kind, Member};
use super::{About, Error, How};

/// `.invalid` is a name that no one can have (RFC 2606).
const MAINTAINER: &str = "kpatch-build <kpatch-build@kpatch-build.invalid>";

/// A package as dpkg is to have it.
pub(super) struct Deb<'a> {
    pub about: &'a About,
    pub section: &'static str,
    /// `Depends`, `Provides` and such, in the order of Debian Policy 5.3; an empty one is left out.
    pub relations: Vec<(&'static str, String)>,
    /// What dpkg runs: `preinst`, `postinst`, `prerm`, `postrm`.
    pub scripts: Vec<(&'static str, String)>,
    pub members: Vec<Member<'a>>,
}

pub(super) fn write(deb: &Deb, how: &How) -> Result<Ready, Error> {
    let About { name, .. } = deb.about;
    let target = how.out.join(format!("{name}_{}_amd64.deb", deb.about.version()));
    let data = Spool::fill(&target, how.compression(), |out| write_data(deb, how, &target, out))?;
    let files = fields::files(deb);
    let control = Spool::fill(&target, how.compression(), |out| write_control(how, &files, &target, out))?;
    assemble(name.clone(), target.clone(), |out| {
        write_outer(how, control, data, out).map_err(|source| Error::Write { path: target.clone(), source })
    })
}

fn write_outer(how: &How, control: Spool, data: Spool, out: &mut dyn Write) -> std::io::Result<()> {
    let mut outer = ar::Builder::new(out);
    let mut append = |name: &str, bytes: u64, content: &mut dyn Read| {
        let mut header = ar::Header::new(name.as_bytes().to_vec(), bytes);
        header.set_mode(0o100644);
        header.set_mtime(u64::from(how.timestamp));
        outer.append(&header, content)
    };
    let suffix = suffix(how.compression);
    append("debian-binary", 4, &mut "2.0\n".as_bytes())?;
    append(&format!("control.tar.{suffix}"), control.bytes, &mut &control.file)?;
    append(&format!("data.tar.{suffix}"), data.bytes, &mut &data.file)
}

/// A file of `control.tar`, with its mode.
struct ControlFile {
    name: &'static str,
    mode: u32,
    content: String,
}

fn write_control(how: &How, files: &[ControlFile], target: &Path, out: &mut dyn Write) -> Result<(), Error> {
    let mut tar = Tar { timestamp: how.timestamp, out };
    let mut write_all = || {
        tar.folder("")?;
        for file in files {
            tar.file(file.name, file.mode, file.content.len() as u64)?;
            tar.out.write_all(file.content.as_bytes())?;
            tar.pad(file.content.len() as u64)?;
        }
        tar.end()
    };
    write_all().map_err(|source| Error::Write { path: target.to_owned(), source })
}

fn write_data(deb: &Deb, how: &How, target: &Path, out: &mut dyn Write) -> Result<(), Error> {
    let failed = |source| Error::Write { path: target.to_owned(), source };
    let mut tar = Tar { timestamp: how.timestamp, out };
    tar.folder("").map_err(failed)?;
    for Member { path, kind } in &deb.members {
        match kind {
            Kind::Directory => tar.folder(path).map_err(failed)?,
            Kind::Link(text) => tar.link(path, text).map_err(failed)?,
            Kind::File(file) => {
                tar.file(path, file.mode, file.bytes).map_err(failed)?;
                how.meter.copy(file, tar.out, target)?;
                tar.pad(file.bytes).map_err(failed)?;
            }
        }
    }
    tar.end().map_err(failed)
}

/// By hand around [`tar::Header`], because [`tar::Builder`] drops the `./` in front of a path that
/// every other .deb has. Paths are below the root.
struct Tar<'a> {
    timestamp: u32,
    out: &'a mut dyn Write,
}

impl Tar<'_> {
    fn folder(&mut self, path: &str) -> std::io::Result<()> {
        let slash = if path.is_empty() { "" } else { "/" };
        self.entry(&format!("./{path}{slash}"), tar::EntryType::Directory, 0o755, 0, "")
    }

    fn file(&mut self, path: &str, mode: u32, bytes: u64) -> std::io::Result<()> {
        self.entry(&format!("./{path}"), tar::EntryType::Regular, mode, bytes, "")
    }

    fn link(&mut self, path: &str, text: &str) -> std::io::Result<()> {
        self.entry(&format!("./{path}"), tar::EntryType::Symlink, 0o777, 0, text)
    }

    fn entry(
        &mut self,
        name: &str,
        kind: tar::EntryType,
        mode: u32,
        bytes: u64,
        link: &str,
    ) -> std::io::Result<()> {
        self.long(tar::EntryType::GNULongName, name)?;
        self.long(tar::EntryType::GNULongLink, link)?;
        let header = raw_header(name, link, kind, mode, bytes, u64::from(self.timestamp));
        self.out.write_all(header.as_bytes())
    }

    /// GNU tar's way to say what has no room in the header: an entry before, with it as its content.
    fn long(&mut self, kind: tar::EntryType, text: &str) -> std::io::Result<()> {
        if text.len() <= NAME_FIELD {
            return Ok(());
        }
        let length = text.len() as u64 + 1;
        self.out.write_all(raw_header("././@LongLink", "", kind, 0o644, length, 0).as_bytes())?;
        self.out.write_all(text.as_bytes())?;
        self.out.write_all(&[0])?;
        self.pad(length)
    }

    fn pad(&mut self, written: u64) -> std::io::Result<()> {
        self.out.write_all(&[0; 512][..(written.wrapping_neg() % 512) as usize])
    }

    fn end(&mut self) -> std::io::Result<()> {
        self.out.write_all(&[0; 1024])
    }
}

/// Of a tar header, for a path and for a link's text.
const NAME_FIELD: usize = 100;

fn raw_header(
    name: &str,
    link: &str,
    kind: tar::EntryType,
    mode: u32,
    bytes: u64,
    mtime: u64,
) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(bytes);
    header.set_mtime(mtime);
    header.set_uid(0);
    header.set_gid(0);
    let gnu = header.as_gnu_mut().expect("made as a GNU header");
    put(&mut gnu.name, name);
    put(&mut gnu.linkname, link);
    put(&mut gnu.uname, "root");
    put(&mut gnu.gname, "root");
    header.set_cksum();
    header
}

fn put(field: &mut [u8], text: &str) {
    let length = text.len().min(field.len());
    field[..length].copy_from_slice(&text.as_bytes()[..length]);
}
