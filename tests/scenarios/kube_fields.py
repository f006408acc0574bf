"""Field ownership as server-side apply has it: which manager owns which field of a Secret."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

Object = dict[str, Any]  # never changed once it is in the store: each write puts a new one there
Path = tuple[str, ...]  # of a field: ("data", ".dockerconfigjson"); a last "." stands for the map itself
Owners = dict[tuple[str, str], set[Path]]  # (manager, operation) -> what it owns

MAPS: tuple[Path, ...] = (("data",), ("metadata", "labels"), ("metadata", "annotations"))


def timestamp() -> str:
    """Now, as Kubernetes writes it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def leaves(obj: Object | None) -> dict[Path, Any]:
    """The fields of a Secret that managers can own, with their values."""
    obj = obj or {}
    found: dict[Path, Any] = {(key,): obj[key] for key in ("type", "immutable") if obj.get(key) is not None}
    for parent in MAPS:
        inner: Any = obj
        for step in parent:
            inner = inner.get(step) or {}
        found |= {(*parent, key): value for key, value in inner.items()}
    return found


def plant(obj: Object, values: dict[Path, Any]) -> Object:
    """Gives the object exactly these leaves."""
    for path in leaves(obj).keys() - values.keys():
        inner = obj
        for step in path[:-1]:
            inner = inner[step]
        del inner[path[-1]]
    for path, value in values.items():
        inner = obj
        for step in path[:-1]:
            inner[step] = inner.get(step) or {}
            inner = inner[step]
        inner[path[-1]] = value
    return obj


def owners_of(obj: Object | None) -> Owners:
    """metadata.managedFields as sets of paths."""

    def paths(fields: Object, above: Path) -> Iterable[Path]:
        for key, inner in fields.items():
            here = (*above, key.removeprefix("f:"))
            if inner:
                yield from paths(inner, here)
            else:
                yield (*here, ".") if here in MAPS else here

    entries = (obj or {}).get("metadata", {}).get("managedFields", [])
    return {(entry["manager"], entry["operation"]): set(paths(entry["fieldsV1"], ())) for entry in entries}


def with_owners(obj: Object, owners: Owners, old: Object | None) -> Object:
    """The object with these managedFields; an entry that says the same as before keeps its time."""
    was = owners_of(old)
    times = {
        (e["manager"], e["operation"]): e["time"]
        for e in (old or {}).get("metadata", {}).get("managedFields", [])
    }
    entries = []
    for (manager, operation), owned in owners.items():
        fields: Object = {}
        for path in sorted(owned):
            alone = path[-1] == "." and not any(other[:-1] == path[:-1] for other in owned - {path})
            inner = fields
            for step in path[:-1] if alone else path:  # the map alone is written as {}
                inner = inner.setdefault("." if step == "." else "f:" + step, {})
        same = was.get((manager, operation)) == owned
        when = times[(manager, operation)] if same else timestamp()
        entry = {"manager": manager, "operation": operation, "apiVersion": "v1", "time": when}
        entries += [{**entry, "fieldsType": "FieldsV1", "fieldsV1": fields}] if owned else []
    meta = {key: value for key, value in obj.get("metadata", {}).items() if key != "managedFields"}
    return {**obj, "metadata": {**meta, **({"managedFields": entries} if entries else {})}}
