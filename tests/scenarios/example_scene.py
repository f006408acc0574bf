"""What surrounds a worked example of eatr.conf(5): AWS's endpoints and a registry at their real names.

Everything that an example names is taken from its text: regions, accounts, ARNs, keys, files.
"""

from __future__ import annotations

import contextlib
import secrets
import shlex
from base64 import b64encode
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from certificates import Issued
from eatr import to_ini
from ecr import Ecr
from http_double import Double, Handler, Tls
from manual import Example
from metadata import Metadata
from private_host import METADATA, PrivateHost
from rolesanywhere import RolesAnywhere
from signed import Keys, access_key_of
from sts import Role, Sts

USER_ACCOUNT = "123456789012"  # of keys, of which no text says whose they are
PUBLIC_HOST = "public.ecr.aws"
DROP_INS = "/etc/systemd/system/eatr.service.d/"
HELPER = Path(__file__).with_name("signing_helper.py")
# As the real one does, it finds the endpoint by the trust anchor's region.
HELPER_PROGRAM = """#!/bin/sh
SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt exec /usr/bin/python3 {} "$@" --endpoint https://{}
"""


class Registry(Double):
    """Opens to the last token of an ECR only."""

    def __init__(self, ecr: Ecr, tls: Tls) -> None:
        super().__init__(tls=tls)
        self.ecr = ecr

    def answer(self, handler: Handler) -> None:
        """Answers what a pull begins with."""
        record, wanted = handler.record, f"Basic {self.ecr.last_token}"
        known = (record.method, record.target) == ("GET", "/v2/")
        good = known and record.headers.get("Authorization") == wanted
        handler.reply(200 if good else 401, "{}", headers={"Docker-Distribution-Api-Version": "registry/2.0"})


def account_of(arn: str) -> str:
    """The account in an ARN."""
    return arn.split(":")[4]


def new_keys(kind: str = "AKIA") -> Keys:
    """Keys of a user that no text has."""
    return Keys(f"{kind}{secrets.token_hex(8).upper()}", b64encode(secrets.token_bytes(30)).decode())


