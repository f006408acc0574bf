"""A host as an operator has it: a Machine with eatr's package, a real API server and ECR in its reach."""

from __future__ import annotations

import http.client
import itertools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from control_plane import ControlPlane
from eatr import Changes, Config, merged, to_ini, wait_for
from ecr import Ecr
from identity import identity
from leaks import find_leaks
from machine import Entry, Machine, Result
from packages import Kind
from real import SECRET, config_for, token_of, uid_of

UNIT = "eatr.service"
DIRECTORY = "/etc/eatr"
CONFIG = f"{DIRECTORY}/eatr.conf"
KUBECONFIG = f"{DIRECTORY}/kubeconfig"
DROP_INS = f"/etc/systemd/system/{UNIT}.d"
GROUP = "eatr"
EXAMPLES = "/usr/share/doc/eatr/examples"
WANTED, SANDBOXES = 5, 2  # namespaces of a host's own; the sandboxes are blacklisted
METRICS_PORT = 5000  # the default
SECOND_PORT = 5001

# What a package has installed is as it was then.
RESET = f"""
systemctl stop eatr eatr@second 2>/dev/null
if [ -d {DIRECTORY} ]; then
        find {DIRECTORY} -mindepth 1 -delete
        ! [ -e {EXAMPLES}/eatr.conf ] || install -m 0640 -g {GROUP} {EXAMPLES}/eatr.conf {CONFIG}
fi
if [ -d {DROP_INS} ]; then
        rm -rf {DROP_INS}
        systemctl daemon-reload
fi
systemctl reset-failed eatr eatr@second 2>/dev/null || :
"""


@dataclass(frozen=True)
class Identity:
    """What changes when a Secret is written (version), or deleted and created anew (uid)."""

    uid: str
    version: str


