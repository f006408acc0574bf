"""How the stand-in API server reads a request: form, selectors, version, the fault for it; and discovery."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import yaml  # type: ignore[import]

from http_double import Fault, Record
from kube_fields import Object
from kube_store import ApiError, Match

METADATA = "PartialObjectMetadata"
METADATA_LIST = "PartialObjectMetadataList"
TABLE = "Table"
FULL = "full"

_NAME: Callable[[Object], Any] = lambda item: item["metadata"]["name"]  # noqa: E731
_FIELDS: dict[str, dict[str, Callable[[Object], Any]]] = {
    "namespaces": {
        "metadata.name": _NAME,
        "name": _NAME,
        "status.phase": lambda item: item["status"]["phase"],
    },
    "secrets": {
        "metadata.name": _NAME,
        "metadata.namespace": lambda item: item["metadata"]["namespace"],
        "type": lambda item: item["type"],
    },
    "serviceaccounts": {"metadata.name": _NAME},
}
_REQUIREMENT = re.compile(
    r"\s*(?:!\s*(?P<absent>[^\s=!,()]+)|(?P<key>[^\s=!,()]+)"
    r"(?:\s*(?P<operator>==?|!=)\s*(?P<value>[^\s,()]*)|\s+(?P<set>in|notin)\s*\((?P<values>[^)]*)\))?)\s*"
)
_GROUPS = {
    "v1": [("namespaces", "ns", "Namespace"), ("secrets", "", "Secret")],
    "events.k8s.io/v1": [("events", "ev", "Event")],
    "authorization.k8s.io/v1": [("selfsubjectaccessreviews", "", "SelfSubjectAccessReview")],
}


@dataclass
class Injection:
    """A fault and the requests that it is for. `hits` counts them; remove() ends it."""

    fault: Fault
    method: str | None
    path: str
    watch: bool | None
    left: int | None
    hits: int = 0

    def wants(self, record: Record) -> bool:
        """Whether this request is to fail."""
        return (
            self.left != 0
            and self.method in (None, record.method)
            and self.watch in (None, record.watch)
            and re.search(self.path, record.target) is not None
        )

    def remove(self) -> None:
        """No more of it."""
        self.left = 0


def not_acceptable(why: str) -> ApiError:
    """406."""
    return ApiError(
        406, "NotAcceptable", f"only the following media types are accepted: application/json ({why})"
    )


def wanted_form(record: Record) -> str:
    """What the Accept header asks for: METADATA, METADATA_LIST, TABLE or FULL."""
    for part in record.headers.get("Accept", "*/*").split(","):
        media, *rest = part.replace(" ", "").split(";")
        options = dict(option.partition("=")[::2] for option in rest)
        if media in ("application/json", "application/*", "*/*"):
            if "as" not in options:
                return FULL
            if options["as"] in (METADATA, METADATA_LIST, TABLE) and (options.get("g"), options.get("v")) == (
                "meta.k8s.io",
                "v1",
            ):
                return str(options["as"])
    raise not_acceptable("and PartialObjectMetadata of meta.k8s.io/v1")


def version_of(query: dict[str, str]) -> int | None:
    """The parameter resourceVersion; None when it is not set."""
    text = query.get("resourceVersion", "")
    if text and not text.isdigit():
        raise ApiError(400, "BadRequest", f'invalid resource version "{text}"')
    return int(text) if text else None


def json_patched(found: Object, patch: bytes) -> Object:
    """A copy of an object after a JSON Patch of test, add and remove; 422 if it does not hold."""
    new = copy.deepcopy(found)
    for step in json.loads(patch):
        *parents, key = [part.replace("~1", "/").replace("~0", "~") for part in step["path"].split("/")[1:]]
        try:
            at: Any = new
            for parent in parents:
                at = at[int(parent) if isinstance(at, list) else parent]
            if isinstance(at, list):
                key = len(at) if key == "-" else int(key)  # type: ignore[assignment]
            if step["op"] == "test" and at[key] != step["value"]:
                raise KeyError(key)
            if step["op"] == "remove":
                del at[key]
            elif step["op"] == "add" and isinstance(at, list):
                at.insert(key, step["value"])
            elif step["op"] == "add":
                at[key] = step["value"]
        except (KeyError, IndexError, ValueError, TypeError):
            text = f"the server rejected our request due to an error in our request: {step['path']}"
            raise ApiError(422, "Invalid", text) from None
    return new


def table_of(secret: Object, with_object: bool) -> Object:
    """A Secret as kubectl shows it, which has nothing of the data unless the object is asked for."""
    columns = [{"name": name, "type": "string"} for name in ("Name", "Type", "Data", "Age")]
    cells = [secret["metadata"]["name"], secret["type"], len(secret.get("data", {})), "1s"]
    row: Object = {"cells": cells, **({"object": secret} if with_object else {})}
    meta = {"resourceVersion": secret["metadata"]["resourceVersion"]}
    whole = {"kind": TABLE, "apiVersion": "meta.k8s.io/v1", "metadata": meta}
    return {**whole, "columnDefinitions": columns, "rows": [row]}


def parse(body: bytes) -> Object:
    """A request's body, JSON or YAML."""
    try:
        try:
            found = json.loads(body)
        except ValueError:
            found = yaml.safe_load(body)
    except (yaml.YAMLError, UnicodeDecodeError):
        found = None
    if not isinstance(found, dict):
        raise ApiError(400, "BadRequest", "the object provided is unrecognized")
    return found


