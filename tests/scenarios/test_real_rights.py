"""The rights of etc/rbac.yaml on a real API server: enough, and none too many; and how the manual hands them out."""

from __future__ import annotations

import http.client
import re
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from conftest import MakeEatr
from control_plane import ControlPlane, wait_until
from eatr import REPOSITORY, wait_for
from ecr import Ecr
from identity import ETC, Identity, Right, identity, rights, rules, rules_without
from real import SECRET, Kubectl, eatrs, grant, only, token_of, uid_of, wait_fresh

MANUAL = REPOSITORY / "man/eatr.8.in"
INSTALL = "install -m 0640 -g eatr eatr.kubeconfig @SYSCONFDIR@/eatr/kubeconfig\n"
FLOW_CONTROL = "flowcontrol.apiserver.k8s.io"


@pytest.fixture
def eatr(tmp_path: Path, control_plane: ControlPlane, ecr: Ecr) -> Iterator[MakeEatr]:
    """Makes eatrs for the real control plane."""
    with eatrs(tmp_path, control_plane, ecr) as make:
        yield make


# The manual ---------------------------------------------------------------------------------------------


def commands(name: str) -> str:
    """A block of commands in eatr(8), as a reader sees it."""
    text = MANUAL.read_text(encoding="utf-8")
    found = re.search(rf'^\.\\" COMMANDS {name}\n\.Bd -literal -offset indent\n(.*?)^\.Ed$', text, re.M | re.S)
    assert found, f"there are no commands {name}"
    return found.group(1).replace(r"\e", "\\").replace("@docdir@/examples", str(ETC))


def test_the_commands_of_the_manual_make_a_kubeconfig(
    control_plane: ControlPlane, ecr: Ecr, eatr: MakeEatr, tmp_path: Path
) -> None:
    """Nothing but the administrator's kubeconfig is needed for them, and eatr needs nothing else than theirs."""
    folder = tmp_path / "admin"
    kubectl = Kubectl(control_plane, folder)
    script = commands("kubeconfig")
    assert INSTALL in script  # the rest is for any folder

    def shell(text: str) -> None:
        env = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "KUBECONFIG": str(kubectl.kubeconfig)}
        subprocess.run(["/bin/sh", "-eu", "-c", text], cwd=folder, env=env, check=True)

    shell(commands("rights"))
    path = "/api/v1/namespaces/kube-system/secrets/eatr-token"
    wait_until(lambda: "token" in control_plane.request("GET", path)[1].get("data", {}), "there is a token")
    shell(script.replace(INSTALL, ""))
    made = folder / "eatr.kubeconfig"
    assert made.stat().st_mode & 0o777 == 0o600
    control_plane.create_namespace("manual-0")
    one = eatr(only("manual"), kubeconfig=made)
    assert one.run("once") == 0
    assert token_of(control_plane.secret("manual-0", SECRET), ecr) == ecr.last_token
    assert not one.find_leaks([yaml.safe_load(made.read_text())["users"][0]["user"]["token"]])


# Each right ---------------------------------------------------------------------------------------------


def limited(cluster: ControlPlane, directory: Path, name: str, rules: Any) -> Path:
    """A kubeconfig of a user who has only these rights."""
    grant(cluster, name, {"kind": "User", "name": name}, rules)
    cert, key = cluster.client_cert(name, f"/CN={name}")
    return cluster.kubeconfig(directory / f"{name}.kubeconfig", cert=cert, key=key)


def test_the_rights_of_the_manual_are_enough(
    control_plane: ControlPlane, ecr: Ecr, eatr: MakeEatr, tmp_path: Path
) -> None:
    """First writes, a new namespace, a renewal, a heal; and nothing that is refused."""
    kubeconfig = limited(control_plane, tmp_path, "eatr-limited", rules())
    control_plane.create_namespaces(["rights-0", "rights-1"])
    changes = only("rights", {"renewal": {"auth_token_renewal_interval": "1s"}})
    one = eatr(changes, kubeconfig=kubeconfig).start()
    one.wait_ready()
    control_plane.create_namespace("rights-2")
    wait_fresh(control_plane, ecr, "rights-2")
    one.wait_metric("secret_renewals_total", lambda value: value >= 3)
    uid = uid_of(control_plane.secret("rights-0", SECRET))
    control_plane.delete_secret("rights-0", SECRET)
    wait_fresh(control_plane, ecr, "rights-0")
    assert uid_of(control_plane.secret("rights-0", SECRET)) != uid
    codes = {name for name in one.metrics() if name.startswith("eatr_kube_requests_total{")}
    assert not [name for name in codes if not re.search(r'code="(200|201|0)"', name)]


