"""eatr and a real kube-apiserver with etcd and kube-controller-manager: whose Secrets, which rights, how fast."""

from __future__ import annotations

import itertools
import json
import re
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from conftest import MakeEatr
from control_plane import CONTROLLER_MANAGER, ControlPlane
from eatr import SCALE, Eatr, wait_for
from ecr import Ecr
from http_double import Tls
from identity import rules
from real import (
    DATA_KEY,
    DOCKER,
    LABELS,
    SECRET,
    Audit,
    Kubectl,
    connections,
    eatrs,
    grant,
    host_of,
    is_fresh,
    only,
    seconds_of,
    token_of,
    uid_of,
    value_of,
    wait_fresh,
)

PATCH = "application/merge-patch+json"
STRANGE = '{"data":{".dockerconfigjson":"e30="}}'  # {}


@pytest.fixture
def eatr(tmp_path: Path, control_plane: ControlPlane, ecr: Ecr) -> Iterator[MakeEatr]:
    """Makes eatrs for the real control plane."""
    with eatrs(tmp_path, control_plane, ecr) as make:
        yield make


@pytest.fixture(scope="module")
def kubectl(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Kubectl:
    """The administrator's kubectl."""
    return Kubectl(control_plane, tmp_path_factory.mktemp("kubectl"))


@dataclass
class Standing:
    """An eatr that runs through many tests, for the namespaces live-*."""

    cluster: ControlPlane
    ecr: Ecr
    eatr: Eatr
    numbers: Iterator[int]

    def namespace(self) -> str:
        """A new namespace that has its Secret."""
        name = f"live-{next(self.numbers)}"
        self.cluster.create_namespace(name)
        wait_fresh(self.cluster, self.ecr, name)
        return name

    def fence(self) -> None:
        """Returns when eatr must have done all that it does about what happened so far."""
        self.namespace()

    def check_lines(self, namespace: str, regex: str) -> None:
        """Asserts that all that was logged about a namespace is of this kind."""
        about = [line for line in self.eatr.log if re.search(rf"\b{namespace}\b", line)]
        assert all(re.search(regex, line) for line in about), "\n".join(about)


@pytest.fixture(scope="module")
def standing(
    control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Standing]:
    """See Standing."""
    with Ecr() as ecr, eatrs(tmp_path_factory.mktemp("standing"), control_plane, ecr) as make:
        one = make(only("live")).start()
        one.wait_ready()
        yield Standing(control_plane, ecr, one, itertools.count())


# What is written ----------------------------------------------------------------------------------------


def test_every_namespace_of_the_cluster_gets_what_ecr_gave_and_byte_for_byte_the_same(
    control_plane: ControlPlane, ecr: Ecr, eatr: MakeEatr
) -> None:
    """Those of Kubernetes itself too; one AWS call, one write each, and no Namespace is touched."""
    control_plane.create_namespaces(f"all-{number}" for number in range(20))
    audit = Audit(control_plane)
    one = eatr({"secret": {"name": "pull-all"}}).start()
    one.wait_status(r"(\d+) of \1 namespaces have a fresh Secret")
    secrets, namespaces = control_plane.secrets("pull-all"), control_plane.namespaces()
    assert secrets.keys() == namespaces.keys() >= {"default", "kube-system", "all-0", "all-19"}
    wanted = json.dumps({"auths": {host_of(ecr): {"auth": ecr.last_token}}}, separators=(",", ":")).encode()
    for namespace, secret in secrets.items():
        assert value_of(secret) == wanted, namespace
        assert secret["data"].keys() == {DATA_KEY} and secret["type"] == DOCKER
        assert "immutable" not in secret
    assert len(ecr.calls) == 1
    writes = audit.wait(len(namespaces))
    assert {(write.verb, write.resource, write.code) for write in writes} == {("patch", "secrets", 201)}
    assert sorted(write.namespace for write in writes) == sorted(namespaces)


def test_a_secret_says_whose_it_is_and_how_long_it_is_good(
    control_plane: ControlPlane, ecr: Ecr, eatr: MakeEatr
) -> None:
    """Label, annotations, field manager; no owner, no finalizer, and nothing of the token."""
    control_plane.create_namespace("meta-0")
    before = time.time()
    eatr(only("meta")).start().wait_ready()
    metadata = control_plane.secret("meta-0", SECRET)["metadata"]
    assert metadata["labels"] == LABELS
    notes = metadata["annotations"]
    assert notes.keys() == {"eatr/expires-at", "eatr/renewed-at", "eatr/token-id"}
    renewed, expires = (seconds_of(notes[f"eatr/{what}"]) for what in ("renewed-at", "expires-at"))
    assert abs(renewed - before) < 5 * SCALE and abs(expires - renewed - ecr.lifetime) < 2
    assert re.fullmatch("[0-9a-f]{16}", notes["eatr/token-id"])
    assert not metadata.keys() & {"finalizers", "ownerReferences"}
    (manager,) = metadata["managedFields"]
    assert (manager["manager"], manager["operation"]) == ("eatr", "Apply")


def test_blacklisted_and_ignoring_namespaces_get_nothing(
    control_plane: ControlPlane, ecr: Ecr, eatr: MakeEatr
) -> None:
    """Globs are for whole names, and taking the annotation away is enough to get a Secret."""
    names = ["black-box", "black-box-2", "black-team-a-sandbox", "black-team-ab-sandbox", "black-sandbox"]
    control_plane.create_namespaces(names)
    control_plane.create_namespace("black-ignoring", annotations={"eatr/ignore": "true"})
    changes = {"namespaces": {"blacklist": ["black-box", "black-team-?-sandbox", "*-late"]}}
    one = eatr(only("black", changes)).start()
    one.wait_ready()
    control_plane.create_namespace("black-and-late")
    path = "/api/v1/namespaces/black-ignoring"
    control_plane.request("PATCH", path, {"metadata": {"annotations": {"eatr/ignore": None}}}, PATCH)
    wait_fresh(control_plane, ecr, "black-ignoring")  # it came later than black-and-late
    with_secret = {name for name in control_plane.secrets(SECRET) if name.startswith("black-")}
    assert with_secret == {"black-box-2", "black-team-ab-sandbox", "black-sandbox", "black-ignoring"}
    assert one.metrics()['eatr_namespaces{state="blacklisted"}'] == 3


def test_a_renewal_gives_every_secret_the_new_token_in_place(
    control_plane: ControlPlane, ecr: Ecr, eatr: MakeEatr
) -> None:
    """The kubelet keys on the UID; one write a namespace a token, and nothing but patches."""
    names = [f"renew-{number}" for number in range(10)]
    control_plane.create_namespaces(names)
    audit = Audit(control_plane)
    one = eatr(only("renew", {"renewal": {"auth_token_renewal_interval": "1s"}})).start()
    one.wait_ready()
    uids = {name: uid_of(control_plane.secret(name, SECRET)) for name in names}
    one.wait_metric("secret_renewals_total", 30)
    one.stop()
    secrets = control_plane.secrets(SECRET)
    assert {name: uid_of(secrets[name]) for name in names} == uids
    assert {token_of(secrets[name], ecr) for name in names} == {ecr.tokens[3]}
    assert [call.status for call in ecr.calls[:4]] == [200] * 4
    writes = audit.wait(40, "renew-")
    assert len(writes) == 40 and {write.verb for write in writes} == {"patch"}
    assert [write.code for write in writes].count(201) == 10


def test_a_restart_writes_only_what_was_changed_meanwhile(
    control_plane: ControlPlane, ecr: Ecr, eatr: MakeEatr, kubectl: Kubectl
) -> None:
    """Deleted, edited, new: the rest is good as it is, with its older token."""
    names = [f"again-{number}" for number in range(6)]
    control_plane.create_namespaces(names)
    one = eatr(only("again")).start()
    one.wait_ready()
    one.stop()
    control_plane.delete_secret("again-0", SECRET)
    kubectl("-n", "again-1", "patch", "secret", SECRET, "-p", STRANGE)
    control_plane.create_namespace("again-new")
    audit = Audit(control_plane)
    one.start().wait_log("Pass done")
    writes = audit.wait(3, "again-")
    assert sorted(write.namespace for write in writes) == ["again-0", "again-1", "again-new"]
    tokens = {name: token_of(control_plane.secret(name, SECRET), ecr) for name in [*names, "again-new"]}
    old, new = ecr.tokens
    assert {name for name, token in tokens.items() if token == new} == {"again-0", "again-1", "again-new"}
    assert {name for name, token in tokens.items() if token == old} == set(names) - {"again-0", "again-1"}


def test_a_dry_run_says_what_would_be_written_and_writes_nothing(
    control_plane: ControlPlane, eatr: MakeEatr
) -> None:
    """Nothing goes to the API server but lists and watches."""
    control_plane.create_namespaces(["dry-0", "dry-1"])
    one = eatr(only("dry"))
    assert one.run("--dry-run", "once") == 0
    assert {"dry-0", "dry-1"} <= {word.strip(":") for line in one.log for word in line.split()}
    assert not {"dry-0", "dry-1"} & control_plane.secrets(SECRET).keys()


# Healing ------------------------------------------------------------------------------------------------

APPLIED = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": SECRET},
    "type": DOCKER,
    "data": {DATA_KEY: "e30="},
}
FORCED = ("apply", "--server-side", "--force-conflicts", "-f", "-")
WAYS: dict[str, tuple[str, ...]] = {
    "deleted": ("delete", "secret", SECRET),
    "patched": ("patch", "secret", SECRET, "-p", STRANGE),
    "edited": ("edit", "secret", SECRET),
    "applied by another manager": FORCED,
    "bereft of its label": ("label", "secret", SECRET, "app.kubernetes.io/managed-by-"),
    "labelled as Helm's": ("label", "--overwrite", "secret", SECRET, "app.kubernetes.io/managed-by=Helm"),
    "annotated": ("annotate", "--overwrite", "secret", SECRET, "eatr/expires-at=2099-01-01T00:00:00Z"),
    "bereft of an annotation": ("annotate", "secret", SECRET, "eatr/token-id-"),
}


