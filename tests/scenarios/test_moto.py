"""moto against botocore, and eatr with keys, roles and web identities of several accounts against moto."""

from __future__ import annotations

import base64
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import botocore.config  # type: ignore[import]
import botocore.exceptions  # type: ignore[import]
import botocore.session  # type: ignore[import]
import pytest

from api_server import ApiServer
from conftest import MotoEatr, writes
from eatr import wait_for
from moto import ACCOUNTS, HOME_ACCOUNT, REGION, Moto, accounts_in, host_of, role_arn, with_keys

# moto ---------------------------------------------------------------------------------------------------


def client(moto: Moto, service: str, *keys: str) -> Any:
    """botocore's client with id, secret and maybe a session token; without keys it does not sign."""
    config = botocore.config.Config(
        retries={"total_max_attempts": 1}, proxies={}, signature_version=None if keys else botocore.UNSIGNED
    )
    names = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
    return botocore.session.Session().create_client(
        service, REGION, endpoint_url=moto.url, config=config, **dict(zip(names, keys))
    )


def ask(moto: Moto, *keys: str) -> Any:
    """Asks ECR for a token: authorizationData[0], or the code that it was refused with."""
    call = client(moto, "ecr", *keys).get_authorization_token
    return answer_of(moto, lambda: call()["authorizationData"][0])


def assume(moto: Moto, keys: tuple[str, ...], name: str, **parameters: Any) -> Any:
    """Assumes a role: id, secret and session token, or the code that it was refused with."""
    call = client(moto, "sts", *keys).assume_role
    parameters = {"RoleArn": role_arn(name), "RoleSessionName": "test", **parameters}
    return answer_of(moto, lambda: keys_of(call(**parameters)))


def keys_of(answer: Any) -> tuple[str, str, str]:
    """What STS gave."""
    found = answer["Credentials"]
    return found["AccessKeyId"], found["SecretAccessKey"], found["SessionToken"]


def answer_of(moto: Moto, call: Callable[[], Any]) -> Any:
    """What a call gives, or the code that it was refused with, which botocore does not see in ECR's XML."""
    try:
        return call()
    except botocore.exceptions.ClientError:
        return moto.calls[-1].error


def test_moto_checks_keys(moto: Moto) -> None:
    """Good ones get a token of their account, others nothing."""
    key, secret = moto.keys
    data = ask(moto, key, secret)
    assert data["proxyEndpoint"] == f"https://{host_of(HOME_ACCOUNT)}"
    assert base64.b64decode(data["authorizationToken"]).decode() == f"AWS:{HOME_ACCOUNT}-auth-token"
    assert abs(data["expiresAt"].timestamp() - time.time() - 43200) < 60
    assert ask(moto, key, secret[::-1]) == "SignatureDoesNotMatch"
    assert ask(moto, "AKIAUNKNOWNUNKNOWN00", secret) == "InvalidClientTokenId"
    assert ask(moto, *moto.key_of["nobody"]) == "AccessDenied"
    assert ask(moto, key, secret, "a token") == "InvalidClientTokenId"
    assert {(call.service, call.action) for call in moto.calls} == {("ecr", "GetAuthorizationToken")}
    assert [call.status for call in moto.calls] == [200, 403, 403, 403, 403]
    assert moto.calls[0].key == key and moto.calls[0].region == REGION


def test_moto_checks_roles(moto: Moto) -> None:
    """A role's credentials get a token of the role's account, if policies allow it."""
    pull = assume(moto, moto.keys, "pull", ExternalId="a/b=c")
    assert ask(moto, *pull)["proxyEndpoint"] == f"https://{host_of(ACCOUNTS['pull'])}"
    assert ask(moto, *pull[:2], pull[2][::-1]) == "InvalidClientTokenId"
    assert ask(moto, pull[0], pull[1][::-1], pull[2]) == "SignatureDoesNotMatch"
    assert assume(moto, moto.keys, "far") == assume(moto, moto.keys, "web") == "AccessDenied"
    assert assume(moto, moto.key_of["nobody"], "pull") == "AccessDenied"
    assert assume(moto, (moto.keys[0], "wrong"), "pull") == "SignatureDoesNotMatch"
    assert ask(moto, *assume(moto, moto.keys, "bare")) == "AccessDenied"
    first = moto.calls[0]
    assert (str(first), first.parameters["ExternalId"]) == ("sts:AssumeRole 200", "a/b=c")
    assert set(pull[1:]) <= moto.secrets


