"""Service accounts on a real kube-apiserver: who gets the Secret's name into imagePullSecrets, who keeps it."""

from __future__ import annotations

import os
import random
import re
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import identity
from accounts import (
    NOTE,
    Registrar,
    all_of,
    entries_of,
    get,
    gist_of,
    make,
    managers_of,
    note_of,
    patch,
    path_of,
    pod_entries,
    wait_entry,
)
from conftest import MakeEatr
from control_plane import ControlPlane
from eatr import SCALE, Changes, Eatr, merged, wait_for
from ecr import Ecr
from real import SECRET, Audit, eatrs, grant, is_fresh, only, wait_fresh

CHURN_SECONDS = float(os.environ.get("EATR_TESTS_CHURN_SECONDS") or 60)
CHURN_NAMESPACES = 100


@pytest.fixture
def eatr(tmp_path: Path, control_plane: ControlPlane, ecr: Ecr) -> Iterator[MakeEatr]:
    """Makes eatrs for the real control plane."""
    with eatrs(tmp_path, control_plane, ecr) as make_eatr:
        yield make_eatr


def meant(prefix: str, globs: str = "default, ci-*", changes: Changes | None = None) -> Changes:
    """Changes: an eatr for the namespaces PREFIX-* and these service accounts."""
    return only(prefix, merged({"secret": {"service_accounts": globs}}, changes or {}))


DELETE: Changes = {"namespaces": {"on_exclude": "delete"}}


def ignore(cluster: ControlPlane, namespace: str, value: str | None) -> None:
    """Opts a namespace out, or in again."""
    body = {"metadata": {"annotations": {"eatr/ignore": value}}}
    path = f"/api/v1/namespaces/{namespace}"
    assert cluster.request("PATCH", path, body, "application/merge-patch+json")[0] == 200


def writes_of(audit: Audit, prefix: str) -> list[tuple[str, int]]:
    """What eatr has written to service accounts, and what came of it."""
    return [(w.verb, w.code) for w in audit.writes(prefix) if w.resource == "serviceaccounts"]


def of_accounts(cluster: ControlPlane, since: int) -> Counter[str]:
    """All requests of eatr that the audit log has about service accounts: verb -> how many."""
    found = cluster.audit_events(
        lambda event: str(event.get("userAgent", "")).startswith("eatr/")
        and event["objectRef"]["resource"] == "serviceaccounts",
        since,
    )
    return Counter(event["verb"] for event in found)


# Who has it ---------------------------------------------------------------------------------------------


def test_accounts_that_are_meant_get_the_entry_and_keep_theirs(
    control_plane: ControlPlane, ecr: Ecr, eatr: MakeEatr
) -> None:
    """Those that are there and those that come, with one write each; nobody else is touched."""
    control_plane.create_namespaces(["sa-have-0", "sa-have-1", "sa-other-0"])
    for namespace in ("sa-have-0", "sa-have-1", "sa-other-0"):
        wait_for(lambda: get(control_plane, namespace), 10, "the account default")
    make(control_plane, "sa-have-0", "ci-old", "theirs", "more")
    before = make(control_plane, "sa-have-0", "builder", "theirs")
    had = make(control_plane, "sa-have-1", "ci-had", SECRET, "theirs")  # it was there before, and is not eatr's
    other = get(control_plane, "sa-other-0")
    audit = Audit(control_plane)
    one = eatr(meant("sa-have")).start()
    one.wait_ready()
    assert entries_of(get(control_plane, "sa-have-0", "ci-old")) == ["theirs", "more", SECRET]
    for namespace in ("sa-have-0", "sa-have-1"):
        account = get(control_plane, namespace)
        assert entries_of(account) == [SECRET] and note_of(account) == SECRET
    make(control_plane, "sa-have-1", "ci-new", "theirs")
    assert entries_of(wait_entry(control_plane, "sa-have-1", "ci-new")) == ["theirs", SECRET]
    control_plane.create_namespace("sa-have-2")
    assert note_of(wait_entry(control_plane, "sa-have-2")) == SECRET
    wait_fresh(control_plane, ecr, "sa-have-2")

    for namespace, was in (("sa-have-0", before), ("sa-have-1", had), ("sa-other-0", other)):
        now = get(control_plane, namespace, was["metadata"]["name"])
        assert gist_of(now) == gist_of(was) and "eatr" not in managers_of(now)
    wait_for(lambda: len(writes_of(audit, "sa-have-")) >= 5, 10, "all writes are logged")
    done = [w for w in audit.writes("sa-have-") if w.resource == "serviceaccounts" and w.code == 200]
    written = Counter((w.namespace, w.verb) for w in done)
    assert written["sa-have-0", "patch"] == 2 and written["sa-have-1", "patch"] == 2
    one.wait_metric("eatr_service_accounts_added_total", 5)
    samples = one.wait_metric('eatr_service_accounts{state="good"}', 6)
    assert samples['eatr_service_accounts{state="pending"}'] == 0
    assert samples["eatr_service_accounts_up"] == 1


