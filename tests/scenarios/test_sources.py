"""Each source of AWS credentials gets a token, with its own keys and those of nobody else."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import faults
from certificates import Files
from conftest import MakeEatr, is_fresh, writes
from control_plane import ControlPlane
from eatr import Eatr, to_ini, wait_for
from ecr import Ecr
from http_double import Record
from real import Kubectl, eatrs
from real import wait_fresh as wait_fresh_in
from signed import Keys
from sources import OFTEN, VERBOSE, Program, Sources, in_environment, put, role_arn, users_of, with_keys

HELPER = Path(__file__).with_name("signing_helper.py")
KEYS = ("ci-cd", "ecr-puller")  # namespace and name of a Secret with keys


def later(seconds: float) -> str:
    """A time as AWS writes it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))


# Keys ---------------------------------------------------------------------------------------------------


def test_keys_of_a_user(sources: Sources) -> None:
    """They have no session token, and none is sent."""
    ecr = sources.ecr
    user = with_keys(Keys(ecr.access_key, ecr.secret_key))
    assert sources.gives(sources.eatr(user)) == ecr.access_key
    assert "X-Amz-Security-Token" not in ecr.calls[0].record.headers  # type: ignore[union-attr]


def test_temporary_keys(sources: Sources) -> None:
    """With their session token, which is signed."""
    keys = sources.keys()
    assert sources.gives(sources.eatr(with_keys(keys))) == keys.access_key


def test_keys_of_the_environment(sources: Sources) -> None:
    """Only when they are named, and never those that the configuration has."""
    keys, ours = sources.keys(), sources.keys()
    named = sources.eatr({"credential_source": "environment"})
    assert sources.gives(named, env=in_environment(keys)) == keys.access_key
    assert sources.gives(sources.eatr(with_keys(ours)), env=in_environment(keys)) == ours.access_key


# Profiles -----------------------------------------------------------------------------------------------


def write_shared(
    folder: Path, credentials: dict[str, dict[str, object]], config: dict[str, dict[str, object]]
) -> dict[str, object]:
    """Writes both of AWS's files; [aws] that names them."""
    folder.mkdir(exist_ok=True)
    files = {"shared_credentials_file": put(folder / "credentials", to_ini(credentials))}
    return {**files, "config_file": put(folder / "config", to_ini(config))}


def test_a_profile_of_files_that_are_named(sources: Sources) -> None:
    """The one that is asked for, neither the default nor what is in the home directory."""
    keys, others = sources.keys(), sources.keys()
    one = sources.eatr({})
    write_shared(one.directory / ".aws", {"ops": with_keys(others)}, {})
    all_of_them = {"default": with_keys(others), "ops": with_keys(keys)}
    files = write_shared(sources.directory / "shared", all_of_them, {})
    one.change_config({"aws": {**one.config["aws"], "profile": "ops", **files}})
    assert sources.gives(one) == keys.access_key


def test_a_profile_of_the_home_directory(sources: Sources) -> None:
    """With the region that it has."""
    keys, one = sources.keys(), sources.eatr({"profile": "ops", "region": None})
    home = one.directory / ".aws"
    write_shared(home, {"ops": with_keys(keys)}, {"profile ops": {"region": sources.ecr.region}})
    assert sources.gives(one) == keys.access_key


def test_a_profile_takes_the_environment(sources: Sources) -> None:
    """As the source of a role's credentials."""
    keys = sources.keys()
    arn = sources.role("pull", keys.access_key)
    profile = {"role_arn": arn, "credential_source": "Environment"}
    files = write_shared(sources.directory / "shared", {}, {"profile pull": profile})
    one = sources.eatr({"profile": "pull", "sts_endpoint_url": sources.sts.url, **files})
    key = sources.gives(one, env=in_environment(keys))
    assert sources.sts.sessions == {key: arn} and sources.sts.calls[0].record.headers["Authorization"]


def test_new_keys_in_a_profile_are_used_at_once(sources: Sources) -> None:
    """The next renewal would be hours later."""
    first, second = sources.keys(), sources.keys()
    files = write_shared(sources.directory / "shared", {"ops": with_keys(first)}, {})
    one = sources.eatr({"profile": "ops", **files}).start(*VERBOSE)
    one.wait_ready()
    assert sources.users() == [first.access_key]
    write_shared(sources.directory / "shared", {"ops": with_keys(second)}, {})
    wait_for(lambda: sources.users()[1:] == [second.access_key], 10, "the new keys are used")
    sources.api.add_namespace("late")
    wait_for(lambda: is_fresh(sources.ecr, sources.api, "late"), 10, "their token is in a new namespace")


