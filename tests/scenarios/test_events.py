"""Events: those who own a namespace are told what concerns their Secret, and the API server hardly notices."""

from __future__ import annotations

import time
from typing import Any

import pytest

import faults
from api_server import ApiServer
from conftest import MakeEatr, wait_fresh
from eatr import wait_for
from ecr import Ecr
from http_double import Fault

CREATED = 'eatr_events_total{outcome="created"}'
DROPPED = 'eatr_events_total{outcome="dropped"}'


def events(api: ApiServer, namespace: str | None = None) -> list[dict[str, Any]]:
    """The Events there are, or those in a namespace."""
    return [event for event in api.events if namespace in (None, event["metadata"]["namespace"])]


def test_a_conflict_is_told_once_also_over_restarts(ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """With the sentence of the journal, about the Secret that is in the way."""
    api.add_namespace("taken")
    api.put_secret("taken", data={"key": "value"})
    one = eatr().start()
    one.wait_ready()
    wait_for(lambda: events(api), what="an Event")
    one.wait_metric(CREATED, 1)
    (event,) = events(api)
    assert event["metadata"]["namespace"] == "taken"
    assert (event["type"], event["reason"]) == ("Warning", "PullSecretConflict")
    assert event["regarding"]["uid"] == api.secret("taken").uid  # type: ignore[union-attr]
    assert any(line.endswith(f"namespace taken: {event['note']}") for line in one.log)
    assert event["note"].startswith("Secret ecr is not eatr's")

    for restart in range(2):
        one.restart()
        one.wait_ready()
        one.wait_metric(CREATED, 1)
        api.add_namespace(f"new-{restart}")
        wait_fresh(ecr, api, f"new-{restart}")
    assert len(events(api)) == 1
    assert "series" not in event


@pytest.mark.parametrize(
    ("fault", "reason"),
    [(faults.webhook_denied(), "PullSecretDenied"), (faults.quota_exceeded(), "QuotaExceeded")],
)
def test_a_denial(ecr: Ecr, api: ApiServer, eatr: MakeEatr, fault: Fault, reason: str) -> None:
    """By what somebody has set up in the cluster: one Event, with its words."""
    api.add_namespace("denied")
    api.inject(fault, method="PATCH", path="/namespaces/denied/secrets")
    one = eatr().start()
    one.wait_ready()
    wait_for(lambda: events(api), what="an Event")
    (event,) = events(api)
    assert (event["metadata"]["namespace"], event["reason"]) == ("denied", reason)
    assert "uid" not in event["regarding"]
    assert event["note"].startswith("cannot write Secret ecr: ")
    one.wait_metric(CREATED, 1)


def test_the_whole_clusters_trouble_is_nobodys(ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """Missing rights are eatr's own affair, and an API server that is away is nobody's in a namespace."""
    api.add_namespace("shop")
    api.inject(faults.forbidden(), method="PATCH", path="/namespaces/shop/secrets")
    one = eatr().start()
    one.wait_ready()
    one.wait_log("namespace shop: cannot write Secret ecr")
    api.inject(faults.unavailable(), method="PATCH")
    api.add_namespace("web")
    one.wait_log("The API server takes no writes")
    assert not api.matching("POST", "/events")


def test_five_hundred_conflicts_keep_within_the_budget(ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """Twenty, and one a second; and no Secret waits for them."""
    for number in range(500):
        api.add_namespace(f"taken-{number}")
        api.put_secret(f"taken-{number}", data={"key": "value"})
    one = eatr().start()
    started = time.monotonic()
    one.wait_ready()
    wait_for(lambda: len(events(api)) >= 22, 10, "twenty Events and two")
    took = time.monotonic() - started
    assert 2 <= took and len(events(api)) <= 21 + took
    api.add_namespace("new")
    wait_fresh(ecr, api, "default", "kube-system", "new", timeout=1)
    assert len(events(api)) <= 21 + time.monotonic() - started
    names = [event["metadata"]["namespace"] for event in events(api)]
    assert len(names) == len(set(names))


def test_without_the_right_eatr_goes_on(ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """It is said once, and tried again after a reload."""
    for number in range(30):
        api.add_namespace(f"taken-{number}")
        api.put_secret(f"taken-{number}", data={"key": "value"})
    injection = faults.kube_error(
        403,
        "Forbidden",
        'events.events.k8s.io is forbidden: User "eatr" cannot create resource "events" in API group '
        '"events.k8s.io" in the namespace "taken-0"',
    )
    api.inject(injection, method="POST", path="/events")
    one = eatr().start()
    one.wait_ready()
    one.wait_log("warning: Cannot write Events: .*RIGHTS")
    one.wait_metric(DROPPED, lambda count: count > 0)
    api.add_namespace("new")
    wait_fresh(ecr, api, "default", "new", timeout=1)
    assert sum("Cannot write Events" in line for line in one.log) == 1
    assert len(api.matching("POST", "/events")) <= 4

    api.clear_faults()
    one.signal(1)
    wait_for(lambda: len(events(api)) >= 20, 10, "Events after the reload")


def test_an_api_server_that_is_busy_is_spared(ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """Events are dropped when it says so; Secrets do not wait for that."""
    api.add_namespace("taken")
    api.put_secret("taken", data={"key": "value"})
    api.inject(faults.too_many_requests(30), method="POST", path="/events")
    one = eatr().start()
    one.wait_ready()
    one.wait_metric(DROPPED, 1)
    api.add_namespace("new")
    wait_fresh(ecr, api, "default", "new", timeout=1)
    assert len(api.matching("POST", "/events")) == 1


def test_no_event_in_a_dry_run(ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """Nothing is written, Events included."""
    api.add_namespace("taken")
    api.put_secret("taken", data={"key": "value"})
    assert eatr().run("--dry-run", "once") == 1
    assert not api.matching("POST")


def test_a_namespace_that_is_being_deleted_has_none(ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """Nobody reads them, and the API server takes none."""
    api.add_namespace("going")
    api.put_secret("going", data={"key": "value"})
    api.terminate_namespace("going")
    api.add_namespace("taken")
    api.put_secret("taken", data={"key": "value"})
    one = eatr().start()
    one.wait_ready()
    one.wait_metric(CREATED, 1)
    assert [event["metadata"]["namespace"] for event in events(api)] == ["taken"]
    assert len(api.matching("POST", "/events")) == 1
