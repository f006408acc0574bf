"""Tokens of EKS: eatr makes what "aws eks get-token" makes of the same command line, variables and files.

Both run on a host of its own where STS's names lead to moto. tests/show-eks-token has eatr's token. The two are
taken apart and compared, and each signature is calculated anew with botocore.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import eks
import private_host
from eatr import find_binary, to_ini
from http_double import Tls
from moto import REGION, Moto, with_keys
from private_host import PrivateHost
from signed import Keys
from test_real_host import Front, port_of

AWS = "/usr/bin/aws"
CLUSTER = "prod"
NAMES = [f"sts.{region}.amazonaws.com" for region in (REGION, "us-east-2")]
KEY = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
ENTRY = Keys("AKIAENTRY00000000001", KEY)
SESSION = Keys("ASIAENTRY00000000002", KEY, "FwoGZXIvYXdzEJr//////////wEaDEXAMPLE+Ab0/c2Vzc2lvbg==")
FILED = Keys("AKIAFILED00000000003", KEY + "3")
PLACE = Keys("ASIAPLACE00000000004", KEY + "4", "t/o+k=en")
GET = ["eks", "get-token", "--cluster-name", CLUSTER]


def variables(keys: Keys) -> dict[str, str]:
    """An entry's, for these keys."""
    found = {"AWS_ACCESS_KEY_ID": keys.access_key, "AWS_SECRET_ACCESS_KEY": keys.secret_key}
    return found | ({"AWS_SESSION_TOKEN": keys.session_token} if keys.session_token else {})


@dataclass
class Form:
    """An entry of a kubeconfig."""

    name: str
    args: list[str]
    env: dict[str, str] = field(default_factory=dict)
    roles: int = 0  # how many are assumed
    cluster: str = CLUSTER


REGIONAL = {"AWS_REGION": REGION}
FORMS = [
    Form("keys", GET, variables(ENTRY) | REGIONAL),
    Form("a session", GET, variables(SESSION) | REGIONAL),
    Form("the region first", ["--region", REGION, *GET], variables(ENTRY)),
    Form("the region between", ["eks", f"--region={REGION}", "get-token", "--cluster-name", CLUSTER], variables(ENTRY)),
    Form("the region last", [*GET, "--region", "us-east-2"], variables(ENTRY)),
    Form("the region twice", [*GET, "--region", REGION, "--region", "us-east-2"], variables(ENTRY)),
    Form("the region of the option counts", [*GET, "--region", "us-east-2"], variables(ENTRY) | REGIONAL),
    Form("the default region", GET, variables(ENTRY) | {"AWS_DEFAULT_REGION": "us-east-2"}),
    Form("both regions", GET, variables(ENTRY) | REGIONAL | {"AWS_DEFAULT_REGION": "us-east-2"}),
    Form("as update-kubeconfig writes it", ["--region", REGION, *GET, "--output", "json"], {"AWS_PROFILE": "filed"}),
    Form("with equals signs", ["eks", "get-token", f"--cluster-name={CLUSTER}", f"--region={REGION}",
                               "--output=json"], variables(ENTRY)),
    Form("the others first", ["--output", "json", "--region", REGION, "--no-cli-pager", *GET], variables(ENTRY)),
    Form("an id", ["eks", "get-token", "--cluster-id", "4f6e2b3c-0d1e-4f5a-8b7c-9d8e7f6a5b4c"],
         variables(ENTRY) | REGIONAL, cluster="4f6e2b3c-0d1e-4f5a-8b7c-9d8e7f6a5b4c"),
    Form("a long name", ["eks", "get-token", "--cluster-name", "A_b-" * 25], variables(ENTRY) | REGIONAL,
         cluster="A_b-" * 25),
    Form("no pager", [*GET, "--no-cli-pager"], variables(ENTRY) | REGIONAL),
    Form("a profile", [*GET, "--profile", "filed"]),
    Form("a profile with an equals sign", [*GET, "--profile=filed"]),
    Form("a profile first", ["--profile", "filed", *GET]),
    Form("a profile of the variables", GET, {"AWS_PROFILE": "filed"}),
    Form("a default profile of the variables", GET, {"AWS_DEFAULT_PROFILE": "filed"} | REGIONAL),
    Form("both profiles of the variables", GET, {"AWS_DEFAULT_PROFILE": "none", "AWS_PROFILE": "filed"}),
    Form("the option counts before keys", [*GET, "--profile", "filed"], variables(ENTRY)),
    Form("keys count before the variable", GET, variables(ENTRY) | {"AWS_PROFILE": "filed"} | REGIONAL),
    Form("the region of a variable counts before a profile's", GET, {"AWS_PROFILE": "filed"} | REGIONAL),
    Form("files elsewhere", GET, {"AWS_PROFILE": "place", "AWS_SHARED_CREDENTIALS_FILE": "HOME/other/c",
                                  "AWS_CONFIG_FILE": "HOME/other/f"}),
    Form("a file below the home", GET, {"AWS_PROFILE": "place", "AWS_SHARED_CREDENTIALS_FILE": "~/other/c"} | REGIONAL),
    Form("another home", GET, {"AWS_PROFILE": "place", "HOME": "HOME/home"} | REGIONAL),
    Form("the program's default", GET),
    Form("a role", [*GET, "--role-arn", "ROLE"], {"AWS_PROFILE": "moto"}, roles=1),
    Form("a role with an equals sign", [*GET, "--role-arn=ROLE", "--region", "us-east-2"], {"AWS_PROFILE": "moto"},
         roles=1),
    Form("a role as update-kubeconfig writes it", ["--region", REGION, *GET, "--output", "json", "--role", "ROLE"],
         {"AWS_PROFILE": "moto"}, roles=1),
    Form("a role of a profile", GET, {"AWS_PROFILE": "hop"}, roles=1),
    Form("a role on a role", [*GET, "--role-arn", "FAR"], {"AWS_PROFILE": "hop"}, roles=2),
    Form("a role of the default", [*GET, "--role-arn", "ROLE"], roles=1),
]


