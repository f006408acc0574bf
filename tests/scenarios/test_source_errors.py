"""What eatr says when a source of credentials fails: each message of eatr(8), DIAGNOSTICS, is provoked here.

Whatever it is, eatr goes on, Secrets stay as they are, and no secret is told.
"""

from __future__ import annotations

import base64
import re
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import faults
from api_server import ApiServer
from certificates import make_key
from conftest import MakeEatr, in_background, writes
from eatr import REPOSITORY, SCALE, to_ini, wait_for
from ecr import Ecr
from sources import VERBOSE, Sources, put, with_keys

MANUAL = REPOSITORY / "man" / "eatr.8.in"
CHECK = "; check the credentials, their right to ecr:GetAuthorizationToken, and the region"
WORDS = {  # that stand for something else in a message
    "ARN": r"arn:[\w:/+=,.@-]+",
    "CODE": r"\w+",
    "FILE": r"/\S+",
    "LINE": r"\d+",
    "NAME": r"\S+",
    "SECTION": r"\[[^]]+\]",
    "SECRET": r"[a-z0-9.-]+/[a-z0-9.-]+",
    "SOURCE": r"\S.*\S",
    "STATUS": r"\d+",
    "TEXT": r"\S.*\S",
    "TIME": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ",
    "URL": r"https?://[^\s,;]+",
}


@dataclass(frozen=True)
class Bad:
    """A configuration of [aws] and an environment that fail, and what more has to be in the message."""

    aws: dict[str, object]
    env: dict[str, str] = field(default_factory=dict)
    words: tuple[str, ...] = ()


@dataclass(frozen=True)
class Failure:
    """A way to fail."""

    message: str  # as the manual has it
    provoke: Callable[[Sources], Bad] | None  # None: another test does

    @property
    def pattern(self) -> str:
        """For the log."""
        parts = re.split(rf"\b({'|'.join(WORDS)})\b", self.message)
        return "".join(WORDS.get(part) or re.escape(part) for part in parts)


# Programs -----------------------------------------------------------------------------------------------


def program(sources: Sources, *lines: str, arguments: str = "") -> dict[str, object]:
    """[aws] with a shell script as credential_process."""
    path = put(sources.directory / "program", "\n".join(["#!/bin/sh", *lines]) + "\n")
    path.chmod(0o755)
    return {"credential_process": f"{path} {arguments}"}


def printing(sources: Sources, text: str, *lines: str) -> Bad:
    """A program that prints a text."""
    path = put(sources.directory / "printed", text)
    return Bad(program(sources, f"cat {path}", *lines))


def print_keys(**changes: object) -> Callable[[Sources], Bad]:
    """A program that prints keys, but for these."""

    def provoke(sources: Sources) -> Bad:
        keys = sources.keys()
        body = {"Version": 1, "AccessKeyId": keys.access_key, "SecretAccessKey": keys.secret_key, **changes}
        left = {name: value for name, value in body.items() if value is not None}
        return printing(sources, str(left).replace("'", '"'))

    return provoke


def leak_on_stderr(sources: Sources) -> Bad:
    """A program that says on standard error what nobody may hear, in many ways."""
    keys = sources.keys()
    encoded = base64.b64encode(f"{keys.access_key}:{keys.secret_key}".encode()).decode()
    path = put(
        sources.directory / "told",
        f"error for {keys.session_token} at /srv/keys\n"
        f'{{"SecretAccessKey":"{keys.secret_key}","SessionToken":"{keys.session_token}"}}\n'
        f"Authorization: Basic {encoded}\n{encoded}\ncannot sign in with {keys.secret_key} today\n",
    )
    return Bad(program(sources, f"cat {path} >&2", "exit 3"), words=("cannot sign in with [hidden] today",))


def huge(sources: Sources) -> Bad:
    """A program that prints a secret, again and again, 1 MB of it."""
    keys = sources.keys()
    return printing(sources, (keys.secret_key + "\n") * 25000)


# Roles and identities -----------------------------------------------------------------------------------


def denied_role(sources: Sources) -> Bad:
    """Nobody may assume it."""
    aws = {**with_keys(sources.keys()), "role_arn": sources.role("pull")}
    return Bad({**aws, "sts_endpoint_url": sources.sts.url}, words=("role/pull", "AccessDenied"))


def wrong_external_id(sources: Sources) -> Bad:
    """It wants another one, which may be as good as a password."""
    keys = sources.keys()
    arn = sources.role("pull", keys.access_key, external_id="the-right-external-id")
    sources.secrets.add("the-wrong-external-id")
    aws = {**with_keys(keys), "role_arn": arn, "external_id": "the-wrong-external-id"}
    return Bad({**aws, "sts_endpoint_url": sources.sts.url})


