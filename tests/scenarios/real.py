"""What the scenarios with a real control plane share: eatr for it, kubectl, and what eatr did to it."""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import subprocess
import time
from base64 import b64decode
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conftest import MakeEatr, finish
from control_plane import ControlPlane
from eatr import SCALE, Changes, Eatr, merged, wait_for
from ecr import Ecr
from identity import identity

SECRET = "ecr"
LABELS = {"app.kubernetes.io/managed-by": "eatr"}
DOCKER = "kubernetes.io/dockerconfigjson"
DATA_KEY = ".dockerconfigjson"
RESOURCES = ("namespaces", "secrets")
VERBS = ("list", "watch", "create", "patch")


def config_for(ecr: Ecr, kubeconfig: Path | None) -> dict[str, dict[str, object]]:
    """The configuration that belongs to these; None: without a kubeconfig."""
    aws = {"region": ecr.region, "endpoint_url": ecr.url, "aws_access_key_id": ecr.access_key}
    return {
        "aws": {**aws, "aws_secret_access_key": ecr.secret_key, "verify": False},
        "kubernetes": {"kubeconfig": kubeconfig},
    }


@contextlib.contextmanager
def eatrs(directory: Path, cluster: ControlPlane, ecr: Ecr) -> Iterator[MakeEatr]:
    """Makes eatrs for a cluster, with changes: make({"secret": {"name": "pull"}}, kubeconfig=PATH).

    Without a kubeconfig each has the rights of etc/rbac.yaml and no others, see identity().
    At the end each one that still runs must stop with exit status 0; none may have printed a secret.
    """
    made: list[Eatr] = []
    tokens: set[str] = set()

    def own_kubeconfig(one: Eatr, changes: Changes) -> Path:
        secret = changes.get("secret", {})
        name = str(secret.get("name", SECRET))
        deletes = changes.get("namespaces", {}).get("on_exclude") == "delete"
        accounts = deletes or secret.get("service_accounts", "default") != "default"
        who = identity(cluster, name=name, accounts=accounts)
        tokens.add(who.token)
        if keys := changes.get("aws", {}).get("credentials_secret"):
            who.may_read_keys(*str(keys).split("/"))
        return who.kubeconfig(one.directory / "kubeconfig")

    def make(changes: Changes | None = None, *, kubeconfig: Path | None = None) -> Eatr:
        one = Eatr(directory / f"eatr{len(made) or ''}")
        made.append(one)
        kubeconfig = kubeconfig or own_kubeconfig(one, changes or {})
        one.write_config(merged(config_for(ecr, kubeconfig), changes or {}))
        return one

    try:
        yield make
    finally:
        secrets = {ecr.secret_key, cluster.admin_key.read_text(), *tokens, *ecr.tokens}
        problems = [problem for one in made for problem in finish(one, secrets, print)]
    assert not problems, "\n".join(problems)


def only(prefix: str, changes: Changes | None = None) -> dict[str, dict[str, object]]:
    """Changes: an eatr for the namespaces PREFIX-*, so that tests on one cluster leave each other alone."""
    return merged({"namespaces": {"include": f"{prefix}-*"}}, changes or {})


# What is in the cluster ---------------------------------------------------------------------------------


def host_of(ecr: Ecr) -> str:
    """The registry host that ECR's tokens are for."""
    return ecr.proxy_endpoint.partition("://")[2]


def value_of(secret: Any) -> bytes:
    """What a Secret has for the kubelet."""
    return b64decode(secret["data"][DATA_KEY])


def token_of(secret: Any, ecr: Ecr) -> str:
    """The token in a Secret, which must have nothing else in it."""
    value = value_of(secret)
    token = str(json.loads(value)["auths"][host_of(ecr)]["auth"])
    assert value == b'{"auths":{"%s":{"auth":"%s"}}}' % (host_of(ecr).encode(), token.encode())
    return token


def uid_of(secret: Any) -> str:
    """The UID that the kubelet knows a Secret by."""
    return str(secret["metadata"]["uid"])


def is_fresh(cluster: ControlPlane, ecr: Ecr, namespace: str) -> bool:
    """Whether a namespace has the last token that ECR gave."""
    secret = cluster.secret(namespace, SECRET)
    wanted = {host_of(ecr): {"auth": ecr.last_token}}
    if secret is None or DATA_KEY not in secret.get("data", {}):
        return False
    return bool(json.loads(value_of(secret)).get("auths") == wanted)


def wait_fresh(cluster: ControlPlane, ecr: Ecr, *namespaces: str, timeout: float = 10) -> None:
    """Waits until these namespaces have the last token that ECR gave."""
    for namespace in namespaces:
        what = f"the last token is in {namespace}"
        wait_for(lambda: is_fresh(cluster, ecr, namespace), timeout, what)


# What eatr did ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Write:
    """A request of the audit log that could have changed a Secret or a namespace."""

    verb: str
    resource: str
    namespace: str
    code: int
    begun: float  # by the server's clock, seconds since the epoch
    done: float


