"""Good manners in somebody else's cluster: what eatr asks an API server for, how often, and how fast.

All of eatr is on in these: service accounts, Events, `on_exclude = delete` and a label selector. `pytest -s`
shows the figures.
"""

from __future__ import annotations

import bisect
import itertools
import json
import re
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator

import pytest
import yaml  # type: ignore[import]

import faults
from api_server import ApiServer
from conftest import MakeEatr, in_background, wait_fresh
from control_plane import ControlPlane
from eatr import SCALE, Changes, Eatr, find_binary, merged, wait_for
from ecr import Ecr
from http_double import Record
from real import eatrs
from teams import (
    AUDIT,
    BOTH,
    EVERYTHING,
    PACED,
    TEAMS,
    Requests,
    Teams,
    cost_of,
    everything,
    make_teams,
)
from test_faults import pass_time

LIST, ONE = (f"application/json;as=PartialObjectMetadata{what};g=meta.k8s.io;v=v1" for what in ("List", ""))
TABLE = "application/json;as=Table;g=meta.k8s.io;v=v1"
SECRETS, ACCOUNTS, NAMESPACES = (f"/api/v1/{what}" for what in ("secrets", "serviceaccounts", "namespaces"))


def populate(api: ApiServer, prefix: str, count: int) -> list[str]:
    """Namespaces PREFIX-N with two service accounts that are meant, and one that is not."""
    names = [f"{prefix}-{number}" for number in range(count)]
    for name in names:
        api.add_namespace(name)
        for account in ("default", "ci-0", "other"):
            api.put_account(name, account, "theirs")
    return names


def wait_done(ecr: Ecr, api: ApiServer, *names: str) -> None:
    """Waits until these namespaces have all that eatr gives them."""
    wait_fresh(ecr, api, *names)
    for name, account in itertools.product(names, ("default", "ci-0")):
        wait_for(lambda: "ecr" in api.account_entries(name, account), 10, f"{name}/{account} has the entry")


def kind_of(record: Record) -> str:
    """What kind of request it is, as eatr's own metric has it."""
    if record.path == "/livez":
        return "probe"
    if record.method == "GET" and record.path.count("/") > 3:
        return "get"
    if record.method == "PATCH":
        return "apply" if "/secrets/" in record.path else "patch"
    return {"POST": "create", "DELETE": "delete", "GET": "watch" if record.watch else "list"}[record.method]


def agent() -> str:
    """The User-Agent of this version, without the system's name."""
    said = subprocess.run([find_binary(), "--version"], check=True, capture_output=True, text=True).stdout
    return "/".join(said.split()[:2])


def changes_of(api: ApiServer) -> list[Record]:
    """The requests that the lanes rule, all kinds of them."""
    return [record for record in list(api.requests) if kind_of(record) not in ("list", "watch", "probe")]


# What is asked for --------------------------------------------------------------------------------------


def do_everything(ecr: Ecr, api: ApiServer, one: Eatr) -> None:
    """Has eatr make each kind of request that it knows."""
    populate(api, "shop", 2)
    api.add_namespace("out", {"team": "none"})
    api.put_secret("default", type="Opaque", data={"key": "value"}, immutable=True)
    one.start().wait_ready()
    wait_done(ecr, api, "shop-0", "shop-1")
    wait_for(lambda: api.events, 10, "an Event")
    one.change_config({"secret": {"on_conflict": "recreate"}})
    one.signal(signal.SIGHUP)
    wait_for(lambda: (now := api.secret("default")) and not now.data.get("key"), 10, "it is eatr's")
    api.add_namespace("new")
    wait_fresh(ecr, api, "new", "default")
    api.edit_namespace("shop-1", labels={"team": "none"})
    wait_for(lambda: not api.secret("shop-1") and "ecr" not in api.account_entries("shop-1"), 10, "it is out")