def identity(text: str | None, **more: Any) -> Callable[[Sources], Bad]:
    """A web identity in a file; None: there is no file."""

    def provoke(sources: Sources) -> Bad:
        path = sources.directory / "identity"
        token = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJvcHMifQ.c2ln-_bmF0dXJl"
        sources.secrets.add(token)
        if text is not None:
            put(path, text.replace("TOKEN", token))
        arn = sources.role("web", **{name: {token} for name in more})
        aws = {"web_identity_token_file": path, "role_arn": arn, "sts_endpoint_url": sources.sts.url}
        return Bad(aws, words=(str(path), arn))

    return provoke


# Certificates -------------------------------------------------------------------------------------------


def certificate(**more: Any) -> Callable[[Sources], Bad]:
    """One of the authority that AWS trusts."""
    return lambda sources: Bad(sources.with_certificate(sources.certificate(sources.authority.leaf(**more))))


def strange_certificate(sources: Sources) -> Bad:
    """One of an authority that AWS does not know."""
    issued = type(sources.authority).authority("somebody").leaf()
    return Bad(sources.with_certificate(sources.certificate(issued)))


def wrong_key(sources: Sources) -> Bad:
    """A certificate and another one's key."""
    files = sources.certificate(sources.authority.leaf())
    other = sources.certificate(sources.authority.leaf(key=make_key("rsa2048")), stem="other")
    return Bad(sources.with_certificate(files, private_key=other.key), words=(str(other.key),))


def open_key(sources: Sources) -> Bad:
    """A key that everybody can read."""
    files = sources.certificate(sources.authority.leaf())
    files.key.chmod(0o644)
    return Bad(sources.with_certificate(files))


# Containers, instances, Secrets -------------------------------------------------------------------------


def refused_container(sources: Sources) -> Bad:
    """The token is a wrong one."""
    env = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": sources.metadata.container_url}
    sources.secrets.add("another-authorization-token")
    env["AWS_CONTAINER_AUTHORIZATION_TOKEN"] = "Basic another-authorization-token"
    return Bad({"credential_source": "container"}, env)


def container_without_token(sources: Sources) -> Bad:
    """The file with the token is gone."""
    env = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": sources.metadata.container_url}
    env["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"] = str(sources.directory / "none")
    return Bad({"credential_source": "container"}, env)


def no_instance(sources: Sources) -> Bad:
    """Nobody is there."""
    sources.metadata.stop()
    env = {"AWS_EC2_METADATA_SERVICE_ENDPOINT": sources.metadata.url}
    return Bad({"credential_source": "imds"}, env, (str(sources.metadata.port),))


def instance_without_role(sources: Sources) -> Bad:
    """404 where the role's name should be."""

    def fault(handler: Any, n: int) -> bool | None:
        missing = "/iam/" in handler.path
        return handler.reply(404, "<html>Not Found</html>", "text/html") if missing else False

    sources.metadata.fault = fault
    return Bad({"credential_source": "imds"}, {"AWS_EC2_METADATA_SERVICE_ENDPOINT": sources.metadata.url})


def secret(data: dict[str, bytes | str] | None) -> Callable[[Sources], Bad]:
    """A Secret of the cluster; None: there is none."""

    def provoke(sources: Sources) -> Bad:
        sources.api.readable.add(("default", "aws"))
        if data is not None:
            sources.api.put_secret("default", "aws", data=data)
        return Bad({"credentials_secret": "default/aws"}, words=("default/aws",))

    return provoke


def forbidden_secret(sources: Sources) -> Bad:
    """eatr may not read it."""
    sources.api.inject(faults.forbidden(), path="/namespaces/default/secrets.*metadata.name%3Daws")
    return secret(None)(sources)


# ECR ----------------------------------------------------------------------------------------------------


def wrong_secret_key(sources: Sources) -> Bad:
    """A key that ends otherwise."""
    keys = sources.keys()
    sources.secrets.add(keys.secret_key[:-4] + "xxxx")
    return Bad({**with_keys(keys), "aws_secret_access_key": keys.secret_key[:-4] + "xxxx"})


def unknown_key(sources: Sources) -> Bad:
    """Nobody has it."""
    keys = sources.keys()
    del sources.ecr.temporary[keys.access_key]
    return Bad(with_keys(keys))


def no_right(sources: Sources) -> Bad:
    """IAM says no."""
    sources.ecr.fault = faults.access_denied()
    return Bad(with_keys(sources.keys()))