class Scene:
    """One example, and the doubles that it needs, each at the name and port that it must be asked at."""

    def __init__(self, example: Example, host: PrivateHost, tls: Tls, stack: contextlib.ExitStack) -> None:
        """Writes the files that the manual shows beside the example."""
        self.example, self.host, self.tls, self.stack = example, host, tls, stack
        self.aws: Mapping[str, str] = example.config["aws"]
        self.doubles: dict[str, Double] = {}  # by what their Host is
        self.tokens: dict[str, Ecr] = {}  # the hosts that the Secret must have -> whose token
        self.signers: list[tuple[Ecr, Callable[[], set[str]]]] = []  # with whose keys it must be asked
        self.wanted: list[tuple[Sts, dict[str, str]]] = []  # what STS must be told, among others
        self.secrets: set[str] = set()
        self.admin_files: dict[str, str] = {}  # beside whoever types the commands
        host.trust(tls.ca.read_bytes())
        for path, text in example.beside.items():
            if path != "shell":
                host.put(path, text, 0o644)

    def serve(self, double: Double, name: str, port: int) -> None:
        """Starts a double and has a name lead to it."""
        self.host.serve(name, port, double.port)
        usual = 443 if double.tls else 80
        self.doubles[name if port == usual else f"{name}:{port}"] = double
        self.stack.enter_context(double)

    def certify(self, name: str) -> Tls:
        """A certificate for a name."""
        return self.tls.issue(name, f"DNS:{name}")

    # ECR and registries --------------------------------------------------------------------------------

    def ecr(self, region: str, account: str) -> Ecr:
        """ECR of a region, and the registry that its tokens are for."""
        name = f"api.ecr.{region}.amazonaws.com"
        registry = f"{account}.dkr.ecr.{region}.amazonaws.com"
        ecr = Ecr(tls=self.certify(name), region=region)
        ecr.proxy_endpoint = f"https://{registry}"
        self.serve(ecr, name, 443)
        self.serve(Registry(ecr, self.certify(registry)), registry, 443)
        self.tokens[registry] = ecr
        return ecr

    def public_ecr(self) -> Ecr:
        """ECR Public, whose registry is not asked: it opens to everybody."""
        name = "api.ecr-public.us-east-1.amazonaws.com"
        ecr = Ecr(tls=self.certify(name), public=True)
        self.serve(ecr, name, 443)
        self.tokens[PUBLIC_HOST] = ecr
        return ecr

    # Whose keys -----------------------------------------------------------------------------------------

    def set_user(self, ecr: Ecr, keys: Keys) -> None:
        """A user whose keys AWS knows."""
        ecr.access_key, ecr.secret_key = keys.access_key, keys.secret_key
        ecr.session_token = keys.session_token
        self.secrets |= {keys.secret_key, keys.session_token or ""}

    def add_user(self, ecr: Ecr, keys: Keys) -> None:
        """A user who gets tokens."""
        self.set_user(ecr, keys)
        self.signers.append((ecr, lambda: {keys.access_key}))

    def add_role(self, ecr: Ecr, settings: Mapping[str, str], role: Role) -> None:
        """A role whose sessions get tokens, and STS, which must be told these settings of it."""
        name = f"sts.{ecr.region}.amazonaws.com"
        sts = Sts(ecr, tls=self.certify(name))
        role.external_id = settings.get("external_id")
        sts.roles[settings["role_arn"]] = role
        self.serve(sts, name, 443)
        self.signers.append((ecr, lambda: set(sts.sessions)))
        names = {"RoleSessionName": "role_session_name", "DurationSeconds": "duration_seconds"}
        names |= {"RoleArn": "role_arn", "ExternalId": "external_id"}
        self.wanted.append((sts, {told: settings[key] for told, key in names.items() if key in settings}))

    def add_anywhere(self, settings: Mapping[str, str]) -> str:
        """Roles Anywhere, the certificate and its key, and an ECR for its role; returns its name."""
        region = settings["trust_anchor_arn"].split(":")[3]
        ecr = self.ecr(region, account_of(settings["role_arn"]))
        authority = Issued.authority()
        leaf = authority.leaf()
        self.host.put(settings["certificate"], leaf.pem())
        self.host.put(settings["private_key"], leaf.key_pem())
        name = f"rolesanywhere.{region}.amazonaws.com"
        double = RolesAnywhere(authority, ecr=ecr, tls=self.certify(name), region=region)
        double.trust_anchor_arn, double.profile_arn = settings["trust_anchor_arn"], settings["profile_arn"]
        double.role_arn = settings["role_arn"]
        self.serve(double, name, 443)
        self.signers.append((ecr, lambda: {session.access_key for session in double.sessions}))
        return name

    def add_metadata(self, ecr: Ecr, name: str, port: int) -> Metadata:
        """What hands out keys over HTTP."""
        double = Metadata(ecr)
        self.serve(double, name, port)
        self.signers.append((ecr, lambda: {keys.access_key for keys in double.keys}))
        return double

    def write_profile(self, path: str, profile: str) -> Keys:
        """AWS's shared file with the keys of a profile, and another one's, which nobody knows."""
        keys, other = new_keys(), new_keys()
        names = ("aws_access_key_id", "aws_secret_access_key")
        profiles = {"default": other, profile: keys}
        sections = {
            name: dict(zip(names, (one.access_key, one.secret_key))) for name, one in profiles.items()
        }
        self.secrets |= {keys.secret_key, other.secret_key}
        self.host.put(path, to_ini(sections))
        return keys

    # The service ---------------------------------------------------------------------------------------

    def environment(self) -> dict[str, str]:
        """What the service's environment is with the drop-ins, as systemd makes it."""
        made = {"KUBECONFIG": "/etc/eatr/kubeconfig"}
        for path, text in self.example.beside.items():
            for line in text.splitlines() if path.startswith(DROP_INS) else ():
                key, _, value = line.partition("=")
                if key == "Environment":
                    made |= dict(assigned.split("=", 1) for assigned in shlex.split(value))
                elif key == "EnvironmentFile":
                    lines = self.host.path(value).read_text(encoding="utf-8").splitlines()
                    made |= dict(assigned.split("=", 1) for assigned in lines)
                else:
                    assert line in ("", "[Service]"), f"{path}: {line}"
        return made

    # Afterwards ----------------------------------------------------------------------------------------

    def check(self) -> None:
        """Every double was asked by its name and refused nothing, and ECR by whom it should be."""
        for name, double in self.doubles.items():
            assert double.requests, f"{name} was not asked"
            for record in double.requests:
                assert record.headers["Host"] == name and record.status in (200, 201), f"{name}: {record}"
            assert not double.errors, double.errors[0]
        for ecr, signers in self.signers:
            asked_by = {access_key_of(call.record) for call in ecr.calls if call.record}
            assert asked_by and asked_by <= signers(), asked_by
        assert {id(ecr) for ecr, _ in self.signers} == {id(ecr) for ecr in self.tokens.values()}
        for sts, wanted in self.wanted:
            for call in sts.calls:
                assert wanted.items() <= call.parameters.items(), call.parameters

    def find_secrets(self) -> set[str]:
        """All that eatr was told and must keep to itself."""
        found = set(self.secrets)
        for double in self.doubles.values():
            if isinstance(double, Ecr):
                found |= {double.secret_key, *double.tokens}
            elif isinstance(double, (Sts, Metadata)):
                found |= double.secrets
            elif isinstance(double, RolesAnywhere):
                found |= {text for session in double.sessions for text in (session.secret_key, session.token)}
        return found - {""}


# What each example needs --------------------------------------------------------------------------------


def keys_in(settings: Mapping[str, str]) -> Keys:
    """The keys that a section has."""
    token = settings.get("aws_session_token")
    return Keys(settings["aws_access_key_id"], settings["aws_secret_access_key"], token)


def static(scene: Scene) -> None:
    """The keys are in the text."""
    scene.add_user(scene.ecr(scene.aws["region"], USER_ACCOUNT), keys_in(scene.aws))


