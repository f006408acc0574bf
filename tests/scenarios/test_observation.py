"""What eatr shows: notifications, STATUS, metrics, health, log lines, exit statuses, help."""

from __future__ import annotations

import http.client
import re
import signal
import subprocess
import time

import pytest

import faults
from api_server import ApiServer
from conftest import MakeEatr, in_background, wait_fresh
from eatr import REPOSITORY, Eatr, wait_for
from ecr import Ecr
from ports import Port

# systemd ----------------------------------------------------------------------------------------------


def test_ready_comes_once_and_after_the_first_pass(ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """Not before every namespace has its Secret, and not again later."""
    api.inject(faults.slow(0.5), method="PATCH")
    one = eatr().start()
    one.wait_ready()
    assert all(api.secret(namespace) for namespace in api.namespaces())
    api.add_namespace("shop")
    wait_fresh(ecr, api)
    assert len(one.messages("READY")) == 1


def test_status_is_one_line_that_says_how_it_stands(ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """Namespaces, the token's end and the next one."""
    one = eatr({"namespaces": {"blacklist": "kube-*"}}).start()
    before = one.wait_status("waiting for the API server; no token yet")
    text = r"1 of 1 namespaces have a fresh Secret, 1 excluded; token good until .*Z \((12h|11h 59min)\), next in [56]h"
    after = one.wait_status(text)
    assert before.time < after.time <= one.wait_ready().time


@pytest.mark.parametrize("down", ["ecr", "api"])
def test_ready_comes_with_a_reason_when_a_server_is_down(
    down: str, ecr: Ecr, api: ApiServer, eatr: MakeEatr
) -> None:
    """`systemctl start` returns as soon as the first failure is known."""
    {"ecr": ecr, "api": api}[down].stop()
    one = eatr().start()
    one.wait_ready(8)
    one.wait_status({"ecr": "AWS: .*onnect", "api": "API server: .*onnect"}[down], 1)


@in_background
def test_ready_comes_after_30_seconds_at_the_latest(ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """Both servers take requests and never answer."""
    ecr.fault = faults.hang()
    api.inject(faults.hang())
    one = eatr().start()
    assert 29 < one.wait_ready(40).time - one.started < 32
    assert "waiting for the API server; no token yet" in one.status


def test_a_peers_text_is_no_word_to_systemd(ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """Each line of a notification is a field of its own."""
    api.inject(faults.kube_error(503, "Away", "no\nSTOPPING=1\nMAINPID=1\x1b[31m"), path="/secrets")
    one = eatr().start()
    one.wait_status("API server: no STOPPING=1 MAINPID=1")
    assert not one.messages("STOPPING") and not one.messages("MAINPID")


def test_watchdog_is_fed_in_good_days_and_in_outages(ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """Three times an interval; a failure that is tried again is no reason for a restart."""
    one = eatr().start(watchdog=1)
    one.wait_ready()
    wait_for(lambda: len(one.messages("WATCHDOG")) >= 3)
    ecr.stop()
    api.stop()
    down = time.monotonic()
    wait_for(lambda: len(one.messages("WATCHDOG", down)) >= 4)
    times = [message.time for message in one.messages("WATCHDOG")]
    assert all(0.25 < after - before < 0.7 for before, after in zip(times, times[1:]))


def test_no_watchdog_is_fed_unless_asked_for(ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """Without WATCHDOG_USEC."""
    one = eatr().start()
    one.wait_ready()
    one.stop()
    assert not one.messages("WATCHDOG")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_at_once(number: int, ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """STOPPING, a line, exit status 0, and the Secrets stay."""
    one = eatr().start()
    one.wait_ready()
    sent = time.monotonic()
    one.signal(number)
    assert one.wait_exit(2) == 0
    assert one.messages("STOPPING", sent) and one.status == "stopping"
    one.wait_log("Stopping on signal")
    wait_fresh(ecr, api, "default", "kube-system")


def test_a_stopped_once_is_no_success(ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """Exit status 1, as not everything was done."""
    ecr.fault = faults.hang()
    one = eatr().start("once")
    wait_for(lambda: ecr.calls)
    assert one.stop(code=None) == 1


# Metrics and health -----------------------------------------------------------------------------------


def test_promtool_finds_nothing_to_say_about_the_metrics(
    ecr: Ecr, api: ApiServer, eatr: MakeEatr
) -> None:
    """Before there is a token and after."""
    ecr.fault = faults.slow(1)
    one = eatr().start()
    one.wait_metric("secrets_created_total", 0)
    pages = [one.get("/metrics")[1]]
    one.wait_metric("secrets_created_total", 2)
    pages.append(one.get("/metrics")[1])
    for page in pages:
        found = subprocess.run(
            ["promtool", "check", "metrics"], input=page, capture_output=True, text=True, check=False
        )
        assert (found.returncode, found.stdout + found.stderr) == (0, "")


def test_the_metrics_tell_what_happened(ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """Requests by verb and code, the token, the namespaces by state."""
    api.put_secret("default")
    one = eatr().start()
    one.wait_ready()
    samples = one.metrics()
    assert samples['eatr_kube_requests_total{verb="apply",code="201"}'] == 1
    assert samples['eatr_kube_requests_total{verb="list",code="200"}'] == 2
    assert samples['eatr_aws_requests_total{service="ecr",outcome="ok"}'] == 1
    assert samples["eatr_kube_write_seconds_count"] == 1 and samples["eatr_kube_up"] == 1
    assert [samples['eatr_namespaces{state="%s"}' % state] for state in ("fresh", "conflict")] == [1, 1]
    token = '{registry="aws",host="%s"}' % ecr.proxy_endpoint[8:]
    assert abs(samples["eatr_token_expiry_timestamp_seconds" + token] - time.time() - 43200) < 10
    assert abs(samples['eatr_aws_last_success_timestamp_seconds{registry="aws"}'] - time.time()) < 10
    assert samples['eatr_registry_up{registry="aws"}'] == 1
    assert samples['eatr_credentials_info{registry="aws",source="static"}'] == 1
    assert abs(samples["eatr_clock_skew_seconds"]) < 2
    api.drop_watches()
    one.wait_metric("eatr_watch_restarts_total", 2)


def test_readyz_waits_for_the_first_token(ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """503 and why, then 200; /healthz is 200 all the time."""
    ecr.fault = faults.slow(1)
    one = eatr().start()
    one.wait_metric("secrets_created_total", 0)
    assert one.get("/readyz") == (503, "no good token\n")
    assert one.get("/healthz") == (200, "ok\n")
    wait_for(lambda: one.get("/readyz") == (200, "ok\n"))


def test_readyz_tells_of_an_api_server_outage_and_its_end(ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """503 soon after it goes, 200 soon after it is back, without anything else happening."""
    one = eatr().start()
    one.wait_ready()
    assert one.get("/readyz") == (200, "ok\n")
    api.stop()
    wait_for(lambda: re.match("the API server cannot be used: .*onnect", one.get("/readyz")[1]))
    one.wait_status("API server: .*onnect")
    assert (one.get("/readyz")[0], one.get("/healthz")[0], one.metrics()["eatr_kube_up"]) == (503, 200, 0)
    api.start()
    back = time.monotonic()
    wait_for(lambda: len(api.watches) == 2)
    wait_for(lambda: one.get("/readyz") == (200, "ok\n"), 2, "ready again")
    one.wait_status("fresh Secret; token good until [^;]*$", since=back)
    one.wait_log("works again", since=back)


def test_readyz_tells_when_the_token_is_too_old(ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """The Secrets stay, as a token that ran out is no worse than none."""
    ecr.lifetime = 2.0
    one = eatr().start()
    one.wait_ready()
    ecr.stop()
    wait_for(lambda: one.get("/readyz")[0] == 503)
    assert "no good token" in one.get("/readyz")[1]
    one.wait_status("the token has expired")
    wait_fresh(ecr, api)


def ask(one: Eatr, method: str, path: str, port: int | None = None) -> tuple[int, int]:
    """The status and the size of an answer of eatr's HTTP server."""
    connection = http.client.HTTPConnection("127.0.0.1", port or one.metrics_port, timeout=5)
    connection.request(method, path, body="x" * 1000 if method == "POST" else None)
    answer = connection.getresponse()
    size = len(answer.read())
    connection.close()
    return answer.status, size


def test_its_http_server_answers_only_what_it_is_for(ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """404, 405, and HEAD without a body."""
    one = eatr().start()
    one.wait_ready()
    assert ask(one, "HEAD", "/metrics") == (200, 0)
    assert ask(one, "GET", "/metrics?name=x")[0] == 200
    assert [ask(one, "GET", path)[0] for path in ("/", "/metrics/", "/../etc/passwd")] == [404] * 3
    assert [ask(one, method, "/metrics")[0] for method in ("POST", "DELETE")] == [405] * 2


def test_metrics_may_be_elsewhere_or_off(ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """--metrics-address wins over the configuration."""
    one, port = eatr(), Port("::1")
    one.start("--metrics-address", f"[::1]:{port.number}").wait_ready()
    connection = http.client.HTTPConnection("::1", port.number, timeout=5)
    connection.request("GET", "/healthz")
    assert connection.getresponse().status == 200
    connection.close()
    with pytest.raises(ConnectionRefusedError):
        one.get("/metrics")
    one.stop()
    one.start("--metrics-address", "off").wait_ready()
    with pytest.raises(ConnectionRefusedError):
        one.get("/metrics")
    port.close()


# The log ----------------------------------------------------------------------------------------------


def test_the_log_is_short_and_plain(ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """What happened, a line each, and one for a whole pass."""
    one = eatr({"aws": {"verify": "no"}}).start(env={"JOURNAL_STREAM": "1:2"})
    one.wait_log("Pass done")
    api.add_namespace("shop")
    one.wait_log("shop")
    api.delete_secret("default")
    one.wait_log("deleted")
    one.stop()
    patterns = [
        rf"eatr \d.*, context double at {api.url}, region eu-west-1, "
        r"credentials from aws_access_key_id",
        r"New token for 123456789012\.dkr.*, good for 12h, until .*Z; the next one in (5h .*|6h)",
        r"Pass done in \d+ms: 2 Secrets created, 0 renewed",
        r"namespace shop: created Secret ecr",
        r"namespace default: Secret ecr had been deleted, it is back",
        r"Stopping on signal 15; Secrets stay as they are",
    ]
    assert len(one.log) == len(patterns) and not one.out
    for line, pattern in zip(one.log, patterns):
        assert re.fullmatch("eatr: " + pattern, line)


def test_verbosity_adds_the_time_and_then_each_exchange(ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """4 for what leads to what, 6 for HTTP; the secrets in it are looked for by the fixture."""
    ecr.session_token = "FwoGZXIvYXdzE" + "0123456789" * 100
    one = eatr().start("--logging-verbosity-level=4")
    one.wait_ready()
    one.stop()
    assert all(re.match(r"\d\d:\d\d:\d\d\.\d{3} [a-z-]+: ", line) for line in one.log)
    assert not any("PATCH" in line for line in one.log)
    one.start("--logging-verbosity-level=6").wait_ready()
    one.wait_log(rf"http: POST {ecr.url}/: 200 in \d+ ms")
    one.wait_log(rf"http: GET {api.url}/api/v1/namespaces\?resourceVersion=0: 200 in \d+ ms")


def test_a_peers_text_stays_one_line(ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """Line ends and escape sequences in a message could forge other lines."""
    text = "no\neatr: error: forged\r\x1b[31m\x00" + "x" * 10000
    api.inject(faults.kube_error(422, "Invalid", text), method="PATCH", path="/default/")
    one = eatr().start()
    line = one.wait_log("namespace default: cannot write Secret ecr: no eatr: error: forged")
    assert line.isprintable() and len(line) < 2048
    one.wait_status("1 of 2 namespaces have a fresh Secret, 1 failing")
    assert all(re.match("eatr: ", line) for line in one.log)


def test_the_same_failure_is_not_told_again_and_again(ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """One warning for each watch while the API server stays away."""
    one = eatr().start()
    one.wait_ready()
    api.stop()
    failed = 'eatr_kube_requests_total{verb="%s",code="0"}'
    wait_for(lambda: sum(one.metrics().get(failed % verb, 0) for verb in ("watch", "list")) >= 8, 20)
    assert len([line for line in one.log if "Failed to connect" in line]) <= 2


# The command line -------------------------------------------------------------------------------------


def test_help_and_version_go_to_stdout(eatr: MakeEatr) -> None:
    """Exit status 0, nothing on stderr, whatever the configuration is."""
    one = eatr()
    for option in ("--help", "-help"):
        assert one.run(option, config=False) == 0
    for name in ("once", "--dry-run", "--auth-token-renewal-interval", "--output", "--metrics-address"):
        assert any(name in line for line in one.out)
    assert all(len(line) <= 100 for line in one.out)
    one.out.clear()
    assert one.run("--version") == 0
    assert len(one.out) == 1 and re.fullmatch(r"eatr \d+\.\d+\.\d+", one.out[0])
    assert not one.log


COMPLETE = """
source /usr/share/bash-completion/bash_completion && source "$1" || exit
COMP_WORDS=(eatr "$2") COMP_CWORD=1 COMP_LINE="eatr $2" COMP_POINT=$((5 + ${#2}))
_eatr
printf '%s\\n' "${COMPREPLY[@]}"
"""


def complete(word: str) -> set[str]:
    """What bash offers for the first word of the command line."""
    file = REPOSITORY / "etc" / "eatr.bash-completion"
    command = ["bash", "--norc", "-c", COMPLETE, "bash", str(file), word]
    return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())


def test_the_shell_completes_what_the_help_names(eatr: MakeEatr) -> None:
    """Every option and every command, and nothing else."""
    one = eatr()
    assert one.run("--help") == 0
    assert complete("--") == {word for line in one.out for word in re.findall(r"(?<![\w-])--[a-z-]+", line)}
    commands = {found[1] for line in one.out if (found := re.match(r"  ([a-z]+)  ", line))}
    assert complete("") == commands >= {"run", "once"}


@pytest.mark.parametrize("argv", [["--help"], ["--version"], ["once"], ["status"]], ids=" ".join)
def test_what_cannot_be_said_is_an_error(argv: list[str], ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """Where stdout has no room."""
    one = eatr()
    script = one.directory / "eatr.sh"
    script.write_text(f'#!/bin/sh\nexec {one.binary} "$@" >/dev/full\n')
    script.chmod(0o755)
    one.binary = script
    assert one.run(*argv) == 1
    assert one.log[-1] == "eatr: cannot write to standard output: No space left on device"


@pytest.mark.parametrize(
    "argv",
    [
        ["--no-such-option"],
        ["-x"],
        ["frobnicate"],
        ["run", "once"],
        ["--output", "xml", "once"],
        ["--dry-run=yes"],
        ["--config"],
    ],
    ids=" ".join,
)
def test_a_command_line_that_cannot_be_understood_exits_with_2(
    argv: list[str], ecr: Ecr, api: ApiServer, eatr: MakeEatr
) -> None:
    """It says so on stderr, names --help and does nothing."""
    one = eatr()
    assert one.run(*argv) == 2
    assert any("eatr --help" in line for line in one.log) and len(one.log) <= 2 and not one.out
    assert not ecr.calls and not api.requests
