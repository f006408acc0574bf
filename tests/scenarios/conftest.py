"""The fixtures of the scenarios: an ECR, an API server, eatr between them, and a real control plane."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from api_server import ApiServer
from eatr import SCALE, Changes, Eatr, merged, wait_for
from ecr import Ecr
from http_double import Record, Tls
from leaks import find_reports

MakeEatr = Callable[..., Eatr]
MotoEatr = Callable[..., Eatr]
Scenario = Callable[[Ecr, ApiServer, MakeEatr], None]

MARKERS = (
    "slow: takes more than 20 seconds by itself",
    "valgrind: the scenario for EATR_WRAPPER=valgrind",
    "tls: ECR and the API server speak TLS, and the API server wants a bearer token",
    "moto: keyword arguments for Moto: how long tokens and sessions are good",
    "systemd: packages on a machine with a real systemd; $EATR is not looked at",
)


def pytest_configure(config: pytest.Config) -> None:
    """Names the markers."""
    for marker in MARKERS:
        config.addinivalue_line("markers", marker)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Has the tests that only wait for a scenario in the background come last."""
    items.sort(key=lambda item: scenario_of(item) is not None)


@pytest.fixture(scope="session")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Tls:
    """A CA and a certificate for doubles over TLS: Ecr(tls=tls), ApiServer(tls=tls)."""
    return Tls.make(tmp_path_factory.mktemp("tls"))


def tls_of(request: pytest.FixtureRequest) -> Tls | None:
    """The certificates of a test that has the marker tls."""
    marked = request.node.get_closest_marker("tls") is not None
    return request.getfixturevalue("tls") if marked else None


@pytest.fixture
def ecr(request: pytest.FixtureRequest) -> Iterator[Ecr]:
    """ECR of eu-west-1, started. See the marker tls."""
    with Ecr(tls=tls_of(request)) as double:
        yield double
    assert not double.errors, double.errors[0]


@pytest.fixture
def api(request: pytest.FixtureRequest) -> Iterator[ApiServer]:
    """An API server with the namespaces default and kube-system, started. See the marker tls."""
    tls = tls_of(request)
    with ApiServer(tls=tls, token="the-first-bearer-token" if tls else None) as double:
        yield double
    assert not double.errors, double.errors[0]


def writes(api: ApiServer) -> list[Record]:
    """Every request that could have changed something."""
    return [record for record in api.matching() if record.method != "GET"]


def wait_fresh(ecr: Ecr, api: ApiServer, *namespaces: str, timeout: float = 10) -> None:
    """Waits until these namespaces, or all, have the last token that ECR gave, and only that."""
    for namespace in namespaces or api.namespaces():
        wait_for(lambda: is_fresh(ecr, api, namespace), timeout, f"the last token is in {namespace}")


def is_fresh(ecr: Ecr, api: ApiServer, namespace: str) -> bool:
    """Whether a namespace's Secret is for ECR's host and holds the last token that ECR gave."""
    secret = api.secret(namespace)
    host = ecr.proxy_endpoint.removeprefix("https://")
    return secret is not None and secret.auths == {host: ecr.last_token}


