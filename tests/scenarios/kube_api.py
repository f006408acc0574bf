"""The HTTP side of the stand-in API server: routes, lists, watches, writes. ApiServer adds the controls."""

from __future__ import annotations

import base64
import gzip
import json
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from http_double import Double, Handler, Record, Tls
from kube_fields import Object
from kube_request import (
    FULL,
    METADATA,
    METADATA_LIST,
    TABLE,
    Injection,
    discovery,
    field_selector,
    json_patched,
    label_selector,
    not_acceptable,
    parse,
    table_of,
    version_of,
    wanted_form,
)
from kube_store import KINDS, ApiError, Match, Store, expired, guard, not_found

META_V1 = {"apiVersion": "meta.k8s.io/v1"}
GZIP_FROM = 128 << 10  # bytes of an answer, as the real one does
APPLY = "application/apply-patch+yaml"
APPLY_KEYS = {"apiVersion", "kind", "metadata", "type", "data"}
APPLY_META = {"name", "namespace", "labels", "annotations", "uid", "resourceVersion", "creationTimestamp"}


@dataclass(eq=False)
class Watch:
    """A watch that is open."""

    resource: str
    bookmarks: bool  # allowed by the client
    bookmark_due: bool = False
    end: str = ""  # "eof": end it cleanly, "cut": in the middle of the stream


