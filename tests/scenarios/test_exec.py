"""Credentials for the API server from a program ("exec" of a kubeconfig): it runs, fails, hangs, and lies."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from api_server import ApiServer
from conftest import MakeEatr, wait_fresh
from eatr import SCALE, Eatr, wait_for
from ecr import Ecr
from exec_plugin import ExecPlugin

pytestmark = pytest.mark.tls

FIRST, SECOND = "first-token-0123456789abcdef", "second-token-0123456789abcdef"
LACKING = "Cannot get credentials for the API server "
REFRESHES = "eatr_kubeconfig_credential_refreshes_total"


@pytest.fixture
def plugin(tmp_path: Path, api: ApiServer) -> ExecPlugin:
    """A program that gives the token that the API server takes, for as long as it takes it."""
    api.token = FIRST
    one = ExecPlugin(tmp_path / "plugin")
    one.give(token=FIRST)
    return one


def start(make: MakeEatr, plugin: ExecPlugin, *argv: str, **exec_: object) -> Eatr:
    """An eatr that gets its credentials with the plugin."""
    one = make()
    one.secrets += [FIRST, SECOND]
    plugin.use(one.directory / "kubeconfig", **exec_)
    return one.start(*argv)


def add_namespaces(api: ApiServer, prefix: str, count: int = 10) -> list[str]:
    """New namespaces, of which each is an event of the watch."""
    names = [f"{prefix}-{i}" for i in range(count)]
    for name in names:
        api.add_namespace(name)
    return names


def requests(one: Eatr, code: int) -> float:
    """How many requests ended with this code."""
    return sum(value for name, value in one.metrics().items() if f'code="{code}"' in name)


def test_one_run_for_all(ecr: Ecr, api: ApiServer, eatr: MakeEatr, plugin: ExecPlugin) -> None:
    """Watches and writes share what the program gives, and it is told what client-go tells it."""
    plugin.give(token=FIRST, life=3600)
    one = start(eatr, plugin, provideClusterInfo=True)
    one.wait_ready()
    wait_fresh(ecr, api)
    (info,) = plugin.runs
    assert info["kind"] == "ExecCredential" and info["apiVersion"] == "client.authentication.k8s.io/v1"
    assert info["spec"]["interactive"] is False and info["spec"]["cluster"]["server"] == api.url
    metrics = one.metrics()
    assert metrics[REFRESHES + '{outcome="success"}'] == 1
    assert metrics[REFRESHES + '{outcome="failure"}'] == 0
    assert metrics["eatr_kubeconfig_credential_expiry_timestamp_seconds"] > 0


def test_another_kubeconfig_counts_on(ecr: Ecr, api: ApiServer, eatr: MakeEatr, plugin: ExecPlugin) -> None:
    """It is another program for eatr, but the counter of runs does not begin anew."""
    one = start(eatr, plugin)
    one.wait_ready()
    plugin.use(one.directory / "kubeconfig", env=[{"name": "OTHER", "value": "x"}])
    one.wait_log("Reloaded: ")
    one.wait_metric(REFRESHES + '{outcome="success"}', 2)
    assert len(plugin.runs) == 2


def test_it_is_run_again_before_the_token_ends(
    ecr: Ecr, api: ApiServer, eatr: MakeEatr, plugin: ExecPlugin
) -> None:
    """Nobody sees a token that has ended."""
    plugin.give(token=FIRST, life=12)
    one = start(eatr, plugin)
    one.wait_ready()
    plugin.give(token=SECOND, life=3600)
    wait_for(lambda: len(plugin.runs) == 2, 15, "it is run again")
    one.wait_metric(REFRESHES + '{outcome="success"}', 2)
    api.token = SECOND
    names = add_namespaces(api, "later")
    wait_fresh(ecr, api, *names)
    assert requests(one, 401) == 0
    assert api.matching("PATCH")[-1].headers["Authorization"] == f"Bearer {SECOND}"


def test_a_token_that_is_refused_is_replaced(
    ecr: Ecr, api: ApiServer, eatr: MakeEatr, plugin: ExecPlugin
) -> None:
    """Neither a watch nor a write is seen to fail, and the events that come meanwhile are not lost."""
    one = start(eatr, plugin)
    one.wait_ready()
    wait_fresh(ecr, api)
    plugin.give(token=SECOND)
    api.token = SECOND
    names = add_namespaces(api, "meanwhile")
    wait_fresh(ecr, api, *names, timeout=15)
    api.drop_watches()
    wait_fresh(ecr, api, *add_namespaces(api, "later"))
    assert len(plugin.runs) == 2
    assert 1 <= requests(one, 401) <= len(names)
    assert one.metrics()["eatr_secret_write_failures_total"] == 0
    assert not [line for line in one.log if "annot" in line or "401" in line]


def test_a_server_that_takes_no_token(api: ApiServer, eatr: MakeEatr, plugin: ExecPlugin) -> None:
    """The refusal is told, and neither the program nor the server is pestered."""
    api.token = SECOND
    one = start(eatr, plugin)
    one.wait_log("Cannot read .*: Unauthorized", timeout=20)
    assert len(plugin.runs) <= 3
    one.wait_status("API server: Unauthorized")
    plugin.give(token=SECOND)
    one.wait_log("Reading .* works again", timeout=30)


def test_it_fails_while_the_token_is_good(
    ecr: Ecr, api: ApiServer, eatr: MakeEatr, plugin: ExecPlugin
) -> None:
    """What is there is used until its end."""
    plugin.give(token=FIRST, life=40)
    one = start(eatr, plugin)
    one.wait_ready()
    plugin.fail("no network")
    line = one.wait_log(LACKING, timeout=30)
    assert re.search(
        f"{LACKING}{api.url}: the kubeconfig's program {plugin.path}: it exited with status 7: no network; "
        r"trying again in \d+s, and the ones that are there are good for \d+s$",
        line,
    )
    one.wait_status("; credentials for the API server: .*no network$")
    wait_fresh(ecr, api, *add_namespaces(api, "meanwhile"))
    assert one.get("/readyz")[0] == 200
    plugin.give(token=FIRST, life=3600)
    one.wait_log("Credentials for the API server can be got again", timeout=30)
    one.wait_status("fresh Secret[^;]*; token good[^;]*$")
    assert one.metrics()[REFRESHES + '{outcome="failure"}'] >= 1


def test_there_is_no_program(ecr: Ecr, api: ApiServer, eatr: MakeEatr, plugin: ExecPlugin) -> None:
    """It is told what is missing and where to get it; once it is there all goes by itself."""
    plugin.path.unlink()
    one = start(eatr, plugin, installHint="see\nhttps://get.example")
    text = f"the kubeconfig's program {plugin.path}: cannot run it: No such file or directory"
    one.wait_log(rf"error: {LACKING}.*{text} \(to install it: see https://get.example\); trying again in \d+s$")
    one.wait_status("waiting for the API server; .*; API server: cannot get credentials: the kubeconfig's program")
    assert one.get("/healthz") == (200, "ok\n")
    assert one.get("/readyz")[0] == 503
    assert not api.matching()
    plugin.install()
    wait_fresh(ecr, api, timeout=20)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (FIRST, "what it printed is not JSON"),
        ('{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1"}', "it has no status"),
        (
            '{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1beta1","status":{"token":"%s"}}'
            % FIRST,
            "what it printed has another apiVersion than the kubeconfig's exec.apiVersion",
        ),
        (
            '{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1",'
            '"status":{"token":"%s","clientCertificateData":"x","clientKeyData":"y"}}' % FIRST,
            "the client certificate: there is no certificate in it that can be read",
        ),
    ],
)
def test_it_prints_garbage(eatr: MakeEatr, plugin: ExecPlugin, text: str, problem: str) -> None:
    """What is wrong is told; the secret in it is not."""
    plugin.print(text)
    one = start(eatr, plugin)
    one.wait_log(f"{LACKING}.*{problem}; trying again in ")


@pytest.mark.slow
def test_it_hangs(ecr: Ecr, api: ApiServer, eatr: MakeEatr, plugin: ExecPlugin) -> None:
    """Nothing that goes on waits for it, nor is it taken for a failure of eatr's own."""
    plugin.give(token=FIRST, life=20)
    one = start(eatr, plugin)
    one.wait_ready()
    plugin.hang()
    wait_for(lambda: len(plugin.runs) == 2, 20, "it is run again")
    wait_fresh(ecr, api, *add_namespaces(api, "meanwhile"))
    line = one.wait_log(f"{LACKING}.*it did not end within 1min; trying again in ", timeout=75)
    assert "are there" not in line  # they have ended meanwhile
    assert one.get("/healthz") == (200, "ok\n")
    plugin.give(token=FIRST, life=3600)
    one.wait_log("Credentials for the API server can be got again", timeout=20)
    wait_fresh(ecr, api, *add_namespaces(api, "later"), timeout=20)


def test_it_hangs_at_the_end(api: ApiServer, eatr: MakeEatr, plugin: ExecPlugin) -> None:
    """It does not outlive eatr."""
    plugin.hang()
    one = start(eatr, plugin)
    wait_for(lambda: len(plugin.runs) == 1, 10, "it is run")
    one.stop()
    mine = str(plugin.directory).encode()
    wait_for(lambda: not [pid for pid in os.listdir("/proc") if pid.isdigit() and mine in command(pid)], 5, "it is gone")


def command(pid: str) -> bytes:
    """The command line of a process, which may end at any time."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def test_one_pass(ecr: Ecr, api: ApiServer, eatr: MakeEatr, plugin: ExecPlugin) -> None:
    """`once` works with it, and gives up soon without it."""
    one = start(eatr, plugin, "once")
    assert one.wait_exit() == 0
    wait_fresh(ecr, api)
    assert len(plugin.runs) == 1
    plugin.fail("no network")
    other = start(eatr, plugin, "once")
    assert other.wait_exit(timeout=30 * SCALE) == 1
    assert len(plugin.runs) <= 3
    other.wait_log("Giving up: cannot get credentials: .*no network")
