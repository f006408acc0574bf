"""Proxies of the distribution on 127.0.0.1, each with a log of what went through it."""

from __future__ import annotations

import shlex
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

from eatr import wait_for
from http_double import Tls
from ports import Port

LOGIN = ("jane", "Proxy-Passw0rd-51c2")


class DistributionProxy:
    """A proxy program that runs from start() to stop(), as often as one likes, on the same port."""

    def __init__(self, name: str, scheme: str, directory: Path, *, login: bool = False) -> None:
        self.name, self.scheme, self.login = name, scheme, login
        self._port = Port()
        self.port = self._port.number
        self.directory = directory / f"{name}-{self.port}"
        self.directory.mkdir(parents=True)
        self.log = self.directory / "log"
        self.command: list[str | Path] = []
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """As proxy-url and HTTPS_PROXY have it."""
        login = ":".join(LOGIN) + "@" if self.login else ""
        return f"{self.scheme}://{login}127.0.0.1:{self.port}"

    def start(self) -> None:
        """Returns when it takes connections."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "--", *self.command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.directory,
                env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
            )
        wait_for(self._listens, 10, f"{self.name} takes connections")

    def stop(self) -> None:
        """Ends it and every connection through it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def __enter__(self) -> DistributionProxy:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._port.close()

    def went_through(self, target: str) -> int:
        """How many connections to HOST:PORT are in the log."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return sum(f"CONNECT {target}" in line or f"connected to {target}" in line for line in lines)

    def _listens(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, f"{shlex.join(map(str, self.command))}: {self.log.read_text()}"
        try:
            socket.create_connection(("127.0.0.1", self.port)).close()
        except ConnectionRefusedError:
            return False
        return True


def tinyproxy(directory: Path, *, login: bool = False, upstream: str = "") -> DistributionProxy:
    """An HTTP proxy; `upstream` is HOST:PORT of another one, which it asks for names in .example."""
    one = DistributionProxy("tinyproxy", "http", directory, login=login)
    lines = [f"Port {one.port}", "Listen 127.0.0.1", "Allow 127.0.0.1", "LogLevel Connect", "MaxClients 50"]
    lines += [f"BasicAuth {' '.join(LOGIN)}"] if login else []
    lines += [f'upstream http {upstream} ".example"'] if upstream else []
    (one.directory / "tinyproxy.conf").write_text("\n".join(lines) + "\n", encoding="utf-8")
    one.command = ["tinyproxy", "-d", "-c", one.directory / "tinyproxy.conf"]
    return one


class Stunnel(DistributionProxy):
    """An HTTPS proxy: stunnel before tinyproxy, whose log counts."""

    def __init__(self, directory: Path, tls: Tls, *, login: bool = False) -> None:
        super().__init__("stunnel", "https", directory, login=login)
        self.behind = tinyproxy(directory, login=login)
        lines = ["foreground = yes", "pid =", "debug = notice", "[proxy]", f"accept = 127.0.0.1:{self.port}"]
        lines += [f"connect = 127.0.0.1:{self.behind.port}", f"cert = {tls.cert}", f"key = {tls.key}"]
        (self.directory / "stunnel.conf").write_text("\n".join(lines) + "\n", encoding="utf-8")
        self.command = ["stunnel4", self.directory / "stunnel.conf"]

    def start(self) -> None:
        """Starts both."""
        self.behind.start()
        super().start()

    def stop(self) -> None:
        """Ends both."""
        super().stop()
        self.behind.stop()

    def went_through(self, target: str) -> int:
        """How many connections to HOST:PORT are in tinyproxy's log, which only stunnel uses."""
        return self.behind.went_through(target)


def microsocks(directory: Path, *, login: bool = False) -> DistributionProxy:
    """A SOCKS5 proxy."""
    one = DistributionProxy("microsocks", "socks5", directory, login=login)
    user, password = LOGIN
    one.command = ["microsocks", "-i", "127.0.0.1", "-p", str(one.port)]
    one.command += ["-u", user, "-P", password] if login else []
    return one


KINDS: dict[str, Callable[[Path, Tls], DistributionProxy]] = {
    "http": lambda directory, _: tinyproxy(directory),
    "http with a login": lambda directory, _: tinyproxy(directory, login=True),
    "https": lambda directory, tls: Stunnel(directory, tls),
    "https with a login": lambda directory, tls: Stunnel(directory, tls, login=True),
    "socks5": lambda directory, _: microsocks(directory),
    "socks5 with a login": lambda directory, _: microsocks(directory, login=True),
}