def test_without_service_accounts_not_one_request_is_made_for_them(
    control_plane: ControlPlane, ecr: Ecr, eatr: MakeEatr
) -> None:
    """Which is how it is without the key."""
    control_plane.create_namespace("sa-off-0")
    since = control_plane.audit_position()
    one = eatr(only("sa-off")).start()
    one.wait_ready()
    control_plane.create_namespace("sa-off-1")
    wait_fresh(control_plane, ecr, "sa-off-0", "sa-off-1")
    one.stop()
    control_plane.put_secret("default", "fence", {"key": "sa-off"})
    wait_for(
        lambda: any(control_plane.audit_events(lambda e: "fence" in e["requestURI"], since)), 10, "the fence"
    )
    assert of_accounts(control_plane, since) == {}


def test_one_name_alone_is_asked_for_by_its_name(control_plane: ControlPlane, eatr: MakeEatr) -> None:
    """So that the right to read that one is enough; and all are where entries may have to go."""
    control_plane.create_namespace("sa-alone-0")

    def lists(since: int) -> list[str]:
        return [
            event["requestURI"]
            for event in control_plane.audit_events(
                lambda event: str(event.get("userAgent", "")).startswith("eatr/")
                and event["verb"] == "list"
                and event["objectRef"]["resource"] == "serviceaccounts",
                since,
            )
        ]

    for changes, selects in ((None, True), (DELETE, False)):
        since = control_plane.audit_position()
        one = eatr(meant("sa-alone", "default", changes)).start()
        one.wait_ready()
        wait_entry(control_plane, "sa-alone-0")
        one.stop()
        wait_for(lambda: lists(since), 10, "the list is logged")
        assert [("fieldSelector=metadata.name%3Ddefault" in uri) for uri in lists(since)] == [selects]


def test_a_dry_run_tells_and_writes_nothing(control_plane: ControlPlane, eatr: MakeEatr) -> None:
    """Once for each account."""
    control_plane.create_namespace("sa-dry-0")
    before = wait_for(lambda: get(control_plane, "sa-dry-0"), 10, "the account default")
    one = eatr(meant("sa-dry"))
    one.run("--dry-run", "once")
    assert one.code == 0
    told = [line for line in one.log if "service account" in line]
    assert len(told) == 1 and "namespace sa-dry-0: service account default: would add" in told[0]
    assert gist_of(get(control_plane, "sa-dry-0")) == gist_of(before)


