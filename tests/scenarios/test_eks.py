"""EKS: eatr makes the tokens itself that a kubeconfig has a program for, and a real API server takes them.

The API server asks a webhook about each token, which verifies it as aws-iam-authenticator and STS do.
The program of the kubeconfigs does not exist, unless a test says so.

The API server itself remembers a token that was good for ten seconds.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import eks
from conftest import MakeEatr
from control_plane import ControlPlane, wait_until
from eatr import Eatr
from ecr import Ecr
from identity import identity
from real import eatrs, only, wait_fresh
from signed import Keys, make_keys
from sts import Role, Sts

CLUSTER = "prod"
REGION = "eu-west-1"
PROGRAM = "/nowhere/bin/aws"
GET = ["--region", REGION, "eks", "get-token", "--cluster-name", CLUSTER, "--output", "json"]
ROLE = "arn:aws:iam::123456789012:role/deploy"
ENTRY = Keys("AKIAENTRY00000000001", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
USER = "system:serviceaccount:kube-system:eatr"
V1 = "client.authentication.k8s.io/v1"
Kubeconfig = Callable[..., Path]


@pytest.fixture(scope="module")
def asked() -> Iterator[eks.EksWebhook]:
    """The webhook, for all tests."""
    with eks.EksWebhook(CLUSTER) as one:
        yield one
    assert not one.errors, one.errors[0]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, asked: eks.EksWebhook) -> Iterator[ControlPlane]:
    """A control plane that leaves tokens to the webhook, and remembers nothing of what that says."""
    if not os.environ.get("KUBEBUILDER_ASSETS"):
        pytest.skip("KUBEBUILDER_ASSETS does not name a folder with etcd and kube-apiserver")
    folder = tmp_path_factory.mktemp("eks")
    (folder / "webhook").write_text(asked.kubeconfig(), encoding="utf-8")
    flags = [f"--authentication-token-webhook-config-file={folder / 'webhook'}"]
    flags += ["--authentication-token-webhook-version=v1", "--authentication-token-webhook-cache-ttl=0s"]
    with ControlPlane(Path(os.environ["KUBEBUILDER_ASSETS"]), folder / "plane", apiserver_flags=flags) as one:
        identity(one)  # whose rights the users of the webhook have
        yield one


@pytest.fixture
def webhook(asked: eks.EksWebhook) -> eks.EksWebhook:
    """The webhook, which knows nobody yet."""
    asked.forget()
    return asked


@pytest.fixture
def make(tmp_path: Path, cluster: ControlPlane, ecr: Ecr, webhook: eks.EksWebhook) -> Iterator[MakeEatr]:
    """Makes eatrs."""
    with eatrs(tmp_path, cluster, ecr) as one:
        yield one


@pytest.fixture
def kubeconfig(tmp_path: Path, cluster: ControlPlane) -> Kubeconfig:
    """Writes one with such an entry: kubeconfig(GET, {"AWS_PROFILE": "p"})."""

    def write(args: list[str], env: dict[str, str] | None = None, command: str = PROGRAM) -> Path:
        entry: dict[str, Any] = {"apiVersion": V1, "interactiveMode": "Never", "command": command, "args": args}
        entry["env"] = [{"name": name, "value": value} for name, value in (env or {}).items()]
        path = identity(cluster).kubeconfig(tmp_path / "kubeconfig")
        config = json.loads(path.read_text(encoding="utf-8"))
        config["users"][0]["user"] = {"exec": entry}
        path.write_text(json.dumps(config), encoding="utf-8")
        return path

    return write


def variables(keys: Keys) -> dict[str, str]:
    """Those of an entry."""
    return {"AWS_ACCESS_KEY_ID": keys.access_key, "AWS_SECRET_ACCESS_KEY": keys.secret_key}


def own_keys(ecr: Ecr) -> Keys:
    """Those of eatr.conf."""
    return Keys(ecr.access_key, ecr.secret_key)


def namespace_of(cluster: ControlPlane, name: str) -> str:
    """Makes one."""
    cluster.create_namespace(name)
    return name


def signed_by(webhook: eks.EksWebhook) -> set[str]:
    """The access keys of all tokens that were good."""
    return {token.credential[0] for token in webhook.seen}


def until_refused(cluster: ControlPlane, webhook: eks.EksWebhook, prefix: str) -> list[str]:
    """Gives eatr something to do until the API server has refused a token; returns the namespaces."""
    made: list[str] = []

    def make_another() -> bool:
        webhook.revoke()  # it may have had another one made since
        made.append(namespace_of(cluster, f"{prefix}-{len(made)}"))
        return bool(webhook.refused)

    wait_until(make_another, "a token is refused", timeout=60, interval=0.5)
    return made


def has_no_child(one: Eatr) -> bool:
    """Whether eatr has no child process now."""
    return not Path(f"/proc/{one.pid}/task/{one.pid}/children").read_text(encoding="ascii").split()


def test_keys_of_the_entry(
    cluster: ControlPlane, ecr: Ecr, make: MakeEatr, webhook: eks.EksWebhook, kubeconfig: Kubeconfig
) -> None:
    """The whole job, with tokens of the keys that the entry has; one token is for all."""
    webhook.take(ENTRY, USER)
    namespace = namespace_of(cluster, "keys-a")
    one = make(only("keys"), kubeconfig=kubeconfig(GET, variables(ENTRY))).start().wait_ready()
    wait_fresh(cluster, ecr, namespace)
    wait_fresh(cluster, ecr, namespace_of(cluster, "keys-b"))
    assert signed_by(webhook) == {ENTRY.access_key} and len(webhook.seen) == 1
    assert not webhook.refused


def test_credentials_of_eatr_itself(
    cluster: ControlPlane, ecr: Ecr, make: MakeEatr, webhook: eks.EksWebhook, kubeconfig: Kubeconfig
) -> None:
    """An entry that names none, as update-kubeconfig writes it, has those of eatr.conf."""
    webhook.take(own_keys(ecr), USER)
    one = make(only("own"), kubeconfig=kubeconfig(GET)).start()
    one.wait_ready()
    wait_fresh(cluster, ecr, namespace_of(cluster, "own-a"))
    assert has_no_child(one) and signed_by(webhook) == {ecr.access_key}


def test_a_role(
    cluster: ControlPlane, ecr: Ecr, make: MakeEatr, webhook: eks.EksWebhook, kubeconfig: Kubeconfig
) -> None:
    """It is assumed once, under the name that the program has for its sessions, and the token is of that."""
    with Sts(ecr) as sts:
        sts.roles[ROLE] = Role(keys={ecr.access_key})
        webhook.find = lambda key: next((c.keys for c in sts.calls if c.keys and c.keys.access_key == key), None)
        webhook.user = USER
        changes = only("role", {"aws": {"sts_endpoint_url": sts.url}})
        make(changes, kubeconfig=kubeconfig([*GET, "--role", ROLE])).start().wait_ready()
        wait_fresh(cluster, ecr, namespace_of(cluster, "role-a"))
        (call,) = sts.calls
        assert call.parameters["RoleSessionName"] == "EKSGetTokenAuth" and call.keys
        assert signed_by(webhook) == {call.keys.access_key}
    assert not sts.errors


def test_a_token_that_is_refused_is_made_anew(
    cluster: ControlPlane, ecr: Ecr, make: MakeEatr, webhook: eks.EksWebhook, kubeconfig: Kubeconfig
) -> None:
    """After a 401 there is another one, and the job goes on."""
    webhook.take(ENTRY, USER)
    one = make(only("again"), kubeconfig=kubeconfig(GET, variables(ENTRY))).start()
    one.wait_ready()
    wait_fresh(cluster, ecr, namespace_of(cluster, "again-a"))
    webhook.revoke()
    wait_fresh(cluster, ecr, *until_refused(cluster, webhook, "again-b"), timeout=20)
    assert len(webhook.seen) >= 2
    assert has_no_child(one)


def test_a_host_with_another_clock(
    cluster: ControlPlane, ecr: Ecr, make: MakeEatr, webhook: eks.EksWebhook, kubeconfig: Kubeconfig
) -> None:
    """Tokens have AWS's time as soon as it is known."""
    webhook.take(ENTRY, USER)
    ecr.clock_offset = webhook.clock_offset = 40 * 60.0
    one = make(only("clock"), kubeconfig=kubeconfig(GET, variables(ENTRY))).start()
    wait_fresh(cluster, ecr, namespace_of(cluster, "clock-a"), timeout=30)
    assert abs(webhook.seen[-1].time - webhook.now()) < 60
    assert one.running