class OpsHost:
    """See above. Its own eatr's namespaces are KIND-0, KIND-1... and the blacklisted KIND-sandbox-0..."""

    def __init__(
        self, machine: Machine, packages: Kind, cluster: ControlPlane, ecr: Ecr, directory: Path
    ) -> None:
        self.machine, self.packages, self.cluster, self.ecr = machine, packages, cluster, ecr
        self.prefix = packages.kind
        self.tokens: set[str] = set()
        self.directory = directory
        self.kubeconfig = self.kubeconfig_for(SECRET)
        self.wanted = [f"{self.prefix}-{number}" for number in range(WANTED)]
        self.sandboxes = [f"{self.prefix}-sandbox-{number}" for number in range(SANDBOXES)]
        self._numbers = itertools.count(WANTED)
        cluster.create_namespaces([*self.wanted, *self.sandboxes])
        packages.prepare(machine)
        for url in (ecr.url, cluster.url):
            machine.relay(int(urlsplit(url).port or 0))

    def kubeconfig_for(self, name: str) -> str:
        """A kubeconfig that may write Secrets of this name; the same each time, as another would be taken in."""
        path = self.directory / f"{name}.kubeconfig"
        if not path.exists():
            who = identity(self.cluster, name=name)
            self.tokens.add(who.token)
            who.kubeconfig(path)
        return path.read_text(encoding="utf-8")

    # The package -----------------------------------------------------------------------------------------

    def install(self, file: Path | None = None) -> Result:
        """Installs the first version, or another."""
        return self.packages.install(self.machine, file or self.packages.first)

    def ensure_installed(self) -> None:
        """Has the first version installed and enabled, but stopped and not configured, without drop-ins."""
        if self.packages.installed(self.machine) != self.packages.version(self.packages.first):
            self.purge()
            self.install().check()
        self.reset()
        if self.systemctl("is-enabled").rc != 0:
            self.systemctl("enable").check()  # else systemd forgets the service whenever it is stopped

    def purge(self) -> None:
        """Has no package installed, and nothing left of one."""
        self.reset()
        self.packages.purge(self.machine)

    def reset(self) -> None:
        """Stops eatr, and takes back what tests have configured."""
        self.ecr.fault = None
        self.machine.do("sh", "-c", RESET)

    # Configuration ---------------------------------------------------------------------------------------

    def config(self, changes: Changes | None = None) -> dict[str, dict[str, object]]:
        """The configuration for this host's own namespaces, with changes."""
        own = f"{self.prefix}-[0-9]*, {self.prefix}-sandbox-*"
        namespaces: Config = {"namespaces": {"include": own, "blacklist": f"{self.prefix}-sandbox-*"}}
        return merged(merged(config_for(self.ecr, None), namespaces), changes or {})

    def configure(self, changes: Changes | None = None, *, instance: str = "") -> str:
        """Writes the two files of eatr.service, or of an instance; returns the text of the first."""
        text = to_ini(self.config(changes))
        config = f"{DIRECTORY}/{instance}.conf" if instance else CONFIG
        kubeconfig = f"{DIRECTORY}/{instance}.kubeconfig" if instance else KUBECONFIG
        self.machine.put(config, text, 0o640, GROUP)
        name = str((changes or {}).get("secret", {}).get("name", SECRET))
        self.machine.put(kubeconfig, self.kubeconfig_for(name), 0o640, GROUP)
        return text

    def drop_in(self, text: str, name: str = "test.conf") -> None:
        """Adds settings to eatr.service until reset()."""
        self.machine.put(f"{DROP_INS}/{name}", text)
        self.machine.do("systemctl", "daemon-reload")

    # The service -----------------------------------------------------------------------------------------

    def systemctl(self, verb: str, unit: str = UNIT, *options: str) -> Result:
        """systemctl VERB UNIT."""
        return self.machine.run("systemctl", verb, *options, unit)

    def state(self) -> str:
        """Whether eatr.service is active, failed..."""
        return self.machine.property(UNIT, "ActiveState")

    def main_pid(self) -> int:
        """eatr's process id in the machine."""
        return self.machine.main_pid(UNIT)

    def wait_restarted(self, pid: int, timeout: float = 20) -> int:
        """Waits until eatr.service is active with another main process than that; returns its process id."""

        def restarted() -> int:
            shown = self.machine.show(UNIT, "MainPID", "ActiveState")
            new = int(shown["MainPID"])
            return new if shown["ActiveState"] == "active" and new not in (0, pid) else 0

        return self.machine.wait(restarted, timeout, "eatr was restarted")

    def said(self, cursor: str, *matches: str) -> list[Entry]:
        """What eatr itself has put into the journal since then."""
        return self.machine.journal(cursor, *(matches or (f"--unit={UNIT}",)), "SYSLOG_IDENTIFIER=eatr")

    def wait_said(self, cursor: str, regex: str, timeout: float = 10) -> str:
        """Waits for a message of eatr's in which the regex is found."""

        def find() -> str:
            messages = (str(entry["MESSAGE"]) for entry in self.said(cursor))
            return next((message for message in messages if re.search(regex, message)), "")

        return self.machine.wait(find, timeout, f"eatr says /{regex}/")

    def metric(self, name: str, port: int = METRICS_PORT) -> float:
        """The value of a metric without labels; -1 if it cannot be had yet."""
        try:
            status, body = self.machine.get(port, "/metrics")
        except (OSError, http.client.HTTPException):
            return -1
        assert status == 200, body
        return float(next(line.split()[1] for line in body.splitlines() if line.startswith(f"{name} ")))

    # The cluster -----------------------------------------------------------------------------------------

    def new_namespace(self) -> str:
        """Creates one that is wanted."""
        name = f"{self.prefix}-{next(self._numbers)}"
        self.cluster.create_namespace(name)
        self.wanted.append(name)
        return name

    def wait_token(self, *namespaces: str, timeout: float = 10) -> None:
        """Waits until these namespaces have a Secret with a token of ECR's."""
        for namespace in namespaces:
            wait_for(lambda: self.has_token(namespace), timeout, f"{namespace} has a Secret")

    def has_token(self, namespace: str) -> bool:
        """Whether a namespace has a Secret with a token that ECR gave."""
        secret = self.cluster.secret(namespace, SECRET)
        return secret is not None and token_of(secret, self.ecr) in self.ecr.tokens

    def identities(self, name: str = SECRET, namespaces: Sequence[str] = ()) -> dict[str, Identity]:
        """The Secrets in these namespaces, or in those that are wanted."""
        secrets = self.cluster.secrets(name)
        return {
            namespace: Identity(uid_of(secrets[namespace]), secrets[namespace]["metadata"]["resourceVersion"])
            for namespace in namespaces or self.wanted
            if namespace in secrets
        }

    def fresh(self, name: str, namespaces: Iterable[str]) -> bool:
        """Whether all of these have the last token that ECR gave, and nothing else."""
        secrets: dict[str, Any] = self.cluster.secrets(name)
        return all(
            namespace in secrets and token_of(secrets[namespace], self.ecr) == self.ecr.last_token
            for namespace in namespaces
        )

    # Secrets ---------------------------------------------------------------------------------------------

    def find_leaks(self) -> list[str]:
        """Says where in the journal, or in what systemctl tells of eatr, there is a piece of a secret."""
        shown = {f"systemctl {verb}": self.systemctl(verb, UNIT).stdout for verb in ("show", "status", "cat")}
        entries = self.machine.journal()
        texts = "\n".join(str(value) for entry in entries for value in entry.values())
        key = self.cluster.admin_key.read_text(encoding="utf-8")
        pem = [line for line in key.splitlines() if not line.startswith("-----")]
        secrets = [self.ecr.secret_key, *pem, *self.tokens]
        return find_leaks([*secrets, *self.ecr.tokens], {"the journal": texts, **shown})
