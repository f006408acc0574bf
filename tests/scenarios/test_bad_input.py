"""Bad input: one clear line that names the place, the right exit status, and nothing written or lost.

What an API server does wrong over time (429, 500, 401, half a line, 50 MB) is in test_faults.py, and Secrets
that are not eatr's to write are in test_main_job.py.
"""

from __future__ import annotations

import base64
import contextlib
import os
import pwd
import re
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import]

import faults
from api_server import ApiServer, SecretView
from conftest import MakeEatr, between, wait_fresh, writes
from eatr import Changes, Eatr, wait_for
from ecr import Ecr
from http_double import Fault

KEYS = "[aws]\nregion = eu-west-1\naws_access_key_id = AKIAEATRTEST00000001\naws_secret_access_key = %s\n"
SECRET_KEY = "wJalrXUtnFEMIbPxRfiCYEXAMPLEKEYxxxxxxxxx"
CUT_OFF = "transfer closed|end of response"  # as libcurl 7 and 8 call it


def refusal(one: Eatr, *argv: str, code: int = 78, **keys: Any) -> str:
    """The one line with which eatr exits; it asks nobody before that."""
    one.secrets.append(SECRET_KEY)
    assert one.run(*argv, **keys) == code
    assert len(one.log) == 1 and one.log[0].startswith("eatr: error: ") and not one.out
    return one.log[0]


