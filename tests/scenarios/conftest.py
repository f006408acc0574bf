"""The fixtures of the scenarios: an ECR, an API server, eatr between them, and a real control plane."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from api_server import ApiServer
from eatr import Changes, Eatr, merged
from ecr import Ecr
from http_double import Tls
from leaks import find_reports

MakeEatr = Callable[..., Eatr]


@pytest.fixture(scope="session")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Tls:
    """A CA and a certificate for doubles over TLS: Ecr(tls=tls), ApiServer(tls=tls)."""
    return Tls.make(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def ecr() -> Iterator[Ecr]:
    """ECR of eu-west-1, started."""
    with Ecr() as double:
        yield double
    assert not double.errors, double.errors[0]


@pytest.fixture
def api() -> Iterator[ApiServer]:
    """An API server with the namespaces default and kube-system, started."""
    with ApiServer() as double:
        yield double
    assert not double.errors, double.errors[0]


def secrets_of(ecr: Ecr, api: ApiServer) -> set[str]:
    """Everything that eatr was told and must keep to itself."""
    secrets = {ecr.secret_key, ecr.session_token or "", api.token or "", *ecr.tokens}
    for record in api.matching("PATCH", "/secrets/"):
        for value in json.loads(record.body).get("data", {}).values():
            secrets.add(value[len(value) // 2 :])  # its beginning is no secret
    return secrets - {""}


@pytest.fixture
def eatr(tmp_path: Path, ecr: Ecr, api: ApiServer) -> Iterator[MakeEatr]:
    """Makes an eatr for `ecr` and `api`, with changes: eatr({"secret": {"name": "pull"}}).start().

    At the end each one that still runs must stop with exit status 0. None may have printed a sanitizer's
    report or a secret, or have asked the API server for what it must not ask for.
    """
    made: list[Eatr] = []

    def make(changes: Changes | None = None, *, binary: Path | None = None) -> Eatr:
        one = Eatr(tmp_path / f"eatr{len(made) or ''}", binary=binary)
        made.append(one)
        aws: dict[str, object] = {"region": ecr.region, "endpoint_url": ecr.url}
        aws |= {"aws_access_key_id": ecr.access_key, "aws_secret_access_key": ecr.secret_key}
        aws["aws_session_token"] = ecr.session_token
        kubeconfig = api.kubeconfig(one.directory / "kubeconfig")
        one.write_config(merged({"aws": aws, "kubernetes": {"kubeconfig": kubeconfig}}, changes or {}))
        one.secrets += [ecr.secret_key, ecr.session_token or ""]  # a test may change them
        return one

    yield make
    problems = list(itertools.chain.from_iterable(finish(one, secrets_of(ecr, api)) for one in made))
    problems += [f"violation: {text}" for text in api.violations]
    assert not problems, "\n".join(problems)


def finish(one: Eatr, secrets: set[str]) -> list[str]:
    """Stops an eatr, prints its log (pytest shows it for a failed test) and says what was wrong with it."""
    problems: list[str] = []
    try:
        if one.running:
            with contextlib.suppress(OSError, http.client.HTTPException):  # not when metrics are off
                one.metrics()
            one.stop()
    except AssertionError as error:
        problems.append(f"at the end of the test: {error}")
    finally:
        one.close()
    problems += find_reports(one.log) + one.find_leaks(secrets)
    print(f"-- {one.directory}: exit status {one.code}, STATUS={one.status}", *one.out, *one.log, sep="\n")
    return problems


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A real kube-apiserver with etcd from $KUBEBUILDER_ASSETS; one for the whole session."""
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    if not assets:
        text = "KUBEBUILDER_ASSETS does not name a folder with etcd and kube-apiserver (tests/control-plane)"
        if os.environ.get("EATR_TESTS_CONTROL_PLANE") == "required":
            pytest.fail(text, pytrace=False)
        pytest.skip(text)
    from control_plane import ControlPlane

    cluster = ControlPlane(Path(assets), tmp_path_factory.mktemp("control-plane"))
    cluster.start()
    try:
        yield cluster
    finally:
        cluster.stop()
