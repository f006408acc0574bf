"""A terminal with one eatr on it, and somebody who types."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import threading
from pathlib import Path
from types import TracebackType

from eatr import Eatr, wait_for


class Terminal:
    """Runs `eatr --config FILE ARGV...` on a terminal of its own; `text` is what it showed so far."""

    def __init__(self, one: Eatr, *argv: str) -> None:
        self.text = ""
        self._master, slave = pty.openpty()
        environment = {"PATH": "/usr/bin:/bin", "HOME": str(one.directory)}
        environment |= {name: value for name, value in os.environ.items() if "SAN_OPTIONS" in name}
        try:
            self.process = subprocess.Popen(
                ["setsid", "--ctty", str(one.binary), "--config", str(one.config_path), *argv],
                stdin=slave,
                stdout=slave,
                stderr=slave,
                env=environment,
                cwd=Path(one.directory),
            )
        finally:
            os.close(slave)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        try:
            while piece := os.read(self._master, 4096):
                self.text += piece.decode().replace("\r\n", "\n")
        except OSError:  # the last who had it open is gone
            pass

    def wait(self, regex: str, timeout: float = 10) -> None:
        """Waits until it has shown this."""
        wait_for(lambda: re.search(regex, self.text), timeout, f"/{regex}/ in:\n{self.text}")

    def type(self, keys: str) -> None:
        """Types keys: "y\\n", or "\\x03" for Ctrl-C."""
        os.write(self._master, keys.encode())

    def wait_exit(self, timeout: float = 10) -> int:
        """Waits for its end, and returns the exit status."""
        wait_for(lambda: self.process.poll() is not None, timeout, f"its end; it has shown:\n{self.text}")
        self._reader.join(5)
        return int(self.process.returncode)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._reader.join(5)
        os.close(self._master)