class Audit:
    """The writes since this was made."""

    def __init__(self, cluster: ControlPlane) -> None:
        self.cluster = cluster
        self.since = cluster.audit_position()
        self.made = time.time()  # what was answered before may be logged after

    def writes(self, prefix: str = "", agent: str = "eatr/") -> list[Write]:
        """Those of a client in namespaces whose names begin so, by the time that they were done."""

        def chosen(event: Any) -> bool:
            mine = str(event.get("userAgent", "")).startswith(agent) and event["verb"] != "list"
            return mine and _namespace_of(event).startswith(prefix)

        writes = [
            Write(
                event["verb"],
                event["objectRef"]["resource"],
                _namespace_of(event),
                event["responseStatus"]["code"],
                seconds_of(event["requestReceivedTimestamp"]),
                seconds_of(event["stageTimestamp"]),
            )
            for event in self.cluster.audit_events(chosen, self.since)
        ]
        return [write for write in writes if write.begun >= self.made]

    def wait(self, count: int, prefix: str = "", agent: str = "eatr/", timeout: float = 10) -> list[Write]:
        """Waits for so many of them, as the server logs a request only after its answer."""
        what = f"{count} writes in {prefix}*"
        return wait_for(lambda: _if_enough(self.writes(prefix, agent), count), timeout, what)


def _if_enough(writes: list[Write], count: int) -> list[Write] | None:
    return writes if len(writes) >= count else None


def _namespace_of(event: Any) -> str:
    reference = event["objectRef"]
    return str(reference.get("namespace") or reference.get("name", ""))


def seconds_of(stamp: str) -> float:
    """An RFC 3339 time in seconds since the epoch."""
    return datetime.datetime.fromisoformat(stamp.replace("Z", "+00:00")).timestamp()


def cpu_seconds(pid: int) -> float:
    """The processor time that a process has taken, its own and the kernel's."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def connections(pid: int, port: int) -> int:
    """How many TCP connections a process has to a port of 127.0.0.1."""
    sockets = set()
    for fd in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            sockets.add(os.readlink(fd))
    rows = [line.split() for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]]
    peer, established = f"0100007F:{port:04X}", "01"
    return sum(row[2:4] == [peer, established] and f"socket:[{row[9]}]" in sockets for row in rows)


def requests_sent(metrics: dict[str, float]) -> float:
    """How many requests to the API server eatr counts."""
    return sum(value for name, value in metrics.items() if name.startswith("eatr_kube_requests_total{"))


# What people do -----------------------------------------------------------------------------------------


class Kubectl:
    """kubectl as the administrator: kubectl("-n", "shop", "delete", "secret", "ecr")."""

    def __init__(self, cluster: ControlPlane, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self.kubeconfig = cluster.kubeconfig(directory / "admin.kubeconfig")

    def __call__(self, *argv: str, stdin: str = "", editor: str = "") -> str:
        """Runs it and returns what it printed; an AssertionError if it fails."""
        result = subprocess.run(
            ["/usr/bin/kubectl", f"--kubeconfig={self.kubeconfig}", *argv],
            env={"PATH": os.defpath, "HOME": str(self.directory), "KUBE_EDITOR": editor},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60 * SCALE,
        )
        assert result.returncode == 0, f"kubectl {' '.join(argv)}: {result.stderr}"
        return result.stdout


def grant(cluster: ControlPlane, name: str, subject: dict[str, str], rules: Iterable[Any]) -> None:
    """Gives a subject a ClusterRole of these rules, or changes those that it has; waits until they hold."""
    api = "/apis/rbac.authorization.k8s.io/v1"
    role = {"metadata": {"name": name}, "rules": list(rules)}
    binding = {
        "metadata": {"name": name},
        "subjects": [subject],
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name},
    }
    for kind, body in (("clusterroles", role), ("clusterrolebindings", binding)):
        status, answer = cluster.request("PUT", f"{api}/{kind}/{name}", body)
        assert status in (200, 201), answer
    user = subject["name"]
    if subject["kind"] == "ServiceAccount":
        user = f"system:serviceaccount:{subject['namespace']}:{user}"
    wait_for(lambda: _allowed(cluster, user) == _wanted(role["rules"]), 10, "the rights hold")


def _wanted(rules: Any) -> set[tuple[str, str]]:
    """The rights of those that _allowed() asks for."""
    rights = {(verb, resource) for rule in rules for verb in rule["verbs"] for resource in rule["resources"]}
    return {(verb, resource) for verb, resource in rights if verb in VERBS and resource in RESOURCES}


def _allowed(cluster: ControlPlane, user: str) -> set[tuple[str, str]]:
    """Which (verb, resource) a user may do to Secrets called `ecr` and namespaces."""
    path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
    allowed = set()
    for resource in RESOURCES:
        for verb in VERBS:
            attributes = {"verb": verb, "resource": resource, "name": SECRET if resource == "secrets" else ""}
            spec = {"user": user, "resourceAttributes": attributes}
            answer = cluster.request("POST", path, {"spec": spec})[1]
            if answer["status"]["allowed"]:
                allowed.add((verb, resource))
    return allowed
