"""eatr under a real systemd when it hangs, dies, or is stopped or restarted at a bad moment."""

from __future__ import annotations

import pytest

import faults
from control_plane import APISERVER, ControlPlane
from eatr import SCALE
from ops_host import UNIT, OpsHost

pytestmark = pytest.mark.systemd

QUICK = "[Service]\nWatchdogSec=2s\nRestartSec=100ms\n"
STOP_TIME = 5 * SCALE  # seconds


def unit_results(host: OpsHost, cursor: str) -> list[str]:
    """What systemd says that the unit has failed with since then."""
    entries = host.machine.journal(cursor, f"UNIT={UNIT}")
    return [entry["UNIT_RESULT"] for entry in entries if "UNIT_RESULT" in entry]


def kill(host: OpsHost, signal: str) -> None:
    """Sends a signal to eatr alone."""
    host.systemctl("kill", UNIT, f"--signal={signal}", "--kill-whom=main").check()


@pytest.fixture
def quick(installed: OpsHost) -> OpsHost:
    """eatr with a watchdog of two seconds, started; a start that failed is tried again soon."""
    installed.drop_in(QUICK)
    installed.configure()
    installed.systemctl("start").check()
    return installed


def test_the_unit_as_it_is_shipped_is_watched_and_restarted(service: OpsHost) -> None:
    """Without what these tests change of it."""
    asked = ("Type", "Restart", "RestartUSec", "WatchdogUSec", "TimeoutStopUSec", "RestartPreventExitStatus")
    assert service.machine.show(UNIT, *asked) == {
        "Type": "notify",
        "Restart": "always",
        "RestartUSec": "5s",
        "WatchdogUSec": "2min",
        "TimeoutStopUSec": "15s",
        "RestartPreventExitStatus": "2 78",
    }
    assert int(service.machine.property(UNIT, "FileDescriptorStoreMax")) > 0


def test_a_frozen_eatr_is_killed_by_the_watchdog_and_restarted_and_no_secret_changes(quick: OpsHost) -> None:
    """The new one finds every Secret good, and looks after the next namespace."""
    pid, before, cursor = quick.main_pid(), quick.identities(), quick.machine.cursor()
    kill(quick, "STOP")
    quick.wait_restarted(pid)
    assert unit_results(quick, cursor) == ["watchdog"]
    assert quick.machine.property(UNIT, "NRestarts") == "1"
    assert quick.identities() == before and before.keys() == set(quick.wanted)
    quick.wait_token(quick.new_namespace())


def test_a_restart_by_the_watchdog_keeps_the_token(quick: OpsHost) -> None:
    """AWS is not asked again."""
    pid, calls = quick.main_pid(), len(quick.ecr.calls)
    kill(quick, "STOP")
    quick.wait_restarted(pid)
    quick.wait_token(quick.new_namespace())
    assert len(quick.ecr.calls) == calls


def test_a_crashed_eatr_is_restarted_and_no_secret_changes(quick: OpsHost) -> None:
    """After SIGSEGV, without a core dump."""
    pid, before, cursor = quick.main_pid(), quick.identities(), quick.machine.cursor()
    kill(quick, "SEGV")
    quick.wait_restarted(pid)
    assert unit_results(quick, cursor) == ["signal"]
    assert quick.machine.property(UNIT, "NRestarts") == "1"
    assert quick.identities() == before
    quick.wait_token(quick.new_namespace())


def test_the_watchdog_is_fed_while_nothing_happens(quick: OpsHost) -> None:
    """For more than two of its periods, with AWS and the API server away as well."""
    pid = quick.main_pid()
    stamps = {quick.machine.property(UNIT, "WatchdogTimestampMonotonic")}

    def fed() -> bool:
        stamps.add(quick.machine.property(UNIT, "WatchdogTimestampMonotonic"))
        return len(stamps) > 4

    quick.ecr.fault = faults.hang()
    quick.cluster.pause(APISERVER)
    try:
        quick.machine.wait(fed, 10, "the watchdog was fed four times")
    finally:
        quick.cluster.resume(APISERVER)
    assert (quick.main_pid(), quick.machine.property(UNIT, "NRestarts")) == (pid, "0")


def test_a_restart_while_aws_is_away_goes_on_with_the_token_that_it_had(service: OpsHost) -> None:
    """systemd keeps it for eatr; new namespaces get their Secret from it."""
    assert int(service.machine.property(UNIT, "NFileDescriptorStore")) >= 1
    token, before = service.ecr.last_token, service.identities()
    service.ecr.fault = faults.reset()
    service.systemctl("restart").check()
    service.wait_token(service.new_namespace())
    assert service.ecr.last_token == token
    after = service.identities()
    assert {name: after[name] for name in before} == before


def test_a_stop_while_writes_are_in_flight_is_quick_and_a_success(
    installed: OpsHost, control_plane: ControlPlane, many_namespaces: list[str]
) -> None:
    """The API server does not answer them any more; what is left undone is done after the next start."""
    name = f"stopped-{installed.prefix}"
    changes = {
        "namespaces": {"include": "many-*"},
        "secret": {"name": name},
        "renewal": {"max_writes_per_second": 100},
    }
    installed.configure(changes)
    installed.systemctl("start", UNIT, "--no-block").check()
    installed.machine.wait(lambda: installed.metric("secrets_created_total") > 0, 20, "a Secret is created")
    control_plane.pause(APISERVER)
    try:
        stopped = installed.systemctl("stop")
    finally:
        control_plane.resume(APISERVER)
    stopped.check()
    assert stopped.seconds < STOP_TIME
    shown = installed.machine.show(UNIT, "ActiveState", "Result", "ExecMainStatus", "ExecMainCode")
    exited = {"ExecMainStatus": "0", "ExecMainCode": "1"}
    assert shown == {"ActiveState": "inactive", "Result": "success", **exited}
    assert 0 < len(control_plane.secrets(name)) < len(many_namespaces)
