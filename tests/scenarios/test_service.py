"""What eatr does as a service: reloads, restarts, the end, and what it is handed by systemd."""

from __future__ import annotations

import os
import re
import signal
import socket
import time
from contextlib import closing

import pytest

import faults
from api_server import ApiServer
from conftest import MakeEatr, is_fresh, wait_fresh, writes
from eatr import Changes, Eatr, merged, wait_for
from ecr import Ecr
from ports import Port

# A reload ---------------------------------------------------------------------------------------------


def reload(one: Eatr) -> None:
    """SIGHUP, until systemd has been told of its beginning and its end."""
    sent = time.monotonic()
    one.signal(signal.SIGHUP)
    began = one.wait_notify("RELOADING", "1", since=sent)
    assert re.fullmatch(r"\d+", began.fields["MONOTONIC_USEC"])
    assert one.wait_notify("READY", "1", since=sent).time >= began.time


def change_and_reload(one: Eatr, changes: Changes) -> None:
    """A reload that must succeed."""
    one.change_config(changes)
    sent = time.monotonic()
    reload(one)
    one.wait_log("Reloaded: context double at ", since=sent)


def test_a_reload_applies_new_rules_without_another_list(ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """A namespace that was blacklisted has its Secret at once; the watches stand, and AWS is not asked."""
    api.add_namespace("shop")
    one = eatr({"namespaces": {"blacklist": "shop, kube-*"}}).start()
    one.wait_ready()
    before = len(api.matching("GET"))
    change_and_reload(one, {"namespaces": {"blacklist": "kube-*"}})
    wait_fresh(ecr, api, "shop", timeout=1)
    assert api.secret("kube-system") is None
    api.add_namespace("team-a")
    wait_fresh(ecr, api, "team-a", timeout=1)
    assert len(api.matching("GET")) == before and len(ecr.calls) == 1
    one.wait_status("3 of 3 namespaces have a fresh Secret, 1 excluded")

    change_and_reload(one, {"namespaces": {"blacklist": "kube-*, late"}})
    api.add_namespace("late")
    api.add_namespace("later")
    wait_fresh(ecr, api, "later", timeout=1)
    assert api.secret("late") is None


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"namespaces": {"blacklits": "x"}}, r"eatr\.conf:\d+: unknown key \"blacklits\".*did you mean"),
        ({"aws": {"aws_access_key_id": None}}, r"\[aws\] needs aws_access_key_id"),
        ({"kubernetes": {"kubeconfig": "/nowhere"}}, r"/nowhere: No such file"),
        ({"renewal": {"max_in_flight": "0"}}, r"eatr\.conf:\d+: max_in_flight"),
    ],
    ids=["key", "missing", "kubeconfig", "value"],
)
def test_a_bad_configuration_leaves_the_old_one_in_force(
    changes: Changes, why: str, ecr: Ecr, api: ApiServer, eatr: MakeEatr
) -> None:
    """With the reason in one line; --check-config says the same before, with exit status 78."""
    one = eatr({"namespaces": {"blacklist": "shop"}})
    one.start().wait_ready()
    one.change_config(merged({"namespaces": {"blacklist": "kube-*"}}, changes))
    sent = time.monotonic()
    reload(one)
    one.wait_log("error: Not reloaded, the old configuration stays in force: .*" + why, since=sent)
    api.add_namespace("shop")
    api.add_namespace("team-a")
    wait_fresh(ecr, api, "default", "kube-system", "team-a")
    assert api.secret("shop") is None

    judge = Eatr(one.directory / "judge", binary=one.binary)
    judge.config_path = one.config_path
    assert judge.run("--check-config") == 78 and re.search(why, judge.log[-1])
    judge.close()


