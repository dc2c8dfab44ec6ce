// SPDX-License-Identifier: GPL-2.0

//! Functions and chipsets of Intel.
//!
//! "C" is the kernel's own driver (`drivers/iommu/intel/iommu.c`). What it knows by device ID, and
//! what becomes of it here:
//!
//! - **Integrated graphics** (a display controller on a root bus). C: identity, if the kernel is
//!   built with INTEL_IOMMU_DEFAULT_ON_INTGPU_OFF, as Debian's is; `intel_iommu=on` translates
//!   them. Ours: identity, and `translate_graphics=1` translates them.
//! - **Graphics of Q35, GM45/G45, QM57 and Broadwell** do not work with translation. C: leaves out a
//!   unit that has graphics only. Ours: the same; where graphics share a unit they keep identity,
//!   whatever the parameter says, which C does not do under `intel_iommu=on`.
//! - **Ironlake (Calpella)** needs a second graphics table, which firmware must have made room for,
//!   and graphics must be idle before a flush. C: without that table graphics are broken, as above;
//!   with it the whole machine is strict. Ours: only graphics are strict.
//! - **GM45/G45** buffer writes without saying so (CAP_REG.RWBF). C and ours: units are treated as if
//!   they did say so.
//! - **QAT 4940 to 4943** may answer an invalidation of their TLB before their last writes have
//!   arrived. C: sends each twice. Ours: the same.
//! - **Sandy Bridge's DMA engine (402f)** has a unit of its own, which some firmware leaves out of the
//!   table: the engine then seems to be behind another one. C: leaves the function alone, and
//!   taints the kernel. Ours: leaves it alone.
//! - **Tylersburg's audio (3a3e)** deadlocks if firmware sends its DMA to the unit for isochronous
//!   traffic and gives that no TLB entries. C: WARN, and identity. Ours: a line in the log, and
//!   identity.
//!
//! Known to C, and not in this file:
//!
//! - Graphics units from Ice Lake to Meteor Lake do not turn translation off. C knows them by device
//!   ID and does not wait for it.
//! - **Root ports of PCHs** are isolated without having ACS, or have registers of another layout.
//!   That is a quirk of the PCI core (`pci_dev_specific_acs_enabled()`, which is not exported). The
//!   C core asks it when it forms our groups; but the isolation is turned on by
//!   `pci_dev_specific_enable_acs()`, not exported either, only if an IOMMU driver has asked for it
//!   before the buses were scanned. So these ports' groups are larger than C's, never smaller.

use super::{
    Chipset,
    Graphics, //
};
use iommu_core::quirks::{
    Applied,
    Function,
    Place,
    Quirk, //
};
use iommu_ext::addr::PhysAddr;

pub(super) const VENDOR: u16 = 0x8086;

/// The functions that something is known of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Known {
    /// Graphics, or the host bridge beside them, that do not work with translation.
    BrokenGraphics,
    /// The host bridge of GM45 and G45.
    Series4,
    /// The host bridge of Ironlake.
    Ironlake,
    /// The audio function of Tylersburg.
    Audio,
    /// The system management registers of Tylersburg.
    Management,
    /// The DMA engine of Sandy Bridge.
    DmaEngine,
    /// QAT whose TLB answers too soon.
    Qat,
    /// Any other.
    Other,
}

/// Chooses by device ID.
fn known(device: u16) -> Known {
    match device {
        // Q35's graphics; QM57's host bridge.
        0x29b2 | 0x0044 => Known::BrokenGraphics,
        // Broadwell's graphics: four levels of them, each in six variants.
        0x1600..=0x163f => match device & 0xf {
            0x2 | 0x6 | 0xa | 0xb | 0xd | 0xe => Known::BrokenGraphics,
            _ => Known::Other,
        },
        0x2a40 | 0x2e00 | 0x2e10 | 0x2e20 | 0x2e30 | 0x2e40 | 0x2e90 => Known::Series4,
        0x0040 | 0x0062 | 0x006a => Known::Ironlake,
        0x3a3e => Known::Audio,
        0x342e => Known::Management,
        0x402f => Known::DmaEngine,
        0x4940..=0x4943 => Known::Qat,
        _ => Known::Other,
    }
}

