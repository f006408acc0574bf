"""eatr with roles, profiles and web identities of several accounts, against moto.

Each role is in an account of its own, and the Secret's host says in which account the token was got: a Secret
that was written with the wrong credentials would be seen.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from api_server import ApiServer
from conftest import MotoEatr, writes
from eatr import Eatr, to_ini, wait_for
from moto import ACCOUNTS, Moto, accounts_in, role_arn, with_keys

ASSUME = "sts:AssumeRole 200"
ASSUME_WEB = "sts:AssumeRoleWithWebIdentity 200"
GET_TOKEN = "ecr:GetAuthorizationToken 200"
SESSION_NAME = r"[\w+=,.@-]{2,64}"


def everywhere(role: str) -> dict[str, str]:
    """What accounts_in() says when all Secrets are of a role's account."""
    return {namespace: ACCOUNTS[role] for namespace in ("default", "kube-system")}


def calls_of(moto: Moto) -> list[str]:
    """What was called, in short."""
    return [str(call) for call in moto.calls]


def assumed(moto: Moto, action: str = ASSUME) -> list[dict[str, str]]:
    """The parameters of each call that assumed a role."""
    return [call.parameters for call in moto.calls if str(call) == action]


# Keys and a role ----------------------------------------------------------------------------------------


def with_role(moto: Moto, role: str, **more: object) -> dict[str, object]:
    """[aws]: the keys of the user `eatr`, and a role."""
    return {**with_keys(*moto.keys), "sts_endpoint_url": moto.url, "role_arn": role_arn(role), **more}


def test_static_keys_assume_a_role(moto: Moto, api: ApiServer, moto_eatr: MotoEatr) -> None:
    """STS is told what the configuration says, and ECR is called with the role's credentials."""
    more = {"external_id": "a/b=c:+,.@", "role_session_name": "ops@host", "duration_seconds": 900}
    assert moto_eatr(with_role(moto, "pull", **more)).run("once") == 0
    assert accounts_in(api) == everywhere("pull")
    assert calls_of(moto) == [ASSUME, GET_TOKEN]
    told = assumed(moto)[0]
    assert (told["RoleArn"], told["ExternalId"]) == (role_arn("pull"), "a/b=c:+,.@")
    assert (told["RoleSessionName"], told["DurationSeconds"]) == ("ops@host", "900")
    assert moto.calls[0].key == moto.keys[0] != moto.calls[1].key


def test_a_role_needs_no_more_than_its_arn(moto: Moto, api: ApiServer, moto_eatr: MotoEatr) -> None:
    """The session's name is eatr's own then, and there is no external id."""
    assert moto_eatr(with_role(moto, "pull")).run("once") == 0
    assert accounts_in(api) == everywhere("pull")
    told = assumed(moto)[0]
    assert re.fullmatch(SESSION_NAME, told["RoleSessionName"]) and "ExternalId" not in told


def test_a_session_is_used_again(moto: Moto, api: ApiServer, moto_eatr: MotoEatr) -> None:
    """It is good for an hour, so renewals within seconds need one only."""
    one = moto_eatr(with_role(moto, "pull")).start("--auth-token-renewal-interval", "1s")
    one.wait_ready()
    wait_for(lambda: calls_of(moto).count(GET_TOKEN) >= 3, 15, "two renewals")
    assert len(assumed(moto)) == 1 and accounts_in(api) == everywhere("pull")


@pytest.mark.moto(session_seconds=60)
def test_a_session_that_ends_soon_is_not_used_again(
    moto: Moto, api: ApiServer, moto_eatr: MotoEatr
) -> None:
    """Each renewal assumes the role anew."""
    one = moto_eatr(with_role(moto, "pull")).start("--auth-token-renewal-interval", "1s")
    one.wait_ready()
    wait_for(lambda: calls_of(moto).count(GET_TOKEN) >= 3, 15, "two renewals")
    calls = calls_of(moto)[:6]
    assert calls == [ASSUME, GET_TOKEN] * 3 and accounts_in(api) == everywhere("pull")