# Who loses it -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("on_exclude", ["keep", "delete"])
def test_what_becomes_of_it_in_a_namespace_that_falls_out(
    control_plane: ControlPlane, eatr: MakeEatr, on_exclude: str
) -> None:
    """Only what eatr has put there goes, and then the account is what it was before."""
    namespace = f"sa-out-{on_exclude}"
    control_plane.create_namespace(namespace)
    wait_for(lambda: get(control_plane, namespace), 10, "the account default")
    make(control_plane, namespace, "ci-alone")
    make(control_plane, namespace, "ci-between", "a", "b")
    patch(control_plane, namespace, "ci-between", {"metadata": {"annotations": {"note": "mine"}}})
    make(control_plane, namespace, "ci-had", SECRET, "a")
    before = {key: gist_of(item) for key, item in all_of(control_plane, namespace).items()}
    one = eatr(meant("sa-out", changes={"namespaces": {"on_exclude": on_exclude}})).start()
    one.wait_ready()
    patch(
        control_plane, namespace, "ci-between", {"imagePullSecrets": [{"name": n} for n in ("a", SECRET, "b")]}
    )
    ignore(control_plane, namespace, "true")
    if on_exclude == "delete":
        wait_entry(control_plane, namespace, there=False)
        wait_entry(control_plane, namespace, "ci-alone", there=False)
        wait_entry(control_plane, namespace, "ci-between", there=False)
        after = {key: gist_of(item) for key, item in all_of(control_plane, namespace).items()}
        assert after == before
    ignore(control_plane, namespace, None)
    for name in ("default", "ci-alone", "ci-between", "ci-had"):
        wait_entry(control_plane, namespace, name)
    expected = {"keep": 3, "delete": 6}[on_exclude]
    one.wait_metric("eatr_service_accounts_added_total", expected)


def test_a_reload_takes_other_globs(control_plane: ControlPlane, eatr: MakeEatr) -> None:
    """With on_exclude = delete entries go where no glob is any more, and all when none is left."""
    control_plane.create_namespace("sa-globs-0")
    make(control_plane, "sa-globs-0", "ci-0", "theirs")
    one = eatr(meant("sa-globs", "default, ci-*", DELETE)).start()
    wait_entry(control_plane, "sa-globs-0")
    wait_entry(control_plane, "sa-globs-0", "ci-0")
    one.wait_ready()

    def reload(globs: str | None) -> None:
        one.change_config({"secret": {"service_accounts": globs}})
        one.signal(1)

    reload("default")
    assert entries_of(wait_entry(control_plane, "sa-globs-0", "ci-0", there=False)) == ["theirs"]
    reload("ci-*")
    wait_entry(control_plane, "sa-globs-0", "default", there=False)
    wait_entry(control_plane, "sa-globs-0", "ci-0")
    reload(None)
    account = wait_entry(control_plane, "sa-globs-0", "ci-0", there=False)
    assert NOTE not in account["metadata"].get("annotations", {})
    make(control_plane, "sa-globs-0", "ci-1")
    control_plane.create_namespace("sa-globs-1")
    wait_for(lambda: get(control_plane, "sa-globs-1"), 10, "the account default")
    reload("*")  # and on again
    for namespace, name in (("sa-globs-0", "ci-1"), ("sa-globs-0", "default"), ("sa-globs-1", "default")):
        wait_entry(control_plane, namespace, name)


def test_a_restart_finds_what_it_has_put_there(control_plane: ControlPlane, eatr: MakeEatr) -> None:
    """Nothing is written again, and the entry in an account that is not meant any more goes."""
    control_plane.create_namespace("sa-again-0")
    make(control_plane, "sa-again-0", "ci-0")
    one = eatr(meant("sa-again", changes=DELETE)).start()
    wait_entry(control_plane, "sa-again-0")
    wait_entry(control_plane, "sa-again-0", "ci-0")
    one.stop()
    before = all_of(control_plane, "sa-again-0")
    one.start().wait_ready()
    one.stop()
    assert all_of(control_plane, "sa-again-0") == before  # versions and all
    one.change_config({"secret": {"service_accounts": "default"}})
    one.start()
    wait_entry(control_plane, "sa-again-0", "ci-0", there=False)
    assert all_of(control_plane, "sa-again-0")["sa-again-0", "default"] == before["sa-again-0", "default"]


