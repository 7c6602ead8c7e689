//! Every intended difference between our packages and kbuild's, with its reason.
//!
//! `binrpm-pkg` builds neither a devel nor a debuginfo package, so ours have no counterpart.

use super::difference::Meant;
use super::difference::Side::{Both, Ours, Theirs};

pub const DEB_IMAGE: [Meant; 9] = [
    (Theirs, "field Source", SOURCE),
    (Both, "field Maintainer", MAINTAINER),
    (Both, "field Installed-Size", SIZE),
    (Both, "field Description", DESCRIPTION),
    (
        Ours,
        "field Depends",
        "kbuild's package has none, and on a machine without initramfs-tools its kernel cannot boot; these are Debian's",
    ),
    (Ours, "field Suggests", "the headers, and a boot loader as Debian's own kernels suggest it"),
    (Ours, "field Provides", "the virtual package for dependencies on any kernel"),
    (
        Both,
        "path boot/System.map-@",
        "its addresses help attackers, so only root may read it, as on the distributions",
    ),
    (
        Theirs,
        "path etc*",
        "empty directories for hooks: a package with a hook has the directory, and the scripts check first",
    ),
];

pub const DEB_HEADERS: [Meant; 17] = [
    (Theirs, "field Source", SOURCE),
    (Both, "field Maintainer", MAINTAINER),
    (Both, "field Installed-Size", SIZE),
    (Both, "field Description", DESCRIPTION),
    (Ours, "field Depends", "the compiler and make: every module build needs them"),
    (Ours, "field Provides", "dkms recommends linux-headers"),
    (
        Ours,
        "control postinst",
        "the hooks of header_postinst.d: dkms builds there if the image was installed first, as with Debian's own",
    ),
    (
        Theirs,
        "path usr/src/linux-headers-@/include/config/*",
        "fixdep's stamps, from which kbuild finds the objects to rebuild after a changed option; a module build works without them",
    ),
    (Theirs, "path usr/src/linux-headers-@/scripts/atomic*", KERNELS_OWN_BUILD),
    (Theirs, "path usr/src/linux-headers-@/scripts/dtc*", KERNELS_OWN_BUILD),
    (Theirs, "path usr/src/linux-headers-@/scripts/kconfig*", KERNELS_OWN_BUILD),
    (Theirs, "path usr/src/linux-headers-@/scripts/package*", KERNELS_OWN_BUILD),
    (
        Theirs,
        "path usr/src/linux-headers-@/scripts/unifdef",
        "it generates the user-space headers, and exists only if these were generated",
    ),
    (Theirs, "path *.cmd", "kbuild's records of commands, which contain paths of the build machine"),
    (Theirs, "path usr/src/linux-headers-@/scripts/mod/*.o", "objects of a program that is packaged"),
    (
        Theirs,
        "path usr/src/linux-headers-@/scripts/mod/devicetable-offsets.s",
        "the source of a generated header that is packaged",
    ),
    (Theirs, "path *.gitignore", "only git reads them"),
];

pub const DEB_LIBC_DEV: [Meant; 6] = [
    (
        Both,
        "field Multi-Arch",
        "with `same`, apt removes the C library of i386: no archive has its headers in this version",
    ),
    (
        Ours,
        "path usr/include/i386-linux-gnu*",
        "the headers of the package for i386, which this one replaces",
    ),
    (Theirs, "field Source", SOURCE),
    (Both, "field Maintainer", MAINTAINER),
    (Both, "field Installed-Size", SIZE),
    (Both, "field Description", DESCRIPTION),
];

pub const DEB_DEBUG: [Meant; 6] = [
    (Theirs, "field Source", SOURCE),
    (Both, "field Maintainer", MAINTAINER),
    (Both, "field Installed-Size", SIZE),
    (Both, "field Description", DESCRIPTION),
    (Both, "path usr/lib/debug/lib/modules/@/vmlinux", "data for debuggers, not a program to run"),
    (
        Ours,
        "path usr/lib/debug/.build-id*",
        "gdb, perf and systemtap search by build id; kbuild relies on debug links in the modules, which our stripped modules do not have",
    ),
];

