"""Which namespaces of a real cluster get a Secret, and which labels and annotations it carries.

What is right is computed without eatr: globs by Python, selectors by the API server, and the order of the rules as
eatr.conf(5) has it.
"""

from __future__ import annotations

import fnmatch
import random
import re
import signal
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from conftest import MakeEatr, new_control_plane
from control_plane import ControlPlane
from eatr import Eatr, wait_for
from ecr import Ecr
from real import LABELS, SECRET, Audit, Kubectl, eatrs, only, wait_fresh

PATCH = "application/merge-patch+json"
FENCE = "team-fence"
HOLD = "example.com/hold"

Rules = dict[str, Any]
Verdicts = dict[str, str]

FIRST: Rules = {
    "blacklist": ["kube-*", "*-sandbox", "ci-[!0-4]?", "default"],
    "include": ["team-*", "shop-*", "kube-*", "ci-*"],
    "label_selector": "env in (prod, test),tier>1,!legacy",
}
SECOND: Rules = {
    "blacklist": ["team-a-*"],
    "include": ["team-*", "shop-[1-4]*", "ops-*"],
    "label_selector": "env notin (dev),tier<8",
}
THIRD: Rules = {"blacklist": ["shop-1?", "kube-*"], "include": ["*-*"], "label_selector": None}
FOURTH: Rules = {"blacklist": None, "include": None, "label_selector": "example.com/team=red, tier!=5"}


# What is right ------------------------------------------------------------------------------------------


def first_glob(globs: list[str] | None, name: str) -> str | None:
    """The first that matches the name."""
    return next((glob for glob in globs or () if fnmatch.fnmatchcase(name, glob)), None)


def verdict(rules: Rules, name: str, metadata: Any, selected: set[str]) -> str:
    """What eatr has to log of a namespace."""
    if metadata.get("deletionTimestamp"):
        return "terminating: it is being deleted"
    if glob := first_glob(rules["blacklist"], name):
        return f'blacklisted: blacklist glob "{glob}"'
    glob = first_glob(rules["include"], name)
    if rules["include"] and not glob:
        return "not-included: no glob of include"
    if name not in selected:
        return "not-selected: label_selector"
    if metadata.get("annotations", {}).get("eatr/ignore") == "true":
        return "ignored: annotation eatr/ignore"
    return f'wanted: include glob "{glob}"' if glob else "wanted: no rule against it"


def verdicts(cluster: ControlPlane, rules: Rules) -> Verdicts:
    """The right ones, of all namespaces."""
    query = urlencode({"labelSelector": rules["label_selector"] or ""})
    status, answer = cluster.request("GET", f"/api/v1/namespaces?{query}")
    assert status == 200, answer
    selected = {item["metadata"]["name"] for item in answer["items"]}
    return {
        name: verdict(rules, name, item["metadata"], selected) for name, item in cluster.namespaces().items()
    }


# The cluster --------------------------------------------------------------------------------------------


@pytest.fixture
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """One of a test's own: every namespace counts."""
    with new_control_plane(tmp_path_factory.mktemp("rules")) as cluster:
        yield cluster


@pytest.fixture
def eatr(tmp_path: Path, cluster: ControlPlane, ecr: Ecr) -> Iterator[MakeEatr]:
    """Makes eatrs for that cluster."""
    with eatrs(tmp_path, cluster, ecr) as make:
        yield make


def change(cluster: ControlPlane, name: str, **metadata: Any) -> None:
    """Merges something into the metadata of a namespace."""
    status, answer = cluster.request("PATCH", f"/api/v1/namespaces/{name}", {"metadata": metadata}, PATCH)
    assert status == 200, answer


