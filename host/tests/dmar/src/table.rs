// SPDX-License-Identifier: GPL-2.0

//! Tables for the tests: put together from parts, and one of a machine.

/// A table under construction.
#[derive(Clone)]
pub struct Table {
    bytes: Vec<u8>,
}

impl Table {
    /// A table without structures.
    pub fn new() -> Self {
        let mut bytes = vec![0; 48];
        bytes[..4].copy_from_slice(b"DMAR");
        bytes[8] = 1;
        bytes[36] = 38;
        Self { bytes }
    }

    /// The table with `structure` at its end.
    pub fn with(mut self, structure: &[u8]) -> Self {
        self.bytes.extend_from_slice(structure);
        self
    }

    /// The bytes, with the length and the checksum as they must be.
    pub fn bytes(self) -> Vec<u8> {
        let len = u32::try_from(self.bytes.len()).unwrap();
        let mut bytes = self.bytes;
        bytes[4..8].copy_from_slice(&len.to_le_bytes());
        with_checksum(bytes)
    }
}

/// The table with the checksum that it must have.
pub fn with_checksum(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes[9] = 0;
    bytes[9] = bytes.iter().fold(0u8, |sum, byte| sum.wrapping_sub(*byte));
    bytes
}

/// A structure of type `kind`: its fields, then its scopes.
pub fn structure(kind: u16, fields: &[u8], scopes: &[Vec<u8>]) -> Vec<u8> {
    let body: Vec<u8> = [fields, &scopes.concat()].concat();
    let len = u16::try_from(4 + body.len()).unwrap();
    [&kind.to_le_bytes()[..], &len.to_le_bytes(), &body].concat()
}

/// A DRHD structure.
pub fn drhd(flags: u8, segment: u16, base: u64, scopes: &[Vec<u8>]) -> Vec<u8> {
    let fields = [&[flags, 0][..], &segment.to_le_bytes(), &base.to_le_bytes()].concat();
    structure(0, &fields, scopes)
}

/// An RMRR structure.
pub fn rmrr(segment: u16, first: u64, last: u64, scopes: &[Vec<u8>]) -> Vec<u8> {
    let (first, last) = (first.to_le_bytes(), last.to_le_bytes());
    let fields = [&[0, 0][..], &segment.to_le_bytes(), &first, &last].concat();
    structure(1, &fields, scopes)
}

/// A device scope.
pub fn scope(kind: u8, start_bus: u8, path: &[(u8, u8)]) -> Vec<u8> {
    let len = u8::try_from(6 + 2 * path.len()).unwrap();
    let mut bytes = vec![kind, len, 0, 0, 0, start_bus];
    bytes.extend(
        path.iter()
            .flat_map(|(device, function)| [*device, *function]),
    );
    bytes
}

/// A table with a bit of everything.
pub fn rich() -> Vec<u8> {
    Table::new()
        .with(&drhd(
            0,
            0,
            0xfed9_0000,
            &[scope(1, 0, &[(2, 0)]), scope(2, 0, &[(0x1c, 4), (0, 1)])],
        ))
        .with(&drhd(
            1,
            0,
            0xfed9_1000,
            &[scope(3, 0xf0, &[(0x1f, 0)]), scope(4, 0, &[(0xf, 0)])],
        ))
        .with(&drhd(1, 1, 0xd_0000_0000, &[]))
        .with(&rmrr(
            0,
            0x3f00_0000,
            0x3f00_ffff,
            &[scope(1, 0, &[(0x14, 0)])],
        ))
        .with(&structure(2, &[1, 0, 0, 0], &[]))
        .with(&structure(
            3,
            &[0, 0, 0, 0, 0, 0, 0xd9, 0xfe, 0, 0, 0, 0, 0, 0, 0, 0],
            &[],
        ))
        .with(&structure(4, b"\0\0\0\x01\\_SB.I2C0\0", &[]))
        .with(&structure(5, &[0; 4], &[scope(1, 0, &[(2, 0)])]))
        .with(&structure(6, &[0; 4], &[scope(1, 0, &[(2, 0)])]))
        .with(&structure(77, &[0; 9], &[]))
        .bytes()
}

/// What QEMU 11 gives a q35 machine with `-device intel-iommu,intremap=off`: one unit with a
/// scope for each function of bus 0.
pub const QEMU: &[u8] = &[
    0x44, 0x4d, 0x41, 0x52, 0x78, 0x00, 0x00, 0x00, 0x01, 0x05, 0x42, 0x4f, 0x43, 0x48, 0x53, 0x20,
    0x42, 0x58, 0x50, 0x43, 0x20, 0x20, 0x20, 0x20, 0x01, 0x00, 0x00, 0x00, 0x42, 0x58, 0x50, 0x43,
    0x01, 0x00, 0x00, 0x00, 0x2f, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x48, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xd9, 0xfe, 0x00, 0x00, 0x00, 0x00,
    0x03, 0x08, 0x00, 0x00, 0x00, 0xff, 0x00, 0x00, 0x01, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x01, 0x08, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00, 0x01, 0x08, 0x00, 0x00, 0x00, 0x00, 0x02, 0x00,
    0x01, 0x08, 0x00, 0x00, 0x00, 0x00, 0x1f, 0x00, 0x01, 0x08, 0x00, 0x00, 0x00, 0x00, 0x1f, 0x02,
    0x01, 0x08, 0x00, 0x00, 0x00, 0x00, 0x1f, 0x03,
];
