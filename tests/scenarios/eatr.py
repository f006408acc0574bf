"""Runs the eatr binary under test, as systemd would, and waits for what it says.

The binary is $EATR, else `eatr` in the build folder (the working directory) or in the repository.
$EATR_WRAPPER, for instance "valgrind --leak-check=full", is put in front of it, and $EATR_TIMEOUT_SCALE
multiplies every timeout.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import shlex
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import IO, TypeVar

from leaks import find_leaks
from notify import Message, NotifySocket, listen_command, listen_environment
from ports import Port

T = TypeVar("T")
Config = Mapping[str, Mapping[str, object]]
"""Section -> key -> value; a list becomes continuation lines, a bool yes or no, and None is left out."""
Changes = Mapping[str, "Mapping[str, object] | None"]
"""What to add or to replace in a Config; None takes a key or a section away."""

REPOSITORY = Path(__file__).resolve().parents[2]
WRAPPER = shlex.split(os.environ.get("EATR_WRAPPER", ""))
SCALE = float(os.environ.get("EATR_TIMEOUT_SCALE") or (8 if WRAPPER else 1))
PASSED_ON = (
    "ASAN_OPTIONS",
    "LSAN_OPTIONS",
    "UBSAN_OPTIONS",
    "TSAN_OPTIONS",
    "GCOV_PREFIX",
    "LLVM_PROFILE_FILE",
)
_SAMPLE = re.compile(r"([a-zA-Z_:][\w:]*(?:\{.*\})?)\s+(\S+)(?:\s+-?\d+)?")


def merged(config: Config, changes: Changes) -> dict[str, dict[str, object]]:
    """The configuration after the changes."""
    result = {
        section: dict(keys) for section, keys in config.items() if changes.get(section, {}) is not None
    }
    for section, keys in changes.items():
        if keys is not None:
            result[section] = {**result.get(section, {}), **keys}
    return result


def to_ini(config: Config) -> str:
    """The text of a configuration file."""
    lines: list[str] = []
    for section, keys in config.items():
        lines.append(f"[{section}]")
        lines += [f"{key} = {_value(value)}" for key, value in keys.items() if value is not None]
    return "\n".join(lines) + "\n"


class Line(str):
    """A line of output and when it came (time.monotonic())."""

    time: float

    def __new__(cls, text: str, when: float) -> Line:
        """Keeps the time beside the text."""
        line = super().__new__(cls, text)
        line.time = when
        return line


def wait_for(predicate: Callable[[], T], timeout: float = 10, what: str = "") -> T:
    """Asks every 10 ms until the predicate is true, and returns what it said."""
    end = time.monotonic() + timeout * SCALE
    while not (value := predicate()):
        if time.monotonic() > end:
            raise AssertionError(f"not within {timeout * SCALE:g} s: {what or predicate}")
        time.sleep(0.01)
    return value


def find_binary() -> Path:
    """The eatr under test."""
    named = os.environ.get("EATR")
    places = [Path(named)] if named else [Path("eatr"), REPOSITORY / "eatr", REPOSITORY / "src" / "eatr"]
    for place in places:
        if place.is_file() and os.access(place, os.X_OK):
            return place.resolve()
    raise AssertionError(f"no eatr to test: build it or set EATR (looked at {', '.join(map(str, places))})")


class Eatr:
    """One eatr with its own folder, configuration, metrics port and NOTIFY_SOCKET; may start many times.

    `log` and `out` hold the lines of stderr and stdout, `notify.messages` what was notified, all since the
    first start; the wait_ methods look at what came since the last start(), or since `since`
    (time.monotonic()). The kernel kills eatr when the thread that called start() ends.
    """

    def __init__(self, directory: Path, *, binary: Path | None = None, prefix: Iterable[str] = ()) -> None:
        """`prefix` is a command that runs it elsewhere, such as in another network."""
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self.prefix = list(prefix)
        self.binary = binary or find_binary()
        self.config_path = directory / "eatr.conf"
        self.config: Config = {}  # what write_config() was last given
        self._port = Port()
        self.metrics_port = self._port.number
        self.log: list[Line] = []
        self.out: list[Line] = []
        self.bodies: list[str] = []  # what get() and metrics() were answered
        self.secrets: list[str] = []  # what must not show up anywhere, for find_leaks()
        self.process: subprocess.Popen[bytes] | None = None
        self.code: int | None = None  # the exit status; negative: the signal
        self.started = 0.0
        self.changed = threading.Condition()
        # An abstract name is known in this network only.
        self.notify = NotifySocket(self.changed, directory / "notify" if self.prefix else None)

    # Set-up ----------------------------------------------------------------------------------------------

    def write_config(self, config: Config | str, path: Path | None = None, mode: int = 0o640) -> Path:
        """Writes eatr.conf, or another file; a string is written as it is.

        [metrics] listen is filled in, and [aws] verify: the hosts of a double's tokens are amazonaws.com's.
        """
        path = path or self.config_path
        if not isinstance(config, str):
            self.config = config
            listen = f"127.0.0.1:{self.metrics_port}"
            config = {**config, "metrics": {"listen": listen, **config.get("metrics", {})}}
            if "aws" in config:
                config["aws"] = {"verify": False, **config["aws"]}
            config = to_ini(config)
        new = path.with_name(path.name + ".new")  # renamed into place: a reload never sees half of it
        new.write_text(config, encoding="utf-8")
        new.chmod(mode)
        new.rename(path)
        return path

    def change_config(self, changes: Changes) -> Path:
        """Writes eatr.conf with changes; eatr reads it at the next start or SIGHUP."""
        return self.write_config(merged(self.config, changes))

    def start(
        self,
        *argv: str,
        env: Mapping[str, str] | None = None,
        watchdog: float | None = None,
        config: bool = True,
    ) -> Eatr:
        """Starts `eatr --config FILE ARGV...` (config=False: without --config) in a clean environment.

        `watchdog` sets WATCHDOG_USEC, in seconds. Descriptors that an earlier run stored are passed on.
        """
        assert self.process is None or self.code is not None, "already running"
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(self.directory), "TZ": "UTC"}
        environment |= {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        environment["NOTIFY_SOCKET"] = self.notify.address
        if watchdog is not None:
            environment["WATCHDOG_USEC"] = str(int(watchdog * 1e6))
        command = ["setpriv", "--pdeathsig", "KILL", "--", *self.prefix]
        stored = self.notify.fdstore
        if stored:
            environment |= listen_environment(stored)
            command += listen_command(stored)
        command += [*WRAPPER, str(self.binary)]
        command += ["--config", str(self.config_path)] if config else []
        self.code = None
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            [*command, *argv],
            env={**environment, **(env or {})},
            cwd=self.directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=[fd for _, fd in stored],
        )
        threading.Thread(target=self._reap, args=(self.process,), daemon=True).start()
        return self

    def run(
        self, *argv: str, timeout: float = 30, env: Mapping[str, str] | None = None, config: bool = True
    ) -> int:
        """Runs a command, such as `once` or `check`, to its end; its output is in `out` and `log`."""
        return self.start(*argv, env=env, config=config).wait_exit(timeout)

    # Waiting ---------------------------------------------------------------------------------------------

    def wait_ready(self, timeout: float = 35) -> Message:
        """Waits for READY=1."""
        return self.wait_notify("READY", "1", timeout)

    def wait_status(self, regex: str, timeout: float = 10, since: float | None = None) -> Message:
        """Waits for a STATUS in which the regex is found."""
        return self.wait_notify("STATUS", regex, timeout, since)

    def wait_notify(
        self, field: str, regex: str = "", timeout: float = 10, since: float | None = None
    ) -> Message:
        """Waits for a notification of any field: WATCHDOG, RELOADING, STOPPING..."""
        return self._wait(
            lambda: next(
                (m for m in self.messages(field, since) if re.search(regex, m.fields[field])), None
            ),
            timeout,
            f"{field} with /{regex}/ was not notified",
        )

    def wait_log(self, regex: str, timeout: float = 10, since: float | None = None) -> Line:
        """Waits for a line on stderr in which the regex is found."""
        start = self.started if since is None else since
        return self._wait(
            lambda: next((line for line in self.log if line.time >= start and re.search(regex, line)), None),
            timeout,
            f"no line with /{regex}/ was logged",
        )

    def wait_metric(
        self, name: str, predicate: Callable[[float], bool] | float, timeout: float = 10
    ) -> dict[str, float]:
        """Waits until a sample (its name with its labels) has this value or pleases; returns all samples."""

        def agrees() -> dict[str, float]:
            self._must_run(f"waiting for the metric {name}")
            with contextlib.suppress(OSError, http.client.HTTPException):
                value = (samples := self.metrics()).get(name)
                if value is not None and (predicate(value) if callable(predicate) else value == predicate):
                    return samples
            return {}

        try:
            return wait_for(agrees, timeout)
        except AssertionError as error:
            raise self.failure(f"metric {name}: {error}") from None

    def wait_exit(self, timeout: float = 10) -> int:
        """Waits for the end; returns the exit status, or the signal as a negative number."""
        with self.changed:
            self.changed.wait_for(lambda: self.code is not None, timeout * SCALE)
            if self.code is None:
                raise self.failure(f"still running after {timeout * SCALE:g} s")
            return self.code

    def stop(self, timeout: float = 10, code: int | None = 0) -> int:
        """As `systemctl stop`: sends SIGTERM, waits for the end and forgets the stored descriptors.

        The exit status must be `code`, unless that is None.
        """
        got = self._end(timeout, code)
        self.notify.clear_fdstore()
        return got

    def restart(self, *argv: str, timeout: float = 10) -> Eatr:
        """As `systemctl restart`, which keeps the stored descriptors."""
        self._end(timeout, 0)
        return self.start(*argv)

    def _end(self, timeout: float, code: int | None) -> int:
        self.signal(signal.SIGTERM)
        got = self.wait_exit(timeout)
        if code is not None and got != code:
            raise self.failure(f"exit status {got} after SIGTERM")
        return got

    def signal(self, number: int) -> None:
        """Sends a signal."""
        self._must_run("sending a signal")
        assert self.process is not None
        self.process.send_signal(number)

    def _wait(self, find: Callable[[], T | None], timeout: float, what: str) -> T:
        with self.changed:
            self.changed.wait_for(lambda: find() is not None or self.code is not None, timeout * SCALE)
            found = find()
        if found is None:
            ended = "" if self.code is None else f" before the exit with {self.code}"
            raise self.failure(f"{what}{ended or f' within {timeout * SCALE:g} s'}")
        return found

    def _must_run(self, what: str) -> None:
        if self.process is None or self.code is not None:
            raise self.failure(f"{what}, but eatr is not running (exit status {self.code})")

    # Looking ---------------------------------------------------------------------------------------------

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self.process is not None and self.code is None

    @property
    def pid(self) -> int:
        """The process id of the last start."""
        assert self.process is not None
        return self.process.pid

    @property
    def status(self) -> str:
        """The last STATUS."""
        found = self.messages("STATUS")
        return found[-1].fields["STATUS"] if found else ""

    def messages(self, field: str, since: float | None = None) -> list[Message]:
        """The notifications with this field since the last start, or since then."""
        start = self.started if since is None else since
        return [m for m in list(self.notify.messages) if field in m.fields and m.time >= start]

    def get(self, path: str, timeout: float = 5) -> tuple[int, str]:
        """GETs a path of eatr's own HTTP server."""
        connection = http.client.HTTPConnection("127.0.0.1", self.metrics_port, timeout=timeout * SCALE)
        with contextlib.closing(connection):
            connection.request("GET", path)
            answer = connection.getresponse()
            body = answer.read().decode()
        self.bodies.append(body)
        return answer.status, body

    def metrics(self) -> dict[str, float]:
        """/metrics: name with labels -> value."""
        status, body = self.get("/metrics")
        assert status == 200, f"/metrics: status {status}"
        samples = [_SAMPLE.fullmatch(line) for line in body.splitlines() if line and line[0] != "#"]
        assert all(samples), f"/metrics has a malformed line:\n{body}"
        return {sample[1]: float(sample[2]) for sample in samples if sample}

    def rss_kb(self) -> int:
        """The resident memory, in kB."""
        status = Path(f"/proc/{self.pid}/status").read_text(encoding="utf-8")
        return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS:")))

    def find_leaks(self, secrets: Iterable[str] = ()) -> list[str]:
        """Says where these secrets, or those in `self.secrets`, showed up."""
        told = [str(message.fields) for message in list(self.notify.messages)]
        places: dict[str, Iterable[str]] = {"the log": self.log, "stdout": self.out}
        places |= {"a notification": told, "its HTTP": self.bodies}
        texts = {place: "\n".join(lines) for place, lines in places.items()}
        return find_leaks([*self.secrets, *secrets], texts)

    def failure(self, what: str) -> AssertionError:
        """An AssertionError that shows the end of the log."""
        lines = [*self.out[-10:], *self.log[-40:]]
        return AssertionError(
            "\n".join([f"eatr: {what}", f"STATUS={self.status}", "-- end of output:", *lines])
        )

    def close(self) -> None:
        """Kills what still runs and lets go of everything."""
        if self.running and self.process is not None:
            self.process.kill()
            self.wait_exit()
        self.notify.close()
        self._port.close()

    # Threads ---------------------------------------------------------------------------------------------

    def _reap(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None and process.stderr is not None
        readers = [
            threading.Thread(target=self._read, args=(process.stdout, self.out, "eatr.out"), daemon=True),
            threading.Thread(target=self._read, args=(process.stderr, self.log, "eatr.log"), daemon=True),
        ]
        for reader in readers:
            reader.start()
        code = process.wait()
        for reader in readers:
            reader.join(1)  # a child of eatr may hold the pipe open
        self.notify.drain()
        with self.changed:
            self.code = code
            self.changed.notify_all()

    def _read(self, pipe: IO[bytes], lines: list[Line], name: str) -> None:
        with pipe, open(self.directory / name, "ab", buffering=0) as copy:
            for raw in pipe:
                copy.write(raw)
                with self.changed:
                    lines.append(Line(raw.decode(errors="replace").rstrip("\n"), time.monotonic()))
                    self.changed.notify_all()


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return "\n    ".join(map(str, value))
    return str(value)
