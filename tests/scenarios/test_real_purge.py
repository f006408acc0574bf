"""eatr purge on a real API server: in the end the cluster is as if eatr had never been there."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import MakeEatr
from control_plane import ControlPlane, wait_until
from ecr import Ecr
from identity import Right, identity
from real import DOCKER, LABELS, SECRET, eatrs, only, wait_fresh

CHANGING = {"events", "leases"}  # whose content is of the moment


@pytest.fixture
def eatr(tmp_path: Path, control_plane: ControlPlane, ecr: Ecr) -> Iterator[MakeEatr]:
    """Makes eatrs for the real control plane."""
    with eatrs(tmp_path, control_plane, ecr) as make:
        yield make


def collections(cluster: ControlPlane) -> Iterator[str]:
    """The path of everything that can be listed."""
    groups = cluster.request("GET", "/apis")[1]["groups"]
    versions = [f"/apis/{group['preferredVersion']['groupVersion']}" for group in groups]
    for version in ["/api/v1", *versions]:
        for resource in cluster.request("GET", version)[1]["resources"]:
            if "list" in resource["verbs"] and resource["name"] not in CHANGING:
                yield f"{version}/{resource['name']}"


def export(cluster: ControlPlane) -> dict[str, Any]:
    """Every object of the cluster, without what counts changes."""
    objects = {}
    for path in collections(cluster):
        status, answer = cluster.request("GET", path)
        assert status == 200, (path, answer)
        for item in answer["items"]:
            meta = item["metadata"]
            for name in ("managedFields", "resourceVersion", "generation"):
                meta.pop(name, None)
            objects[f"{path} {meta.get('namespace', '')}/{meta['name']}"] = item
    return objects


def wait_still(cluster: ControlPlane, namespaces: list[str]) -> dict[str, Any]:
    """The export, once the controllers have made what they make in new namespaces."""

    minor = int(re.sub(r"\D", "", cluster.request("GET", "/version")[1]["minor"]))

    def is_made(namespace: str) -> bool:
        status, account = cluster.request("GET", f"/api/v1/namespaces/{namespace}/serviceaccounts/default")
        return status == 200 and (minor >= 24 or bool(account.get("secrets")))  # later ones make no token

    wait_until(lambda: all(is_made(name) for name in namespaces), "every default account is as it stays")
    return export(cluster)


def difference(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """The objects that are not the same, for messages."""
    return sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))


def put_others(cluster: ControlPlane) -> None:
    """What others may have there under eatr's name, and beside it."""
    cluster.put_secret("purge-0", SECRET, {"key": "value"})
    cluster.put_secret("purge-1", SECRET, {".dockerconfigjson": '{"auths":{}}'}, kind=DOCKER)
    cluster.put_secret("purge-2", "other", {".dockerconfigjson": '{"auths":{}}'}, kind=DOCKER, labels=LABELS)
    account = {"imagePullSecrets": [{"name": "other"}]}
    path = "/api/v1/namespaces/purge-3/serviceaccounts/default"
    content = "application/merge-patch+json"
    assert cluster.request("PATCH", path, account, content)[0] == 200


@pytest.fixture
def own_plane(control_plane: ControlPlane, tmp_path: Path) -> Iterator[ControlPlane]:
    """A control plane in which nobody else does anything."""
    with ControlPlane(control_plane.assets, tmp_path / "plane") as plane:
        yield plane


def test_the_cluster_is_as_before(tmp_path: Path, own_plane: ControlPlane, ecr: Ecr) -> None:
    """Every object that can be listed, with service accounts on, and namespaces that fell out meanwhile."""
    with eatrs(tmp_path, own_plane, ecr) as make:
        check_as_before(own_plane, ecr, make)


def check_as_before(control_plane: ControlPlane, ecr: Ecr, eatr: MakeEatr) -> None:
    """Everything is in order, then everything is taken out."""
    names = [f"purge-{number}" for number in range(40)]
    control_plane.create_namespaces(names)
    one = eatr({"secret": {"service_accounts": "*"}})
    names += ["default", "kube-system", "kube-public", "kube-node-lease"]
    wait_still(control_plane, names)
    put_others(control_plane)
    before = wait_still(control_plane, names)
    one.start().wait_ready()
    wait_fresh(control_plane, ecr, *names[2:])
    wait_until(lambda: len(difference(before, export(control_plane))) >= 80, "accounts name the Secret")
    one.change_config({"namespaces": {"blacklist": "purge-3*", "on_exclude": "keep"}})
    one.signal(1)
    one.wait_log("[Rr]eloaded|in force|Reloading|configuration")
    assert one.stop() == 0
    assert len(difference(before, export(control_plane))) >= 80
    one.change_config({"secret": {"service_accounts": None}})
    one.out.clear()
    assert one.run("purge", "--yes", timeout=60) == 0
    assert difference(before, export(control_plane)) == []
    (said,) = [line for line in one.out if "nothing of eatr's is left" in line]
    assert said.startswith("42 Secrets deleted, 4"), said


def test_a_right_that_is_missing(
    control_plane: ControlPlane, ecr: Ecr, eatr: MakeEatr, tmp_path: Path
) -> None:
    """Each namespace is named, with the API server's words."""
    names = [f"unpurged-{number}" for number in range(30)]
    control_plane.create_namespaces(names)
    who = identity(control_plane, without=Right("secrets", "delete"))
    one = eatr(only("unpurged"), kubeconfig=who.kubeconfig(tmp_path / "kubeconfig"))
    assert one.run("once") == 0
    one.out.clear()
    assert one.run("purge", "unpurged-*", "--yes", "--output", "json") == 1
    outcome = json.loads("\n".join(one.out))
    assert outcome["deleted"] == 0
    assert sorted(left["namespace"] for left in outcome["left"]) == sorted(names)
    assert all("cannot delete resource" in left["reason"] for left in outcome["left"])
    assert all(control_plane.secret(name, SECRET) for name in names)


def test_a_finalizer_holds_it(control_plane: ControlPlane, ecr: Ecr, eatr: MakeEatr) -> None:
    """It has been deleted, and is there still: that is said."""
    control_plane.create_namespaces(["held-0", "held-1"])
    one = eatr(only("held"))
    assert one.run("once") == 0
    path = f"/api/v1/namespaces/held-0/secrets/{SECRET}"
    content = "application/merge-patch+json"
    finalizer = {"metadata": {"finalizers": ["example.com/hold"]}}
    assert control_plane.request("PATCH", path, finalizer, content)[0] == 200
    one.out.clear()
    assert one.run("purge", "held-*", "--yes") == 1
    assert "  namespace held-0: it is being deleted, and its finalizers hold it" in one.out
    assert control_plane.secret("held-1", SECRET) is None
    release = {"metadata": {"finalizers": None}}
    assert control_plane.request("PATCH", path, release, content)[0] == 200
    assert one.run("purge", "held-*", "--yes") == 0