@pytest.mark.parametrize("how", WAYS)
def test_a_secret_is_put_right_within_a_second_after_it_was(
    how: str, standing: Standing, kubectl: Kubectl, tmp_path: Path
) -> None:
    """By the API server's own clock, from the end of kubectl's request to the end of eatr's."""
    namespace = standing.namespace()
    before = standing.cluster.secret(namespace, SECRET)
    editor = tmp_path / "editor"
    editor.write_text("#!/bin/sh\nsed -i 's/dockerconfigjson: .*/dockerconfigjson: e30=/' \"$1\"\n")
    editor.chmod(0o755)
    audit = Audit(standing.cluster)
    kubectl("-n", namespace, *WAYS[how], stdin=json.dumps(APPLIED), editor=str(editor))
    (disturbed,) = audit.wait(1, namespace, "kubectl/")
    (healed,) = audit.wait(1, namespace)
    assert healed.done - disturbed.done < 1 * SCALE
    after = standing.cluster.secret(namespace, SECRET)
    assert token_of(after, standing.ecr) == standing.ecr.last_token
    for key in ("labels", "annotations"):
        assert after["metadata"][key] == before["metadata"][key]
    assert (uid_of(after) == uid_of(before)) == (how != "deleted")
    standing.fence()
    assert len(audit.writes(f"{namespace}")) == 1
    standing.check_lines(namespace, "created Secret|had been (deleted|edited), it is back")


