# SPDX-License-Identifier: GPL-2.0
"""A client for QMP, QEMU's control socket: enough for hotplug and power."""

import json
import socket
import time
from pathlib import Path
from typing import Any


class QmpError(Exception):
    """QEMU refused a command, or the connection broke."""


class Qmp:
    """One connection; commands are answered in order, events are kept."""

    def __init__(self, path: Path, timeout: float) -> None:
        self._socket = _connect(path, timeout)
        self._stream = self._socket.makefile("rwb")
        self.events: list[dict[str, Any]] = []
        self._receive()  # the greeting
        self.command("qmp_capabilities")

    def command(self, name: str, **arguments: Any) -> Any:
        """Executes a command."""
        message: dict[str, Any] = {"execute": name}
        if arguments:
            message["arguments"] = arguments
        self._stream.write(json.dumps(message).encode() + b"\n")
        self._stream.flush()
        while True:
            answer = self._receive()
            if "event" in answer:
                self.events.append(answer)
            elif "error" in answer:
                raise QmpError(f"{name}: {answer['error'].get('desc', answer['error'])}")
            else:
                return answer.get("return")

    def wait_event(self, name: str) -> dict[str, Any]:
        """The next event of that name, also one that came earlier."""
        for event in self.events:
            if event["event"] == name:
                self.events.remove(event)
                return event
        while True:
            answer = self._receive()
            if answer.get("event") == name:
                return answer
            self.events.append(answer)

    def close(self) -> None:
        """Ends the connection; QEMU goes on."""
        self._stream.close()
        self._socket.close()

    def _receive(self) -> dict[str, Any]:
        try:
            line = self._stream.readline()
        except TimeoutError as error:
            raise QmpError("QEMU did not answer in time") from error
        if not line:
            raise QmpError("QEMU closed its control socket")
        message: dict[str, Any] = json.loads(line)
        return message


def _connect(path: Path, timeout: float) -> socket.socket:
    """QEMU makes the socket some time after it was started."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(timeout)
    end = time.monotonic() + timeout
    while True:
        try:
            connection.connect(str(path))
            return connection
        except (FileNotFoundError, ConnectionRefusedError) as error:
            if time.monotonic() > end:
                raise QmpError(f"no control socket at {path}") from error
            time.sleep(0.05)
