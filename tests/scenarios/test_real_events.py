"""Events on a real kube-apiserver: it takes them, and kubectl shows them to those who own the namespace."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import MakeEatr
from control_plane import ControlPlane
from eatr import wait_for
from ecr import Ecr
from identity import Right, identity
from real import SECRET, Kubectl, eatrs, is_fresh, only, wait_fresh

PATCH = "application/merge-patch+json"
STRANGE = {"data": {".dockerconfigjson": "e30="}}  # {}


@pytest.fixture
def eatr(tmp_path: Path, control_plane: ControlPlane, ecr: Ecr) -> Iterator[MakeEatr]:
    """Makes eatrs for the real control plane."""
    with eatrs(tmp_path, control_plane, ecr) as make:
        yield make


def events(cluster: ControlPlane, namespace: str) -> list[Any]:
    """What `kubectl get events` reads there, of eatr's."""
    status, answer = cluster.request("GET", f"/api/v1/namespaces/{namespace}/events")
    assert status == 200, answer
    return [event for event in answer["items"] if event["reportingComponent"] == "eatr/eatr"]


def wait_event(cluster: ControlPlane, namespace: str, reason: str) -> Any:
    """Waits for the first of a namespace, which has to be the only one and of that reason."""
    found = wait_for(lambda: events(cluster, namespace), 10, f"an Event in {namespace}")
    assert [event["reason"] for event in found] == [reason]
    assert found[0]["involvedObject"]["name"] == SECRET
    assert found[0]["involvedObject"]["namespace"] == namespace
    return found[0]


def test_a_foreign_secret(control_plane: ControlPlane, ecr: Ecr, eatr: MakeEatr, tmp_path: Path) -> None:
    """kubectl shows one, and it is one still after restarts."""
    control_plane.create_namespaces(["told-0", "told-1"])
    control_plane.put_secret("told-0", SECRET, {"key": "value"})
    one = eatr(only("told")).start()
    event = wait_event(control_plane, "told-0", "PullSecretConflict")
    assert event["type"] == "Warning"
    assert event["involvedObject"]["uid"] == control_plane.secret("told-0", SECRET)["metadata"]["uid"]
    assert event["message"].startswith("Secret ecr is not eatr's")
    kubectl = Kubectl(control_plane, tmp_path / "kubectl")
    assert "PullSecretConflict" in kubectl("-n", "told-0", "get", "events")

    for _ in range(2):
        one.restart()
        wait_fresh(control_plane, ecr, "told-1")
        one.wait_metric('eatr_kube_requests_total{verb="create",code="409"}', 1)
    assert len(events(control_plane, "told-0")) == 1
    assert events(control_plane, "told-1") == []


def test_a_quota(control_plane: ControlPlane, ecr: Ecr, eatr: MakeEatr) -> None:
    """That is used up: the namespace's own affair."""
    control_plane.create_namespace("quota-0")
    quota: Any = {"metadata": {"name": "none"}, "spec": {"hard": {"secrets": "0"}}}
    path = "/api/v1/namespaces/quota-0/resourcequotas"
    assert control_plane.request("POST", path, quota)[0] == 201
    quota = {"status": {"hard": {"secrets": "0"}, "used": {"secrets": "0"}}}  # no controller here says so
    assert control_plane.request("PATCH", f"{path}/none/status", quota, PATCH)[0] == 200
    eatr(only("quota")).start()
    event = wait_event(control_plane, "quota-0", "QuotaExceeded")
    assert "exceeded quota: none" in event["message"]
    assert "uid" not in event["involvedObject"]


def test_a_fight(control_plane: ControlPlane, ecr: Ecr, eatr: MakeEatr) -> None:
    """Somebody puts something else back each time."""
    control_plane.create_namespace("fought-0")
    one = eatr(only("fought")).start()
    wait_fresh(control_plane, ecr, "fought-0")
    path = f"/api/v1/namespaces/fought-0/secrets/{SECRET}?fieldManager=rival"
    for _ in range(10):
        assert control_plane.request("PATCH", path, STRANGE, PATCH)[0] == 200
        wait_for(
            lambda: is_fresh(control_plane, ecr, "fought-0") or events(control_plane, "fought-0"),
            what="a heal, or an Event",
        )
    event = wait_event(control_plane, "fought-0", "FightingOverSecret")
    assert event["message"].startswith("rival keeps changing Secret ecr")
    assert sum("keeps changing" in line for line in one.log) == 1


def test_what_is_taken_over(control_plane: ControlPlane, ecr: Ecr, eatr: MakeEatr) -> None:
    """No warning, but those who had made it should know."""
    control_plane.create_namespace("adopted-0")
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": SECRET}, **STRANGE}
    body["type"] = "kubernetes.io/dockerconfigjson"
    assert control_plane.request("POST", "/api/v1/namespaces/adopted-0/secrets", body)[0] == 201
    eatr(only("adopted", {"secret": {"on_conflict": "adopt"}})).start()
    assert wait_event(control_plane, "adopted-0", "PullSecretAdopted")["type"] == "Normal"
    wait_fresh(control_plane, ecr, "adopted-0")


def test_no_event_without_the_right(
    control_plane: ControlPlane, ecr: Ecr, eatr: MakeEatr, tmp_path: Path
) -> None:
    """It is said once, and Secrets do not care."""
    control_plane.create_namespaces([f"silent-{number}" for number in range(9)])
    for number in range(8):
        control_plane.put_secret(f"silent-{number}", SECRET, {"key": "value"})
    who = identity(control_plane, without=Right("events", "create"))
    one = eatr(only("silent"), kubeconfig=who.kubeconfig(tmp_path / "kubeconfig")).start()
    one.wait_log("Cannot write Events: .*cannot create resource.*RIGHTS", 10)
    wait_fresh(control_plane, ecr, "silent-8")
    control_plane.create_namespace("silent-9")
    wait_fresh(control_plane, ecr, "silent-9")
    assert sum("Cannot write Events" in line for line in one.log) == 1
    assert not any(events(control_plane, f"silent-{number}") for number in range(9))


def test_what_lasts_is_said_of_the_same_event(control_plane: ControlPlane) -> None:
    """The server takes the series that eatr sends after half an hour, which no test waits for."""
    control_plane.create_namespace("series-0")
    path = "/apis/events.k8s.io/v1/namespaces/series-0/events"
    event = {
        "metadata": {"name": "eatr.0123456789abcdef", "namespace": "series-0"},
        "eventTime": "2026-11-23T19:19:27.001234Z",
        "type": "Warning",
        "reason": "PullSecretConflict",
        "action": "Apply",
        "reportingController": "eatr/eatr",
        "reportingInstance": "ops1",
        "note": "n" * 1024,
        "regarding": {"apiVersion": "v1", "kind": "Secret", "namespace": "series-0", "name": SECRET},
    }
    assert control_plane.request("POST", path, event)[0] == 201
    series = {"series": {"count": 2, "lastObservedTime": "2026-11-23T19:49:27.000000Z"}}
    status, answer = control_plane.request("PATCH", f"{path}/eatr.0123456789abcdef", series, PATCH)
    assert (status, answer["series"]) == (200, series["series"]), json.dumps(answer)
