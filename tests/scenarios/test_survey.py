"""eatr status: what an operator sees of each namespace, without a log and without AWS."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Callable
from typing import Any

import pytest

import faults
from api_server import ApiServer
from conftest import MakeEatr, wait_fresh
from eatr import Eatr, wait_for
from ecr import Ecr
from test_purge import drop_aws, lose_profile, spoil_aws

KEYS = [
    "namespace",
    "wanted",
    "verdict",
    "rule",
    "secret",
    "manager",
    "expires_at",
    "next",
    "reason",
    "next_at",
    "service_accounts",
    "service_accounts_named",
]
LISTS = ["/api/v1/namespaces", "/api/v1/secrets"]


@pytest.fixture
def one(ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> Eatr:
    """One that has written its Secret into default, kube-system, shop and web, and then meets a blacklist."""
    api.add_namespace("shop")
    api.add_namespace("web")
    one = eatr()
    assert one.run("once") == 0
    wait_fresh(ecr, api)
    one.change_config({"namespaces": {"blacklist": "kube-*"}})
    forget(one, api, ecr)
    return one


def forget(one: Eatr, api: ApiServer, ecr: Ecr) -> None:
    """What was before."""
    one.out.clear()
    one.log.clear()
    api.requests.clear()
    ecr.requests.clear()


def table(one: Eatr) -> dict[str, list[str]]:
    """The cells of each namespace."""
    return {cells[0]: cells[1:] for cells in (re.split(r" {3,}", line) for line in one.out[1:-1])}


def objects(one: Eatr, *arguments: str) -> dict[str, Any]:
    """What --output json says of each namespace."""
    one.out.clear()
    assert one.run("status", "--output", "json", *arguments) == 0
    return {item["namespace"]: item for item in json.loads("\n".join(one.out))}


def asked(api: ApiServer) -> list[str]:
    """Each request's path; all have to be lists."""
    assert all(record.method == "GET" and "watch" not in record.query for record in api.requests)
    return [record.path for record in api.requests]


def test_a_table(ecr: Ecr, api: ApiServer, one: Eatr) -> None:
    """It costs two lists, and no call of AWS."""
    api.add_namespace("new")
    assert one.run("status") == 0
    cells = table(one)
    assert re.fullmatch(r"NAMESPACE {5}WANTED {20,}SECRET {12}EXPIRES {20,}NEXT", one.out[0]), one.out
    assert list(cells) == ["default", "kube-system", "new", "shop", "web"]
    wanted, secret, expires, following = cells["default"]
    assert (wanted, secret) == ("yes", "good")
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ \(in 11h 59min\)", expires)
    assert re.fullmatch(r"renew in 5h 59min", following)
    assert cells["kube-system"][:2] == ['blacklist glob "kube-*"', "kept (excluded)"]
    assert cells["kube-system"][3] == "keep"
    assert cells["new"] == ["yes", "missing", "-", "create"]
    assert one.out[-1] == "5 namespaces: 3 fresh, 0 due, 1 pending, 0 in conflict, 1 excluded"
    assert one.log == []
    assert asked(api) == LISTS and ecr.requests == []


def test_every_kind_of_row(api: ApiServer, ecr: Ecr, one: Eatr) -> None:
    """What others do to Secrets and namespaces, as programs read it."""
    api.edit_secret("shop", annotations={"eatr/expires-at": "2020-01-01T00:00:00Z"})
    api.delete_secret("web")
    api.put_secret("web", data={"key": "value"}, manager="helm")
    api.add_namespace("legacy", labels={"legacy": ""})
    api.add_namespace("ignored", annotations={"eatr/ignore": "true"})
    api.add_namespace("going")
    api.terminate_namespace("going")
    api.add_namespace("frozen")
    one.change_config({"namespaces": {"blacklist": "kube-*", "label_selector": "!legacy"}})
    assert one.run("once") == 1
    api.edit_secret("shop", annotations={"eatr/expires-at": "2020-01-01T00:00:00Z"})
    api.edit_secret("frozen", immutable=True)
    forget(one, api, ecr)
    rows = objects(one)
    assert all(list(row) == KEYS for row in rows.values())
    said = {name: (row["verdict"], row["secret"], row["next"]) for name, row in rows.items()}
    assert said == {
        "default": ("wanted", "good", "renew"),
        "frozen": ("wanted", "immutable", "leave"),
        "going": ("terminating", "none", "nothing"),
        "ignored": ("ignored", "none", "nothing"),
        "kube-system": ("blacklisted", "kept", "keep"),
        "legacy": ("not-selected", "none", "nothing"),
        "shop": ("wanted", "edited", "heal"),
        "web": ("wanted", "foreign", "leave"),
    }
    assert rows["web"]["manager"] == "helm" and rows["shop"]["manager"] == "kubectl-edit"
    assert rows["legacy"]["rule"] == 'label_selector asks for "!legacy"'
    assert rows["ignored"]["rule"] == "annotation eatr/ignore"
    assert rows["default"]["next_at"] < rows["default"]["expires_at"]
    assert rows["web"]["expires_at"] is None and rows["web"]["next_at"] is None
    one.out.clear()
    assert one.run("status") == 0
    assert one.out[-1] == "8 namespaces: 2 fresh, 0 due, 1 pending, 1 in conflict, 4 excluded"


def test_it_says_what_would_be_done(ecr: Ecr, api: ApiServer, one: Eatr) -> None:
    """And eatr then does just that."""
    api.delete_secret("shop")
    api.put_secret("shop", type="kubernetes.io/dockerconfigjson", data={".dockerconfigjson": "{}"})
    api.edit_secret("web", data={".dockerconfigjson": "{}"})
    one.change_config(
        {"namespaces": {"blacklist": "kube-*", "on_exclude": "delete"}, "secret": {"on_conflict": "adopt"}}
    )
    rows = objects(one)
    assert {name: row["next"] for name, row in rows.items()} == {
        "default": "renew",
        "kube-system": "delete",
        "shop": "adopt",
        "web": "heal",
    }
    assert one.run("once") == 0
    assert api.secret("kube-system") is None
    wait_fresh(ecr, api, "shop", "web")
    assert objects(one)["web"]["next_at"] is not None


