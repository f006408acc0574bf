"""The service manager's end of NOTIFY_SOCKET: what was said and when, and the descriptor store."""

from __future__ import annotations

import os
import socket
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

Stored = list[tuple[str, int]]
"""(FDNAME, descriptor)"""

_MAX_FDS = 64
_LISTEN = """
import fcntl, os, sys
fds = [fcntl.fcntl(int(fd), fcntl.F_DUPFD, 100) for fd in sys.argv[1].split(",")]
for place, fd in enumerate(fds, 3):
    os.dup2(fd, place)
os.closerange(3 + len(fds), 1024)
os.environ["LISTEN_PID"] = str(os.getpid())
os.execvp(sys.argv[2], sys.argv[2:])
"""


@dataclass(frozen=True)
class Message:
    """One datagram: its fields, such as READY or STATUS, and when it came (time.monotonic())."""

    time: float
    fields: dict[str, str] = field(default_factory=dict)


class NotifySocket:
    """Collects notifications in a thread; `changed` is notified of each."""

    def __init__(self, changed: threading.Condition, path: Path | None = None) -> None:
        """Binds at the path, or (None) in the abstract namespace."""
        self.messages: list[Message] = []
        self.fdstore: Stored = []  # kept as systemd does
        self._changed = changed
        self._drained: set[str] = set()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path) if path else "")  # "": the kernel chooses an abstract name
        name = self._socket.getsockname()
        self.address = name if isinstance(name, str) else "@" + name[1:].decode()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stops reading and closes the stored descriptors."""
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._socket.close()
        self.clear_fdstore()

    def drain(self) -> None:
        """Waits until everything that was sent so far is in `messages`."""
        mark = f"DRAIN-{time.monotonic_ns()}"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.sendto(f"{mark}=".encode(), self._socket.getsockname())
        with self._changed:
            self._changed.wait_for(lambda: mark in self._drained, 5)

    def clear_fdstore(self) -> None:
        """Forgets all stored descriptors, as when the unit is stopped for good."""
        for _, fd in self.fdstore:
            os.close(fd)
        self.fdstore.clear()

    def _read(self) -> None:
        while True:
            data, fds, _, _ = socket.recv_fds(self._socket, 1 << 16, _MAX_FDS, socket.MSG_CMSG_CLOEXEC)
            if not data:
                return
            lines = [line.partition("=") for line in data.decode(errors="replace").splitlines()]
            fields = {name: value for name, equals, value in lines if equals}
            with self._changed:
                if data.startswith(b"DRAIN-"):
                    self._drained |= fields.keys()
                    self._changed.notify_all()
                    continue
                self._store(fields, fds)
                self.messages.append(Message(time.monotonic(), fields))
                self._changed.notify_all()

    def _store(self, fields: dict[str, str], fds: list[int]) -> None:
        name = fields.get("FDNAME", "stored")
        if fields.get("FDSTOREREMOVE") == "1":
            for known in [entry for entry in self.fdstore if entry[0] == name]:
                self.fdstore.remove(known)
                os.close(known[1])
        if fields.get("FDSTORE") == "1":
            self.fdstore += [(name, fd) for fd in fds]
        else:
            for fd in fds:  # BARRIER=1: the sender waits until this is closed
                os.close(fd)


def listen_environment(stored: Stored) -> dict[str, str]:
    """What tells a process of the descriptors that it is started with, but for LISTEN_PID."""
    return {"LISTEN_FDS": str(len(stored)), "LISTEN_FDNAMES": ":".join(name for name, _ in stored)}


def listen_command(stored: Stored) -> list[str]:
    """A prefix of argv that puts the descriptors from 3 on, sets LISTEN_PID and becomes the rest of argv."""
    return ["/usr/bin/python3", "-ISc", _LISTEN, ",".join(str(fd) for _, fd in stored)]
