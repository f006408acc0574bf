"""A small stand-in for kube-apiserver that fails on command. For the real one see control_plane.py.

By hand: /usr/bin/python3 tests/scenarios/api_server.py [--port N] [--namespaces a,b,c]
"""

from __future__ import annotations

import argparse
import base64
import json
import signal
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml  # type: ignore[import]

from http_double import Fault, Tls
from kube_api import KubeApi
from kube_fields import Object, owners_of
from kube_request import Injection

SECRET = "ecr"  # the Secret's default name


@dataclass(frozen=True)
class SecretView:
    """A Secret, decoded."""

    name: str
    type: str
    data: dict[str, bytes]
    labels: dict[str, str]
    annotations: dict[str, str]
    owners: dict[str, set[str]]  # manager -> the data keys that it owns
    uid: str
    rv: int

    @property
    def auths(self) -> dict[str, str]:
        """Registry host -> auth, from .dockerconfigjson."""
        config = json.loads(self.data[".dockerconfigjson"])
        return {host: entry["auth"] for host, entry in config["auths"].items()}


class ApiServer(KubeApi):
    """Namespaces, Secrets, watches and server-side apply over HTTP/1.1. stop() does not forget anything."""

    def __init__(
        self,
        *,
        port: int = 0,
        tls: Tls | None = None,
        token: str | None = None,
        namespaces: Iterable[str] = ("default", "kube-system"),
    ) -> None:
        super().__init__(port=port, tls=tls, token=token)
        for name in namespaces:
            self.add_namespace(name)

    def inject(
        self,
        fault: Fault,
        *,
        method: str | None = None,
        path: str = "",
        watch: bool | None = None,
        count: int | None = None,
    ) -> Injection:
        """Plays it on `count` requests (None: all) of this method, the regex `path` in path or query."""
        injection = Injection(fault, method, path, watch, count)
        self.injections.append(injection)
        return injection

    def clear_faults(self) -> None:
        """Ends all faults. Those that are being played go on."""
        self.injections.clear()

    def add_namespace(
        self,
        name: str,
        labels: Mapping[str, str] | None = None,
        annotations: Mapping[str, str] | None = None,
    ) -> None:
        """Creates a namespace."""
        self.store.add_namespace(name, dict(labels or {}), dict(annotations or {}))

    def edit_namespace(
        self,
        name: str,
        labels: Mapping[str, str | None] | None = None,
        annotations: Mapping[str, str | None] | None = None,
    ) -> None:
        """Changes these labels and annotations of a namespace; the value None removes a key."""
        with self.store.changed:
            found = self.store.get("namespaces", "", name)
            self.store.write("namespaces", "", name, _edited(found, labels, annotations))

    def terminate_namespace(self, name: str) -> None:
        """Begins to delete a namespace: it gets a deletionTimestamp and stays until remove_namespace()."""
        self.store.terminate_namespace(name)

    def remove_namespace(self, name: str) -> None:
        """Deletes a namespace with the Secrets in it."""
        self.store.remove_namespace(name)

    def put_secret(
        self,
        namespace: str,
        name: str = SECRET,
        type: str = "Opaque",
        data: Mapping[str, bytes | str] | None = None,
        manager: str | None = "kubectl-create",
        immutable: bool = False,
        labels: Mapping[str, str] | None = None,
        annotations: Mapping[str, str] | None = None,
    ) -> None:
        """Writes a whole Secret as somebody else (manager None: as a server older than managedFields)."""
        body: Object = {"metadata": {"name": name}, "type": type, "data": _encoded(data or {})}
        body["metadata"] |= {"labels": dict(labels)} if labels else {}
        body["metadata"] |= {"annotations": dict(annotations)} if annotations else {}
        if immutable:
            body["immutable"] = True
        self.store.update(namespace, name, body, manager)

    def put_account(self, namespace: str, name: str = "default", *entries: str) -> None:
        """Creates or replaces a service account with these imagePullSecrets."""
        body: Object = {"metadata": {}, "imagePullSecrets": [{"name": entry} for entry in entries]}
        self.store.write("serviceaccounts", namespace, name, body)

    def account_entries(self, namespace: str, name: str = "default") -> list[str]:
        """The names in a service account's imagePullSecrets; [] if there is none."""
        found = self.store.find("serviceaccounts", namespace, name) or {}
        return [entry["name"] for entry in found.get("imagePullSecrets", [])]

    def edit_secret(
        self,
        namespace: str,
        name: str = SECRET,
        *,
        data: Mapping[str, bytes | str] | None = None,
        labels: Mapping[str, str | None] | None = None,
        annotations: Mapping[str, str | None] | None = None,
        immutable: bool | None = None,
        manager: str = "kubectl-edit",
    ) -> None:
        """Changes these keys of a Secret as somebody else; None removes a label or an annotation."""
        with self.store.changed:
            new = _edited(self.store.get("secrets", namespace, name), labels, annotations)
            new["data"] = {**new.get("data", {}), **_encoded(data or {})}
            if immutable is not None:
                new["immutable"] = immutable
            self.store.update(namespace, name, new, manager)

    def delete_secret(self, namespace: str, name: str = SECRET) -> None:
        """Deletes a Secret."""
        with self.store.changed:
            self.store.get("secrets", namespace, name)
            self.store.write("secrets", namespace, name, None)

    def secret(self, namespace: str, name: str = SECRET) -> SecretView | None:
        """A Secret as it is now, or None."""
        found = self.store.find("secrets", namespace, name)
        if found is None:
            return None
        meta = found["metadata"]
        return SecretView(
            name,
            found["type"],
            {key: base64.b64decode(value) for key, value in found.get("data", {}).items()},
            dict(meta.get("labels") or {}),
            dict(meta.get("annotations") or {}),
            {
                who: {path[-1] for path in owned if path[0] == "data"} - {"."}
                for (who, _), owned in owners_of(found).items()
            },
            meta["uid"],
            int(meta["resourceVersion"]),
        )

    def namespaces(self) -> list[str]:
        """The names of all namespaces."""
        return [item["metadata"]["name"] for item in self.store.items("namespaces")]

    def bookmark(self) -> None:
        """Sends a bookmark on every open watch that allows it."""
        with self.store.changed:
            for watch in self.watches:
                watch.bookmark_due = watch.bookmarks
            self.store.changed.notify_all()

    def compact(self) -> None:
        """Forgets the history: whoever watches from an older version gets 410."""
        self.store.compact()

    def kubeconfig(self, path: Path, token: str | None = None) -> Path:
        """Writes a kubeconfig for this server; the token is the server's own unless another one is given."""
        cluster = {"server": self.url}
        if self.tls is not None:
            cluster["certificate-authority-data"] = base64.b64encode(self.tls.ca.read_bytes()).decode()
        token = token if token is not None else self.token
        user = {"token": token} if token else {}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "double", "cluster": cluster}],
            "users": [{"name": "admin", "user": user}],
            "contexts": [{"name": "double", "context": {"cluster": "double", "user": "admin"}}],
            "current-context": "double",
        }
        path.touch(0o600)
        path.write_text(yaml.safe_dump(config), encoding="utf-8")
        return path


