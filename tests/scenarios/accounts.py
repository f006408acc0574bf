"""Service accounts on a real control plane: what is in them, and whoever else changes them."""

from __future__ import annotations

import copy
import random
import threading
import time
from typing import Any

from control_plane import ControlPlane
from eatr import wait_for
from real import SECRET

NOTE = "eatr/image-pull-secret"
POD = {
    "metadata": {"name": "probe"},
    "spec": {"automountServiceAccountToken": False, "containers": [{"name": "main", "image": "none"}]},
}


def path_of(namespace: str, name: str = "") -> str:
    """Where a service account is; without a name, where all of a namespace are."""
    return f"/api/v1/namespaces/{namespace}/serviceaccounts" + (f"/{name}" if name else "")


def get(cluster: ControlPlane, namespace: str, name: str = "default") -> Any:
    """A service account, None if there is no such one."""
    status, answer = cluster.request("GET", path_of(namespace, name))
    assert status in (200, 404), answer
    return answer if status == 200 else None


def make(cluster: ControlPlane, namespace: str, name: str, *entries: str, note: str | None = None) -> Any:
    """Creates one with these imagePullSecrets; note: as if eatr had put its entry there."""
    metadata = {"name": name, "annotations": {NOTE: note} if note else {}}
    body = {"metadata": metadata, "imagePullSecrets": [{"name": entry} for entry in entries]}
    status, answer = cluster.request("POST", path_of(namespace), body)
    assert status == 201, answer
    return answer


def patch(cluster: ControlPlane, namespace: str, name: str, body: Any) -> Any:
    """Changes one by a merge patch."""
    status, answer = cluster.request(
        "PATCH", path_of(namespace, name), body, "application/merge-patch+json"
    )
    assert status == 200, answer
    return answer


def entries_of(account: Any) -> list[str]:
    """The names in imagePullSecrets."""
    return [entry["name"] for entry in account.get("imagePullSecrets", [])]


def note_of(account: Any) -> str | None:
    """What the annotation says."""
    note = account["metadata"].get("annotations", {}).get(NOTE)
    return None if note is None else str(note)


def gist_of(account: Any) -> Any:
    """All of it but what counts changes, and the token that the controllers give it."""
    account = copy.deepcopy(account)
    account.pop("secrets", None)
    for name in ("resourceVersion", "managedFields"):
        account["metadata"].pop(name, None)
    return account


def managers_of(account: Any) -> set[str]:
    """Who has written it."""
    return {entry["manager"] for entry in account["metadata"].get("managedFields", [])}


def all_of(cluster: ControlPlane, prefix: str) -> dict[tuple[str, str], Any]:
    """All of the namespaces PREFIX*, by namespace and name."""
    status, answer = cluster.request("GET", "/api/v1/serviceaccounts")
    assert status == 200, answer
    found = {(item["metadata"]["namespace"], item["metadata"]["name"]): item for item in answer["items"]}
    return {key: item for key, item in found.items() if key[0].startswith(prefix)}


def wait_entry(
    cluster: ControlPlane, namespace: str, name: str = "default", *, there: bool = True, timeout: float = 10
) -> Any:
    """Waits until the Secret is, or is not, in one's imagePullSecrets; returns the account."""

    def look() -> Any:
        account = get(cluster, namespace, name)
        return account if account and (SECRET in entries_of(account)) == there else None

    return wait_for(look, timeout, f"{namespace}/{name} {'has' if there else 'lacks'} the entry")


def pod_entries(cluster: ControlPlane, namespace: str) -> list[str] | None:
    """Which imagePullSecrets a pod is given that is created now; None if there is no service account yet."""
    status, answer = cluster.request("POST", f"/api/v1/namespaces/{namespace}/pods?dryRun=All", POD)
    if status == 403 and "service account" in answer["message"]:
        return None
    assert status == 201, answer
    return entries_of(answer["spec"])


class Registrar(threading.Thread):
    """Does to service accounts what OpenShift's image registry controllers do (OCPBUGS-36833).

    To each account of the namespaces PREFIX* it adds NAME-dockercfg-XXXXX, to secrets and to imagePullSecrets, by
    full updates of what it has read, and again under a new name when it is lost. `made` counts the names of each
    account: more than one means that somebody has lost an entry of it. With `busy` it changes an annotation of
    each all the time, too, so that others' writes conflict.
    """

    def __init__(self, cluster: ControlPlane, prefix: str, *, busy: bool = False) -> None:
        super().__init__(daemon=True)
        self.cluster, self.prefix, self.busy = cluster, prefix, busy
        self.made: dict[tuple[str, str], list[str]] = {}  # by uid and name, as namespaces come again
        self.conflicts = 0
        self.updates = 0
        self.problems: list[str] = []
        self._end = threading.Event()

    def run(self) -> None:
        """Until stop() is called."""
        try:
            while not self._end.is_set():
                for account in all_of(self.cluster, self.prefix).values():
                    self._see_to(account)
                self._end.wait(0 if self.busy else 0.02)
        except Exception as error:  # pylint: disable=broad-except
            self.problems.append(repr(error))

    def stop(self) -> None:
        """Ends it, after which nothing is lacking anywhere that was there when it was called."""
        self._end.set()
        self.join(30)
        assert not self.problems, self.problems

    def _see_to(self, account: Any) -> None:
        metadata = account["metadata"]
        names = self.made.setdefault((metadata["uid"], metadata["name"]), [])
        lacks = not names or names[-1] not in entries_of(account)
        if not lacks and not self.busy:
            return
        if lacks:
            name = f"{metadata['name']}-dockercfg-{random.randrange(16**5):05x}"
            account.setdefault("secrets", []).append({"name": name})
            account.setdefault("imagePullSecrets", []).append({"name": name})
        else:
            metadata.setdefault("annotations", {})["openshift.io/seen"] = str(time.time())
        path = path_of(metadata["namespace"], metadata["name"])
        status, answer = self.cluster.request("PUT", path, account)
        self.updates += status == 200
        self.conflicts += status == 409
        if status == 200 and lacks:
            names.append(name)
        elif status not in (200, 404, 409, 403):
            self.problems.append(f"{path}: {status} {answer}")
