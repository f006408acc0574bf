"""The objects behind the stand-in API server: versions, history, validation, server-side apply."""

from __future__ import annotations

import base64
import bisect
import copy
import json
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass

from kube_fields import MAPS, Object, Owners, Path, leaves, owners_of, plant, timestamp, with_owners

Match = Callable[[Object], bool]

KINDS = {"namespaces": "Namespace", "secrets": "Secret", "serviceaccounts": "ServiceAccount"}
BEFORE_FIRST_APPLY = ("before-first-apply", "Update")
DOCKER, DOCKER_KEY = "kubernetes.io/dockerconfigjson", ".dockerconfigjson"
_MAX_SECRET = 1 << 20


class ApiError(Exception):
    """An error answer of the API server."""

    def __init__(
        self,
        code: int,
        reason: str,
        message: str,
        details: Object | None = None,
        causes: list[Object] | None = None,
    ) -> None:
        super().__init__(f"{code} {reason}: {message}")
        self.code, self.reason, self.message = code, reason, message
        self.details = {**(details or {}), **({"causes": causes} if causes else {})}

    def status(self) -> Object:
        """The error as a Status object."""
        status = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
        }
        return {**status, "reason": self.reason, "details": self.details, "code": self.code}


def not_found(resource: str, name: str) -> ApiError:
    """404."""
    return ApiError(404, "NotFound", f'{resource} "{name}" not found', {"name": name, "kind": resource})


def expired(wanted: int, oldest: int) -> ApiError:
    """410: the history does not go that far back."""
    return ApiError(410, "Expired", f"too old resource version: {wanted} ({oldest})")


@dataclass(frozen=True)
class Change:
    """One write: what was there and what is there now."""

    rv: int
    resource: str
    before: Object | None
    after: Object | None

    def event(self, match: Match) -> Object | None:
        """The watch event for whoever sees only the objects that match."""
        was = self.before is not None and match(self.before)
        if self.after is not None and match(self.after):
            return {"type": "MODIFIED" if was else "ADDED", "object": self.after}
        if not was:
            return None
        assert self.before is not None
        gone = {**self.before, "metadata": {**self.before["metadata"], "resourceVersion": str(self.rv)}}
        return {"type": "DELETED", "object": gone}