def test_two_eatrs_with_secrets_of_different_names_mind_their_own(
    control_plane: ControlPlane, eatr: MakeEatr
) -> None:
    """The annotation names both, and one's entry goes without the other's."""
    control_plane.create_namespace("sa-two-0")
    eatr(meant("sa-two", "default", DELETE)).start()
    wait_entry(control_plane, "sa-two-0")
    second = eatr(meant("sa-two", "default", merged(DELETE, {"secret": {"name": "pull"}}))).start()
    second.wait_metric("eatr_service_accounts_added_total", 1)
    account = get(control_plane, "sa-two-0")
    assert sorted(entries_of(account)) == [SECRET, "pull"]
    assert sorted((note_of(account) or "").split(",")) == [SECRET, "pull"]
    second.change_config({"secret": {"service_accounts": None}})
    second.signal(1)
    wait_for(lambda: "pull" not in entries_of(get(control_plane, "sa-two-0")), 10, "the other's has gone")
    account = get(control_plane, "sa-two-0")
    assert entries_of(account) == [SECRET] and note_of(account) == SECRET


# What others do -----------------------------------------------------------------------------------------


def test_nobody_loses_an_entry_to_controllers_that_write_whole_accounts(
    control_plane: ControlPlane, eatr: MakeEatr
) -> None:
    """As OpenShift's do: they add theirs right after an account was created, and anew when it is lost."""
    eatr(meant("sa-shift", "*")).start().wait_ready()
    calm, busy = Registrar(control_plane, "sa-shift-"), Registrar(control_plane, "sa-shift-", busy=True)
    calm.start()
    busy.start()
    control_plane.create_namespaces(f"sa-shift-{n}" for n in range(40))
    for n in range(40):
        make(control_plane, f"sa-shift-{n}", "builder", "theirs")
        make(control_plane, f"sa-shift-{n}", "deployer")

    def lacking() -> list[Any]:
        found = all_of(control_plane, "sa-shift-")
        return [key for key, item in found.items() if SECRET not in entries_of(item)] + [None] * (120 - len(found))

    wait_for(lambda: not lacking(), 60, "all accounts have the entry")
    for registrar in (calm, busy):
        wait_for(lambda: sum(map(len, registrar.made.values())) >= 120, 30, "all have theirs")
        registrar.stop()
    found = all_of(control_plane, "sa-shift-")
    assert len(found) == 120
    for (_, name), account in found.items():
        entries = entries_of(account)
        assert entries.count(SECRET) == 1
        for registrar in (calm, busy):  # one name each, and it is still there: none was ever lost
            made = registrar.made[account["metadata"]["uid"], name]
            assert len(made) == 1 and made[0] in entries, (made, entries)
            assert made[0] in [secret["name"] for secret in account["secrets"]]
        assert (name == "builder") == ("theirs" in entries)
    print(f"{busy.updates} updates, {busy.conflicts} conflicts of the busy one")


def test_what_keeps_taking_the_entry_out_is_slowed_down_and_told_of(
    control_plane: ControlPlane, eatr: MakeEatr
) -> None:
    """A GitOps tool that knows a list of its own: five times at once, then once a minute."""
    control_plane.create_namespace("sa-fight-0")
    make(control_plane, "sa-fight-0", "ci-0", "theirs")
    audit = Audit(control_plane)
    one = eatr(meant("sa-fight", "ci-*")).start()
    wait_entry(control_plane, "sa-fight-0", "ci-0")
    for _ in range(5):
        patch(control_plane, "sa-fight-0", "ci-0", {"imagePullSecrets": [{"name": "theirs"}]})
        wait_entry(control_plane, "sa-fight-0", "ci-0")
    patch(control_plane, "sa-fight-0", "ci-0", {"imagePullSecrets": [{"name": "theirs"}]})
    one.wait_log("service account ci-0: something keeps taking Secret ecr out")
    one.wait_metric('eatr_service_accounts{state="fought-over"}', 1)
    assert writes_of(audit, "sa-fight-").count(("patch", 200)) == 6
    assert sum("something keeps taking" in line for line in one.log) == 1


# Rights -------------------------------------------------------------------------------------------------

