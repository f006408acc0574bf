"""A machine with a real systemd: a container of systemd-nspawn over an overlay of this machine's own root.

    with Machine(folder, "deb") as machine:
        machine.run("systemctl", "start", "eatr").check()

Nothing is written to this machine's root. Every mount is made in a mount namespace that ends with the
container, and the container ends with the thread that booted it. Its network is a loopback of its own, on
which a Relay lets it reach a server of this side at the address that it has on this side.
"""

from __future__ import annotations

import contextlib
import ctypes
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from eatr import SCALE, wait_for

T = TypeVar("T")
Entry = dict[str, Any]
"""One entry of the journal: field -> value."""

ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "TERM": "dumb"}
NEEDED = ("systemd-nspawn", "nsenter", "unshare", "setpriv", "mount")
CLONE_NEWNET = 0x40000000

# What of this machine's would get into the way: timers that may take dpkg's lock, and waiting for a network.
MASKED = ("timers.target", "systemd-networkd-wait-online.service", "ifupdown-wait-online.service")

# $1 is a folder: its overlay of / is booted, its `upper` holds what the machine wrote; $2 is the machine's
# name. # Development files of eatr are taken away first, and what keeps packages in images from starting
# services, from having manual pages, or (man-db) makes them slow.
BOOT = """
set -eu
folder=$1 name=$2
shift 2
mount -t tmpfs -o mode=0755 tmpfs "$folder"
mkdir "$folder/upper" "$folder/work" "$folder/root"
mount -t overlay -o "lowerdir=/,upperdir=$folder/upper,workdir=$folder/work" overlay "$folder/root"
mkdir -p /run/systemd
mount -t tmpfs tmpfs /run/systemd
cd "$folder/root"
rm -f etc/machine-id
install -m 0444 /dev/null etc/machine-id
rm -rf usr/bin/eatr usr/local/bin/eatr usr/local/sbin/eatr usr/lib/sysusers.d/eatr.conf \\
        lib/systemd/system/eatr*.service usr/lib/systemd/system/eatr*.service etc/systemd/system/eatr* \\
        usr/local/lib/systemd/system/eatr* etc/systemd/system/*.wants/eatr* etc/eatr usr/local/etc/eatr \\
        usr/share/doc/eatr
sed -i '/^eatr:/d' etc/passwd etc/group etc/shadow etc/gshadow
sed -i '/^path-exclude/d' etc/dpkg/dpkg.cfg etc/dpkg/dpkg.cfg.d/* 2>/dev/null || :
rm -f usr/sbin/policy-rc.d var/lib/man-db/auto-update
cd /
exec systemd-nspawn --quiet --directory="$folder/root" --machine="$name" --boot --register=no --keep-unit \\
        --private-network --console=pipe --kill-signal=SIGRTMIN+4 --link-journal=no --resolv-conf=off \\
        --timezone=off --system-call-filter=bpf --capability=CAP_BPF,CAP_NET_ADMIN,CAP_PERFMON "$@"
"""

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Result:
    """What a command in the machine came to."""

    command: str
    rc: int
    stdout: str
    stderr: str
    seconds: float

    def check(self) -> str:
        """Its standard output, with no line end at the end; an AssertionError if it failed."""
        assert self.rc == 0, f"{self.command}: exit status {self.rc}\n{self.stdout}{self.stderr}"
        return self.stdout.rstrip("\n")


def find_obstacle(needed: Iterable[str] = NEEDED) -> str | None:
    """Why no machine can be booted here with these programs, None if nothing is in the way."""
    if os.geteuid() != 0:
        return "only root can boot a machine"
    missing = [program for program in needed if shutil.which(program, path=ENVIRONMENT["PATH"]) is None]
    if missing:
        return f"to boot a machine needs {', '.join(missing)}"
    script = (
        'mount -t tmpfs tmpfs "$0" && mkdir "$0/u" "$0/w" "$0/r" &&'
        ' mount -t overlay -o "lowerdir=/,upperdir=$0/u,workdir=$0/w" overlay "$0/r"'
    )
    with tempfile.TemporaryDirectory() as folder:
        command = ["unshare", "--mount", "--propagation", "private", "--", "sh", "-c", script, folder]
        tried = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True)
    return f"an overlay of / cannot be mounted: {tried.stderr.strip()}" if tried.returncode else None


