"""eatr and a real kube-apiserver: other people's Secrets, namespaces that fall out, fights, policies and quotas."""

from __future__ import annotations

import signal
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import MakeEatr, new_control_plane
from control_plane import ControlPlane
from eatr import Eatr, wait_for
from ecr import Ecr
from http_double import Tls
from real import (
    DATA_KEY,
    DOCKER,
    LABELS,
    SECRET,
    Audit,
    Kubectl,
    eatrs,
    grant,
    is_fresh,
    only,
    uid_of,
    wait_fresh,
)
from webhook import Webhook

MERGE = "application/merge-patch+json"
APPLY = "application/apply-patch+yaml"
EMPTY = b64encode(b'{"auths":{}}').decode()
RULES = (
    {"apiGroups": [""], "resources": ["namespaces"], "verbs": ["list", "watch"]},
    {
        "apiGroups": [""],
        "resources": ["secrets"],
        "resourceNames": [SECRET],
        "verbs": ["list", "watch", "create", "patch"],
    },
)


@pytest.fixture(scope="module")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """One of its own: on_exclude = delete is about all namespaces that an eatr is not for."""
    with new_control_plane(tmp_path_factory.mktemp("control-plane")) as cluster:
        yield cluster


@pytest.fixture(autouse=True)
def clean(control_plane: ControlPlane) -> Iterator[None]:
    """What one test leaves is not in the way of the next."""
    yield
    for namespace, secret in control_plane.secrets(SECRET).items():
        if "finalizers" in secret["metadata"]:
            patch(control_plane, namespace, {"metadata": {"finalizers": None}})
        control_plane.request("DELETE", path_of(namespace))


@pytest.fixture
def eatr(tmp_path: Path, control_plane: ControlPlane, ecr: Ecr) -> Iterator[MakeEatr]:
    """Makes eatrs for the real control plane."""
    with eatrs(tmp_path, control_plane, ecr) as make:
        yield make


@pytest.fixture(scope="module")
def kubectl(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Kubectl:
    """The administrator's kubectl."""
    return Kubectl(control_plane, tmp_path_factory.mktemp("kubectl"))


def path_of(namespace: str) -> str:
    """Where the Secret is."""
    return f"/api/v1/namespaces/{namespace}/secrets/{SECRET}"


def post(cluster: ControlPlane, namespace: str, **fields: Any) -> Any:
    """Makes a Secret as a client of the tests."""
    metadata = {"name": SECRET, **fields.pop("metadata", {})}
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, **fields}
    status, answer = cluster.request("POST", f"/api/v1/namespaces/{namespace}/secrets", body)
    assert status == 201, answer
    return answer


def apply(cluster: ControlPlane, namespace: str, manager: str, **fields: Any) -> Any:
    """Makes or changes a Secret as a field manager that applies."""
    metadata = {"name": SECRET, **fields.pop("metadata", {})}
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, **fields}
    query = f"?fieldManager={manager}&force=true"
    status, answer = cluster.request("PATCH", path_of(namespace) + query, body, APPLY)
    assert status in (200, 201), answer
    return answer


def patch(cluster: ControlPlane, namespace: str, body: Any, manager: str = "meddler") -> Any:
    """Changes a Secret."""
    status, answer = cluster.request("PATCH", f"{path_of(namespace)}?fieldManager={manager}", body, MERGE)
    assert status == 200, answer
    return answer


def about(one: Eatr, namespace: str, since: float = 0) -> list[str]:
    """What was logged about a namespace, and how loudly."""
    return [line for line in one.log if f"namespace {namespace}: " in line and line.time >= since]


# Fifty strangers ----------------------------------------------------------------------------------------

ARGO = {
    "labels": {"app.kubernetes.io/instance": "shop", "app.kubernetes.io/managed-by": "argocd"},
    "annotations": {"argocd.argoproj.io/tracking-id": "shop:/Secret:shop/ecr"},
}
HELM = {
    "labels": {"app.kubernetes.io/managed-by": "Helm"},
    "annotations": {"meta.helm.sh/release-name": "shop", "meta.helm.sh/release-namespace": "shop"},
}
OPAQUE = {"type": "Opaque", "data": {"key": "dmFsdWU="}}
PULL = {"type": DOCKER, "data": {DATA_KEY: EMPTY}}