def test_what_others_add_to_a_secret_stays_and_is_not_fought_over(
    standing: Standing, kubectl: Kubectl
) -> None:
    """A label and an annotation that are nothing to eatr."""
    namespace = standing.namespace()
    audit = Audit(standing.cluster)
    kubectl("-n", namespace, "label", "secret", SECRET, "team=blue")
    kubectl("-n", namespace, "annotate", "secret", SECRET, "example.com/note=kept")
    standing.fence()
    assert not [write for write in audit.writes() if write.namespace == namespace]
    metadata = standing.cluster.secret(namespace, SECRET)["metadata"]
    assert metadata["labels"] == {**LABELS, "team": "blue"}
    assert metadata["annotations"]["example.com/note"] == "kept"


def test_a_fight_with_another_manager_is_not_fought_at_full_speed(
    standing: Standing, control_plane: ControlPlane
) -> None:
    """A controller that puts its own content back each time: eatr says so, and goes down to one a minute."""
    namespace, audit = standing.namespace(), Audit(control_plane)
    path = f"/api/v1/namespaces/{namespace}/secrets/{SECRET}?fieldManager=rival"
    deadline = time.monotonic() + 20 * SCALE
    while not any("keeps changing" in line and namespace in line for line in standing.eatr.log):
        assert time.monotonic() < deadline, "eatr never says that somebody fights it"
        assert control_plane.request("PATCH", path, json.loads(STRANGE), PATCH)[0] == 200
        wait_for(
            lambda: is_fresh(control_plane, standing.ecr, namespace)
            or any("keeps changing" in line for line in standing.eatr.log),
            what="eatr heals, or says that it will not for now",
        )
    assert 3 <= len(audit.writes(f"{namespace}")) <= 10
    seen = len(audit.writes(f"{namespace}"))
    standing.fence()  # others do not suffer from it
    assert len(audit.writes(f"{namespace}")) == seen