@dataclass
class Scene:
    """Where both run."""

    host: PrivateHost
    moto: Moto
    home: Path
    config: Path

    def run(self, command: list[str | Path], env: dict[str, str]) -> dict[str, object]:
        """What a program prints; HOME/ and the like in its variables are filled in."""
        env = {"PATH": "/usr/bin:/bin", "HOME": str(self.home), **self.fill_in(env)}
        done = subprocess.run([*self.host.prefix, *command], env=env, cwd="/", capture_output=True, text=True,
                              timeout=60, check=False)
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        return dict(json.loads(done.stdout))

    def fill_in(self, env: dict[str, str]) -> dict[str, str]:
        """With the folder of this test."""
        return {name: value.replace("HOME/", f"{self.home}/") for name, value in env.items()}

    def known(self, access_key: str) -> Keys | None:
        """Those that there are but for sessions."""
        moto = Keys(*self.moto.keys)
        return {keys.access_key: keys for keys in (ENTRY, SESSION, FILED, PLACE, moto)}.get(access_key)

    def session(self, token: eks.Token) -> Keys:
        """The keys of the role's session that a token is of."""
        access_key, session = token.credential[0], token.parameters["X-Amz-Security-Token"]
        (secret,) = {
            other for call in self.moto.calls if session in call.secrets for other in call.secrets if other != session
        }
        return Keys(access_key, secret, session)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory, moto_folder: None, tls: Tls) -> Iterator[Scene]:
    """One for all forms: they leave nothing behind."""
    if shutil.which(AWS) is None:
        pytest.skip(f"{AWS} is missing: install awscli")
    if (obstacle := private_host.why_not()) is not None:
        pytest.skip(obstacle)
    folder = tmp_path_factory.mktemp("eks")
    with Moto(folder / "moto") as moto, PrivateHost(folder / "host") as host:
        with Front(port_of(moto.url), tls.issue("sts", *(f"DNS:{name}" for name in NAMES))) as front:
            host.trust(tls.ca.read_bytes())
            for name in NAMES:
                host.serve(name, 443, front.port)
            yield Scene(host, moto, folder, write_files(folder, moto))
    assert not front.errors, front.errors[0]


def write_files(folder: Path, moto: Moto) -> Path:
    """AWS's own, and eatr's, whose credentials are those of the program's default; returns the latter."""
    default = {**with_keys(*moto.keys), "region": REGION}
    filed = {**with_keys(FILED.access_key, FILED.secret_key), "region": "us-east-2"}
    place = {**with_keys(PLACE.access_key, PLACE.secret_key), "aws_session_token": PLACE.session_token}
    hop = {"role_arn": moto.role_arn("hop"), "source_profile": "moto", "region": REGION}
    for path, text in {
        ".aws/credentials": to_ini({"default": with_keys(*moto.keys), "filed": filed, "moto": default}),
        ".aws/config": to_ini({"default": {"region": REGION}, "profile hop": hop}),
        "other/c": to_ini({"place": place}),
        "other/f": to_ini({"profile place": {"region": "us-east-2"}}),
        "home/.aws/credentials": to_ini({"place": place}),
        "eatr.conf": to_ini({"aws": default}),
    }.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
        (folder / path).chmod(0o600)
    return folder / "eatr.conf"