CANNOT_ASSUME = "cannot assume ARN: CODE (HTTP STATUS): TEXT"
WITH_IDENTITY = "cannot assume ARN with the web identity in FILE"
FAILURES = {
    "wrong secret key": Failure(
        "InvalidSignatureException (HTTP 400): The request signature we calculated does not match TEXT"
        + CHECK,
        wrong_secret_key,
    ),
    "wrong region": Failure(
        f"InvalidSignatureException (HTTP 400): Credential should be scoped TEXT{CHECK}",
        lambda sources: Bad({**with_keys(sources.keys()), "region": "eu-west-2"}),
    ),
    "unknown key": Failure(f"UnrecognizedClientException (HTTP 400): TEXT{CHECK}", unknown_key),
    "expired keys": Failure(
        "ExpiredTokenException (HTTP 400): TEXT; the credentials have expired and need to be replaced",
        lambda sources: Bad(with_keys(sources.keys(-1))),
    ),
    "no right": Failure(f"AccessDeniedException (HTTP 400): TEXT{CHECK}", no_right),
    "denied role": Failure(CANNOT_ASSUME, denied_role),
    "wrong external id": Failure(CANNOT_ASSUME, wrong_external_id),
    "empty identity": Failure(f"{WITH_IDENTITY}: it is empty", identity("")),
    "empty line for an identity": Failure(f"{WITH_IDENTITY}: it is empty", identity("\nTOKEN\n")),
    "two identities": Failure(
        f"{WITH_IDENTITY}: there is more than one line in it", identity("TOKEN\nTOKEN\n")
    ),
    "no identity": Failure(f"{WITH_IDENTITY}: No such file or directory", identity(None)),
    "huge identity": Failure(f"{WITH_IDENTITY}: it is too large", identity("TOKEN" + "x" * 1000000)),
    "expired identity": Failure(
        f"{WITH_IDENTITY}: CODE (HTTP STATUS): TEXT", identity("TOKEN\n", gone=True)
    ),
    "unknown identity": Failure(f"{WITH_IDENTITY}: CODE (HTTP STATUS): TEXT", identity("TOKEN\n")),
    "no program": Failure(
        "credential_process: cannot run it: TEXT", lambda sources: Bad({"credential_process": "/no/program"})
    ),
    "program that hangs": Failure("credential_process: it did not end within 1min", None),
    "program that prints too much": Failure("credential_process: it printed more than 64 KiB", huge),
    "program that fails": Failure(
        "credential_process: it exited with status STATUS: TEXT",
        lambda sources: Bad(program(sources, "echo no network >&2", "exit 1"), words=(" 1: no network",)),
    ),
    "program that tells secrets": Failure(
        "credential_process: it exited with status STATUS: TEXT", leak_on_stderr
    ),
    "program that is killed": Failure(
        "credential_process: it was killed by signal STATUS (TEXT)",
        lambda sources: Bad(program(sources, "kill -9 $$")),
    ),
    "program that prints nothing": Failure(
        "credential_process: it printed nothing", lambda sources: Bad({"credential_process": "/bin/true"})
    ),
    "program that prints no JSON": Failure(
        "credential_process: what it printed is not JSON",
        lambda sources: printing(sources, sources.keys().secret_key),
    ),
    "program of another version": Failure(
        "credential_process: what it printed does not say \"Version\": 1", print_keys(Version=2)
    ),
    "program that prints half of it": Failure(
        "credential_process: it has no secret access key", print_keys(SecretAccessKey=None)
    ),
    "program with a bad time": Failure(
        "credential_process: its expiry is no time", print_keys(Expiration="tomorrow")
    ),
    "program with old keys": Failure(
        "SOURCE: what it gave has expired already, at TIME", print_keys(Expiration="2026-01-02T03:04:05Z")
    ),
    "expired certificate": Failure(
        "IAM Roles Anywhere gives no session of ARN: the certificate FILE has expired, on TIME",
        certificate(starts=-2, days=1),
    ),
    "early certificate": Failure(
        "IAM Roles Anywhere gives no session of ARN: the certificate FILE is not valid before TIME",
        certificate(starts=0.5),
    ),
    "wrong key": Failure(
        "IAM Roles Anywhere gives no session of ARN:"
        " the key in FILE does not belong to the first certificate in FILE",
        wrong_key,
    ),
    "open key": Failure(
        "IAM Roles Anywhere gives no session of ARN:"
        " FILE: a key in a file that is open to everybody; run \"chmod 0640 FILE\"",
        open_key,
    ),
    "strange certificate": Failure(
        "IAM Roles Anywhere gives no session of ARN: (HTTP STATUS): TEXT", strange_certificate
    ),
    "no instance": Failure("instance metadata at URL: TEXT", no_instance),
    "instance without a role": Failure("instance metadata at URL: TEXT", instance_without_role),
    "refused container": Failure("container credentials at URL: CODE (HTTP STATUS): TEXT", refused_container),
    "container without a token": Failure(
        "container credentials at URL: the token in FILE: No such file or directory", container_without_token
    ),
    "no Secret": Failure("Secret SECRET: there is no such Secret", secret(None)),
    "Secret without keys": Failure("Secret SECRET: it has no key NAME", secret({"user": "ops"})),
    "Secret with blanks": Failure(
        "Secret SECRET: the value of its key NAME TEXT",
        secret({"aws_access_key_id": "AKIA EXAMPLE", "aws_secret_access_key": "x"}),
    ),
    "forbidden Secret": Failure("Secret SECRET: reading is forbidden (403): TEXT", forbidden_secret),
}