def test_a_good_configuration_is_checked_without_a_word(ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """And nobody is asked for anything."""
    one = eatr()
    assert one.run("--check-config") == 0
    assert not (one.log or one.out or ecr.calls or api.requests)


def test_a_reload_takes_new_keys(ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """They are tried at once; keys that do not work cost nothing that works."""
    one = eatr().start()
    one.wait_ready()
    first, ecr.secret_key = ecr.last_token, "another/secret/key/of/40/characters/0000"
    change_and_reload(one, {"aws": {"aws_secret_access_key": ecr.secret_key + "x"}})
    one.wait_log("warning: No new token from .*the current token is good for another 1[12]h")
    api.add_namespace("shop")
    wait_fresh(ecr, api, "shop", timeout=1)
    assert ecr.last_token == first

    change_and_reload(one, {"aws": {"aws_secret_access_key": ecr.secret_key}})
    wait_for(lambda: ecr.last_token != first, 2)
    one.wait_status(r"fresh Secret.*; token good until [^;]*$")
    one.secrets.append(ecr.secret_key)


def test_a_reload_retries_at_once_what_had_failed(ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """Whoever has given the key its right does not wait for the next try."""
    ecr.fault = faults.access_denied()
    one = eatr().start()
    one.wait_log("error: No token from .*Trying again in [1-9][0-9]s")
    one.wait_ready()
    ecr.fault = None
    change_and_reload(one, {})
    wait_fresh(ecr, api, timeout=2)


def test_a_reload_goes_to_another_cluster(ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """With the token at hand, and counting on."""
    one = eatr().start()
    one.wait_ready()
    with ApiServer() as other:
        other.add_namespace("elsewhere")
        change_and_reload(one, {"kubernetes": {"kubeconfig": other.kubeconfig(one.directory / "other")}})
        wait_fresh(ecr, other, timeout=2)
        assert len(ecr.calls) == 1
        one.wait_status("3 of 3 namespaces have a fresh Secret")
        one.wait_metric("secrets_created_total", 5)
        before = len(writes(api))
        api.add_namespace("shop")
        other.add_namespace("team-a")
        wait_fresh(ecr, other, "team-a", timeout=1)
        assert len(writes(api)) == before
        one.stop()


def test_a_reload_takes_another_name_of_the_secret(ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """The one of the old name stays."""
    one = eatr().start()
    one.wait_ready()
    change_and_reload(one, {"secret": {"name": "pull"}})
    for namespace in api.namespaces():
        wait_for(lambda: api.secret(namespace, "pull"), 2, f"a Secret of the new name in {namespace}")
    assert is_fresh(ecr, api, "default")


def test_a_reload_changes_the_interval_and_the_verbosity(ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """The interval counts from the token that is in use."""
    one = eatr({"renewal": {"auth_token_renewal_interval": "11h"}}).start()
    one.wait_ready()
    change_and_reload(
        one, {"renewal": {"auth_token_renewal_interval": "1s"}, "log": {"verbosity": "4"}}
    )
    wait_for(lambda: len(ecr.calls) >= 3, 5)
    one.wait_log(r"^\d\d:\d\d:\d\d\.\d{3} [a-z-]+: ")


def test_a_reload_moves_the_metrics(ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """To another port, to another address of the same port, away and back; not to one that is taken."""
    one = eatr().start()
    one.wait_ready()
    first = one.metrics_port
    with closing(Port()) as second, closing(Port()) as taken:
        change_and_reload(one, {"metrics": {"listen": f"127.0.0.1:{second.number}"}})
        one.metrics_port = second.number
        assert one.metrics()["secrets_created_total"] == 2
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", first), 1)
        change_and_reload(one, {"metrics": {"listen": f"0.0.0.0:{second.number}"}})
        one.metrics()

        with socket.socket() as holder:
            holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            holder.bind(("127.0.0.1", taken.number))
            holder.listen()
            one.change_config({"metrics": {"listen": f"127.0.0.1:{taken.number}"}})
            reload(one)
            one.wait_log(f"error: Cannot serve metrics on 127.0.0.1 port {taken.number}: Address already in")
            one.wait_log("error: Not reloaded, the old configuration stays in force: Address already in use")
        one.metrics()
        change_and_reload(one, {"metrics": {"listen": "off"}})
        with pytest.raises(ConnectionRefusedError):
            one.metrics()
        change_and_reload(one, {"metrics": {"listen": f"127.0.0.1:{first}"}})
        one.metrics_port = first
        one.metrics()
        one.stop()


def test_a_reload_during_the_start_does_not_end_it(ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """systemctl start still returns when the first pass has been tried."""
    ecr.fault = faults.slow(1)
    one = eatr().start()
    wait_for(lambda: ecr.calls)
    one.signal(signal.SIGHUP)
    one.wait_log("Reloaded: ")
    assert not one.messages("READY") and not one.messages("RELOADING")
    one.wait_ready()
    assert all(api.secret(namespace) for namespace in api.namespaces())


def test_reloads_in_a_row_leak_nothing(ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """Descriptors, above all; the counters go on."""
    one = eatr().start()
    one.wait_ready()
    other = api.kubeconfig(one.directory / "other")
    other.write_text(other.read_text().replace("double", "again"))
    kubeconfigs = [other, one.directory / "kubeconfig"]
    seen = []
    for count in range(12):
        one.change_config({"kubernetes": {"kubeconfig": kubeconfigs[count % 2]}})
        reload(one)
        one.wait_metric("secrets_created_total", 2)
        wait_for(lambda: "2 of 2" in one.status)
        seen.append(len(os.listdir(f"/proc/{one.pid}/fd")))
    assert max(seen[6:]) <= max(seen[:6]) + 1, seen


# A restart --------------------------------------------------------------------------------------------


def test_a_restart_needs_no_aws(ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """With ECR away, new namespaces and lost Secrets are served with the stored token."""
    one = eatr().start()
    one.wait_ready()
    assert [name for name, _ in one.notify.fdstore] == ["token-1"]
    ecr.stop()
    one.restart().wait_ready(5)
    one.wait_log(r"Keeping the token for 123456789012\.dkr\S+, good for another 1[12]h.*; the next one in [56]h")
    api.add_namespace("shop")
    api.delete_secret("default")
    wait_fresh(ecr, api, timeout=2)
    assert len(ecr.calls) == 1
    one.wait_status(r"3 of 3 namespaces have a fresh Secret; token good until [^;]*, next in [56]h[^;]*$")


def test_only_the_last_token_is_stored(ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """However many there were."""
    one = eatr({"renewal": {"auth_token_renewal_interval": "1s"}}).start()
    wait_for(lambda: len(ecr.tokens) >= 3, 6)
    ecr.fault = faults.hang()  # what is on its way arrives, and nothing after it
    wait_fresh(ecr, api)
    one.restart("--auth-token-renewal-interval=6h").wait_ready()
    assert len(one.notify.fdstore) == 1
    calls = len(ecr.calls)
    api.add_namespace("shop")
    wait_fresh(ecr, api, "shop", timeout=2)
    assert len(ecr.calls) == calls


@pytest.mark.parametrize("number", [signal.SIGABRT, signal.SIGKILL], ids=["watchdog", "memory"])
def test_the_token_survives_what_kills_eatr(
    number: signal.Signals, ecr: Ecr, api: ApiServer, eatr: MakeEatr
) -> None:
    """The watchdog does it with SIGABRT, and the kernel without a word when memory is out."""
    one = eatr().start()
    one.wait_ready()
    before = len(writes(api))
    one.signal(number)
    assert one.wait_exit() == -number
    one.start().wait_ready()
    assert len(ecr.calls) == 1 and len(writes(api)) == before


def test_a_restart_with_other_keys_tries_them_and_keeps_the_token(
    ecr: Ecr, api: ApiServer, eatr: MakeEatr
) -> None:
    """They may be wrong."""
    one = eatr().start()
    one.wait_ready()
    one.change_config({"aws": {"aws_secret_access_key": "wrong/secret/key/of/40/characters/000000"}})
    one.restart().wait_ready()
    one.wait_log("Keeping the token for .*, asking for another one now")
    one.wait_log("warning: No new token from .*InvalidSignature")
    api.add_namespace("shop")
    wait_fresh(ecr, api, "shop", timeout=1)


def test_a_restart_for_another_region_does_not_use_the_token(
    ecr: Ecr, api: ApiServer, eatr: MakeEatr
) -> None:
    """It is for another registry."""
    one = eatr().start()
    one.wait_ready()
    one.change_config({"aws": {"region": "eu-central-1"}})
    one.restart().wait_ready()
    assert not any("Keeping the token" in line for line in one.log)
    one.wait_log("error: No token from ")


def test_what_cannot_be_read_in_the_store_is_no_reason_to_fail(
    ecr: Ecr, api: ApiServer, eatr: MakeEatr
) -> None:
    """A warning, and a new token."""
    one = eatr().start()
    one.wait_ready()
    (name, fd), = one.notify.fdstore
    one.notify.fdstore[:] = [(name, os.memfd_create("x")), ("something", os.memfd_create("y"))]
    os.close(fd)
    one.restart().wait_ready()
    one.wait_log("warning: The token that systemd has kept cannot be used: Bad message")
    one.wait_log('warning: systemd passes the descriptor "something", which is neither')
    assert len(ecr.calls) == 2


def test_a_socket_that_is_passed_is_listened_on(ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """Whatever [metrics] listen says, also after a reload."""
    one = eatr({"metrics": {"listen": "off"}})
    with socket.socket() as listener, closing(Port()) as port:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port.number))
        listener.listen()
        one.metrics_port = port.number
        one.notify.fdstore.append(("eatr.socket", os.dup(listener.fileno())))
        one.start().wait_ready()
        listener.close()
        assert one.metrics()["secrets_created_total"] == 2
        change_and_reload(one, {"metrics": {"listen": "127.0.0.1:1"}})
        one.metrics()
        one.stop()


# The end ----------------------------------------------------------------------------------------------


def test_a_write_under_way_is_finished_before_the_end(ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """And none is begun after the signal."""
    one = eatr({"renewal": {"max_in_flight": "1"}}).start()
    one.wait_ready()
    api.inject(faults.slow(1), method="PATCH")
    for name in ("shop", "team-a", "team-b"):
        api.add_namespace(name)
    wait_for(lambda: api.matching("PATCH", "/shop/"))
    one.stop(3)
    assert is_fresh(ecr, api, "shop")
    assert not api.matching("PATCH", "/team-a/") and not api.matching("PATCH", "/team-b/")
    assert not any("Giving up" in line for line in one.log)


def test_a_write_that_hangs_is_given_up_within_five_seconds(
    ecr: Ecr, api: ApiServer, eatr: MakeEatr
) -> None:
    """With a line that says so; a second signal does not wait at all."""
    one = eatr().start()
    one.wait_ready()
    api.inject(faults.hang(), method="PATCH")
    api.add_namespace("shop")
    wait_for(lambda: api.matching("PATCH", "/shop/"))
    sent = time.monotonic()
    one.stop(6)
    assert 3.9 < time.monotonic() - sent < 5
    one.wait_log("warning: Giving up on 1 writes")

    one.start().wait_notify("STATUS", "failing|fresh")
    wait_for(lambda: len(api.matching("PATCH", "/shop/")) == 2)
    one.signal(signal.SIGTERM)
    one.wait_notify("STOPPING", "1")
    one.stop(2)


# Not configured ---------------------------------------------------------------------------------------


def test_what_nobody_has_configured_is_told_apart_from_what_is_wrong(
    ecr: Ecr, api: ApiServer, eatr: MakeEatr
) -> None:
    """Exit status 1 with a line for the former; the start tells more of the latter."""
    one = eatr()
    assert one.run("--is-configured") == 0 and not one.log
    one.write_config((one.directory / "eatr.conf").read_text() + "[bad")
    assert one.run("--is-configured") == 0 and not one.log
    one.write_config("[aws]\nregion =\naws_access_key_id =\naws_secret_access_key =\n[namespaces]\nblacklist = x\n")
    assert one.run("--is-configured") == 1
    assert "Not configured yet" in one.log[0] and str(one.config_path) in one.log[0] and len(one.log) == 1
    one.config_path.unlink()
    assert one.run("--is-configured") == 0
    assert one.run() == 78


def test_a_configuration_that_cannot_work_is_in_the_status(
    ecr: Ecr, api: ApiServer, eatr: MakeEatr
) -> None:
    """Where systemctl status shows it."""
    one = eatr({"aws": {"regoin": "x"}})
    assert one.run() == 78
    one.wait_status(r'eatr\.conf:\d+: unknown key "regoin"')