class KubeApi(Double):
    """Answers what eatr, and for a look from outside kubectl, ask an API server for."""

    def __init__(self, *, port: int = 0, tls: Tls | None = None, token: str | None = None) -> None:
        super().__init__(port=port, tls=tls)
        self.token = token  # expected as a bearer token when set; clients send one over TLS only
        self.git_version = "v1.29.4"
        self.future_wait = 3.0  # seconds that a list waits for a version that is not there yet
        self.store = Store()
        self.watches: list[Watch] = []  # that are open now
        self.events: list[Object] = []  # events.k8s.io objects that were posted
        self.denied: set[tuple[str, str]] = set()  # (verb, resource) that SelfSubjectAccessReview says no to
        self.readable: set[tuple[str, str]] = set()  # (namespace, name) of Secrets that may be read whole
        self.violations: list[str] = []  # requests, kubectl's apart, for what eatr must never ask for
        self.injections: list[Injection] = []

    def answer(self, handler: Handler) -> None:
        """Plays a fault that is for this request, or answers it."""
        record = handler.record
        with self.store.changed:
            injection = next((known for known in self.injections if known.wants(record)), None)
            if injection is not None:
                injection.hits += 1
                injection.left = None if injection.left is None else injection.left - 1
        if injection is not None and injection.fault(handler, injection.hits) is not False:
            return
        try:
            self._route(handler)
        except ApiError as error:
            self.send(handler, error.code, error.status())

    def send(self, handler: Handler, status: int, body: Object) -> None:
        """Sends JSON; a large answer is compressed for whoever accepts that."""
        if handler.edit is not None:
            body = handler.edit(body)
        data = json.dumps(body, separators=(",", ":")).encode()
        headers = {"Cache-Control": "no-cache, private"}
        if len(data) > GZIP_FROM and "gzip" in handler.headers.get("Accept-Encoding", ""):
            data = gzip.compress(data, 1)
            headers["Content-Encoding"] = "gzip"
        handler.reply(status, data, headers=headers)

    def stop(self) -> None:
        """Ends the watches at once, then stops as every double does."""
        self._end_watches("cut")
        super().stop()

    def drop_watches(self, *, cut: bool = False) -> None:
        """Ends every open watch, cleanly or (cut) in the middle of the stream, and waits until they are gone.

        By then the client may have begun others.
        """
        with self.store.changed:
            ended = self._end_watches("cut" if cut else "eof")
            if not self.store.changed.wait_for(lambda: ended.isdisjoint(self.watches), 5):
                raise AssertionError("watches that were dropped don't end")

    def _end_watches(self, how: str) -> set[Watch]:
        with self.store.changed:
            for watch in self.watches:
                watch.end = how
            self.store.changed.notify_all()
            return set(self.watches)

    def _route(self, handler: Handler) -> None:
        record = handler.record
        if re.fullmatch("/(livez|readyz|healthz)(/.*)?", record.path):
            handler.reply(200, "ok", "text/plain; charset=utf-8")
            return
        if self.token is not None and record.path != "/version":
            if record.headers.get("Authorization") != f"Bearer {self.token}":
                raise ApiError(401, "Unauthorized", "Unauthorized")
        known = False
        for method, path, answer in ROUTES:
            match = re.fullmatch(path, record.path)
            if match and method == record.method:
                answer(self, handler, **match.groupdict())
                return
            known = known or match is not None
        if known:
            raise ApiError(
                405, "MethodNotAllowed", "the server does not allow this method on the requested resource"
            )
        raise ApiError(404, "NotFound", "the server could not find the requested resource")

    def _violation(self, record: Record, what: str) -> None:
        agent = record.headers.get("User-Agent", "no User-Agent")
        if not agent.startswith("kubectl"):
            self.violations.append(f"{record.method} {record.target} ({agent}): {what}")

    # Lists and watches -----------------------------------------------------------------------------

    def _collection(self, handler: Handler, resource: str, namespace: str | None = None) -> None:
        record, query = handler.record, handler.record.query
        form = wanted_form(record)
        if form == TABLE:
            raise not_acceptable("this stand-in has tables of single Secrets only")
        if form == FULL and not self._is_readable(resource, namespace, query.get("fieldSelector", "")):
            self._violation(record, "asks for whole objects")
            if resource == "secrets":
                raise not_acceptable("this stand-in lists Secrets as metadata only")
        by_field = field_selector(resource, query.get("fieldSelector", ""))
        by_label = label_selector(query.get("labelSelector", ""))

        def match(item: Object) -> bool:
            here = namespace is None or item["metadata"]["namespace"] == namespace
            return here and by_field(item) and by_label(item)

        if record.watch:
            self._watch(handler, resource, form, match)
        elif form == METADATA:
            raise not_acceptable(f"a list is no {METADATA}")
        else:
            self._list(handler, resource, form, match)

    def _is_readable(self, resource: str, namespace: str | None, fields: str) -> bool:
        if resource == "serviceaccounts":  # whose metadata say nothing of imagePullSecrets
            return True
        return resource == "secrets" and (namespace, fields.partition("metadata.name=")[2]) in self.readable

    def _list(self, handler: Handler, resource: str, form: str, match: Match) -> None:
        query, store = handler.record.query, self.store
        rv = version_of(query)
        with store.changed:
            if not store.changed.wait_for(lambda: (rv or 0) <= store.rv, self.future_wait):
                cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
                text = f"Timeout: Too large resource version: {rv}, current: {store.rv}"
                raise ApiError(504, "Timeout", text, {"retryAfterSeconds": 1}, [cause])
            if query.get("resourceVersionMatch") == "Exact" and rv != store.rv:
                raise expired(rv or 0, store.rv)
            items, version = [item for item in store.items(resource) if match(item)], store.rv
        if "continue" in query:
            version, after = json.loads(base64.urlsafe_b64decode(query["continue"]))
            if version < store.compacted:
                raise ApiError(
                    410, "Expired", "The provided continue parameter is too old to display a list result."
                )
            items = [item for item in items if _key(item) > after]
        meta = {"resourceVersion": str(version)}
        limit = int(query.get("limit") or 0)
        if 0 < limit < len(items) and rv != 0:
            items = items[:limit]
            meta["continue"] = base64.urlsafe_b64encode(
                json.dumps([version, _key(items[-1])]).encode()
            ).decode()
        if form == METADATA_LIST:
            body: Object = {"kind": METADATA_LIST, **META_V1, "metadata": meta}
            body["items"] = [{"metadata": item["metadata"]} for item in items]
        else:
            body = {"kind": KINDS[resource] + "List", "apiVersion": "v1", "metadata": meta, "items": items}
        self.send(handler, 200, body)

    def _watch(self, handler: Handler, resource: str, form: str, match: Match) -> None:
        query, store = handler.record.query, self.store
        if "sendInitialEvents" in query:
            text = "sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled"
            raise ApiError(422, "Invalid", text)
        deadline = time.monotonic() + float(query.get("timeoutSeconds") or 1800)
        start = version_of(query) or 0
        allowed = query.get("allowWatchBookmarks") in ("1", "true")
        watch = Watch(resource, allowed)
        first: list[Object] = []
        with store.changed:
            self.watches.append(watch)
            begin = cursor = start or store.rv
            if start == 0:
                first = [{"type": "ADDED", "object": item} for item in store.items(resource) if match(item)]
            elif start < store.compacted:
                first = [{"type": "ERROR", "object": expired(start, store.compacted).status()}]
                watch.end = "eof"
        try:
            handler.start_stream()
            sent = self._send_events(handler, form, first)
            while sent:
                with store.changed:
                    store.changed.wait_for(
                        lambda: store.rv > cursor or watch.bookmark_due or watch.end or not self.running,
                        max(0.0, min(0.2, deadline - time.monotonic())),
                    )
                    events = [
                        event for change in store.since(cursor, resource) if (event := change.event(match))
                    ]
                    cursor = max(cursor, store.rv)
                    over = time.monotonic() >= deadline
                    due, watch.bookmark_due = (
                        watch.bookmark_due or (over and allowed and cursor > begin),
                        False,
                    )
                sent = self._send_events(handler, form, events)
                if due:
                    version = {"resourceVersion": str(cursor), "creationTimestamp": None}
                    sent = sent and self._send_events(
                        handler, form, [{"type": "BOOKMARK", "object": {"metadata": version}}]
                    )
                if watch.end == "cut" or not self.running or handler.client_gone():
                    handler.close_connection = True
                    return
                if watch.end or over:
                    break
            handler.send_chunk(b"")
        finally:
            with store.changed:
                self.watches.remove(watch)
                store.changed.notify_all()

    def _send_events(self, handler: Handler, form: str, events: list[Object]) -> bool:
        """Sends events. False: the client asked for a list's form; it gets EOF then, as really happens."""
        lines = b""
        for event in events:
            thing = event["object"]
            if form == METADATA_LIST and event["type"] != "ERROR":
                return False
            if form == METADATA and event["type"] != "ERROR":
                thing = {"kind": METADATA, **META_V1, "metadata": thing["metadata"]}
            event = {"type": event["type"], "object": thing}
            event = handler.edit(event) if handler.edit else event
            lines += json.dumps(event, separators=(",", ":")).encode() + b"\n"
        if lines:
            handler.send_chunk(lines)
        return True

    # Single objects --------------------------------------------------------------------------------

    def _send_object(self, handler: Handler, status: int, obj: Object) -> None:
        form = wanted_form(handler.record)
        if form in (METADATA_LIST, TABLE):
            raise not_acceptable(f"one object is no {form}")
        if form == METADATA:
            obj = {"kind": METADATA, **META_V1, "metadata": obj["metadata"]}
        self.send(handler, status, obj)

    def _get(self, handler: Handler, resource: str, name: str, namespace: str = "") -> None:
        record, found = handler.record, self.store.get(resource, namespace, name)
        form = wanted_form(record)
        if resource != "secrets" or form == METADATA:
            self._send_object(handler, 200, found)
            return
        bare = form == TABLE and record.query.get("includeObject") == "None"
        if not bare:
            self._violation(record, "reads a Secret's data")
        self.send(handler, 200, table_of(found, not bare) if form == TABLE else found)

    def _apply(self, handler: Handler, namespace: str, name: str) -> None:
        record, query = handler.record, handler.record.query
        if record.headers.get("Content-Type") != APPLY:
            text = (
                f"the body of the request was in an unknown format - accepted media types include: {APPLY}"
            )
            raise ApiError(415, "UnsupportedMediaType", text)
        if not query.get("fieldManager"):
            raise ApiError(422, "Invalid", "fieldManager: Required value: is required for apply patch")
        body = parse(record.body)
        meta = body.get("metadata") or {}
        if body.get("apiVersion") != "v1" or body.get("kind") != "Secret" or meta.get("name") != name:
            raise ApiError(400, "BadRequest", "the name or the kind of the object does not match the URL")
        if meta.get("namespace", namespace) != namespace:
            raise ApiError(
                400, "BadRequest", "the namespace of the object does not match the namespace on the URL"
            )
        if "managedFields" in meta:
            raise ApiError(400, "BadRequest", "metadata.managedFields must be nil")
        if odd := (body.keys() - APPLY_KEYS) | (meta.keys() - APPLY_META):
            self._violation(record, f"applies {', '.join(sorted(odd))}")
        if wanted_form(record) == FULL:
            self._violation(record, "has the Secret's data sent back")
        forced, dry = query.get("force") in ("1", "true"), "dryRun" in query
        status, obj = self.store.apply(namespace, name, body, query["fieldManager"], forced, dry)
        self._send_object(handler, status, obj)

    def _delete_secret(self, handler: Handler, namespace: str, name: str) -> None:
        if wanted_form(handler.record) != METADATA:
            self._violation(handler.record, "has a Secret sent back that finalizers hold")
        with self.store.changed:
            found = self.store.get("secrets", namespace, name)
            wanted = parse(handler.record.body).get("preconditions") if handler.record.body else None
            guard(name, found, wanted or {})
            self.store.write("secrets", namespace, name, None)
        details = {"name": name, "kind": "secrets", "uid": found["metadata"]["uid"]}
        status = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Success",
            "details": details,
        }
        self.send(handler, 200, status)

    def _post_account(self, handler: Handler, namespace: str) -> None:
        body = parse(handler.record.body)
        name = body["metadata"]["name"]
        self.store.writable_namespace(namespace, name, create=True)
        with self.store.changed:
            if self.store.find("serviceaccounts", namespace, name):
                details = {"name": name, "kind": "serviceaccounts"}
                raise ApiError(409, "AlreadyExists", f'serviceaccounts "{name}" already exists', details)
            made = self.store.write("serviceaccounts", namespace, name, body)
        self.send(handler, 201, made or {})

    def _patch_account(self, handler: Handler, namespace: str, name: str) -> None:
        record = handler.record
        if record.headers.get("Content-Type") != "application/json-patch+json":
            self._violation(record, "patches a list that others' entries are in as a whole")
        with self.store.changed:
            found = self.store.get("serviceaccounts", namespace, name)
            made = self.store.write("serviceaccounts", namespace, name, json_patched(found, record.body))
        self.send(handler, 200, made or {})

    def _post_namespace(self, handler: Handler) -> None:
        meta = parse(handler.record.body).get("metadata") or {}
        name = meta.get("name", "")
        with self.store.changed:
            if self.store.find("namespaces", "", name):
                details = {"name": name, "kind": "namespaces"}
                raise ApiError(409, "AlreadyExists", f'namespaces "{name}" already exists', details)
            self.store.add_namespace(name, meta.get("labels"), meta.get("annotations"))
        self._send_object(handler, 201, self.store.get("namespaces", "", name))

    def _delete_namespace(self, handler: Handler, name: str) -> None:
        obj = self.store.terminate_namespace(name)
        threading.Timer(0.5, self.store.remove_namespace, [name]).start()
        self._send_object(handler, 200, obj)

    # What else a client asks -----------------------------------------------------------------------

    def _access_review(self, handler: Handler) -> None:
        review = parse(handler.record.body)
        wanted = review.get("spec", {}).get("resourceAttributes", {})
        allowed = (wanted.get("verb"), wanted.get("resource")) not in self.denied
        self.send(handler, 201, {**review, "status": {"allowed": allowed}})

    def _post_event(self, handler: Handler, namespace: str) -> None:
        body = parse(handler.record.body)
        name = body.get("metadata", {}).get("name", "")
        self.store.writable_namespace(namespace, name, create=True)
        with self.store.changed:
            if any(is_named(event, namespace, name) for event in self.events):
                details = {"name": name, "kind": "events"}
                raise ApiError(409, "AlreadyExists", f'events.events.k8s.io "{name}" already exists', details)
            self.events.append(body)
            self.store.changed.notify_all()
        self._send_object(handler, 201, body)

    def _patch_event(self, handler: Handler, namespace: str, name: str) -> None:
        for event in self.events:
            if is_named(event, namespace, name):
                event.update(parse(handler.record.body))
                return self._send_object(handler, 200, event)
        raise not_found("events", name)

    def _version(self, handler: Handler) -> None:
        major, minor = self.git_version.removeprefix("v").split(".")[:2]
        self.send(handler, 200, {"major": major, "minor": minor, "gitVersion": self.git_version})

    def _discovery(self, handler: Handler) -> None:
        self.send(handler, 200, discovery(handler.record.path))