@pytest.fixture
def alone(ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> Iterator[MakeEatr]:
    """As `eatr`, but nobody may be asked for anything."""
    yield eatr
    assert not ecr.calls and not api.requests


# The configuration ------------------------------------------------------------------------------------


def test_a_configuration_that_is_not_there_is_named(alone: MakeEatr, tmp_path: Path) -> None:
    """Also when a directory on the way is a file."""
    for path in (tmp_path / "no.conf", tmp_path / "eatr" / "eatr.conf" / "x"):
        one = alone()
        assert str(path) in refusal(one, "--config", str(path), config=False)


def test_a_directory_is_no_configuration(alone: MakeEatr, tmp_path: Path) -> None:
    """Nor is a pipe, which would never end."""
    one = alone()
    assert f"{tmp_path}: it is a directory" in refusal(one, "--config", str(tmp_path), config=False)
    os.mkfifo(tmp_path / "pipe")
    one.log.clear()
    assert str(tmp_path / "pipe") in refusal(one, "--config", str(tmp_path / "pipe"), config=False)


def test_an_unreadable_configuration_is_named(alone: MakeEatr, tmp_path: Path) -> None:
    """Root reads everything, so it is tried without that capability."""
    one = alone()
    script = tmp_path / "eatr.sh"
    drop = "setpriv --bounding-set -dac_override,-dac_read_search -- "
    script.write_text(f'#!/bin/sh\nexec {drop if os.getuid() == 0 else ""}{one.binary} "$@"\n')
    script.chmod(0o755)
    one.binary = script
    one.config_path.chmod(0)
    assert re.search(rf"{one.config_path}: .*Permission denied", refusal(one))


def test_a_secret_that_everybody_can_read_is_refused(alone: MakeEatr) -> None:
    """The line says what to do about it."""
    for mode in (0o644, 0o642):
        one = alone()
        one.config_path.chmod(mode)
        assert re.search(rf"{one.config_path}:\d+: .*chmod", refusal(one))


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("[namespace]\nblacklist = a\n", r":5: .*\[namespaces\]"),
        ("[namespaces]\nblacklst = a\n", r":6: .*blacklst.*blacklist"),
        ("[renewal]\nauth_token_renewal_interval = 20x\n", r":6: auth_token_renewal_interval .*20x"),
        ("[renewal]\nauth_token_renewal_interval = -1h\n", r":6: auth_token_renewal_interval .*-1h"),
        ("[renewal]\nauth_token_renewal_interval = 13h\n", r":6: auth_token_renewal_interval .*13h"),
        ("[renewal]\ninformers_resync_interval = 0s\n", r":6: informers_resync_interval .*0s"),
        ("[renewal]\nmax_in_flight = 1e3\n", r":6: max_in_flight .*1e3"),
        ("[namespaces]\nblacklist = kube-*, team-[ab\n", r":6: blacklist .*team-\[ab"),
        ("[namespaces]\nblacklist = kube-*\n    Team\n", r":7: blacklist .*Team"),
        ("[metrics]\nlisten = 127.0.0.1:70000\n", r":6: listen .*70000"),
        ("[metrics]\nlisten = host.example:5000\n", r":6: listen .*host\.example"),
        ("endpoint_url = http://10.0.0.1/\n", r":5: endpoint_url .*http"),
        ("[secret]\nname = Pull_Secret\n", r":6: name .*Pull_Secret"),
        ("[log]\nverbosity = 1\nverbosity = 2\n", r":7: verbosity .*6"),
        ("[log\n", r":5: "),
        ("no equals sign\n", r":5: "),
        ("[log]\nverbosity = \x00\n", r":6: "),
        ("session = x\n", r":5: .*session"),
        (f"aws_session_token = {'x' * 5000}\n", r":5: aws_session_token .*5000 bytes.*4096"),
        ("role_arn = arn:aws:iam::1234:role/x\n", r":5: role_arn .*arn:aws:iam::1234:role/x"),
        ("duration_seconds = 600\n", r":5: duration_seconds .*600.*900"),
        ("credential_source = ec2\n", r":5: credential_source .*ec2.*imds"),
        ("credentials_secret = aws\n", r":5: credentials_secret .*NAMESPACE/NAME"),
        ("hosts = https://registry.example\n", r":5: hosts .*https://registry\.example"),
        (f"credential_process = x {SECRET_KEY} # y\n", r":5: credential_process .*comment"),
        (f"credential_proces = x {SECRET_KEY}\n", r":5: .*credential_process"),
        ("[registry]\n", r":5: .*\[registry NAME\]"),
        ("[registry a/b]\n", r":5: .*a/b.*letters"),
        ("[registy a]\n", r":5: .*registy.*\[registry NAME\]"),
        ("[registry a]\nregoin = x\n", r":6: .*regoin.*\[registry a\].*region"),
        ("[registry a]\nregion = Paris\n", r":6: region in \[registry a\].*Paris"),
        ("[registry a]\nverify = maybe\n", r":6: verify in \[registry a\].*required"),
        ("[registry a]\n[registry a]\npublic = 1\npublic = 0\n", r":8: public in \[registry a\].*line 7"),
        ("".join(f"[registry r{i}]\n" for i in range(65)), r":69: .*64 registries"),
    ],
)
def test_a_bad_line_is_named_by_file_line_and_key(text: str, place: str, alone: MakeEatr) -> None:
    """With what would have been right, where that is known."""
    one = alone()
    one.write_config(KEYS % SECRET_KEY + text)
    assert re.search(f"{one.config_path}{place}", refusal(one))


def test_a_bad_line_in_a_drop_in_is_named(alone: MakeEatr) -> None:
    """By the drop-in's own path."""
    one = alone()
    folder = one.directory / "eatr.conf.d"
    folder.mkdir()
    one.write_config("[log]\n\nverbosity = loud\n", folder / "50-log.conf")
    assert re.search(rf"{folder}/50-log\.conf:3: verbosity .*loud", refusal(one))


@pytest.mark.parametrize("key", ["region", "aws_access_key_id", "aws_secret_access_key"])
def test_what_is_missing_is_named(key: str, alone: MakeEatr) -> None:
    """A key of [aws] that has no default."""
    assert f"[aws] needs {key}" in refusal(alone({"aws": {key: None}}))


