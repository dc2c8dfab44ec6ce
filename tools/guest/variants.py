# SPDX-License-Identifier: GPL-2.0
"""The IOMMUs QEMU can give a machine, each under a short name (IOMMU=<name>)."""

from dataclasses import dataclass

from .errors import unknown


@dataclass(frozen=True)
class Variant:
    """One configuration of an emulated IOMMU."""

    name: str
    arch: str
    qemu: tuple[str, ...]
    summary: str


def _vtd(name: str, options: str, summary: str) -> Variant:
    # Interrupt remapping stays off: with it, the built-in driver keeps the
    # registers even under intel_iommu=off.
    device = ",".join(part for part in ("intel-iommu,intremap=off", options) if part)
    return Variant(name, "x86_64", ("-device", device), summary)


VARIANTS: dict[str, Variant] = {
    variant.name: variant
    for variant in (
        Variant("none", "x86_64", (), "no IOMMU at all"),
        _vtd("legacy", "", "VT-d, second stage through context entries"),
        _vtd("caching-mode", "caching-mode=on", "VT-d that caches not-present entries"),
        _vtd("aw39", "aw-bits=39", "VT-d with 3-level tables only"),
        _vtd("aw48", "aw-bits=48", "VT-d with 4-level tables"),
        _vtd("ats", "device-iotlb=on", "VT-d with device TLBs"),
        _vtd("snoop", "snoop-control=on", "VT-d with snoop control"),
        _vtd("scalable", "scalable-mode=on", "VT-d, second stage through PASID tables"),
        _vtd("scalable-fs", "scalable-mode=on,fsts=on", "VT-d, first stage"),
        Variant(
            "intremap",
            "x86_64",
            ("-device", "intel-iommu,intremap=on,eim=on"),
            "VT-d with interrupt remapping",
        ),
        _vtd("no-dma", "dma-translation=off", "VT-d that translates no DMA (SAGAW 0)"),
    )
}


def find(name: str, arch: str) -> Variant:
    """The variant of that name; an error lists those of the architecture."""
    variant = VARIANTS.get(name)
    if variant is None or variant.arch != arch:
        known = [known.name for known in VARIANTS.values() if known.arch == arch]
        raise unknown(f"IOMMU variant for {arch}", name, known)
    return variant