def roles_assumed(scene: Scene, since: int) -> list[tuple[str, str]]:
    """The roles and the names of their sessions, since there were so many calls."""
    calls = scene.moto.calls[since:]
    assert [str(call) for call in calls] == ["sts:AssumeRole 200"] * len(calls)
    return [(call.parameters["RoleArn"], call.parameters["RoleSessionName"]) for call in calls]


def check(scene: Scene, form: Form, text: str) -> eks.Token:
    """Takes a token apart; it has to be good."""
    token = eks.read(text)
    known = scene.known if not form.roles else lambda _: scene.session(token)
    eks.verify(text, form.cluster, known, time.time())
    return token


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
def test_a_token_is_the_program_s(scene: Scene, form: Form) -> None:
    """All of it is the same, but for the time, and what comes of that or of a session."""
    args = [{"ROLE": scene.moto.role_arn("pull"), "FAR": scene.moto.role_arn("far")}.get(a, a) for a in form.args]
    args = [a.replace("=ROLE", f"={scene.moto.role_arn('pull')}") for a in args]
    before = len(scene.moto.calls)
    shutil.rmtree(scene.home / ".aws" / "cli", ignore_errors=True)  # where the program keeps sessions
    printed = scene.run([AWS, *args], form.env)
    status = printed["status"]
    assert isinstance(status, dict)
    theirs = check(scene, form, status["token"])
    their_roles, before = roles_assumed(scene, before), len(scene.moto.calls)
    show = find_binary().parent / "tests" / "show-eks-token"
    variables = [f"{name}={value}" for name, value in scene.fill_in(form.env).items()]
    own = scene.run([show, scene.config, *variables, "aws", *args], {})
    ours = check(scene, form, str(own["token"]))
    our_roles = roles_assumed(scene, before)

    assert len(their_roles) == form.roles
    assert [arn for arn, _ in our_roles] == [arn for arn, _ in their_roles]
    if "--role" in " ".join(args):
        assert our_roles[-1] == their_roles[-1]  # with the name of the session
    assert ours.url.netloc == theirs.url.netloc and len(str(own["token"])) <= eks.TOKEN_MAX
    assert comparable(ours, form) == comparable(theirs, form)
    assert 0 <= ours.time - theirs.time < 60


def comparable(token: eks.Token, form: Form) -> dict[str, object]:
    """What does not come of the time or of a session."""
    own = {"X-Amz-Date", "X-Amz-Signature", "X-Amz-Credential"} | ({"X-Amz-Security-Token"} if form.roles else set())
    same: dict[str, object] = {name: value for name, value in token.parameters.items() if name not in own}
    return {**same, "names": sorted(token.parameters), "credential": token.credential[1 if form.roles else 0 :][-3:],
            "key": None if form.roles else token.credential[0]}


NOT_OURS = [
    Form("another output", [*GET, "--output", "text"], variables(ENTRY) | REGIONAL),
    Form("a query", [*GET, "--query", "status"], variables(ENTRY) | REGIONAL),
    Form("an endpoint", [*GET, "--endpoint-url", "https://x"], variables(ENTRY) | REGIONAL),
    Form("an option to come", [*GET, "--to-come"], variables(ENTRY) | REGIONAL),
    Form("a variable to come", GET, variables(ENTRY) | REGIONAL | {"AWS_TO_COME": "1"}),
    Form("an option of another place", ["--cluster-name", CLUSTER, "eks", "get-token"], variables(ENTRY) | REGIONAL),
    Form("half a key", GET, {"AWS_ACCESS_KEY_ID": "AKIAENTRY00000000001"} | REGIONAL),
    Form("a profile that is not there", [*GET, "--profile", "none"]),
    Form("another command", ["eks", "list-clusters"], variables(ENTRY) | REGIONAL),
]


@pytest.mark.parametrize("form", NOT_OURS, ids=lambda form: form.name)
def test_what_is_left_to_the_program(scene: Scene, form: Form) -> None:
    """eatr makes no token if it cannot know that it is the same."""
    show = find_binary().parent / "tests" / "show-eks-token"
    env = [f"{name}={value}" for name, value in form.env.items()]
    assert scene.run([show, scene.config, *env, "aws", *form.args], {}) == {"run": True}
