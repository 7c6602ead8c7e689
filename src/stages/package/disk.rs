//! Whether a kernel can start a machine from its disk, by its configuration.

/// Drivers of disks, without `CONFIG_`: SATA, NVMe, SCSI and USB, SD cards, and those of virtual machines.
const DISKS: [&str; 8] = [
    "BLK_DEV_NVME",
    "BLK_DEV_SD",
    "HYPERV_STORAGE",
    "MMC_BLOCK",
    "SCSI_VIRTIO",
    "VIRTIO_BLK",
    "VMWARE_PVSCSI",
    "XEN_BLKDEV_FRONTEND",
];
/// File systems that distributions install on, without `CONFIG_`.
const FILE_SYSTEMS: [&str; 6] = ["BTRFS_FS", "EXT4_FS", "F2FS_FS", "JFS_FS", "REISERFS_FS", "XFS_FS"];

/// Returns what a machine with a disk needs and the kernel with this `.config` lacks; `None` if it lacks nothing.
///
/// A module counts as a part of the kernel: the initramfs has it.
pub(super) fn missing_for_disk(config: &str) -> Option<&'static str> {
    let has = |symbol: &&str| {
        config
            .lines()
            .filter_map(|line| line.strip_prefix("CONFIG_")?.split_once('='))
            .any(|(name, value)| name == *symbol && matches!(value, "y" | "m"))
    };
    if !has(&"BLOCK") {
        Some("support for disks (CONFIG_BLOCK)")
    } else if !DISKS.iter().any(has) {
        Some("a driver of a disk")
    } else if !FILE_SYSTEMS.iter().any(has) {
        Some("a file system for a disk")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_needs_the_block_layer_a_driver_and_a_file_system() {
        let lacks = |config: &str| missing_for_disk(config).unwrap_or("nothing");
        assert!(lacks("CONFIG_64BIT=y\n# CONFIG_BLOCK is not set\n").contains("CONFIG_BLOCK"));
        assert_eq!(lacks("CONFIG_BLOCK=y\nCONFIG_EXT4_FS=y\n"), "a driver of a disk");
        assert_eq!(lacks("CONFIG_BLOCK=y\nCONFIG_VIRTIO_BLK=m\n"), "a file system for a disk");
        assert_eq!(lacks("CONFIG_BLOCK=y\nCONFIG_VIRTIO_BLK=m\nCONFIG_EXT4_FS=y\n"), "nothing");
    }
}
