"""eatr status on a real API server: every kind of row, with no right but to list."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from accounts import wait_entry
from conftest import MakeEatr
from control_plane import ControlPlane, wait_until
from eatr import Eatr
from ecr import Ecr
from real import DATA_KEY, DOCKER, SECRET, eatrs, grant, only

READER = "eatr-reader"
RULES = [
    {"apiGroups": [""], "resources": ["namespaces"], "verbs": ["list"]},
    {"apiGroups": [""], "resources": ["secrets"], "resourceNames": [SECRET], "verbs": ["list"]},
    {"apiGroups": [""], "resources": ["serviceaccounts"], "resourceNames": ["default"], "verbs": ["list"]},
]
MERGE = "application/merge-patch+json"
EMPTY = {DATA_KEY: '{"auths":{}}'}


@pytest.fixture
def eatr(tmp_path: Path, control_plane: ControlPlane, ecr: Ecr) -> Iterator[MakeEatr]:
    """Makes eatrs for the real control plane."""
    with eatrs(tmp_path, control_plane, ecr) as make:
        yield make


def reader(cluster: ControlPlane, path: Path) -> Path:
    """A kubeconfig for whoever may list what eatr status lists, and nothing else."""
    grant(cluster, READER, {"kind": "User", "name": READER}, RULES)
    cert, key = cluster.client_cert(READER, f"/CN={READER}")
    return cluster.kubeconfig(path, cert=cert, key=key)


def rows(one: Eatr, *arguments: str) -> dict[str, Any]:
    """What it says of each namespace."""
    one.out.clear()
    assert one.run("status", "--output", "json", *arguments) == 0
    return {item["namespace"].partition("-")[2]: item for item in json.loads("\n".join(one.out))}


def patch(cluster: ControlPlane, namespace: str, body: Any) -> None:
    """Changes a Secret as somebody else does."""
    path = f"/api/v1/namespaces/{namespace}/secrets/{SECRET}"
    assert cluster.request("PATCH", path, body, MERGE)[0] == 200


def fill(cluster: ControlPlane, one: Eatr) -> None:
    """The namespaces survey-*, each in another state."""
    names = ["good", "edited", "immutable", "held", "kept", "missing", "foreign", "adopt"]
    cluster.create_namespaces([f"survey-{name}" for name in names])
    cluster.create_namespace("survey-legacy", labels={"legacy": ""})
    cluster.create_namespace("survey-ignored", annotations={"eatr/ignore": "true"})
    cluster.put_secret("survey-foreign", SECRET, {"key": "value"})
    cluster.put_secret("survey-adopt", SECRET, EMPTY, kind=DOCKER)
    assert one.run("once") == 1
    for name in names[:5]:
        assert cluster.secret(f"survey-{name}", SECRET), name
    patch(cluster, "survey-edited", {"data": {DATA_KEY: "e30="}})
    patch(cluster, "survey-immutable", {"immutable": True})
    patch(cluster, "survey-held", {"metadata": {"finalizers": ["example.com/hold"]}})
    for name in ("held", "missing"):
        cluster.delete_secret(f"survey-{name}", SECRET)


def end(cluster: ControlPlane) -> None:
    """Lets go what is held."""
    patch(cluster, "survey-held", {"metadata": {"finalizers": None}})


def lists(cluster: ControlPlane, since: int) -> list[str]:
    """What the reader has asked for."""
    return [
        f"{event['verb']} {event['objectRef']['resource']} {event['responseStatus']['code']}"
        for event in cluster.audit_events(lambda event: event["user"]["username"] == READER, since)
    ]


def test_every_kind_of_row(control_plane: ControlPlane, ecr: Ecr, eatr: MakeEatr, tmp_path: Path) -> None:
    """By somebody who may do nothing but list, and nothing else is asked for."""
    rules = only("survey", {"namespaces": {"label_selector": "!legacy"}})
    fill(control_plane, eatr(rules))
    rules["namespaces"]["blacklist"] = "*-kept"
    who = reader(control_plane, tmp_path / "reader")
    one = eatr(rules, kubeconfig=who)
    del one.config["aws"]
    one.write_config(one.config)
    since = control_plane.audit_position()
    calls = len(ecr.requests)
    found = rows(one, "survey-*", "kube-system")
    system = found.pop("system")
    assert (system["verdict"], system["rule"]) == ("not-included", "no glob of include")
    said = {name: (row["verdict"], row["secret"], row["next"]) for name, row in found.items()}
    assert said == {
        "adopt": ("wanted", "foreign", "leave"),
        "edited": ("wanted", "edited", "heal"),
        "foreign": ("wanted", "foreign", "leave"),
        "good": ("wanted", "good", "renew"),
        "held": ("wanted", "being-deleted", "wait"),
        "ignored": ("ignored", "none", "nothing"),
        "immutable": ("wanted", "immutable", "leave"),
        "kept": ("blacklisted", "kept", "keep"),
        "legacy": ("not-selected", "none", "nothing"),
        "missing": ("wanted", "missing", "create"),
    }
    asked = ["list namespaces 200", "list secrets 200"]
    wait_until(lambda: lists(control_plane, since) == asked, "two lists, and no more")
    assert len(ecr.requests) == calls
    one.change_config({"secret": {"on_conflict": "adopt"}, "namespaces": {"on_exclude": "delete"}})
    found = rows(one, "survey-*")
    assert found["adopt"]["next"] == "adopt" and found["kept"]["next"] == "delete"
    end(control_plane)


def test_service_accounts(control_plane: ControlPlane, ecr: Ecr, eatr: MakeEatr, tmp_path: Path) -> None:
    """Rights for the one that is named are enough."""
    control_plane.create_namespaces(["surveyed-a", "surveyed-b"])
    changes = only("surveyed", {"secret": {"service_accounts": "default"}})
    for name in ("surveyed-a", "surveyed-b"):
        path = f"/api/v1/namespaces/{name}/serviceaccounts/default"
        wait_until(lambda p=path: control_plane.request("GET", p)[0] == 200, "there is an account")
    one = eatr(changes, kubeconfig=reader(control_plane, tmp_path / "reader"))
    assert [row["service_accounts_named"] for row in rows(one, "surveyed-*").values()] == [0, 0]
    assert eatr(changes).run("once") == 0
    wait_entry(control_plane, "surveyed-a")
    found = rows(one, "surveyed-*")
    assert [(row["service_accounts"], row["service_accounts_named"]) for row in found.values()] == [(1, 1)] * 2
    one.out.clear()
    assert one.run("status", "surveyed-a") == 0
    assert "ACCOUNTS" in one.out[0] and "1 of 1" in one.out[1]


@pytest.mark.parametrize("resource", ["namespaces", "secrets"])
def test_a_right_that_is_missing(
    control_plane: ControlPlane, eatr: MakeEatr, tmp_path: Path, resource: str
) -> None:
    """The API server's words."""
    who = reader(control_plane, tmp_path / "reader")
    rules = [rule for rule in RULES if rule["resources"] != [resource]]
    grant(control_plane, READER, {"kind": "User", "name": READER}, rules)
    one = eatr(kubeconfig=who)
    assert one.run("status", timeout=10) == 1
    assert one.out == [] and len(one.log) == 1
    assert f'User "{READER}" cannot list resource "{resource}"' in one.log[0]
