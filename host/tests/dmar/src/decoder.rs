// SPDX-License-Identifier: GPL-2.0

//! A second reading of the table, as the kernel's own driver has it, and of what it means for a
//! device. It shares nothing with the parser.

/// What a table says, structure by structure.
#[derive(Default)]
pub struct Decoded {
    /// Host address width, in bits.
    pub bits: u32,
    /// The byte of flags.
    pub flags: u8,
    /// DRHD: segment, whether INCLUDE_ALL, base, scopes.
    pub units: Vec<(u16, bool, u64, Vec<Device>)>,
    /// RMRR: segment, base, limit, scopes.
    pub memory: Vec<(u16, u64, u64, Vec<Device>)>,
    /// ATSR: segment, whether ALL_PORTS, scopes.
    pub ports: Vec<(u16, bool, Vec<Device>)>,
    /// SATC: segment, whether ATC_REQUIRED, scopes.
    pub caches: Vec<(u16, bool, Vec<Device>)>,
    /// RHSA: base, proximity domain.
    pub affinities: Vec<(u64, u32)>,
    /// ANDD: number, name.
    pub names: Vec<(u8, String)>,
}

/// A device scope: type, number, start bus, path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    pub kind: u8,
    pub number: u8,
    pub bus: u8,
    pub path: Vec<(u8, u8)>,
}

/// A number of up to eight bytes, the lowest first.
fn number(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .rev()
        .fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}

fn devices(mut bytes: &[u8]) -> Vec<Device> {
    let mut devices = Vec::new();
    while !bytes.is_empty() {
        let (one, behind) = bytes.split_at(bytes[1].into());
        devices.push(Device {
            kind: one[0],
            number: one[4],
            bus: one[5],
            path: one[6..].chunks(2).map(|step| (step[0], step[1])).collect(),
        });
        bytes = behind;
    }
    devices
}

/// Decodes a table in which no structure passes the end.
pub fn decode(table: &[u8]) -> Decoded {
    let mut decoded = Decoded {
        bits: u32::from(table[36]) + 1,
        flags: table[37],
        ..Decoded::default()
    };
    let mut at = 48;
    let end = number(&table[4..8]) as usize;
    while at < end {
        let len = number(&table[at + 2..at + 4]) as usize;
        let body = &table[at..at + len];
        let segment = || number(&body[6..8]) as u16;
        let flag = || body[4] % 2 == 1;
        match number(&body[..2]) {
            0 => decoded.units.push((
                segment(),
                flag(),
                number(&body[8..16]),
                devices(&body[16..]),
            )),
            1 => decoded.memory.push((
                segment(),
                number(&body[8..16]),
                number(&body[16..24]),
                devices(&body[24..]),
            )),
            2 => decoded.ports.push((segment(), flag(), devices(&body[8..]))),
            3 => decoded
                .affinities
                .push((number(&body[8..16]), number(&body[16..20]) as u32)),
            4 => {
                let name = body[8..].split(|byte| *byte == 0).next().unwrap_or(&[]);
                let name = String::from_utf8_lossy(name).into_owned();
                decoded.names.push((body[7], name));
            }
            5 => decoded
                .caches
                .push((segment(), flag(), devices(&body[8..]))),
            _ => (),
        }
        at += len;
    }
    decoded
}

/// Whether one of the scopes names the device that a path of (bus, device, function) leads to, or a
/// bridge above it.
fn has(scopes: &[Device], path: &[(u8, u8, u8)]) -> bool {
    scopes.iter().filter(|scope| scope.kind < 3).any(|scope| {
        (1..=path.len()).any(|len| {
            let whole = path[0].0 == scope.bus
                && path[..len]
                    .iter()
                    .map(|hop| (hop.1, hop.2))
                    .eq(scope.path.iter().copied());
            let last = path[len - 1];
            whole || [(last.1, last.2)] == scope.path[..] && last.0 == scope.bus
        })
    })
}

impl Decoded {
    /// The index of the unit of a device, in the order of the kernel's own driver: each unit is put
    /// before those that it has, but for those with INCLUDE_ALL, which are put behind.
    pub fn unit_of(&self, segment: u16, path: &[(u8, u8, u8)]) -> Option<usize> {
        let mut order = std::collections::VecDeque::new();
        for (index, unit) in self.units.iter().enumerate() {
            if unit.1 {
                order.push_back(index);
            } else {
                order.push_front(index);
            }
        }
        order.into_iter().find(|index| {
            let (of, include_all, _, scopes) = &self.units[*index];
            *of == segment && (*include_all || has(scopes, path))
        })
    }

    /// The memory that is reserved for a device, as (base, limit).
    pub fn memory_of(&self, segment: u16, path: &[(u8, u8, u8)]) -> Vec<(u64, u64)> {
        self.memory
            .iter()
            .filter(|memory| memory.0 == segment && has(&memory.3, path))
            .map(|memory| (memory.1, memory.2))
            .collect()
    }

    /// Every device that a scope names, and some that none does.
    pub fn paths(&self) -> Vec<(u16, Vec<(u8, u8, u8)>)> {
        let of_units = self.units.iter().map(|unit| (unit.0, &unit.3));
        let of_memory = self.memory.iter().map(|memory| (memory.0, &memory.3));
        let of_ports = self.ports.iter().map(|ports| (ports.0, &ports.2));
        let of_caches = self.caches.iter().map(|caches| (caches.0, &caches.2));
        let mut paths = Vec::new();
        for (segment, scopes) in of_units.chain(of_memory).chain(of_ports).chain(of_caches) {
            for scope in scopes {
                // Buses below have numbers that no scope starts on.
                let mut path: Vec<_> = scope
                    .path
                    .iter()
                    .enumerate()
                    .map(|(step, hop)| match step {
                        0 => (scope.bus, hop.0, hop.1),
                        _ => (0xf9 + step as u8, hop.0, hop.1),
                    })
                    .collect();
                paths.push((segment, path.clone()));
                path.push((0xfe, 0, 0));
                paths.push((segment, path));
                paths.push((segment + 1, vec![(scope.bus, 9, 7)]));
                paths.push((segment, vec![(scope.bus, 9, 7)]));
            }
        }
        paths
    }
}
