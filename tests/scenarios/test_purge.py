"""eatr purge: takes out what eatr manages, nothing else, and not before somebody has said so."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable

import pytest

import faults
from api_server import ApiServer
from conftest import MakeEatr, wait_fresh, writes
from eatr import Eatr, wait_for
from ecr import Ecr
from terminal import Terminal

SPACES = ("default", "kube-system", "shop", "web", "web-test")


@pytest.fixture
def purged(ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> Eatr:
    """One that has written its Secret into each of SPACES but "taken", where somebody else's is."""
    for name in SPACES[2:]:
        api.add_namespace(name)
    api.add_namespace("taken")
    api.put_secret("taken", data={"key": "value"})
    one = eatr()
    assert one.run("once") == 1  # because of taken
    wait_fresh(ecr, api, *SPACES)
    one.out.clear()
    one.log.clear()
    api.requests.clear()
    return one


def there(api: ApiServer) -> set[str]:
    """Where a Secret is."""
    return {name for name in api.namespaces() if api.secret(name)}


def test_all_of_it(ecr: Ecr, api: ApiServer, purged: Eatr) -> None:
    """Without a question, without ECR, and with the UID as the precondition."""
    uids = {name: api.secret(name).uid for name in SPACES}  # type: ignore[union-attr]
    calls = len(ecr.requests)
    assert purged.run("purge", "--yes") == 0
    assert there(api) == {"taken"}
    assert purged.out[0] == f"Context double at {api.url}: 5 Secrets named ecr to be deleted, in"
    assert purged.out[1:6] == [f"  {name}" for name in SPACES]
    assert purged.out[6:] == ["5 Secrets deleted, nothing of eatr's is left"]
    assert purged.log == []
    assert len(ecr.requests) == calls
    deletes = writes(api)
    assert {record.method for record in deletes} == {"DELETE"} and len(deletes) == 5
    for record in deletes:
        assert json.loads(record.body)["preconditions"]["uid"] == uids[record.path.split("/")[4]]

    purged.out.clear()
    assert purged.run("purge", "--yes") == 0
    assert purged.out == [f"Context double at {api.url}: 0 Secrets named ecr to be deleted"]


def test_chosen_namespaces(api: ApiServer, purged: Eatr) -> None:
    """By globs, also those that the configuration excludes; the others are not even looked at."""
    purged.change_config({"namespaces": {"blacklist": "web*"}})
    assert purged.run("purge", "web*", "kube-system", "nobody", "--yes") == 0
    assert there(api) == {"default", "shop", "taken"}
    assert len(writes(api)) == 3


def test_dry_run(api: ApiServer, purged: Eatr) -> None:
    """Says what would go, and needs no terminal for that."""
    assert purged.run("purge", "--dry-run", "web*") == 0
    assert there(api) == {*SPACES, "taken"}
    assert writes(api) == []
    assert purged.out == [
        f"Context double at {api.url}: 2 Secrets named ecr would be deleted, in",
        "  web",
        "  web-test",
    ]


def test_nobody_to_ask(api: ApiServer, purged: Eatr) -> None:
    """It is refused before anything is asked for."""
    assert purged.run("purge") == 2
    assert api.requests == []
    assert purged.out == []
    assert len(purged.log) == 1 and "--yes" in purged.log[0] and "--dry-run" in purged.log[0]


@pytest.mark.parametrize("arguments", [["purge", "Web"], ["purge", "web["], ["once", "web"], ["--yes"]])
def test_a_command_line_that_is_not_understood(api: ApiServer, purged: Eatr, arguments: list[str]) -> None:
    """Nothing is done."""
    assert purged.run(*arguments) == 2
    assert api.requests == []


def test_asked_on_a_terminal(api: ApiServer, purged: Eatr) -> None:
    """What would go is shown first."""
    with Terminal(purged, "purge") as terminal:
        terminal.wait(r"5 Secrets named ecr to be deleted, in\n  default\n(  .*\n){4}Delete\? \[y/N\] $")
        assert writes(api) == []
        terminal.type("y\n")
        assert terminal.wait_exit() == 0
        assert terminal.text.endswith("5 Secrets deleted, nothing of eatr's is left\n")
    assert there(api) == {"taken"}


@pytest.mark.parametrize("keys", ["n\n", "\n", "\x04", "maybe\n", "\x03"])
def test_not_confirmed(api: ApiServer, purged: Eatr, keys: str) -> None:
    """Anything but yes is no: also the end of the input, and Ctrl-C."""
    with Terminal(purged, "purge") as terminal:
        terminal.wait(r"\[y/N\] $")
        terminal.type(keys)
        assert terminal.wait_exit() == 1
        assert "Nothing has been deleted: " in terminal.text
        assert "its turn" not in terminal.text
    assert writes(api) == []


def test_only_so_many_names_are_shown(api: ApiServer, ecr: Ecr, purged: Eatr) -> None:
    """Twenty, and how many more."""
    for number in range(20):
        api.add_namespace(f"more-{number:02}")
    purged.run("once")
    with Terminal(purged, "purge") as terminal:
        terminal.wait(r"25 Secrets named ecr to be deleted, in\n(  .*\n){20}  and 5 namespaces more\nDelete")
        terminal.type("y\n")
        assert terminal.wait_exit() == 0
    assert there(api) == {"taken"}


