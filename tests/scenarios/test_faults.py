"""Servers that fail: eatr loses nothing, says what is wrong, asks with measure, and goes on by itself."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml  # type: ignore[import]

import faults
from api_server import ApiServer
from conftest import MakeEatr, in_background, wait_fresh, writes
from eatr import Eatr, wait_for
from ecr import Ecr
from http_double import Fault, Tls

EVERY_SECOND = {"renewal": {"auth_token_renewal_interval": "1s"}}


def pass_time(seconds: float) -> None:
    """Waits, where nothing is to happen."""
    end = time.monotonic() + seconds
    wait_for(lambda: time.monotonic() > end, seconds + 1)


def nothing_was_lost(ecr: Ecr, api: ApiServer) -> None:
    """No Secret was ever deleted, or written with anything but a token of ECR's."""
    assert {record.method for record in writes(api)} <= {"PATCH"}
    for change in api.store.history:
        if change.resource == "secrets" and change.after is not None:
            assert change.after["type"] == "kubernetes.io/dockerconfigjson" and change.after["data"]
    for namespace in api.namespaces():
        secret = api.secret(namespace)
        assert secret is None or set(secret.auths.values()) <= set(ecr.tokens)


# ECR --------------------------------------------------------------------------------------------------


@in_background
def test_an_outage_of_ecr_is_told_once_a_round_and_ends_by_itself(
    ecr: Ecr, api: ApiServer, eatr: MakeEatr
) -> None:
    """Three tries close together, then half a minute's rest; new namespaces get the old token meanwhile."""
    one = eatr({"renewal": {"auth_token_renewal_interval": "2s"}}).start()
    one.wait_ready()
    ecr.stop()
    line = one.wait_log("warning: No new token.*onnect.*Trying again in .*good for another 1[12]h")
    assert one.metrics()['eatr_aws_requests_total{service="ecr",outcome="error"}'] == 3
    api.add_namespace("shop")
    api.delete_secret("default")
    wait_fresh(ecr, api, timeout=1)
    before = ecr.last_token
    ecr.start()
    back = wait_for(lambda: ecr.last_token != before and time.monotonic(), 40)
    assert 14 < back - line.time < 35
    wait_fresh(ecr, api)
    one.wait_status("fresh Secret; token good until [^;]*$", since=back)
    nothing_was_lost(ecr, api)


@in_background
def test_an_ecr_that_never_answers_is_given_up_after_20_seconds(
    ecr: Ecr, api: ApiServer, eatr: MakeEatr
) -> None:
    """And asked again."""
    ecr.fault = faults.times(1, faults.hang())
    one = eatr().start("--logging-verbosity-level=4")
    one.wait_log("no answer in time", 25)
    wait_for(lambda: len(ecr.calls) == 2)
    assert 20 <= ecr.calls[1].time - ecr.calls[0].time < 23
    wait_fresh(ecr, api)


@pytest.mark.parametrize(
    "fault",
    [faults.server_error(), faults.server_error(503), faults.throttled(), faults.reset(), faults.truncated()],
    ids=["500", "503", "throttled", "reset", "truncated"],
)
def test_a_passing_fault_of_ecr_is_not_worth_a_warning(
    fault: Fault, ecr: Ecr, api: ApiServer, eatr: MakeEatr
) -> None:
    """A second try follows after about a second."""
    ecr.fault = faults.times(1, fault)
    one = eatr().start()
    one.wait_ready()
    wait_fresh(ecr, api)
    assert 0.4 < ecr.calls[1].time - ecr.calls[0].time < 1.5 and len(ecr.calls) == 2
    assert not any("warning" in line for line in one.log)


@in_background
def test_a_token_that_hardly_lives_is_no_reason_to_hammer(
    ecr: Ecr, api: ApiServer, eatr: MakeEatr
) -> None:
    """Also when an interval is given, which the token's life cuts short."""
    ecr.lifetime = 1
    eatr({"renewal": {"auth_token_renewal_interval": "6h"}}).start()
    wait_for(lambda: len(ecr.calls) == 3, 15)
    times = [call.time for call in ecr.calls]
    assert all(later - earlier > 4.9 for earlier, later in zip(times, times[1:]))


