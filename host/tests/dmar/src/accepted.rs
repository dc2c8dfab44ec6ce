// SPDX-License-Identifier: GPL-2.0

//! Tables that are in order: what is read of them.

use crate::{
    dmar::{
        parse,
        Dmar,
        Flags,
        Hop,
        ScopeKind, //
    },
    table::{
        self,
        drhd,
        scope,
        structure,
        with_checksum,
        Table, //
    }, //
};

fn hops(path: &[(u8, u8)]) -> Vec<Hop> {
    path.iter()
        .map(|&(device, function)| Hop { device, function })
        .collect()
}

/// The width that is settled on in a machine without memory.
fn width(dmar: &mut Dmar) -> u8 {
    dmar.settle_width(|_, _| false).unwrap()
}

#[test]
fn the_table_of_qemu() {
    let mut dmar = parse(table::QEMU).unwrap();
    assert_eq!(width(&mut dmar), 48);
    assert_eq!(dmar.units.len(), 1);
    assert!(dmar.reserved.is_empty());
    assert_eq!(dmar.notes.iter().count(), 0);

    let unit = &dmar.units[0];
    assert_eq!((unit.segment, unit.include_all), (0, false));
    assert_eq!((unit.base, unit.fault), (0xfed9_0000, None));
    let scopes: Vec<_> = unit
        .scopes
        .iter()
        .map(|scope| (scope.kind, scope.start_bus, scope.path.to_vec()))
        .collect();
    let endpoint = |device, function| (ScopeKind::Endpoint, 0, hops(&[(device, function)]));
    assert_eq!(
        scopes,
        [
            (ScopeKind::IoApic, 0xff, hops(&[(0, 0)])),
            endpoint(0, 0),
            endpoint(1, 0),
            endpoint(2, 0),
            endpoint(0x1f, 0),
            endpoint(0x1f, 2),
            endpoint(0x1f, 3),
        ]
    );
}

#[test]
fn units_keep_their_order_and_scopes() {
    let dmar = parse(&table::rich()).unwrap();
    let units: Vec<_> = dmar
        .units
        .iter()
        .map(|unit| (unit.segment, unit.include_all, unit.base, unit.scopes.len()))
        .collect();
    assert_eq!(
        units,
        [
            (0, false, 0xfed9_0000, 2),
            (0, true, 0xfed9_1000, 2),
            (1, true, 0xd_0000_0000, 0),
        ]
    );
    let bridge = &dmar.units[0].scopes[1];
    assert_eq!(bridge.kind, ScopeKind::SubHierarchy);
    assert_eq!(*bridge.path, *hops(&[(0x1c, 4), (0, 1)]));
    assert_eq!(dmar.units[1].scopes[0].kind, ScopeKind::IoApic);
    assert_eq!(dmar.units[1].scopes[1].kind, ScopeKind::Hpet);
}

#[test]
fn reserved_memory_has_both_ends() {
    let dmar = parse(&table::rich()).unwrap();
    assert_eq!(dmar.reserved.len(), 1);
    let memory = &dmar.reserved[0];
    assert_eq!(
        (memory.segment, memory.first, memory.last),
        (0, 0x3f00_0000, 0x3f00_ffff)
    );
    assert_eq!(*memory.scopes[0].path, *hops(&[(0x14, 0)]));
}

#[test]
fn what_is_passed_over_is_noted_with_its_offset() {
    let unit = drhd(
        0,
        0,
        0x1000,
        &[scope(9, 0, &[(0, 0)]), scope(1, 0, &[(3, 0)])],
    );
    let table = Table::new()
        .with(&unit)
        .with(&structure(77, &[], &[]))
        .bytes();
    let dmar = parse(&table).unwrap();
    assert_eq!(dmar.units[0].scopes.len(), 1);
    let notes: Vec<_> = dmar
        .notes
        .iter()
        .map(|note| (note.offset, note.what))
        .collect();
    assert_eq!(
        notes,
        [
            (48 + 16, "device scope of unknown type"),
            (48 + unit.len(), "structure of unknown type"),
        ]
    );
}

#[test]
fn structures_of_every_type_are_read() {
    let dmar = parse(&table::rich()).unwrap();
    let notes: Vec<_> = dmar.notes.iter().map(|note| note.what).collect();
    assert_eq!(notes, ["structure of unknown type"]);
    assert_eq!(dmar.root_ports.len(), 1);
    assert_eq!(dmar.integrated.len(), 1);
}