def secrets_of(ecr: Ecr, api: ApiServer) -> set[str]:
    """Everything that eatr was told and must keep to itself."""
    secrets = {ecr.secret_key, ecr.session_token or "", api.token or "", *ecr.tokens}
    for record in api.matching("PATCH", "/secrets/"):
        for value in json.loads(record.body).get("data", {}).values():
            secrets.add(value[len(value) // 2 :])  # its beginning is no secret
    return secrets - {""}


@contextlib.contextmanager
def between(directory: Path, ecr: Ecr, api: ApiServer, tell: Callable[[str], None]) -> Iterator[MakeEatr]:
    """Makes eatrs for `ecr` and `api`, see the fixture `eatr`; `tell` gets their logs at the end."""
    made: list[Eatr] = []

    def make(changes: Changes | None = None, *, binary: Path | None = None) -> Eatr:
        one = Eatr(directory / f"eatr{len(made) or ''}", binary=binary)
        made.append(one)
        aws: dict[str, object] = {"region": ecr.region, "endpoint_url": ecr.url}
        aws |= {"aws_access_key_id": ecr.access_key, "aws_secret_access_key": ecr.secret_key}
        aws |= {"aws_session_token": ecr.session_token, "ca_bundle": ecr.tls.ca if ecr.tls else None}
        kubeconfig = api.kubeconfig(one.directory / "kubeconfig")
        one.write_config(merged({"aws": aws, "kubernetes": {"kubeconfig": kubeconfig}}, changes or {}))
        one.secrets += [ecr.secret_key, ecr.session_token or ""]  # a test may change them
        return one

    try:
        yield make
    finally:
        problems = [problem for one in made for problem in finish(one, secrets_of(ecr, api), tell)]
    problems += [f"violation: {text}" for text in api.violations]
    assert not problems, "\n".join(problems)


@pytest.fixture
def eatr(tmp_path: Path, ecr: Ecr, api: ApiServer) -> Iterator[MakeEatr]:
    """Makes an eatr for `ecr` and `api`, with changes: eatr({"secret": {"name": "pull"}}).start().

    At the end each one that still runs must stop with exit status 0. None may have printed a sanitizer's
    report or a secret, or have asked the API server for what it must not ask for.
    """
    with between(tmp_path, ecr, api, print) as make:
        yield make


@pytest.fixture
def sources(tmp_path: Path, ecr: Ecr, api: ApiServer) -> Iterator[Any]:
    """Everything that gives credentials, started, see Sources."""
    from sources import Sources

    with Sources(tmp_path, ecr, api) as all_of_them:
        yield all_of_them


def finish(one: Eatr, secrets: set[str], tell: Callable[[str], None]) -> list[str]:
    """Stops an eatr, tells its log (pytest shows it for a failed test) and says what was wrong with it."""
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
    tell("\n".join([f"-- {one.directory}: exit {one.code}, STATUS={one.status}", *one.out, *one.log]))
    return problems


# What takes minutes -------------------------------------------------------------------------------------


class Background:
    """Runs scenarios in threads while the other tests go on, each with doubles and a folder of its own."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.pool = ThreadPoolExecutor(max_workers=32)
        self.logs: dict[Scenario, list[str]] = {}
        self.futures: dict[Scenario, Future[None]] = {}

    def begin(self, scenario: Scenario) -> None:
        """Starts one."""
        self.logs[scenario] = []
        self.futures[scenario] = self.pool.submit(self._run, scenario)

    def end(self, scenario: Scenario) -> None:
        """Waits for one, and fails if it has failed."""
        try:
            self.futures[scenario].result(300 * SCALE)
        finally:
            print(*self.logs[scenario], sep="\n")

    def _run(self, scenario: Scenario) -> None:
        with Ecr() as ecr, ApiServer() as api:
            folder = self.directory / scenario.__name__
            with between(folder, ecr, api, self.logs[scenario].append) as make:
                scenario(ecr, api, make)
            assert not (ecr.errors or api.errors), "\n".join(ecr.errors + api.errors)


def in_background(scenario: Scenario) -> Callable[[Background], None]:
    """Makes a test, marked slow, of a scenario that mostly waits: it begins with the session's first test."""

    @pytest.mark.slow
    def test(background: Background) -> None:
        background.end(scenario)

    test.__name__, test.__doc__ = scenario.__name__, scenario.__doc__
    vars(test)["scenario"] = scenario
    return test


def scenario_of(item: pytest.Item) -> Scenario | None:
    """The scenario that a test of in_background() waits for."""
    return getattr(getattr(item, "function", None), "scenario", None)


@pytest.fixture(scope="session", autouse=True)
def background(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Background:
    """The scenarios of all tests that were chosen, begun."""
    background = Background(tmp_path_factory.mktemp("background"))
    for scenario in filter(None, map(scenario_of, request.session.items)):
        background.begin(scenario)
    return background


@contextlib.contextmanager
def new_control_plane(directory: Path) -> Iterator[Any]:
    """A real kube-apiserver with etcd from $KUBEBUILDER_ASSETS; skips the test where there is none."""
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    if not assets:
        text = "KUBEBUILDER_ASSETS does not name a folder with etcd and kube-apiserver (tests/control-plane)"
        if os.environ.get("EATR_TESTS_CONTROL_PLANE") == "required":
            pytest.fail(text, pytrace=False)
        pytest.skip(text)
    from control_plane import ControlPlane

    cluster = ControlPlane(Path(assets), directory)
    cluster.start()
    try:
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A real control plane; one for the whole session."""
    with new_control_plane(tmp_path_factory.mktemp("control-plane")) as cluster:
        yield cluster


def named_folder(variable: str, what: str) -> Path:
    """The folder that a variable names; skips a test that needs it where there is none."""
    folder = os.environ.get(variable)
    if not folder:
        text = f"{variable} does not name a folder with {what} (tests/{what})"
        if os.environ.get("EATR_TESTS_CONTROL_PLANE") == "required":
            pytest.fail(text, pytrace=False)
        pytest.skip(text)
    return Path(folder)


@pytest.fixture(scope="session")
def moto_folder() -> None:
    """Skips a test that needs moto if there is no folder with it."""
    named_folder("EATR_TESTS_MOTO", "moto")


@pytest.fixture(scope="session")
def kubectl_path() -> Path:
    """The program kubectl 1.32."""
    return named_folder("EATR_TESTS_KUBECTL", "kubectl") / "kubectl"


@pytest.fixture
def moto(request: pytest.FixtureRequest, tmp_path: Path, moto_folder: None) -> Iterator[Any]:
    """AWS's accounts, users and roles, started, see Moto; the marker moto has its keyword arguments."""
    from moto import Moto

    marker = request.node.get_closest_marker("moto")
    with Moto(tmp_path / "moto", **(marker.kwargs if marker else {})) as server:
        yield server
        print(*server.calls, sep="\n")
        assert not server.errors, "\n".join(server.errors)


@pytest.fixture
def moto_eatr(tmp_path: Path, moto: Any, api: ApiServer) -> Iterator[MotoEatr]:
    """Makes an eatr for `moto` and `api`: moto_eatr({KEY OF [aws]: VALUE}, changes).

    At the end each one that still runs must stop with exit status 0; none may have printed a secret.
    """
    from moto import REGION

    made: list[Eatr] = []

    def make(aws: dict[str, object], changes: Changes | None = None) -> Eatr:
        one = Eatr(tmp_path / f"eatr{len(made) or ''}")
        made.append(one)
        config = {
            "aws": {"region": REGION, "endpoint_url": moto.url, **aws},
            "kubernetes": {"kubeconfig": api.kubeconfig(one.directory / "kubeconfig")},
        }
        one.write_config(merged(config, changes or {}))
        return one

    try:
        yield make
    finally:
        problems = [problem for one in made for problem in finish(one, moto.secrets, print)]
    problems += [f"violation: {text}" for text in api.violations]
    assert not problems, "\n".join(problems)


# A machine with systemd ---------------------------------------------------------------------------------


def skip_systemd(reason: str) -> None:
    """Skips a test that needs packages and a machine, or fails if $EATR_TESTS_SYSTEMD is `required`."""
    if os.environ.get("EATR_TESTS_SYSTEMD") == "required":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Any]:
    """A host with files and a network of its own, see PrivateHost, and nothing of eatr's."""
    from private_host import PrivateHost, why_not

    obstacle = why_not()
    if obstacle is not None:
        skip_systemd(obstacle)
    with PrivateHost(tmp_path / "host") as host:
        yield host


@pytest.fixture(scope="session", params=["deb", "rpm"])
def ops_host(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A machine for packages of one kind, with nothing installed, see OpsHost; one for all tests."""
    from machine import Machine, find_obstacle
    from ops_host import OpsHost
    from packages import find_packages

    packages = find_packages(request.param)
    if isinstance(packages, str):
        skip_systemd(packages)
    obstacle = find_obstacle()
    if obstacle is not None:
        skip_systemd(obstacle)
    directory = tmp_path_factory.mktemp(request.param)
    cluster = request.getfixturevalue("control_plane")
    with Ecr() as ecr, Machine(directory, request.param) as machine:
        host = OpsHost(machine, packages, cluster, ecr, directory)
        yield host
        assert not host.find_leaks()
    assert not ecr.errors, ecr.errors[0]


@pytest.fixture
def installed(ops_host: Any) -> Iterator[Any]:
    """The machine with the first version installed, not configured; a test that fails shows the journal."""
    ops_host.ensure_installed()
    cursor = ops_host.machine.cursor()
    yield ops_host
    print(ops_host.machine.run("journalctl", f"--after-cursor={cursor}", "--output=short-monotonic").stdout)
    print(ops_host.machine.console_tail())


@pytest.fixture
def service(installed: Any) -> Any:
    """The machine with eatr configured and started."""
    installed.configure()
    installed.systemctl("start").check()
    return installed


@pytest.fixture(scope="session")
def many_namespaces(control_plane: Any) -> list[str]:
    """Three hundred namespaces many-*: a pass over them takes a while."""
    names = [f"many-{number}" for number in range(300)]
    control_plane.create_namespaces(names)
    return names