def limited(cluster: ControlPlane, folder: Path, user: str, *verbs: str) -> Path:
    """A kubeconfig that has the rights for Secrets, and these for service accounts."""
    rules = [rule for rule in identity.rules() if rule["resources"] != ["serviceaccounts"]]
    if verbs:
        rules.append({"apiGroups": [""], "resources": ["serviceaccounts"], "verbs": list(verbs)})
    grant(cluster, user, {"kind": "User", "name": user}, rules)
    cert, key = cluster.client_cert(user, f"/CN={user}")
    return cluster.kubeconfig(folder / f"{user}.kubeconfig", cert=cert, key=key)


def test_without_the_rights_secrets_are_written_all_the_same(
    control_plane: ControlPlane, ecr: Ecr, eatr: MakeEatr, tmp_path: Path
) -> None:
    """It is told once, in the status, in a metric, and by the exit status of `once`; then they are granted."""
    control_plane.create_namespace("sa-rights-0")
    kubeconfig = limited(control_plane, tmp_path, "accounts-none")
    one = eatr(meant("sa-rights"), kubeconfig=kubeconfig).start()
    wait_fresh(control_plane, ecr, "sa-rights-0")
    one.wait_log("Cannot read service accounts from .* is forbidden.*see RIGHTS")
    one.wait_metric("eatr_service_accounts_up", 0)
    assert one.get("/readyz")[0] == 200
    one.wait_status("service accounts: .*forbidden")
    one.stop()
    assert sum("Cannot read service accounts" in line for line in one.log) == 1

    limited(control_plane, tmp_path, "accounts-none", "list", "watch")
    control_plane.create_namespaces(f"sa-rights-{n}" for n in range(1, 6))
    for n in range(6):
        wait_for(lambda: get(control_plane, f"sa-rights-{n}"), 10, "the account default")
    one.start()
    one.wait_metric('eatr_service_accounts{state="failing"}', lambda n: n >= 6)
    assert sum("cannot change its imagePullSecrets" in line for line in one.log) == 1
    assert one.get("/readyz")[0] == 200
    wait_fresh(control_plane, ecr, *(f"sa-rights-{n}" for n in range(1, 6)))
    one.stop()
    assert one.run("once", timeout=20) == 1, one.log  # for want of rights it does not try for long


def test_the_right_to_create_is_one_to_do_without(
    control_plane: ControlPlane, ecr: Ecr, eatr: MakeEatr, tmp_path: Path
) -> None:
    """eatr tries once, and then leaves it to the controllers of the cluster."""
    kubeconfig = limited(control_plane, tmp_path, "accounts-patch", "list", "watch", "patch")
    one = eatr(meant("sa-nocreate"), kubeconfig=kubeconfig).start()
    one.wait_ready()
    audit = Audit(control_plane)
    for n in range(3):
        control_plane.create_namespace(f"sa-nocreate-{n}")
        wait_entry(control_plane, f"sa-nocreate-{n}")
    wait_fresh(control_plane, ecr, *(f"sa-nocreate-{n}" for n in range(3)))
    wait_for(lambda: writes_of(audit, "sa-nocreate-").count(("patch", 200)) == 3, 10, "the writes are logged")
    assert [code for verb, code in writes_of(audit, "sa-nocreate-") if verb == "create"] == [403]
    assert not [line for line in one.log if re.search("warning.*service account", line)]


# A new namespace's default account ----------------------------------------------------------------------

RACES = 200


def race(cluster: ControlPlane, number: int) -> list[str]:
    """Creates a namespace, and a pod in it as soon as one can be: which imagePullSecrets does it have?"""
    namespace = f"sa-race-{number}"
    cluster.create_namespace(namespace)
    end = time.monotonic() + 20 * SCALE
    while (entries := pod_entries(cluster, namespace)) is None:
        assert time.monotonic() < end, f"{namespace} has no account default"
    return entries