def make_namespaces(cluster: ControlPlane, chance: random.Random, count: int) -> None:
    """Namespaces of all kinds, of which some are being deleted for as long as a finalizer holds them."""
    kinds = ("team-a", "team-b", "shop", "ci", "ops", "kube", "other")

    made: list[tuple[str, dict[str, str], dict[str, str]]] = []
    for number in range(count):
        name = f"{kinds[number % len(kinds)]}-{number}" + ("-sandbox" if number % 11 == 0 else "")
        labels = {
            "env": chance.choice(("prod", "prod", "prod", "test", "dev", "")),
            "tier": chance.choice(("1", "2", "3", "5", "08", "9", "high")),
            "legacy": chance.choice(("", "no")),
            "example.com/team": chance.choice(("red", "blue")),
        }
        labels = {key: value for key, value in labels.items() if chance.random() < (0.1 if key == "legacy" else 0.9)}
        ignore = chance.choice((None, None, "true", "true", "false"))
        made.append((name, labels, {"eatr/ignore": ignore} if ignore else {}))
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda one: cluster.create_namespace(*one), made))
    names = [name for name, *_ in made]
    for name in chance.sample(names, count // 20):
        terminate(cluster, name)


def terminate(cluster: ControlPlane, name: str) -> None:
    """Has a namespace deleted, which it will be for as long as a ConfigMap is held in it."""
    path = f"/api/v1/namespaces/{name}"
    hold = {"metadata": {"name": "held", "finalizers": [HOLD]}}
    assert cluster.request("POST", f"{path}/configmaps", hold)[0] == 201
    cluster.delete_namespace(name)


def release(cluster: ControlPlane, name: str) -> None:
    """Lets such a namespace go."""
    path = f"/api/v1/namespaces/{name}"
    cluster.request("PATCH", f"{path}/configmaps/held", {"metadata": {"finalizers": None}}, PATCH)
    wait_for(lambda: cluster.request("GET", path)[0] == 404, 30, f"{name} is gone")


# The comparison -----------------------------------------------------------------------------------------


class Comparison:
    """An eatr, the rules that it has, and the namespaces that have had a Secret from it."""

    def __init__(self, cluster: ControlPlane, one: Eatr, rules: Rules) -> None:
        self.cluster, self.eatr, self.rules = cluster, one, rules
        self.with_secret: set[str] = set()
        self.right: Verdicts = {}
        self.seen = 0

    def logged(self) -> Verdicts:
        """What eatr has said last of each namespace since it was started."""
        found: Verdicts = {}
        for line in self.eatr.log[self.seen :]:
            if match := re.search(r"namespace (\S+): ((?:[a-z]+-)?[a-z]+: .*)$", line):
                name, text = match[1], match[2]
                found[name] = re.sub(r'^(not-selected: label_selector).*', r"\1", text)
        return found

    def differences(self, right: Verdicts) -> dict[str, tuple[str, str]]:
        """Where that is not right. The rule is told with a verdict, and not if only it becomes another one."""
        logged, old = self.logged(), self.right
        return {
            name: (text, logged.get(name, ""))
            for name, text in right.items()
            if logged.get(name, "") != text
            and (verdict_of(old.get(name, "")) != verdict_of(text) or verdict_of(text) != verdict_of(logged.get(name, "")))
        }

    def fence(self) -> None:
        """Returns when eatr has seen all that has happened so far."""
        since = time.monotonic()
        ignored = self.cluster.namespaces()[FENCE]["metadata"].get("annotations", {}).get("eatr/ignore")
        change(self.cluster, FENCE, annotations={"eatr/ignore": None if ignored else "true"})
        self.eatr.wait_log(f"namespace {FENCE}: ", since=since)

    def check(self, deletes: bool = False) -> Verdicts:
        """Asserts that what is right comes, and stays; returns it."""
        right = verdicts(self.cluster, self.rules)
        try:
            wait_for(lambda: not self.differences(right), 20)
        except AssertionError:
            raise self.eatr.failure(f"right, and logged: {self.differences(right)}") from None
        wanted = {name for name, text in right.items() if text.startswith("wanted")}
        ending = {name for name, text in right.items() if text.startswith("terminating")}
        kept = set() if deletes else self.with_secret & right.keys() - ending
        wait_for(lambda: self.cluster.secrets(SECRET).keys() - ending == wanted | kept, 20, "the right Secrets")
        states = self.eatr.wait_metric('eatr_namespaces{state="fresh"}', len(wanted), 20)
        for state in ("blacklisted", "not-included", "not-selected", "ignored", "terminating"):
            count = sum(text.startswith(state) for text in right.values())
            assert states[f'eatr_namespaces{{state="{state}"}}'] == count, state
        assert self.cluster.secrets(SECRET).keys() - ending == wanted | kept
        self.with_secret, self.right = wanted | kept, right
        return right

    def begin_anew(self, rules: Rules) -> None:
        """eatr is to be started again, with other rules."""
        self.seen, self.right, self.rules = len(self.eatr.log), {}, rules

    def reload(self, rules: Rules) -> None:
        """SIGHUP with other rules."""
        since = time.monotonic()
        self.rules = rules
        self.eatr.change_config({"namespaces": rules})
        self.eatr.signal(signal.SIGHUP)
        self.eatr.wait_log("Reloaded:", since=since)


def verdict_of(text: str) -> str:
    """Without the rule."""
    return text.partition(":")[0]


def kinds_of(right: Verdicts) -> Counter[str]:
    """How many there are of each verdict."""
    return Counter(map(verdict_of, right.values()))


def relabel(cluster: ControlPlane, chance: random.Random, right: Verdicts) -> None:
    """Changes the labels or the annotation of one whose name is good."""
    judged = sorted(name for name, text in right.items() if re.match("wanted|ignored|not-selected", text))
    name = chance.choice([name for name in judged if name != FENCE])
    kind = chance.randrange(4)
    if kind == 0:
        change(cluster, name, annotations={"eatr/ignore": chance.choice(("true", "false", None))})
    elif kind == 1:
        change(cluster, name, labels={"legacy": chance.choice(("", None))})
    else:
        change(cluster, name, labels={"env": chance.choice(("prod", "dev", None)), "tier": chance.choice("2359")})


@pytest.mark.parametrize("on_exclude", ["keep", "delete"])
def test_exactly_the_right_namespaces_have_a_secret(
    cluster: ControlPlane, ecr: Ecr, eatr: MakeEatr, on_exclude: str
) -> None:
    """300 of them; after relabelings, reloads, new and deleted ones, and a restart that found all changed."""
    deletes = on_exclude == "delete"
    chance = random.Random(300)
    make_namespaces(cluster, chance, 300)
    cluster.create_namespace(FENCE, {"env": "prod", "tier": "3", "example.com/team": "red"})
    one = eatr({"namespaces": {**FIRST, "on_exclude": on_exclude}, "log": {"verbosity": 4}})
    audit = Audit(cluster)
    one.start().wait_ready()
    comparison = Comparison(cluster, one, FIRST)
    right = comparison.check()
    count = kinds_of(right)
    assert len(right) > 300 and min(count.values()) >= 8 and len(count) == 6, count
    writes = audit.wait(count["wanted"])
    assert {write.namespace for write in writes} == comparison.with_secret and len(writes) == count["wanted"]

    before = right
    for _ in range(12):
        relabel(cluster, chance, right)
        right = comparison.check(deletes)
    for name in sorted(name for name, text in right.items() if text.startswith("not-selected"))[:2]:
        change(cluster, name, labels={"env": "prod", "tier": "3", "legacy": None})  # and becomes wanted
    for name in sorted(name for name, text in right.items() if text.startswith("wanted"))[:2]:
        change(cluster, name, labels={"legacy": ""})
    right = comparison.check(deletes)
    assert sum(before[name] != right[name] for name in right) >= 6

    for rules in (SECOND, THIRD, FOURTH):
        comparison.reload(rules)
        right = comparison.check(deletes)
        assert kinds_of(right)["wanted"] >= 20
    comparison.fence()
    comparison.check(deletes)

    # While eatr is away.
    comparison.reload(SECOND)
    comparison.check(deletes)
    one.signal(signal.SIGTERM)
    one.wait_exit()
    for _ in range(10):
        relabel(cluster, chance, right)
    cluster.create_namespace("team-new", {"env": "prod"})
    held = sorted(name for name, text in right.items() if text.startswith("terminating"))
    release(cluster, held[0])
    terminate(cluster, "team-b-1" if "team-b-1" in right and "team-b-1" not in held else "team-b-8")
    comparison.begin_anew(FIRST)
    one.change_config({"namespaces": FIRST})
    one.start().wait_ready()
    right = comparison.check(deletes)
    assert right["team-new"].startswith("not-selected")
    comparison.fence()
    comparison.check(deletes)


# What a Secret carries ----------------------------------------------------------------------------------


def carried(cluster: ControlPlane, namespace: str) -> tuple[dict[str, str], dict[str, str]]:
    """Labels, and annotations without those of each Secret."""
    metadata = cluster.secret(namespace, SECRET)["metadata"]
    notes = {key: value for key, value in metadata["annotations"].items() if not key.startswith("eatr/")}
    return metadata["labels"], notes


def wait_carried(cluster: ControlPlane, names: list[str], labels: dict[str, str], notes: dict[str, str]) -> None:
    """Waits until all of them carry that, besides eatr's label."""
    for name in names:
        wait_for(lambda: carried(cluster, name) == ({**LABELS, **labels}, notes), 10, f"{labels} {notes} in {name}")


def versions(cluster: ControlPlane, names: list[str]) -> dict[str, tuple[str, str]]:
    """UIDs and resourceVersions."""
    found = cluster.secrets(SECRET)
    return {name: (found[name]["metadata"]["uid"], found[name]["metadata"]["resourceVersion"]) for name in names}


def test_secrets_carry_the_labels_and_annotations_that_are_configured(
    control_plane: ControlPlane, ecr: Ecr, tmp_path: Path
) -> None:
    """Those alone, after reloads and restarts; what others put to a Secret stays, what they change is put right."""
    names = [f"carry-{number}" for number in range(8)]
    control_plane.create_namespaces(names)
    argo = "argocd.argoproj.io/compare-options"
    kubectl = Kubectl(control_plane, tmp_path)
    with eatrs(tmp_path, control_plane, ecr) as make:
        given = {"labels": "team = infra, empty =", "annotations": [f"{argo} = IgnoreExtraneous", "x/y = a = b"]}
        one = make(only("carry", {"secret": given})).start()
        one.wait_ready()
        wait_carried(control_plane, names, {"team": "infra", "empty": ""}, {argo: "IgnoreExtraneous", "x/y": "a = b"})
        before = versions(control_plane, names)

        since = time.monotonic()
        one.change_config({"secret": {"labels": "team = ops", "annotations": None}})
        one.signal(signal.SIGHUP)
        one.wait_log("Reloaded:", since=since)
        wait_carried(control_plane, names, {"team": "ops"}, {})
        after = versions(control_plane, names)
        assert all(before[name][0] == after[name][0] and before[name][1] != after[name][1] for name in names)
        samples = one.metrics()
        assert samples["eatr_secret_heals_total"] == 0 and samples["secrets_created_total"] == len(names)

        kubectl("-n", names[0], "label", "secret", SECRET, "theirs=x")
        kubectl("-n", names[1], "label", "--overwrite", "secret", SECRET, "team=nobody")
        kubectl("-n", names[2], "label", "secret", SECRET, "team-")
        wait_carried(control_plane, names[1:], {"team": "ops"}, {})
        one.wait_metric("eatr_secret_heals_total", 2)
        wait_carried(control_plane, names[:1], {"team": "ops", "theirs": "x"}, {})

        # With the tokens that systemd keeps, and without them.
        quiet = versions(control_plane, names)
        one.restart().wait_ready()
        assert versions(control_plane, names) == quiet
        one.change_config({"secret": {"labels": None, "annotations": "x/y = c"}})
        one.restart().wait_ready()
        wait_carried(control_plane, names[1:], {}, {"x/y": "c"})
        wait_carried(control_plane, names[:1], {"theirs": "x"}, {"x/y": "c"})
        assert one.metrics()["eatr_secret_heals_total"] == 0
        one.stop()
        one.change_config({"secret": {"labels": "team = red", "annotations": None}})
        one.start().wait_ready()
        wait_carried(control_plane, names[1:], {"team": "red"}, {})
        one.wait_metric('eatr_namespaces{state="fresh"}', len(names))
        assert one.metrics()["eatr_secret_heals_total"] == 0
        wait_fresh(control_plane, ecr, *names)
