"""What the scenarios about eatr's manners share: all of it on, many teams, and what it asked for."""

from __future__ import annotations

import json
import signal
import time
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import accounts
import real
from conftest import MakeEatr
from control_plane import ControlPlane
from eatr import Changes, Eatr, merged, wait_for
from ecr import Ecr
from exec_plugin import ExecPlugin

EVERYTHING: Changes = {
    "namespaces": {"label_selector": "team!=none", "on_exclude": "delete"},
    "secret": {"service_accounts": "default, ci-*"},
}

TEAMS, PACED = 1000, 300  # namespaces, and those that the first tests are about
BOTH = ("default", "ci-0")
AUDIT = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived", "ResponseStarted"],
    "rules": [{"level": "None", "userGroups": ["system:masters"]}, {"level": "Metadata"}],
}


def everything(include: str, name: str, **renewal: object) -> dict[str, dict[str, object]]:
    """Changes: all of eatr is on, for some namespaces."""
    changes = merged(EVERYTHING, {"secret": {"name": name}, "namespaces": {"include": include}})
    return {**changes, "renewal": renewal}


@dataclass
class Requests:
    """What the audit log has of eatr since this was made: (verb, resource, when it came, what was asked).

    Watches are logged when they end, whenever they began.
    """

    cluster: ControlPlane
    since: int = 0

    def __post_init__(self) -> None:
        self.since = self.cluster.audit_position()

    def all(self) -> list[tuple[str, str, float, str]]:
        """By the time that they came."""
        mine = self.cluster.audit_events(
            lambda event: str(event.get("userAgent", "")).startswith("eatr/"), self.since
        )
        seen = [
            (
                event["verb"],
                event.get("objectRef", {}).get("resource", ""),
                real.seconds_of(event["requestReceivedTimestamp"]),
                event["requestURI"],
            )
            for event in mine
        ]
        return sorted(seen, key=lambda request: request[2])

    def bulk(self, count: int) -> list[float]:
        """When the first so many of the writes that nobody waits for came; [] if they are not that many yet."""
        writes = [when for verb, _, when, uri in self.all() if verb == "patch" and "/team-000-" not in uri]
        return writes[:count] if len(writes) >= count else []

    def count(self) -> Counter[tuple[str, str]]:
        """How many of each verb and resource."""
        return Counter((verb, resource) for verb, resource, _, _ in self.all())


def make_teams(cluster: ControlPlane, numbers: Iterable[int]) -> None:
    """Namespaces with two service accounts each."""

    def make(number: int) -> None:
        cluster.create_namespace(f"team-{number:03}")
        for account in BOTH:
            accounts.make(cluster, f"team-{number:03}", account, "theirs")

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(make, numbers))


class Teams:
    """A control plane with many namespaces that have service accounts, and an eatr for some of them."""

    def __init__(self, cluster: ControlPlane, ecr: Ecr, make: MakeEatr) -> None:
        self.cluster, self.ecr, self.make = cluster, ecr, make
        self.port = int(cluster.url.rpartition(":")[2])
        self.one = make(
            merged(
                everything("team-[0-2]*", "paced", max_writes_per_second=0),
                {
                    "aws": {
                        "aws_access_key_id": None,
                        "aws_secret_access_key": None,
                        "credentials_secret": "kube-system/aws-keys",
                    }
                },
            )
        )
        plugin = ExecPlugin(self.one.directory / "plugin")
        kubeconfig = self.one.directory / "kubeconfig"
        plugin.give(token=json.loads(kubeconfig.read_text())["users"][0]["user"]["token"], life=3600)
        plugin.use(kubeconfig)

    def connections(self) -> int:
        """How many eatr has to the API server."""
        return real.connections(self.one.pid, self.port)

    def reload(self, changes: Changes) -> None:
        """SIGHUP with a changed configuration."""
        sent = time.monotonic()
        self.one.change_config(changes)
        self.one.signal(signal.SIGHUP)
        self.one.wait_log("Reloaded: context ", since=sent)

    def fence(self, name: str, timeout: float = 1) -> None:
        """A new namespace is served within that time, after which all that eatr did before is logged."""
        self.cluster.create_namespace(name)
        wait_for(lambda: self.cluster.secret(name, "paced"), timeout, f"{name} has its Secret")


@dataclass
class Cost:
    """What a first start and a restart have taken."""

    cpu: float  # seconds
    rss: int  # kB
    restart_cpu: float
    restart_rss: int
    requests: int


def cost_of(one: Eatr, entries: int) -> Cost:
    """Starts it until all is written, and once more."""
    one.start().wait_log("Pass done", 120)
    samples = one.wait_metric("eatr_service_accounts_added_total", entries, 120)
    cpu, rss = real.cpu_seconds(one.pid), one.rss_kb()
    one.restart().wait_log("Pass done", 120)
    one.wait_metric('eatr_service_accounts{state="good"}', entries, 120)
    cost = Cost(cpu, rss, real.cpu_seconds(one.pid), one.rss_kb(), int(real.requests_sent(samples)))
    one.stop()
    return cost