def test_pods_of_new_namespaces_have_it_where_eatr_makes_the_account(
    control_plane: ControlPlane, tmp_path: Path, ecr: Ecr
) -> None:
    """With controllers that are slower: there is no moment in which a pod could be created without it."""
    plane = ControlPlane(control_plane.assets, tmp_path / "plane", controllers=("namespace",))
    with plane, eatrs(tmp_path, plane, ecr) as make_eatr:
        one = make_eatr(meant("sa-race")).start()
        one.wait_ready()
        with ThreadPoolExecutor(8) as pool:
            entries = list(pool.map(lambda n: race(plane, n), range(RACES)))
        assert entries == [[SECRET]] * RACES
        one.wait_metric("eatr_service_accounts_added_total", RACES)
        assert {note_of(account) for account in all_of(plane, "sa-race-").values()} == {SECRET}


def test_each_new_namespace_has_it_whoever_makes_the_account(
    control_plane: ControlPlane, ecr: Ecr, eatr: MakeEatr
) -> None:
    """With the cluster's own controllers in the race; how often each wins is shown."""
    audit = Audit(control_plane)
    one = eatr(meant("sa-race")).start()
    one.wait_ready()
    with ThreadPoolExecutor(8) as pool:
        entries = list(pool.map(lambda n: race(control_plane, n), range(RACES)))
    for n in range(RACES):
        account = wait_entry(control_plane, f"sa-race-{n}")
        assert entries_of(account).count(SECRET) == 1
    wait_fresh(control_plane, ecr, *(f"sa-race-{n}" for n in range(RACES)), timeout=30)
    codes = Counter(writes_of(audit, "sa-race-"))
    print(f"{sum(e == [SECRET] for e in entries)} of {RACES} first pods had it; writes: {dict(codes)}")
    assert codes["create", 201] + codes["create", 409] <= RACES
    assert codes["create", 201] + codes["patch", 200] == RACES  # and none twice
    lines = [line for line in one.log if "warning" in line or "error" in line]
    assert not lines, lines
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda n: control_plane.delete_namespace(f"sa-race-{n}"), range(RACES)))


# Namespaces that come and go ----------------------------------------------------------------------------

# What eatr may say of it, above the level of news, and why it is no fault.
EXPECTED = {
    r"^eatr: (Reading|The API server takes writes again|Pass done)": "news",
}


