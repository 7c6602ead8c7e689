//! ELF metadata: the build id and the required libraries.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use fs_err::File;
use goblin::elf::Elf;
use goblin::elf::header::header64::Header;
use goblin::elf::note::NT_GNU_BUILD_ID;
use goblin::elf::section_header::SHT_NOTE;
use goblin::elf::section_header::section_header64::SectionHeader;

use super::error::Error;
use super::payload::{FileContent, Payload, Role};
use crate::base::digest::hex;
use crate::base::files;

/// The most bytes of a section with notes that are searched; a build id has about forty.
const LONGEST_NOTES: u64 = 1 << 20;
/// The most bytes of a program in a package.
const LARGEST_PROGRAM: u64 = 128 << 20;

/// A library that programs require, with the symbol versions that they use.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Library {
    /// `libelf.so.1`
    pub(super) soname: String,
    /// `GLIBC_2.34`
    pub(super) versions: BTreeSet<String>,
}

/// Returns the GNU build id in hexadecimal, or `None` if the file has none or is not a 64-bit ELF file.
///
/// Reads only headers and notes: a whole vmlinux would exceed the memory limit of this tool.
pub(super) fn build_id(path: &Path) -> Result<Option<String>, Error> {
    let mut file = File::open(path)?;
    let Ok(header) = Header::from_fd(file.file_mut()) else { return Ok(None) };
    let sections = SectionHeader::from_fd(file.file_mut(), header.e_shoff, header.e_shnum.into());
    for section in sections.unwrap_or_default().iter().filter(|section| section.sh_type == SHT_NOTE) {
        if let Some(id) = build_id_in(&content_of(&mut file, section)?) {
            return Ok(Some(id));
        }
    }
    Ok(None)
}

fn content_of(file: &mut File, section: &SectionHeader) -> io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(section.sh_offset))?;
    let mut content = Vec::new();
    file.take(section.sh_size.min(LONGEST_NOTES)).read_to_end(&mut content)?;
    Ok(content)
}

/// Finds the build id among `notes`. A note has the lengths of its name and its content, its type, the name
/// and the content, the last two padded to four bytes (elf(5)).
fn build_id_in(mut notes: &[u8]) -> Option<String> {
    loop {
        let word = |at: usize| Some(u32::from_le_bytes(notes.get(at..at + 4)?.try_into().ok()?) as usize);
        let (name, content, kind) = (word(0)?, word(4)?, word(8)?);
        let start = 12 + name.next_multiple_of(4);
        if kind == NT_GNU_BUILD_ID as usize && notes.get(12..12 + name)? == b"GNU\0" {
            return Some(hex(notes.get(start..start + content)?));
        }
        notes = notes.get(start + content.next_multiple_of(4)..)?;
    }
}

/// Returns the libraries that the programs of a payload require, each once.
pub(super) fn required_libraries(payload: &Payload) -> Result<Vec<Library>, Error> {
    let mut all: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (_, libraries) in dynamic_programs(payload)? {
        for library in libraries {
            all.entry(library.soname).or_default().extend(library.versions);
        }
    }
    Ok(all.into_iter().map(|(soname, versions)| Library { soname, versions }).collect())
}

/// Returns the programs of a payload that require libraries, with those libraries.
pub(super) fn dynamic_programs(payload: &Payload) -> Result<Vec<(&Role, Vec<Library>)>, Error> {
    let mut programs = Vec::new();
    for file in payload.files.iter().filter(|file| file.mode & 0o100 != 0) {
        let FileContent::Disk(path) = &file.content else { continue };
        let libraries = libraries(&files::read(path, LARGEST_PROGRAM)?);
        if !libraries.is_empty() {
            programs.push((&file.role, libraries));
        }
    }
    Ok(programs)
}

/// The libraries of a program; empty if it is not an ELF file or requires none.
fn libraries(content: &[u8]) -> Vec<Library> {
    let Ok(elf) = Elf::parse(content) else { return Vec::new() };
    let named = |soname: &&str| Library { soname: (*soname).to_owned(), versions: BTreeSet::new() };
    let mut libraries: Vec<_> = elf.libraries.iter().map(named).collect();
    for need in elf.verneed.iter().flatten() {
        let soname = elf.dynstrtab.get_at(need.vn_file).unwrap_or_default();
        let versions = need.iter().filter_map(|version| elf.dynstrtab.get_at(version.vna_name));
        if let Some(library) = libraries.iter_mut().find(|library| library.soname == soname) {
            library.versions.extend(versions.map(str::to_owned));
        }
    }
    libraries
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_id_is_found_after_other_notes() {
        let note = |name: &[u8], kind: u32, content: &[u8]| {
            let mut note = [name.len() as u32, content.len() as u32, kind].map(u32::to_le_bytes).concat();
            for part in [name, content] {
                note.extend(part);
                note.resize(note.len().next_multiple_of(4), 0);
            }
            note
        };
        let other = note(b"Linux\0", 0x100, b"x");
        let id = note(b"GNU\0", 3, &[0xab, 0xcd, 0x01, 0x02]);
        assert_eq!(build_id_in(&[other.clone(), id.clone()].concat()), Some("abcd0102".into()));
        assert_eq!(build_id_in(&other), None);
        assert_eq!(build_id_in(&id[..id.len() - 1]), None);
        assert_eq!(build_id_in(&[]), None);
    }

    #[test]
    fn a_program_lists_its_libraries_and_their_versions() {
        let program = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let libraries = libraries(&program);
        let libc = libraries.iter().find(|library| library.soname == "libc.so.6").expect("a glibc program");
        assert!(libc.versions.iter().any(|version| version.starts_with("GLIBC_2.")), "{libc:?}");
        assert!(super::libraries(b"#!/bin/sh\n").is_empty());
    }

    #[test]
    fn a_file_that_is_not_elf_has_no_build_id() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert_eq!(build_id(file.path()).unwrap(), None);
    }
}