def _edited(
    obj: Object, labels: Mapping[str, str | None] | None, annotations: Mapping[str, str | None] | None
) -> Object:
    """A copy of the object with these keys of its maps changed, or removed where the value is None."""
    meta = dict(obj["metadata"])
    for name, changes in (("labels", labels), ("annotations", annotations)):
        merged = {**(meta.get(name) or {}), **(changes or {})}
        meta[name] = {key: value for key, value in merged.items() if value is not None}
    return {**obj, "metadata": meta}


def _encoded(data: Mapping[str, bytes | str]) -> dict[str, str]:
    return {
        key: base64.b64encode(value.encode() if isinstance(value, str) else value).decode()
        for key, value in data.items()
    }


def main() -> None:
    """Serves until interrupted; prints where the kubeconfig is and each request."""
    parser = argparse.ArgumentParser(description="A stand-in for kube-apiserver with a few namespaces.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--namespaces", default="default,kube-system,shop,web", help="names, with commas")
    parser.add_argument("--kubeconfig", type=Path, help="where to write the kubeconfig (a temporary folder)")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # leaves nothing behind either
    with tempfile.TemporaryDirectory(prefix="eatr-api-") as folder:
        with ApiServer(port=options.port, namespaces=options.namespaces.split(",")) as api:
            print(api.kubeconfig(options.kubeconfig or Path(folder, "kubeconfig")), flush=True)
            seen = 0
            try:
                while True:
                    time.sleep(0.2)
                    for record in api.requests[seen:]:
                        print(f"# {record.method} {record.target} {record.status or '-'}", flush=True)
                        seen += 1
            except KeyboardInterrupt:
                pass


if __name__ == "__main__":
    main()