def test_sts_has_an_endpoint_of_its_own(
    tmp_path: Path, moto: Moto, api: ApiServer, moto_eatr: MotoEatr
) -> None:
    """ECR, which is another moto here, does not know the session that STS gave."""
    with Moto(tmp_path / "sts") as sts:
        one = moto_eatr({**with_role(sts, "pull"), "sts_endpoint_url": sts.url})
        assert one.run("once") == 1
        one.secrets += sts.secrets
        assert set(calls_of(sts)) == {ASSUME}
    assert {(call.service, call.error) for call in moto.calls} == {("ecr", "InvalidClientTokenId")}
    assert not writes(api)


# What AWS refuses ---------------------------------------------------------------------------------------


def fails(one: Eatr, api: ApiServer, *words: str) -> None:
    """It must end in an error that has all these words, without a Secret."""
    assert one.run("once") == 1
    assert any("error: " in line and all(word in line for word in words) for line in one.log)
    assert not writes(api)


def test_a_role_that_may_not_be_assumed_is_named(moto: Moto, api: ApiServer, moto_eatr: MotoEatr) -> None:
    """ECR is not called, with the user's own keys least of all."""
    fails(moto_eatr(with_role(moto, "far")), api, "AccessDenied", role_arn("far"))
    assert set(calls_of(moto)) == {"sts:AssumeRole 403"}


def test_a_role_that_may_not_get_a_token_is_named(moto: Moto, api: ApiServer, moto_eatr: MotoEatr) -> None:
    """It could be assumed; ECR says no."""
    fails(moto_eatr(with_role(moto, "bare")), api, "AccessDenied", "role/bare")
    assert set(calls_of(moto)) == {ASSUME, "ecr:GetAuthorizationToken 403"}


def test_wrong_keys_assume_no_role(moto: Moto, api: ApiServer, moto_eatr: MotoEatr) -> None:
    """STS says so, and nothing else is asked."""
    fails(moto_eatr(with_role(moto, "pull", aws_secret_access_key="x" * 40)), api, "SignatureDoesNotMatch")
    assert set(calls_of(moto)) == {"sts:AssumeRole 403"}


# Profiles -----------------------------------------------------------------------------------------------


def with_profile(
    moto: Moto, folder: Path, profile: str, profiles: dict[str, dict[str, object]]
) -> dict[str, object]:
    """[aws]: a profile of AWS's shared files, which have the keys as `ops`, and a default that may nothing."""
    credentials, config = folder / "credentials", folder / "config"
    users = {"default": with_keys(*moto.key_of["nobody"]), "ops": with_keys(*moto.keys)}
    credentials.write_text(to_ini(users))
    credentials.chmod(0o600)
    config.write_text(to_ini({f"profile {name}": keys for name, keys in profiles.items()}))
    config.chmod(0o600)
    files = {"shared_credentials_file": credentials, "config_file": config}
    return {"profile": profile, "sts_endpoint_url": moto.url, **files}


def role_from(source: str, role: str, **more: object) -> dict[str, object]:
    """A profile: a role, assumed with the credentials of another profile."""
    return {"role_arn": role_arn(role), "source_profile": source, **more}


def test_a_profile_has_keys(moto: Moto, tmp_path: Path, api: ApiServer, moto_eatr: MotoEatr) -> None:
    """Those of another profile would be refused."""
    assert moto_eatr(with_profile(moto, tmp_path, "ops", {})).run("once") == 0
    assert calls_of(moto) == [GET_TOKEN] and moto.calls[0].key == moto.keys[0]
    assert len(accounts_in(api)) == 2


def test_a_profile_assumes_one_role_after_the_other(
    moto: Moto, tmp_path: Path, api: ApiServer, moto_eatr: MotoEatr
) -> None:
    """Each with the credentials of the one before, and with its own parameters."""
    profiles = {
        "far": role_from("hop", "far", external_id="second", duration_seconds=900),
        "hop": role_from("ops", "hop", external_id="first", role_session_name="from-ops"),
    }
    assert moto_eatr(with_profile(moto, tmp_path, "far", profiles)).run("once") == 0
    assert accounts_in(api) == everywhere("far")
    assert calls_of(moto) == [ASSUME, ASSUME, GET_TOKEN]
    first, second = assumed(moto)
    assert (first["RoleArn"], second["RoleArn"]) == (role_arn("hop"), role_arn("far"))
    assert (first["ExternalId"], second["ExternalId"]) == ("first", "second")
    assert (first["RoleSessionName"], second["DurationSeconds"]) == ("from-ops", "900")
    assert len({call.key for call in moto.calls}) == 3 and moto.calls[0].key == moto.keys[0]