def test_a_clock_that_is_off_by_days_is_named(ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """It is not corrected, as the answer may be wrong as well; but nobody is sent to look at the keys."""
    ecr.clock_offset = 3 * 86400.0
    one = eatr()
    assert one.run("once") == 1
    assert "clock differs" in next(line for line in one.log if "No token" in line)


@pytest.mark.parametrize("hours", [2, -2])
def test_a_wrong_clock_is_corrected_by_awss(hours: int, ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """The first call is refused, the second is signed with AWS's time, and so is every later one."""
    ecr.clock_offset = hours * 3600.0
    one = eatr(EVERY_SECOND).start()
    one.wait_ready()
    wait_for(lambda: len(ecr.tokens) == 3)
    assert [call.error for call in ecr.calls[:3]] == ["InvalidSignatureException", None, None]
    assert ecr.calls[1].time - ecr.calls[0].time < 0.5
    side = "behind" if hours > 0 else "ahead of"
    clock = [line for line in one.log if "clock" in line]
    assert len(clock) == 1
    assert re.search(f"warning: This host's clock is (2h|1h 59min.*) {side} AWS's", clock[0])
    assert one.metrics()["eatr_clock_skew_seconds"] == pytest.approx(hours * 3600, abs=2)
    wait_fresh(ecr, api)


def test_a_restart_under_a_wrong_clock_writes_nothing(ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """The annotations are in AWS's time, and are read so."""
    ecr.clock_offset = 7200.0
    one = eatr().start()
    one.wait_ready()
    one.stop()
    one.start().wait_ready()
    one.wait_status("2 of 2 namespaces have a fresh Secret")
    secret = api.secret("default")
    when = time.strftime("%Y-%m-%dT%H:", time.gmtime(ecr.now() - 10))
    assert secret is not None and secret.annotations["eatr/renewed-at"].startswith(when)
    assert len(writes(api)) == 2


# An API server that goes and comes back ---------------------------------------------------------------


def test_an_outage_of_the_api_server_loses_nothing(ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """What happened meanwhile is seen afterwards, and eatr renews as before."""
    one = eatr(EVERY_SECOND).start()
    one.wait_ready()
    api.stop()
    one.wait_log("warning: Cannot read namespaces from .*; trying again in")
    one.wait_log("warning: Cannot read Secrets from .*; trying again in")
    one.wait_log("warning: The API server takes no writes: .*Secrets keep what they have")
    one.wait_status("API server: ")
    api.add_namespace("shop")
    api.remove_namespace("kube-system")
    api.delete_secret("default")
    tokens = len(ecr.tokens)
    wait_for(lambda: len(ecr.tokens) > tokens + 1)
    api.start()
    back = time.monotonic()
    one.wait_metric("secret_renewals_total", lambda n: n >= 2)
    one.wait_log("takes writes again", since=back)
    ecr.fault = faults.throttled()
    wait_fresh(ecr, api, "default", "shop")
    assert api.secret("kube-system") is None
    nothing_was_lost(ecr, api)


@in_background
def test_an_api_server_is_found_again_within_seconds(ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """However long it was away, and though nobody hammered at its door meanwhile."""
    one = eatr({"renewal": {"auth_token_renewal_interval": "5s"}}).start()
    one.wait_ready()
    api.stop()
    pass_time(40)
    api.add_namespace("shop")
    api.delete_secret("default")
    api.start()
    wait_fresh(ecr, api, "default", "shop", timeout=7)
    requests = 'eatr_kube_requests_total{verb="%s",code="0"}'
    samples = one.metrics()
    assert sum(samples.get(requests % verb, 0) for verb in ("list", "watch", "apply")) < 60
    nothing_was_lost(ecr, api)


def test_writes_to_a_server_that_takes_none_are_tried_one_at_a_time(
    ecr: Ecr, api: ApiServer, eatr: MakeEatr
) -> None:
    """The first ones fail together; then a single one finds out, for all namespaces."""
    for i in range(98):
        api.add_namespace(f"team-{i}")
    injection = api.inject(faults.unavailable(), method="PATCH")
    eatr({"renewal": {"max_in_flight": 8}}).start().wait_ready()
    wait_for(lambda: injection.hits >= 11)
    times = [record.time for record in writes(api)]
    assert all(later - earlier > 0.2 for earlier, later in zip(times[8:], times[9:]))
    injection.remove()
    wait_fresh(ecr, api)


def test_an_answer_that_is_a_no_ends_an_outage_too(ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """Only one namespace wants to be written, and is not: that is its trouble, not the server's any more."""
    one = eatr().start()
    one.wait_ready()
    api.inject(faults.unavailable(), method="PATCH", path="/default/", count=2)
    api.inject(faults.webhook_denied(), method="PATCH", path="/default/")
    api.delete_secret("default")
    one.wait_log("warning: The API server takes no writes")
    one.wait_log("The API server takes writes again")
    one.wait_status(r"^1 of 2 namespaces have a fresh Secret, 1 failing; token good until [^;]*; namespace default: [^;]*$")


def test_an_api_server_that_forgot_its_history_is_listed_anew(
    ecr: Ecr, api: ApiServer, eatr: MakeEatr
) -> None:
    """410 in the watch: what came, went and changed in the gap is put right by the list."""
    one = eatr().start()
    one.wait_ready()
    api.stop()
    api.add_namespace("shop")
    api.remove_namespace("kube-system")
    api.delete_secret("default")
    api.compact()
    api.start()
    wait_fresh(ecr, api)
    one.wait_metric("eatr_relists_total", 2)
    one.wait_status("2 of 2 namespaces have a fresh Secret")
    good = [record.path.split("/")[4] for record in writes(api) if record.status < 300]
    assert sorted(good) == ["default", "default", "kube-system", "shop"]


@pytest.mark.parametrize(
    "down", ["namespaces", "secrets", "PATCH"], ids=["namespaces", "Secrets", "writes"]
)
def test_a_start_while_a_part_of_the_api_server_fails_is_made_up_for(
    down: str, ecr: Ecr, api: ApiServer, eatr: MakeEatr
) -> None:
    """Nothing is written as long as one of the lists is missing."""
    method, path = ("PATCH", "") if down == "PATCH" else ("GET", f"/{down}")
    injection = api.inject(faults.unavailable(), method=method, path=path)
    one = eatr().start()
    one.wait_ready()
    one.wait_status("API server: etcdserver")
    assert one.get("/readyz")[0] == 503
    assert not [record for record in writes(api) if record.status < 300]
    injection.remove()
    wait_fresh(ecr, api)


def test_500_for_everything_is_asked_with_measure(ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """Fewer and fewer requests, one warning for each thing that fails, and a recovery without help."""
    one = eatr(EVERY_SECOND).start()
    one.wait_ready()
    injection = api.inject(faults.unavailable(500))
    api.drop_watches()
    began, seen = time.monotonic(), len(api.requests)
    pass_time(4)
    assert len(api.requests) - seen < 30 and injection.hits > 5
    for text in ("Cannot read namespaces", "Cannot read Secrets"):
        lines = [line for line in one.log if text in line and "etcdserver" in line]
        assert len(lines) == 1
    assert len([line for line in one.log if line.time > began]) < 30
    assert not any("every Secret is good" in line for line in one.log)
    injection.remove()
    back = time.monotonic()
    ecr.fault = faults.throttled()
    wait_fresh(ecr, api, timeout=20)
    one.wait_status(r"2 of 2 namespaces have a fresh Secret; [^;]*(; AWS: [^;]*)?$", since=back)
    nothing_was_lost(ecr, api)


def test_500_for_every_write_is_asked_and_told_with_measure(
    ecr: Ecr, api: ApiServer, eatr: MakeEatr
) -> None:
    """However many namespaces there are: what is true of all of them is not said of each again and again."""
    for i in range(98):
        api.add_namespace(f"team-{i}")
    injection = api.inject(faults.unavailable(500), method="PATCH")
    one = eatr().start()
    one.wait_ready()
    pass_time(3)
    assert len(one.log) < 120 and 10 < injection.hits < 400
    injection.remove()
    wait_fresh(ecr, api, timeout=20)


# 429 and 401 ------------------------------------------------------------------------------------------


def test_retry_after_is_obeyed_by_all_writes(ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """One 429 for one namespace, and no write at all for as long as it says."""
    for i in range(8):
        api.add_namespace(f"team-{i}")
    api.inject(faults.too_many_requests(2), method="PATCH", count=1)
    one = eatr({"renewal": {"max_in_flight": 1}}).start()
    line = one.wait_log("warning: .* takes no writes: .*429: Too many requests.*trying again in [23]")
    wait_fresh(ecr, api)
    first, second = writes(api)[:2]
    assert 2 <= second.time - first.time < 3.5 and len(writes(api)) == 11
    one.wait_log("The API server takes writes again", since=line.time)
    assert one.wait_metric("secrets_created_total", 10)


@pytest.mark.parametrize("watch", [False, True], ids=["list", "watch"])
def test_retry_after_is_obeyed_by_reads(watch: bool, ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """A watch and a list wait as long, the other collection does not."""
    api.inject(faults.too_many_requests(2), path="/namespaces", watch=watch, count=1)
    one = eatr().start()
    one.wait_log("warning: Cannot read namespaces .*429: Too many requests.*trying again in [23]")
    wait_for(lambda: len(api.watches) == 2)
    first, second = api.matching("GET", "/namespaces", watch=watch)[:2]
    assert 2 <= second.time - first.time < 3.5
    one.wait_ready()
    wait_fresh(ecr, api)


def test_a_retry_after_of_hours_is_a_minute(ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """A gateway's page must not make eatr blind for longer than that."""
    api.inject(faults.too_many_requests(7200), watch=False, path="/secrets")
    api.inject(faults.too_many_requests(7200), method="PATCH")
    one = eatr().start()
    one.wait_log("warning: Cannot read Secrets .*trying again in 1min( [12]?[0-9]s)?$")


def test_429_without_retry_after_is_asked_with_measure(ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """The pauses grow."""
    injection = api.inject(faults.too_many_requests(), method="PATCH")
    eatr({"renewal": {"max_in_flight": 1}}).start().wait_ready()
    wait_for(lambda: injection.hits == 4)
    times = [record.time for record in writes(api)]
    assert times[1] - times[0] > 0.2 and times[2] - times[1] > 0.4 and times[3] - times[2] > 0.9
    injection.remove()
    wait_fresh(ecr, api)


@pytest.mark.tls
def test_a_rotated_token_file_ends_401(
    tmp_path: Path, ecr: Ecr, api: ApiServer, eatr: MakeEatr
) -> None:
    """The API server takes another token from some moment on; the file is read anew, without a restart."""
    one = eatr({"renewal": {"auth_token_renewal_interval": "2s"}})
    path, file = one.directory / "kubeconfig", one.directory / "token"
    file.write_text(f"{api.token}\n")
    tree = yaml.safe_load(path.read_text())
    tree["users"][0]["user"] = {"tokenFile": "token"}
    path.write_text(yaml.safe_dump(tree))
    one.secrets += ["the-first-bearer-token", "the-second-bearer-token"]
    one.start().wait_ready()
    wait_fresh(ecr, api)
    api.token = "the-second-bearer-token"
    api.drop_watches()
    one.wait_log("warning: Cannot read .*Unauthorized")
    one.wait_log("warning: The API server takes no writes: Unauthorized")
    assert one.get("/readyz")[0] == 503
    refused = len([record for record in api.requests if record.status == 401])
    file.write_text(f"{api.token}\n")
    since = time.monotonic()
    tokens = len(ecr.tokens)
    wait_for(lambda: len(ecr.tokens) > tokens)
    ecr.fault = faults.throttled()
    wait_fresh(ecr, api, timeout=15)
    one.wait_log("takes writes again", since=since)
    assert refused < 20
    nothing_was_lost(ecr, api)


@pytest.mark.tls
def test_another_certificate_authority_is_not_trusted(
    tmp_path: Path, ecr: Ecr, api: ApiServer, eatr: MakeEatr
) -> None:
    """Nothing is sent to such a server, and the line says why."""
    (tmp_path / "other").mkdir()
    other = Tls.make(tmp_path / "other")
    one = eatr()
    path = one.directory / "kubeconfig"
    tree = yaml.safe_load(path.read_text())
    tree["clusters"][0]["cluster"] = {"server": api.url, "certificate-authority": str(other.ca)}
    path.write_text(yaml.safe_dump(tree))
    assert one.run("once") == 1
    assert any("certificate" in line for line in one.log) and not api.requests
    one = eatr({"aws": {"ca_bundle": other.ca}})
    assert one.run("once") == 1
    assert any(re.search("No token from .*certificate", line) for line in one.log)
    assert len(ecr.calls) == 1


# Watches ----------------------------------------------------------------------------------------------


def test_without_managed_fields_nothing_is_healed_in_vain(ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """Some proxies and plugins take them out; what the labels and annotations say has to do."""
    api.inject(faults.without("managedFields"))
    one = eatr(EVERY_SECOND).start()
    one.wait_ready()
    wait_for(lambda: len(ecr.tokens) == 4)
    ecr.fault = faults.throttled()
    wait_fresh(ecr, api)
    assert one.metrics()["eatr_secret_heals_total"] == 0 and len(writes(api)) == 8
    api.delete_secret("default")
    wait_fresh(ecr, api, timeout=1)


@pytest.mark.parametrize("cut", [False, True], ids=["ended", "cut"])
def test_a_watch_that_ends_goes_on_from_where_it_was(
    cut: bool, ecr: Ecr, api: ApiServer, eatr: MakeEatr
) -> None:
    """No event is missed, nothing is listed again, and it is soon there again."""
    one = eatr().start()
    one.wait_ready()
    for i in range(3):
        api.drop_watches(cut=cut)
        api.add_namespace(f"team-{i}")
        api.delete_secret("default")
        wait_fresh(ecr, api, timeout=4)
        wait_for(lambda: len(api.watches) == 2)
    assert len(api.matching("GET", watch=False)) == 2 and len(writes(api)) == 2 + 6
    assert one.wait_metric("eatr_watch_restarts_total", 6)


def test_after_a_restore_of_etcd_versions_go_back(ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """A watch from a version that is yet to come would be silent; one cheap question tells."""
    one = eatr().start()
    one.wait_ready()
    for i in range(40):
        api.edit_namespace("default", labels={"x": str(i)})
    wait_for(lambda: len(api.watches) == 2)
    api.bookmark()
    wait_for(lambda: not any(watch.bookmark_due for watch in api.watches))
    api.stop()
    one.wait_log("warning: Cannot read namespaces.*onnect")
    one.wait_log("warning: Cannot read Secrets.*onnect")
    pass_time(3)  # each has been refused more than once
    api.store.rewind(30)
    api.delete_secret("kube-system")
    seen = len(api.requests)
    api.start()
    wait_fresh(ecr, api)
    wait_for(lambda: len(api.watches) == 2)
    api.add_namespace("shop")
    wait_fresh(ecr, api, timeout=1)
    one.wait_log("warning: The API server's versions went back")
    checks = [record for record in api.requests[seen:] if "limit" in record.query]
    assert {record.path for record in checks} == {"/api/v1/namespaces", "/api/v1/secrets"}
    assert "fieldSelector" in next(record.query for record in checks if record.path.endswith("secrets"))


def test_an_outage_alone_is_no_reason_to_list(ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """The same question is answered with yes then."""
    one = eatr().start()
    one.wait_ready()
    api.stop()
    one.wait_log("warning: Cannot read namespaces.*onnect")
    one.wait_log("warning: Cannot read Secrets.*onnect")
    pass_time(3)
    api.add_namespace("shop")
    api.start()
    wait_fresh(ecr, api)
    assert one.wait_metric("eatr_watch_restarts_total", lambda n: n >= 2)["eatr_relists_total"] == 0
    lists = [record for record in api.matching("GET", watch=False) if "limit" not in record.query]
    assert len([record for record in lists if record.path != "/livez"]) == 2


def test_410_as_a_status_is_answered_with_a_list(ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """Also when the list is too old in its turn, or ahead of the server."""
    one = eatr().start()
    one.wait_ready()
    for fault in (None, faults.gone(), faults.too_large_version()):
        lists = len(api.matching("GET", watch=False))
        api.inject(faults.gone(), watch=True, path="/namespaces", count=1)
        if fault:
            api.inject(fault, watch=False, path="/namespaces", count=1)
        api.drop_watches()
        wait_for(lambda: len(api.matching("GET", watch=False)) == lists + 1 + bool(fault))
        api.add_namespace(f"team-{lists}")
        wait_fresh(ecr, api)
    assert one.metrics()["eatr_relists_total"] == 3
    last = api.matching("GET", "/namespaces", watch=False)[-1]
    assert not last.query["resourceVersion"]  # what is true now


def test_410_for_every_watch_is_asked_with_measure(ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """As where the servers of one cluster disagree on what is too old."""
    one = eatr().start()
    one.wait_ready()
    injection = api.inject(faults.gone(), watch=True)
    api.drop_watches()
    seen = len(api.requests)
    pass_time(4)
    assert 4 <= injection.hits <= 14 and len(api.requests) - seen <= 30
    injection.remove()
    api.add_namespace("shop")
    wait_fresh(ecr, api)
    assert all("ended at once" in line for line in one.log if "warning" in line)  # the one that was dropped


def test_bookmarks_move_a_watch_on(ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """A watch that ends after one goes on from it, though nothing else happened in it."""
    eatr({"secret": {"name": "other"}}).start().wait_ready()
    api.put_secret("default")  # not the watched one
    version = api.store.rv
    api.bookmark()
    wait_for(lambda: not any(watch.bookmark_due for watch in api.watches))
    seen = len(api.requests)
    api.drop_watches()
    wait_for(lambda: len(api.matching("GET", watch=True)) == 4)
    assert [record.query["resourceVersion"] for record in api.requests[seen:]] == [str(version)] * 2


def test_very_short_watches_are_begun_with_measure(ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """A server that ends each watch at once is not asked a thousand times."""
    injection = api.inject(faults.empty_watch(), watch=True)
    one = eatr().start()
    one.wait_ready()
    pass_time(4)
    assert 4 <= injection.hits < 16
    assert len([line for line in one.log if "warning" in line]) <= 2
    injection.remove()
    api.add_namespace("shop")
    wait_fresh(ecr, api, timeout=15)


@pytest.mark.parametrize("end", ["eof", "cut"])
def test_half_a_line_is_no_event(end: str, ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """The watch is begun again from where it was, and nothing is missed."""
    api.inject(faults.half_line(end), watch=True, count=2)
    one = eatr().start()
    one.wait_log("warning: Cannot read namespaces")
    api.add_namespace("shop")
    wait_fresh(ecr, api)
    wait_for(lambda: len(api.watches) == 2)
    assert len(writes(api)) == 3


def test_a_line_of_50_mb_is_not_kept_in_memory(ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """It is left out from a few MB on, told in words, and what follows it is read."""
    one = eatr().start()
    one.wait_ready()
    before = one.rss_kb()
    injection = api.inject(faults.huge_line(), path="/namespaces", watch=True, count=2)
    api.drop_watches()
    one.wait_log("warning: /api/v1/namespaces: leaving out an object that is too large")
    wait_for(lambda: injection.left == 0)
    api.add_namespace("shop")
    wait_fresh(ecr, api)
    assert one.rss_kb() - before < 20_000
    assert all("ended at once" in line for line in one.log if "Cannot read" in line)


def test_one_namespaces_huge_object_is_its_own_trouble(ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """Whoever may write in a namespace can make its Secret's metadata as large as etcd takes it."""
    api.add_namespace("bully")
    one = eatr().start()
    one.wait_ready()
    api.inject(faults.bloated("bully"), path="/secrets")
    api.drop_watches()
    api.edit_secret("bully", labels={"x": "y"})
    one.wait_log("warning: /api/v1/secrets: leaving out an object")
    api.delete_secret("default")
    wait_fresh(ecr, api, "default", timeout=2)
    one.stop()
    api.delete_secret("default")
    one.start().wait_ready()
    wait_fresh(ecr, api, "default")


def test_a_list_of_10000_namespaces_takes_little_memory(ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """Each with 2 kB of annotations, of which nothing is kept."""

    def metadata(i: int) -> dict[str, object]:
        return {"name": f"made-up-{i}", "uid": str(i), "annotations": {"x": "y" * 2000}}

    api.inject(faults.big_list(10_000, metadata), path="/namespaces", watch=False)
    one = eatr({"namespaces": {"blacklist": "made-up-*"}}).start()
    one.wait_ready()
    before = one.rss_kb()
    one.wait_metric('eatr_namespaces{state="blacklisted"}', 10_000)
    assert before < 120_000 and not writes(api)


# One namespace's trouble ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (faults.unavailable(500), "etcdserver"),
        (faults.forbidden(), "cannot patch resource"),
        (faults.quota_exceeded(), "exceeded quota"),
        (faults.webhook_denied(), "no pull secrets here"),
        (faults.kube_error(409, "Conflict", "the object has been modified"), "modified"),
    ],
    ids=["500", "403", "quota", "webhook", "409"],
)
def test_one_namespaces_failure_is_its_own(
    fault: Fault, reason: str, ecr: Ecr, api: ApiServer, eatr: MakeEatr
) -> None:
    """The others are written and renewed as ever; it is told, and tried again with measure."""
    injection = api.inject(fault, method="PATCH", path="/kube-system/")
    one = eatr(EVERY_SECOND).start()
    one.wait_ready()
    one.wait_log(f"warning: namespace kube-system: cannot write Secret ecr: .*{reason}.*trying again in")
    one.wait_status("1 of 2 namespaces have a fresh Secret, 1 failing")
    assert one.get("/readyz")[0] == 200
    api.add_namespace("shop")
    wait_for(lambda: len(ecr.tokens) == 4)
    ecr.fault = faults.throttled()
    wait_fresh(ecr, api, "default", "shop")
    assert 1 <= injection.hits <= 4 and api.secret("kube-system") is None
    assert one.metrics()['eatr_namespaces{state="failing"}'] == 1


def test_a_right_that_is_given_back_is_used_everywhere_at_once(
    ecr: Ecr, api: ApiServer, eatr: MakeEatr
) -> None:
    """The first namespace that finds out tells the others, which had a long wait before them."""
    for i in range(20):
        api.add_namespace(f"team-{i}")
    injection = api.inject(faults.forbidden(), method="PATCH")
    one = eatr().start()
    one.wait_ready()
    one.wait_status("0 of 22 namespaces have a fresh Secret, 22 failing.*; namespace .*cannot patch resource")
    assert one.get("/readyz") == (503, "no Secret can be written\n")
    wait_for(lambda: injection.hits >= 22 * 4, 20, "each has been tried four times, and waits 4 to 8 s")
    injection.remove()
    api.add_namespace("new")
    wait_fresh(ecr, api, "new", timeout=1)
    assert one.get("/readyz")[0] == 200  # somebody can pull
    wait_fresh(ecr, api, timeout=15)
    times = sorted(record.time for record in writes(api) if record.status == 201)
    assert times[-1] - times[1] < 1


def test_404_for_a_write_is_told_when_it_lasts(ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """Once is a namespace that is going; twice is something that somebody should know."""
    api.inject(faults.kube_error(404, "NotFound", "the page is not here"), method="PATCH", path="/default/")
    one = eatr().start()
    one.wait_log("warning: namespace default: cannot write Secret ecr: the page is not here")
    assert len(api.matching("PATCH", "/default/")) == 2


def test_what_a_webhook_takes_out_each_time_is_a_fight(ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """A write that succeeds and leaves no Secret as it should be is not repeated for ever."""
    api.inject(faults.without("annotations"), method="PATCH")
    api.inject(faults.without("annotations"), path="/secrets", method="GET")
    one = eatr().start()
    one.wait_ready()
    one.wait_log("warning: namespace default: something keeps (changing|deleting) Secret ecr.*once a minute")
    one.wait_log("warning: namespace kube-system: something keeps changing")
    pass_time(1)
    assert len(writes(api)) <= 2 * 7


def test_a_new_account_is_written_at_once(ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """Pods cannot pull from the new registry with a token of the old one, however good that is."""
    one = eatr().start()
    one.wait_ready()
    one.stop()
    ecr.proxy_endpoint = ecr.proxy_endpoint.replace("123456789012", "210987654321")
    one.start().wait_ready()
    wait_fresh(ecr, api)
    assert len(writes(api)) == 4
    api.delete_secret("default")
    wait_fresh(ecr, api, timeout=1)


@in_background
def test_a_write_that_hangs_holds_up_nobody_and_is_given_up_after_45_seconds(
    ecr: Ecr, api: ApiServer, eatr: MakeEatr
) -> None:
    """Meanwhile others are written; afterwards it is tried again."""
    api.inject(faults.hang(), method="PATCH", path="/default/", count=1)
    one = eatr().start()
    wait_fresh(ecr, api, "kube-system")
    api.add_namespace("shop")
    wait_fresh(ecr, api, "shop", timeout=1)
    one.wait_log("warning: .*no answer in time", 50)
    wait_fresh(ecr, api, "default", timeout=5)
    first, second = api.matching("PATCH", "/default/")
    assert 45 <= second.time - first.time < 48


@in_background
def test_a_connection_that_died_unseen_is_noticed_by_asking(
    ecr: Ecr, api: ApiServer, eatr: MakeEatr
) -> None:
    """Watches that say nothing any more, as behind a proxy that lost its server; each is asked after 30 s."""
    api.inject(faults.watch_lines(end="hold"), watch=True, count=2)
    api.inject(faults.hang(), path="/livez", count=2)
    one = eatr().start()
    one.wait_ready()
    api.add_namespace("shop")
    wait_for(lambda: api.matching("GET", "/livez"), 65)
    began = time.monotonic()
    wait_for(lambda: api.secret("shop"), 25)
    assert 14 < time.monotonic() - began < 20 and began - one.started < 65
    wait_fresh(ecr, api)


@in_background
def test_a_silent_watch_that_lives_is_left_alone(ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """The probe is answered, and nothing is begun anew."""
    one = eatr().start()
    one.wait_ready()
    wait_for(lambda: api.matching("GET", "/livez"), 45)
    api.add_namespace("shop")
    wait_fresh(ecr, api, timeout=1)
    assert len(api.matching("GET", watch=True)) == 2 and not any("warning" in line for line in one.log)


@in_background
def test_a_watch_that_is_alone_on_its_connection_is_begun_again_each_minute(
    ecr: Ecr, api: ApiServer, eatr: MakeEatr
) -> None:
    """Over HTTP/1.1 the probe is another connection's, and a proxy may have lost what is behind this one."""
    api.inject(faults.watch_lines(end="hold"), watch=True, path="/namespaces", count=1)
    one = eatr().start()
    one.wait_ready()
    api.add_namespace("shop")
    wait_fresh(ecr, api, "shop", timeout=70)
    first, second = api.matching("GET", "/namespaces", watch=True)
    assert 60 <= second.time - first.time < 65
    assert second.query["resourceVersion"] == first.query["resourceVersion"]
    assert not any("warning" in line for line in one.log)


@in_background
def test_a_fight_over_a_secret_is_not_joined_for_long(ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """Five times at once, then once a minute, with a warning; other namespaces heal as ever."""
    one = eatr().start()
    one.wait_ready()
    for _ in range(5):
        api.delete_secret("default")
        wait_fresh(ecr, api, "default", timeout=1)
    api.delete_secret("default")
    one.wait_log("warning: namespace default: something keeps (changing|deleting) Secret ecr.*once a minute")
    api.delete_secret("kube-system")
    wait_fresh(ecr, api, "kube-system", timeout=1)
    assert len(api.matching("PATCH", "/default/")) == 6
    wait_for(lambda: api.secret("default"), 65)
    times = [record.time for record in api.matching("PATCH", "/default/")]
    assert len(times) == 7 and 59 < times[6] - times[1] < 62
    assert len([line for line in one.log if "keeps deleting" in line]) == 1


@in_background
def test_a_heal_that_fails_is_no_fight(ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """Nobody meddles with a Secret only because the API server is away while it is to be written back."""
    one = eatr().start()
    one.wait_ready()
    injection = api.inject(faults.unavailable(), method="PATCH", count=6)
    api.delete_secret("default")
    wait_for(lambda: injection.left == 0, 40)
    wait_fresh(ecr, api, timeout=20)
    assert not any(re.search("keeps (changing|deleting)", line) for line in one.log)


# All of it ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [1, 2])
def test_after_any_mixture_of_trouble_all_is_right(
    seed: int, ecr: Ecr, api: ApiServer, eatr: MakeEatr
) -> None:
    """People and faults at random for some seconds; then every Secret is there, and no write too many."""

    def forget() -> None:
        api.drop_watches()
        api.compact()

    dice = random.Random(seed)
    names = [f"team-{i}" for i in range(12)]
    meddled: list[str] = []
    troubles = [faults.unavailable(500), faults.unavailable(), faults.reset(), faults.too_many_requests(1)]
    moves: list[Callable[[], None]] = [forget, api.bookmark, api.drop_watches, api.cut_connections]
    troubles += [faults.html(), faults.truncated(), faults.slow(0.3), faults.half_line(), faults.gone()]

    def calm(name: str) -> bool:
        meddled.append(name)
        return meddled.count(name) <= 2  # more would be a fight

    def act() -> None:
        name = dice.choice(names)
        kind = dice.randrange(8)
        there, has = name in api.namespaces(), api.secret(name) is not None
        if kind < 3 and not there:
            api.add_namespace(name)
        elif kind == 3 and there:
            api.remove_namespace(name)
        elif kind == 4 and has and calm(name):
            api.delete_secret(name)
        elif kind == 5 and has and calm(name):
            api.edit_secret(name, data={".dockerconfigjson": '{"auths":{}}'})
        elif kind == 6:
            api.inject(dice.choice(troubles), count=2)
        elif kind == 7:
            moves[dice.randrange(4)]()

    one = eatr({"renewal": {"auth_token_renewal_interval": "1s"}}).start()
    one.wait_ready()
    for _ in range(120):
        act()
        pass_time(dice.choice([0.0, 0.01, 0.05]))
    api.clear_faults()
    tokens = len(ecr.tokens)
    wait_for(lambda: len(ecr.tokens) > tokens)
    ecr.fault = faults.throttled()
    wait_fresh(ecr, api, timeout=40)
    one.wait_metric('eatr_namespaces{state="fresh"}', len(api.namespaces()))
    done = api.store.rv
    pass_time(1)
    assert api.store.rv == done


# With measure -----------------------------------------------------------------------------------------


def spent(one: Eatr, seconds: float) -> tuple[float, int]:
    """The CPU time that eatr needs for a while, and how often it wakes up."""

    def now() -> tuple[float, int]:
        fields = Path(f"/proc/{one.pid}/stat").read_text().rpartition(")")[2].split()
        status = Path(f"/proc/{one.pid}/status").read_text()
        wakeups = re.search(r"^voluntary_ctxt_switches:\s+(\d+)", status, re.MULTILINE)
        assert wakeups
        return (int(fields[11]) + int(fields[12])) / 100, int(wakeups[1])

    cpu, wakeups = now()
    pass_time(seconds)
    return now()[0] - cpu, now()[1] - wakeups


@in_background
def test_eatr_sleeps_when_there_is_nothing_to_do(ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """Hardly any CPU time, a handful of wake-ups; also while both servers are away."""
    one = eatr({"renewal": {"auth_token_renewal_interval": "30s"}}).start()
    one.wait_ready()
    cpu, wakeups = spent(one, 10)
    assert cpu <= 0.03 and wakeups <= 10
    ecr.stop()
    api.stop()
    cpu, wakeups = spent(one, 15)
    assert cpu <= 0.2 and wakeups < 150
    api.start()
    ecr.start()
    one.wait_metric("secret_renewals_total", lambda n: n >= 2, 60)


def test_a_hanging_server_costs_no_cpu_time(ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """Requests that wait for an answer wait without looking."""
    ecr.fault = faults.hang()
    api.inject(faults.hang())
    one = eatr().start()
    wait_for(lambda: ecr.calls and len(api.requests) == 2)
    cpu, wakeups = spent(one, 3)
    assert cpu <= 0.03 and wakeups <= 12


def test_open_files_do_not_grow(ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """Over outages, dropped watches and failed writes."""
    one = eatr(EVERY_SECOND).start()
    one.wait_ready()
    before = one.metrics()["process_open_fds"]
    for _ in range(3):
        api.cut_connections()
        api.inject(faults.reset(), count=3)
        tokens = len(ecr.tokens)
        wait_for(lambda: len(ecr.tokens) > tokens)
    ecr.fault = faults.throttled()
    wait_fresh(ecr, api, timeout=20)
    one.wait_metric("process_open_fds", lambda n: n <= before + 4)


def test_a_burst_of_namespaces_is_written_within_the_limits(
    ecr: Ecr, api: ApiServer, eatr: MakeEatr
) -> None:
    """200 at once: one write each, one call of AWS, and no more in flight than allowed."""
    most = 0

    def count(handler: object, number: int) -> bool:
        nonlocal most
        most = max(most, len([r for r in api.matching("PATCH") if r.status == 0]))
        return False

    api.inject(count, method="PATCH")
    one = eatr({"renewal": {"max_in_flight": 4}}).start()
    one.wait_ready()
    for i in range(200):
        api.add_namespace(f"team-{i}")
    wait_fresh(ecr, api)
    assert len(writes(api)) == 202 and len(ecr.calls) == 1 and most <= 4
