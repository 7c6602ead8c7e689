//! Dependencies on shared libraries, as dpkg-shlibdeps finds them on a Debian host, on any host.

use crate::stages::package::elf::Library;

/// Libraries that the kernel's host programs link to, and the package of each. Since trixie, packages with
/// the suffix t64 provide these names.
const PACKAGES: [(&str, &str); 10] = [
    ("libcrypto.so.1.1", "libssl1.1"),
    ("libcrypto.so.3", "libssl3"),
    ("libdw.so.1", "libdw1"),
    ("libelf.so.1", "libelf1"),
    ("libgcc_s.so.1", "libgcc-s1"),
    ("liblzma.so.5", "liblzma5"),
    ("libstdc++.so.6", "libstdc++6"),
    ("libyaml-0.so.2", "libyaml-0-2"),
    ("libz.so.1", "zlib1g"),
    ("libzstd.so.1", "libzstd1"),
];
/// Libraries of glibc: libc.so.6, libm.so.6, ld-linux-x86-64.so.2 …
const GLIBC: [&str; 6] = ["ld-linux-x86-64", "libc", "libdl", "libm", "libpthread", "librt"];

/// Returns the value of `Depends`, without libraries whose package is unknown.
pub(super) fn depends(libraries: &[Library]) -> String {
    let mut depends: Vec<String> = Vec::new();
    let glibc = libraries.iter().filter(|library| is_glibc(&library.soname));
    if let Some(newest) =
        glibc.flat_map(|library| &library.versions).filter_map(|name| glibc_version(name)).max()
    {
        depends.push(format!("libc6 (>= {}.{})", newest.0, newest.1));
    }
    let package = |library: &Library| PACKAGES.iter().find(|(soname, _)| *soname == library.soname);
    depends.extend(libraries.iter().filter_map(package).map(|(_, package)| (*package).to_owned()));
    depends.sort();
    depends.dedup();
    depends.join(", ")
}

fn is_glibc(soname: &str) -> bool {
    soname.split_once(".so.").is_some_and(|(name, _)| GLIBC.contains(&name))
}

/// `GLIBC_2.34` and `GLIBC_2.2.5`.
fn glibc_version(symbol: &str) -> Option<(u32, u32)> {
    // The marker of relative relocations, new in glibc 2.36.
    if symbol == "GLIBC_ABI_DT_RELR" {
        return Some((2, 36));
    }
    let mut numbers = symbol.strip_prefix("GLIBC_")?.split('.').map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn library(soname: &str, versions: &[&str]) -> Library {
        Library {
            soname: soname.to_owned(),
            versions: versions.iter().map(|version| (*version).to_owned()).collect(),
        }
    }

    #[test]
    fn the_newest_required_glibc_version_counts() {
        let libraries = [
            library("libc.so.6", &["GLIBC_2.2.5", "GLIBC_2.34", "GLIBC_2.4"]),
            library("libelf.so.1", &["ELFUTILS_1.6"]),
            library("libm.so.6", &["GLIBC_2.35", "GLIBC_PRIVATE"]),
            library("libcrypto.so.3", &["OPENSSL_3.0.0"]),
            library("libunknown.so.9", &[]),
        ];
        assert_eq!(depends(&libraries), "libc6 (>= 2.35), libelf1, libssl3");
        assert_eq!(depends(&[library("libc.so.6", &["GLIBC_ABI_DT_RELR"])]), "libc6 (>= 2.36)");
        assert_eq!(depends(&[]), "");
    }
}