def check_untouched(sources: Sources, before: dict[str, object]) -> None:
    """Every Secret is as it was."""
    assert {namespace: sources.api.secret(namespace) for namespace in before} == before


@pytest.mark.parametrize("name", [name for name, failure in FAILURES.items() if failure.provoke])
def test_a_failure_has_its_message(sources: Sources, name: str) -> None:
    """In the log and in the status; eatr runs on with it, and touches nothing."""
    failure = FAILURES[name]
    assert failure.provoke is not None
    sources.gives(sources.eatr(with_keys(sources.keys())))
    before: dict[str, object] = {name: sources.api.secret(name) for name in sources.api.namespaces()}
    bad = failure.provoke(sources)
    one = sources.eatr(bad.aws).start(*VERBOSE, env=bad.env)
    line = one.wait_log(rf"error: .*No token from {re.escape(sources.ecr.url)}: {failure.pattern}", 20)
    assert all(word in line for word in bad.words), line
    assert re.search(r"\. Trying again in \S+; Secrets stay as they are$", line)
    one.wait_ready()
    told = line.partition(f"{sources.ecr.url}: ")[2].partition(". Trying again in")[0]
    one.wait_status(re.escape(told[:40]))
    assert one.get("/healthz")[0] == 200 and one.get("/readyz")[0] == 503 and one.metrics()
    check_untouched(sources, before)
    assert one.stop() == 0


@pytest.mark.parametrize("name", ["denied role", "no program", "wrong key", "no Secret", "forbidden Secret"])
def test_once_ends_with_it(sources: Sources, name: str) -> None:
    """With exit status 1, and without a Secret."""
    failure = FAILURES[name]
    assert failure.provoke is not None
    bad = failure.provoke(sources)
    one = sources.eatr(bad.aws)
    assert one.run("once", *VERBOSE, env=bad.env) == 1
    assert [line for line in one.log if re.search(f"error: .*No token .*{failure.pattern}", line)]
    assert not [write for write in writes(sources.api) if "secrets/ecr" in write.target]


def test_it_is_the_running_eatr_that_goes_on(sources: Sources) -> None:
    """Its token stays in use: a namespace that comes meanwhile gets it, and what works again is used."""
    keys = sources.keys()
    arn = sources.role("pull", keys.access_key, lifetime=60)
    aws = {**with_keys(keys), "role_arn": arn, "sts_endpoint_url": sources.sts.url}
    one = sources.eatr(aws).start(*VERBOSE, "--auth-token-renewal-interval", "1s")
    one.wait_ready()
    sources.sts.roles[arn].keys.clear()
    line = one.wait_log(f"No new token from .*{Failure(CANNOT_ASSUME, None).pattern}")
    assert re.search(r"the current token is good for another 11h 59min$", line)
    sources.api.add_namespace("late")
    wait_for(lambda: sources.api.secret("late") is not None, 10, "the new namespace has a Secret")
    assert one.get("/healthz")[0] == 200 and one.get("/readyz")[0] == 200


def test_what_is_mended_is_used_at_once(sources: Sources) -> None:
    """An expired certificate is replaced: nobody has to reload, or to wait for the next try."""
    files = sources.certificate(sources.authority.leaf(starts=-2, days=1, key=(key := make_key())))
    one = sources.eatr(sources.with_certificate(files)).start(*VERBOSE)
    one.wait_log("has expired, on")
    begun = time.monotonic()
    put(files.certificate, sources.authority.leaf(key=key).pem().decode())
    wait_for(sources.fresh, 10, "a token is everywhere")
    assert time.monotonic() - begun < 10 * SCALE  # the next try would be after 15 seconds or more


