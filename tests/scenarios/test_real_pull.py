"""An image is pulled from a real registry with what eatr wrote into the cluster."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import re
import secrets
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from control_plane import ControlPlane
from eatr import Eatr, wait_for
from ecr import Ecr
from http_double import Handler, Tls
from ports import Port
from real import SECRET, eatrs, is_fresh, only, value_of

IMAGE = "team/app:v1"
BCRYPT_BYTES = 72  # more of a password bcrypt does not look at


class Registry:
    """Debian's docker-registry with TLS, which lets the user AWS in with the password of one token."""

    def __init__(self, directory: Path, tls: Tls) -> None:
        self.port = Port()
        self.directory, self.host = directory, f"127.0.0.1:{self.port.number}"
        self.passwords = directory / "htpasswd"
        self.certificates = directory / "certs"  # of whom skopeo trusts
        self.certificates.mkdir()
        shutil.copy(tls.ca, self.certificates / "ca.crt")
        config = {
            "version": "0.1",
            "storage": {"filesystem": {"rootdirectory": str(directory / "data")}},
            "http": {"addr": self.host, "tls": {"certificate": str(tls.cert), "key": str(tls.key)}},
            "auth": {"htpasswd": {"realm": "test", "path": str(self.passwords)}},
        }
        (directory / "config.yml").write_text(json.dumps(config))
        self.accept("x")
        with open(directory / "registry.log", "wb") as log:
            command = ["setpriv", "--pdeathsig", "KILL", "docker-registry", "serve", directory / "config.yml"]
            self.process = subprocess.Popen(command, stdout=log, stderr=log)

    def accept(self, password: str) -> None:
        """From now on only this password is taken."""
        command = ["htpasswd", "-Bbn", "AWS", password[:BCRYPT_BYTES]]
        self.passwords.write_text(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    def skopeo(self, *argv: str) -> bool:
        """Whether skopeo could do it."""
        run = subprocess.run(["skopeo", "--insecure-policy", *argv], capture_output=True, text=True)
        print(run.stderr)
        return run.returncode == 0

    def pull(self, auth: Path) -> bool:
        """Whether the image can be copied out with this .dockerconfigjson."""
        source = f"docker://{self.host}/{IMAGE}"
        trust = ["--src-cert-dir", str(self.certificates)]
        return self.skopeo("copy", *trust, "--src-authfile", str(auth), source, f"dir:{auth}.image")


def make_image(directory: Path) -> None:
    """A tiny image in the OCI layout."""
    blobs = directory / "blobs/sha256"
    blobs.mkdir(parents=True)

    def add(data: bytes, media: str) -> dict[str, Any]:
        digest = hashlib.sha256(data).hexdigest()
        (blobs / digest).write_bytes(data)
        return {"mediaType": f"application/vnd.oci.image.{media}", "digest": f"sha256:{digest}", "size": len(data)}

    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("hello"), io.BytesIO())
    diff = hashlib.sha256(layer.getvalue()).hexdigest()
    packed = add(gzip.compress(layer.getvalue()), "layer.v1.tar+gzip")
    rootfs = {"type": "layers", "diff_ids": [f"sha256:{diff}"]}
    config = add(
        json.dumps({"architecture": "amd64", "os": "linux", "rootfs": rootfs, "config": {}}).encode(),
        "config.v1+json",
    )
    manifest = {"schemaVersion": 2, "config": config, "layers": [packed]}
    entry = add(json.dumps(manifest).encode(), "manifest.v1+json")
    entry["annotations"] = {"org.opencontainers.image.ref.name": "v1"}
    (directory / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    (directory / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')


@pytest.fixture
def registry(tmp_path: Path, tls: Tls) -> Iterator[Registry]:
    """A registry that holds the image."""
    directory = tmp_path / "registry"
    directory.mkdir()
    registry = Registry(directory, tls)
    make_image(directory / "oci")
    registry.accept("push")
    trust = ["--dest-cert-dir", str(registry.certificates)]
    push = ["copy", *trust, "--dest-creds", "AWS:push", f"oci:{directory / 'oci'}:v1"]
    wait_for(lambda: registry.skopeo(*push, f"docker://{registry.host}/{IMAGE}"), 20, "the image is in the registry")
    yield registry
    registry.process.kill()
    registry.process.wait()
    registry.port.close()


def password_of(token: str) -> str:
    """What the registry compares: what is behind the colon."""
    return base64.b64decode(token).decode().partition(":")[2]


def auth_file(cluster: ControlPlane, namespace: str, path: Path) -> Path:
    """What the kubelet would read."""
    path.write_bytes(value_of(cluster.secret(namespace, SECRET)))
    return path


def test_the_secret_pulls_and_after_a_renewal_the_new_one_does(
    control_plane: ControlPlane, registry: Registry, tmp_path: Path
) -> None:
    """The registry takes only the newest token, as if the older one had run out."""
    with Ecr() as ecr, eatrs(tmp_path, control_plane, ecr) as make:
        ecr.proxy_endpoint = f"https://{registry.host}"
        control_plane.create_namespace("pull-a")
        one = make(only("pull")).start()
        wait_for(lambda: is_fresh(control_plane, ecr, "pull-a"), 20, "a Secret in pull-a")
        registry.accept(password_of(ecr.tokens[-1]))
        first = auth_file(control_plane, "pull-a", tmp_path / "first.json")
        assert registry.pull(first)

        one.stop()
        one.change_config({"renewal": {"auth_token_renewal_interval": "1s"}})
        one.start()
        one.wait_metric("secret_renewals_total", lambda value: value >= 1)
        one.stop()
        wait_for(lambda: is_fresh(control_plane, ecr, "pull-a"), 20, "the new token in pull-a")
        registry.accept(password_of(ecr.tokens[-1]))
        assert not registry.pull(first)
        assert registry.pull(auth_file(control_plane, "pull-a", tmp_path / "second.json"))


def with_another_byte(text: str) -> str:
    """The same length, one character changed where bcrypt looks at it."""
    return text[:20] + ("b" if text[20] == "a" else "a") + text[21:]


def said(one: Eatr, text: str) -> int:
    """How many lines say so."""
    return sum(bool(re.search(text, line)) for line in one.log)


def test_what_the_registry_says_of_the_token_is_what_a_pull_shows(
    control_plane: ControlPlane, registry: Registry, tls: Tls, tmp_path: Path
) -> None:
    """It takes the token: the Secret pulls. One byte of it is another one: neither. ECR gives one token for ever."""
    token = base64.b64encode(b"AWS:" + secrets.token_urlsafe(1800).encode()).decode()
    password = password_of(token)

    def give(handler: Handler, _: int) -> None:
        ecr.send_token(handler, token=token, good=True)

    with Ecr() as ecr, eatrs(tmp_path, control_plane, ecr) as make:
        ecr.proxy_endpoint, ecr.fault = f"https://{registry.host}", give
        registry.accept(password)
        control_plane.create_namespace("verify-a")
        aws = {"verify": "required", "ca_bundle": tls.ca}
        one = make(only("verify", {"aws": aws, "renewal": {"auth_token_renewal_interval": "1s"}})).start()
        name = f'eatr_token_accepted{{registry="aws",host="{registry.host}"}}'
        one.wait_log(f"eatr: {registry.host} takes the token$")
        one.wait_metric(name, 1)
        wait_for(lambda: is_fresh(control_plane, ecr, "verify-a"), 20, "a Secret in verify-a")
        secret = auth_file(control_plane, "verify-a", tmp_path / "secret.json")
        assert registry.pull(secret) and one.get("/readyz") == (200, "ok\n")

        wrong = base64.b64encode(b"AWS:" + with_another_byte(password).encode()).decode()
        changed = tmp_path / "changed.json"
        changed.write_text(secret.read_text().replace(token, wrong))
        assert changed.read_text() != secret.read_text() and not registry.pull(changed)

        registry.accept(with_another_byte(password))
        one.wait_log(f"warning: {registry.host} does not take the token: .*; no image can be pulled with it")
        one.wait_metric(name, 0)
        status, text = one.get("/readyz")
        assert status == 503 and text.startswith(f"{registry.host} is not known to take the token: ")
        assert not registry.pull(secret)

        calls = len(ecr.calls)
        wait_for(lambda: len(ecr.calls) >= calls + 3, 10, "it is asked again")
        registry.accept(password)
        wait_for(lambda: said(one, "takes the token$") == 2, 10, "the registry takes it again")
        one.wait_metric(name, 1)
        assert said(one, "does not take the token") == 1 and one.get("/readyz") == (200, "ok\n")
        assert registry.pull(secret)
        one.stop()
