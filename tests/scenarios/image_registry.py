"""A real image registry for pulls: Debian's docker-registry with an image in it, and skopeo.

    with Registry(folder, tls) as registry:
        registry.accept(password)
        assert registry.pull(file)  # a .dockerconfigjson
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any

from eatr import wait_for
from http_double import Tls
from ports import Port
from private_host import PrivateHost

REPOSITORY, TAG = "team/app", "v1"
BCRYPT_BYTES = 72  # more of a password bcrypt does not look at


class Registry:
    """Speaks TLS, and lets the user AWS in with the password of one token.

    It is asked at 127.0.0.1 and a port of its own, by who is told to trust its CA; or, in a private host, at a
    name and port 443, by who trusts what the system trusts.
    """

    def __init__(self, directory: Path, tls: Tls, name: str | None = None, private: PrivateHost | None = None) -> None:
        """Serves with this certificate from now on, and has the image when __enter__ returns."""
        directory.mkdir()
        self.port = Port()
        here = f"127.0.0.1:{self.port.number}"
        self.directory, self.host = directory, name or here
        self.prefix: list[str] = []
        if name and private:
            private.serve(name, 443, self.port.number)
            self.prefix = private.prefix
        self.passwords = directory / "htpasswd"
        self.certificates = directory / "certs"  # of whom skopeo trusts, besides whom the system does
        self.certificates.mkdir()
        if not name:
            shutil.copy(tls.ca, self.certificates / "ca.crt")
        config = {
            "version": "0.1",
            "storage": {"filesystem": {"rootdirectory": str(directory / "data")}},
            "http": {"addr": here, "tls": {"certificate": str(tls.cert), "key": str(tls.key)}},
            "auth": {"htpasswd": {"realm": "test", "path": str(self.passwords)}},
        }
        (directory / "config.yml").write_text(json.dumps(config))
        self.accept("push")
        with open(directory / "registry.log", "wb") as log:
            command = ["setpriv", "--pdeathsig", "KILL", "docker-registry", "serve", directory / "config.yml"]
            self.process = subprocess.Popen(command, stdout=log, stderr=log)

    def __enter__(self) -> Registry:
        """Puts the image into it."""
        layout = self.directory / "oci"
        make_image(layout)
        push = ["copy", "--dest-cert-dir", str(self.certificates), "--dest-creds", "AWS:push", f"oci:{layout}:{TAG}"]
        image = f"docker://{self.host}/{REPOSITORY}:{TAG}"
        wait_for(lambda: not self.skopeo(*push, image), 20, "the image is in the registry")
        return self

    def __exit__(self, *_: object) -> None:
        """Kills it and lets go of the port."""
        self.process.kill()
        self.process.wait()
        self.port.close()

    def accept(self, password: str) -> None:
        """From now on only this password is taken."""
        command = ["htpasswd", "-Bbn", "AWS", password[:BCRYPT_BYTES]]
        self.passwords.write_text(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    def skopeo(self, *argv: str) -> str:
        """What skopeo, which knows nobody's passwords, complained of; nothing if it could do it."""
        home = str(self.directory)
        run = subprocess.run(
            [*self.prefix, "skopeo", "--insecure-policy", *argv],
            env={"PATH": os.defpath, "HOME": home, "XDG_RUNTIME_DIR": home},
            capture_output=True,
            text=True,
        )
        print(run.stderr)
        return run.stderr or "no word" if run.returncode else ""

    def complaint(self, auth: Path | None, repository: str = REPOSITORY) -> str:
        """Why the image cannot be copied out with this .dockerconfigjson, or with none; nothing if it can."""
        target = self.directory / "image"
        shutil.rmtree(target, ignore_errors=True)
        options = ["--src-cert-dir", str(self.certificates), *(["--authfile", str(auth)] if auth else [])]
        said = self.skopeo("copy", *options, f"docker://{self.host}/{repository}:{TAG}", f"dir:{target}")
        assert said or (target / "manifest.json").exists()
        return said

    def pull(self, auth: Path) -> bool:
        """Whether it can be."""
        return not self.complaint(auth)


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
    entry["annotations"] = {"org.opencontainers.image.ref.name": TAG}
    (directory / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    (directory / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')


def password_of(token: str) -> str:
    """What the registry compares: what is behind the colon."""
    return base64.b64decode(token).decode().partition(":")[2]


def token_with(password: str) -> str:
    """The other way round."""
    return base64.b64encode(f"AWS:{password}".encode()).decode()


def with_another_byte(text: str) -> str:
    """The same length, one character changed where bcrypt looks at it."""
    return text[:20] + ("b" if text[20] == "a" else "a") + text[21:]
