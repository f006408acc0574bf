"""The identity that etc/rbac.yaml makes for eatr: what all scenarios on a real API server run as.

Each service account of these has the rights of that file and no other, or some less:

    identity(cluster).kubeconfig(path)                      # as whoever follows the manual
    identity(cluster, name="pull").kubeconfig(path)         # [secret] name = pull
    identity(cluster, without=Right("secrets", "get"))      # all rights but one
"""

from __future__ import annotations

import copy
import json
from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from control_plane import ControlPlane, wait_until

ETC = Path(__file__).resolve().parents[2] / "etc"
RBAC = ETC / "rbac.yaml"
RBAC_KEYS = ETC / "examples" / "rbac-keys.yaml"
SECRET = "ecr"
NAMESPACE = "kube-system"
LIFE = 86400
"""Seconds that tokens are good."""
PLURALS = {
    "ServiceAccount": "/api/v1/namespaces/{namespace}/serviceaccounts",
    "Secret": "/api/v1/namespaces/{namespace}/secrets",
    "Role": "/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/roles",
    "RoleBinding": "/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/rolebindings",
    "ClusterRole": "/apis/rbac.authorization.k8s.io/v1/clusterroles",
    "ClusterRoleBinding": "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
}


@dataclass(frozen=True, order=True)
class Right:
    """One verb of one rule."""

    resource: str
    verb: str

    def __str__(self) -> str:
        return f"{self.verb} {self.resource}"


def documents(file: Path = RBAC) -> list[Any]:
    """The objects of etc/rbac.yaml, or another."""
    return list(yaml.safe_load_all(file.read_text(encoding="utf-8")))


def rules() -> list[Any]:
    """The rules of its ClusterRole."""
    (role,) = (one for one in documents() if one["kind"] == "ClusterRole")
    return list(role["rules"])


def rights() -> list[Right]:
    """Each verb of each rule."""
    return [
        Right(resource, verb) for rule in rules() for resource in rule["resources"] for verb in rule["verbs"]
    ]


def rules_without(right: Right) -> list[Any]:
    """The rules but for one verb."""
    return [
        {**rule, "verbs": [verb for verb in rule["verbs"] if (verb, [right.resource]) != (right.verb, rule["resources"])]}
        for rule in rules()
    ]


class Identity:
    """A service account, its token, and the server that knows it."""

    def __init__(self, cluster: ControlPlane, user: str, token: str) -> None:
        self.cluster, self.user, self.token = cluster, user, token

    def kubeconfig(self, path: Path, *, server: str | None = None, ca_file: Path | None = None) -> Path:
        """Writes a kubeconfig for it; `server` is another URL, such as a proxy's, `ca_file` another CA."""
        ca = b64encode((ca_file or self.cluster.ca_file).read_bytes()).decode()
        cluster = {"server": server or self.cluster.url, "certificate-authority-data": ca}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": cluster}],
            "users": [{"name": self.user, "user": {"token": self.token}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": self.user}}],
            "current-context": "test",
        }
        path.unlink(missing_ok=True)
        path.touch(0o600)
        path.write_text(json.dumps(config), encoding="utf-8")
        return path

    def may_read_keys(self, namespace: str, name: str) -> None:
        """Lets it read a Secret that AWS keys are in, as etc/examples/rbac-keys.yaml says."""
        for one in documents(RBAC_KEYS):
            one["metadata"].update(name=f"{self.user}-{name}", namespace=namespace)
            if one["kind"] == "Role":
                one["rules"][0]["resourceNames"] = [name]
            else:
                one["roleRef"]["name"] = one["metadata"]["name"]
                one["subjects"][0]["name"] = self.user
            _put(self.cluster, one)
        wait_until(
            lambda: _may(self.cluster, self.user, "watch", "secrets", name, namespace), "it may read the keys"
        )


def identity(
    cluster: ControlPlane, *, name: str = SECRET, without: Right | None = None, accounts: bool = False
) -> Identity:
    """Makes it if it is not there yet.

    `name` is the Secret's; `without` takes one right away; `accounts` lets the rules for service accounts
    be for those of all names, as the file says for globs.
    """
    user = "eatr" + (f"-{name}" if name != SECRET else "") + ("-accounts" if accounts else "")
    if without:
        user += f"-without-{without.verb}-{without.resource}"
    for document in documents():
        _put(cluster, _changed(document, user, name, without, accounts))
    # Not the one of the Secret: some control planes here have no controller that makes it.
    path = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/{user}/token"
    status, answer = cluster.request("POST", path, {"spec": {"expirationSeconds": LIFE}})
    assert status == 201, answer
    token = str(answer["status"]["token"])
    wait_until(lambda: _may_list(cluster, user), f"{user} has its rights")
    return Identity(cluster, user, token)


def _changed(document: Any, user: str, name: str, without: Right | None, accounts: bool) -> Any:
    """The object under the user's name, with the changes."""
    one = copy.deepcopy(document)
    one["metadata"]["name"] = one["metadata"]["name"].replace("eatr", user, 1)
    annotations = one["metadata"].get("annotations", {})
    for key in annotations:
        annotations[key] = user
    if one["kind"] == "ClusterRole":
        one["rules"] = rules_without(without) if without else one["rules"]
        for rule in one["rules"]:
            if rule["resources"] == ["secrets"]:
                rule["resourceNames"] = [name]
            elif accounts and rule["resources"] == ["serviceaccounts"]:
                rule.pop("resourceNames", None)
        one["rules"] = [rule for rule in one["rules"] if rule["verbs"]]
    elif one["kind"] == "ClusterRoleBinding":
        one["roleRef"]["name"] = user
        one["subjects"][0]["name"] = user
    return one


def _put(cluster: ControlPlane, one: Any) -> None:
    """Creates an object that is not there."""
    path = PLURALS[one["kind"]].format(namespace=one["metadata"].get("namespace"))
    status, answer = cluster.request("POST", path, one)
    assert status in (201, 409), answer


def _may_list(cluster: ControlPlane, user: str) -> bool:
    """Whether the API server has taken in its role, which is not at once."""
    return _may(cluster, user, "list", "namespaces") or _may(cluster, user, "watch", "namespaces")


def _may(
    cluster: ControlPlane, user: str, verb: str, resource: str, name: str = "", namespace: str = ""
) -> bool:
    """Whether the API server would let it."""
    attributes = {"verb": verb, "resource": resource, "name": name, "namespace": namespace}
    spec = {"user": f"system:serviceaccount:{NAMESPACE}:{user}", "resourceAttributes": attributes}
    answer = cluster.request("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", {"spec": spec})[1]
    return bool(answer["status"]["allowed"])
