//! A source tree of a few lines that answers to the targets which the tool calls.

use std::fs;
use std::path::Path;

/// `rustavailable` tells what it was given, and fails where there is a file `norust`, with its words.
/// `lost` holds patterns of options that kconfig drops; `hang` makes a build hang after it has
/// written half an object; `broken` makes it fail as a compiler does.
const MAKEFILE: &str = r#"
VERSION = 6
PATCHLEVEL = 1
SUBLEVEL = 5

allnoconfig:
	grep -v -f lost $(KCONFIG_ALLCONFIG) > $(KCONFIG_CONFIG)

olddefconfig:
	grep -v -f lost $(KCONFIG_CONFIG) > $(KCONFIG_CONFIG).tmp
	mv $(KCONFIG_CONFIG).tmp $(KCONFIG_CONFIG)

rustavailable:
	@echo given: RUSTC=$(RUSTC) HOSTRUSTC=$(HOSTRUSTC) BINDGEN=$(BINDGEN) RUST_LIB_SRC=$(RUST_LIB_SRC)
	@echo also: LIBCLANG_PATH=$$LIBCLANG_PATH KRUSTFLAGS=$$KRUSTFLAGS
	@if test -e norust; then cat norust >&2; exit 1; fi

include/config/kernel.release:
	@mkdir -p $(O)/include/config
	@echo 6.1.5$(LOCALVERSION)$$(cat localversion 2>/dev/null) > $(O)/$@

bzImage: one.o two.o
	@if test -e hang; then printf half > $(O)/half.o; echo hanging; sleep 1000; fi
	@mkdir -p $(O)/arch/x86/boot
	@echo kernel $(LOCALVERSION) > $(O)/arch/x86/boot/bzImage
	@env | grep ^KBUILD_BUILD | sort >> $(O)/arch/x86/boot/bzImage
	@echo map > $(O)/System.map

%.o:
	@echo '  CC      $@'
	@if test -e broken; then echo '$(CURDIR)/kernel/fork.c:7:3: error: no such thing' >&2; exit 1; fi
	@echo whole > $(O)/$@; echo command > $(O)/.$@.cmd

modules:
	@true

modules_install:
	@mkdir -p $(INSTALL_MOD_PATH)/lib/modules/6.1.5$(LOCALVERSION)
	@ln -s $(CURDIR) $(INSTALL_MOD_PATH)/lib/modules/6.1.5$(LOCALVERSION)/build
	@echo $(DEPMOD) > $(INSTALL_MOD_PATH)/lib/modules/6.1.5$(LOCALVERSION)/modules.order
"#;

const KCONFIG: &str = "\
config MODULES\n\tbool \"modules\"\n\
config CGROUPS\n\tbool \"cgroups\"\n\
config FREEZER\n\tbool \"freezer\"\n\tdepends on CGROUPS\n\
config RUST\n\tbool \"rust\"\n\
config IO_RUST\n\tbool \"io\"\n\tdepends on RUST && MODULES\n\
config LOCALVERSION\n\tstring \"version\"\n";

pub fn tree() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    put(dir.path(), "Makefile", MAKEFILE);
    put(dir.path(), "Kconfig", KCONFIG);
    put(dir.path(), "lost", "NOTHING\n");
    dir
}

/// The tree of a release that can be built with Rust.
pub fn rust_tree() -> tempfile::TempDir {
    let dir = tree();
    fs::create_dir(dir.path().join("scripts")).unwrap();
    put(dir.path(), "scripts/rust_is_available.sh", "");
    dir
}

pub fn put(tree: &Path, name: &str, text: &str) {
    fs::write(tree.join(name), text).unwrap();
}