def test_a_configuration_without_anything_says_what_is_needed(alone: MakeEatr) -> None:
    """Not yet configured, and started all the same."""
    one = alone()
    one.write_config("")
    line = refusal(one)
    assert "[aws] needs region" in line and "source of credentials" in line
    assert "aws_access_key_id" in line and "credential_process" in line


ROLE = "arn:aws:iam::123456789012:role/eatr"
CERTIFICATE = {"certificate": "c.pem", "private_key": "k.pem"}
NO_KEYS = {"aws_access_key_id": None, "aws_secret_access_key": None}


@pytest.mark.parametrize(
    ("section", "keys", "expected"),
    [
        ("aws", {"credential_process": f"x {SECRET_KEY}"}, "[aws] has aws_access_key_id and credential_pr"),
        ("aws", {"profile": "ci"}, "[aws] has aws_access_key_id and profile"),
        ("aws", {**NO_KEYS, "profile": "a", "source_profile": "b"}, "[aws] has profile and source_profile"),
        ("registry a", {"profile": "a", "credential_source": "imds"}, "[registry a] has profile and cred"),
        ("aws", {**NO_KEYS, "web_identity_token_file": "t"}, "[aws] needs role_arn, as it has web_identity_"),
        ("aws", {**NO_KEYS, **CERTIFICATE}, "[aws] needs trust_anchor_arn, profile_arn, role_arn, "),
        ("aws", NO_KEYS, "[aws] names no source of credentials"),
        ("aws", {"external_id": "ext"}, "[aws] needs role_arn, as it has external_id"),
        ("aws", {"aws_access_key_id": "ASIAX"}, "[aws] needs aws_session_token"),
        ("aws", {"config_file": "/c"}, "[aws] has config_file, but no profile"),
        ("aws", {"public": True}, "[aws] has public and region"),
        ("registry a", {"aws_access_key_id": "A"}, "[registry a] needs aws_secret_access_key"),
        ("registry a", {"use_fips_endpoint": True}, "[registry a] has endpoint_url of [aws] and use"),
        ("registry a", {"role_arn": ROLE, "hosts": "h, H"}, "[registry a] has the host H twice"),
    ],
)
def test_what_cannot_go_together_is_named(
    section: str, keys: dict[str, Any], expected: str, alone: MakeEatr
) -> None:
    """Section and keys, and no secret."""
    assert expected in refusal(alone({section: keys}))


def test_what_registries_cannot_share_is_named(alone: MakeEatr) -> None:
    """By both, or by where it belongs."""
    both = alone({"registry a": {"hosts": "h"}, "registry b": {"hosts": "i, h"}})
    assert "[registry a] and [registry b] both have the host h" in refusal(both)
    common = alone({"aws": {"hosts": "h"}, "registry a": {}})
    assert "[aws] has hosts, which belongs in [registry a]" in refusal(common)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--auth-token-renewal-interval", "20"),
        ("-auth-token-renewal-interval", "soon"),
        ("--informers-resync-interval", "1y1y"),
        ("--logging-verbosity-level", "many"),
        ("--metrics-address", "localhost"),
    ],
)
def test_a_bad_value_on_the_command_line_names_the_option(
    option: str, value: str, alone: MakeEatr
) -> None:
    """With the exit status of a command line that cannot be understood."""
    line = refusal(alone(), option, value, code=2)
    assert option.lstrip("-") in line and value in line


def test_a_ca_bundle_that_cannot_work_is_named(alone: MakeEatr, tmp_path: Path) -> None:
    """Not there, or without a certificate in it."""
    path = tmp_path / "ca.pem"
    one = alone({"aws": {"ca_bundle": path}})
    assert f"[aws] ca_bundle: {path}: No such file" in refusal(one)
    path.write_text("-----BEGIN PRIVATE KEY-----\n")
    one.log.clear()
    assert f"[aws] ca_bundle: {path}: there is no PEM certificate in it" in refusal(one)


