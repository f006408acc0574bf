"""As whom kubectl and eatr come to a real kube-apiserver with the same kubeconfig, by its audit log."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from conftest import MakeEatr
from control_plane import ControlPlane
from eatr import SCALE, wait_for
from ecr import Ecr
from identity import identity, rules
from kubeconfigs import credential
from real import eatrs, grant, wait_fresh

USERS = ("ops", "jane")  # of client certificates, and impersonated
GROUP = "ops-team"
ACCOUNT = "eatr-identity"  # what identity(name="identity") makes
CASES: dict[str, dict[str, Any]] = {  # users as the kubeconfig has them, see kubeconfig()
    "an administrator": {"client-certificate": "admin.crt", "client-key": "admin.key"},
    "a client certificate of a group": {"client-certificate": "ops.crt", "client-key": "ops.key"},
    "eatr's own token": {"token": "$own"},
    "a tokenFile": {"tokenFile": "other.token"},
    "a token and a tokenFile of another account": {"token": "$own", "tokenFile": "other.token"},
    "a client certificate and a token": {
        "client-certificate": "ops.crt",
        "client-key": "ops.key",
        "token": "$own",
    },
    "an account impersonated": {
        "client-certificate": "admin.crt",
        "client-key": "admin.key",
        "as": f"system:serviceaccount:kube-system:{ACCOUNT}",
    },
    "a user and groups impersonated": {
        "client-certificate": "admin.crt",
        "client-key": "admin.key",
        "as": "jane",
        "as-groups": ["a", "b c", "acme:ops"],
    },
    "a user and extras impersonated": {
        "client-certificate": "admin.crt",
        "client-key": "admin.key",
        "as": "jane",
        "as-user-extra": {"acme.com/team": ["w", "x"], "odd%key": ["z"], "scopes": ["view"]},
    },
    "a program's token": {"exec": "token"},
    "a program's client certificate": {"exec": "certificate"},
    "a program's token and impersonation": {"exec": "admin", "as": "jane"},
}


@pytest.fixture(scope="module")
def folder(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of all kubeconfigs, and rights for all the users in them."""
    folder = tmp_path_factory.mktemp("identities")
    own, other = identity(control_plane), identity(control_plane, name="identity")
    (folder / "own.token").write_text(own.token)
    (folder / "other.token").write_text(other.token + "\n")
    ops = control_plane.client_cert("ops", f"/O={GROUP}/CN=ops")
    for name, files in {"admin": (control_plane.admin_cert, control_plane.admin_key), "ops": ops}.items():
        for source, suffix in zip(files, ("crt", "key")):
            (folder / f"{name}.{suffix}").write_text(source.read_text())
    for user in USERS:
        grant(control_plane, f"identities-{user}", {"kind": "User", "name": user}, rules())
    account = {"kind": "ServiceAccount", "name": ACCOUNT, "namespace": "kube-system"}
    grant(control_plane, "identities-account", account, rules())
    return folder


@pytest.fixture
def eatr(tmp_path: Path, control_plane: ControlPlane, ecr: Ecr) -> Iterator[MakeEatr]:
    """Makes eatrs for the real control plane."""
    with eatrs(tmp_path, control_plane, ecr) as make:
        yield make


def program(folder: Path, what: str) -> dict[str, Any]:
    """An exec entry, and its program, that gives a token or a certificate."""
    status = {"token": (folder / "own.token").read_text()}
    if what != "token":
        name = "ops" if what == "certificate" else "admin"
        pem = {"Certificate": folder / f"{name}.crt", "Key": folder / f"{name}.key"}
        status = {f"client{field}Data": file.read_text() for field, file in pem.items()}
    (folder / f"{what}.json").write_text(credential("v1", **status))
    path = folder / f"{what}.sh"
    path.write_text(f'#!/bin/sh\nexec cat "{folder}/{what}.json"\n')
    path.chmod(0o755)
    return {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": f"./{what}.sh",
        "interactiveMode": "Never",
    }


def kubeconfig(folder: Path, cluster: ControlPlane, name: str, user: Mapping[str, Any]) -> Path:
    """A kubeconfig for this user."""
    user = {**user}
    if user.get("token") == "$own":
        user["token"] = (folder / "own.token").read_text()
    if "exec" in user:
        user["exec"] = program(folder, user["exec"])
    (folder / "ca.crt").write_text(cluster.ca_file.read_text())
    config = {
        "current-context": "x",
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": cluster.url, "certificate-authority": "ca.crt"}}],
        "users": [{"name": "u", "user": user}],
    }
    path = folder / f"{name}.kubeconfig"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    path.chmod(0o600)
    return path


def comers(cluster: ControlPlane, since: int, agent: str) -> set[str]:
    """The users whom the API server has seen a program come as, with whom they impersonate, as JSON."""
    events = cluster.audit_events(lambda event: str(event.get("userAgent", "")).startswith(agent), since)
    fields = ("user", "impersonatedUser")
    return {json.dumps({field: event.get(field) for field in fields}, sort_keys=True) for event in events}


@pytest.mark.parametrize("name", CASES)
def test_the_api_server_sees_the_same_user(
    name: str, folder: Path, control_plane: ControlPlane, ecr: Ecr, eatr: MakeEatr, kubectl_path: Path
) -> None:
    """User, groups, extras and impersonation, while kubectl lists and while eatr does its job."""
    namespace = re.sub("[^a-z]+", "-", f"who {name}".lower())
    path = kubeconfig(folder, control_plane, namespace, CASES[name])
    control_plane.create_namespace(namespace)
    since = control_plane.audit_position()
    done = subprocess.run(
        [kubectl_path, f"--kubeconfig={path}", "get", "namespaces", "--output=name"],
        env={"PATH": "/usr/bin:/bin", "HOME": str(folder)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60 * SCALE,
    )
    assert done.returncode == 0, done.stderr
    by_kubectl = wait_for(lambda: comers(control_plane, since, "kubectl/"))
    since = control_plane.audit_position()
    assert eatr({"namespaces": {"include": namespace}}, kubeconfig=path).run("once") == 0
    wait_fresh(control_plane, ecr, namespace)
    wait_for(lambda: [uri for uri in writes_of(control_plane, since) if namespace in uri], 10, "the write is logged")
    assert comers(control_plane, since, "eatr/") == by_kubectl and len(by_kubectl) == 1


def writes_of(cluster: ControlPlane, since: int) -> list[str]:
    """The URIs of eatr's writes, which are logged after their answers."""
    patches = cluster.audit_events(
        lambda event: event["verb"] == "patch" and str(event.get("userAgent", "")).startswith("eatr/"), since
    )
    return [str(event["requestURI"]) for event in patches]