# Programs -----------------------------------------------------------------------------------------------


@pytest.fixture
def program(sources: Sources) -> Program:
    """A credential_process."""
    return Program(sources.directory / "a program")


def with_program(program: Program, arguments: str = "") -> dict[str, object]:
    """[aws] that runs it."""
    return {"credential_process": f'"{program.path}" {arguments}'}


def test_a_program_is_run_without_a_shell(sources: Sources, program: Program) -> None:
    """Quotation marks are for words with blanks, and all else is as it stands there."""
    keys = program.print(sources.keys(), later(43200))
    arguments = """--name "a b" 'c "d"' e\\ f "" $HOME * & >x"""
    assert sources.gives(sources.eatr(with_program(program, arguments))) == keys.access_key
    (run,) = program.runs
    assert run["argv"] == ["--name", "a b", 'c "d"', "e f", "", "$HOME", "*", "&", ">x"]


def test_a_program_gets_the_environment_but_what_systemd_says_to_eatr(
    sources: Sources, program: Program
) -> None:
    """It could tell systemd lies in eatr's name, or take its sockets."""
    program.print(sources.keys())
    ours = {"HTTPS_PROXY": "http://127.0.0.1:1", "NO_PROXY": "127.0.0.1", "AWS_REGION": "eu-west-1"}
    systemd = {"WATCHDOG_USEC": "1", "INVOCATION_ID": "1", "JOURNAL_STREAM": "1:1"}
    systemd |= {"CREDENTIALS_DIRECTORY": str(sources.directory), "MEMORY_PRESSURE_WATCH": "/dev/null"}
    sources.gives(sources.eatr(with_program(program)), env={**ours, **systemd})
    (run,) = program.runs
    got = run["env"]
    assert isinstance(got, dict) and got.items() >= ours.items() and "PATH" in got and "HOME" in got
    assert not got.keys() & {"NOTIFY_SOCKET", *systemd}


def test_keys_that_last_are_used_again(sources: Sources, program: Program) -> None:
    """The program runs once, for all renewals; so it does if it names no end."""
    for expires in (later(43200), None):
        keys = program.print(sources.keys(), expires)
        one = sources.eatr(with_program(program), {"metrics": {"listen": "off"}}).start(*VERBOSE, *OFTEN)
        assert set(sources.renewed(3)) == {keys.access_key}
        assert one.stop() == 0
    assert len(program.runs) == 2


def test_keys_are_fetched_anew_five_minutes_before_they_end(sources: Sources, program: Program) -> None:
    """Not a second earlier: a program may be slow, or count."""
    first = program.print(sources.keys(), later(304.5))
    sources.eatr(with_program(program)).start(*VERBOSE, *OFTEN).wait_ready()
    second = program.print(sources.keys(), later(43200))
    wait_for(lambda: second.access_key in sources.users(), 20, "the new keys are used")
    users = sources.users()
    assert users[:2] == [first.access_key] * 2 and set(users) == {first.access_key, second.access_key}
    assert users == sorted(users, key=[first.access_key, second.access_key].index)
    assert len(program.runs) == 2


def test_keys_that_aws_calls_expired_are_fetched_anew(sources: Sources, program: Program) -> None:
    """At once, and without a word of failure: there is a token in the same round."""
    first = program.print(sources.keys(), later(43200))
    one = sources.eatr(with_program(program)).start(*VERBOSE, *OFTEN)
    one.wait_ready()
    second = program.print(sources.keys(), later(43200))
    sources.expire(first.access_key)
    wait_for(lambda: second.access_key in sources.users(), 10, "the new keys are used")
    wait_for(sources.fresh, 10, "their token is there")
    errors = [call.error for call in sources.ecr.calls]
    assert errors.count("ExpiredTokenException") == 1 and len(program.runs) == 2
    assert not [line for line in one.log if "No new token" in line or "No token" in line]


def test_keys_that_stay_expired_are_fetched_once_a_round(sources: Sources, program: Program) -> None:
    """A program that knows no others is not run again and again."""
    keys = program.print(sources.keys())
    sources.expire(keys.access_key)
    one = sources.eatr(with_program(program)).start(*VERBOSE)
    one.wait_log("ExpiredTokenException.*the credentials have expired and need to be replaced")
    assert [call.error for call in sources.ecr.calls] == ["ExpiredTokenException"] * 2
    assert len(program.runs) == 2 and not writes(sources.api)


