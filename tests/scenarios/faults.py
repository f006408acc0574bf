"""Faults for the doubles to play: `ecr.fault = faults.hang()`, `api.inject(faults.html(), watch=True)`.

A fault is a callable that gets the handler of a request and a number, and answers (or does not). One that
returns False has only prepared something: the normal answer follows. Ecr plays its fault only on requests
whose signature is good.
"""

from __future__ import annotations

import base64
import contextlib
import json
import random
import socket
import struct
import time
from collections.abc import Callable, Mapping
from typing import Any

from http_double import Fault, Handler
from kube_store import ApiError

HTML = "<html><head><title>Sign in</title></head><body><h1>502 Bad Gateway</h1></body></html>\n"

# For both doubles ----------------------------------------------------------------------------------


def answer(
    status: int,
    body: bytes | str = "",
    content_type: str = "application/json",
    headers: Mapping[str, str] | None = None,
) -> Fault:
    """This very answer."""
    return lambda handler, n: handler.reply(status, body, content_type, headers)


def html(status: int = 200) -> Fault:
    """A web page, as a proxy or a captive portal gives it."""
    return answer(status, HTML, "text/html; charset=utf-8")


def empty(status: int = 200) -> Fault:
    """No body at all."""
    return answer(status)


def truncated(part: float = 0.5) -> Fault:
    """Only this part of the normal answer's body, under the whole one's Content-Length; then it closes."""

    def fault(handler: Handler, n: int) -> bool:
        handler.truncate = part
        return False

    return fault


def edited(edit: Callable[[Any], Any]) -> Fault:
    """The normal JSON answer after `edit`, which gets it as Python values and returns what to send."""

    def fault(handler: Handler, n: int) -> bool:
        handler.edit = edit
        return False

    return fault


def hang() -> Fault:
    """Takes the request and never answers, until the client gives up or the double stops."""

    def fault(handler: Handler, n: int) -> None:
        handler.close_connection = True
        with contextlib.suppress(OSError, ValueError):
            while handler.rfile.read(1):
                pass

    return fault


def reset() -> Fault:
    """Answers with a TCP reset."""

    def fault(handler: Handler, n: int) -> None:
        handler.close_connection = True
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        handler.rfile.close()
        handler.wfile.close()
        handler.connection.close()

    return fault


def slow(seconds: float) -> Fault:
    """The normal answer, this much later."""

    def fault(handler: Handler, n: int) -> bool:
        end = time.monotonic() + seconds
        while handler.double.running and not handler.client_gone() and (left := end - time.monotonic()) > 0:
            time.sleep(min(left, 0.02))
        return False

    return fault


def sequence(*faults: Fault | None) -> Fault:
    """One fault a request, in this order (None: the normal answer); after the last one all is well."""
    left = list(faults)

    def fault(handler: Handler, n: int) -> object:
        chosen = left.pop(0) if left else None
        return False if chosen is None else chosen(handler, n)

    return fault


def times(count: int, fault: Fault) -> Fault:
    """The fault for this many requests; then all is well."""
    return sequence(*[fault] * count)


# For Ecr -------------------------------------------------------------------------------------------


def aws_error(code: str, message: str = "", status: int = 400) -> Fault:
    """An error as ECR words it."""
    return lambda handler, n: handler.double.refuse(handler, code, message, status)


def throttled() -> Fault:
    """ThrottlingException, which AWS sends with status 400."""
    return aws_error("ThrottlingException", "Rate exceeded")


def credentials_expired() -> Fault:
    """ExpiredTokenException: the session token's time is over."""
    return aws_error("ExpiredTokenException", "The security token included in the request is expired")


def access_denied() -> Fault:
    """AccessDeniedException, as for a user without the permission."""
    text = (
        "User: arn:aws:iam::123456789012:user/eatr is not authorized to perform: ecr:GetAuthorizationToken"
    )
    return aws_error("AccessDeniedException", text + " on resource: *")


