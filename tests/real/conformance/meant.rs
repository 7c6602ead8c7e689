//! Every difference between our packages and kbuild's that is meant, with its reason.
//!
//! `binrpm-pkg` makes neither a devel nor a debuginfo package, so there is nothing to compare those with.

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
        "kbuild names nothing, so that a machine without initramfs-tools gets a kernel that cannot boot; these are Debian's own",
    ),
    (Ours, "field Suggests", "the headers, and a boot loader as Debian's own kernels suggest it"),
    (Ours, "field Provides", "the virtual package of kernels, for what depends on any"),
    (
        Both,
        "path boot/System.map-@",
        "the addresses in it help whoever attacks the kernel: root's only, as the distributions have it",
    ),
    (
        Theirs,
        "path etc*",
        "empty folders for hooks: whoever brings a hook brings its folder, and the scripts look first",
    ),
];

pub const DEB_HEADERS: [Meant; 18] = [
    (Theirs, "field Source", SOURCE),
    (Both, "field Maintainer", MAINTAINER),
    (Both, "field Installed-Size", SIZE),
    (Both, "field Description", DESCRIPTION),
    (Ours, "field Depends", "the libraries of the host programs, without which no module is built"),
    (Ours, "field Recommends", "the compiler that made the kernel, and make"),
    (Ours, "field Provides", "dkms recommends linux-headers"),
    (
        Ours,
        "control postinst",
        "the hooks of header_postinst.d: dkms builds there where the image came first, as with Debian's own",
    ),
    (
        Theirs,
        "path usr/src/linux-headers-@/include/config/*",
        "fixdep's stamps: they tell kbuild which object a changed option spoils, and a module's build names them only where they exist",
    ),
    (Theirs, "path usr/src/linux-headers-@/scripts/atomic*", KERNELS_OWN_BUILD),
    (Theirs, "path usr/src/linux-headers-@/scripts/dtc*", KERNELS_OWN_BUILD),
    (Theirs, "path usr/src/linux-headers-@/scripts/kconfig*", KERNELS_OWN_BUILD),
    (Theirs, "path usr/src/linux-headers-@/scripts/package*", KERNELS_OWN_BUILD),
    (
        Theirs,
        "path usr/src/linux-headers-@/scripts/unifdef",
        "it makes the headers of programs, and is there only where those were made",
    ),
    (
        Theirs,
        "path *.cmd",
        "kbuild's notes on how a file was made, which name the folders of the machine that made it",
    ),
    (Theirs, "path usr/src/linux-headers-@/scripts/mod/*.o", "objects of a program that is there linked"),
    (
        Theirs,
        "path usr/src/linux-headers-@/scripts/mod/devicetable-offsets.s",
        "what a header that is there was made from",
    ),
    (Theirs, "path *.gitignore", "only git reads them"),
];

pub const DEB_LIBC_DEV: [Meant; 4] = [
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
    (Both, "path usr/lib/debug/lib/modules/@/vmlinux", "data for debuggers: nobody runs it"),
    (
        Ours,
        "path usr/lib/debug/.build-id*",
        "where gdb, perf and systemtap look by build id: kbuild leaves it to the debug link in the modules, which our stripped ones do not have",
    ),
];

pub const RPM_IMAGE: [Meant; 28] = [
    (Both, "field NAME", "kernel would be taken for the distribution's own and updated by it"),
    (Both, "field VERSION", "upstream's alone: the series is in the name"),
    (Both, "field LICENSE", SPDX),
    (Both, "field URL", "with the slash of a whole address"),
    (Both, "field VENDOR", "who made it"),
    (Ours, "require /usr/bin/kernel-install", SCRIPTS),
    (Ours, "require coreutils", SCRIPTS),
    (Ours, "require dracut", SCRIPTS),
    (Ours, "require findutils", SCRIPTS),
    (Ours, "require kmod", SCRIPTS),
    (Ours, "require rpmlib(PayloadIsXz) <= 5.2-1", "kbuild's is not compressed, for this comparison"),
    (Ours, "recommend linux-firmware", "as Fedora's kernel-core"),
    (Ours, "provide installonlypkg(kernel)", "dnf keeps older kernels beside a newer one"),
    (Ours, "obsolete kernel-kpatch-@ < *", "a rebuild of the same kernel takes the older build's place"),
    (Ours, "provide kernel-*uname-r = @", "what modules built for this very kernel require"),
    (Ours, "provide kernel-kpatch-@*", "its own name"),
    (Ours, "provide kernel = *", NEVER_NEWER),
    (Theirs, "provide kernel*", NEVER_NEWER),
    (
        Ours,
        "script POSTTRANS",
        "kernel-install runs when all of the transaction is in place, as with Fedora's kernel-core",
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
        "depmod writes these again when a module is added, and systemd's plugin for kernel-install takes them away first",
    ),
    (Ours, "path /usr/share/licenses/*", LICENCE),
];

pub const RPM_LIBC_DEV: [Meant; 12] = [
    (Both, "field NAME", "kernel-headers would be taken for the distribution's own"),
    (Both, "field VERSION", "upstream's alone, as the kernel's"),
    (Both, "field LICENSE", SPDX),
    (Both, "field URL", "with the slash of a whole address"),
    (Both, "field VENDOR", "who made it"),
    (Ours, "require rpmlib(PayloadIsXz) <= 5.2-1", "kbuild's is not compressed, for this comparison"),
    (Ours, "provide *", "its own name, and those of Fedora's kernel-headers in this version's form"),
    (Theirs, "provide kernel-headers*", "in the other version's form"),
    (Ours, "conflict kernel-headers", OBSOLETES),
    (Theirs, "obsolete kernel-headers", OBSOLETES),
    (Ours, "path /usr/share/licenses/*", LICENCE),
    (Theirs, "path /usr/include", "the filesystem package's"),
];

const SOURCE: &str = "there is no source package of that name, nor any";
const MAINTAINER: &str = "not the user and host that the kernel's banner names, which have no mailbox";
const SIZE: &str = "follows from what is left out and from stripped modules and programs";
const DESCRIPTION: &str = "names the series";
const KERNELS_OWN_BUILD: &str = "only the kernel's own build runs it";
const SPDX: &str = "as the distributions write it today, by SPDX's identifier";
const SCRIPTS: &str = "what the scripts run: kbuild's do nothing where it is missing";
const NEVER_NEWER: &str = "in upstream's version, not in one of underscores that sorts behind any release";
const GHOST: &str = "made by kernel-install, of what is below /lib/modules, and taken away with the package";
const IN_MODULES: &str = "where kernel-install expects it, as in Fedora's kernel-core";
const LICENCE: &str = "the text that the licence wants to be handed on";
const OBSOLETES: &str = "nobody's headers are replaced unasked, as Obsoletes would";