def is_named(event: Object, namespace: str, name: str) -> bool:
    """Whether it is that Event."""
    meta = event.get("metadata", {})
    return (meta.get("namespace", namespace), meta.get("name")) == (namespace, name)


def _key(item: Object) -> list[str]:
    return [item["metadata"].get("namespace", ""), item["metadata"]["name"]]


_NS = r"/api/v1/namespaces"
_NAME = r"(?P<name>[^/]+)"
_IN = rf"{_NS}/(?P<namespace>[^/]+)"
_EVENTS = r"/apis/events\.k8s\.io/v1/namespaces/(?P<namespace>[^/]+)/events"
ROUTES: list[tuple[str, str, Callable[..., None]]] = [
    ("GET", "/version", KubeApi._version),
    ("GET", "/api/?|/apis/?|/api/v1|/apis/[^/]+/v1", KubeApi._discovery),
    ("GET", r"/api/v1/(?P<resource>namespaces|secrets|serviceaccounts)", KubeApi._collection),
    ("POST", _NS, KubeApi._post_namespace),
    ("GET", rf"/api/v1/(?P<resource>namespaces)/{_NAME}", KubeApi._get),
    ("DELETE", rf"{_NS}/{_NAME}", KubeApi._delete_namespace),
    ("GET", rf"{_IN}/(?P<resource>secrets)", KubeApi._collection),
    ("GET", rf"{_IN}/(?P<resource>secrets)/{_NAME}", KubeApi._get),
    ("PATCH", rf"{_IN}/secrets/{_NAME}", KubeApi._apply),
    ("DELETE", rf"{_IN}/secrets/{_NAME}", KubeApi._delete_secret),
    ("POST", rf"{_IN}/serviceaccounts", KubeApi._post_account),
    ("PATCH", rf"{_IN}/serviceaccounts/{_NAME}", KubeApi._patch_account),
    ("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", KubeApi._access_review),
    ("POST", _EVENTS, KubeApi._post_event),
    ("PATCH", rf"{_EVENTS}/{_NAME}", KubeApi._patch_event),
]
