//! The .deb: an `ar` of `debian-binary`, `control.tar.xz` and `data.tar.xz` (deb(5)).

use std::io::{Read, Write};
use std::path::Path;

use flate2::{Compression, GzBuilder};
use jiff::Timestamp;
use jiff::fmt::rfc2822;

use super::output::{Ready, Spool, assemble};
use super::payload::{Kind, Member, PayloadFile, Role, members};
use super::{Error, Job};
use crate::plan::Format;

/// The scripts dpkg runs, in `packaging/deb`.
const SCRIPTS: [(&str, &str); 4] = [
    ("postinst", include_str!("../../packaging/deb/postinst")),
    ("postrm", include_str!("../../packaging/deb/postrm")),
    ("preinst", include_str!("../../packaging/deb/preinst")),
    ("prerm", include_str!("../../packaging/deb/prerm")),
];
const COPYRIGHT: &str = include_str!("../../packaging/deb/copyright");

/// `.invalid` is a name that no one can have (RFC 2606).
const MAINTAINER: &str = "kpatch-build <kpatch-build@kpatch-build.invalid>";

/// What Debian's own images of bullseye and later depend on. It holds for a kernel with
/// everything built in too: its root file system may be on LVM, LUKS or RAID.
const DEPENDS: &str = "kmod, linux-base (>= 4.3~), initramfs-tools (>= 0.120+deb8u2) | linux-initramfs-tool";

