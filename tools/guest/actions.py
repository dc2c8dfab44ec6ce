# SPDX-License-Identifier: GPL-2.0
"""What every guest may ask of the host, with `host NAME ARGS...` (lib.sh).

A machine declares further ones in `Machine.actions`.
"""

from .machine import Action
from .qemu import Host
from .qmp import QmpError


def mark(host: Host, arguments: list[str]) -> str:
    """mark NAME: a point in the trace. QEMU flushes each line it logs."""
    (name,) = arguments
    host.marks[name] = host.trace_file.stat().st_size if host.trace_file.exists() else 0
    return ""


def device_add(host: Host, arguments: list[str]) -> str:
    """device_add DRIVER KEY=VALUE...: hot-plugs a device."""
    driver, *properties = arguments
    values = dict(word.split("=", 1) for word in properties)
    host.qmp.command("device_add", driver=driver, **values)
    return ""


def device_del(host: Host, arguments: list[str]) -> str:
    """device_del ID: asks the guest to let a device go (it may take its time)."""
    (device,) = arguments
    host.qmp.command("device_del", id=device)
    return ""


COMMON: dict[str, Action] = {"mark": mark, "device_add": device_add, "device_del": device_del}


def answer(host: Host, request: str) -> str:
    """Does what the guest asked for: "ok ..." or "error ..."."""
    name, *arguments = request.split()
    action = host.machine.actions.get(name) or COMMON.get(name)
    if action is None:
        known = sorted({*COMMON, *host.machine.actions})
        return f"error unknown action '{name}'; known: {', '.join(known)}"
    try:
        return f"ok {action(host, arguments)}".strip()
    except (QmpError, ValueError, OSError) as error:
        return f"error {error}".replace("\n", " ")