# New and old namespaces ---------------------------------------------------------------------------------


def test_a_new_namespace_has_its_secret_within_100_ms_of_the_event(
    standing: Standing, control_plane: ControlPlane
) -> None:
    """The worst of 30, by eatr's own metric; by the audit log it is not more than a moment longer."""
    name = "eatr_namespace_to_secret_seconds"
    before, audit = standing.eatr.metrics(), Audit(control_plane)
    names = [standing.namespace() for _ in range(30)]
    after = standing.eatr.wait_metric(f"{name}_count", lambda n: n >= before[f"{name}_count"] + 30)
    count = after[f"{name}_count"] - before[f"{name}_count"]
    created = {write.namespace: write.done for write in audit.wait(30, "live-", "eatr-tests")}
    written = {write.namespace: write.done for write in audit.wait(30, "live-")}
    took = sorted(written[name] - created[name] for name in names)
    mean = (after[f"{name}_sum"] - before[f"{name}_sum"]) / count
    print(f"a new namespace has its Secret after: mean {mean * 1e3:.1f} ms from the event (eatr's metric);")
    print(f"from the namespace's 201, median {took[15] * 1e3:.1f} ms, worst {took[-1] * 1e3:.1f} ms (audit log)")
    limit = f'{name}_bucket{{le="{0.1 if SCALE == 1 else 1}"}}'
    assert after[limit] - before[limit] == count
    assert took[-1] < 0.25 * SCALE


def test_a_burst_of_namespaces_is_served_within_a_second(
    standing: Standing, control_plane: ControlPlane
) -> None:
    """50 at once, as a CI system makes them."""
    audit = Audit(control_plane)
    names = [f"live-burst-{number}" for number in range(50)]
    control_plane.create_namespaces(names)
    created = {write.namespace: write.done for write in audit.wait(50, "live-burst-", "eatr-tests")}
    writes = audit.wait(50, "live-burst-")
    assert len(writes) == 50
    assert max(write.done - created[write.namespace] for write in writes) < 1 * SCALE


def held_namespace(cluster: ControlPlane, name: str) -> None:
    """Creates a namespace that stays Terminating, when it is deleted, until release() is called."""
    body = {"metadata": {"name": name}, "spec": {"finalizers": ["kubernetes", "eatr.test/hold"]}}
    assert cluster.request("POST", "/api/v1/namespaces", body)[0] == 201


def release(cluster: ControlPlane, name: str) -> None:
    """Lets go of a held namespace, and waits until it is gone."""
    path = f"/api/v1/namespaces/{name}"
    cluster.request("PUT", f"{path}/finalize", {"metadata": {"name": name}, "spec": {"finalizers": []}})
    wait_for(lambda: cluster.request("GET", path)[0] == 404, what=f"namespace {name} is gone")