class Store:
    """Namespaces and Secrets. `changed` is held for what takes several steps, and tells of each write."""

    def __init__(self) -> None:
        self.changed = threading.Condition(threading.RLock())
        self.rv = 100
        self.compacted = self.rv  # the oldest version that a watch may start from
        self.history: list[Change] = []
        self._objects: dict[str, dict[tuple[str, str], Object]] = {resource: {} for resource in KINDS}

    def find(self, resource: str, namespace: str, name: str) -> Object | None:
        """One object; a namespace has the namespace ""."""
        return self._objects[resource].get((namespace, name))

    def get(self, resource: str, namespace: str, name: str) -> Object:
        """One object, or 404."""
        found = self.find(resource, namespace, name)
        if found is None:
            raise not_found(resource, name)
        return found

    def items(self, resource: str) -> list[Object]:
        """All objects, as a list orders them."""
        return [item for _, item in sorted(self._objects[resource].items())]

    def since(self, rv: int, resource: str) -> list[Change]:
        """The writes after a version."""
        first = bisect.bisect_right(self.history, rv, key=lambda change: change.rv)
        return [change for change in self.history[first:] if change.resource == resource]

    def write(self, resource: str, namespace: str, name: str, new: Object | None) -> Object | None:
        """Puts an object in place (None: deletes it), gives it its version and tells the watches."""
        with self.changed:
            before = self.find(resource, namespace, name)
            self.rv += 1
            if new is None:
                self._objects[resource].pop((namespace, name), None)
            else:
                meta: Object = {"name": name, **({"namespace": namespace} if namespace else {})}
                meta["uid"] = before["metadata"]["uid"] if before else str(uuid.uuid4())
                meta["creationTimestamp"] = (
                    before["metadata"]["creationTimestamp"] if before else timestamp()
                )
                meta = {**new.get("metadata", {}), **meta, "resourceVersion": str(self.rv)}
                new = {"kind": KINDS[resource], "apiVersion": "v1", **new, "metadata": meta}
                self._objects[resource][(namespace, name)] = new
            self.history.append(Change(self.rv, resource, before, new))
            self.changed.notify_all()
            return new

    def compact(self) -> None:
        """A watch from any version before this one is told 410; those that are open miss nothing."""
        with self.changed:
            self.compacted = self.rv

    def rewind(self, by: int) -> None:
        """Takes the version back without telling the watches, as a restored etcd does."""
        with self.changed:
            self.rv = max(1, self.rv - by)
            self.compacted = min(self.compacted, self.rv)
            self.history = [change for change in self.history if change.rv <= self.rv]

    def add_namespace(self, name: str, labels: Object | None, annotations: Object | None) -> None:
        """Creates a namespace."""
        meta: Object = {"labels": {"kubernetes.io/metadata.name": name, **(labels or {})}}
        meta |= {"annotations": dict(annotations)} if annotations else {}
        self.write("namespaces", "", name, {"metadata": meta, "status": {"phase": "Active"}})

    def terminate_namespace(self, name: str) -> Object:
        """Gives a namespace its deletionTimestamp."""
        with self.changed:
            found = self.get("namespaces", "", name)
            meta = {"deletionTimestamp": timestamp(), **found["metadata"]}
            new = {**found, "metadata": meta, "status": {"phase": "Terminating"}}
            return self.write("namespaces", "", name, new) or new

    def remove_namespace(self, name: str) -> None:
        """Deletes a namespace with the Secrets and service accounts in it."""
        with self.changed:
            self.get("namespaces", "", name)
            for resource in ("secrets", "serviceaccounts"):
                for item in self.items(resource):
                    if item["metadata"]["namespace"] == name:
                        self.write(resource, name, item["metadata"]["name"], None)
            self.write("namespaces", "", name, None)

    def writable_namespace(self, namespace: str, name: str, create: bool) -> None:
        """404 if the namespace is missing, 403 if it is terminating and this would create."""
        found = self.get("namespaces", "", namespace)
        if create and "deletionTimestamp" in found["metadata"]:
            text = f"unable to create new content in namespace {namespace} because it is being terminated"
            field = {"message": f"namespace {namespace} is being terminated", "field": "metadata.namespace"}
            causes = [{"reason": "NamespaceTerminating", **field}]
            details = {"name": name, "kind": "secrets"}
            raise ApiError(403, "Forbidden", f'secrets "{name}" is forbidden: {text}', details, causes)

    def update(self, namespace: str, name: str, new: Object, manager: str | None) -> Object:
        """Writes a Secret as PUT and POST do; the manager takes what it changes (None: no owners at all)."""
        with self.changed:
            old = self.find("secrets", namespace, name)
            self.writable_namespace(namespace, name, create=old is None)
            new = {"type": "Opaque", **new}
            check_secret(old, new)
            owners: Owners = {}
            if manager is not None:
                owners = owners_of(old)
                before, after = leaves(old), leaves(new)
                touched = {
                    path for path in before.keys() | after.keys() if before.get(path) != after.get(path)
                }
                for owned in owners.values():
                    owned -= touched
                mine = owners.setdefault((manager, "Update"), set())
                mine |= touched & after.keys()
                new_maps = {path[:-1] for path in after} - {path[:-1] for path in before}
                mine |= {(*parent, ".") for parent in new_maps if parent in MAPS}
            written = self.write("secrets", namespace, name, with_owners(new, owners, old))
            assert written is not None
            return written

    def apply(
        self, namespace: str, name: str, body: Object, manager: str, force: bool, dry_run: bool = False
    ) -> tuple[int, Object]:
        """Server-side apply of a Secret; gives 201 or 200 and the object."""
        with self.changed:
            old = self.find("secrets", namespace, name)
            self.writable_namespace(namespace, name, create=old is None)
            guard(name, old, body.get("metadata", {}), apply=True)
            me = (manager, "Apply")
            owners = owners_of(old)
            live, wanted = leaves(old), leaves(body)
            if old is not None and not owners:
                owners[BEFORE_FIRST_APPLY] = set(live)
            theirs = {who: owned for who, owned in owners.items() if who != me}
            clashes = {
                who: sorted(path for path in owned if path in wanted and wanted[path] != live.get(path))
                for who, owned in theirs.items()
            }
            if any(clashes.values()) and not force:
                raise conflict(clashes)
            for who, paths in clashes.items():
                owners[who] -= set(paths)
            dropped = owners.get(me, set()) - wanted.keys() - set().union(*theirs.values())
            merged = {path: value for path, value in live.items() if path not in dropped} | wanted
            owners[me] = set(wanted)
            if old is None:
                merged.setdefault(("type",), "Opaque")
            elif merged == live and {who: owned for who, owned in owners.items() if owned} == owners_of(old):
                return 200, old
            new = plant(copy.deepcopy(old or {"metadata": {"name": name}}), merged)
            check_secret(old, new)
            new = with_owners(new, owners, old)
            written = new if dry_run else self.write("secrets", namespace, name, new)
            assert written is not None
            return (200 if old else 201), written