def server_error(status: int = 500) -> Fault:
    """ServerException, or with 503 what a load balancer says."""
    return aws_error("ServerException", "Internal failure", status) if status == 500 else html(status)


def xml_denied() -> Fault:
    """403 as XML, as moto answers; `AccessDenied` is the code in it."""
    body = (
        "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>not authorized</Message>"
    )
    return answer(403, body + "</Error><RequestId>1</RequestId></ErrorResponse>", "text/html")


def huge(size: int = 10_000_000) -> Fault:
    """The normal answer with this much JSON before the token."""
    return edited(lambda body: {"padding": "x" * size, **body})


def no_data() -> Fault:
    """`authorizationData` is an empty list."""
    return edited(lambda body: {"authorizationData": []})


def no_authorization_data() -> Fault:
    """`authorizationData` is not there."""
    return edited(lambda body: {})


def bad_token(token: str) -> Fault:
    """This authorizationToken."""
    return lambda handler, n: handler.double.send_token(handler, token=token)


def token_without_colon() -> Fault:
    """A token that is base64, but not of `user:password`."""
    return bad_token(base64.b64encode(b"AWS-" + random.randbytes(1200).hex().encode()).decode())


def token_not_base64() -> Fault:
    """A token that is not base64."""
    return bad_token("QVdTOg==*" + random.randbytes(1200).hex())


def expires_at(literal: str) -> Fault:
    """This raw text as the JSON value of expiresAt: 0, 1e99, -1, "soon", null..."""
    return lambda handler, n: handler.double.send_token(handler, expires_at=literal)


def expired(seconds: float = 60) -> Fault:
    """A token whose expiresAt has passed by this much already."""
    return lambda handler, n: handler.double.send_token(
        handler, expires_at=f"{handler.double.now() - seconds:.3f}"
    )


def e_notation() -> Fault:
    """A good token, its expiresAt written like 1.7955047834160E9."""
    return lambda handler, n: handler.double.send_token(
        handler,
        expires_at=f"{handler.double.now() + handler.double.lifetime:.13E}".replace("E+09", "E9"),
        good=True,
    )


# For ApiServer -------------------------------------------------------------------------------------