# Roles --------------------------------------------------------------------------------------------------


def test_a_role_is_assumed_by_whoever_knows_its_external_id(sources: Sources) -> None:
    """This STS answers in JSON, with a time such as 1.795504783E9."""
    keys = sources.keys()
    arn = sources.role("pull", keys.access_key, external_id="a/b=c:+,.@")
    one = sources.eatr({**with_keys(keys), "role_arn": arn, "external_id": "a/b=c:+,.@"})
    one.change_config({"aws": {"sts_endpoint_url": sources.sts.url}})
    assert sources.sts.sessions == {sources.gives(one): arn}
    (call,) = sources.sts.calls
    assert call.record.headers["Accept"] == "application/json" and call.keys is not None


def test_when_a_session_ends_is_read_rightly(sources: Sources) -> None:
    """Whatever the form of the number: one of 4 minutes is not used again, one of an hour is."""
    keys = sources.keys()
    arn = sources.role("pull", keys.access_key, lifetime=240)
    aws = {**with_keys(keys), "role_arn": arn, "sts_endpoint_url": sources.sts.url}
    one = sources.eatr(aws).start(*VERBOSE, *OFTEN)
    assert len(set(sources.renewed(3))) == 3
    sources.sts.roles[arn].lifetime = 3600
    sources.renewed(2)
    assert len(set(sources.renewed(3))) == 1
    assert one.stop() == 0


def test_a_session_that_aws_calls_expired_is_replaced(sources: Sources) -> None:
    """The role is assumed anew, for a token in the same round."""
    keys = sources.keys()
    arn = sources.role("pull", keys.access_key)
    aws = {**with_keys(keys), "role_arn": arn, "sts_endpoint_url": sources.sts.url}
    one = sources.eatr(aws).start(*VERBOSE, *OFTEN)
    one.wait_ready()
    first = sources.users()[0]
    sources.expire(first)
    wait_for(lambda: sources.users()[-1] != first, 10, "another session is used")
    wait_for(sources.fresh, 10, "its token is there")
    assert len(sources.sts.calls) == 2
    assert not [line for line in one.log if "No new token" in line or "No token" in line]


def test_a_session_that_sts_calls_expired_is_replaced(sources: Sources) -> None:
    """The first role of a chain is assumed anew when the second cannot be with it."""
    keys = sources.keys()
    hop = sources.role("hop", keys.access_key)
    far = sources.role("far", hop, lifetime=60)
    profiles = {
        "profile far": {"role_arn": far, "source_profile": "hop"},
        "profile hop": {"role_arn": hop, "source_profile": "ops"},
    }
    files = write_shared(sources.directory / "shared", {"ops": with_keys(keys)}, profiles)
    aws = {"profile": "far", "sts_endpoint_url": sources.sts.url, **files}
    one = sources.eatr(aws).start(*VERBOSE, *OFTEN)
    one.wait_ready()
    sessions = sources.sts.sessions
    assert [sessions[key] for key in sources.renewed(2)] == [far, far]
    assert list(sessions.values()).count(hop) == 1
    sources.expire(next(key for key, arn in sessions.items() if arn == hop))
    wait_for(lambda: list(sessions.values()).count(hop) == 2, 10, "the first role is assumed anew")
    assert sessions[sources.renewed()[0]] == far
    assert {call.error for call in sources.sts.calls} == {None, "ExpiredToken"}
    assert not [line for line in one.log if "No new token" in line or "No token" in line]


def test_sts_may_be_busy(sources: Sources) -> None:
    """It is asked again a little later."""
    keys = sources.keys()
    arn = sources.role("pull", keys.access_key)
    sts = sources.sts
    sts.fault = faults.times(2, lambda handler, n: sts.refuse(handler, "Throttling", "Rate exceeded"))
    aws = {**with_keys(keys), "role_arn": arn, "sts_endpoint_url": sts.url}
    assert sources.sts.sessions == {sources.gives(sources.eatr(aws)): arn}
    assert [call.error for call in sts.calls] == ["Throttling", "Throttling", None]