def test_json(api: ApiServer, purged: Eatr) -> None:
    """For programs; what is for people is beside it."""
    api.edit_secret("shop", data={"more": "data"})
    assert purged.run("purge", "--yes", "--output", "json") == 1
    outcome = json.loads("\n".join(purged.out))
    left = outcome.pop("left")
    assert outcome == {
        "context": "double",
        "server": api.url,
        "secret": "ecr",
        "dry_run": False,
        "found": ["default", "kube-system", "web", "web-test"],
        "deleted": 4,
        "accounts_found": 0,
        "accounts_changed": 0,
        "back": False,
    }
    assert left == [{"namespace": "shop", "reason": "it is not eatr's alone, kubectl-edit wrote to it, too"}]


def test_what_is_not_eatrs_alone_stays(api: ApiServer, purged: Eatr) -> None:
    """It is named, and the exit status says that something is left."""
    api.edit_secret("shop", data={"more": "data"})
    assert purged.run("purge", "--dry-run", "shop") == 0
    why = "  namespace shop: it is not eatr's alone, kubectl-edit wrote to it, too"
    assert purged.out[1:] == ["Would stay:", why]
    purged.out.clear()
    assert purged.run("purge", "--yes") == 1
    assert there(api) == {"shop", "taken"}
    assert purged.out[-3:] == ["Left:", why, "4 Secrets deleted"]


def drop_aws(one: Eatr) -> None:
    """No word of AWS."""
    one.write_config({name: keys for name, keys in one.config.items() if name != "aws"})


def spoil_aws(one: Eatr) -> None:
    """Nothing in it is as it should be."""
    text = one.config_path.read_text()
    one.write_config(text.replace("[aws]", "[registry !]\nhosts = ,\n[aws]\nno_key = 1\nverify = maybe"))


def lose_profile(one: Eatr) -> None:
    """A profile that is not there."""
    drop_aws(one)
    one.change_config({"aws": {"region": "eu-west-1", "profile": "gone"}})


@pytest.mark.parametrize("change", [drop_aws, spoil_aws, lose_profile])
def test_aws_does_not_matter(api: ApiServer, purged: Eatr, change: Callable[[Eatr], None]) -> None:
    """Whoever uninstalls may have taken the keys away before."""
    change(purged)
    assert purged.run("purge", "--yes") == 0
    assert there(api) == {"taken"}


def test_what_matters_of_the_configuration(api: ApiServer, purged: Eatr) -> None:
    """The rest of it has to be right."""
    purged.write_config(purged.config_path.read_text() + "[secret]\nname = Not/A/Name\n")
    assert purged.run("purge", "--yes") == 78
    assert api.requests == []


def test_metrics_are_not_served(api: ApiServer, ecr: Ecr, purged: Eatr, eatr: MakeEatr) -> None:
    """The port may be that of an eatr that runs for another cluster."""
    other = eatr({"secret": {"name": "other"}, "metrics": {"listen": f"127.0.0.1:{purged.metrics_port}"}})
    other.start().wait_ready()
    assert purged.run("purge", "--yes") == 0
    assert there(api) == {"taken"}


def test_failures_are_named(api: ApiServer, purged: Eatr) -> None:
    """Each one, with its cause, and without waiting for what will not change."""
    api.inject(faults.forbidden(), method="DELETE", path="/namespaces/web/")
    assert purged.run("purge", "--yes", timeout=10) == 1
    assert there(api) == {"web", "taken"}
    assert purged.out[-3] == "Left:"
    assert purged.out[-2].startswith("  namespace web: ") and "forbidden" in purged.out[-2]
    assert purged.out[-1] == "4 Secrets deleted"


def test_owners_are_told_nothing(api: ApiServer, purged: Eatr) -> None:
    """A policy that lets nothing be deleted is told to whoever purges, and to nobody else."""
    api.inject(faults.webhook_denied(), method="DELETE")
    assert purged.run("purge", "--yes", timeout=10) == 1
    assert purged.out[-1] == "0 Secrets deleted"
    assert len(writes(api)) == 5 and not api.matching("POST")


def test_what_passes_is_tried_again(api: ApiServer, purged: Eatr) -> None:
    """An error of the server, and one conflict."""
    api.inject(faults.kube_error(500, "InternalError", "it failed"), method="DELETE", path="/namespaces/web/", count=1)
    assert purged.run("purge", "--yes") == 0
    assert there(api) == {"taken"}


def test_an_api_server_that_is_away(api: ApiServer, purged: Eatr) -> None:
    """It gives up soon, and says why."""
    api.stop()
    assert purged.run("purge", "--yes", timeout=20) == 1
    assert len(purged.out) == 1 and "Nothing has been deleted: " in purged.out[0] and "onnect" in purged.out[0]


def test_an_eatr_that_still_runs(api: ApiServer, ecr: Ecr, purged: Eatr, eatr: MakeEatr) -> None:
    """It would go on for ever: whoever purges is told to stop it first."""
    other = eatr().start()
    other.wait_ready()
    assert purged.run("purge", "--yes", "shop", timeout=10) == 1
    assert any("come back" in line and "systemctl stop eatr" in line for line in purged.out)
    wait_fresh(ecr, api, "shop")


def test_stopped_between_requests(api: ApiServer, purged: Eatr) -> None:
    """Ctrl-C: what is under way ends, and nothing more begins."""
    purged.change_config({"renewal": {"max_in_flight": 1}})
    api.inject(faults.slow(1), method="DELETE")
    purged.start("purge", "--yes")
    wait_for(lambda: writes(api), what="the first request")
    purged.signal(signal.SIGINT)
    assert purged.wait_exit() == 1
    assert len(there(api)) == 5 and len(writes(api)) == 1
    assert "Ended early: told to stop" in purged.out
    assert purged.out[-1] == "1 Secret deleted"
