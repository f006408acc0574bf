"""Credentials from a program, and a real kube-apiserver: tokens that it no longer takes, certificates that end."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from conftest import MakeEatr
from control_plane import ControlPlane
from eatr import Eatr, wait_for
from ecr import Ecr
from exec_plugin import ExecPlugin
from identity import NAMESPACE, Identity, identity, rules
from real import SECRET, eatrs, grant, only, wait_fresh

TOKENS = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts"
LIFE = 600
"""Seconds; the API server makes no token that is good for less."""


@pytest.fixture
def eatr(tmp_path: Path, control_plane: ControlPlane, ecr: Ecr) -> Iterator[MakeEatr]:
    """Makes eatrs for the real control plane."""
    with eatrs(tmp_path, control_plane, ecr) as make:
        yield make


def begin(make: MakeEatr, who: Identity, plugin: ExecPlugin, prefix: str, directory: Path) -> Eatr:
    """An eatr for the namespaces PREFIX-* that gets its credentials with the plugin."""
    kubeconfig = who.kubeconfig(directory / "kubeconfig")
    plugin.use(kubeconfig)
    one = make(only(prefix), kubeconfig=kubeconfig)
    one.start().wait_ready()
    return one


def new_token(cluster: ControlPlane, account: str) -> str:
    """A token of a service account."""
    status, answer = cluster.request("POST", f"{TOKENS}/{account}/token", {"spec": {"expirationSeconds": LIFE}})
    assert status == 201, answer
    return str(answer["status"]["token"])


def recreate(cluster: ControlPlane, account: str) -> None:
    """Another service account of that name: the tokens of the old one are void."""
    assert cluster.request("DELETE", f"{TOKENS}/{account}")[0] == 200
    status, answer = cluster.request("POST", TOKENS, {"metadata": {"name": account}})
    assert status == 201, answer


def is_void(cluster: ControlPlane, token: str) -> bool:
    """Whether the API server takes it no more, which it keeps in mind for ten seconds."""
    body = {"spec": {"token": token}}
    answer = cluster.request("POST", "/apis/authentication.k8s.io/v1/tokenreviews", body)[1]
    return not answer["status"].get("authenticated", False)


def write_users(cluster: ControlPlane, prefix: str, since: int) -> list[str]:
    """Who wrote eatr's Secrets to the namespaces PREFIX-*, one after the other."""

    def chosen(event: Any) -> bool:
        where = event.get("objectRef", {})
        return (
            event["verb"] == "patch" and where.get("name") == SECRET and where["namespace"].startswith(f"{prefix}-")
        )

    return [str(event["user"]["username"]) for event in cluster.audit_events(chosen, since=since)]


def test_a_token_is_made_void(
    control_plane: ControlPlane, ecr: Ecr, eatr: MakeEatr, tmp_path: Path
) -> None:
    """Ten events later every namespace has its Secret, and neither reading nor writing has failed."""
    who = identity(control_plane)
    account = "eatr-exec"
    for kind, name in (("ServiceAccount", account),):
        control_plane.request("POST", TOKENS, {"kind": kind, "metadata": {"name": name}})
    grant(control_plane, account, {"kind": "ServiceAccount", "name": account, "namespace": NAMESPACE}, rules())
    first = new_token(control_plane, account)
    plugin = ExecPlugin(tmp_path / "plugin", version="v1beta1")
    plugin.give(token=first)
    one = begin(eatr, who, plugin, "void", tmp_path)
    one.secrets.append(first)
    control_plane.create_namespace("void-first")
    wait_fresh(control_plane, ecr, "void-first")

    recreate(control_plane, account)
    second = new_token(control_plane, account)
    one.secrets.append(second)
    plugin.give(token=second)
    wait_for(lambda: is_void(control_plane, first), 30, "the first token is void")
    names = [f"void-{i}" for i in range(10)]
    control_plane.create_namespaces(names)
    wait_fresh(control_plane, ecr, *names, timeout=20)
    assert len(plugin.runs) == 2
    assert one.metrics()["eatr_secret_write_failures_total"] == 0
    assert not [line for line in one.log if "Cannot" in line]