def everything(prefix: str) -> dict[str, dict[str, object]]:
    """The configuration that needs each right there is, but for that to delete."""
    return only(prefix, {"secret": {"service_accounts": "default"}})


NAMED = {right: f'cannot {right.verb} resource "{right.resource}"' for right in rights()}
"""What the log says of a right that is missing, with the API server's words."""
NAMED[Right("secrets", "create")] += "|is the right to create Secrets"  # 1.20 says no more than "forbidden: "
del NAMED[Right("secrets", "get")]  # without it a message says less
del NAMED[Right("serviceaccounts", "create")]  # without it another way is gone
del NAMED[Right("events", "patch")]  # for what goes on for half an hour


@pytest.mark.parametrize("right", NAMED, ids=str)
def test_a_right_that_is_missing_is_named(
    right: Right, control_plane: ControlPlane, ecr: Ecr, eatr: MakeEatr, tmp_path: Path
) -> None:
    """In the log, and eatr goes on with all that it may do."""
    prefix = f"cannot{right.verb}{right.resource}"
    who = identity(control_plane, without=right)
    names = [f"{prefix}-{name}" for name in ("plain", "foreign", "out")]
    control_plane.create_namespaces(names)
    control_plane.put_secret(names[1], SECRET, {"a": "b"})
    changes = only(prefix, {"namespaces": {"on_exclude": "delete"}})
    if right.verb != "delete":
        changes = everything(prefix)
    one = eatr(changes, kubeconfig=who.kubeconfig(tmp_path / "kubeconfig")).start()
    if right.verb == "delete":
        wait_fresh(control_plane, ecr, names[2])
        annotations = {"metadata": {"annotations": {"eatr/ignore": "true"}}}
        path = f"/api/v1/namespaces/{names[2]}"
        control_plane.request("PATCH", path, annotations, "application/merge-patch+json")
    one.wait_log(NAMED[right])
    one.wait_ready()
    needed = right.resource == "namespaces" or (right.resource == "secrets" and right.verb != "delete")
    if not needed or right.verb == "watch":
        wait_fresh(control_plane, ecr, names[0])


def test_a_role_that_is_gone_hides_no_missing_right(
    control_plane: ControlPlane, eatr: MakeEatr, tmp_path: Path
) -> None:
    """RBAC complains of it, and says nothing else of a right to create that is missing."""
    user = "eatr-dangling"
    kubeconfig = limited(control_plane, tmp_path, user, rules_without(Right("secrets", "create")))
    api = "/apis/rbac.authorization.k8s.io/v1"
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": f"{user}-gone"}
    binding = {
        "metadata": {"name": role["name"]},
        "subjects": [{"kind": "User", "name": user}],
        "roleRef": role,
    }
    status, answer = control_plane.request("PUT", f"{api}/clusterrolebindings/{role['name']}", binding)
    assert status in (200, 201), answer
    control_plane.create_namespaces([f"dangling-{number}" for number in range(3)])
    one = eatr(only("dangling"), kubeconfig=kubeconfig).start()
    one.wait_log("3 namespaces failing")
    lines = [line for line in one.log if "cannot write" in line]
    assert len(lines) == 1
    assert f'RBAC: clusterrole.rbac.authorization.k8s.io "{role["name"]}" not found' in lines[0]
    assert re.search(NAMED[Right("secrets", "create")], lines[0])


def account_of(cluster: ControlPlane, namespace: str) -> list[str]:
    """The names in imagePullSecrets of an account `default`."""
    account = cluster.request("GET", f"/api/v1/namespaces/{namespace}/serviceaccounts/default")[1]
    return [entry["name"] for entry in account.get("imagePullSecrets", [])]


