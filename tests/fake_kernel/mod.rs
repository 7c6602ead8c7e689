//! A kernel small enough to be packaged in a moment, in a store and an output folder of its own.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use kpatch_build::base::cache_key::Key;
use kpatch_build::base::context::Context;
use kpatch_build::base::events::Events;
use kpatch_build::base::options::{Compression, Format, Part};
use kpatch_build::base::stop::Stop;
use kpatch_build::base::store::{Lookup, Room, Slot, Store};
use kpatch_build::stages::build::KernelBuild;
use kpatch_build::stages::package::{Error, Package, PackageRequest, write};

pub const TIMESTAMP: i64 = 1_700_000_000;

/// Exports a symbol and names a device.
const PROVIDER: &str = r#"
const char names[] __attribute__((section("__ksymtab_strings"))) = "provided_symbol";
const char info[] __attribute__((section(".modinfo"))) = "alias=pci:v00001234d*\0license=GPL";
int provided_symbol;
"#;
/// Needs that symbol.
const USER: &str = r#"
const char info[] __attribute__((section(".modinfo"))) = "license=GPL\0depends=provider";
extern int provided_symbol;
int use(void) { return provided_symbol; }
"#;

pub struct Machine {
    pub dir: tempfile::TempDir,
    pub context: Context,
}

impl Machine {
    pub fn new() -> Machine {
        Machine::with_events(Events::silent())
    }

    pub fn with_events(events: Events) -> Machine {
        kpatch_build::base::process::set_supervisor(env!("CARGO_BIN_EXE_kpatch-build"));
        let dir = tempfile::tempdir().unwrap();
        let context = Context {
            store: Store::open(&dir.path().join("store")).unwrap(),
            events,
            stop: Stop::default(),
            offline: true,
            logs: dir.path().join("logs"),
        };
        fs::create_dir(dir.path().join("out")).unwrap();
        Machine { dir, context }
    }

    pub fn out(&self) -> PathBuf {
        self.dir.path().join("out")
    }

    /// Names of what lies in the output folder, hidden files too.
    pub fn outputs(&self) -> Vec<String> {
        let names = fs::read_dir(self.out()).unwrap();
        let mut names: Vec<_> =
            names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    pub fn order(&self) -> PackageRequest {
        PackageRequest {
            upstream: "6.1.187".parse().unwrap(),
            revision: 1,
            series: "copy-segments".into(),
            title: "Copy the segment registers".into(),
            patches: vec!["patches/copy-segments/6.1/0001-x.patch".into()],
            formats: vec![Format::Deb, Format::Rpm],
            parts: vec![Part::Image],
            compression: Compression::Xz,
            compiler: "gcc 12.2.0".into(),
            jobs: 2,
            out: self.out(),
        }
    }

    /// A kernel whose image, System.map and config are there; `fill` gets its modules' folder.
    pub fn kernel(&self, release: &str, fill: impl FnOnce(&Path)) -> KernelBuild {
        let slot = self.slot(release);
        fs::write(slot.path().join("bzImage"), vec![0x55; 70_001]).unwrap();
        fs::write(slot.path().join("System.map"), "ffffffff81000000 T _text\n").unwrap();
        fs::write(slot.path().join("config"), "CONFIG_64BIT=y\nCONFIG_BLK_DEV_INITRD=y\nCONFIG_RD_GZIP=y\n")
            .unwrap();
        let modules = slot.path().join("modules/lib/modules").join(release);
        fs::create_dir_all(&modules).unwrap();
        fill(&modules);
        KernelBuild {
            entry: slot.commit().unwrap(),
            parts: BTreeMap::new(),
            release: release.to_owned(),
            image_sha256: "0".repeat(64),
            config_sha256: "0".repeat(64),
            timestamp: TIMESTAMP,
            signed_by: None,
            cached: false,
            key: Key::of("test", &release),
        }
    }

    /// Gives the kernel a part whose folder `fill` fills.
    pub fn add_part(&self, kernel: &mut KernelBuild, part: Part, fill: impl FnOnce(&Path)) {
        let slot = self.slot(&format!("{}-{part:?}", kernel.release));
        fill(slot.path());
        kernel.parts.insert(part, slot.commit().unwrap());
    }

    fn slot(&self, key: &str) -> Slot {
        match self.context.store.lookup(Room::Results, key, &Stop::default(), || {}).unwrap() {
            Lookup::Miss(slot) => slot,
            Lookup::Hit(entry) => panic!("{entry:?} exists"),
        }
    }

    /// A kernel with two modules of which one needs the other.
    pub fn modular_kernel(&self, release: &str) -> KernelBuild {
        self.kernel(release, |modules| {
            compile(PROVIDER, &modules.join("kernel/lib/provider.ko"));
            let long = "a-module-with-a-name-so-long-that-a-tar-header-has-no-room-for-its-whole-path";
            compile(USER, &modules.join(format!("kernel/drivers/some/where/deep/{long}.ko")));
            fs::write(
                modules.join("modules.order"),
                format!("kernel/lib/provider.ko\nkernel/drivers/some/where/deep/{long}.ko\n"),
            )
            .unwrap();
            fs::write(modules.join("modules.builtin"), "kernel/fs/ext4.ko\n").unwrap();
            std::os::unix::fs::symlink("/nonexistent/build", modules.join("build")).unwrap();
        })
    }

    pub fn package(&self, kernel: &KernelBuild) -> Result<Vec<Package>, Error> {
        write(&self.context, &self.order(), kernel)
    }
}

fn compile(source: &str, object: &Path) {
    let dir = object.parent().unwrap();
    fs::create_dir_all(dir).unwrap();
    let file = object.with_extension("c");
    fs::write(&file, source).unwrap();
    let compiled =
        Command::new("cc").current_dir(dir).args(["-O1", "-c", "-o"]).arg(object).arg(&file).status();
    assert!(compiled.expect("cc is installed").success());
    fs::remove_file(file).unwrap();
}

/// A program that needs the C library and has a build id.
pub fn compile_program(path: &Path) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let source = path.with_extension("c");
    fs::write(&source, "#include <stdio.h>\nint main(void) { return puts(\"\") < 0; }\n").unwrap();
    let compiled = Command::new("cc").args(["-Wl,--build-id", "-o"]).arg(path).arg(&source).status();
    assert!(compiled.expect("cc is installed").success());
    fs::remove_file(source).unwrap();
}
