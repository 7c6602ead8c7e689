//! The tool's own `.deb`.

use super::debian_package::DebianPackage;
use super::{documents, shlibs};
use crate::kernel::host_packages::{HostNeeds, Manager, Need};
use crate::stages::package::compress::gzip_of_one_file;
use crate::stages::package::elf;
use crate::stages::package::error::Error;
use crate::stages::package::info::PackageInfo;
use crate::stages::package::payload::{Payload, PayloadFile, members_at};
use crate::stages::package::self_package_request::{
    CHANGELOG, LOCK, NAME, NOTICES, README, SelfPackageRequest,
};

/// Maintainer scripts, in `packaging/tool/deb`.
const SCRIPTS: [(&str, &str); 3] = [
    ("postinst", include_str!("../../../../packaging/tool/deb/postinst")),
    ("postrm", include_str!("../../../../packaging/tool/deb/postrm")),
    ("prerm", include_str!("../../../../packaging/tool/deb/prerm")),
];
const COPYRIGHT: &str = include_str!("../../../../packaging/tool/deb/copyright");
const OVERRIDES: &str = include_str!("../../../../packaging/tool/deb/lintian-overrides");

/// Returns the files that only the `.deb` has, or has at this path.
pub(in crate::stages::package) fn files(
    request: &SelfPackageRequest,
    info: &PackageInfo,
) -> Result<Vec<PayloadFile>, Error> {
    let timestamp =
        u32::try_from(request.timestamp).map_err(|_| Error::Timestamp { timestamp: request.timestamp })?;
    let mut files = vec![
        PayloadFile::at(format!("usr/share/zsh/vendor-completions/_{NAME}"), request.completions.zsh.clone()),
        PayloadFile::at(format!("usr/share/lintian/overrides/{NAME}"), OVERRIDES.into()),
        documents::document(info, "README.Debian", README.into()),
        documents::document(info, "changelog.gz", gzip_of_one_file(CHANGELOG.as_bytes())),
        documents::document(info, "THIRD-PARTY.md.gz", gzip_of_one_file(NOTICES.as_bytes())),
        documents::document(info, "Cargo.lock.gz", gzip_of_one_file(LOCK.as_bytes())),
    ];
    files.extend(documents::of(info, COPYRIGHT, timestamp));
    Ok(files)
}

/// Describes the package for dpkg.
pub(in crate::stages::package) fn describe<'a>(
    info: &'a PackageInfo,
    payload: &'a Payload,
) -> Result<DebianPackage<'a>, Error> {
    Ok(DebianPackage {
        info,
        section: "kernel",
        relations: relations(&shlibs::depends(&elf::required_libraries(payload)?)),
        scripts: SCRIPTS.iter().map(|(name, text)| (*name, (*text).to_owned())).collect(),
        members: members_at(&payload.files, |_| true),
    })
}

/// The packages that `doctor` requires, so that the installed tool can build a kernel at once.
fn relations(libraries: &str) -> Vec<(&'static str, String)> {
    let HostNeeds { build, recommended, optional } = HostNeeds::on_any_host();
    let mut seen = Vec::new();
    let mut new = |needs: &[Need]| {
        let mut names: Vec<String> = Vec::new();
        for name in needs.iter().flat_map(|need| need.packages(Manager::Apt)) {
            if !seen.contains(&name.to_owned()) {
                seen.push(name.to_owned());
                names.push(name.to_owned());
            }
        }
        names.join(", ")
    };
    vec![
        ("Depends", format!("{libraries}, {}", new(&build))),
        // The tool verifies Debian's sources with the keys of this package.
        ("Recommends", format!("{}, debian-archive-keyring", new(&recommended))),
        ("Suggests", new(&optional)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_package_of_doctor_is_in_exactly_one_field_of_the_right_strength() {
        let relations = relations("libc6 (>= 2.34)");
        let of = |field: &str| relations.iter().find(|(name, _)| *name == field).unwrap().1.split(", ");
        assert!(of("Depends").any(|name| name == "libelf-dev") && of("Depends").any(|name| name == "gcc"));
        assert_eq!(
            of("Recommends").collect::<Vec<_>>(),
            ["qemu-system-x86", "bubblewrap", "debian-archive-keyring"]
        );
        assert!(of("Suggests").any(|name| name == "bindgen"));
        let all: Vec<_> = ["Depends", "Recommends", "Suggests"].into_iter().flat_map(of).collect();
        let once: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(once.len(), all.len(), "{all:?}");
    }
}
