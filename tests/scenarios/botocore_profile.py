"""What botocore makes of AWS's shared files: its own readers and providers decide, but nobody is asked.

STS, programs, containers' agents and EC2's metadata are recorders: each gives keys that nobody else gives, and
remembers what they stand for. So the keys that botocore ends up with tell the whole way to them.
"""

from __future__ import annotations

import datetime
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import botocore.credentials  # type: ignore[import]
import botocore.session  # type: ignore[import]
import botocore.utils  # type: ignore[import]
import botocore.validate  # type: ignore[import]

Answer = dict[str, Any]

EXPIRY = datetime.datetime(2099, 1, 1, tzinfo=datetime.timezone.utc)
# botocore makes a name up for a session that has none; eatr's answer has none then.
MADE_UP = "botocore-session-"


def without_none(**members: Any) -> Answer:
    """What eatr leaves out of its answer, too."""
    return {name: value for name, value in members.items() if value is not None}


class Recorders:
    """Those that would be asked for keys."""

    def __init__(self, session: botocore.session.Session) -> None:
        self.session = session
        self.ways: dict[str, Answer] = {}

    def keys(self, way: Answer) -> tuple[str, str, str]:
        """New keys that stand for the way to them."""
        name = f"RECORDED{len(self.ways)}"
        self.ways[name] = way
        return name, "secret", "token"

    def way(self, access_key: str, secret_key: str, token: str | None) -> Answer:
        """What keys stand for; those that no recorder has given are static."""
        if access_key in self.ways:
            return self.ways[access_key]
        static = without_none(
            kind="static", access_key_id=access_key, secret_access_key=secret_key, session_token=token or None
        )
        return {**static, "roles": []}

    # A program

    def popen(self, argv: list[str], **_: Any) -> Any:
        """subprocess.Popen for credential_process."""
        assert argv[0], "an empty name of a program"
        access_key, secret_key, token = self.keys({"kind": "process", "process": argv, "roles": []})
        printed = {"Version": 1, "AccessKeyId": access_key, "SecretAccessKey": secret_key, "SessionToken": token}
        process = mock.Mock(returncode=0)
        process.communicate.return_value = (json.dumps(printed).encode(), b"")
        return process

    # Agents

    def imds(self, *_: Any) -> dict[str, str]:
        """InstanceMetadataFetcher.retrieve_iam_role_credentials()."""
        access_key, secret_key, token = self.keys({"kind": "imds", "roles": []})
        return {
            "role_name": "r",
            "access_key": access_key,
            "secret_key": secret_key,
            "token": token,
            "expiry_time": EXPIRY.isoformat(),
        }

    def container(self, fetcher: Any, url: str, headers: dict[str, str] | None = None) -> dict[str, str]:
        """ContainerMetadataFetcher.retrieve_full_uri()."""
        fetcher._validate_allowed_url(url)
        token = (headers or {}).get("Authorization")
        way = {"kind": "container", "container": without_none(url=url, token=token), "roles": []}
        access_key, secret_key, session_token = self.keys(way)
        return {
            "AccessKeyId": access_key,
            "SecretAccessKey": secret_key,
            "Token": session_token,
            "Expiration": EXPIRY.isoformat(),
        }

    # STS

    def client_creator(self, *_: Any) -> Callable[..., Any]:
        """botocore.credentials._get_client_creator()."""
        return lambda service, **keys: Sts(self, **keys)

    def role(self, operation: str, parameters: dict[str, Any]) -> Answer:
        """The role in a call of STS, whose parameters are held to the service's model as a real client does."""
        shape = self.session.get_service_model("sts").operation_model(operation).input_shape
        report = botocore.validate.ParamValidator().validate(parameters, shape)
        assert not report.has_errors(), report.generate_report()
        name = parameters["RoleSessionName"]
        return without_none(
            arn=parameters["RoleArn"],
            external_id=parameters.get("ExternalId"),
            session_name=None if name.startswith(MADE_UP) else name,
            duration=parameters.get("DurationSeconds"),
        )


class Sts:
    """A client of STS."""

    def __init__(self, recorders: Recorders, **keys: Any) -> None:
        self.recorders = recorders
        self.keys = keys

    def assume_role(self, **parameters: Any) -> Any:
        """The way to the keys that sign, and then this role."""
        names = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
        before = self.recorders.way(*(self.keys[name] for name in names))
        role = self.recorders.role("AssumeRole", parameters)
        return self.answer({**before, "roles": before["roles"] + [role]})

    def assume_role_with_web_identity(self, **parameters: Any) -> Any:
        """Nothing signs it."""
        assert self.keys["config"].signature_version is botocore.UNSIGNED
        role = self.recorders.role("AssumeRoleWithWebIdentity", parameters)
        token_file = parameters["WebIdentityToken"]
        return self.answer({"kind": "web-identity", "token_file": token_file, "role": role, "roles": []})

    def answer(self, way: Answer) -> Any:
        """STS's answer."""
        access_key, secret_key, token = self.recorders.keys(way)
        credentials = {"AccessKeyId": access_key, "SecretAccessKey": secret_key, "SessionToken": token}
        return {"Credentials": {**credentials, "Expiration": EXPIRY}}


def nobody(question: str) -> str:
    """Who would type the code of an MFA device."""
    raise AssertionError(question)


def ask(home: Path, profile: str, environment: dict[str, str]) -> Answer:
    """botocore's answer for a profile of $HOME/.aws; what it raises comes through."""
    with mock.patch.dict(os.environ, {**environment, "HOME": str(home)}, clear=True):
        session = botocore.session.Session(profile=profile)
        recorders = Recorders(session)
        with (
            mock.patch.object(botocore.credentials, "_get_client_creator", recorders.client_creator),
            # The token is the file's name, so that it tells which file it would have been read from.
            mock.patch.object(botocore.credentials, "FileWebIdentityTokenLoader", lambda path: lambda: path),
            mock.patch.object(botocore.credentials.ProcessProvider.__init__, "__defaults__", (recorders.popen,)),
            mock.patch.object(
                botocore.credentials.AssumeRoleProvider.__init__, "__defaults__", (nobody, None, None)
            ),
            mock.patch.object(
                botocore.credentials.InstanceMetadataFetcher, "retrieve_iam_role_credentials", recorders.imds
            ),
            mock.patch.object(
                botocore.utils.ContainerMetadataFetcher,
                "retrieve_full_uri",
                lambda fetcher, url, headers=None: recorders.container(fetcher, url, headers),
            ),
        ):
            credentials = session.get_credentials()
            assert credentials is not None, "no credentials"
            frozen = credentials.get_frozen_credentials()
        scoped = session.get_scoped_config()
    way = recorders.way(frozen.access_key, frozen.secret_key, frozen.token)
    return {**way, **{key: scoped[key] for key in ("region", "endpoint_url") if scoped.get(key)}}
