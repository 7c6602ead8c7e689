//! A file that firmware accepts as a kernel image.

/// Returns the smallest PE32+ file with an entry for the certificate table: headers and one section.
pub fn image() -> Vec<u8> {
    let mut file = vec![0; 0x200];
    let mut put = |at: usize, bytes: &[u8]| file[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, b"MZ");
    put(0x3c, &0x40_u32.to_le_bytes());
    put(0x40, b"PE\0\0\x64\x86\x01\0");
    // The optional header: 112 bytes and six data directories of eight.
    put(0x54, &160_u16.to_le_bytes());
    put(0x58, &0x20b_u16.to_le_bytes());
    put(0x58 + 60, &0x200_u32.to_le_bytes());
    put(0x58 + 108, &6_u32.to_le_bytes());
    let section = 0x58 + 160;
    put(section, b".text");
    put(section + 16, &[0x200_u32.to_le_bytes(), 0x200_u32.to_le_bytes()].concat());
    file.extend([0x90; 0x200]);
    // As after a kernel's last section: a length that is not a multiple of eight.
    file.extend(b"tail");
    file
}
