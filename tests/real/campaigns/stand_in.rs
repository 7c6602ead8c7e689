//! A stand-in for a kernel whose run passes every stage up to the packages in a second or two, with packages whose
//! content depends on every source file.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use kpatch_build::base::digest::sha256;

use super::{Campaign, scratch};
use crate::support::fixtures::packages::{Workspace, contents};

/// The series that a run can have.
pub(super) const SERIES: [&str; 3] = ["none", "./own", "./other"];

/// The number of source files.
const PARTS: usize = 24;

/// Compiles by copying. Like kbuild, writes `.X.cmd` after X.
const RULES: &str = "
PARTS := $(sort $(patsubst %.c,$(O)/%.o,$(wildcard part-*.c)))
bzImage: one.o two.o $(PARTS)
";
const COMPILE: &str = "
$(O)/part-%.o: part-%.c
	@echo compiling $<
	@sleep 0.03
	@cp $< $@
	@cp $< $(O)/.part-$*.o.cmd

%.o:";

/// A file that starts with its name and does not compress.
fn part(number: usize) -> String {
    let lines = (0..1000).map(|line| sha256(format!("{number} {line}")) + "\n");
    format!("part {number:02}\nsecond\nthird\n{}", lines.collect::<String>())
}

fn patch(number: usize, series: &str) -> String {
    let name = format!("part-{number:02}.c");
    format!(
        "--- a/{name}\n+++ b/{name}\n@@ -1,3 +1,3 @@\n-part {number:02}\n+changed by {series}\n second\n third\n"
    )
}

pub(super) type Packages = Vec<(String, Vec<u8>)>;

pub(super) struct StandIn {
    workspace: Workspace,
}

impl StandIn {
    pub(super) fn new() -> StandIn {
        let workspace = Workspace::new();
        workspace.change_tree("Makefile", "\nbzImage: one.o two.o\n", RULES);
        workspace.change_tree("Makefile", "\n%.o:", COMPILE);
        let image = "\t@echo map > $(O)/System.map";
        workspace.change_tree(
            "Makefile",
            image,
            &format!("\t@cat $(PARTS) >> $(O)/arch/x86/boot/bzImage\n{image}"),
        );
        for number in 0..PARTS {
            std::fs::write(workspace.tree.path().join(format!("part-{number:02}.c")), part(number)).unwrap();
        }
        workspace.write("own/one.patch", patch(1, "own"));
        std::fs::create_dir(workspace.path("other")).unwrap();
        workspace.write("other/series", "two.patch\n");
        workspace.write("other/two.patch", patch(2, "other"));
        let mut archive = tar::Builder::new(Vec::new());
        archive.append_dir_all("linux-6.1.5", workspace.tree.path()).unwrap();
        workspace
            .write("linux-6.1.5.tar.xz", liblzma::encode_all(&archive.into_inner().unwrap()[..], 1).unwrap());
        StandIn { workspace }
    }

    pub(super) fn archive(&self) -> Vec<u8> {
        std::fs::read(self.path("linux-6.1.5.tar.xz")).unwrap()
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.workspace.path(name)
    }

    pub(super) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        self.workspace.write(name, content)
    }

    /// A run with store and output directory `out` in `home`, without a source.
    pub(super) fn run_from(&self, home: &Path, out: &str, series: &str) -> Command {
        let mut tool = self.workspace.tool();
        tool.args(["package", "--release", "6.1.5", "--kconfig", "./mine.config", "--packages", "image"]);
        tool.args(["--series", series, "--progress", "json"]);
        tool.arg("--store").arg(home.join("store")).arg("--out").arg(home.join(out));
        tool.stdout(Stdio::null()).stderr(Stdio::from(std::fs::File::create(self.path("messages")).unwrap()));
        tool
    }

    /// The same with the stand-in as its source.
    pub(super) fn run(&self, home: &Path, out: &str, series: &str) -> Command {
        let mut tool = self.run_from(home, out, series);
        tool.args(["--no-verify", "--source", "tarball:linux-6.1.5.tar.xz"]);
        tool
    }

    pub(super) fn start(&self, home: &Path, series: &str) -> Child {
        self.run(home, "out", series).spawn().unwrap()
    }

    /// Removes the output directory: runs leave packages of other kernels there.
    pub(super) fn forget_packages(&self, home: &Path) {
        let _ = std::fs::remove_dir_all(home.join("out"));
    }

    /// What the last run wrote to standard error.
    pub(super) fn messages(&self) -> String {
        std::fs::read_to_string(self.path("messages")).unwrap()
    }

    /// Runs to the end and returns the packages.
    pub(super) fn packages(&self, campaign: &mut Campaign, home: &Path, series: &str) -> Packages {
        let code = campaign.end(&mut self.start(home, series), series);
        let messages = self.messages();
        assert_eq!(code, Some(0), "{}: {messages}", campaign.label());
        assert!(!messages.contains("damaged"), "{}: {messages}", campaign.label());
        contents(&home.join("out"))
    }

    /// The packages of undisturbed runs, in the order of [`SERIES`].
    pub(super) fn undisturbed(&self, campaign: &mut Campaign) -> Vec<Packages> {
        let mut of = |series: &&str| self.packages(campaign, scratch().path(), series);
        let all: Vec<_> = SERIES.iter().map(&mut of).collect();
        assert!(all.iter().all(|packages| packages.len() == 2));
        assert!(all[0] != all[1] && all[0] != all[2] && all[1] != all[2]);
        all
    }
}