def test_a_web_identity(sources: Sources) -> None:
    """An unsigned call, answered in JSON; the file is read again for each session."""
    first = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJmaXJzdCJ9.c2ln-_bmF0dXJl"
    second = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJzZWNvbmQifQ.YW5v-_dGhlcg"
    arn = sources.role("web", identities={first}, lifetime=60)
    path = put(sources.directory / "identity", first + "\n")
    aws = {"web_identity_token_file": path, "role_arn": arn, "sts_endpoint_url": sources.sts.url}
    one = sources.eatr(aws).start(*VERBOSE, *OFTEN)
    one.wait_ready()
    assert sources.sts.sessions[sources.users()[0]] == arn
    put(path, second)
    sources.sts.roles[arn].identities.add(second)
    sources.sts.roles[arn].gone.add(first)
    sources.secrets |= {first, second}
    count = len(sources.sts.calls)
    wait_for(lambda: len(sources.sts.calls) > count + 1, 10, "two more sessions")
    assert {call.error for call in sources.sts.calls[count + 1 :]} == {None}
    assert sources.sts.calls[-1].parameters["WebIdentityToken"] == second


# IAM Roles Anywhere -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["p256", "p384", "rsa2048"])
@pytest.mark.parametrize("between", [False, True], ids=["direct", "intermediate"])
def test_a_certificate(sources: Sources, kind: str, between: bool) -> None:
    """Of each kind of key, with an authority between it and the trust anchor or without."""
    issuer = sources.authority.intermediate() if between else sources.authority
    files = sources.certificate(issuer.leaf(kind=kind))
    key = sources.gives(sources.eatr(sources.with_certificate(files)))
    (call,) = sources.anywhere.calls
    assert call.session is not None and call.session.access_key == key and not sources.sts.calls


def serial_of(record: Record | None) -> int:
    """The serial number of the certificate that a request is signed with."""
    assert record is not None
    return int(record.headers["Authorization"].partition("Credential=")[2].partition("/")[0])


def test_a_certificate_that_was_replaced_is_used_for_the_next_session(sources: Sources) -> None:
    """Certificate and key together, by a symbolic link, as certificates are often kept."""
    old, new = sources.authority.leaf(), sources.authority.leaf(kind="rsa2048")
    current = sources.directory / "current"
    for name, issued in (("1", old), ("2", new)):
        (sources.directory / name).mkdir()
        sources.certificate(issued, sources.directory / name)
    current.symlink_to("1")
    files = Files(current / "client.pem", current / "client.key", None)
    sources.anywhere.lifetime = 60
    one = sources.eatr(sources.with_certificate(files)).start(*VERBOSE, *OFTEN)
    one.wait_ready()
    sources.renewed()
    (sources.directory / "next").symlink_to("2")
    (sources.directory / "next").rename(current)
    calls = sources.anywhere.calls
    wait_for(lambda: serial_of(calls[-1].record) == new.certificate.serial_number, 10, "the new one is used")
    wait_for(sources.fresh, 10, "its token is there")
    serials = [serial_of(call.record) for call in calls]
    assert serials[0] == old.certificate.serial_number
    assert {call.error for call in calls} == {None}


def test_a_program_asks_roles_anywhere(sources: Sources) -> None:
    """As aws_signing_helper does."""
    issued = sources.authority.intermediate().leaf(kind="rsa2048")
    files, anywhere = sources.certificate(issued), sources.anywhere
    command = (
        f"/usr/bin/python3 -I {HELPER} credential-process --certificate {files.certificate}"
        f" --private-key {files.key} --intermediates {files.chain} --endpoint {anywhere.url}"
        f" --trust-anchor-arn {anywhere.trust_anchor_arn} --profile-arn {anywhere.profile_arn}"
        f" --role-arn '{anywhere.role_arn}'"
    )
    key = sources.gives(sources.eatr({"credential_process": command}))
    (call,) = anywhere.calls
    assert call.session is not None and call.session.access_key == key
    assert call.record is not None and call.record.headers["User-Agent"].startswith("Python-urllib")


# Containers and instances -------------------------------------------------------------------------------


def test_a_container_has_a_token_in_a_file(sources: Sources) -> None:
    """Which is read again each time; the URL may have a query."""
    metadata = sources.metadata
    path = put(sources.directory / "authorization", metadata.authorization + "\n")
    env = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": metadata.container_url}
    env["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"] = str(path)
    metadata.lifetime = 60
    one = sources.eatr({"credential_source": "container"}).start(*VERBOSE, *OFTEN, env=env)
    one.wait_ready()
    assert sources.users()[0] == metadata.keys[0].access_key
    put(path, metadata.change_authorization())
    count, refused = len(metadata.keys), len(metadata.refused)
    wait_for(lambda: len(metadata.keys) > count + 1, 10, "the new token is used")
    assert len(metadata.refused) <= refused + 1  # one may have been under way


