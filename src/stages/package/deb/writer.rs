//! Writes a `.deb` file.

use std::io::{self, Read, Write};
use std::path::Path;

use super::control;
use super::debian_package::{ControlFile, DebianPackage};
use super::tar_writer::TarWriter;
use crate::stages::package::compress::suffix;
use crate::stages::package::error::Error;
use crate::stages::package::info::PackageInfo;
use crate::stages::package::job::WriteOptions;
use crate::stages::package::output::{PendingPackage, Spool, assemble};
use crate::stages::package::payload::{Member, MemberKind};

/// Writes the package into an unnamed file.
pub(in crate::stages::package) fn write(
    deb: &DebianPackage,
    options: &WriteOptions,
) -> Result<PendingPackage, Error> {
    let PackageInfo { name, .. } = deb.info;
    let target = options.out.join(format!("{name}_{}_amd64.deb", deb.info.version()));
    let (compression, jobs) = (options.compression, options.jobs);
    let data = Spool::fill(&target, compression, jobs, |out| write_data(deb, options, &target, out))?;
    let files = control::files(deb);
    let control =
        Spool::fill(&target, compression, jobs, |out| write_control(options, &files, &target, out))?;
    assemble(name.clone(), target.clone(), |out| {
        write_outer(options, control, data, out)
            .map_err(|source| Error::Write { path: target.clone(), source })
    })
}

fn write_outer(options: &WriteOptions, control: Spool, data: Spool, out: &mut dyn Write) -> io::Result<()> {
    let mut outer = ar::Builder::new(out);
    let mut append = |name: &str, bytes: u64, content: &mut dyn Read| {
        let mut header = ar::Header::new(name.as_bytes().to_vec(), bytes);
        header.set_mode(0o100644);
        header.set_mtime(u64::from(options.timestamp));
        outer.append(&header, content)
    };
    let suffix = suffix(options.compression);
    append("debian-binary", 4, &mut "2.0\n".as_bytes())?;
    append(&format!("control.tar.{suffix}"), control.bytes, &mut &control.file)?;
    append(&format!("data.tar.{suffix}"), data.bytes, &mut &data.file)
}

fn write_control(
    options: &WriteOptions,
    files: &[ControlFile],
    target: &Path,
    out: &mut dyn Write,
) -> Result<(), Error> {
    let mut tar = TarWriter { timestamp: options.timestamp, out };
    let mut write_all = || {
        tar.directory("")?;
        for file in files {
            tar.file(file.name, file.mode, file.content.len() as u64)?;
            tar.out.write_all(file.content.as_bytes())?;
            tar.pad(file.content.len() as u64)?;
        }
        tar.end()
    };
    write_all().map_err(|source| Error::Write { path: target.to_owned(), source })
}

fn write_data(
    deb: &DebianPackage,
    options: &WriteOptions,
    target: &Path,
    out: &mut dyn Write,
) -> Result<(), Error> {
    let failed = |source| Error::Write { path: target.to_owned(), source };
    let mut tar = TarWriter { timestamp: options.timestamp, out };
    tar.directory("").map_err(failed)?;
    for Member { path, kind } in &deb.members {
        match kind {
            MemberKind::Directory => tar.directory(path).map_err(failed)?,
            MemberKind::Link(target) => tar.link(path, target).map_err(failed)?,
            MemberKind::File(file) => {
                tar.file(path, file.mode, file.bytes).map_err(failed)?;
                options.reader.copy(file, tar.out, target)?;
                tar.pad(file.bytes).map_err(failed)?;
            }
        }
    }
    tar.end().map_err(failed)
}
