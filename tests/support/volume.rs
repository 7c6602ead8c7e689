//! A file system in a file, mounted, that a test can fill up or cut off.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::fs::{FallocateFlags, StatVfs, fallocate, statvfs};

use super::output::must;

/// A build requires 6 GiB of free space; the file is sparse.
const BYTES: u64 = 8 << 30;

pub struct Volume {
    dir: tempfile::TempDir,
}

impl Volume {
    /// Creates and mounts a file system of a kind that `mkfs.KIND` creates.
    pub fn new(kind: &str) -> Volume {
        // In memory, if possible: others who write to the same disk would slow the volume down.
        let memory = Some(Path::new("/dev/shm")).filter(|memory| memory.is_dir());
        let dir = memory.map_or_else(tempfile::tempdir, tempfile::tempdir_in).unwrap();
        let volume = Volume { dir };
        std::fs::File::create(volume.image()).unwrap().set_len(BYTES).unwrap();
        must(Command::new(format!("mkfs.{kind}")).arg("-q").arg(volume.image()));
        std::fs::create_dir(volume.path()).unwrap();
        volume.mount();
        volume
    }

    fn image(&self) -> PathBuf {
        self.dir.path().join("image")
    }

    pub fn path(&self) -> PathBuf {
        self.dir.path().join("mounted")
    }

    fn mount(&self) {
        must(Command::new("mount").args(["-o", "loop"]).arg(self.image()).arg(self.path()));
    }

    /// Loses whatever is not on the disk now, as a power loss does.
    pub fn cut(&self) {
        must(Command::new("xfs_io").args(["-x", "-c", "shutdown"]).arg(self.path()));
    }

    pub fn restart(&self) {
        must(Command::new("umount").arg(self.path()));
        self.mount();
    }

    /// Reserves space until about `left` bytes are free. Removing the returned file frees it.
    pub fn fill(&self, left: u64) -> PathBuf {
        let ballast = self.path().join("ballast");
        let file = std::fs::File::create(&ballast).unwrap();
        let system = statvfs(self.path()).unwrap();
        let mut bytes = (system.f_bfree * system.f_frsize).saturating_sub(left);
        // Others write meanwhile, and the reservation itself needs some blocks.
        while bytes > 0 && fallocate(&file, FallocateFlags::empty(), 0, bytes).is_err() {
            bytes = bytes.saturating_sub(64 << 10);
        }
        ballast
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        unmount(&self.path());
    }
}

/// A file system in memory whose size and number of files a test can limit.
pub struct Tmpfs {
    dir: tempfile::TempDir,
}

impl Tmpfs {
    pub fn new() -> Tmpfs {
        let tmpfs = Tmpfs { dir: tempfile::tempdir().unwrap() };
        // The kernel sets no limit on a tmpfs that was mounted without one.
        let options = format!("size={BYTES},nr_inodes=1m");
        must(Command::new("mount").args(["-t", "tmpfs", "-o", &options, "none"]).arg(tmpfs.path()));
        tmpfs
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Limits the number of files to `left` more than there are.
    pub fn limit_files(&self, left: u64) {
        self.limit(|system, more| format!("nr_inodes={}", system.f_files - system.f_ffree + left + more));
    }

    /// Limits the bytes to `left` more than there are.
    pub fn limit_bytes(&self, left: u64) {
        let used = |system: &StatVfs| (system.f_blocks - system.f_bfree) * system.f_frsize;
        self.limit(|system, more| format!("size={}", used(system) + left + more * 4096));
    }

    /// Takes both limits away.
    pub fn free(&self) {
        self.limit(|_, _| format!("size={BYTES},nr_inodes=1m"));
    }

    /// Sets limits. The kernel refuses one below what there is, which others increase meanwhile: `options` gets a growing number
    /// to add.
    fn limit(&self, options: impl Fn(&StatVfs, u64) -> String) {
        for more in 0..1000 {
            let options = format!("remount,{}", options(&statvfs(self.path()).unwrap(), more));
            let mut command = Command::new("mount");
            command.args(["-o", &options]).arg(self.path()).stderr(Stdio::null());
            if command.status().unwrap().success() {
                return;
            }
        }
        panic!("the limit of {} cannot be set", self.path().display());
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        unmount(self.path());
    }
}

fn unmount(path: &Path) {
    let _ = Command::new("umount").arg("--lazy").arg(path).stderr(Stdio::null()).status();
}