def field_selector(resource: str, text: str) -> Match:
    """A fieldSelector as a predicate."""
    wanted: list[tuple[Callable[[Object], Any], bool, str]] = []
    for part in filter(None, text.split(",")):
        match = re.fullmatch(r"([^=!]+)(==?|!=)(.*)", part)
        if match is None:
            raise ApiError(400, "BadRequest", f"invalid field selector: {part}")
        name, operator, value = match.groups()
        if name not in _FIELDS[resource]:
            raise ApiError(400, "BadRequest", f"field label not supported: {name}")
        wanted.append((_FIELDS[resource][name], operator != "!=", value))
    return lambda item: all((field(item) == value) is equal for field, equal, value in wanted)


def label_selector(text: str) -> Match:
    """A labelSelector as a predicate: a, !a, a=b, a!=b, a in (b,c), a notin (b,c)."""
    parts = [part for part in re.split(r",(?![^(]*\))", text) if part.strip()]
    wanted = [_requirement(part) for part in parts]
    return lambda item: all(agrees(item["metadata"].get("labels") or {}) for agrees in wanted)


def _requirement(text: str) -> Callable[[dict[str, str]], bool]:
    match = _REQUIREMENT.fullmatch(text)
    if match is None:
        raise ApiError(400, "BadRequest", f"unable to parse requirement: {text}")
    absent, key = match["absent"], match["key"]
    if absent:
        return lambda labels: absent not in labels
    values = {value.strip() for value in match["values"].split(",")} if match["set"] else {match["value"]}
    if match["operator"] == "!=" or match["set"] == "notin":
        return lambda labels: labels.get(key) not in values
    if match["operator"] or match["set"]:
        return lambda labels: labels.get(key) in values
    return lambda labels: key in labels


def discovery(path: str) -> Object:
    """What kubectl needs to know before it does anything: the API groups and their resources."""
    path = path.rstrip("/")
    if path == "/api":
        return {"kind": "APIVersions", "versions": ["v1"]}
    if path == "/apis":
        groups = []
        for group in (known for known in _GROUPS if "/" in known):
            name, _, version = group.partition("/")
            one = {"groupVersion": group, "version": version}
            groups.append({"name": name, "versions": [one], "preferredVersion": one})
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}
    group = path.removeprefix("/apis/").removeprefix("/api/")
    if group not in _GROUPS:
        raise ApiError(404, "NotFound", "the server could not find the requested resource")
    verbs = ["create", "delete", "get", "list", "patch", "watch"]
    resources = [
        {
            "name": name,
            "singularName": "",
            "shortNames": short.split(),
            "namespaced": kind in ("Secret", "Event"),
        }
        | {"kind": kind, "verbs": verbs}
        for name, short, kind in _GROUPS[group]
    ]
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group, "resources": resources}
