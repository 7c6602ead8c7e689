//! Reads packages with code that did not write them.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Cursor, Read};
use std::path::Path;

use kpatch_build::base::archive::decompress::decompress;
use sha2::{Digest, Sha256};

#[derive(Debug, PartialEq, Eq)]
pub struct Found {
    pub mode: u32,
    pub mtime: u64,
    /// `None` for a directory; for a symbolic link, its target.
    pub content: Option<Vec<u8>>,
    pub link: bool,
}

/// Returns the members of a .deb by name; compressed archives are decompressed.
pub fn deb_parts(path: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut parts = BTreeMap::new();
    let mut archive = ar::Archive::new(File::open(path).unwrap());
    while let Some(entry) = archive.next_entry() {
        let mut entry = entry.unwrap();
        let name = String::from_utf8(entry.header().identifier().to_vec()).unwrap();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        if name.contains(".tar.") {
            let mut plain = Vec::new();
            decompress(Cursor::new(content)).unwrap().read_to_end(&mut plain).unwrap();
            content = plain;
        }
        parts.insert(name, content);
    }
    parts
}

/// Returns the entries of an archive, all owned by root, by path without the leading `./`.
pub fn tar_files(tar: &[u8]) -> BTreeMap<String, Found> {
    let mut archive = tar::Archive::new(tar);
    let found = archive.entries().unwrap().map(|entry| {
        let mut entry = entry.unwrap();
        let header = entry.header().clone();
        assert_eq!((header.uid().unwrap(), header.gid().unwrap()), (0, 0));
        let path = entry.path().unwrap().to_str().unwrap().to_owned();
        let path = path
            .strip_prefix("./")
            .expect("paths start with ./, as in dpkg's archives")
            .trim_end_matches('/')
            .to_owned();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        let text = entry.link_name().unwrap().map(|text| text.to_str().unwrap().as_bytes().to_vec());
        let link = text.is_some();
        let content = text.or_else(|| header.entry_type().is_file().then_some(content));
        let (mode, mtime) = (header.mode().unwrap(), header.mtime().unwrap());
        (path, Found { mode, mtime, content, link })
    });
    found.collect()
}

/// Returns a file of the control archive.
pub fn control(deb: &Path, name: &str) -> String {
    let files = tar_files(&deb_parts(deb)["control.tar.xz"]);
    String::from_utf8(files[name].content.clone().unwrap()).unwrap()
}

/// Returns the files of a package except ghosts, by path without the leading slash.
pub fn rpm_files(path: &Path) -> BTreeMap<String, Found> {
    let package = rpm::Package::open(path).unwrap();
    let ghost = |entry: &rpm::FileEntry| entry.flags().contains(rpm::FileFlags::GHOST);
    let kept: Vec<_> =
        package.metadata.get_file_entries().unwrap().into_iter().filter(|entry| !ghost(entry)).collect();
    let mut contents: BTreeMap<_, _> = package
        .files()
        .unwrap()
        .map(Result::unwrap)
        .filter(|file| !ghost(&file.metadata))
        .map(|file| (file.metadata.path(), file.content().unwrap_or_default().to_vec()))
        .collect();
    assert_eq!(contents.len(), kept.len(), "payload and header list the same files");
    kept.iter()
        .map(|entry| {
            let content = contents.remove(&entry.path()).expect("in the payload");
            let file = entry.file_type() == rpm::FileType::Regular;
            let link = entry.file_type() == rpm::FileType::SymbolicLink;
            if link {
                assert_eq!(entry.linkto().unwrap().as_bytes(), content, "{:?}", entry.path());
            } else if file {
                assert_eq!(entry.digest().unwrap().as_hex(), sha256(&content), "{:?}", entry.path());
                assert_eq!(entry.size(), content.len());
            }
            let found = Found {
                mode: u32::from(entry.permissions()),
                mtime: u64::from(u32::from(entry.modified_at())),
                content: (file || link).then_some(content),
                link,
            };
            (entry.path().to_str().unwrap().trim_start_matches('/').to_owned(), found)
        })
        .collect()
}

pub fn sha256(content: &[u8]) -> String {
    kpatch_build::base::digest::hex(&Sha256::digest(content))
}