ADOPTABLE = {"kubectl", "argo", "helm", "label", "same"}
"""Those of the right type that are not immutable."""

WORDS = {
    "opaque": "has type Opaque",
    "kubectl": "was written by kubectl-create",
    "fixed": "is immutable",
    "fixed-opaque": "has type Opaque, is immutable and was written by",
    "argo": "was written by argocd-controller",
    "helm": "was written by eatr-tests",
    "label": "was written by eatr-tests",
    "same": "was written by eatr-tests",
    "old-type": "has type kubernetes.io/dockercfg",
    "own-type": "has type example.com/pull",
}
"""What is said of each kind where it is left alone."""


class Strangers:
    """Fifty Secrets of eatr's name, five of each kind, in namespaces PREFIX-KIND-NUMBER."""

    def __init__(self, cluster: ControlPlane, kubectl: Kubectl, prefix: str, same: dict[str, str]) -> None:
        """`same` is data as eatr writes it."""
        self.cluster = cluster
        self.prefix = prefix
        makers: dict[str, Callable[[str], object]] = {
            "opaque": lambda name: post(cluster, name, **OPAQUE),
            "kubectl": lambda name: kubectl(
                "-n", name, "create", "secret", "docker-registry", SECRET,
                "--docker-server=r.example", "--docker-username=u", "--docker-password=p",
            ),
            "fixed": lambda name: post(cluster, name, **PULL, immutable=True),
            "fixed-opaque": lambda name: post(cluster, name, **OPAQUE, immutable=True),
            "argo": lambda name: apply(cluster, name, "argocd-controller", metadata=ARGO, **PULL),
            "helm": lambda name: post(cluster, name, metadata=HELM, **PULL),
            "label": lambda name: post(cluster, name, metadata={"labels": LABELS}, **PULL),
            "same": lambda name: post(cluster, name, type=DOCKER, data=same),
            "old-type": lambda name: post(
                cluster, name, type="kubernetes.io/dockercfg", data={".dockercfg": b64encode(b"{}").decode()}
            ),
            "own-type": lambda name: post(cluster, name, type="example.com/pull", data={"a": "Yg=="}),
        }  # fmt: skip
        self.kinds = {f"{prefix}-{kind}-{i}": kind for kind in makers for i in range(5)}
        cluster.create_namespaces(self.kinds)
        for name, kind in self.kinds.items():
            makers[kind](name)
        self.made = self.now()
        assert len(self.made) == 50

    def now(self) -> dict[str, Any]:
        """All of them, as they are."""
        secrets = self.cluster.secrets(SECRET)
        return {name: secret for name, secret in secrets.items() if name in self.kinds}

    def adoptable(self) -> set[str]:
        """Those that can be taken over."""
        return {name for name, kind in self.kinds.items() if kind in ADOPTABLE}


