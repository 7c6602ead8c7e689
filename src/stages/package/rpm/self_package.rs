//! The tool's own `.rpm`.

use ::rpm::{Dependency, PackageBuilder};

use super::builder::{self, require_libraries};
use super::rpm_package::{RpmPackage, header_error, is_below, licence};
use crate::kernel::host_packages::{HostNeeds, Manager, Need};
use crate::stages::package::elf;
use crate::stages::package::error::Error;
use crate::stages::package::info::PackageInfo;
use crate::stages::package::job::WriteOptions;
use crate::stages::package::payload::{FileFlags, Payload, PayloadFile, members_at};
use crate::stages::package::self_package_request::{
    CHANGELOG, LOCK, NAME, NOTICES, README, SelfPackageRequest,
};

/// Maintainer scripts, in `packaging/tool/rpm`.
const POST: &str = include_str!("../../../../packaging/tool/rpm/post");
const PREUN: &str = include_str!("../../../../packaging/tool/rpm/preun");
const POSTUN: &str = include_str!("../../../../packaging/tool/rpm/postun");

const DOCUMENTS: [(&str, &str); 3] =
    [("README.packages", README), ("CHANGELOG.md", CHANGELOG), ("Cargo.lock", LOCK)];

/// Directories of shells that may not be installed, so that each package with a file there owns them too.
const SHARED: [&str; 6] = [
    "usr/share/bash-completion",
    "usr/share/bash-completion/completions",
    "usr/share/fish",
    "usr/share/fish/vendor_completions.d",
    "usr/share/zsh",
    "usr/share/zsh/site-functions",
];

/// Returns the files that only the `.rpm` has, or has at this path.
pub(in crate::stages::package) fn files(
    request: &SelfPackageRequest,
    info: &PackageInfo,
) -> Vec<PayloadFile> {
    let document = |(name, text): &(&str, &str)| {
        PayloadFile::at(format!("usr/share/doc/{NAME}/{name}"), (*text).into())
            .with_flags(FileFlags::Documentation)
    };
    let zsh = format!("usr/share/zsh/site-functions/_{NAME}");
    let zsh = PayloadFile::at(zsh, request.completions.zsh.clone());
    let notices = format!("usr/share/licenses/{NAME}/THIRD-PARTY.md");
    let notices = PayloadFile::at(notices, NOTICES.into()).with_flags(FileFlags::Licence);
    DOCUMENTS.iter().map(document).chain([zsh, licence(info), notices]).collect()
}

/// Describes the package for rpm.
pub(in crate::stages::package) fn describe<'a>(
    info: &'a PackageInfo,
    options: &WriteOptions,
    payload: &'a Payload,
) -> Result<RpmPackage<'a>, Error> {
    let own = ["etc", "usr/share/doc", "usr/share/licenses"].map(|parent| format!("{parent}/{NAME}"));
    let members = members_at(&payload.files, |path| SHARED.contains(&path) || is_below(path, &own));
    let libraries = elf::required_libraries(payload)?;
    let mut builder =
        builder::builder(info, options, &members).map_err(|source| header_error(info, source))?;
    builder.group("Development/Tools");
    require_libraries(&mut builder, &libraries);
    add_relations(&mut builder);
    builder.post_install_script(POST).pre_uninstall_script(PREUN).post_uninstall_script(POSTUN);
    Ok(RpmPackage { info, members, ghosts: Vec::new(), builder })
}

/// Adds the packages that `doctor` requires, so that the installed tool can build a kernel at once.
fn add_relations(builder: &mut PackageBuilder) {
    let HostNeeds { build, recommended, optional } = HostNeeds::on_any_host();
    let (required, recommended) = (names(&build), names(&recommended));
    for name in &required {
        builder.requires(Dependency::any(name));
    }
    for name in recommended.iter().filter(|name| !required.contains(name)) {
        builder.recommends(Dependency::any(name));
    }
    let known = |name: &&String| required.contains(name) || recommended.contains(name);
    for name in names(&optional).iter().filter(|name| !known(name)) {
        builder.suggests(Dependency::any(name));
    }
}

/// Returns each package once, by its name on Fedora and on openSUSE:
/// `(elfutils-libelf-devel or libelf-devel)`.
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
    fn a_package_is_required_by_its_name_on_fedora_and_on_opensuse() {
        let names = names(&HostNeeds::on_any_host().build);
        for name in ["gcc", "kmod", "(elfutils-libelf-devel or libelf-devel)"] {
            assert!(names.iter().any(|found| found == name), "{name} in {names:?}");
        }
        let once: std::collections::BTreeSet<_> = names.iter().collect();
        assert_eq!(once.len(), names.len());
    }
}