class Machine:
    """A booted container; made by __enter__ or boot(), gone after __exit__ or close()."""

    def __init__(self, directory: Path, name: str) -> None:
        """Boots nothing yet; the console's log goes to `directory`."""
        self.directory = directory
        self.name = f"eatr-{name}-{os.getpid()}"
        self.console = directory / f"{name}-console.log"
        self.leader = 0  # its PID 1, as this side numbers it
        self.relays: list[Relay] = []
        self._root = directory / f"{name}-machine"
        self._process: subprocess.Popen[bytes] | None = None
        self._cgroups: list[Path] = []

    def __enter__(self) -> Machine:
        """Boots."""
        self.boot()
        return self

    def __exit__(self, *_: object) -> None:
        """Powers off."""
        self.close()

    # Booting ---------------------------------------------------------------------------------------------

    def boot(self) -> None:
        """Boots, and returns when systemd has started what belongs to basic.target."""
        self._root.mkdir(parents=True)
        own = list(own_cgroups())
        for folder in own:
            remove_stale(folder)
        self._cgroups = [folder / self.name for folder in own]
        for cgroup in self._cgroups:
            cgroup.mkdir()
        arguments = ["systemd.unit=basic.target", "systemd.show_status=yes"]
        arguments += [f"systemd.mask={unit}" for unit in MASKED]
        command = ["setpriv", "--pdeathsig", "KILL", "--", "unshare", "--mount", "--propagation", "private"]
        command += ["--", "sh", "-c", BOOT, "boot", str(self._root), self.name, *arguments]
        environment = {**ENVIRONMENT, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"}
        try:
            with self.console.open("wb") as console:
                self._process = subprocess.Popen(
                    command,
                    cwd="/",
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=console,
                    stderr=console,
                    start_new_session=True,
                    preexec_fn=self._enter_cgroups,
                )
            self.wait(lambda: self._find_leader() and self._is_up(), 60, "systemd is up")
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Powers off, or kills what does not, and takes away all that this machine has on this side."""
        for relay in self.relays:
            relay.close()
        self.relays.clear()
        process, self._process = self._process, None
        if process is not None and process.poll() is None:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(20 * SCALE)
        for cgroup in self._cgroups:
            kill_cgroup(cgroup)
        if process is not None:
            process.wait()
        shutil.rmtree(self._root, ignore_errors=True)

    def _enter_cgroups(self) -> None:
        """Enters cgroups of its own, as nspawn puts all containers of a cgroup into one; for the child."""
        for cgroup in self._cgroups:
            (cgroup / "cgroup.procs").write_text("0")

    def _find_leader(self) -> bool:
        """Looks for the container's PID 1: the child of nspawn that runs systemd."""
        assert self._process is not None
        if self._process.poll() is not None:
            raise AssertionError(f"nspawn ended with {self._process.returncode}")
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        for child in children.read_text().split():
            with contextlib.suppress(OSError):
                if Path(f"/proc/{child}/comm").read_text() == "systemd\n":
                    self.leader = int(child)
                    return True
        return False

    def _is_up(self) -> bool:
        return self.run("systemctl", "is-system-running").stdout.strip() in ("running", "degraded")

    # Running ---------------------------------------------------------------------------------------------

    def run(self, *argv: str, stdin: bytes = b"", timeout: float = 60) -> Result:
        """Runs a command in the machine as root."""
        namespaces = ("--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup")
        begun = time.monotonic()
        done = subprocess.run(
            ["nsenter", f"--target={self.leader}", *namespaces, "--", *argv],
            env={**ENVIRONMENT, "HOME": "/root"},
            cwd="/",
            input=stdin,
            capture_output=True,
            timeout=timeout * SCALE,
        )
        seconds = time.monotonic() - begun
        out, err = done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
        return Result(" ".join(argv), done.returncode, out, err, seconds)

    def do(self, *argv: str, stdin: bytes = b"") -> str:
        """Runs a command that has to succeed; returns what it printed."""
        return self.run(*argv, stdin=stdin).check()

    def put(self, path: str, content: str | bytes, mode: int = 0o644, group: str = "root") -> str:
        """Writes a file in the machine, in place of the one that may be there; returns its path."""
        data = content.encode() if isinstance(content, str) else content
        self.do("install", "-D", f"--mode={mode:04o}", f"--group={group}", "/dev/stdin", path, stdin=data)
        return path

    def read(self, path: str) -> str:
        """What is in a file of the machine."""
        return self.run("cat", path).check()

    def exists(self, path: str) -> bool:
        """Whether there is such a file in the machine."""
        return self.run("test", "-e", path).rc == 0

    def changed_files(self) -> set[str]:
        """What in the machine is not as it is in this machine's root: files, links, and new folders."""
        assert self._process is not None
        upper = Path(f"/proc/{self._process.pid}/root{self._root}/upper")
        changed = set()
        for folder, folders, files in os.walk(upper):
            below = Path(folder).relative_to(upper)
            changed |= {f"/{below / name}" for name in files}
            changed |= {f"/{below / name}" for name in folders if not Path("/", below, name).exists()}
        return changed

    # Looking ---------------------------------------------------------------------------------------------

    def show(self, unit: str, *properties: str) -> dict[str, str]:
        """Properties of a unit, or all of them."""
        chosen = [f"--property={','.join(properties)}"] if properties else []
        lines = self.do("systemctl", "show", unit, *chosen).splitlines()
        return {name: value for name, _, value in (line.partition("=") for line in lines)}

    def property(self, unit: str, name: str) -> str:
        """One property of a unit."""
        return self.show(unit, name)[name]

    def main_pid(self, unit: str) -> int:
        """The process id of a service's main process, as the machine numbers it; 0 if there is none."""
        return int(self.property(unit, "MainPID"))

    def cursor(self) -> str:
        """Where the journal ends now, for journal(cursor)."""
        self.do("journalctl", "--sync")
        return self.do("journalctl", "--lines=0", "--show-cursor").rpartition("-- cursor: ")[2]

    def journal(self, cursor: str = "", *matches: str) -> list[Entry]:
        """The entries since the cursor, oldest first; a match is like `--unit=eatr` or FIELD=VALUE."""
        self.do("journalctl", "--sync")
        # --after-cursor leaves out one more where the entry of the cursor does not match
        since = [f"--cursor={cursor}"] if cursor else []
        command = ("journalctl", "--quiet", "--output=json", "--all", "--no-pager", *since, *matches)
        entries: list[Entry] = [json.loads(line) for line in self.do(*command).splitlines()]
        return [entry for entry in entries if entry["__CURSOR"] != cursor]

    def wait(self, condition: Callable[[], T], timeout: float, what: str) -> T:
        """Waits until something is true; an AssertionError that shows the console if it never is."""
        try:
            return wait_for(condition, timeout, what)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.console_tail()}") from None

    def console_tail(self, lines: int = 30) -> str:
        """The last lines of the console."""
        text = self.console.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join([f"-- console of {self.name}:", *text[-lines:]])

    # Network ---------------------------------------------------------------------------------------------

    def relay(self, port: int) -> Relay:
        """Lets the machine reach a server of this side on 127.0.0.1."""
        relay = Relay(port, self.socket)
        self.relays.append(relay)
        return relay

    def socket(self) -> socket.socket:
        """A TCP socket of the machine's network."""
        return socket_of(self.leader)

    def get(self, port: int, path: str) -> tuple[int, str]:
        """GETs a path of an HTTP server on the machine's 127.0.0.1: the status and the body."""
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5 * SCALE)
        with contextlib.closing(connection):
            connection.sock = self.socket()
            connection.sock.connect(("127.0.0.1", port))
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()

    def listens(self, port: int) -> bool:
        """Whether a server of the machine listens on a port of 127.0.0.1."""
        rows = [line.split() for line in self.read("/proc/net/tcp").splitlines()[1:]]
        return any(row[1] == f"0100007F:{port:04X}" and row[3] == "0A" for row in rows)

    def connects(self, port: int) -> bool:
        """Whether a connection to a port of 127.0.0.1 comes about, within a second."""
        with self.socket() as client, contextlib.suppress(OSError):
            client.settimeout(1)
            client.connect(("127.0.0.1", port))
            return True
        return False


