# SPDX-License-Identifier: GPL-2.0
"""The reader of QEMU's trace."""

import tempfile
import unittest
from pathlib import Path

from guest import trace
from guest.trace import Inv

LINES = """\
vtd_switch_address_space Device 00:04.0 switching address space (iommu enabled=0)
vtd_dmar_enable enable 1
vtd_inv_desc invalidate desc type context-cache high 0x0 low 0x11
vtd_inv_desc invalidate desc type iotlb high 0x0 low 0xd0012
vtd_inv_desc invalidate desc type wait high 0x102c3ce8 low 0x200000025
vtd_iotlb_page_update IOTLB page update sid 0x20 iova 0xfffff000 slpte 0x1234003 domain 0x2
vtd_inv_desc invalidate desc type iotlb high 0xfffff009 low 0x2d0032
vtd_inv_desc_iotlb_pages iotlb invalidate domain 0x2d addr 0xfffff000 mask 0x9
vtd_dmar_fault sid 0xfb fault 5 addr 0x4000 write 1
qemu-system-x86_64: something else
""".splitlines()


class TraceTest(unittest.TestCase):
    """Descriptors, fills, faults; what passes through; cutting at marks."""

    def test_counts(self) -> None:
        seen = trace.parse(LINES)
        self.assertEqual(
            seen.kinds(),
            {Inv.CONTEXT_GLOBAL: 1, Inv.IOTLB_GLOBAL: 1, Inv.WAIT: 1, Inv.IOTLB_PAGES: 1},
        )
        self.assertEqual(seen.count(Inv.WAIT), 1)
        pages = seen.descriptors[-1]
        self.assertEqual((pages.domain, pages.address, pages.mask_lg2), (0x2D, 0xFFFFF000, 9))
        self.assertEqual(seen.events["vtd_inv_desc"], 4)

    def test_requesters(self) -> None:
        seen = trace.parse(LINES)
        self.assertEqual([fill.iova for fill in seen.fills_of(trace.bdf("00:04.0"))], [0xFFFFF000])
        (fault,) = seen.faults_of(trace.bdf("0000:00:1f.3"))
        self.assertEqual((fault.reason, fault.address, fault.write), (5, 0x4000, True))

    def test_pass_through_counts_once_enabled(self) -> None:
        self.assertFalse(trace.parse(LINES).passed_through)
        switch = "vtd_switch_address_space Device 00:04.0 switching address space"
        later = [*LINES, f"{switch} (iommu enabled=0)", "vtd_translate_pt source id 0xfb, iova 0x1"]
        self.assertEqual(trace.parse(later).passed_through, {0x20: 1, 0xFB: 1})

    def test_timestamps_are_skipped(self) -> None:
        seen = trace.parse(["123@1700000000.000001:vtd_dmar_fault sid 0x8 fault 2 addr 0x0 write 0"])
        self.assertEqual(len(seen.faults), 1)

    def test_unknown_form_is_an_error(self) -> None:
        with self.assertRaisesRegex(ValueError, "another form than known: 'vtd_dmar_fault new"):
            trace.parse(["vtd_dmar_fault new words"])

    def test_marks(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "trace"
            file.write_text("\n".join(LINES) + "\n")
            first = len("\n".join(LINES[:3])) + 1
            last = len("\n".join(LINES[:5])) + 1
            seen = trace.read(file, {"first": first, "last": last})
        part = seen.between("first", "last")
        self.assertEqual(part.kinds(), {Inv.IOTLB_GLOBAL: 1, Inv.WAIT: 1})
        self.assertEqual(seen.between("last", None).kinds(), {Inv.IOTLB_PAGES: 1})
        with self.assertRaisesRegex(KeyError, "no mark 'x'.*first, last"):
            seen.between("x", None)

    def test_decode_device_descriptors(self) -> None:
        device = trace.decode(0x0000_0020_0000_0003, 0x1000)
        self.assertEqual((device.kind, device.source, device.address), (Inv.DEVICE_TLB, 0x20, 0x1000))
        self.assertEqual(device.mask_lg2, 0)
        for high, address, mask_lg2 in (
            (0x2001, 0x2000, 1),
            (0x1001, 0, 2),
            (0x1_3001, 0x1_0000, 3),
            (0x7FFF_FFFF_FFFF_F001, 0, 52),
        ):
            device = trace.decode(0x0000_0020_0000_0003, high)
            self.assertEqual((device.address, device.mask_lg2), (address, mask_lg2))
        self.assertIs(trace.decode(0x2, 0).kind, Inv.RESERVED)

    def test_no_file(self) -> None:
        self.assertEqual(trace.read(Path("/nonexistent/trace")).descriptors, [])


if __name__ == "__main__":
    unittest.main()