@pytest.mark.parametrize("key", ["use_fips_endpoint", "use_dualstack_endpoint"])
def test_two_endpoints_at_once_are_refused(key: str, alone: MakeEatr) -> None:
    """Whoever asks for FIPS must not get something else in silence."""
    assert f"[aws] has endpoint_url and {key}" in refusal(alone({"aws": {key: True}}))


def test_a_port_in_use_is_named_before_anything_is_done(alone: MakeEatr) -> None:
    """Exit status 1, and how to choose another one."""
    one = alone()
    with socket.create_server(("127.0.0.1", one.metrics_port)):
        assert one.run() == 1
    line = one.log[-1]
    assert str(one.metrics_port) in line and "Address already in use" in line and "listen" in line


# The kubeconfig ---------------------------------------------------------------------------------------


def changed(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Changes the YAML in a file."""
    tree = yaml.safe_load(path.read_text())
    change(tree)
    path.write_text(yaml.safe_dump(tree))


def cluster(**keys: object) -> Callable[[dict[str, Any]], object]:
    """A change of the cluster's fields."""
    return lambda tree: tree["clusters"][0]["cluster"].update(
        {key.replace("_", "-"): value for key, value in keys.items()}
    )


def user(**keys: object) -> Callable[[dict[str, Any]], object]:
    """A change of the user's fields."""
    return lambda tree: tree["users"][0]["user"].update(
        {key.replace("_", "-"): value for key, value in keys.items()}
    )


PEM = base64.b64encode(b"-----BEGIN CERTIFICATE-----\n").decode()


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (lambda tree: tree.pop("contexts"), "has no contexts"),
        (lambda tree: tree.pop("current-context"), "no current-context.*double"),
        (lambda tree: tree.update({"current-context": "other"}), 'no context "other".*double'),
        (lambda tree: tree["contexts"][0]["context"].update(user="nobody"), 'context "double".*"nobody"'),
        (lambda tree: tree["contexts"][0]["context"].update(cluster="x"), 'context "double".*cluster "x"'),
        (cluster(certificate_authority_data="a*b"), 'cluster "double".*certificate-authority-data.*base64'),
        (cluster(certificate_authority="no.pem"), 'cluster "double".*certificate-authority: .*/no.pem'),
        (cluster(server="http://10.0.0.1:6443"), 'cluster "double".*server.*http'),
        (cluster(server=None), 'cluster "double".*server'),
        (user(client_certificate_data=PEM, client_key="no.key"), 'user "admin".*client-key: .*/no.key'),
        (user(client_certificate_data=PEM), 'user "admin".*no client-key'),
        (user(token="a\nb"), 'user "admin".*token'),
        (user(tokenFile="no.token"), 'user "admin".*tokenFile: .*/no.token'),
        (user(exec={"command": "aws"}), 'user "admin".*exec'),
    ],
)
def test_a_kubeconfig_that_cannot_work_is_refused(
    change: Callable[[dict[str, Any]], object], place: str, alone: MakeEatr
) -> None:
    """The line names the file, the entry and the field."""
    one = alone()
    path = one.directory / "kubeconfig"
    changed(path, change)
    assert re.search(f"{path}.*{place}", refusal(one))


BOMB = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 12)
)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("clusters: [" + "x," * 5_000_000 + "]", "too large"),
        (BOMB, "line [0-9]+"),
        ("a: " + "[" * 100_000, "line 1"),
        ("clusters:\n- name: [\n", "line [0-9]+"),
        ("<html><body>Sign in</body></html>\n", "kubeconfig"),
        ("", "kubeconfig"),
        ("\x00\x01\x02", "kubeconfig"),
    ],
    ids=["10 MB", "alias bomb", "deep", "broken", "HTML", "empty", "binary"],
)
def test_a_file_that_is_no_kubeconfig_is_refused(text: str, place: str, alone: MakeEatr) -> None:
    """In no time, and in little memory."""
    one = alone()
    path = one.directory / "kubeconfig"
    path.write_text(text)
    line = refusal(one, timeout=5)
    assert str(path) in line and re.search(place, line) and len(line) < 1000