def socket_of(pid: int) -> socket.socket:
    """A TCP socket of the network that a process is in."""
    made: list[socket.socket] = []

    def make() -> None:
        with open(f"/proc/{pid}/ns/net", "rb") as network:
            if _libc.setns(network.fileno(), CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), "setns")
        made.append(socket.socket(socket.AF_INET, socket.SOCK_STREAM))

    thread = threading.Thread(target=make)
    thread.start()  # setns() is about the thread that calls it
    thread.join()
    return made[0]


class Relay:
    """Listens in a machine, on 127.0.0.1 and the same port unless told otherwise, and connects each client
    to a port of 127.0.0.1 here."""

    def __init__(
        self,
        port: int,
        make_socket: Callable[[], socket.socket],
        there: tuple[str, int] | None = None,
        make_client: Callable[[], socket.socket] = socket.socket,
    ) -> None:
        """Begins. The other way round, `make_socket` makes sockets of here and `make_client` of there."""
        self.port = port
        self._make_client = make_client
        self._ends: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._listening = make_socket()
        self._listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listening.bind(there or ("127.0.0.1", port))
        self._listening.listen(128)
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Ends every connection, and refuses more."""
        with self._lock:
            ends = [self._listening, *self._ends]
        for end in ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                client, _ = self._listening.accept()
                threading.Thread(target=self._connect, args=(client,), daemon=True).start()

    def _connect(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError), self._make_client() as server:
            server.connect(("127.0.0.1", self.port))
            with self._lock:
                self._ends |= {client, server}
            for end in (client, server):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            back = threading.Thread(target=_copy, args=(server, client), daemon=True)
            back.start()
            _copy(client, server)
            back.join()
            with self._lock:
                self._ends -= {client, server}


def _copy(source: socket.socket, target: socket.socket) -> None:
    """Passes on what comes in until the end, and then the end."""
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    for end in (source, target):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


# cgroups ------------------------------------------------------------------------------------------------


def own_cgroups() -> Iterator[Path]:
    """The cgroups of this process in the hierarchies that systemd may use: that of version 2, and its own."""
    paths = {}
    for line in Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines():
        _, name, path = line.split(":", 2)
        paths[name] = path.lstrip("/")
    for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines():
        mount, _, kind = line.partition(" - ")
        where, (kind, _, options) = Path(mount.split()[4]), kind.split()
        name = "name=systemd" if "name=systemd" in options.split(",") else ""
        if (kind == "cgroup2" or name) and name in paths:
            yield where / paths[name]


def remove_stale(cgroup: Path) -> None:
    """Takes away the cgroups of machines whose tests were killed, and whose processes died with them."""
    for stale in cgroup.glob("eatr-*-*"):
        if not Path("/proc", stale.name.rpartition("-")[2]).exists():
            kill_cgroup(stale)


def kill_cgroup(cgroup: Path) -> None:
    """Kills what is left in a cgroup, and takes it away with all below it."""
    if not cgroup.exists():
        return
    with contextlib.suppress(OSError):  # version 2 only
        (cgroup / "cgroup.kill").write_text("1")

    def remove() -> bool:
        for folder, _, _ in os.walk(cgroup, topdown=False):
            for pid in (Path(folder) / "cgroup.procs").read_text().split():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)
            with contextlib.suppress(OSError):
                os.rmdir(folder)
        return not cgroup.exists()

    wait_for(remove, 20, f"{cgroup} is empty")

