"""Whether the registry takes the token: what eatr asks it, and what it says of the answer.

The registry is a double here; for a real one see test_real_pull.py.
"""

from __future__ import annotations

import re
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import faults
from api_server import ApiServer
from conftest import MakeEatr, between, wait_fresh, writes
from eatr import Changes, Eatr, merged, wait_for
from ecr import Ecr
from http_double import Double, Fault, Handler, Tls
from test_service import change_and_reload

TAKES, REFUSES, UNCLEAR = "takes the token$", "does not take the token: ", "Cannot find out whether "
EVERY_SECOND: Changes = {"renewal": {"auth_token_renewal_interval": "1s"}}


class Registry(Double):
    """The one page of a registry that is asked for, with TLS. It takes the tokens of an ECR, or none."""

    def __init__(self, ecr: Ecr, tls: Tls) -> None:
        super().__init__(tls=tls)
        self.ecr, self.good = ecr, True
        self.fault: Fault | None = None
        self.host = f"127.0.0.1:{self.port}"

    def answer(self, handler: Handler) -> None:
        """200 for the last token, else 401 as a registry says it."""
        if self.fault is not None and self.fault(handler, len(self.requests)) is not False:
            return
        right = f"Basic {self.ecr.last_token}"
        if self.good and handler.record.headers.get("Authorization") == right:
            handler.reply(200, "{}")
        else:
            body = '{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}'
            handler.reply(401, body, headers={"WWW-Authenticate": 'Basic realm="ecr"'})


@pytest.fixture
def registry(ecr: Ecr, tls: Tls) -> Iterator[Registry]:
    """The registry that ECR's tokens are for."""
    with Registry(ecr, tls) as double:
        ecr.proxy_endpoint = f"https://{double.host}"
        yield double
    assert not double.errors, double.errors[0]


def verifying(tls: Tls, verify: str = "yes", changes: Changes | None = None) -> Changes:
    """An eatr that asks, and trusts the registry."""
    return merged({"aws": {"verify": verify, "ca_bundle": tls.ca}}, changes or {})


def said(one: Eatr, text: str) -> list[str]:
    """The lines that say so."""
    return [line for line in one.log if re.search(text, line)]


def accepted(one: Eatr) -> dict[str, float]:
    """The samples of the metric."""
    return {name: value for name, value in one.metrics().items() if name.startswith("eatr_token_accepted{")}


def wait_asked(registry: Registry, times: int, timeout: float = 10) -> None:
    """Waits until the registry has answered so often from now on."""
    before = len(registry.requests)
    wait_for(lambda: sum(one.status > 0 for one in registry.requests[before:]) >= times, timeout, "it is asked")


def test_a_token_that_opens_the_registry_is_said_to(
    ecr: Ecr, api: ApiServer, registry: Registry, tls: Tls, eatr: MakeEatr
) -> None:
    """One request for each token, one line for all of them."""
    one = eatr(verifying(tls, "yes", merged(EVERY_SECOND, {"log": {"verbosity": "6"}}))).start()
    one.wait_log(f"{registry.host} takes the token$")
    one.wait_metric('eatr_token_accepted{registry="aws",host="%s"}' % registry.host, 1)
    wait_asked(registry, 2)
    first = registry.requests[0]
    assert (first.method, first.target) == ("GET", "/v2/")
    assert {one.headers["Authorization"] for one in registry.requests} <= {f"Basic {one}" for one in ecr.tokens}
    assert len(said(one, TAKES)) == 1 and not said(one, REFUSES) and not said(one, UNCLEAR)


def test_a_token_that_opens_nothing_is_written_and_told(
    ecr: Ecr, api: ApiServer, registry: Registry, tls: Tls, eatr: MakeEatr
) -> None:
    """Once for each change and not for each try; the metric, STATUS and /readyz say the same."""
    registry.good = False
    one = eatr(verifying(tls, "yes", EVERY_SECOND)).start()
    one.wait_log(
        f"warning: {registry.host} does not take the token: .*(401|authentication required).*; "
        "no image can be pulled with it. Asking again$"
    )
    wait_fresh(ecr, api)
    name = 'eatr_token_accepted{registry="aws",host="%s"}' % registry.host
    one.wait_metric(name, 0)
    one.wait_status(f"; {registry.host}: does not take the token: ")
    assert one.get("/readyz") == (200, "ok\n")
    wait_asked(registry, 2)
    assert len(said(one, REFUSES)) == 1

    registry.good = True
    one.wait_log(TAKES)
    one.wait_metric(name, 1)
    one.wait_status("good until [^;]*$")
    wait_asked(registry, 2)
    assert len(said(one, TAKES)) == 1

    registry.good = False
    one.wait_metric(name, 0)
    wait_for(lambda: len(said(one, REFUSES)) == 2)


def test_required_makes_it_a_matter_of_being_ready(
    ecr: Ecr, api: ApiServer, registry: Registry, tls: Tls, eatr: MakeEatr
) -> None:
    """/readyz says why not; Secrets are written all the same."""
    registry.good = False
    one = eatr(verifying(tls, "required", EVERY_SECOND)).start()
    one.wait_log(REFUSES)
    status, text = one.get("/readyz")
    assert status == 503 and text.startswith(f"{registry.host} is not known to take the token: ")
    wait_fresh(ecr, api)
    registry.good = True
    one.wait_log(TAKES)
    assert one.get("/readyz") == (200, "ok\n")
    registry.fault = faults.server_error(503)
    one.wait_log(f"{UNCLEAR}{registry.host} takes the token: .*503")
    status, text = one.get("/readyz")
    assert status == 503 and "503" in text