def test_a_kubeconfig_that_is_not_there_is_named(alone: MakeEatr) -> None:
    """The configuration's, the option's, those of $KUBECONFIG and the one at home."""
    one = alone()
    (one.directory / "kubeconfig").unlink()
    assert f"{one.directory}/kubeconfig: No such file" in refusal(one)
    one.log.clear()
    assert "/no/where: No such file" in refusal(one, "--kubeconfig", "/no/where")
    one = alone({"kubernetes": None})
    assert "/no:/where" in refusal(one, env={"KUBECONFIG": "/no:/where"})
    one.log.clear()
    assert f"{one.directory}/.kube/config" in refusal(one)


def test_without_home_it_is_the_users_own(alone: MakeEatr, tmp_path: Path) -> None:
    """systemd sets $HOME only for units with User=."""
    path = Path(pwd.getpwuid(os.getuid()).pw_dir, ".kube", "config")
    if path.exists():
        pytest.skip(f"there is a {path}")
    one = alone({"kubernetes": None})
    script = tmp_path / "eatr.sh"
    script.write_text(f'#!/bin/sh\nunset HOME\nexec {one.binary} "$@"\n')
    script.chmod(0o755)
    one.binary = script
    assert str(path) in refusal(one)


# AWS's answers ----------------------------------------------------------------------------------------

OFF_HOST = faults.edited(
    lambda body: {"authorizationData": [{**body["authorizationData"][0], "proxyEndpoint": "https://a b/"}]}
)
ANSWERS: dict[str, tuple[Fault, str]] = {
    "html": (faults.html(), "not JSON"),
    "html 502": (faults.html(502), "502"),
    "empty": (faults.empty(), "empty"),
    "truncated": (faults.truncated(), CUT_OFF),
    "10 MB": (faults.huge(), "too large"),
    "an empty list": (faults.no_data(), "no authorizationData"),
    "no list": (faults.no_authorization_data(), "no authorizationData"),
    "a list": (faults.edited(lambda body: []), "no authorizationData"),
    "expired": (faults.expired(), "expired"),
    "no colon": (faults.token_without_colon(), "USER:PASSWORD"),
    "not base64": (faults.token_not_base64(), "base64"),
    "a bad host": (OFF_HOST, "proxyEndpoint"),
    "expiresAt 0": (faults.expires_at("0"), "expiresAt"),
    "expiresAt 1e99": (faults.expires_at("1e99"), "expiresAt"),
    "expiresAt 1e999": (faults.expires_at("1e999"), "expiresAt|JSON"),
    "expiresAt -1": (faults.expires_at("-1"), "expiresAt"),
    "expiresAt text": (faults.expires_at('"2030-01-01T00:00:00Z"'), "expiresAt"),
    "expiresAt null": (faults.expires_at("null"), "expiresAt"),
    "denied": (faults.access_denied(), "AccessDeniedException.*not authorized.*check the credentials"),
    "xml": (faults.xml_denied(), "403.*check the credentials"),
    "keys expired": (faults.credentials_expired(), "ExpiredTokenException.*need to be replaced"),
    "throttled": (faults.throttled(), "ThrottlingException"),
    "500": (faults.server_error(), "ServerException"),
    "reset": (faults.reset(), "reset|closed"),
}