def test_the_role_of_a_chain_that_fails_is_named(
    moto: Moto, tmp_path: Path, api: ApiServer, moto_eatr: MotoEatr
) -> None:
    """The first may not assume this second one."""
    profiles = {"pull": role_from("hop", "pull"), "hop": role_from("ops", "hop")}
    one = moto_eatr(with_profile(moto, tmp_path, "pull", profiles))
    fails(one, api, "AccessDenied", role_arn("pull"))
    assert set(calls_of(moto)) == {ASSUME, "sts:AssumeRole 403"}


# Web identities -----------------------------------------------------------------------------------------


def write_token(path: Path, token: str) -> str:
    """As a kubelet or SPIFFE does it: the new file takes the old one's place."""
    new = path.with_name(path.name + ".new")
    new.write_text(token + "\n")
    new.chmod(0o600)
    new.rename(path)
    return token


def with_token(moto: Moto, path: Path, **more: object) -> dict[str, object]:
    """[aws]: a web identity, no keys."""
    role = {"role_arn": role_arn("web"), "web_identity_token_file": path}
    return {"sts_endpoint_url": moto.url, **role, **more}


@pytest.mark.moto(session_seconds=60)
def test_a_web_identity_is_read_again_for_each_session(
    moto: Moto, tmp_path: Path, api: ApiServer, moto_eatr: MotoEatr
) -> None:
    """The token that was in the file at the time is sent, in a call that is not signed."""
    path = tmp_path / "token"
    first = write_token(path, "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJmaXJzdCJ9.c2ln-_bmF0dXJl")
    one = moto_eatr(with_token(moto, path)).start("--auth-token-renewal-interval", "1s")
    one.secrets.append(first)
    one.wait_ready()
    assert accounts_in(api) == everywhere("web")
    second = write_token(path, "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJzZWNvbmQifQ.YW5v-_dGhlcg")
    one.secrets.append(second)
    wait_for(lambda: second in tokens_sent(moto), 15, "the second token is sent")
    count = calls_of(moto).count(GET_TOKEN)
    wait_for(lambda: calls_of(moto).count(GET_TOKEN) > count, 15, "and got a token of ECR")
    assert one.stop() == 0
    sent = tokens_sent(moto)
    assert sent[0] == first and set(sent) == {first, second} and sent == sorted(sent, key=[first, second].index)
    assert {call.key for call in moto.calls if str(call) == ASSUME_WEB} == {""}
    assert accounts_in(api) == everywhere("web")


def tokens_sent(moto: Moto) -> list[str]:
    """The web identities that STS has seen."""
    return [told["WebIdentityToken"] for told in assumed(moto, ASSUME_WEB)]


def test_a_web_identity_has_a_name_and_a_duration(
    moto: Moto, tmp_path: Path, api: ApiServer, moto_eatr: MotoEatr
) -> None:
    """As for any other session."""
    write_token(tmp_path / "token", "a.b.c")
    more = {"role_session_name": "ops@host", "duration_seconds": 1800}
    assert moto_eatr(with_token(moto, tmp_path / "token", **more)).run("once") == 0
    assert accounts_in(api) == everywhere("web") and calls_of(moto) == [ASSUME_WEB, GET_TOKEN]
    told = assumed(moto, ASSUME_WEB)[0]
    assert (told["RoleSessionName"], told["DurationSeconds"]) == ("ops@host", "1800")


def test_a_profile_has_a_web_identity_and_another_a_role_from_there(
    moto: Moto, tmp_path: Path, api: ApiServer, moto_eatr: MotoEatr
) -> None:
    """A profile of AWS's files may begin with one, too."""
    write_token(tmp_path / "token", "a.b.c")
    begin = {"role_arn": role_arn("hop"), "web_identity_token_file": tmp_path / "token"}
    profiles = {"ci": begin, "far": role_from("ci", "far")}
    assert moto_eatr(with_profile(moto, tmp_path, "far", profiles)).run("once") == 0
    assert accounts_in(api) == everywhere("far") and calls_of(moto) == [ASSUME_WEB, ASSUME, GET_TOKEN]
