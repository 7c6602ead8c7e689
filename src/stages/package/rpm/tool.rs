//! The tool's own .rpm.

use ::rpm::{Dependency, PackageBuilder};

use super::{Rpm, common, header_error, is_below, licence};
use crate::kernel::host_packages::{HostNeeds, Manager, Need};
use crate::stages::package::payload::{Nature, Payload, PayloadFile, members_at};
use crate::stages::package::tool::{CHANGELOG, LOCK, NAME, README, ToolOrder, at};
use crate::stages::package::{About, Error, How, elf};

/// The scripts rpm runs, in `packaging/tool/rpm`.
const POST: &str = include_str!("../../../../packaging/tool/rpm/post");
const PREUN: &str = include_str!("../../../../packaging/tool/rpm/preun");
const POSTUN: &str = include_str!("../../../../packaging/tool/rpm/postun");

const DOCUMENTS: [(&str, &str); 3] =
    [("README.packages", README), ("CHANGELOG.md", CHANGELOG), ("Cargo.lock", LOCK)];

/// Of programs that need not be installed: who puts something there owns them too.
const SHARED: [&str; 6] = [
    "usr/share/bash-completion",
    "usr/share/bash-completion/completions",
    "usr/share/fish",
    "usr/share/fish/vendor_completions.d",
    "usr/share/zsh",
    "usr/share/zsh/site-functions",
];

/// What only an .rpm has, or has at this place.
pub(in crate::stages::package) fn files(order: &ToolOrder, about: &About) -> Vec<PayloadFile> {
    let document = |(name, text): &(&str, &str)| {
        at(format!("usr/share/doc/{NAME}/{name}"), (*text).into()).of_nature(Nature::Documentation)
    };
    let zsh = at(format!("usr/share/zsh/site-functions/_{NAME}"), order.completions.zsh.clone());
    DOCUMENTS.iter().map(document).chain([zsh, licence(about)]).collect()
}

pub(in crate::stages::package) fn describe<'a>(
    about: &'a About,
    how: &How,
    payload: &'a Payload,
) -> Result<Rpm<'a>, Error> {
    let own = ["etc", "usr/share/doc", "usr/share/licenses"].map(|above| format!("{above}/{NAME}"));
    let members = members_at(&payload.files, |path| SHARED.contains(&path) || is_below(path, &own));
    let libraries = elf::needed(payload)?;
    let mut builder = common::builder(about, how, &members).map_err(|source| header_error(about, source))?;
    builder.group("Development/Tools");
    common::require_libraries(&mut builder, &libraries);
    add_relations(&mut builder);
    builder.post_install_script(POST).pre_uninstall_script(PREUN).post_uninstall_script(POSTUN);
    Ok(Rpm { about, members, ghosts: Vec::new(), builder })
}

/// What doctor would ask for, so that an installed tool can do its main job at once.
fn add_relations(builder: &mut PackageBuilder) {
    let HostNeeds { build, boot, optional } = HostNeeds::on_any_host();
    let (needed, wanted) = (names(&build), names(&boot));
    for name in &needed {
        builder.requires(Dependency::any(name));
    }
    for name in wanted.iter().filter(|name| !needed.contains(name)) {
        builder.recommends(Dependency::any(name));
    }
    for name in names(&optional).iter().filter(|name| !needed.contains(name) && !wanted.contains(name)) {
        builder.suggests(Dependency::any(name));
    }
}

/// Each once, as Fedora calls it or as openSUSE does: `(libelf-devel or elfutils-libelf-devel)`.
fn names(needs: &[Need]) -> Vec<String> {
    let mut names = Vec::new();
    for need in needs {
        for (fedora, suse) in need.packages(Manager::Dnf).zip(need.packages(Manager::Zypper)) {
            let name = if fedora == suse { fedora.to_owned() } else { format!("({fedora} or {suse})") };
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_goes_by_the_names_of_both_families() {
        let names = names(&HostNeeds::on_any_host().build);
        for name in ["gcc", "kmod", "(elfutils-libelf-devel or libelf-devel)"] {
            assert!(names.iter().any(|found| found == name), "{name} in {names:?}");
        }
        let once: std::collections::BTreeSet<_> = names.iter().collect();
        assert_eq!(once.len(), names.len());
    }
}