@dataclass
class Outcome:
    """What came of a bad answer to an eatr that has a good token."""

    url: str
    line: str
    status: str
    readyz: tuple[int, str]
    calls: int
    secrets: list[SecretView | None]
    secrets_before: list[SecretView | None]
    writes: int


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcome]:
    """Of every bad answer; all eatrs run at the same time."""
    folder = tmp_path_factory.mktemp("answers")
    changes: Changes = {"renewal": {"auth_token_renewal_interval": "3s"}}
    running: dict[str, tuple[Ecr, ApiServer, Eatr]] = {}
    found: dict[str, Outcome] = {}
    with contextlib.ExitStack() as stack:
        for name, (fault, _) in ANSWERS.items():
            ecr, api = stack.enter_context(Ecr()), stack.enter_context(ApiServer())
            ecr.fault = faults.sequence(None, *[fault] * 10)
            make = stack.enter_context(between(folder / name, ecr, api, print))
            running[name] = ecr, api, make(changes).start()
        before = {}
        for name, (_, api, one) in running.items():
            one.wait_ready()
            before[name] = [api.secret("default"), api.secret("kube-system")]
        for name, (ecr, api, one) in running.items():
            line, readyz = one.wait_log("warning: No new token"), one.get("/readyz")
            status = one.wait_status("AWS: ").fields["STATUS"]
            secrets = [api.secret("default"), api.secret("kube-system")]
            found[name] = Outcome(
                ecr.url, line, status, readyz, len(ecr.calls), secrets, before[name], len(writes(api))
            )
    return found


@pytest.mark.parametrize("name", ANSWERS)
def test_a_bad_answer_of_aws_is_told_and_changes_nothing(name: str, outcomes: dict[str, Outcome]) -> None:
    """One warning after a few tries; the Secrets stay, and eatr stays ready as long as its token is good."""
    one = outcomes[name]
    assert one.url in one.line and re.search(ANSWERS[name][1], one.line) and "Trying again in" in one.line
    assert one.status.startswith("2 of 2 namespaces have a fresh Secret; ") and one.readyz == (200, "ok\n")
    assert one.secrets == one.secrets_before and None not in one.secrets and one.writes == 2
    assert one.calls in (2, 4, 5)  # 5: libcurl repeats on its own what a used connection has lost


def test_an_expiry_in_e_notation_is_a_good_one(ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """AWS writes it so at times."""
    ecr.fault = faults.e_notation()
    one = eatr()
    assert one.run("once") == 0
    wait_fresh(ecr, api)
    assert any("good for 12h" in line or "good for 11h 59" in line for line in one.log)


def test_keys_that_aws_does_not_know_are_told(ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """By `once` with exit status 1, after one call, as another would not help."""
    one = eatr({"aws": {"aws_secret_access_key": SECRET_KEY}})
    assert one.run("once") == 1
    assert any(re.search("InvalidSignature.*check the credentials", line) for line in one.log)
    assert len(ecr.calls) == 1 and not writes(api)


# The API server's answers -----------------------------------------------------------------------------


FULL_LIST = '{"kind":"SecretList","metadata":{"resourceVersion":"1"},"items":[]}'


@pytest.mark.parametrize("path", ["/namespaces", "/secrets"])
@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (faults.html(), "no list"),
        (faults.html(502), "502.*page"),
        (faults.empty(), "no list"),
        (faults.truncated(), CUT_OFF),
        (faults.answer(200, '{"kind":"PartialObjectMetadataList","items":[{"meta'), "no list"),
        (faults.answer(200, "[]"), "no list"),
        (faults.answer(200, FULL_LIST), "no list"),
        (faults.list_version(""), "no list"),
        (faults.kube_error(406, "NotAcceptable", "only JSON"), "Kubernetes 1.16"),
    ],
    ids=["html", "502", "empty", "truncated", "half", "array", "full", "no version", "406"],
)
def test_a_list_that_is_none_is_told_and_read_again(
    fault: Fault, reason: str, path: str, ecr: Ecr, api: ApiServer, eatr: MakeEatr
) -> None:
    """Nothing is written before both lists are good."""
    injection = api.inject(fault, method="GET", path=path, watch=False)
    one = eatr().start()
    line = one.wait_log("warning: Cannot read")
    assert api.url in line and re.search(reason, line) and "trying again in" in line
    assert not writes(api)
    injection.remove()
    wait_fresh(ecr, api)


