"""What the scenarios about sources of credentials share: each service that gives some, and eatr.

The ECR of these tests knows each key by itself: a token shows which source was read, and read rightly.
"""

from __future__ import annotations

import contextlib
import json
import math
from pathlib import Path

from api_server import ApiServer
from certificates import Files, Issued
from conftest import finish, is_fresh, secrets_of
from eatr import Changes, Eatr, merged, wait_for
from ecr import Ecr
from metadata import Metadata
from rolesanywhere import RolesAnywhere
from signed import Keys, access_key_of, make_keys
from sts import Role, Sts

VERBOSE = ("--logging-verbosity-level", "10")
OFTEN = ("--auth-token-renewal-interval", "1s")
PROCESS = """#!/usr/bin/python3 -I
import json, os, pathlib, sys
folder = pathlib.Path(__file__).parent
with open(folder / "runs", "a", encoding="utf-8") as runs:
    print(json.dumps({"argv": sys.argv[1:], "env": dict(os.environ)}), file=runs, flush=True)
sys.stdout.write((folder / "printed").read_text(encoding="utf-8"))
"""


def role_arn(name: str) -> str:
    """The ARN of a role."""
    return f"arn:aws:iam::210987654321:role/{name}"


def with_keys(keys: Keys) -> dict[str, object]:
    """For [aws] of eatr's configuration, and for a profile."""
    secrets = {"aws_access_key_id": keys.access_key, "aws_secret_access_key": keys.secret_key}
    return {**secrets, "aws_session_token": keys.session_token}


def in_environment(keys: Keys) -> dict[str, str]:
    """The variables that hold keys."""
    secrets = {"AWS_ACCESS_KEY_ID": keys.access_key, "AWS_SECRET_ACCESS_KEY": keys.secret_key}
    return {**secrets, "AWS_SESSION_TOKEN": keys.session_token or ""}


def users_of(ecr: Ecr) -> list[str]:
    """The access key of each call."""
    return [access_key_of(call.record) for call in ecr.calls if call.record]


def put(path: Path, text: str) -> Path:
    """Writes a file as whoever keeps one fresh does it: the new one takes the old one's place."""
    new = path.with_name(path.name + ".new")
    new.write_text(text, encoding="utf-8")
    new.chmod(0o600)
    new.rename(path)
    return path