def kube_error(
    code: int,
    reason: str,
    message: str,
    causes: list[dict[str, str]] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Fault:
    """An error as kube-apiserver words it: a Status object."""
    return answer(code, json.dumps(ApiError(code, reason, message, causes=causes).status()), headers=headers)


def too_many_requests(retry_after: int | None = None) -> Fault:
    """429 as API priority and fairness sends it: plain text."""
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    return answer(429, "Too many requests, please try again later.\n", "text/plain; charset=utf-8", headers)


def unavailable(code: int = 503) -> Fault:
    """500 or 503, as while etcd has no leader."""
    reason = "ServiceUnavailable" if code == 503 else "InternalError"
    return kube_error(code, reason, "etcdserver: leader changed")


def unauthorized() -> Fault:
    """401."""
    return kube_error(401, "Unauthorized", "Unauthorized")


def forbidden() -> Fault:
    """403 because of RBAC, worded for the request that it answers."""

    def fault(handler: Handler, n: int) -> object:
        record = handler.record
        verbs = {
            "GET": "watch" if record.watch else "list",
            "PATCH": "patch",
            "DELETE": "delete",
            "POST": "create",
        }
        where = record.path.removeprefix("/api/v1/").split("/")
        scope = "at the cluster scope" if len(where) == 1 else f'in the namespace "{where[1]}"'
        resource = where[0] if len(where) == 1 else where[2] if len(where) > 2 else "namespaces"
        text = f'User "eatr" cannot {verbs[record.method]} resource "{resource}" in API group "" {scope}'
        return kube_error(403, "Forbidden", f'{resource} "{where[-1]}" is forbidden: {text}')(handler, n)

    return fault


def quota_exceeded() -> Fault:
    """403 because of a ResourceQuota."""
    text = (
        "exceeded quota: count, requested: count/secrets=1, used: count/secrets=1, limited: count/secrets=1"
    )
    return kube_error(403, "Forbidden", f'secrets "ecr" is forbidden: {text}')


def webhook_denied() -> Fault:
    """400 because of an admission webhook."""
    text = 'admission webhook "policy.example.com" denied the request: no pull secrets here'
    return kube_error(400, "BadRequest", text)


def too_large_version() -> Fault:
    """504: this server does not know the version yet that was asked for."""
    cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
    text = "Timeout: Too large resource version: 999999, current: 100"
    return kube_error(504, "Timeout", text, [cause], {"Retry-After": "1"})


def gone() -> Fault:
    """410 as the HTTP status (a real watch says so in an ERROR event: see api.compact())."""
    return kube_error(410, "Expired", "too old resource version: 1 (100)")


def watch_lines(*parts: bytes, end: str = "eof") -> Fault:
    """A stream of these bytes, which then ends ("eof"), ends without its last chunk ("cut"), or "hold"s."""

    def fault(handler: Handler, n: int) -> None:
        handler.start_stream()
        for part in parts:
            handler.send_chunk(part)
        if end == "eof":
            handler.send_chunk(b"")
        else:
            handler.close_connection = True
            if end == "hold":
                hang()(handler, n)

    return fault


def empty_watch() -> Fault:
    """A watch that ends at once, without an event."""
    return watch_lines()


def half_line(end: str = "eof") -> Fault:
    """A watch that ends in the middle of an event."""
    return watch_lines(
        b'{"type":"MODIFIED","object":{"kind":"PartialObjectMetadata","metadata":{"na', end=end
    )


def huge_line(size: int = 50_000_000) -> Fault:
    """A watch with one event of this size."""

    def fault(handler: Handler, n: int) -> None:
        handler.start_stream()
        handler.send_chunk(b'{"type":"ADDED","object":{"metadata":{"annotations":{"a":"')
        for _ in range(size >> 16):
            handler.send_chunk(b"x" * (1 << 16))
        handler.send_chunk(b'"}}}}\n')
        handler.send_chunk(b"")

    return fault


def big_list(count: int, make: Callable[[int], dict[str, Any]] | None = None) -> Fault:
    """A list of this many items, which aren't in the store; `make` gives the metadata of each."""

    def edit(body: dict[str, Any]) -> dict[str, Any]:
        def metadata(i: int) -> dict[str, Any]:
            return {
                "name": f"made-up-{i}",
                "uid": f"00000000-0000-4000-8000-{i:012d}",
                "resourceVersion": "1",
            }

        return {**body, "items": [{"metadata": (make or metadata)(i)} for i in range(count)]}

    return edited(edit)


def list_version(text: str) -> Fault:
    """The normal list with this metadata.resourceVersion."""
    return edited(lambda body: {**body, "metadata": {**body["metadata"], "resourceVersion": text}})


def without(name: str) -> Fault:
    """The normal object, list or watch with no field of this name in it, "managedFields" for instance."""

    def edit(body: Any) -> Any:
        if isinstance(body, list):
            return [edit(item) for item in body]
        if isinstance(body, dict):
            return {key: edit(value) for key, value in body.items() if key != name}
        return body

    return edited(edit)


def bloated(namespace: str, size: int = 5_000_000) -> Fault:
    """The normal list or watch, in which one namespace's objects are of this size."""

    def edit(body: Any) -> Any:
        if "items" in body:
            return {**body, "items": [edit(item) for item in body["items"]]}
        if "object" in body:
            return {**body, "object": edit(body["object"])}
        if body.get("metadata", {}).get("namespace") != namespace:
            return body
        return {**body, "metadata": {**body["metadata"], "ownerReferences": [{"name": "x" * size}]}}

    return edited(edit)


def items_without(key: str) -> Fault:
    """The normal list, its items without this key of the metadata: "uid", "resourceVersion", "name"."""

    def edit(body: dict[str, Any]) -> dict[str, Any]:
        items = [
            {"metadata": {k: v for k, v in item["metadata"].items() if k != key}} for item in body["items"]
        ]
        return {**body, "items": items}

    return edited(edit)