ERROR_EVENT = b'{"type":"ERROR","object":{"kind":"Status","code":500,"message":"etcd is tired"}}\n'


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (faults.html(), "watch|event|page"),
        (faults.empty(), "watch ended"),
        (faults.watch_lines(b"not JSON\n"), "watch|event"),
        (faults.watch_lines(b'{"type":"ADDED"}\n'), "watch|event"),
        (faults.watch_lines(b'{"type":"ADDED","object":{"kind":"Secret","metadata":{}}}\n'), "watch|event"),
        (faults.watch_lines(ERROR_EVENT), "etcd is tired"),
        (faults.watch_lines(b'{"type":"NEW","object":{"kind":"X","metadata":{}}}\n'), "watch|event"),
    ],
    ids=["html", "empty", "no JSON", "no object", "full", "error", "unknown type"],
)
def test_a_watch_that_is_none_is_told_and_begun_again(
    fault: Fault, reason: str, ecr: Ecr, api: ApiServer, eatr: MakeEatr
) -> None:
    """Nothing that was known is lost by it, and what happens later is seen."""
    injection = api.inject(fault, watch=True, count=4)
    one = eatr().start()
    wait_for(lambda: injection.left == 0)
    api.add_namespace("shop")
    wait_fresh(ecr, api)
    assert len(writes(api)) == 3
    line = one.wait_log("warning: Cannot read")
    assert re.search(reason, line) and not re.search("Bad message|Protocol error|Broken pipe", line)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (faults.html(), "not the API server's"),
        (faults.empty(), "not the API server's"),
        (faults.html(502), "502"),
    ],
    ids=["html", "empty", "502"],
)
def test_an_answer_to_a_write_that_is_none_is_told(
    fault: Fault, reason: str, ecr: Ecr, api: ApiServer, eatr: MakeEatr
) -> None:
    """The write is tried again, and counted only then."""
    api.inject(fault, method="PATCH", path="/default/", count=2)
    one = eatr().start()
    one.wait_log(f"warning: (namespace default: cannot write|.* takes no writes).*{reason}")
    wait_fresh(ecr, api)
    assert one.wait_metric("secrets_created_total", 2)["eatr_secret_write_failures_total"] == 2


def test_items_without_a_name_or_version_do_no_harm(ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """Nothing is known of the namespaces then, and so nothing is written to them."""
    api.put_secret("default")
    api.inject(faults.items_without("name"), method="GET", path="/namespaces", watch=False)
    api.inject(faults.items_without("resourceVersion"), method="GET", path="/secrets", watch=False)
    one = eatr().start()
    one.wait_ready()
    assert not writes(api)
    api.add_namespace("shop")
    wait_fresh(ecr, api, "shop")


def test_a_namespace_that_terminates_meanwhile_is_no_failure(
    ecr: Ecr, api: ApiServer, eatr: MakeEatr
) -> None:
    """One write, refused by the server, no warning, no second try."""

    def terminate(handler: Any, number: int) -> bool:
        api.terminate_namespace("default")
        return False

    api.inject(terminate, method="PATCH", path="/default/")
    one = eatr({"renewal": {"informers_resync_interval": "1s"}}).start(watchdog=2)
    one.wait_ready()
    wait_fresh(ecr, api, "kube-system")
    wait_for(lambda: len(one.messages("WATCHDOG")) == 2, what="a resync has passed")
    assert len(api.matching("PATCH", "/default/")) == 1
    assert not any("warning" in line for line in one.log)


def test_a_namespace_that_is_gone_meanwhile_is_no_failure(
    ecr: Ecr, api: ApiServer, eatr: MakeEatr
) -> None:
    """404 for a write is not worth a warning."""

    def remove(handler: Any, number: int) -> bool:
        api.remove_namespace("default")
        return False

    api.inject(remove, method="PATCH", path="/default/", count=1)
    one = eatr().start()
    one.wait_ready()
    one.wait_status("1 of 1 namespaces have a fresh Secret;")
    assert not any("warning" in line for line in one.log)
