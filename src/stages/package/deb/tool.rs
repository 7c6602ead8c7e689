//! The tool's own .deb.

use super::{Deb, documents, shlibs};
use crate::kernel::host_packages::{HostNeeds, Manager, Need};
use crate::stages::package::compress::gzip_of_one_file;
use crate::stages::package::payload::{Payload, PayloadFile, members_at};
use crate::stages::package::tool::{CHANGELOG, LOCK, NAME, README, ToolOrder, at};
use crate::stages::package::{About, Error, elf};

/// The scripts that dpkg runs, in `packaging/tool/deb`.
const SCRIPTS: [(&str, &str); 3] = [
    ("postinst", include_str!("../../../../packaging/tool/deb/postinst")),
    ("postrm", include_str!("../../../../packaging/tool/deb/postrm")),
    ("prerm", include_str!("../../../../packaging/tool/deb/prerm")),
];
const COPYRIGHT: &str = include_str!("../../../../packaging/tool/deb/copyright");
const OVERRIDES: &str = include_str!("../../../../packaging/tool/deb/lintian-overrides");

/// What only a .deb has, or has at this place.
pub(in crate::stages::package) fn files(order: &ToolOrder, about: &About) -> Result<Vec<PayloadFile>, Error> {
    let timestamp =
        u32::try_from(order.timestamp).map_err(|_| Error::Timestamp { timestamp: order.timestamp })?;
    let mut files = vec![
        at(format!("usr/share/zsh/vendor-completions/_{NAME}"), order.completions.zsh.clone()),
        at(format!("usr/share/lintian/overrides/{NAME}"), OVERRIDES.into()),
        documents::document(about, "README.Debian", README.into()),
        documents::document(about, "changelog.gz", gzip_of_one_file(CHANGELOG.as_bytes())),
        documents::document(about, "Cargo.lock.gz", gzip_of_one_file(LOCK.as_bytes())),
    ];
    files.extend(documents::of(about, COPYRIGHT, timestamp));
    Ok(files)
}

pub(in crate::stages::package) fn describe<'a>(
    about: &'a About,
    payload: &'a Payload,
) -> Result<Deb<'a>, Error> {
    Ok(Deb {
        about,
        section: "kernel",
        relations: relations(&shlibs::depends(&elf::needed(payload)?)),
        scripts: SCRIPTS.iter().map(|(name, text)| (*name, (*text).to_owned())).collect(),
        members: members_at(&payload.files, |_| true),
    })
}

/// What doctor would ask for, so that an installed tool can do its main job at once.
fn relations(libraries: &str) -> Vec<(&'static str, String)> {
    let HostNeeds { build, boot, optional } = HostNeeds::on_any_host();
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
        // The keys of Debian's archive are one of the places that sources are trusted by.
        ("Recommends", format!("{}, debian-archive-keyring", new(&boot))),
        ("Suggests", new(&optional)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_package_that_doctor_knows_is_named_once_and_as_strongly_as_it_is_needed() {
        let relations = relations("libc6 (>= 2.34)");
        let of = |field: &str| relations.iter().find(|(name, _)| *name == field).unwrap().1.split(", ");
        assert!(of("Depends").any(|name| name == "libelf-dev") && of("Depends").any(|name| name == "gcc"));
        assert_eq!(of("Recommends").collect::<Vec<_>>(), ["qemu-system-x86", "debian-archive-keyring"]);
        assert!(of("Suggests").any(|name| name == "bindgen"));
        let all: Vec<_> = ["Depends", "Recommends", "Suggests"].into_iter().flat_map(of).collect();
        let once: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(once.len(), all.len(), "{all:?}");
    }
}
