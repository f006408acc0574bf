"""The doubles that give credentials, against botocore and plain HTTP: only what is wholly right gets keys."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import botocore.config  # type: ignore[import]
import botocore.exceptions  # type: ignore[import]
import botocore.session  # type: ignore[import]
import pytest

from ecr import Ecr
from metadata import ROLES, Metadata
from sources import role_arn
from sts import Role, Sts
from test_doubles import call

ARN = role_arn("pull")


@pytest.fixture
def sts(ecr: Ecr) -> Iterator[Sts]:
    """An STS with one role, for whoever knows an external id or has a token."""
    with Sts(ecr) as double:
        double.roles[ARN] = Role({ecr.access_key}, "the-external-id", {"a.b.c"}, {"old.b.c"})
        yield double
    assert not double.errors


def assume(sts: Sts, secret: str | None = None, region: str = "eu-west-1", **more: Any) -> Any:
    """Assumes the role with botocore; gives the keys or the error's code."""
    session, keys = botocore.session.get_session(), sts.ecr
    config = botocore.config.Config(retries={"total_max_attempts": 1}, proxies={})
    signed = {"aws_access_key_id": keys.access_key, "aws_secret_access_key": secret or keys.secret_key}
    client = session.create_client("sts", region, endpoint_url=sts.url, config=config, **signed)
    action = client.assume_role_with_web_identity if "WebIdentityToken" in more else client.assume_role
    try:
        return action(**{"RoleArn": ARN, "RoleSessionName": "test", **more})["Credentials"]
    except botocore.exceptions.ClientError as error:
        return error.response["Error"]["Code"]


def test_sts_gives_keys_that_ecr_takes(sts: Sts, ecr: Ecr) -> None:
    """For as long as was asked for; botocore accepts XML only."""
    for more in ({"ExternalId": "the-external-id"}, {"WebIdentityToken": "a.b.c"}):
        keys = assume(sts, DurationSeconds=900, **more)
        assert 895 < keys["Expiration"].timestamp() - time.time() <= 900
        names = {"aws_access_key_id": "AccessKeyId", "aws_secret_access_key": "SecretAccessKey"}
        names["aws_session_token"] = "SessionToken"
        assert isinstance(call(ecr, **{name: keys[theirs] for name, theirs in names.items()}), list)
    ecr.clock_offset = 901
    assert call(ecr, **{name: keys[theirs] for name, theirs in names.items()}) != []


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({}, "AccessDenied"),
        ({"ExternalId": "another"}, "AccessDenied"),
        ({"ExternalId": "the-external-id", "RoleArn": role_arn("other")}, "AccessDenied"),
        ({"ExternalId": "the-external-id", "secret": "x" * 40}, "SignatureDoesNotMatch"),
        ({"ExternalId": "the-external-id", "region": "eu-west-2"}, "SignatureDoesNotMatch"),
        ({"WebIdentityToken": "x.b.c"}, "InvalidIdentityToken"),
        ({"WebIdentityToken": "old.b.c"}, "ExpiredTokenException"),
        ({"WebIdentityToken": "a.b.c", "RoleArn": role_arn("other")}, "AccessDenied"),
    ],
)
def test_sts_refuses(sts: Sts, more: dict[str, Any], code: str) -> None:
    """Each with AWS's own code, and without keys."""
    assert assume(sts, **more) == code and not sts.ecr.temporary


def ask(url: str, method: str = "GET", **headers: str) -> tuple[int, str]:
    """Status and body."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(url, method=method, headers=named)
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_metadata_wants_a_token_of_a_put(ecr: Ecr) -> None:
    """Version 1 is off, and so is what came through a proxy."""
    ttl = {"X_aws_ec2_metadata_token_ttl_seconds": "21600"}
    with Metadata(ecr) as metadata:
        put = metadata.url + "/latest/api/token"
        assert ask(put, "PUT")[0] == 400
        assert ask(put, "PUT", X_aws_ec2_metadata_token_ttl_seconds="21601")[0] == 400
        assert ask(put, "PUT", X_Forwarded_For="1.2.3.4", **ttl)[0] == 403
        assert ask(metadata.url + ROLES)[0] == 401
        assert ask(metadata.url + ROLES, X_aws_ec2_metadata_token="guessed")[0] == 401
        token = {"X_aws_ec2_metadata_token": ask(put, "PUT", **ttl)[1]}
        assert ask(metadata.url + ROLES, **token) == (200, metadata.role)
        assert ask(metadata.url + ROLES + "other", **token)[0] == 404
        assert metadata.keys == []
        assert ask(metadata.url + ROLES + metadata.role, **token)[0] == 200
        assert [*ecr.temporary.values()] == metadata.keys


def test_a_container_needs_its_token(ecr: Ecr) -> None:
    """And an old one does not do."""
    with Metadata(ecr) as metadata:
        old = metadata.authorization
        assert ask(metadata.container_url, Authorization=old)[0] == 200
        metadata.change_authorization()
        assert ask(metadata.container_url, Authorization=old)[0] == 403
        assert ask(metadata.container_url)[0] == 403
        assert ask(metadata.container_url, Authorization=metadata.authorization)[0] == 200