def test_three_connections_are_all_it_has(standing: Standing) -> None:
    """One for the writes, and one for each watch: on one for both libcurl 7.88 may forget the end of a list."""
    for _ in range(3):
        standing.namespace()
    port = int(standing.cluster.url.rpartition(":")[2])
    wait_for(lambda: connections(standing.eatr.pid, port) == 3, 10, "three connections")


def test_a_terminating_namespace_is_left_alone_until_it_comes_again(
    standing: Standing, control_plane: ControlPlane
) -> None:
    """Its Secret goes away with it and is not put back; a new namespace of that name gets one."""
    if not control_plane.has_controllers:
        pytest.skip("these control plane binaries have no kube-controller-manager")
    name = "live-terminating"
    held_namespace(control_plane, name)
    wait_fresh(control_plane, standing.ecr, name)
    audit = Audit(control_plane)
    control_plane.delete_namespace(name)
    wait_for(lambda: control_plane.secret(name, SECRET) is None, what="the controllers delete the Secret")
    samples = standing.eatr.wait_metric('eatr_namespaces{state="terminating"}', 1)
    standing.fence()
    assert samples['eatr_namespaces{state="failing"}'] == 0
    assert not [write for write in audit.writes(name) if write.code < 300]
    release(control_plane, name)
    control_plane.create_namespace(name)
    wait_fresh(control_plane, standing.ecr, name)
    standing.check_lines(name, "created Secret")


def test_nothing_is_written_into_a_terminating_namespace_whose_secret_is_still_there(
    standing: Standing, control_plane: ControlPlane, kubectl: Kubectl
) -> None:
    """The API server would take it: an update needs no living namespace."""
    if not control_plane.has_controllers:
        pytest.skip("these control plane binaries have no kube-controller-manager")
    name = standing.namespace()
    control_plane.pause(CONTROLLER_MANAGER)
    try:
        control_plane.delete_namespace(name)
        standing.eatr.wait_metric('eatr_namespaces{state="terminating"}', 1)
        audit = Audit(control_plane)
        kubectl("-n", name, "patch", "secret", SECRET, "-p", STRANGE)
        standing.fence()
        assert not [write for write in audit.writes() if write.namespace == name]
    finally:
        control_plane.resume(CONTROLLER_MANAGER)


def test_namespaces_that_come_and_go_at_once_are_no_reason_to_warn(
    standing: Standing, control_plane: ControlPlane
) -> None:
    """Whatever of them eatr sees when."""
    names = [f"live-brief-{number}" for number in range(20)]
    for name in names:
        control_plane.create_namespace(name)
        control_plane.delete_namespace(name)
    standing.fence()
    wait_for(lambda: not control_plane.namespaces().keys() & set(names), 30, "they are gone")
    standing.eatr.wait_metric('eatr_namespaces{state="terminating"}', lambda value: value <= 1)
    assert standing.eatr.metrics()['eatr_namespaces{state="failing"}'] == 0
    for name in names:
        standing.check_lines(name, "created Secret|had been deleted, it is back")


# Strangers' Secrets -------------------------------------------------------------------------------------

FOREIGN: dict[str, dict[str, Any]] = {
    "an Opaque Secret": {"type": "Opaque", "data": {"key": "dmFsdWU="}},
    "a docker registry's Secret": {"type": DOCKER, "data": {DATA_KEY: "eyJhdXRocyI6e319"}},
    "an immutable Secret": {"type": DOCKER, "data": {DATA_KEY: "eyJhdXRocyI6e319"}, "immutable": True},
    "an Opaque Secret with eatr's label": {
        "metadata": {"name": SECRET, "labels": LABELS},
        "type": "Opaque",
        "data": {"key": "dmFsdWU="},
    },
}