def test_moto_checks_chains_of_roles(moto: Moto) -> None:
    """The second can be assumed from the first only."""
    hop = assume(moto, moto.keys, "hop")
    assert ask(moto, *hop) == "AccessDenied"
    far = assume(moto, hop, "far")
    assert ask(moto, *far)["proxyEndpoint"] == f"https://{host_of(ACCOUNTS['far'])}"
    assert [call.key for call in moto.calls[2:]] == [hop[0], far[0]]


def test_moto_knows_web_identities(moto: Moto) -> None:
    """The call is not signed; every other call without a signature is refused."""
    session = client(moto, "sts").assume_role_with_web_identity(
        RoleArn=role_arn("web"), RoleSessionName="test", WebIdentityToken="a.b.c", DurationSeconds=900
    )
    assert abs(session["Credentials"]["Expiration"].timestamp() - time.time() - 900) < 60
    assert ask(moto, *keys_of(session))["proxyEndpoint"] == f"https://{host_of(ACCOUNTS['web'])}"
    call = moto.calls[0]
    assert (str(call), call.key) == ("sts:AssumeRoleWithWebIdentity 200", "")
    assert call.parameters["WebIdentityToken"] == "a.b.c"
    assert not isinstance(ask(moto), dict)


@pytest.mark.moto(token_seconds=None, session_seconds=60)
def test_moto_has_lifetimes(moto: Moto) -> None:
    """Tokens of moto's own run out in 2015; sessions last as long as the test wants."""
    pull = client(moto, "sts", *moto.keys).assume_role(RoleArn=role_arn("pull"), RoleSessionName="test")
    assert abs(pull["Credentials"]["Expiration"].timestamp() - time.time() - 60) < 30
    assert ask(moto, *moto.keys)["expiresAt"].timestamp() == 1420070400


def test_moto_ends_with_the_tests(moto: Moto, tmp_path: Path) -> None:
    """Also if they are killed."""
    script = f"""
import sys, time
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).parent)!r})
from moto import Moto
moto = Moto(Path({str(tmp_path / "other")!r})).start()
print(moto._process.pid, flush=True)
time.sleep(600)
"""
    tests = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert tests.stdout is not None
    pid = int(tests.stdout.readline())
    assert is_alive(pid)
    tests.kill()
    tests.communicate()
    wait_for(lambda: not is_alive(pid), 10, "moto is gone")


def is_alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


# eatr with keys of its own ------------------------------------------------------------------------------


def test_static_keys_get_a_token_of_their_account(moto: Moto, api: ApiServer, moto_eatr: MotoEatr) -> None:
    """One call, signed so that moto takes it."""
    assert moto_eatr(with_keys(*moto.keys)).run("once") == 0
    assert accounts_in(api) == {"default": HOME_ACCOUNT, "kube-system": HOME_ACCOUNT}
    assert list(map(str, moto.calls)) == ["ecr:GetAuthorizationToken 200"]
    assert moto.calls[0].key == moto.keys[0] and moto.calls[0].region == REGION


@pytest.mark.parametrize(
    "user, replaced, error",
    [
        ("eatr", {"aws_secret_access_key": "x" * 40}, "SignatureDoesNotMatch"),
        ("eatr", {"aws_access_key_id": "AKIAUNKNOWNUNKNOWN00"}, "InvalidClientTokenId"),
        ("nobody", {}, "AccessDenied"),
    ],
    ids=["wrong secret", "unknown key", "no policy"],
)
def test_keys_that_moto_refuses_write_nothing(
    user: str,
    replaced: dict[str, object],
    error: str,
    moto: Moto,
    api: ApiServer,
    moto_eatr: MotoEatr,
) -> None:
    """The failure is logged, and no Secret is written."""
    one = moto_eatr(with_keys(*moto.key_of[user]) | replaced)
    assert one.run("once") == 1
    assert {call.error for call in moto.calls} == {error}
    assert any(re.search(f"error: .*(403|{error})", line) for line in one.log)
    assert not writes(api)


@pytest.mark.moto(token_seconds=None)
def test_a_token_that_ran_out_long_ago_is_refused(moto: Moto, api: ApiServer, moto_eatr: MotoEatr) -> None:
    """Moto's own run out in 2015."""
    one = moto_eatr(with_keys(*moto.keys))
    assert one.run("once") == 1
    assert moto.calls[0].status == 200
    assert any("the token has expired already" in line for line in one.log)
    assert not writes(api)