def test_a_token_is_renewed_in_time(
    control_plane: ControlPlane, ecr: Ecr, eatr: MakeEatr, tmp_path: Path
) -> None:
    """With the life that the program tells, whatever the token says; no request is refused."""
    who = identity(control_plane)
    plugin = ExecPlugin(tmp_path / "plugin")
    plugin.give(token=new_token(control_plane, "eatr"), life=12)
    one = begin(eatr, who, plugin, "renewed", tmp_path)
    end = time.monotonic() + 25
    count = 0
    while time.monotonic() < end:
        plugin.give(token=new_token(control_plane, "eatr"), life=12)
        name = f"renewed-{count}"
        control_plane.create_namespace(name)
        wait_fresh(control_plane, ecr, name)
        count += 1
        time.sleep(1)  # the pace of the events, which is what this is about
    assert 3 <= len(plugin.runs) <= 7
    assert not [name for name in one.metrics() if 'code="401"' in name]


def test_a_certificate_is_renewed(
    control_plane: ControlPlane, ecr: Ecr, eatr: MakeEatr, tmp_path: Path
) -> None:
    """The new one is used on new connections, while the watches go on, and is what the metrics tell of."""
    grant(control_plane, "eatr-first", {"kind": "User", "name": "eatr-first"}, rules())
    grant(control_plane, "eatr-second", {"kind": "User", "name": "eatr-second"}, rules())
    plugin = ExecPlugin(tmp_path / "plugin")

    def give(user: str, life: float) -> None:
        cert, key = control_plane.client_cert(user, f"/CN={user}")
        plugin.give(clientCertificateData=cert.read_text(), clientKeyData=key.read_text(), life=life)

    give("eatr-first", 12)
    since = control_plane.audit_position()
    one = begin(eatr, identity(control_plane), plugin, "renewed-cert", tmp_path)
    control_plane.create_namespace("renewed-cert-first")
    wait_fresh(control_plane, ecr, "renewed-cert-first")
    give("eatr-second", 3600)
    wait_for(lambda: len(plugin.runs) == 2, 15, "it is run again")
    one.wait_metric('eatr_kubeconfig_credential_refreshes_total{outcome="success"}', 2)
    restarts = one.metrics()["eatr_watch_restarts_total"]
    names = [f"renewed-cert-{i}" for i in range(10)]
    control_plane.create_namespaces(names)
    wait_fresh(control_plane, ecr, *names)
    users = write_users(control_plane, "renewed-cert", since)
    assert users[0] == "eatr-first" and set(users[1:]) == {"eatr-second"}, users
    metrics = one.metrics()
    assert metrics["eatr_watch_restarts_total"] == restarts
    left = metrics["eatr_kubeconfig_certificate_expiry_timestamp_seconds"] - time.time()
    assert 29 * 86400 < left < 31 * 86400
    assert not [line for line in one.log if "annot" in line]


def test_the_kubeconfigs_own_certificate_is_told_of(
    control_plane: ControlPlane, eatr: MakeEatr, tmp_path: Path
) -> None:
    """A month is left of it, and a warning comes at the start, but not again with another kubeconfig."""
    cert, key = control_plane.client_cert("eatr-first", "/CN=eatr-first")
    kubeconfig = control_plane.kubeconfig(tmp_path / "kubeconfig", cert=cert, key=key)
    one = eatr(only("aged"), kubeconfig=kubeconfig).start()
    told = "warning: The client certificate of the kubeconfig's context test, for .*, expires in 29d"
    one.wait_log(told)
    left = one.metrics()["eatr_kubeconfig_certificate_expiry_timestamp_seconds"] - time.time()
    assert 29 * 86400 < left < 31 * 86400
    tree = yaml.safe_load(kubeconfig.read_text())
    tree["clusters"][0]["cluster"]["disable-compression"] = True
    kubeconfig.write_text(yaml.safe_dump(tree))
    one.wait_log("Reloaded: ")
    time.sleep(1.5)  # it would be told within a second
    assert len([line for line in one.log if re.search(told, line)]) == 1
