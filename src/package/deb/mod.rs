//! The .deb: an `ar` of `debian-binary`, `control.tar.*` and `data.tar.*` (deb(5)).

mod control;
mod documents;
mod shlibs;

use std::io::{Read, Write};
use std::path::Path;

use super::compress::suffix;
use super::output::{Ready, Spool, assemble};
use super::payload::{Kind, Member, PayloadFile, Role, members};
use super::{Error, Job};
use crate::plan::Format;

/// The scripts that dpkg runs, in `packaging/deb`.
const IMAGE_SCRIPTS: [(&str, &str); 4] = [
    ("postinst", include_str!("../../../packaging/deb/postinst")),
    ("postrm", include_str!("../../../packaging/deb/postrm")),
    ("preinst", include_str!("../../../packaging/deb/preinst")),
    ("prerm", include_str!("../../../packaging/deb/prerm")),
];
const HEADERS_SCRIPTS: [(&str, &str); 1] =
    [("postinst", include_str!("../../../packaging/deb/headers-postinst"))];

/// `.invalid` is a name that no one can have (RFC 2606).
const MAINTAINER: &str = "kpatch-build <kpatch-build@kpatch-build.invalid>";

pub(super) fn write(job: &Job) -> Result<Ready, Error> {
    let documents = documents::of(job);
    let members = layout(job, &documents);
    let target = job.order.out.join(job.names.deb_file(job.part));
    let how = (job.order.compression, job.order.jobs);
    let data = Spool::fill(&target, how, |out| write_data(job, &members, &target, out))?;
    let files = control::files(job, &members)?;
    let control = Spool::fill(&target, how, |out| write_control(job, &files, &target, out))?;
    assemble((Format::Deb, job.part), job.names.deb(job.part), target.clone(), |out| {
        write_outer(job, control, data, out).map_err(|source| Error::Write { path: target.clone(), source })
    })
}

fn write_outer(job: &Job, control: Spool, data: Spool, out: &mut dyn Write) -> std::io::Result<()> {
    let mut outer = ar::Builder::new(out);
    let mut append = |name: &str, bytes: u64, content: &mut dyn Read| {
        let mut header = ar::Header::new(name.as_bytes().to_vec(), bytes);
        header.set_mode(0o100644);
        header.set_mtime(u64::from(job.payload.timestamp));
        outer.append(&header, content)
    };
    let suffix = suffix(job.order.compression);
    append("debian-binary", 4, &mut "2.0\n".as_bytes())?;
    append(&format!("control.tar.{suffix}"), control.bytes, &mut &control.file)?;
    append(&format!("data.tar.{suffix}"), data.bytes, &mut &data.file)
}

/// Where a file of the payload goes.
///
/// `/lib/modules` and not `/usr/lib/modules`: on bullseye without merged /usr kmod looks
/// nowhere else, and where /usr is merged dpkg follows the link.
pub fn place(release: &str, role: &Role) -> String {
    match role {
        Role::Image => format!("boot/vmlinuz-{release}"),
        Role::SystemMap => format!("boot/System.map-{release}"),
        Role::Config => format!("boot/config-{release}"),
        Role::Modules(path) | Role::Depmod(path) => format!("lib/modules/{release}/{path}"),
        Role::Headers(path) => {
            format!("usr/src/linux-headers-{release}/{path}").trim_end_matches('/').to_owned()
        }
        Role::Vmlinux => format!("usr/lib/debug/lib/modules/{release}/vmlinux"),
        Role::VmlinuxLink(0) => format!("usr/lib/debug/vmlinux-{release}"),
        Role::VmlinuxLink(_) => format!("usr/lib/debug/boot/vmlinux-{release}"),
        Role::ModuleDebug(path) => format!("usr/lib/debug/lib/modules/{release}/{path}"),
        Role::BuildId(id) => format!("usr/lib/debug/.build-id/{}/{}.debug", &id[..2], &id[2..]),
        Role::Uapi(path) => match path.strip_prefix("asm/") {
            // The C library's multiarch folder: asm differs between architectures.
            Some(rest) => format!("usr/include/x86_64-linux-gnu/asm/{rest}"),
            None => format!("usr/include/{path}"),
        },
        Role::Documentation(path) => path.clone(),
    }
}

fn layout<'a>(job: &'a Job, documents: &'a [PayloadFile]) -> Vec<Member<'a>> {
    // dpkg shares folders between packages, so all of them are listed.
    members(job.payload.files.iter().chain(documents), |role| place(&job.names.release, role), |_| true)
}

/// A file of `control.tar`, with its mode.
struct ControlFile {
    name: &'static str,
    mode: u32,
    content: String,
}

fn write_control(job: &Job, files: &[ControlFile], target: &Path, out: &mut dyn Write) -> Result<(), Error> {
    let mut tar = Tar { job, out };
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

fn write_data(job: &Job, members: &[Member], target: &Path, out: &mut dyn Write) -> Result<(), Error> {
    let failed = |source| Error::Write { path: target.to_owned(), source };
    let mut tar = Tar { job, out };
    tar.folder("").map_err(failed)?;
    for Member { path, kind } in members {
        match kind {
            Kind::Directory => tar.folder(path).map_err(failed)?,
            Kind::Link(text) => tar.link(path, text).map_err(failed)?,
            Kind::File(file) => {
                tar.file(path, file.mode, file.bytes).map_err(failed)?;
                job.meter.copy(file, tar.out, target)?;
                tar.pad(file.bytes).map_err(failed)?;
            }
        }
    }
    tar.end().map_err(failed)
}

/// By hand around [`tar::Header`], because [`tar::Builder`] drops the `./` in front of a path that
/// every other .deb has. Paths are below the root.
struct Tar<'a> {
    job: &'a Job<'a>,
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
        let header = raw_header(name, link, kind, mode, bytes, u64::from(self.job.payload.timestamp));
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