def test_a_container_has_a_token_in_its_environment(sources: Sources) -> None:
    """It goes into the header as it is, scheme and all."""
    metadata = sources.metadata
    env = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": metadata.container_url}
    env["AWS_CONTAINER_AUTHORIZATION_TOKEN"] = metadata.authorization
    one = sources.eatr({"credential_source": "EcsContainer"})
    assert sources.gives(one, env=env) == metadata.keys[-1].access_key
    assert not metadata.refused


def test_an_instance_has_a_role(sources: Sources) -> None:
    """A session of the metadata service is opened with a PUT, and each GET has its token."""
    metadata = sources.metadata
    env = {"AWS_EC2_METADATA_SERVICE_ENDPOINT": metadata.url}
    one = sources.eatr({"credential_source": "imds"})
    assert sources.gives(one, env=env) == metadata.keys[-1].access_key
    asked = [record.method for record in metadata.requests]
    assert asked == ["PUT", "GET", "GET"] and metadata.refused == []


def test_the_metadata_service_may_have_no_version_1(sources: Sources) -> None:
    """Nor is it tried."""
    metadata = sources.metadata
    metadata.fault = faults.answer(403, "", "text/plain")
    env = {"AWS_EC2_METADATA_SERVICE_ENDPOINT": metadata.url}
    one = sources.eatr({"credential_source": "imds"})
    assert one.run("once", *VERBOSE, env=env) == 1
    assert {record.method for record in metadata.requests} == {"PUT"} and not sources.ecr.calls


# A Secret of the cluster --------------------------------------------------------------------------------


@pytest.fixture
def kept(sources: Sources) -> Sources:
    """With a namespace for a Secret that has keys, and that may be read."""
    sources.api.add_namespace(KEYS[0])
    sources.api.readable.add(KEYS)
    return sources


def data_of(keys: Keys) -> dict[str, bytes | str]:
    """What a Secret has, one value with a line end as files have it."""
    data: dict[str, bytes | str] = {"aws_access_key_id": keys.access_key + "\n"}
    data |= {"aws_secret_access_key": keys.secret_key, "aws_session_token": keys.session_token or ""}
    return data


def with_secret(sources: Sources) -> Eatr:
    """An eatr whose keys are in the Secret."""
    return sources.eatr({"credentials_secret": "/".join(KEYS)})


def test_keys_in_a_secret(kept: Sources) -> None:
    """They are read at the start, and for `once` as well."""
    keys = kept.keys()
    kept.api.put_secret(*KEYS, data=data_of(keys))
    assert kept.gives(with_secret(kept)) == keys.access_key


def test_new_keys_in_a_secret_are_used_at_once(kept: Sources) -> None:
    """The next renewal would be hours later."""
    first, second = kept.keys(), kept.keys()
    kept.api.put_secret(*KEYS, data=data_of(first))
    with_secret(kept).start(*VERBOSE).wait_ready()
    assert kept.users() == [first.access_key]
    kept.api.edit_secret(*KEYS, data=data_of(second))
    wait_for(lambda: kept.users()[1:] == [second.access_key], 10, "the new keys are used")
    kept.api.add_namespace("late")
    wait_for(lambda: is_fresh(kept.ecr, kept.api, "late"), 10, "their token is in a new namespace")


def test_a_secret_that_changes_otherwise_changes_nothing(kept: Sources) -> None:
    """The keys are the same."""
    kept.api.put_secret(*KEYS, data=data_of(kept.keys()))
    with_secret(kept).start(*VERBOSE).wait_ready()
    kept.api.edit_secret(*KEYS, labels={"team": "ci"})
    kept.api.add_namespace("fence")
    wait_for(kept.fresh, 10, "what came after is done")
    assert len(kept.ecr.calls) == 1


def test_keys_stay_in_use_when_their_secret_is_deleted(kept: Sources) -> None:
    """It is said once, renewals and new namespaces go on."""
    keys = kept.keys()
    kept.api.put_secret(*KEYS, data=data_of(keys))
    one = with_secret(kept).start(*VERBOSE, *OFTEN)
    one.wait_ready()
    kept.api.delete_secret(*KEYS)
    one.wait_log("Secret ci-cd/ecr-puller: there is no such Secret; keys that were there before stay in use")
    assert set(kept.renewed(2)) == {keys.access_key}
    kept.api.add_namespace("late")
    wait_for(lambda: kept.api.secret("late") is not None, 10, "the new namespace has a Secret")
    assert len([line for line in one.log if "there is no such Secret" in line]) == 1
    again = kept.keys()
    kept.api.put_secret(*KEYS, data=data_of(again))
    wait_for(lambda: again.access_key in kept.users(), 10, "keys that are there again are used")