class Program:
    """A credential_process that prints what print() says, and notes how it was run."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder, self.path = folder, folder / "keys for eatr"  # a path with blanks
        self.path.write_text(PROCESS, encoding="utf-8")
        self.path.chmod(0o755)

    def print(self, keys: Keys, expires: str | None = None) -> Keys:
        """From now on it prints these."""
        body: dict[str, object] = {"Version": 1, "AccessKeyId": keys.access_key}
        body |= {"SecretAccessKey": keys.secret_key, "SessionToken": keys.session_token}
        if expires is not None:
            body["Expiration"] = expires
        put(self.folder / "printed", json.dumps(body))
        return keys

    @property
    def runs(self) -> list[dict[str, object]]:
        """Each time that it ran: argv and env."""
        path = self.folder / "runs"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


class Sources:
    """Everything that gives credentials, started, and a cluster; eatr() makes an eatr for it."""

    def __init__(self, directory: Path, ecr: Ecr, api: ApiServer) -> None:
        self.directory, self.ecr, self.api = directory, ecr, api
        self.sts, self.metadata = Sts(ecr), Metadata(ecr)
        self.authority = Issued.authority()
        self.anywhere = RolesAnywhere(self.authority, ecr=ecr)
        self.made: list[Eatr] = []
        self.secrets: set[str] = set()  # more that nobody may tell

    def keys(self, seconds: float = math.inf) -> Keys:
        """New keys that ECR takes, for so long."""
        keys = make_keys(self.ecr.now() + seconds)
        self.ecr.temporary[keys.access_key] = keys
        return self.keep(keys)

    def keep(self, keys: Keys) -> Keys:
        """These are secret."""
        self.secrets |= {keys.secret_key, keys.session_token or ""} - {""}
        return keys

    def expire(self, access_key: str) -> None:
        """Has ECR, and STS, take keys for expired that should last longer."""
        keys = self.ecr.temporary[access_key]
        self.ecr.temporary[access_key] = Keys(keys.access_key, keys.secret_key, keys.session_token, 0)

    def role(self, name: str, *trusted: str, **more: object) -> str:
        """A role that these keys, or sessions of these roles, may assume; gives its ARN."""
        self.sts.roles[role_arn(name)] = Role(set(trusted), **more)  # type: ignore[arg-type]
        return role_arn(name)

    def certificate(self, issued: Issued, folder: Path | None = None, stem: str = "client") -> Files:
        """Writes a certificate and its key, which is secret."""
        files = issued.write(folder or self.directory, stem)
        lines = files.key.read_text().splitlines()
        self.secrets |= {line for line in lines if len(line) >= 40 and not line.startswith("-----")}
        return files

    def with_certificate(self, files: Files, **more: object) -> dict[str, object]:
        """[aws] for IAM Roles Anywhere."""
        anywhere = self.anywhere
        aws: dict[str, object] = {"certificate": files.certificate, "private_key": files.key}
        aws |= {"certificate_chain": files.chain, "trust_anchor_arn": anywhere.trust_anchor_arn}
        aws |= {"profile_arn": anywhere.profile_arn, "role_arn": anywhere.role_arn}
        return {**aws, "sts_endpoint_url": anywhere.url, **more}

    def eatr(self, aws: dict[str, object], changes: Changes | None = None) -> Eatr:
        """An eatr with these keys in [aws], beside region and endpoint."""
        one = Eatr(self.directory / f"eatr{len(self.made) or ''}")
        self.made.append(one)
        config = {
            "aws": {"region": self.ecr.region, "endpoint_url": self.ecr.url, "verify": False, **aws},
            "kubernetes": {"kubeconfig": self.api.kubeconfig(one.directory / "kubeconfig")},
        }
        one.write_config(merged(config, changes or {}))
        return one

    def fresh(self) -> bool:
        """Whether every namespace has the last token."""
        return all(is_fresh(self.ecr, self.api, namespace) for namespace in self.api.namespaces())

    def users(self) -> list[str]:
        """The access key of each call of ECR."""
        return users_of(self.ecr)

    def gives(self, one: Eatr, *, env: dict[str, str] | None = None) -> str:
        """Has one pass end with a token everywhere, for one call of ECR; gives the access key of that."""
        for namespace in self.api.namespaces():  # one that is good would stay
            if self.api.secret(namespace) is not None:
                self.api.delete_secret(namespace)
        before = len(self.ecr.calls)
        code = one.run("once", *VERBOSE, env=env)
        assert code == 0, one.failure(f"exit status {code}")
        assert self.fresh() and [call.error for call in self.ecr.calls[before:]] == [None]
        return self.users()[-1]

    def renewed(self, count: int = 1) -> list[str]:
        """Waits for so many calls of ECR from now on; gives their access keys."""
        before = len(self.ecr.calls)
        wait_for(lambda: len(self.ecr.calls) >= before + count, 20, f"{count} calls of ECR")
        return self.users()[before : before + count]

    def __enter__(self) -> Sources:
        """Starts what ecr and api leave."""
        self._stack = contextlib.ExitStack()
        for double in (self.sts, self.metadata, self.anywhere):
            self._stack.enter_context(double)
        return self

    def __exit__(self, *_: object) -> None:
        """Ends all, and fails if an eatr told a secret, crashed or cannot be stopped."""
        with self._stack:
            sessions = self.anywhere.sessions
            secrets = {text for session in sessions for text in (session.secret_key, session.token)}
            secrets |= self.secrets | self.sts.secrets | self.metadata.secrets
            secrets |= secrets_of(self.ecr, self.api)
            problems = [problem for one in self.made for problem in finish(one, secrets, print)]
        problems += [f"violation: {text}" for text in self.api.violations]
        problems += self.sts.errors + self.metadata.errors + self.anywhere.errors
        assert not problems, "\n".join(problems)