pub const RPM_IMAGE: [Meant; 28] = [
    (Both, "field NAME", "dnf would treat kernel as the distribution's own and update it"),
    (Both, "field VERSION", "only the upstream version: the series is in the name"),
    (Both, "field LICENSE", SPDX),
    (Both, "field URL", "with the slash of a complete URL"),
    (Both, "field VENDOR", "the builder of the package"),
    (Ours, "require /usr/bin/kernel-install", SCRIPTS),
    (Ours, "require coreutils", SCRIPTS),
    (Ours, "require dracut", SCRIPTS),
    (Ours, "require findutils", SCRIPTS),
    (Ours, "require kmod", SCRIPTS),
    (Ours, "require rpmlib(PayloadIsXz) <= 5.2-1", "kbuild's is not compressed, for this comparison"),
    (Ours, "recommend linux-firmware", "as in Fedora's kernel-core"),
    (Ours, "provide installonlypkg(kernel)", "dnf keeps older kernels next to a newer one"),
    (Ours, "obsolete kernel-kpatch-@ < *", "a rebuild of the same kernel replaces the older build"),
    (Ours, "provide kernel-*uname-r = @", "required by modules that are built for exactly this kernel"),
    (Ours, "provide kernel-kpatch-@*", "the name of the package"),
    (Ours, "provide kernel = *", NEVER_NEWER),
    (Theirs, "provide kernel*", NEVER_NEWER),
    (
        Ours,
        "script POSTTRANS",
        "kernel-install runs after the whole transaction, as with Fedora's kernel-core",
    ),
    (Both, "path /boot/System.map-@", GHOST),
    (Both, "path /boot/config-@", GHOST),
    (Both, "path /boot/vmlinuz-@", GHOST),
    (Ours, "path /boot/initramfs-@.img", GHOST),
    (Ours, "path /lib/modules/@/System.map", IN_MODULES),
    (Ours, "path /lib/modules/@/config", IN_MODULES),
    (Ours, "path /lib/modules/@/vmlinuz", IN_MODULES),
    (
        Both,
        "path /lib/modules/@/modules.*",
        "depmod rewrites these when a module is added, and systemd's plugin for kernel-install removes them first",
    ),
    (Ours, "path /usr/share/licenses/*", LICENCE),
];

pub const RPM_LIBC_DEV: [Meant; 12] = [
    (Both, "field NAME", "dnf would treat kernel-headers as the distribution's own"),
    (Both, "field VERSION", "only the upstream version, as for the kernel"),
    (Both, "field LICENSE", SPDX),
    (Both, "field URL", "with the slash of a complete URL"),
    (Both, "field VENDOR", "the builder of the package"),
    (Ours, "require rpmlib(PayloadIsXz) <= 5.2-1", "kbuild's is not compressed, for this comparison"),
    (
        Ours,
        "provide *",
        "the name of the package, and the names of Fedora's kernel-headers in our version format",
    ),
    (Theirs, "provide kernel-headers*", "in kbuild's version format"),
    (Ours, "conflict kernel-headers", OBSOLETES),
    (Theirs, "obsolete kernel-headers", OBSOLETES),
    (Ours, "path /usr/share/licenses/*", LICENCE),
    (Theirs, "path /usr/include", "owned by the package filesystem"),
];

const SOURCE: &str = "there is no source package";
const MAINTAINER: &str = "not the user and host in the kernel's banner, which have no mailbox";
const SIZE: &str = "a consequence of the omitted files and of stripped modules and programs";
const DESCRIPTION: &str = "names the series";
const KERNELS_OWN_BUILD: &str = "only the kernel's own build uses it";
const SPDX: &str = "the SPDX identifier, as in today's distributions";
const SCRIPTS: &str = "used by the scripts; kbuild's scripts do nothing without it";
const NEVER_NEWER: &str =
    "in the upstream version; kbuild's version with underscores sorts after every release";
const GHOST: &str = "created by kernel-install from /lib/modules, and removed with the package";
const IN_MODULES: &str = "where kernel-install expects it, as in Fedora's kernel-core";
const LICENCE: &str = "the licence requires its text in every copy";
const OBSOLETES: &str = "Obsoletes would replace the distribution's headers without a request";