def test_what_is_not_asked_is_not_waited_for(api: ApiServer, tmp_path: Path) -> None:
    """ECR Public lets everybody in: its answer would say nothing."""
    with Ecr(public=True) as ecr, between(tmp_path, ecr, api, print) as make:
        one = make({"aws": {"region": None, "public": True, "verify": "required"}}).start()
        one.wait_ready()
        assert one.get("/readyz") == (200, "ok\n") and not accepted(one)


def test_no_asks_nothing(ecr: Ecr, api: ApiServer, tls: Tls, eatr: MakeEatr) -> None:
    """There is not even a connection."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        ecr.proxy_endpoint = f"https://127.0.0.1:{server.getsockname()[1]}"
        one = eatr(verifying(tls, "no", EVERY_SECOND)).start()
        wait_for(lambda: len(ecr.tokens) >= 3)
        wait_fresh(ecr, api)
        server.setblocking(False)
        with pytest.raises(BlockingIOError):
            server.accept()
        assert not accepted(one) and one.get("/readyz") == (200, "ok\n")
        one.stop()
        with pytest.raises(BlockingIOError):
            server.accept()


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        (None, "(refused|[Cc]ould not connect|Couldn't connect)"),
        (faults.server_error(503), "503"),
        (faults.reset(), "(reset|[Rr]ecv|SSL)"),
        (faults.html(404), "404"),
    ],
    ids=["away", "503", "reset", "404"],
)
def test_a_registry_that_cannot_be_asked_is_no_bad_token(
    fault: Fault | None, why: str, ecr: Ecr, api: ApiServer, registry: Registry, tls: Tls, eatr: MakeEatr
) -> None:
    """It is told once; no sample, and ready: the nodes may reach it all the same."""
    registry.fault = fault
    if fault is None:
        registry.stop()
    one = eatr(verifying(tls, "yes", EVERY_SECOND)).start()
    one.wait_log(f"eatr: Cannot find out whether {registry.host} takes the token: .*{why}.*; the nodes may reach")
    wait_fresh(ecr, api)
    wait_for(lambda: len(ecr.tokens) >= 4)
    assert not accepted(one) and one.get("/readyz") == (200, "ok\n")
    assert len(said(one, UNCLEAR)) == 1 and not said(one, REFUSES)
    one.wait_status("good until [^;]*$")
    registry.fault = None
    if fault is None:
        registry.start()
    one.wait_log(f"{registry.host} takes the token$")


def test_a_registry_that_nobody_vouches_for_is_not_given_the_token(
    ecr: Ecr, api: ApiServer, registry: Registry, tls: Tls, eatr: MakeEatr
) -> None:
    """Its certificate is looked at."""
    one = eatr({"aws": {"verify": "yes"}}).start()
    one.wait_log(f"{UNCLEAR}{registry.host} takes the token: .*certificate")
    assert not registry.requests
    wait_fresh(ecr, api)


def test_a_reload_says_nothing_again(
    ecr: Ecr, api: ApiServer, registry: Registry, tls: Tls, eatr: MakeEatr
) -> None:
    """What is known of the token stays known, and nobody is less ready for it."""
    one = eatr(verifying(tls, "required")).start()
    one.wait_ready()
    one.wait_log(TAKES)
    registry.fault = faults.hang()
    for _ in range(2):
        change_and_reload(one, {"namespaces": {"blacklist": f"x{time.monotonic_ns()}"}})
        assert one.get("/readyz") == (200, "ok\n") and list(accepted(one).values()) == [1]
    registry.fault = None
    one.signal(signal.SIGHUP)
    wait_asked(registry, 1)
    one.wait_metric('eatr_token_accepted{registry="aws",host="%s"}' % registry.host, 1)
    assert len(said(one, TAKES)) == 1 and len(ecr.calls) == 1 and len(writes(api)) == 2


def test_each_registry_is_asked_about_its_own_token(
    ecr: Ecr, api: ApiServer, registry: Registry, tls: Tls, eatr: MakeEatr
) -> None:
    """One of two refuses: it is named."""
    with Ecr(region="eu-central-1") as other_ecr, Registry(other_ecr, tls) as other:
        other_ecr.proxy_endpoint = f"https://{other.host}"
        other_ecr.access_key, other_ecr.secret_key, other.good = ecr.access_key, ecr.secret_key, False
        sections = {"registry a": {}, "registry b": {"region": "eu-central-1", "endpoint_url": other_ecr.url}}
        one = eatr(verifying(tls, "yes", sections)).start()
        one.wait_log(f"Registry a: {registry.host} takes the token$")
        one.wait_log(f"warning: Registry b: {other.host} does not take the token: ")
        assert accepted(one) == {
            'eatr_token_accepted{registry="a",host="%s"}' % registry.host: 1,
            'eatr_token_accepted{registry="b",host="%s"}' % other.host: 0,
        }
        assert registry.requests[-1].headers["Authorization"] != other.requests[-1].headers["Authorization"]
        one.stop()