def guard(name: str, old: Object | None, wanted: Object, apply: bool = False) -> None:
    """Refuses an apply or a delete that is meant for another uid or resourceVersion than the one there."""
    is_now = old["metadata"] if old else {"uid": "", "resourceVersion": wanted.get("resourceVersion")}
    for key, what in (("uid", "deleted and then recreated"), ("resourceVersion", "modified")):
        if key in wanted and wanted[key] != is_now[key]:
            if apply and old and key == "uid":
                text = f'metadata.uid: Invalid value: "{wanted[key]}": field is immutable'
                raise ApiError(422, "Invalid", f'Secret "{name}" is invalid: {text}')
            text = (
                f"the object has been {what}; please apply your changes to the latest version and try again"
            )
            text = f'Operation cannot be fulfilled on secrets "{name}": {text}'
            raise ApiError(409, "Conflict", text, {"name": name, "kind": "secrets"})


def conflict(clashes: dict[tuple[str, str], list[Path]]) -> ApiError:
    """409: fields that other managers own."""
    causes, texts = [], []
    for (manager, operation), paths in sorted(clashes.items()):
        what = f'with "{manager}"' + (" using v1" if operation == "Update" else "")
        fields = ["." + ".".join(path) for path in paths]
        causes += [
            {"reason": "FieldManagerConflict", "message": f"conflict {what}", "field": field}
            for field in fields
        ]
        texts += ["\n- ".join([f"conflicts {what}:", *fields])] if fields else []
    if len(causes) == 1:
        text = f"1 conflict: {causes[0]['message']}: {causes[0]['field']}"
    else:
        text = f"{len(causes)} conflicts: " + "\n".join(texts)
    return ApiError(409, "Conflict", f"Apply failed with {text}", causes=causes)


def check_secret(old: Object | None, new: Object) -> None:
    """The validation of a Secret: 422."""
    name = new.get("metadata", {}).get("name", "")
    wrong: list[tuple[str, str, str]] = []
    if old is not None and new.get("type") != old.get("type"):
        text = f"Invalid value: {json.dumps(new.get('type'))}: field is immutable"
        wrong.append(("FieldValueInvalid", "type", text))
    if old is not None and old.get("immutable"):
        text = "Forbidden: field is immutable when `immutable` is set"
        changed = (key for key in ("immutable", "data") if new.get(key) != old.get(key))
        wrong += [("FieldValueForbidden", key, text) for key in changed]
    try:
        data = {
            key: base64.b64decode(value, validate=True) for key, value in (new.get("data") or {}).items()
        }
    except ValueError:
        raise ApiError(400, "BadRequest", "error decoding from json: illegal base64 data") from None
    if sum(map(len, data.values())) > _MAX_SECRET:
        wrong.append(("FieldValueTooLong", "data", f"Too long: must have at most {_MAX_SECRET} bytes"))
    if new.get("type") == DOCKER:
        wrong += [
            (reason, f"data[{DOCKER_KEY}]", text) for reason, text in _check_docker(data.get(DOCKER_KEY))
        ]
    if wrong:
        causes = [{"reason": reason, "message": text, "field": field} for reason, field, text in wrong]
        texts = ", ".join(f"{field}: {text}" for _, field, text in wrong)
        texts = f"[{texts}]" if len(wrong) > 1 else texts
        details = {"name": name, "kind": "Secret"}
        raise ApiError(422, "Invalid", f'Secret "{name}" is invalid: {texts}', details, causes)


def _check_docker(value: bytes | None) -> list[tuple[str, str]]:
    if value is None:
        return [("FieldValueRequired", "Required value")]
    try:
        good = isinstance(json.loads(value), dict)
    except ValueError:
        good = False
    return (
        []
        if good
        else [("FieldValueInvalid", 'Invalid value: "<secret contents redacted>": no JSON object')]
    )
