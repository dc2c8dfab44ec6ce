# SPDX-License-Identifier: GPL-2.0
"""Machines for what only the debug kernel can do: KUnit suites, and allocations
that fail one after the other."""

from typing import Any

from . import pins, vtd_checks
from .devices import testdev
from .firmware_machines import KEEP_OFF, RESERVED
from .machine import Machine
from .power_machines import ACTIONS
from .vtd_machines import TESTDEV, slot, vtd

SECOND = "0000:00:0b.0"


def debug_only(name: str, summary: str, test: str, **fields: Any) -> Machine:
    """A machine with one script that needs the debug kernel."""
    return vtd(
        name,
        summary,
        (test,),
        kernels=(pins.DEBUG,),
        checks=(
            vtd_checks.only_known_descriptors,
            vtd_checks.faults_as_told,
            vtd_checks.off_at_the_end,
        ),
        **fields,
    )


def sweep(name: str, summary: str, test: str, **fields: Any) -> Machine:
    """A machine for a script that has allocations fail: each is the work of many. One CPU:
    the kernel allocates for every CPU there is."""
    cmdline = f"iommu.strict=1 {fields.pop('cmdline', '')}".strip()
    machine = debug_only(name, summary, test, cmdline=cmdline, cpus=1, **fields)
    machine.files["failing.sh"] = "tests/guest/lib/failing.sh"
    return machine


MACHINES: tuple[Machine, ...] = (
    debug_only("kunit", "the KUnit suites beside the code", "kunit", devices=()),
    sweep(
        "sweep-load",
        "each allocation of loading fails in turn",
        "sweep_load",
        settings={"RESERVED": f"{RESERVED:#x}"},
        devices=(testdev(address=slot(TESTDEV)),),
        # Two functions that share a group, and not three.
        machine_options="smbus=off",
        load=(),
        load_drivers=False,
        include=("rust_iommu", "rust_vtd"),
        programs=("finit_module",),
        cmdline=KEEP_OFF,
        expected_splats=(r"remove_proc_entry", r"Call Trace"),
    ),
    sweep(
        "sweep",
        "each allocation of mapping, attaching and hot-plugging fails in turn",
        "sweep",
        settings={"SECOND": SECOND},
        devices=(testdev(address=slot(TESTDEV)), testdev(address=slot(SECOND))),
    ),
    sweep(
        "sweep-sleep",
        "each allocation of suspending fails in turn",
        "sweep_sleep",
        settings={"ENDED_BY": "host"},
        devices=(testdev(address=slot(TESTDEV)),),
        actions=ACTIONS,
    ),
)