@in_background
def test_a_program_that_hangs_is_killed(ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """After a minute, with all that it has started."""
    aws = {"aws_access_key_id": None, "aws_secret_access_key": None, "verify": False}
    one = eatr({"aws": {**aws, "credential_process": "/bin/sh -c 'sleep 1000 & echo $! >pid; sleep 1001'"}})
    one.start(*VERBOSE)
    one.wait_ready()
    pid = int((one.directory / "pid").read_text())
    assert Path(f"/proc/{pid}").exists() and not [line for line in one.log if "No token" in line]
    one.wait_log(f"No token from .*{FAILURES['program that hangs'].pattern}", 70)
    wait_for(lambda: not is_alive(pid), 5, "its child is killed")
    assert one.running and not ecr.calls and not writes(api)


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that nobody has reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except (FileNotFoundError, ProcessLookupError):
        return False


# Configurations that cannot work ------------------------------------------------------------------------


def profiles(sources: Sources, config: dict[str, dict[str, object]], profile: str) -> Bad:
    """[aws] with a profile of these."""
    path = put(sources.directory / "config", to_ini(config))
    credentials = put(sources.directory / "credentials", "")
    return Bad({"profile": profile, "config_file": path, "shared_credentials_file": credentials})


def loop(sources: Sources) -> Bad:
    """a is assumed from b, b from c, c from b."""
    config: dict[str, dict[str, object]] = {
        f"profile {name}": {"role_arn": sources.role(name), "source_profile": source}
        for name, source in (("a", "b"), ("b", "c"), ("c", "b"))
    }
    bad = profiles(sources, config, "a")
    return Bad(bad.aws, words=(f"{sources.directory}/config:9: ", 'profile "c": ', ": a -> b -> c -> b"))


MISTAKES = {
    "loop": Failure(
        "SECTION FILE:LINE: source_profile of profile NAME: the chain does not end: TEXT", loop
    ),
    "no profile": Failure(
        "SECTION there is no profile NAME in FILE or FILE",
        lambda sources: profiles(sources, {"profile ops": {"region": "eu-west-1"}}, "opps"),
    ),
    "no keys in the environment": Failure(
        "SECTION AWS_ACCESS_KEY_ID is not set in the environment",
        lambda sources: Bad({"credential_source": "environment"}),
    ),
    "no container in the environment": Failure(
        "SECTION neither AWS_CONTAINER_CREDENTIALS_RELATIVE_URI nor AWS_CONTAINER_CREDENTIALS_FULL_URI"
        " is set in the environment",
        lambda sources: Bad({"credential_source": "container"}),
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_has_its_message(sources: Sources, name: str) -> None:
    """eatr does not start with it, and a running one stays with what it has."""
    failure = MISTAKES[name]
    assert failure.provoke is not None
    running = sources.eatr(with_keys(sources.keys())).start(*VERBOSE)
    running.wait_ready()
    bad = failure.provoke(sources)
    one = sources.eatr(bad.aws)
    for argv in (["once"], [], ["--check-config"]):
        count = len(one.log)
        assert one.run(*argv, *VERBOSE, env=bad.env) == 78
        (line,) = one.log[count:]
        assert re.fullmatch(f"eatr: error: {failure.pattern}", line), line
        assert all(word in line for word in bad.words), line
    running.write_config({**running.config, "aws": one.config["aws"]})
    line = running.wait_log("Not reloaded, the old configuration stays in force: ")
    assert re.search(failure.pattern, line)
    assert running.running and len(sources.ecr.calls) == 1


# The manual ---------------------------------------------------------------------------------------------


def render(page: Path) -> str:
    """A manual page as text, in lines that are as long as paragraphs."""
    command = ["mandoc", "-T", "ascii", "-O", "width=1000", page]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return re.sub(".\b", "", done.stdout)


def test_the_manual_has_each_message() -> None:
    """And none that no test provokes."""
    source = MANUAL.read_text(encoding="utf-8").partition(".Sh DIAGNOSTICS")[2].partition("\n.Ss ")[0]
    heads = [head.replace('""', '"') for head in re.findall(r'^\.It Sy "(.*)"$', source, re.M)]
    assert sorted(heads) == sorted({failure.message for failure in [*FAILURES.values(), *MISTAKES.values()]})
    lines = {line.strip() for line in render(MANUAL).splitlines()}
    assert not set(heads) - lines, set(heads) - lines