def test_of_secrets_nothing_but_metadata_is_asked_for(ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """Whatever is done to them; who asks is told each time, and no list goes past the server's cache."""
    do_everything(ecr, api, eatr(EVERYTHING))
    version = agent()
    for record in list(api.requests):
        assert re.match(rf"{re.escape(version)} ", record.headers["User-Agent"]), record
        assert "limit" not in record.query
        kind = kind_of(record)
        if kind in ("list", "watch"):
            assert record.query.get("resourceVersion") == "0" or kind == "watch", record
        if not re.search("/secrets", record.path):
            continue
        wanted = {"list": LIST, "get": TABLE}.get(kind, ONE)
        assert record.headers["Accept"] == wanted, record
        if kind == "get":
            assert record.query == {"includeObject": "None"}
        if kind in ("list", "watch"):
            assert record.path == SECRETS and record.query["fieldSelector"] == "metadata.name=ecr"
    kinds = {kind_of(record) for record in api.requests}
    assert kinds == {"list", "watch", "apply", "delete", "get", "patch", "create"}
    lists = Counter(record.path for record in api.requests if kind_of(record) == "list")
    assert lists == {SECRETS: 1, ACCOUNTS: 1, NAMESPACES: 1}


@in_background
def test_at_rest_nothing_is_asked_at_all(ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """But for /livez on connections that have been silent for half a minute; eatr's own count says so, too."""
    names = populate(api, "shop", 20)
    one = eatr(EVERYTHING).start()
    one.wait_ready()
    wait_done(ecr, api, *names)
    wait_for(lambda: len(api.watches) == 3 and not any(r.status == 0 for r in changes_of(api)), 10, "it rests")
    seen = len(api.requests)
    pass_time(20)
    for record in api.requests[seen:]:
        assert kind_of(record) == "probe" and record.time - one.started > 29, record
    ended = Counter(kind_of(record) for record in api.requests if not record.watch)
    told: Counter[str] = Counter()
    for name, value in one.metrics().items():
        if match := re.match(r'eatr_kube_requests_total\{.*verb="(\w+)"', name):
            told[match[1]] += int(value)
    assert told == ended


# What is done when the server is busy ---------------------------------------------------------------------

RETRY_AFTER = 1


def heal(api: ApiServer) -> None:
    """A Secret has to be put back."""
    api.delete_secret("shop-0")


def entry(api: ApiServer) -> None:
    """An entry has to be put back."""
    api.put_account("shop-0", "ci-0", "theirs")


def account(api: ApiServer) -> None:
    """A service account has to be made."""
    api.add_namespace("first")


def delete(api: ApiServer) -> None:
    """A Secret has to go."""
    api.edit_namespace("shop-1", labels={"team": "none"})


def inspect(api: ApiServer) -> None:
    """A stranger's Secret has to be looked at."""
    api.add_namespace("first")
    api.put_secret("first", type="Opaque", data={"key": "value"})


BUSY: dict[Callable[[ApiServer], None], tuple[str, str]] = {
    heal: ("PATCH", "/shop-0/secrets/ecr"),
    entry: ("PATCH", "/shop-0/serviceaccounts/ci-0"),
    account: ("POST", "/first/serviceaccounts"),
    delete: ("DELETE", "/shop-1/secrets/ecr"),
    inspect: ("GET", "/first/secrets/ecr"),
}


@pytest.mark.parametrize("what", BUSY, ids=lambda what: what.__name__)
def test_a_server_that_is_busy_is_left_alone_by_all_writes(
    what: Callable[[ApiServer], None], ecr: Ecr, api: ApiServer, eatr: MakeEatr
) -> None:
    """Whichever request is told so: for as long as it says nothing of any kind begins, and then one first."""
    names = populate(api, "shop", 8)
    one = eatr(EVERYTHING).start()
    one.wait_ready()
    wait_done(ecr, api, *names)
    method, path = BUSY[what]
    injection = api.inject(faults.too_many_requests(RETRY_AFTER), method=method, path=path, count=1)
    before = len(changes_of(api))
    one.signal(signal.SIGSTOP)
    what(api)
    one.signal(signal.SIGCONT)
    wait_for(lambda: injection.hits == 1, 10, "it is told")
    api.inject(faults.slow(0.3), path="/(secrets|serviceaccounts|events)", watch=False)
    one.wait_log("takes no writes: .*429")
    for name in names[2:5]:
        api.delete_secret(name)
        api.put_account(name, "default", "theirs")
    api.edit_namespace(names[5], labels={"team": "none"})
    api.edit_secret(names[6], data={"key": "value"})
    api.add_namespace("second")
    wait_done(ecr, api, *names[2:5])
    wait_fresh(ecr, api, "second")
    wait_for(lambda: api.secret(names[5]) is None, 10, "what is to go has gone")
    since = changes_of(api)[before:]
    (busy,) = (record for record in since if record.status == 429)
    after = [record for record in since if record.time > busy.time + 0.1]
    assert after[0].time - busy.time >= RETRY_AFTER
    assert after[1].time - after[0].time >= 0.3
    assert {kind_of(record) for record in after} >= {"apply", "patch", "create", "delete"}
    assert len([record for record in after if record.time < after[1].time + 0.1]) > 3


def test_what_was_on_its_way_does_not_end_a_pause(ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """One of many is told that the server is busy, and the others are answered a moment later: one first."""
    api.inject(faults.too_many_requests(RETRY_AFTER), method="PATCH", count=1)
    api.inject(faults.slow(0.3), method="PATCH")
    for number in range(38):
        api.add_namespace(f"shop-{number}")
    eatr().start()
    wait_fresh(ecr, api)
    writes = changes_of(api)
    begun = [record for record in writes if record.time < writes[0].time + RETRY_AFTER]
    assert len(begun) == 16 and [record.status for record in begun].count(429) == 1
    assert writes[17].time - writes[16].time >= 0.3


def test_of_all_kinds_of_writes_together_there_are_no_more_than_max_in_flight(
    ecr: Ecr, api: ApiServer, eatr: MakeEatr
) -> None:
    """Secrets, service accounts, looks at strangers' Secrets, and Events."""
    most, kinds = 0, set()

    def count(handler: object, number: int) -> bool:
        nonlocal most
        open_now = [record for record in changes_of(api) if record.status == 0]
        most = max(most, len(open_now))
        kinds.update("event" if "/events" in record.path else kind_of(record) for record in open_now)
        return bool(faults.slow(0.05)(handler, number))

    names = populate(api, "shop", 20)
    for number in range(10):
        api.add_namespace(f"taken-{number}")
        api.put_secret(f"taken-{number}", data={"key": "value"})
    api.inject(count, path="/(secrets|serviceaccounts|events)", watch=False)
    one = eatr({**EVERYTHING, "renewal": {"max_in_flight": 4, "max_writes_per_second": 0}}).start()
    wait_done(ecr, api, *names)
    for number in range(10):
        api.add_namespace(f"new-{number}")
    wait_for(lambda: len(api.events) >= 10, 10, "Events")
    wait_fresh(ecr, api, "new-9")
    one.stop()
    assert most == 4 and kinds >= {"apply", "patch", "create", "event"}


# What a reload costs -------------------------------------------------------------------------------------


@pytest.mark.tls
def test_another_token_in_its_file_costs_nothing(ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """What is next to be sent is sent with it; no list, and no watch is begun anew."""
    names = populate(api, "shop", 3)
    one = eatr(EVERYTHING)
    path, file = one.directory / "kubeconfig", one.directory / "token"
    file.write_text(str(api.token))
    tree = yaml.safe_load(path.read_text())
    tree["users"][0]["user"] = {"tokenFile": str(file)}
    path.write_text(yaml.safe_dump(tree))
    one.start().wait_ready()
    wait_done(ecr, api, *names)
    seen = len(api.requests)
    one.secrets.append("the-second-bearer-token")
    file.write_text("the-second-bearer-token")
    api.token = "the-second-bearer-token"
    api.add_namespace("new")
    wait_fresh(ecr, api, "new")
    wait_for(lambda: api.account_entries("new") == ["ecr"], 10, "its account")
    since = api.requests[seen:]
    assert sorted(kind_of(record) for record in since if record.status != 401) == ["apply", "create"]
    assert len(api.watches) == 3


@pytest.mark.tls
def test_another_token_in_the_kubeconfig_costs_one_list_of_each(
    ecr: Ecr, api: ApiServer, eatr: MakeEatr
) -> None:
    """Of the server's cache, as at a start; and no write."""
    names = populate(api, "shop", 3)
    one = eatr(EVERYTHING).start()
    one.wait_ready()
    wait_done(ecr, api, *names)
    path = one.directory / "kubeconfig"
    tree = yaml.safe_load(path.read_text())
    api.token = tree["users"][0]["user"]["token"] = "the-second-bearer-token"
    one.secrets.append("the-second-bearer-token")
    seen = len(api.requests)
    path.write_text(yaml.safe_dump(tree))
    one.wait_log("Reloaded: context ")
    wait_for(lambda: len(api.matching("GET", watch=True)) == 6, 10, "the watches stand")
    since = api.requests[seen:]
    assert Counter(kind_of(record) for record in since) == {"list": 3, "watch": 3}
    assert {record.query["resourceVersion"] for record in since if not record.watch} == {"0"}


# On a real API server -------------------------------------------------------------------------------------

PACE = 50


@pytest.fixture(scope="module")
def teams(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Teams]:
    """See Teams; eatr has been started and rests."""
    directory = tmp_path_factory.mktemp("manners")
    policy = directory / "audit.json"
    policy.write_text(json.dumps(AUDIT))
    flags = [f"--audit-policy-file={policy}"]
    plane = ControlPlane(
        control_plane.assets, directory / "plane", controllers=("namespace",), apiserver_flags=flags
    )
    with plane, Ecr() as ecr, eatrs(directory, plane, ecr) as make:
        make_teams(plane, range(PACED))
        keys = {"aws_access_key_id": ecr.access_key, "aws_secret_access_key": ecr.secret_key}
        plane.put_secret("kube-system", "aws-keys", keys)
        yield Teams(plane, ecr, make)


def test_connections_are_one_for_each_watch_and_one_for_all_writes(teams: Teams) -> None:
    """In the heat of a first start, too: 300 Secrets and 600 accounts, as fast as the server takes them."""
    log, one, seen = Requests(teams.cluster), teams.one, [0]
    one.start()
    while not any("Pass done" in line for line in one.log):
        seen.append(teams.connections())
        assert one.running and time.monotonic() - one.started < 60 * SCALE
    one.wait_metric("eatr_service_accounts_added_total", PACED * len(BOTH), 30)
    wait_for(lambda: log.count()["patch", "serviceaccounts"] == PACED * len(BOTH), 20, "all is logged")
    writes = log.count()["patch", "secrets"] + log.count()["patch", "serviceaccounts"]
    print(f"\n{max(seen)} connections at most during {writes} writes, {teams.connections()} afterwards")
    assert max(seen) == teams.connections() == 4 + 1


def test_a_restart_with_all_in_order_is_one_list_of_each_and_no_write(teams: Teams) -> None:
    """The lists come from the server's cache; nothing else is asked for."""
    log = Requests(teams.cluster)
    teams.one.restart().wait_ready()
    teams.fence("team-000-a")
    wait_for(lambda: log.count()["create", "serviceaccounts"], 10, "all is logged")
    lists = [uri for verb, _, _, uri in log.all() if verb == "list"]
    print("", *lists, sep="\n")
    assert len(lists) == 4 and all("resourceVersion=0" in uri and "limit" not in uri for uri in lists)
    assert all("fieldSelector=metadata.name%3D" in uri for uri in lists if "/secrets?" in uri)
    assert log.count() == {
        ("list", "namespaces"): 1,
        ("list", "secrets"): 2,
        ("list", "serviceaccounts"): 1,
        ("watch", "namespaces"): 1,  # those of before
        ("watch", "secrets"): 2,
        ("watch", "serviceaccounts"): 1,
        ("patch", "secrets"): 1,
        ("create", "serviceaccounts"): 1,
    }


RELOADS: dict[str, tuple[Changes, dict[tuple[str, str], int]]] = {
    "nothing": ({}, {}),
    "a blacklist": ({"namespaces": {"blacklist": "nobody-*"}}, {}),
    "a selector": (
        {"namespaces": {"label_selector": "team!=nobody"}},
        {("list", "namespaces"): 1, ("watch", "namespaces"): 1},  # the watch that ends
    ),
}


@pytest.mark.parametrize("what", RELOADS)
def test_a_reload_asks_for_what_it_needs(what: str, teams: Teams) -> None:
    """Which is nothing, unless labels have to be read that were not of interest before."""
    changes, wanted = RELOADS[what]
    log = Requests(teams.cluster)
    teams.reload(changes)
    teams.fence(f"team-000-{what.split()[-1]}")
    wanted = {**wanted, ("patch", "secrets"): 1, ("create", "serviceaccounts"): 1}  # the fence
    wait_for(lambda: log.count().total() >= sum(wanted.values()), 30, "it is logged")
    assert log.count() == wanted


def test_renewals_and_service_accounts_have_one_pace(teams: Teams) -> None:
    """300 renewals take 300/50 s, with 300 accounts twice as long; a new namespace waits for none of them."""
    log = Requests(teams.cluster)
    renewal = {"max_writes_per_second": PACE, "auth_token_renewal_interval": f"{7 * SCALE:g}s"}
    teams.reload({"renewal": renewal})  # all is due by now, or in a moment
    teams.one.wait_metric("secret_renewals_total", lambda n: n >= 50, 20)
    teams.fence("team-000-urgent")
    bulk = wait_for(lambda: log.bulk(PACED), 30, "all are renewed")
    print(f"\n{len(bulk)} renewals in {bulk[-1] - bulk[0]:.2f} s")
    assert bulk[-1] - bulk[0] >= (PACED - 0.1 * PACE - 1) / PACE - 0.1
    teams.reload({"secret": {"service_accounts": "default"}, "renewal": {"max_writes_per_second": 2 * PACE}})
    both = wait_for(lambda: log.bulk(3 * PACED), 30, "all are renewed, and entries taken out")[PACED:]
    kinds = log.count()
    print(f"{len(both)} of both in {both[-1] - both[0]:.2f} s; {kinds}")
    assert kinds["patch", "serviceaccounts"] >= PACED
    assert both[-1] - both[0] >= (2 * PACED - 11) / (2 * PACE) - 0.1
    most = max(bisect.bisect(both, start + 1) - number for number, start in enumerate(both))
    assert most <= 2 * PACE * 1.25


@pytest.mark.slow
def test_what_all_of_it_costs_in_a_large_cluster(teams: Teams) -> None:
    """1,000 namespaces with 2 service accounts each, with everything on and with everything off."""
    if teams.one.running:
        teams.one.stop()
    make_teams(teams.cluster, range(PACED, TEAMS))
    count = len([name for name in teams.cluster.namespaces() if name.startswith("team-")])
    fast: Changes = {"renewal": {"max_writes_per_second": 0}}
    off = teams.make(merged(fast, {"secret": {"name": "plain"}, "namespaces": {"include": "team-*"}}))
    on = teams.make(everything("team-*", "full", **fast["renewal"] or {}))
    without = cost_of(off, 0)
    everything_on = cost_of(on, TEAMS * len(BOTH) + (count - TEAMS))
    for what, cost in (("off", without), ("on", everything_on)):
        print(
            f"\n{count} namespaces, everything {what}: {cost.requests} requests, {cost.cpu:.2f} s of CPU, RSS"
            f" {cost.rss / 1024:.1f} MB; restart {cost.restart_cpu:.2f} s, {cost.restart_rss / 1024:.1f} MB"
        )
    assert without.requests == count + 2
    assert everything_on.requests == count + TEAMS * len(BOTH) + (count - TEAMS) + 3
    assert everything_on.restart_rss < 1.5 * without.restart_rss  # sanitizers or not
    assert everything_on.cpu < 10 * SCALE and everything_on.restart_cpu < 2 * SCALE