def profile(scene: Scene) -> None:
    """One file is in the manual, the keys are in the other."""
    found = Example("", scene.example.beside[scene.aws["config_file"]]).config
    settings = found[f"profile {scene.aws['profile']}"]
    ecr = scene.ecr(settings["region"], account_of(settings["role_arn"]))
    keys = scene.write_profile(scene.aws["shared_credentials_file"], settings["source_profile"])
    scene.set_user(ecr, keys)
    scene.add_role(ecr, settings, Role({keys.access_key}))


def source_profile(scene: Scene) -> None:
    """The role is in the text."""
    ecr = scene.ecr(scene.aws["region"], account_of(scene.aws["role_arn"]))
    keys = scene.write_profile(scene.aws["shared_credentials_file"], scene.aws["source_profile"])
    scene.set_user(ecr, keys)
    scene.add_role(ecr, scene.aws, Role({keys.access_key}))


def credential_process(scene: Scene) -> None:
    """The program asks Roles Anywhere for what its command line says."""
    program, command, *options = shlex.split(scene.aws["credential_process"])
    assert command == "credential-process"
    names = [option.removeprefix("--").replace("-", "_") for option in options[::2]]
    name = scene.add_anywhere(dict(zip(names, options[1::2], strict=True)))
    scene.host.put(program, HELPER_PROGRAM.format(HELPER, name), 0o755)


def roles_anywhere(scene: Scene) -> None:
    """eatr asks itself."""
    scene.add_anywhere(scene.aws)


def assume_role(scene: Scene) -> None:
    """The keys are those of a user who may do nothing but assume the role."""
    ecr, keys = scene.ecr(scene.aws["region"], account_of(scene.aws["role_arn"])), keys_in(scene.aws)
    scene.set_user(ecr, keys)
    scene.add_role(ecr, scene.aws, Role({keys.access_key}))


def web_identity(scene: Scene) -> None:
    """STS knows the token only."""
    token = f"eyJhbGciOiJSUzI1NiJ9.{secrets.token_urlsafe(100)}.{secrets.token_urlsafe(100)}"
    scene.host.put(scene.aws["web_identity_token_file"], token)
    ecr = scene.ecr(scene.aws["region"], account_of(scene.aws["role_arn"]))
    scene.add_role(ecr, scene.aws, Role(identities={token}))


def environment(scene: Scene) -> None:
    """The drop-in has the ID, and its file the secret."""
    secret = new_keys().secret_key
    (drop_in,) = scene.example.beside.values()
    (path,) = (line.partition("=")[2] for line in drop_in.splitlines() if line.startswith("EnvironmentFile="))
    scene.host.put(path, f"AWS_SECRET_ACCESS_KEY={secret}\n")
    found = scene.environment()
    assert secret not in drop_in
    scene.add_user(scene.ecr(scene.aws["region"], USER_ACCOUNT), Keys(found["AWS_ACCESS_KEY_ID"], secret))


def container(scene: Scene) -> None:
    """The agent listens where the drop-in says."""
    found = scene.environment()
    url = urlsplit(found["AWS_CONTAINER_CREDENTIALS_FULL_URI"])
    assert url.scheme == "http" and url.hostname and url.port
    agent = scene.add_metadata(scene.ecr(scene.aws["region"], USER_ACCOUNT), url.hostname, url.port)
    agent.container = url.path
    scene.host.put(found["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"], agent.authorization)


def imds(scene: Scene) -> None:
    """At the address that it always has."""
    scene.add_metadata(scene.ecr(scene.aws["region"], USER_ACCOUNT), METADATA, 80)


def credentials_secret(scene: Scene) -> None:
    """Its commands make it of a file beside whoever types them."""
    keys = new_keys()
    lines = f"aws_access_key_id={keys.access_key}\naws_secret_access_key={keys.secret_key}\n"
    scene.admin_files["aws.env"] = lines
    scene.add_user(scene.ecr(scene.aws["region"], USER_ACCOUNT), keys)


def registries(scene: Scene) -> None:
    """All in one Secret."""
    config = scene.example.config
    keys = keys_in(scene.aws)
    frankfurt = scene.ecr(scene.aws["region"], USER_ACCOUNT)
    scene.add_user(frankfurt, keys)
    scene.tokens[config["registry frankfurt"]["hosts"]] = frankfurt
    scene.add_user(scene.ecr(config["registry ireland"]["region"], USER_ACCOUNT), keys)
    settings = config["registry partner"]
    partner = scene.ecr(settings["region"], account_of(settings["role_arn"]))
    scene.set_user(partner, keys)
    scene.add_role(partner, settings, Role({keys.access_key}))
    settings = config["registry public"]
    public = scene.write_profile(settings["shared_credentials_file"], settings["profile"])
    scene.add_user(scene.public_ecr(), public)


SURROUND: dict[str, Callable[[Scene], None]] = {
    "static": static,
    "static-session-token": static,
    "profile": profile,
    "source-profile": source_profile,
    "credential-process": credential_process,
    "roles-anywhere": roles_anywhere,
    "assume-role": assume_role,
    "web-identity": web_identity,
    "environment": environment,
    "container": container,
    "imds": imds,
    "credentials-secret": credentials_secret,
    "registries": registries,
}