def test_other_keys_in_a_file(
    cluster: ControlPlane, ecr: Ecr, make: MakeEatr, webhook: eks.EksWebhook, kubeconfig: Kubeconfig, tmp_path: Path
) -> None:
    """They are taken when the file changes, and no list is read anew for it."""
    first, second = make_keys(), make_keys()
    webhook.take(first, USER)
    write_profile(tmp_path / "shared", first)
    env = {"AWS_PROFILE": "ops", "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "shared")}
    one = make(only("file"), kubeconfig=kubeconfig(GET, env)).start()
    one.wait_ready()
    wait_fresh(cluster, ecr, namespace_of(cluster, "file-a"))
    lists = one.metrics()["eatr_watch_restarts_total"]

    since = time.monotonic()
    webhook.take(second, USER)
    write_profile(tmp_path / "shared", second)
    one.wait_log("Reloaded:", since=since)
    webhook.known.pop(first.access_key)
    wait_fresh(cluster, ecr, *until_refused(cluster, webhook, "file-b"), timeout=20)
    assert signed_by(webhook) == {first.access_key, second.access_key}
    assert one.metrics()["eatr_watch_restarts_total"] == lists


def write_profile(path: Path, keys: Keys) -> None:
    """One named ops, put into place at once."""
    text = f"[ops]\naws_access_key_id = {keys.access_key}\naws_secret_access_key = {keys.secret_key}\n"
    new = path.with_suffix(".new")
    new.touch(0o600)
    new.write_text(f"{text}aws_session_token = {keys.session_token}\n", encoding="utf-8")
    new.rename(path)


def test_the_program_if_it_is_wanted(
    cluster: ControlPlane, ecr: Ecr, make: MakeEatr, webhook: eks.EksWebhook, kubeconfig: Kubeconfig, tmp_path: Path
) -> None:
    """With mint_eks_tokens = no it is run; a reload with yes does without it, and changes nothing else."""
    webhook.take(ENTRY, USER)
    webhook.take(own_keys(ecr), USER)
    folder = tmp_path / "bin"
    folder.mkdir()
    token = eks.make(CLUSTER, REGION, ENTRY)
    status = {"token": token, "expirationTimestamp": "2099-01-01T00:00:00Z"}
    printed = json.dumps({"apiVersion": V1, "kind": "ExecCredential", "status": status})
    (folder / "aws").write_text(f"#!/bin/sh\necho \"$@\" >>{folder}/calls\ncat <<'END'\n{printed}\nEND\n")
    (folder / "aws").chmod(0o755)
    changes = only("program", {"kubernetes": {"mint_eks_tokens": False}})
    one = make(changes, kubeconfig=kubeconfig(GET, command=str(folder / "aws")))
    one.secrets.append(token)
    one.start().wait_ready()
    wait_fresh(cluster, ecr, namespace_of(cluster, "program-a"))
    assert (folder / "calls").read_text() == " ".join(GET) + "\n"
    assert signed_by(webhook) == {ENTRY.access_key}

    one.change_config({"kubernetes": {"mint_eks_tokens": True}})
    since = time.monotonic()
    one.signal(signal.SIGHUP)
    one.wait_log("Reloaded:", since=since)
    webhook.revoke()
    wait_fresh(cluster, ecr, *until_refused(cluster, webhook, "program-b"), timeout=20)
    assert signed_by(webhook) == {ENTRY.access_key, ecr.access_key}
    assert (folder / "calls").read_text() == " ".join(GET) + "\n"


def test_the_program_if_there_is_no_knowing(
    cluster: ControlPlane, ecr: Ecr, make: MakeEatr, webhook: eks.EksWebhook, kubeconfig: Kubeconfig
) -> None:
    """An option that eatr does not understand has the program run; that is told, and that it is not there."""
    webhook.take(ENTRY, USER)
    one = make(only("unknown", {"log": {"verbosity": 4}}), kubeconfig=kubeconfig([*GET, "--to-come"], variables(ENTRY)))
    one.start()
    one.wait_log("Running /nowhere/bin/aws for a token of EKS: --to-come is not understood$")
    one.wait_log("/nowhere/bin/aws")
    assert not webhook.seen
