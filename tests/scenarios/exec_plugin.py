"""A program that gets credentials for the API server ("exec" of a kubeconfig) and does as it is told.

    plugin = ExecPlugin(directory)
    plugin.give(token="abc", life=20)     # what it prints from now on
    plugin.use(eatr.directory / "kubeconfig")
    plugin.fail("no network")
"""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

import yaml

GROUP = "client.authentication.k8s.io"
SCRIPT = """\
#!/bin/sh
cd '{directory}' || exit
printf '%s\\n' "$KUBERNETES_EXEC_INFO" >>runs
[ ! -e errors ] || cat errors >&2
[ ! -e hang ] || sleep 1000
cat answer
exit "$(cat status)"
"""


class ExecPlugin:
    """The program, what it is told to do, and how often it was run."""

    def __init__(self, directory: Path, *, version: str = "v1") -> None:
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        self.version = version
        self.path = directory / "get-credentials"
        self._put("runs", "")
        self._put("status", "0")
        self.install()

    def install(self) -> None:
        """Puts the program where it belongs."""
        self._put(self.path.name, SCRIPT.format(directory=self.directory), 0o755)

    def use(self, kubeconfig: Path, **exec_: object) -> None:
        """Has the users of a kubeconfig get their credentials with it; `exec_` are further fields."""
        config = yaml.safe_load(kubeconfig.read_text(encoding="utf-8"))
        entry = {"apiVersion": f"{GROUP}/{self.version}", "command": str(self.path)}
        for user in config["users"]:
            user["user"] = {"exec": {**entry, "interactiveMode": "Never", **exec_}}
        kubeconfig.write_text(json.dumps(config), encoding="utf-8")

    def give(self, *, life: float | None = None, **status: str) -> None:
        """It works, and prints a credential that is good for so many seconds (None: it does not say)."""
        if life is not None:
            expires = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=life)
            status["expirationTimestamp"] = expires.strftime("%Y-%m-%dT%H:%M:%SZ")
        body = {"kind": "ExecCredential", "apiVersion": f"{GROUP}/{self.version}", "status": status}
        self.print(json.dumps(body))

    def print(self, text: str) -> None:
        """It says that all is well, whatever it prints."""
        self._put("answer", text)
        self._put("status", "0")
        for name in ("errors", "hang"):
            (self.directory / name).unlink(missing_ok=True)

    def fail(self, text: str) -> None:
        """It fails, with this on standard error."""
        self._put("status", "7")
        self._put("errors", f"{text}\n")

    def hang(self) -> None:
        """It does not end."""
        self._put("hang", "")

    @property
    def runs(self) -> list[Any]:
        """What each run was told by KUBERNETES_EXEC_INFO."""
        return [json.loads(line) for line in (self.directory / "runs").read_text().splitlines()]

    def _put(self, name: str, text: str, mode: int = 0o644) -> None:
        """Replaces a file at once: it may be read at any time."""
        new = self.directory / f"{name}.new"
        new.write_text(text, encoding="utf-8")
        new.chmod(mode)
        new.replace(self.directory / name)