class Churn:
    """Creates and deletes namespaces at random, each with an account of its own that has somebody's entry."""

    def __init__(self, cluster: ControlPlane, prefix: str, count: int) -> None:
        self.cluster, self.prefix, self.count = cluster, prefix, count
        self.locks = [threading.Lock() for _ in range(count)]
        self.alive = [False] * count
        self.created = self.deleted = 0

    def run(self, seconds: float, workers: int = 8) -> None:
        """For so long."""
        end = time.monotonic() + seconds
        with ThreadPoolExecutor(workers) as pool:
            for future in [pool.submit(self._work, end, seed) for seed in range(workers)]:
                future.result()

    def _work(self, end: float, seed: int) -> None:
        dice = random.Random(seed)
        while time.monotonic() < end:
            number = dice.randrange(self.count)
            if self.locks[number].acquire(blocking=False):
                try:
                    if not self.alive[number] or dice.random() < 0.4:  # their end takes the cluster some time
                        self._change(number)
                finally:
                    self.locks[number].release()
            time.sleep(dice.uniform(0, 0.8))

    def _change(self, number: int) -> None:
        name = f"{self.prefix}-{number}"
        if self.alive[number]:
            self.cluster.delete_namespace(name)
            self.alive[number] = False
            self.deleted += 1
            return
        status, answer = self.cluster.request("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
        if status == 409:  # it has not gone yet
            return
        assert status == 201, answer
        self.alive[number] = True
        self.created += 1
        body = {"metadata": {"name": "ci-robot"}, "imagePullSecrets": [{"name": "theirs"}]}
        # For a moment the API server may hold it for the one that has just gone.
        wait_for(lambda: self.cluster.request("POST", path_of(name), body)[0] in (201, 409), 10, f"{name} is new")


def test_namespaces_come_and_go_and_nothing_is_missed_or_lost(
    control_plane: ControlPlane, ecr: Ecr, eatr: MakeEatr
) -> None:
    """100 of them at random ($EATR_TESTS_CHURN_SECONDS), with another controller on the same accounts."""
    one = eatr(meant("sa-churn", changes=DELETE)).start()
    one.wait_ready()
    registrar = Registrar(control_plane, "sa-churn-")
    registrar.start()
    churn = Churn(control_plane, "sa-churn", CHURN_NAMESPACES)
    churn.run(CHURN_SECONDS)
    alive = [f"sa-churn-{n}" for n in range(CHURN_NAMESPACES) if churn.alive[n]]
    assert len(alive) > 10 and churn.deleted > 10
    wait_for(lambda: all(is_fresh(control_plane, ecr, name) for name in alive), 30, "every namespace has its Secret")
    for name in alive:
        wait_entry(control_plane, name, "default", timeout=30)
        wait_entry(control_plane, name, "ci-robot", timeout=30)
    registrar.stop()
    for (namespace, name), account in all_of(control_plane, "sa-churn-").items():
        if namespace not in alive:
            continue
        entries = entries_of(account)
        assert entries.count(SECRET) == 1 and note_of(account) == SECRET
        assert (name == "ci-robot") == ("theirs" in entries)
        made = registrar.made.get((account["metadata"]["uid"], name), [])
        assert len(made) <= 1 and set(made) <= set(entries), (made, entries)
    strange = [
        line
        for line in one.log
        if re.search("warning|error", line) and not any(re.search(regex, line) for regex in EXPECTED)
    ]
    assert not strange, "\n".join(strange)
    samples = one.metrics()
    shown = {name: value for name, value in samples.items() if name.startswith("eatr_service_accounts")}
    print(f"{churn.created} created, {churn.deleted} deleted, {len(alive)} left; {shown}; RSS {one.rss_kb()} kB")
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(control_plane.delete_namespace, alive))


# Many ---------------------------------------------------------------------------------------------------

MANY = 1000


def test_many_accounts_cost_one_list_and_one_write_each(
    control_plane: ControlPlane, tmp_path: Path, ecr: Ecr
) -> None:
    """1,000 namespaces with 3 accounts; a restart writes nothing. `pytest -s` shows what it takes."""
    plane = ControlPlane(control_plane.assets, tmp_path / "plane", controllers=("namespace",))
    with plane, eatrs(tmp_path, plane, ecr) as make_eatr:
        names = [f"sa-many-{n}" for n in range(MANY)]
        plane.create_namespaces(names)
        with ThreadPoolExecutor(16) as pool:
            list(
                pool.map(
                    lambda key: make(plane, *key, "theirs"),
                    [(ns, name) for ns in names for name in ("default", "ci-0", "ci-1")],
                )
            )
        off = make_eatr(only("sa-many")).start()
        off.wait_log("Pass done", 120)
        without = off.rss_kb()
        off.stop()
        since = plane.audit_position()
        one = make_eatr(meant("sa-many", changes={"renewal": {"max_writes_per_second": 500}})).start()
        one.wait_metric("eatr_service_accounts_added_total", 3 * MANY, 120)
        wait_for(lambda: of_accounts(plane, since)["patch"] == 3 * MANY, 20, "all writes are logged")
        assert of_accounts(plane, since) == {"list": 1, "patch": 3 * MANY}
        print(f"\nRSS {one.rss_kb()} kB, without service accounts {without} kB")
        one.stop()
        since = plane.audit_position()
        one.start().wait_ready()
        print(f"RSS after a restart {one.rss_kb()} kB")
        one.stop()
        plane.put_secret("sa-many-0", "fence", {"key": "sa-off"})
        wait_for(lambda: any(plane.audit_events(lambda e: "fence" in e["requestURI"], since)), 10, "the fence")
        assert of_accounts(plane, since) == {"list": 1}