def test_keys_may_come_after_the_start(kept: Sources) -> None:
    """No Secret, then one without keys, then one with them: each is said, and a token comes at once."""
    one = with_secret(kept).start(*VERBOSE)
    one.wait_log("Secret ci-cd/ecr-puller: there is no such Secret")
    one.wait_ready()
    kept.api.put_secret(*KEYS, data={"aws_access_key_id": "AKIAIOSFODNN7EXAMPLE"})
    one.wait_log("Secret ci-cd/ecr-puller: it has no key aws_secret_access_key")
    assert not kept.ecr.calls and not writes(kept.api)
    keys = kept.keys()
    kept.api.put_secret(*KEYS, data=data_of(keys))
    wait_for(kept.fresh, 10, "a token is everywhere")
    assert kept.users() == [keys.access_key]


def test_a_role_is_assumed_with_the_keys_in_a_secret(kept: Sources) -> None:
    """New keys mean a new session."""
    first, second = kept.keys(), kept.keys()
    arn = kept.role("pull", first.access_key, second.access_key)
    kept.api.put_secret(*KEYS, data=data_of(first))
    one = with_secret(kept)
    one.change_config({"aws": {"role_arn": arn, "sts_endpoint_url": kept.sts.url}})
    one.start(*VERBOSE).wait_ready()
    kept.api.edit_secret(*KEYS, data=data_of(second))
    wait_for(lambda: len(kept.ecr.calls) == 2, 10, "another token")
    keys = [call.record.headers["Authorization"].partition("Credential=")[2][:20] for call in kept.sts.calls]
    assert keys == [first.access_key, second.access_key]
    assert {kept.sts.sessions[key] for key in kept.users()} == {role_arn("pull")}


@pytest.fixture
def real_eatr(tmp_path: Path, control_plane: ControlPlane, ecr: Ecr) -> Iterator[MakeEatr]:
    """Makes eatrs for the real control plane."""
    with eatrs(tmp_path, control_plane, ecr) as make:
        yield make


def test_keys_in_a_secret_of_a_real_cluster(
    tmp_path: Path, control_plane: ControlPlane, ecr: Ecr, real_eatr: MakeEatr
) -> None:
    """Made from a file with kubectl, as eatr.conf(5) has it; changed, and deleted."""
    first = Keys("AKIAFIRST0000000001", "first/" + "a1B+" * 8)
    second = Keys("AKIASECOND000000002", "second/" + "c3D+" * 8)
    ecr.temporary |= {keys.access_key: keys for keys in (first, second)}
    control_plane.create_namespaces(["keys", "keys-0"])
    kubectl = Kubectl(control_plane, tmp_path / "kubectl")

    def apply(keys: Keys) -> None:
        lines = f"aws_access_key_id={keys.access_key}", f"aws_secret_access_key={keys.secret_key}"
        path = put(tmp_path / "aws.env", "\n".join(lines) + "\n")
        make = ("create", "secret", "generic", "aws", "-n", "keys", f"--from-env-file={path}")
        kubectl("apply", "-f", "-", stdin=kubectl(*make, "--dry-run=client", "-o", "yaml"))

    apply(first)
    aws = {"aws_access_key_id": None, "aws_secret_access_key": None, "credentials_secret": "keys/aws"}
    one = real_eatr({"aws": aws, "namespaces": {"include": "keys-*"}}).start(*VERBOSE)
    one.secrets += [first.secret_key, second.secret_key]
    one.wait_ready()
    wait_fresh_in(control_plane, ecr, "keys-0")
    assert users_of(ecr) == [first.access_key]
    apply(second)
    wait_for(lambda: users_of(ecr)[1:] == [second.access_key], 10, "the new keys are used")
    kubectl("delete", "secret", "aws", "-n", "keys")
    one.wait_log("Secret keys/aws: there is no such Secret; keys that were there before stay in use")
    control_plane.create_namespace("keys-1")
    wait_fresh_in(control_plane, ecr, "keys-1")