def test_an_interval(one: Eatr) -> None:
    """When it is due is what the configuration and the command line say."""
    due = objects(one, "web", "--auth-token-renewal-interval", "3h")["web"]
    one.out.clear()
    assert one.run("status", "web", "--auth-token-renewal-interval", "3h") == 0
    assert table(one)["web"][3] == "renew in 2h 59min"
    assert due["next_at"] < objects(one, "web")["web"]["next_at"]


def test_other_labels(ecr: Ecr, api: ApiServer, one: Eatr) -> None:
    """They are for the next write, and pods can pull until then."""
    one.change_config({"secret": {"labels": "team=red"}})
    rows = objects(one)
    assert rows["web"]["secret"] == "other-labels"
    assert (rows["web"]["next"], rows["web"]["next_at"]) == ("renew", None)
    one.out.clear()
    assert one.run("status") == 0
    assert one.out[-1] == "4 namespaces: 0 fresh, 3 due, 0 pending, 0 in conflict, 1 excluded"
    assert one.run("once") == 0
    assert objects(one)["web"]["secret"] == "good"


def test_chosen_namespaces(api: ApiServer, one: Eatr) -> None:
    """By globs; none of them need be there."""
    assert list(objects(one, "w*", "kube-system", "nobody")) == ["kube-system", "web"]
    assert objects(one, "nobody") == {}
    assert one.run("status", "Web") == 2


@pytest.mark.parametrize("change", [drop_aws, spoil_aws, lose_profile])
def test_aws_does_not_matter(api: ApiServer, ecr: Ecr, one: Eatr, change: Callable[[Eatr], None]) -> None:
    """It is not asked, so its configuration need not be right."""
    change(one)
    assert objects(one)["web"]["secret"] == "good"
    assert asked(api) == LISTS and ecr.requests == []


def test_what_matters_of_the_configuration(api: ApiServer, one: Eatr) -> None:
    """The rest of it has to be right."""
    one.write_config(one.config_path.read_text() + "[secret]\nname = Not/A/Name\n")
    assert one.run("status") == 78
    assert api.requests == [] and one.out == []


def test_service_accounts(api: ApiServer, one: Eatr) -> None:
    """If they are to name the Secret, it is told how many do."""
    one.change_config({"secret": {"service_accounts": "*"}})
    api.inject(faults.forbidden(), path="/serviceaccounts")
    assert one.run("status") == 1
    assert table(one)["web"][3] == "unknown" and len(one.out) == 6
    assert len(one.log) == 1 and "Cannot read service accounts from" in one.log[0]
    api.clear_faults()
    assert objects(one)["web"]["service_accounts"] == 0
    assert asked(api) == [*LISTS, "/api/v1/serviceaccounts"] * 2


def test_an_api_server_that_is_away(api: ApiServer, one: Eatr) -> None:
    """It gives up at once, and says why."""
    api.stop()
    for arguments in ([], ["--output", "json"]):
        one.log.clear()
        assert one.run("status", *arguments, timeout=10) == 1
        assert one.out == []
        assert len(one.log) == 1 and f"Cannot read namespaces from {api.url}: " in one.log[0]
        assert "onnect" in one.log[0]


@pytest.mark.parametrize("what", ["namespaces", "secrets"])
def test_lists_that_are_forbidden(api: ApiServer, one: Eatr, what: str) -> None:
    """With the API server's own words, and once."""
    api.inject(faults.forbidden(), path=f"/{what}")
    assert one.run("status", timeout=10) == 1
    assert one.out == [] and len(one.log) == 1
    assert "Cannot read " in one.log[0] and "forbidden" in one.log[0]
    assert asked(api) == LISTS[: LISTS.index(f"/api/v1/{what}") + 1]


NO_LISTS = [faults.unavailable(), faults.truncated(), faults.html(), faults.huge(), faults.reset()]


@pytest.mark.parametrize("fault", [*NO_LISTS, faults.unauthorized()])
def test_answers_that_are_none(api: ApiServer, one: Eatr, fault: faults.Fault) -> None:
    """Half a table would be wrong."""
    api.inject(fault, path="/secrets")
    assert one.run("status", timeout=10) == 1
    assert one.out == [] and len(one.log) == 1 and "Cannot read Secrets from" in one.log[0]


def test_told_to_stop(api: ApiServer, one: Eatr) -> None:
    """Ctrl-C while a list does not end."""
    api.inject(faults.hang(), path="/secrets")
    one.start("status")
    wait_for(lambda: "/api/v1/secrets" in asked(api), what="the second list")
    one.signal(signal.SIGINT)
    assert one.wait_exit(5) == 1
    assert one.out == []


def test_beside_an_eatr_that_runs(ecr: Ecr, api: ApiServer, one: Eatr, eatr: MakeEatr) -> None:
    """Its port is not taken, and nothing is changed."""
    other = eatr({"metrics": {"listen": f"127.0.0.1:{one.metrics_port}"}}).start()
    other.wait_ready()
    before = [api.secret(name) for name in api.namespaces()]
    assert objects(one)["web"]["secret"] == "good"
    assert [api.secret(name) for name in api.namespaces()] == before


def test_nothing_is_notified(one: Eatr) -> None:
    """It is no service."""
    assert one.run("status") == 0
    assert one.messages("READY") == one.messages("STATUS") == []