/// ATSR (8.5): flags at 4, of which bit 0 is ALL_PORTS, and the segment at 6.
#[test]
fn root_ports_below_which_devices_may_use_ats() {
    let table = Table::new()
        .with(&drhd(1, 0, 0x1000, &[]))
        .with(&structure(2, &[1, 0, 0x34, 0x12], &[]))
        .with(&structure(
            2,
            &[0xfe, 0, 2, 0],
            &[scope(2, 5, &[(0x1c, 4)])],
        ))
        .bytes();
    let dmar = parse(&table).unwrap();
    let ports: Vec<_> = dmar
        .root_ports
        .iter()
        .map(|ports| (ports.segment, ports.all, ports.scopes.len()))
        .collect();
    assert_eq!(ports, [(0x1234, true, 0), (2, false, 1)]);
    let scope = &dmar.root_ports[1].scopes[0];
    assert_eq!((scope.kind, scope.start_bus), (ScopeKind::SubHierarchy, 5));
    assert_eq!(*scope.path, *hops(&[(0x1c, 4)]));
}

/// SATC (8.8): flags at 4, of which bit 0 is ATC_REQUIRED, and the segment at 6.
#[test]
fn devices_of_the_chip_that_cache_translations() {
    let table = Table::new()
        .with(&drhd(1, 0, 0x1000, &[]))
        .with(&structure(5, &[1, 0, 0, 0], &[scope(1, 0, &[(2, 0)])]))
        .with(&structure(5, &[0xfe, 0, 0x78, 0x56], &[]))
        .bytes();
    let dmar = parse(&table).unwrap();
    let devices: Vec<_> = dmar
        .integrated
        .iter()
        .map(|devices| (devices.segment, devices.required, devices.scopes.len()))
        .collect();
    assert_eq!(devices, [(0, true, 1), (0x5678, false, 0)]);
    assert_eq!(*dmar.integrated[0].scopes[0].path, *hops(&[(2, 0)]));
}

/// RHSA (8.6): the base of the unit's registers at 8, the proximity domain at 16.
#[test]
fn where_units_sit() {
    let affinity = |base: u64, proximity: u32| {
        let fields = [
            &[0; 4][..],
            &base.to_le_bytes(),
            &proximity.to_le_bytes(), //
        ];
        structure(3, &fields.concat(), &[])
    };
    let table = Table::new()
        .with(&drhd(0, 0, 0x1000, &[]))
        .with(&drhd(0, 0, 0x3000, &[]))
        .with(&drhd(1, 0, 0x5000, &[]))
        .with(&affinity(0x5000, 0x8765_4321))
        .with(&affinity(0x1000, 0))
        .bytes();
    let dmar = parse(&table).unwrap();
    let proximities: Vec<_> = dmar
        .units
        .iter()
        .map(|unit| dmar.proximity_of(unit))
        .collect();
    assert_eq!(proximities, [Some(0), None, Some(0x8765_4321)]);
}

/// ANDD (8.7): the number at 7, then the name. A scope of type 5 has the number at 4 (8.3.1), and
/// with bus and path the requester ID: here the bus is the number, to tell them apart.
#[test]
fn devices_of_the_namespace_are_found_by_their_number() {
    let named = |number: u8, name: &[u8]| {
        let fields = [&[0, 0, 0, number], name];
        structure(4, &fields.concat(), &[])
    };
    let scope_of = |kind: u8, number: u8| {
        let mut bytes = scope(kind, number, &[(0x1e, 0x3)]);
        bytes[4] = number;
        bytes
    };
    // An I/O APIC has numbers of its own, and number 9 has no name.
    let scopes = [
        scope_of(5, 7),
        scope_of(3, 2),
        scope_of(5, 9),
        scope_of(5, 1),
    ];
    let table = Table::new()
        .with(&drhd(0, 0, 0x1000, &scopes))
        .with(&drhd(1, 0, 0x3000, &[scope_of(5, 2)]))
        .with(&named(1, b"\\_SB.I2C0\0"))
        .with(&named(2, b"\\_SB.UART\0\0"))
        .with(&named(7, b"\\_SB.SPI1\0"))
        .bytes();
    let dmar = parse(&table).unwrap();
    let names = |unit: usize| dmar.namespace_of(&dmar.units[unit]).collect::<Vec<_>>();
    assert_eq!(names(0), [(c"\\_SB.SPI1", 0x07f3), (c"\\_SB.I2C0", 0x01f3)]);
    assert_eq!(names(1), [(c"\\_SB.UART", 0x02f3)]);
}

/// The flags are at 37 (8.1): INTR_REMAP, X2APIC_OPT_OUT, DMA_CTRL_PLATFORM_OPT_IN_FLAG.
#[test]
fn what_the_platform_asks_for() {
    for byte in 0..=u8::MAX {
        let mut table = table::QEMU.to_vec();
        table[37] = byte;
        let flags = Flags {
            interrupt_remapping: [1, 3, 5, 7].contains(&(byte % 8)),
            no_x2apic: [2, 3, 6, 7].contains(&(byte % 8)),
            dma_control_opt_in: byte % 8 >= 4,
        };
        assert_eq!(parse(&with_checksum(table)).unwrap().flags, flags);
    }
}

#[test]
fn bytes_behind_the_table_are_not_read() {
    let mut table = table::rich();
    table.extend_from_slice(&[0xff; 64]);
    assert_eq!(parse(&table).unwrap().units.len(), 3);
}