@pytest.mark.parametrize("when", ("was there first", "comes with its namespace"))
@pytest.mark.parametrize("what", FOREIGN)
def test_a_strangers_secret_is_refused_and_stays_as_it_is(
    what: str, when: str, control_plane: ControlPlane, ecr: Ecr, eatr: MakeEatr
) -> None:
    """A warning names the namespace, the others are served, and once it is gone eatr's own comes."""
    prefix = f"foreign{[*FOREIGN].index(what)}{'a' if when == 'was there first' else 'b'}"
    theirs, other = f"{prefix}-theirs", f"{prefix}-other"
    one = eatr(only(prefix))
    if when != "was there first":
        one.start().wait_ready()
        one.signal(signal.SIGSTOP)  # it gets to know of both at once, in whatever order
    control_plane.create_namespaces([theirs, other])
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": SECRET}, **FOREIGN[what]}
    status, stranger = control_plane.request("POST", f"/api/v1/namespaces/{theirs}/secrets", body)
    assert status == 201
    if when == "was there first":
        one.start()
    else:
        one.signal(signal.SIGCONT)
    one.wait_log(rf"\b{theirs}\b.*{SECRET}")
    one.wait_metric('eatr_namespaces{state="conflict"}', 1)
    wait_fresh(control_plane, ecr, other)
    assert control_plane.secret(theirs, SECRET) == stranger
    one.wait_ready()
    one.wait_status("1 in conflict")
    assert len([line for line in one.log if theirs in line]) == 1, "said once"
    control_plane.delete_secret(theirs, SECRET)
    wait_fresh(control_plane, ecr, theirs, timeout=1)
    one.wait_metric('eatr_namespaces{state="conflict"}', 0)


def test_a_secret_that_somebody_made_immutable_keeps_its_token_and_holds_up_no_other(
    control_plane: ControlPlane, ecr: Ecr, eatr: MakeEatr, kubectl: Kubectl
) -> None:
    """A renewal cannot change it: it is reported once; deleting it is the way out."""
    control_plane.create_namespaces(["frozen-one", "frozen-not"])
    one = eatr(only("frozen", {"renewal": {"auth_token_renewal_interval": "2s"}})).start()
    wait_fresh(control_plane, ecr, "frozen-one", "frozen-not")
    kubectl("-n", "frozen-one", "patch", "secret", SECRET, "-p", '{"immutable":true}')
    frozen = control_plane.secret("frozen-one", SECRET)
    one.wait_log("frozen-one.*(immutable|another type)")
    calls = len(ecr.calls)
    wait_for(lambda: len(ecr.calls) >= calls + 2, what="two more renewals")
    wait_fresh(control_plane, ecr, "frozen-not")
    assert control_plane.secret("frozen-one", SECRET) == frozen
    assert len([line for line in one.log if "frozen-one" in line and "immutable" in line]) == 1
    control_plane.delete_secret("frozen-one", SECRET)
    wait_fresh(control_plane, ecr, "frozen-one", timeout=2)


# Credentials ------------------------------------------------------------------------------------------


def service_account_token(cluster: ControlPlane, name: str) -> str:
    """A token of a ServiceAccount that has eatr's rights."""
    path = "/api/v1/namespaces/default/serviceaccounts"
    cluster.request("POST", path, {"metadata": {"name": name}})
    grant(cluster, name, {"kind": "ServiceAccount", "name": name, "namespace": "default"}, rules())
    status, answer = cluster.request("POST", f"{path}/{name}/token", {"spec": {"expirationSeconds": 3600}})
    assert status == 201, answer
    return str(answer["status"]["token"])


def kubeconfig_with(cluster: ControlPlane, path: Path, user: dict[str, object]) -> Path:
    """A kubeconfig, as JSON, with this user and relative paths."""
    path.parent.mkdir(parents=True, exist_ok=True)
    (path.parent / "ca.pem").write_bytes(cluster.ca_file.read_bytes())
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": cluster.url, "certificate-authority": "ca.pem"}}],
        "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    path.write_text(json.dumps(config))
    path.chmod(0o600)
    return path