@pytest.fixture(scope="module")
def as_eatr(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Data as eatr writes it."""
    control_plane.create_namespace("strangers-pattern")
    with Ecr() as ecr, eatrs(tmp_path_factory.mktemp("pattern"), control_plane, ecr) as make:
        assert make(only("strangers", {"namespaces": {"include": "strangers-pattern"}})).run("once") == 0
    secret = control_plane.secret("strangers-pattern", SECRET)
    assert secret is not None
    return dict(secret["data"])


def test_fifty_strangers_are_left_as_they_are_and_each_is_told_of_once(
    control_plane: ControlPlane, ecr: Ecr, eatr: MakeEatr, kubectl: Kubectl, as_eatr: dict[str, str]
) -> None:
    """Through a start, renewals, a reload and a restart; with a word on what each is and what would help."""
    strangers = Strangers(control_plane, kubectl, "left", as_eatr)
    control_plane.create_namespace("left-own")
    audit = Audit(control_plane)
    one = eatr(only("left", {"renewal": {"auth_token_renewal_interval": "2s"}})).start()
    one.wait_ready()
    one.wait_status("50 in conflict")
    wait_fresh(control_plane, ecr, "left-own")
    calls = len(ecr.calls)
    wait_for(lambda: len(ecr.calls) >= calls + 2, what="two renewals")
    one.signal(signal.SIGHUP)
    one.wait_log("new configuration|reloaded|Reloaded")
    calls = len(ecr.calls)
    wait_for(lambda: len(ecr.calls) >= calls + 2, what="two more renewals")
    wait_fresh(control_plane, ecr, "left-own")
    assert one.metrics()['eatr_kube_requests_total{verb="get",code="200"}'] == 50, "looked at once each"
    for start in (1, 2):
        for name, kind in strangers.kinds.items():
            said = about(one, name)
            assert len(said) == start, said
            assert "warning: " in said[-1] and WORDS[kind] in said[-1]
            way = "adopt in [secret] to take it over" if kind in ADOPTABLE else "recreate in [secret] to replace it"
            assert f"leaving it; set on_conflict = {way}" in said[-1]
        if start == 1:
            one.restart()
            one.wait_ready()
            one.wait_status("50 in conflict")
    assert strangers.now() == strangers.made
    assert {write.namespace for write in audit.writes("left-")} == {"left-own"}


def test_with_adopt_those_that_can_be_are_taken_over_and_the_others_left(
    control_plane: ControlPlane, ecr: Ecr, eatr: MakeEatr, kubectl: Kubectl, as_eatr: dict[str, str]
) -> None:
    """No Secret is deleted: each has the UID, and the labels of others, that it had."""
    strangers = Strangers(control_plane, kubectl, "adopted", as_eatr)
    one = eatr(only("adopted", {"secret": {"on_conflict": "adopt"}})).start()
    one.wait_ready()
    one.wait_status("25 in conflict")
    samples = one.wait_metric("eatr_secrets_adopted_total", 25)
    assert samples["eatr_secrets_recreated_total"] == samples["eatr_secrets_deleted_total"] == 0
    one.signal(signal.SIGHUP)
    one.wait_log("new configuration|reloaded|Reloaded")
    now = strangers.now()
    for name, kind in strangers.kinds.items():
        said = about(one, name)
        assert len(said) == 1, said
        if kind not in ADOPTABLE:
            assert now[name] == strangers.made[name]
            words = "is immutable" if kind == "fixed" else WORDS[kind].split(", ")[0]
            assert words in said[0] and "on_conflict = recreate" in said[0]
            continue
        assert is_fresh(control_plane, ecr, name)
        before, after = strangers.made[name]["metadata"], now[name]["metadata"]
        assert after["uid"] == before["uid"]
        assert "is eatr's from now on" in said[0] and WORDS[kind] in said[0]
        assert (before.get("annotations") or {}).items() <= after["annotations"].items()
        assert {**(before.get("labels") or {}), **LABELS} == after["labels"]


def test_with_recreate_only_those_that_cannot_be_changed_are_replaced(
    control_plane: ControlPlane, ecr: Ecr, eatr: MakeEatr, kubectl: Kubectl, as_eatr: dict[str, str]
) -> None:
    """They get a new UID; each delete named the Secret that was meant."""
    strangers = Strangers(control_plane, kubectl, "replaced", as_eatr)
    audit = Audit(control_plane)
    one = eatr(only("replaced", {"secret": {"on_conflict": "recreate"}})).start()
    one.wait_ready()
    wait_fresh(control_plane, ecr, *strangers.kinds)
    now = strangers.now()
    kept = {name for name in now if uid_of(now[name]) == uid_of(strangers.made[name])}
    assert kept == strangers.adoptable()
    samples = one.metrics()
    assert samples["eatr_secrets_adopted_total"] == samples["eatr_secrets_recreated_total"] == 25
    assert samples["secrets_created_total"] == 25
    deletes = [write for write in audit.wait(100, "replaced-") if write.verb == "delete"]
    assert {write.namespace for write in deletes} == strangers.kinds.keys() - kept
    for name, kind in strangers.kinds.items():
        said = [line for line in about(one, name) if "created Secret" not in line]
        words = "is eatr's from now on" if kind in ADOPTABLE else "deleted Secret ecr, which could not be changed"
        assert len(said) == 1 and words in said[0] and "warning" not in said[0], said


def test_nothing_is_replaced_before_there_is_a_token(
    control_plane: ControlPlane, ecr: Ecr, eatr: MakeEatr
) -> None:
    """ECR is away: what is there may be all that pods have."""
    control_plane.create_namespaces(["tokenless-opaque", "tokenless-pull"])
    made = [post(control_plane, "tokenless-opaque", **OPAQUE), post(control_plane, "tokenless-pull", **PULL)]
    one = eatr(only("tokenless", {"secret": {"on_conflict": "recreate"}}))
    one.change_config({"aws": {"aws_secret_access_key": "wrong"}})
    one.start().wait_ready()
    one.wait_log("(?i)signature|token")
    assert [control_plane.secret(secret["metadata"]["namespace"], SECRET) for secret in made] == made
    one.change_config({"aws": {"aws_secret_access_key": ecr.secret_key}})
    one.signal(signal.SIGHUP)
    wait_fresh(control_plane, ecr, "tokenless-opaque", "tokenless-pull")


def test_own_secrets_that_somebody_made_immutable(
    control_plane: ControlPlane, ecr: Ecr, eatr: MakeEatr
) -> None:
    """They are left, and said to be immutable, until on_conflict has them replaced."""
    control_plane.create_namespaces(["stuck-a", "stuck-b"])
    one = eatr(only("stuck", {"renewal": {"auth_token_renewal_interval": "2s"}})).start()
    wait_fresh(control_plane, ecr, "stuck-a", "stuck-b")
    frozen = patch(control_plane, "stuck-a", {"immutable": True})
    one.wait_log("stuck-a: Secret ecr is immutable, leaving it; set on_conflict = recreate")
    calls = len(ecr.calls)
    wait_for(lambda: len(ecr.calls) >= calls + 2, what="two more renewals")
    assert control_plane.secret("stuck-a", SECRET) == frozen
    assert len(about(one, "stuck-a")) == 1
    one.change_config({"secret": {"on_conflict": "recreate"}})
    one.signal(signal.SIGHUP)
    wait_for(lambda: uid_of(control_plane.secret("stuck-a", SECRET) or frozen) != uid_of(frozen))
    wait_fresh(control_plane, ecr, "stuck-a", "stuck-b")
    assert one.metrics()["eatr_secrets_recreated_total"] == 1
    assert not [line for line in one.log if "had been deleted" in line]


# Namespaces that fall out, and those that go -------------------------------------------------------------


def annotate(cluster: ControlPlane, namespace: str, value: str | None) -> None:
    """Sets eatr/ignore."""
    body = {"metadata": {"annotations": {"eatr/ignore": value}}}
    assert cluster.request("PATCH", f"/api/v1/namespaces/{namespace}", body, MERGE)[0] == 200


def test_a_namespace_that_falls_out_keeps_or_loses_its_secret(
    control_plane: ControlPlane, ecr: Ecr, eatr: MakeEatr
) -> None:
    """By a reload, by its annotation; what is not eatr's alone stays, and what comes back is no heal."""
    names = ["out-plain", "out-note", "out-edited", "out-foreign", "out-copied", "out-shared"]
    control_plane.create_namespaces([*names, "out-stays"])
    foreign = post(control_plane, "out-foreign", **PULL)
    one = eatr(only("out")).start()
    owned = [name for name in names if name not in ("out-foreign", "out-copied")]
    wait_fresh(control_plane, ecr, *owned, "out-stays")

    # A backup brings it back as it was, and writes all of it itself.
    backup = control_plane.secret("out-copied", SECRET)
    assert backup is not None
    one.signal(signal.SIGSTOP)
    for name in ("out-copied", "out-foreign"):
        annotate(control_plane, name, "true")
    control_plane.delete_secret("out-copied", SECRET)
    metadata = {key: backup["metadata"][key] for key in ("labels", "annotations")}
    copied = post(control_plane, "out-copied", metadata=metadata, type=DOCKER, data=backup["data"])
    # Somebody edits the data of one while the namespace is excluded, and co-owns another's.
    for name in ("out-edited", "out-shared"):
        annotate(control_plane, name, "true")
    edited = patch(control_plane, "out-edited", {"data": {DATA_KEY: EMPTY}})
    shared = apply(control_plane, "out-shared", "argocd-controller", type=DOCKER, data=backup["data"])
    annotate(control_plane, "out-note", "true")
    one.signal(signal.SIGCONT)
    one.wait_metric('eatr_namespaces{state="ignored"}', 5)

    audit = Audit(control_plane)
    one.change_config({"namespaces": {"blacklist": "out-plain"}})
    one.signal(signal.SIGHUP)
    one.wait_metric('eatr_namespaces{state="blacklisted"}', 1)
    assert all(control_plane.secret(name, SECRET) for name in names)
    assert not audit.writes("out-"), "on_exclude = keep"

    one.change_config({"namespaces": {"blacklist": "out-plain", "on_exclude": "delete"}})
    one.signal(signal.SIGHUP)
    one.wait_metric("eatr_secrets_deleted_total", 2)
    left = {name: control_plane.secret(name, SECRET) for name in names}
    assert left == {
        "out-plain": None,
        "out-note": None,
        "out-edited": edited,
        "out-foreign": foreign,
        "out-copied": copied,
        "out-shared": shared,
    }
    assert [line for line in about(one, "out-plain") if "deleted Secret ecr, as the namespace is blacklisted" in line]
    assert [line for line in about(one, "out-edited") if "not eatr's alone: meddler wrote to it" in line]
    assert [line for line in about(one, "out-copied") if "not eatr's alone: eatr-tests wrote to it" in line]
    assert [line for line in about(one, "out-shared") if "not eatr's alone: argocd-controller wrote" in line]
    assert is_fresh(control_plane, ecr, "out-stays")

    annotate(control_plane, "out-note", None)
    wait_fresh(control_plane, ecr, "out-note")
    annotate(control_plane, "out-note", "true")
    wait_for(lambda: control_plane.secret("out-note", SECRET) is None, what="the Secret is deleted")
    assert not [line for line in about(one, "out-note") if "had been" in line]
    assert one.metrics()["eatr_secret_heals_total"] == 0
    assert {write.verb for write in audit.wait(4, "out-")} == {"delete", "patch"}

    one.restart()
    one.wait_ready()
    time.sleep(0.5)  # nothing is to happen, which nothing announces
    assert {name: control_plane.secret(name, SECRET) for name in names} == left


def test_a_dry_run_tells_of_deletes(control_plane: ControlPlane, ecr: Ecr, eatr: MakeEatr) -> None:
    """And of what it would take over, and does nothing."""
    control_plane.create_namespaces(["dry-out", "dry-foreign"])
    one = eatr(only("dry", {"namespaces": {"include": "dry-out"}}))
    assert one.run("once") == 0
    foreign = post(control_plane, "dry-foreign", **PULL)
    own = control_plane.secret("dry-out", SECRET)
    assert own is not None
    one.change_config(
        {
            "namespaces": {"include": "dry-*", "blacklist": "dry-out", "on_exclude": "delete"},
            "secret": {"on_conflict": "adopt"},
        }
    )
    audit = Audit(control_plane)
    assert one.run("--dry-run", "once") == 0
    assert [line for line in one.log if "namespace dry-out: would delete Secret ecr" in line]
    assert [line for line in one.log if "namespace dry-foreign: would adopt Secret ecr" in line]
    assert not audit.writes("dry-")
    assert control_plane.secret("dry-foreign", SECRET) == foreign
    assert control_plane.secret("dry-out", SECRET) == own


def test_a_secret_that_is_being_deleted_is_waited_for(
    control_plane: ControlPlane, ecr: Ecr, eatr: MakeEatr
) -> None:
    """A finalizer holds it: no fight; when it is gone it is made anew."""
    control_plane.create_namespaces(["held-own", "held-foreign"])
    held = {"finalizers": ["eatr.test/hold"]}
    post(control_plane, "held-foreign", metadata=held, **OPAQUE)
    one = eatr(only("held", {"secret": {"on_conflict": "recreate"}})).start()
    wait_fresh(control_plane, ecr, "held-own")
    one.wait_log("held-foreign: Secret ecr is being deleted, waiting")
    patch(control_plane, "held-own", {"metadata": held})
    control_plane.delete_secret("held-own", SECRET)
    one.wait_log("held-own: Secret ecr is being deleted, waiting for its finalizers")
    audit = Audit(control_plane)
    patch(control_plane, "held-own", {"data": {DATA_KEY: EMPTY}})
    one.signal(signal.SIGHUP)
    one.wait_log("new configuration|reloaded|Reloaded")
    time.sleep(0.5)  # nothing is to happen, which nothing announces
    assert not audit.writes("held-")
    for name in ("held-own", "held-foreign"):
        patch(control_plane, name, {"metadata": {"finalizers": None}})
    wait_fresh(control_plane, ecr, "held-own", "held-foreign")


def test_a_namespace_that_goes_is_left_alone_by_every_rule(
    control_plane: ControlPlane, ecr: Ecr, eatr: MakeEatr
) -> None:
    """A finalizer holds it, and a Secret in it; neither is adopted, replaced, or deleted."""
    if not control_plane.has_controllers:
        pytest.skip("these control plane binaries have no kube-controller-manager")
    rules = {"namespaces": {"on_exclude": "delete"}, "secret": {"on_conflict": "recreate"}}
    for name in ("going-own", "going-foreign"):
        body = {"metadata": {"name": name}, "spec": {"finalizers": ["kubernetes", "eatr.test/hold"]}}
        assert control_plane.request("POST", "/api/v1/namespaces", body)[0] == 201
    one = eatr(only("going", rules))
    one.change_config({"namespaces": {"blacklist": "going-foreign"}})
    one.start()
    wait_fresh(control_plane, ecr, "going-own")
    held = {"finalizers": ["eatr.test/hold"]}
    post(control_plane, "going-foreign", metadata=held, **OPAQUE)
    patch(control_plane, "going-own", {"metadata": held})
    audit = Audit(control_plane)
    for name in ("going-own", "going-foreign"):
        control_plane.delete_namespace(name)
    one.wait_metric('eatr_namespaces{state="terminating"}', 2)
    one.change_config({"namespaces": {"blacklist": "nothing"}})
    one.signal(signal.SIGHUP)
    one.wait_log("new configuration|reloaded|Reloaded")
    time.sleep(0.5)  # nothing is to happen, which nothing announces
    assert not audit.writes("going-")
    for name in ("going-own", "going-foreign"):
        patch(control_plane, name, {"metadata": {"finalizers": None}})
        control_plane.request(
            "PUT", f"/api/v1/namespaces/{name}/finalize", {"metadata": {"name": name}, "spec": {"finalizers": []}}
        )


# Fights ---------------------------------------------------------------------------------------------------


class Meddler(threading.Thread):
    """Somebody who keeps doing a thing to a Secret until `with` ends."""

    def __init__(self, act: Callable[[], object]) -> None:
        """`act` does it if there is something to do, as often as it is called."""
        super().__init__(daemon=True)
        self.act = act
        self.ended = threading.Event()

    def __enter__(self) -> Meddler:
        """Begins."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Ends."""
        self.ended.set()
        self.join()

    def run(self) -> None:
        """The thread."""
        while not self.ended.wait(0.05):
            self.act()


@pytest.mark.parametrize("how", ("edits", "deletes"))
def test_a_fight_is_slowed_down_counted_and_told_of(
    how: str, control_plane: ControlPlane, ecr: Ecr, eatr: MakeEatr
) -> None:
    """Five writes at once, and for a minute none; whoever it is is named, and no other namespace waits."""
    name = f"fight-{how}"
    control_plane.create_namespace(name)
    one = eatr(only("fight", {"namespaces": {"include": f"{name}*"}})).start()
    wait_fresh(control_plane, ecr, name)
    audit = Audit(control_plane)

    def edit() -> None:
        if is_fresh(control_plane, ecr, name):
            patch(control_plane, name, {"data": {DATA_KEY: EMPTY}}, "gitops")

    def delete() -> None:
        if is_fresh(control_plane, ecr, name):
            control_plane.delete_secret(name, SECRET)

    with Meddler(edit if how == "edits" else delete):
        who = "gitops keeps changing" if how == "edits" else "something keeps deleting"
        one.wait_log(f"warning: namespace {name}: {who} Secret ecr; writing it only once a minute", 20)
        begun = time.monotonic()
        control_plane.create_namespace(f"{name}-other")
        wait_fresh(control_plane, ecr, f"{name}-other")
        while time.monotonic() < begun + 8:
            assert len([write for write in audit.writes(name) if write.namespace == name]) == 5
            time.sleep(0.5)
    samples = one.metrics()
    assert samples["eatr_secret_heals_total"] == 5
    assert samples["eatr_secret_fights_total"] == 1
    assert len([line for line in about(one, name) if "warning" in line]) == 1


def test_a_fight_about_a_delete_is_slowed_down_too(
    control_plane: ControlPlane, ecr: Ecr, eatr: MakeEatr
) -> None:
    """Another eatr wants the namespace that this one excludes."""
    control_plane.create_namespace("rivals-0")
    eager = eatr(only("rivals", {"namespaces": {"include": "rivals-*"}})).start()
    wait_fresh(control_plane, ecr, "rivals-0")
    other = eatr(only("rivals", {"namespaces": {"blacklist": "rivals-*", "on_exclude": "delete"}})).start()
    other.wait_log("namespace rivals-0: something keeps creating Secret ecr, though the namespace is excluded", 20)
    time.sleep(3)  # nothing is to happen, which nothing announces
    assert other.metrics()["eatr_secrets_deleted_total"] <= 6
    assert eager.metrics()["eatr_secret_heals_total"] <= 6


# Those who forbid it -------------------------------------------------------------------------------------


def test_a_webhook_that_denies(control_plane: ControlPlane, ecr: Ecr, eatr: MakeEatr, tls: Tls) -> None:
    """Its words are told, once; whatever code it chose, the other namespaces are served meanwhile."""
    with Webhook(control_plane, tls, "denied", "CREATE", "UPDATE", "DELETE") as hook:
        hook.code = 503  # not the server's own words, so no reason to wait for it
        control_plane.create_namespace("denied-0", labels={"guard": "denied"})
        control_plane.create_namespace("denied-1")
        one = eatr(only("denied")).start()
        line = one.wait_log("namespace denied-0: cannot write Secret ecr: .*")
        assert 'admission webhook "denied.eatr.test" denied the request: it is not allowed here' in line
        wait_fresh(control_plane, ecr, "denied-1")
        one.wait_ready()
        one.wait_status("1 failing")
        control_plane.create_namespace("denied-2")
        wait_fresh(control_plane, ecr, "denied-2")
        assert not [line for line in one.log if "takes no writes" in line]
        hook.denies = None
        wait_fresh(control_plane, ecr, "denied-0", timeout=40)
        one.wait_log("namespace denied-0: writing Secret ecr works again")
        assert len([line for line in about(one, "denied-0") if "warning" in line]) == 1
        hook.denies, hook.code = "nor that", 400
        one.change_config({"namespaces": {"blacklist": "denied-0", "on_exclude": "delete"}})
        one.signal(signal.SIGHUP)
        one.wait_log("namespace denied-0: cannot delete Secret ecr: .* denied the request: nor that; trying again")
        assert control_plane.secret("denied-0", SECRET)
        hook.denies = None
        one.change_config({"namespaces": {"blacklist": "nothing", "on_exclude": "delete"}})
        one.signal(signal.SIGHUP)  # which ends the waiting
        one.wait_metric('eatr_namespaces{state="fresh"}', 3)


def test_a_webhook_that_is_away_concerns_its_namespaces_alone(
    control_plane: ControlPlane, ecr: Ecr, eatr: MakeEatr, tls: Tls
) -> None:
    """Its failurePolicy is Fail: the API server answers 500, and eatr tries again before long."""
    with Webhook(control_plane, tls, "away", "CREATE", "UPDATE") as hook:
        hook.denies = None
        hook.leave()
        control_plane.create_namespace("away-0", labels={"guard": "away"})
        control_plane.create_namespaces(["away-1", "away-2"])
        one = eatr(only("away")).start()
        one.wait_log('namespace away-0: cannot write Secret ecr: .*failed calling webhook "away.eatr.test"')
        wait_fresh(control_plane, ecr, "away-1", "away-2")
        assert not [line for line in one.log if "takes no writes" in line]
        hook.listen(hook.port)
        wait_fresh(control_plane, ecr, "away-0", timeout=30)
        one.wait_log("namespace away-0: writing Secret ecr works again")


def set_quota(cluster: ControlPlane, namespace: str, hard: int, used: int) -> None:
    """A quota of so many Secrets, as its controller would count them."""
    path = f"/api/v1/namespaces/{namespace}/resourcequotas"
    body: dict[str, Any] = {"metadata": {"name": "q"}, "spec": {"hard": {"secrets": str(hard)}}}
    if cluster.request("GET", f"{path}/q")[0] == 404:
        assert cluster.request("POST", path, body)[0] == 201
    status = {"status": {"hard": {"secrets": str(hard)}, "used": {"secrets": str(used)}}}
    assert cluster.request("PATCH", f"{path}/q", {"spec": body["spec"]}, MERGE)[0] == 200
    assert cluster.request("PATCH", f"{path}/q/status", status, MERGE)[0] == 200


def test_a_quota_that_is_used_up(control_plane: ControlPlane, ecr: Ecr, eatr: MakeEatr) -> None:
    """It is told of once; renewals need no more room, and a replacement does not lose its own."""
    control_plane.create_namespaces(["quota-0", "quota-1", "quota-2"])
    set_quota(control_plane, "quota-0", 0, 0)
    changes = {"renewal": {"auth_token_renewal_interval": "2s"}, "secret": {"on_conflict": "recreate"}}
    one = eatr(only("quota", changes)).start()
    one.wait_log("namespace quota-0: cannot write Secret ecr: .*exceeded quota: q.*; trying again in")
    wait_fresh(control_plane, ecr, "quota-1", "quota-2")
    set_quota(control_plane, "quota-1", 1, 1)
    calls = len(ecr.calls)
    wait_for(lambda: len(ecr.calls) >= calls + 2, what="two more renewals")
    wait_fresh(control_plane, ecr, "quota-1", "quota-2")
    assert len(about(one, "quota-0")) == 1
    set_quota(control_plane, "quota-0", 9, 0)  # controllers want room, too
    wait_fresh(control_plane, ecr, "quota-0", timeout=40)
    one.wait_log("namespace quota-0: writing Secret ecr works again")


def limited(cluster: ControlPlane, directory: Path, name: str, *verbs: str) -> Path:
    """A kubeconfig of a user with these rights to Secrets besides those that eatr always needs."""
    rules = [RULES[0], {**RULES[1], "verbs": [*RULES[1]["verbs"], *verbs]}]
    grant(cluster, name, {"kind": "User", "name": name}, rules)
    cert, key = cluster.client_cert(name, f"/CN={name}")
    return cluster.kubeconfig(directory / f"{name}.kubeconfig", cert=cert, key=key)


def test_without_the_right_to_look_a_stranger_is_told_of_with_what_is_known(
    control_plane: ControlPlane, ecr: Ecr, eatr: MakeEatr, tmp_path: Path
) -> None:
    """No "get": the type is not known, and all else is as ever."""
    control_plane.create_namespaces(["blind-0", "blind-1"])
    post(control_plane, "blind-0", **OPAQUE)
    one = eatr(only("blind"), kubeconfig=limited(control_plane, tmp_path, "eatr-blind")).start()
    line = one.wait_log("namespace blind-0: Secret ecr is not eatr's")
    assert "it was written by eatr-tests, leaving it; set on_conflict = adopt" in line
    wait_fresh(control_plane, ecr, "blind-1")
    one.wait_ready()
    assert one.metrics()["eatr_secret_write_failures_total"] == 0


def test_a_right_that_is_missing_everywhere_is_told_of_once(
    control_plane: ControlPlane, ecr: Ecr, eatr: MakeEatr, tmp_path: Path
) -> None:
    """The right to delete: ten namespaces lack it, and all else goes on."""
    control_plane.create_namespaces([f"lacking-{number}" for number in range(10)])
    one = eatr(only("lacking"), kubeconfig=limited(control_plane, tmp_path, "eatr-lacking")).start()
    wait_fresh(control_plane, ecr, *(f"lacking-{number}" for number in range(10)))
    one.change_config({"namespaces": {"blacklist": "lacking-*", "on_exclude": "delete"}})
    one.signal(signal.SIGHUP)
    one.wait_metric("eatr_secret_write_failures_total", 10)
    said = [line for line in one.log if "cannot delete" in line]
    assert len(said) == 1 and "see RIGHTS in eatr(8)" in said[0]
    one.change_config({"namespaces": {"blacklist": "nothing"}})
    one.signal(signal.SIGHUP)
    one.wait_metric('eatr_namespaces{state="fresh"}', 10)