/// What one function of the machine tells about it. See [`Chipset::note`].
pub(super) fn note(chipset: &mut Chipset, function: &Function<'_>) -> Option<&'static str> {
    match known(function.device) {
        Known::BrokenGraphics => {
            chipset.has_broken_graphics = true;
            Some("graphics of this chipset do not work with translation")
        }
        Known::Series4 => {
            chipset.has_broken_graphics = true;
            chipset.buffers_writes = true;
            Some(
                "graphics of this chipset do not work with translation, and its units buffer \
                 writes",
            )
        }
        Known::Ironlake => {
            // GGC, 16 bits at 0x52: bit 11 says that firmware has made room for the second table.
            const SECOND_TABLE: u32 = 1 << (16 + 11);
            let control = (function.config)(function.devfn, 0x50)?;
            if control & SECOND_TABLE == 0 {
                chipset.has_broken_graphics = true;
                Some(
                    "firmware has left graphics no room for their second table: they do not work \
                      with translation",
                )
            } else {
                chipset.has_strict_graphics = true;
                Some("graphics of this chipset must be idle before a flush: theirs is not deferred")
            }
        }
        Known::Management => {
            // VTISOCHCTRL: bit 0 says that audio goes to the other unit, bits 4:2 how many entries
            // this one has, in fours of them.
            let control = (function.config)(function.devfn, 0x188)?;
            // A board may have several of these.
            chipset.has_no_isochronous_tlb |= control & 1 == 0 && control & 0x1c == 0;
            match (control & 1, control & 0x1c) {
                (1, _) | (_, 0x10) => None,
                (_, 0) => {
                    Some("firmware has given the unit for isochronous traffic no TLB entries")
                }
                _ => Some(
                    "firmware has given the unit for isochronous traffic another number of TLB \
                     entries than 16, which is recommended",
                ),
            }
        }
        Known::Audio | Known::DmaEngine | Known::Qat | Known::Other => None,
    }
}

/// What must be done about one function. See [`super::of_function`].
pub(super) fn of_function(
    function: &Function<'_>,
    chipset: &Chipset,
    base: PhysAddr,
) -> Option<Applied> {
    let apply = |quirk, why| Some(Applied { quirk, why });
    match (known(function.device), function.place) {
        // It has nothing from this, so that it need not be trusted.
        (Known::Qat, _) => apply(
            Quirk::InvalidateTwice,
            "its TLB may answer an invalidation too soon: each is sent twice",
        ),
        (_, Place::Untrusted) => None,
        (Known::DmaEngine, _) if is_elsewhere(function, base) => apply(
            Quirk::NotHere,
            "firmware puts it behind a unit that is not its own: it is left alone",
        ),
        (Known::Audio, _) if chipset.has_no_isochronous_tlb => apply(
            Quirk::Identity,
            "its unit has no TLB entries: its DMA passes untranslated",
        ),
        (_, Place::RootBus) if function.is_display() => graphics(chipset),
        (
            Known::BrokenGraphics
            | Known::Series4
            | Known::Ironlake
            | Known::Audio
            | Known::Management
            | Known::DmaEngine
            | Known::Other,
            Place::RootBus | Place::BelowABridge,
        ) => None,
    }
}

/// What must be done about integrated graphics.
fn graphics(chipset: &Chipset) -> Option<Applied> {
    let apply = |quirk, why| Some(Applied { quirk, why });
    match chipset.graphics {
        _ if chipset.has_broken_graphics => apply(
            Quirk::Identity,
            "graphics that do not work with translation: their DMA passes untranslated",
        ),
        Graphics::Passes => apply(
            Quirk::Identity,
            "integrated graphics: their DMA passes untranslated (translate_graphics=1 of rust_vtd \
             translates it)",
        ),
        Graphics::Translated if chipset.has_strict_graphics => apply(
            Quirk::Strict,
            "graphics that must be idle before a flush: none is deferred",
        ),
        Graphics::Translated => None,
    }
}

/// Whether the DMA engine has another unit than the one with its registers at `base`: its own is
/// 0xa000 above what the first function of its bus says (VTBAR, 32 bits at 0xb0). If that cannot be
/// read, firmware is believed.
fn is_elsewhere(function: &Function<'_>, base: PhysAddr) -> bool {
    (function.config)(0, 0xb0).is_some_and(|vtbar| {
        let own = u64::from(vtbar & 0xffff_0000).wrapping_add(0xa000);
        base.0 != own
    })
}

/// With device IDs as Intel's data sheets and C's list have them, not as [`known`] does.
#[kernel::macros::kunit_tests(rust_vtd_quirks_intel)]
mod tests {
    use super::*;
    use crate::quirks;

    const DISPLAY: u16 = 0x0300;
    const OTHER_DISPLAY: u16 = 0x0380;
    const SYSTEM: u16 = 0x0880;

    /// Registers of the unit of the functions below.
    const BASE: PhysAddr = PhysAddr(0xfed9_0000);

    fn silent(_: u8, _: u16) -> Option<u32> {
        None
    }

    fn function(vendor: u16, device: u16, class: u16, place: Place) -> Function<'static> {
        Function {
            vendor,
            device,
            class,
            place,
            devfn: 0x10,
            config: &silent,
        }
    }

    fn quirk(function: &Function<'_>, chipset: &Chipset) -> Option<Quirk> {
        quirks::of_function(function, chipset, BASE).map(|applied| applied.quirk)
    }

    /// A machine with these functions of Intel on its root bus.
    fn machine(graphics: Graphics, devices: &[u16]) -> Chipset {
        let mut chipset = Chipset::new(graphics);
        for &device in devices {
            chipset.note(&function(0x8086, device, SYSTEM, Place::RootBus));
        }
        chipset
    }

    #[test]
    fn integrated_graphics_pass() {
        let passes = machine(Graphics::Passes, &[0x3ec2]);
        let translated = machine(Graphics::Translated, &[0x3ec2]);
        // Coffee Lake and Alder Lake; a server's VGA; a graphics card; someone else's; a class
        // that is none of a display; one that is plugged in.
        for (vendor, device, class, place, expected) in [
            (
                0x8086,
                0x3e92,
                DISPLAY,
                Place::RootBus,
                Some(Quirk::Identity),
            ),
            (
                0x8086,
                0x4680,
                OTHER_DISPLAY,
                Place::RootBus,
                Some(Quirk::Identity),
            ),
            (0x8086, 0x56a0, DISPLAY, Place::BelowABridge, None),
            (0x8086, 0x3e92, DISPLAY, Place::Untrusted, None),
            (0x8086, 0xa370, SYSTEM, Place::RootBus, None),
            (0x1002, 0x3e92, DISPLAY, Place::RootBus, None),
            (0x1a03, 0x2000, DISPLAY, Place::RootBus, None),
        ] {
            let function = function(vendor, device, class, place);
            assert_eq!(quirk(&function, &passes), expected);
            assert_eq!(quirk(&function, &translated), None);
        }
    }

    #[test]
    fn graphics_that_do_not_work_with_translation() {
        // Q35, GM45, two of G45, QM57, and Broadwell's first and last.
        for device in [0x29b2, 0x2a40, 0x2e00, 0x2e90, 0x0044, 0x1602, 0x163e] {
            for graphics in [Graphics::Passes, Graphics::Translated] {
                let chipset = machine(graphics, &[device]);
                assert!(chipset.has_broken_graphics);
                let graphics = function(0x8086, 0x0046, DISPLAY, Place::RootBus);
                assert_eq!(quirk(&graphics, &chipset), Some(Quirk::Identity));
            }
        }
        // Neighbours: Haswell, Broadwell's host bridges, Skylake, QEMU's Q35.
        for device in [
            0x0412, 0x1600, 0x1604, 0x160f, 0x1640, 0x1912, 0x29c0, 0x29b0,
        ] {
            let chipset = machine(Graphics::Passes, &[device]);
            assert_eq!(chipset, Chipset::new(Graphics::Passes));
        }
        // The same numbers, of somebody else or from outside.
        let mut chipset = Chipset::new(Graphics::Passes);
        for (vendor, place) in [(0x1022, Place::RootBus), (0x8086, Place::Untrusted)] {
            let told = chipset.note(&function(vendor, 0x2a40, SYSTEM, place));
            assert_eq!(told, None);
        }
        assert_eq!(chipset, Chipset::new(Graphics::Passes));
    }

    #[test]
    fn units_that_buffer_writes_without_saying_so() {
        for device in [0x2a40, 0x2e00, 0x2e10, 0x2e20, 0x2e30, 0x2e40, 0x2e90] {
            assert!(machine(Graphics::Passes, &[device]).buffers_writes);
        }
        for device in [0x29b2, 0x0044, 0x1602, 0x0040] {
            assert!(!machine(Graphics::Passes, &[device]).buffers_writes);
        }
    }

    /// GGC is at 0x52, and bit 11 of it is bit 27 of what is read at 0x50.
    #[test]
    fn ironlake_with_and_without_a_second_table() {
        for device in [0x0040, 0x0062, 0x006a] {
            for (word, broken) in [(0x0b00_0000, false), (0x0300_0000, true), (0x0b00, true)] {
                let config = |devfn: u8, offset: u16| {
                    assert_eq!((devfn, offset), (0, 0x50));
                    Some(word)
                };
                let bridge = Function {
                    devfn: 0,
                    config: &config,
                    ..function(0x8086, device, SYSTEM, Place::RootBus)
                };
                let mut chipset = Chipset::new(Graphics::Translated);
                assert!(chipset.note(&bridge).is_some());
                assert_eq!(chipset.has_broken_graphics, broken);
                let graphics = function(0x8086, 0x0046, DISPLAY, Place::RootBus);
                let expected = if broken {
                    Quirk::Identity
                } else {
                    Quirk::Strict
                };
                assert_eq!(quirk(&graphics, &chipset), Some(expected));
            }
            // What does not answer says nothing.
            let chipset = machine(Graphics::Passes, &[device]);
            assert_eq!(chipset, Chipset::new(Graphics::Passes));
        }
    }

    #[test]
    fn qat_is_asked_twice() {
        let chipset = Chipset::new(Graphics::Passes);
        for (device, expected) in [
            (0x493f, None),
            (0x4940, Some(Quirk::InvalidateTwice)),
            (0x4943, Some(Quirk::InvalidateTwice)),
            (0x4944, None),
        ] {
            for place in [Place::RootBus, Place::BelowABridge, Place::Untrusted] {
                let qat = function(0x8086, device, 0x0b40, place);
                assert_eq!(quirk(&qat, &chipset), expected);
            }
        }
    }

    /// VTBAR is at 0xb0 of device 0, function 0; the engine's unit 0xa000 above.
    #[test]
    fn a_dma_engine_behind_another_unit() {
        let chipset = Chipset::new(Graphics::Passes);
        let vtbars = [
            (Some(0xfed8_6001), Some(Quirk::NotHere)),
            (Some(0xfed7_0001), Some(Quirk::NotHere)),
            (None, None),
        ];
        for (vtbar, expected) in vtbars {
            let config = |devfn: u8, offset: u16| {
                assert_eq!((devfn, offset), (0, 0xb0));
                vtbar
            };
            let engine = Function {
                config: &config,
                ..function(0x8086, 0x402f, SYSTEM, Place::RootBus)
            };
            assert_eq!(quirk(&engine, &chipset), expected);
        }
        let config = |_: u8, _: u16| Some(0xfed8_1234);
        let engine = Function {
            config: &config,
            ..function(0x8086, 0x402f, SYSTEM, Place::RootBus)
        };
        let own = quirks::of_function(&engine, &chipset, PhysAddr(0xfed8_a000));
        assert_eq!(own, None);
        let other = quirks::of_function(&engine, &chipset, PhysAddr(0xfed8_b000));
        assert_eq!(other.map(|applied| applied.quirk), Some(Quirk::NotHere));
    }

    /// VTISOCHCTRL is at 0x188: bit 0 says that audio goes elsewhere, bits 4:2 the entries.
    #[test]
    fn audio_whose_unit_has_no_tlb() {
        let audio = function(0x8086, 0x3a3e, 0x0403, Place::RootBus);
        for (control, told, expected) in [
            (0x00, true, Some(Quirk::Identity)),
            (0xe0, true, Some(Quirk::Identity)),
            (0x01, false, None),
            (0x10, false, None),
            (0x08, true, None),
        ] {
            let config = |devfn: u8, offset: u16| {
                assert_eq!((devfn, offset), (0xa0, 0x188));
                Some(control)
            };
            let registers = Function {
                devfn: 0xa0,
                config: &config,
                ..function(0x8086, 0x342e, SYSTEM, Place::RootBus)
            };
            let mut chipset = Chipset::new(Graphics::Passes);
            assert_eq!(chipset.note(&registers).is_some(), told);
            assert_eq!(quirk(&audio, &chipset), expected);
        }
        assert_eq!(quirk(&audio, &Chipset::new(Graphics::Passes)), None);
    }

    #[test]
    fn audio_of_which_one_of_two_units_has_no_tlb() {
        for controls in [[0x00, 0x10], [0x10, 0x00]] {
            let mut chipset = Chipset::new(Graphics::Passes);
            for control in controls {
                let registers = Function {
                    config: &|_, _| Some(control),
                    ..function(0x8086, 0x342e, SYSTEM, Place::RootBus)
                };
                chipset.note(&registers);
            }
            let audio = function(0x8086, 0x3a3e, 0x0403, Place::RootBus);
            assert_eq!(quirk(&audio, &chipset), Some(Quirk::Identity));
        }
    }
}