def test_all_rights_leave_nothing_to_name(control_plane: ControlPlane, ecr: Ecr, eatr: MakeEatr) -> None:
    """The same with what the file gives: a type is told, an Event is sent, an account is made."""
    names = ["every-plain", "every-foreign"]
    control_plane.create_namespaces(names)
    control_plane.put_secret(names[1], SECRET, {"a": "b"})
    one = eatr(everything("every")).start()
    one.wait_log("namespace every-foreign: Secret ecr is not eatr's, it has type Opaque")
    one.wait_metric('eatr_events_total{outcome="created"}', 1)
    control_plane.create_namespace("every-new")
    wait_for(lambda: account_of(control_plane, "every-new") == [SECRET], what="the account names the Secret")
    wait_fresh(control_plane, ecr, "every-plain", "every-new")
    codes = {name for name in one.metrics() if name.startswith("eatr_kube_requests_total{")}
    assert not [name for name in codes if 'code="403"' in name]
    assert not [line for line in one.log if "cannot" in line]


def test_without_the_right_to_get_no_type_is_told(
    control_plane: ControlPlane, eatr: MakeEatr, tmp_path: Path
) -> None:
    """What is known without it is."""
    who = identity(control_plane, without=Right("secrets", "get"))
    control_plane.create_namespace("untold-foreign")
    control_plane.put_secret("untold-foreign", SECRET, {"a": "b"})
    one = eatr(only("untold"), kubeconfig=who.kubeconfig(tmp_path / "kubeconfig")).start()
    line = one.wait_log("namespace untold-foreign: Secret ecr is not eatr's")
    assert "Opaque" not in line
    one.wait_metric('eatr_kube_requests_total{verb="get",code="403"}', 1)


def test_without_the_right_to_create_accounts_they_are_changed(
    control_plane: ControlPlane, ecr: Ecr, eatr: MakeEatr, tmp_path: Path
) -> None:
    """When they are there; it is not tried for each new namespace."""
    who = identity(control_plane, without=Right("serviceaccounts", "create"))
    one = eatr(everything("patched"), kubeconfig=who.kubeconfig(tmp_path / "kubeconfig")).start()
    one.wait_ready()
    for number in range(3):
        name = f"patched-{number}"
        control_plane.create_namespace(name)
        wait_for(lambda: account_of(control_plane, name) == [SECRET], what=f"{name} names the Secret")
    assert one.metrics()['eatr_kube_requests_total{verb="create",code="403"}'] == 1


def test_a_right_that_is_given_later_is_used_without_a_restart(
    control_plane: ControlPlane, ecr: Ecr, eatr: MakeEatr, tmp_path: Path
) -> None:
    """eatr asks again within half a minute."""
    kubeconfig = limited(control_plane, tmp_path, "eatr-late", rules_without(Right("namespaces", "list")))
    control_plane.create_namespace("late-0")
    one = eatr(only("late"), kubeconfig=kubeconfig).start()
    one.wait_log('cannot list resource "namespaces"')
    grant(control_plane, "eatr-late", {"kind": "User", "name": "eatr-late"}, rules())
    wait_fresh(control_plane, ecr, "late-0", timeout=35)
    one.wait_status("^1 of 1 namespaces have a fresh Secret.*in [^;]*$")


# API priority and fairness --------------------------------------------------------------------------------


def flow_schema_of(who: Identity, path: str) -> str:
    """The UID of the FlowSchema that the API server put a request in."""
    tls = ssl.create_default_context(cafile=str(who.cluster.ca_file))
    port = urlsplit(who.cluster.url).port
    connection = http.client.HTTPSConnection("127.0.0.1", port, context=tls, timeout=60)
    connection.request("GET", path, headers={"Authorization": f"Bearer {who.token}"})
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.headers["X-Kubernetes-PF-FlowSchema-UID"]


def test_the_flow_schema_takes_what_eatr_asks_for(control_plane: ControlPlane) -> None:
    """In the version of the API that this server has, of those that the file names."""
    text = (ETC / "flowschema.yaml").read_text(encoding="utf-8")
    served = control_plane.request("GET", f"/apis/{FLOW_CONTROL}")[1]["versions"]
    version = next(one["version"] for one in served if one["version"] in text)
    schema = yaml.safe_load(text)
    schema["apiVersion"] = f"{FLOW_CONTROL}/{version}"
    status, made = control_plane.request("POST", f"/apis/{FLOW_CONTROL}/{version}/flowschemas", schema)
    assert status == 201, made
    who = identity(control_plane)
    uid = made["metadata"]["uid"]
    for path in ("/api/v1/namespaces", f"/api/v1/secrets?fieldSelector=metadata.name%3D{SECRET}"):
        wait_until(lambda: flow_schema_of(who, path) == uid, f"{path} is in it")
    assert flow_schema_of(who, "/api/v1/nodes") != uid
