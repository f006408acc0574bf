"""A host in namespaces, with files and loopback addresses that are nobody else's, and no other network.

    with PrivateHost(folder) as host:
        host.put("/etc/eatr/eatr.conf", text)
        host.serve("api.ecr.eu-central-1.amazonaws.com", 443, port_here)
        subprocess.run([*host.prefix, "eatr", "--config", "/etc/eatr/eatr.conf", "once"])

/etc, /run and /usr/local may be written to: an overlay keeps it from this machine's own.
"""

from __future__ import annotations

import fcntl
import os
import socket
import struct
import subprocess
from pathlib import Path

from machine import ENVIRONMENT, Relay, find_obstacle, socket_of

NEEDED = ("mount", "nsenter", "setpriv", "unshare")
METADATA = "169.254.169.254"
TRUSTED = "/etc/ssl/certs/ca-certificates.crt"
SIOCSIFFLAGS, SIOCSIFADDR, SIOCSIFNETMASK = 0x8914, 0x8916, 0x891C
IFF_UP = 1

# $1 is a folder for what is written. What is mounted there goes away with the namespace.
SETUP = """
set -eu
mount -t tmpfs -o mode=0755 tmpfs "$1"
for folder in etc run usr/local; do
        own=$1/$folder
        mkdir -p "$own/upper" "$own/work"
        mount -t overlay -o "lowerdir=/$folder,upperdir=$own/upper,workdir=$own/work" overlay "/$folder"
done
rm -rf /etc/eatr
echo ops1 >/proc/sys/kernel/hostname
echo '127.0.0.1 localhost ops1' >/etc/hosts
echo ready
exec cat
"""


def why_not() -> str | None:
    """Why there can be none here, None if nothing is in the way."""
    return find_obstacle(NEEDED)


class PrivateHost:
    """See above. It is gone after close(), or with the thread that made it."""

    def __init__(self, directory: Path) -> None:
        """Begins, in an empty folder, or one that is to be made."""
        directory.mkdir(exist_ok=True)
        self._relays: list[Relay] = []
        self._names = 0
        command = ["setpriv", "--pdeathsig", "KILL", "--", "unshare", "--mount", "--net", "--uts"]
        command += ["--propagation", "private", "--", "sh", "-c", SETUP, "setup", str(directory)]
        self._process = subprocess.Popen(
            command, env=ENVIRONMENT, cwd="/", stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"ready\n", "no private host could be made"
        self._configure("lo", SIOCSIFFLAGS, struct.pack("h", IFF_UP))
        self._configure("lo:1", SIOCSIFADDR, _address(METADATA))
        self._configure("lo:1", SIOCSIFNETMASK, _address("255.255.255.255"))

    def __enter__(self) -> PrivateHost:
        """It began already."""
        return self

    def __exit__(self, *_: object) -> None:
        """Ends it."""
        self.close()

    def close(self) -> None:
        """Ends it, and with it what runs there no longer reaches anybody."""
        for relay in self._relays:
            relay.close()
        self._process.communicate()  # closes its standard input

    @property
    def prefix(self) -> list[str]:
        """What is put in front of a command for it to run there."""
        return ["nsenter", f"--target={self._process.pid}", "--mount", "--net", "--uts", "--"]

    def path(self, path: str) -> Path:
        """A file of the host, as it is called here."""
        return Path(f"/proc/{self._process.pid}/root{path}")

    def put(self, path: str, content: str | bytes, mode: int = 0o600) -> str:
        """Writes a file below /etc, /run or /usr/local, and makes its folder; returns its path there."""
        assert path.startswith(("/etc/", "/run/", "/usr/local/")), path
        here = self.path(path)
        here.parent.mkdir(parents=True, exist_ok=True)
        here.write_bytes(content.encode() if isinstance(content, str) else content)
        here.chmod(mode)
        return path

    def trust(self, certificates: bytes) -> None:
        """Puts these authorities, in PEM, in the place of those that the system trusts."""
        self.put(TRUSTED, certificates, 0o644)

    def serve(self, name: str, port: int, port_here: int) -> None:
        """Has a name that is new, or an IPv4 address of lo, lead to a server on 127.0.0.1 here."""
        address = name
        if not name.replace(".", "").isdigit():
            self._names += 1
            address = f"127.0.1.{self._names}"
            with self.path("/etc/hosts").open("a", encoding="utf-8") as hosts:
                hosts.write(f"{address} {name}\n")
        self._relays.append(Relay(port_here, lambda: socket_of(self._process.pid), (address, port)))

    def reach(self, port: int) -> None:
        """Has a port of 127.0.0.1 here, which nobody listens on, lead to the same one there."""
        self._relays.append(Relay(port, socket.socket, make_client=lambda: socket_of(self._process.pid)))

    def shell(self, commands: str, folder: Path, environment: dict[str, str]) -> None:
        """Runs lines as somebody types them in a folder of this machine; each has to succeed."""
        done = subprocess.run(
            [*self.prefix, "sh", "-eux", "-c", f'cd "$0"\n{commands}', str(folder)],
            env={"PATH": os.defpath, "HOME": str(folder), **environment},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, f"{commands}\n{done.stdout}{done.stderr}"

    def _configure(self, interface: str, request: int, value: bytes) -> None:
        with socket_of(self._process.pid) as there:
            fcntl.ioctl(there, request, struct.pack("16s24s", interface.encode(), value))


def _address(address: str) -> bytes:
    return struct.pack("HH4s", socket.AF_INET, 0, socket.inet_aton(address))