@pytest.mark.parametrize(
    "kind", ("embedded data", "relative file paths", "a service account's token", "a tokenFile", "two files")
)
def test_a_kubeconfig_works_with(
    kind: str, control_plane: ControlPlane, ecr: Ecr, eatr: MakeEatr, tmp_path: Path
) -> None:
    """`eatr once` does its whole job with it."""
    prefix = "kc" + kind.translate({32: None, 39: None}).lower()
    control_plane.create_namespace(f"{prefix}-0")
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    path, env, token = folder / "config", {}, "-" * 20
    one = eatr(only(prefix), kubeconfig=path)
    if kind in ("embedded data", "relative file paths"):
        control_plane.kubeconfig(path, embed=kind == "embedded data")
    elif kind == "two files":
        control_plane.kubeconfig(path)
        kubeconfig_with(control_plane, folder / "first", {"token": "not-used"})
        users = json.loads((folder / "first").read_text())
        (folder / "first").write_text(json.dumps({**users, "current-context": "test", "clusters": []}))
        one.change_config({"kubernetes": None})
        env = {"KUBECONFIG": f"{folder / 'first'}:{path}"}
    else:
        token = service_account_token(control_plane, prefix)
        (folder / "token").write_text(f"{token}\n")
        user = {"token": token} if kind == "a service account's token" else {"tokenFile": "token"}
        kubeconfig_with(control_plane, path, user)
    assert one.run("once", env=env) == 0
    assert token_of(control_plane.secret(f"{prefix}-0", SECRET), ecr) == ecr.last_token
    assert not one.find_leaks([token])


def test_a_ca_that_did_not_sign_the_servers_certificate_is_reported(
    control_plane: ControlPlane, eatr: MakeEatr, tmp_path: Path, tls: Tls
) -> None:
    """In words, with the server's address; nothing is sent to it."""
    control_plane.create_namespace("wrongca-0")
    path = kubeconfig_with(control_plane, tmp_path / "k" / "config", {"token": "a-token-that-stays-at-home"})
    (path.parent / "ca.pem").write_bytes(tls.ca.read_bytes())
    one = eatr(only("wrongca"), kubeconfig=path)
    assert one.run("once") == 1
    said = [line for line in one.log if re.search("certificate", line)]
    assert said and all(control_plane.url in line or "Giving up" in line for line in said)
    assert control_plane.secret("wrongca-0", SECRET) is None


@pytest.mark.parametrize("what", ("token", "client certificate"))
def test_credentials_that_the_api_server_does_not_know_are_reported(
    what: str, control_plane: ControlPlane, eatr: MakeEatr, tmp_path: Path, tls: Tls
) -> None:
    """It says that it is the credentials, and which server refused them."""
    user: dict[str, object] = {"token": "a-token-of-another-cluster"}
    if what == "client certificate":
        user = {"client-certificate": str(tls.cert), "client-key": str(tls.key)}
    path = kubeconfig_with(control_plane, tmp_path / "k" / "config", user)
    one = eatr(only("unknown"), kubeconfig=path)
    assert one.run("once") == 1
    assert [line for line in one.log if re.search("Unauthorized|credentials", line) and control_plane.url in line]


def test_a_new_token_in_the_token_file_is_used_when_the_old_one_is_no_longer_taken(
    control_plane: ControlPlane, ecr: Ecr, eatr: MakeEatr, tmp_path: Path
) -> None:
    """The old token ends with the Secret that it is bound to; the server knows it for 10 s more."""
    first = service_account_token(control_plane, "rotating")
    path = "/api/v1/namespaces/default/serviceaccounts/rotating/token"
    bound_to = control_plane.put_secret("default", "rotating-bound", {"a": "b"})
    reference = {"apiVersion": "v1", "kind": "Secret", "name": "rotating-bound", "uid": uid_of(bound_to)}
    spec = {"expirationSeconds": 3600, "boundObjectRef": reference}
    bound = control_plane.request("POST", path, {"spec": spec})[1]["status"]["token"]
    kubeconfig = kubeconfig_with(control_plane, tmp_path / "k" / "config", {"tokenFile": "token"})
    (kubeconfig.parent / "token").write_text(bound)
    changes = only("rotating", {"renewal": {"auth_token_renewal_interval": "1s"}})
    control_plane.create_namespace("rotating-0")
    one = eatr(changes, kubeconfig=kubeconfig).start()
    one.secrets += [first, bound]
    wait_fresh(control_plane, ecr, "rotating-0")
    control_plane.delete_secret("default", "rotating-bound")
    one.wait_log("Unauthorized", 20)
    (kubeconfig.parent / "token").write_text(first)
    wait_fresh(control_plane, ecr, "rotating-0", timeout=30)
    one.wait_log("takes writes again")