pub(super) fn write(job: &Job) -> Result<Ready, Error> {
    let documents = documents(job);
    let members = layout(job, &documents);
    let target = job.order.out.join(job.names.deb_file());
    let jobs = job.order.jobs;
    let data = Spool::xz(&target, jobs, |out| write_data(job, &members, &target, out))?;
    let control = Spool::xz(&target, jobs, |out| write_control(job, &members, &target, out))?;
    assemble(Format::Deb, &job.names.deb, target.clone(), |out| {
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
    append("debian-binary", 4, &mut "2.0\n".as_bytes())?;
    append("control.tar.xz", control.bytes, &mut &control.file)?;
    append("data.tar.xz", data.bytes, &mut &data.file)
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
        Role::Documentation(path) => path.clone(),
    }
}

fn layout<'a>(job: &'a Job, documents: &'a [PayloadFile]) -> Vec<Member<'a>> {
    let placed = |file: &'a PayloadFile| (place(&job.names.release, &file.role), file);
    // dpkg shares folders between packages, so all of them are listed.
    members(job.payload.files.iter().chain(documents).map(placed), |_| true)
}

fn documents(job: &Job) -> [PayloadFile; 2] {
    let folder = format!("usr/share/doc/{}", job.names.deb);
    let copyright = COPYRIGHT
        .replace("@UPSTREAM@", &job.order.upstream.to_string())
        .replace("@SERIES@", &job.order.series);
    let document = |name: &str, content| {
        PayloadFile::in_memory(Role::Documentation(format!("{folder}/{name}")), content)
    };
    [
        document("changelog.Debian.gz", gzip(changelog(job).as_bytes())),
        document("copyright", copyright.into_bytes()),
    ]
}

fn changelog(job: &Job) -> String {
    let mut text = format!(
        "{} ({}) unstable; urgency=medium\n\n  * Linux {}, series {}: {}\n",
        job.names.deb,
        job.names.version(),
        job.order.upstream,
        job.order.series,
        job.order.title
    );
    for patch in &job.order.patches {
        text.push_str(&format!("  * {}\n", patch));
    }
    let time = Timestamp::from_second(i64::from(job.payload.timestamp)).expect("32 bits are in range");
    let date =
        rfc2822::to_string(&time.to_zoned_datetime(jiff::tz::TimeZone::UTC)).expect("32 bits are in range");
    text.push_str(&format!("\n -- {MAINTAINER}  {date}\n"));
    text
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzBuilder::new().write(Vec::new(), Compression::best());
    encoder.write_all(content).and_then(|()| encoder.finish()).expect("writing to memory does not fail")
}

fn control(job: &Job, members: &[Member]) -> String {
    let Job { names, order, .. } = job;
    format!(
        "Package: {}\n\
         Version: {}\n\
         Architecture: amd64\n\
         Maintainer: {MAINTAINER}\n\
         Installed-Size: {}\n\
         Depends: {DEPENDS}\n\
         Provides: linux-image\n\
         Section: kernel\n\
         Priority: optional\n\
         Homepage: https://www.kernel.org/\n\
         Description: Linux {} with the io_thread series {}\n \
         The Linux kernel, its modules and the data to load them, as {}.\n \
         .\n \
         The series {}: {}.\n",
        names.deb,
        names.version(),
        installed_kib(members),
        order.upstream,
        order.series,
        names.release,
        order.series,
        order.title.trim_end_matches('.'),
    )
}

/// As dpkg-gencontrol counts: files in whole KiB, everything else as one.
fn installed_kib(members: &[Member]) -> u64 {
    let kib = |member: &Member| match member.kind {
        Kind::Directory => 1,
        Kind::File(file) => file.bytes.div_ceil(1024),
    };
    members.iter().map(kib).sum()
}

/// For `dpkg --verify`. depmod's files are not in it: the next depmod may change them.
fn md5sums(members: &[Member]) -> String {
    let line = |member: &Member| match member.kind {
        Kind::File(PayloadFile { role: Role::Depmod(_), .. }) | Kind::Directory => None,
        Kind::File(file) => Some(format!("{}  {}\n", file.md5, member.path)),
    };
    members.iter().filter_map(line).collect()
}

fn write_control(job: &Job, members: &[Member], target: &Path, out: &mut dyn Write) -> Result<(), Error> {
    let scripts = SCRIPTS.map(|(name, text)| (name, 0o755, text.replace("@RELEASE@", &job.names.release)));
    let files = [("control", 0o644, control(job, members)), ("md5sums", 0o644, md5sums(members))];
    let write_all = || {
        tar_header(job, out, "", 0o755, None)?;
        for (name, mode, content) in files.iter().chain(&scripts) {
            tar_header(job, out, name, *mode, Some(content.len() as u64))?;
            out.write_all(content.as_bytes())?;
            tar_pad(out, content.len() as u64)?;
        }
        tar_end(out)
    };
    let mut write_all = write_all;
    write_all().map_err(|source| Error::Write { path: target.to_owned(), source })
}

fn write_data(job: &Job, members: &[Member], target: &Path, out: &mut dyn Write) -> Result<(), Error> {
    let failed = |source| Error::Write { path: target.to_owned(), source };
    tar_header(job, out, "", 0o755, None).map_err(failed)?;
    for member in members {
        match member.kind {
            Kind::Directory => tar_header(job, out, &member.path, 0o755, None).map_err(failed)?,
            Kind::File(file) => {
                tar_header(job, out, &member.path, file.mode, Some(file.bytes)).map_err(failed)?;
                job.meter.copy(file, out, target)?;
                tar_pad(out, file.bytes).map_err(failed)?;
            }
        }
    }
    tar_end(out).map_err(failed)
}

/// The header of a file of `bytes`, or of a folder; `path` is below the root.
///
/// By hand around [`tar::Header`], because [`tar::Builder`] drops the `./` in front that every
/// other .deb has.
fn tar_header(
    job: &Job,
    out: &mut dyn Write,
    path: &str,
    mode: u32,
    bytes: Option<u64>,
) -> std::io::Result<()> {
    let slash = if bytes.is_none() && !path.is_empty() { "/" } else { "" };
    let name = format!("./{path}{slash}");
    let kind = if bytes.is_some() { tar::EntryType::Regular } else { tar::EntryType::Directory };
    if name.len() > 100 {
        // GNU tar's way to say a long name: an entry before with the name as its content.
        let length = name.len() as u64 + 1;
        out.write_all(
            raw_header(b"././@LongLink", tar::EntryType::GNULongName, 0o644, length, 0).as_bytes(),
        )?;
        out.write_all(name.as_bytes())?;
        out.write_all(&[0])?;
        tar_pad(out, length)?;
    }
    let short = &name.as_bytes()[..name.len().min(100)];
    let header = raw_header(short, kind, mode, bytes.unwrap_or(0), u64::from(job.payload.timestamp));
    out.write_all(header.as_bytes())
}

fn raw_header(name: &[u8], kind: tar::EntryType, mode: u32, bytes: u64, mtime: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(bytes);
    header.set_mtime(mtime);
    header.set_uid(0);
    header.set_gid(0);
    let gnu = header.as_gnu_mut().expect("made as a GNU header");
    gnu.name[..name.len()].copy_from_slice(name);
    gnu.uname[..4].copy_from_slice(b"root");
    gnu.gname[..4].copy_from_slice(b"root");
    header.set_cksum();
    header
}

fn tar_pad(out: &mut dyn Write, written: u64) -> std::io::Result<()> {
    out.write_all(&[0; 512][..(written.wrapping_neg() % 512) as usize])
}

fn tar_end(out: &mut dyn Write) -> std::io::Result<()> {
    out.write_all(&[0; 1024])
}
