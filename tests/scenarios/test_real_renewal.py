"""Everything that a kubeconfig is made of is renewed, one after the other, in a cluster where somebody adds
namespaces all the time."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from control_plane import ControlPlane
from eatr import SCALE, Eatr
from ecr import Ecr
from identity import identity, rules
from real import SECRET, eatrs, grant, is_fresh, wait_fresh
from test_kubeconfig_rotation import replace
from test_rotation import RELOADED

STANDING = 40
"""Namespaces that are there at the start."""
PATIENCE = 3.0 * SCALE
"""Seconds that a new namespace may have to wait for its Secret."""


@pytest.fixture
def cluster(control_plane: ControlPlane, tmp_path: Path) -> Iterator[ControlPlane]:
    """A control plane of its own, as its certificates are replaced."""
    plane = ControlPlane(control_plane.assets, tmp_path / "plane", controllers=("namespace",))
    with plane:
        plane.create_namespaces(f"standing-{number}" for number in range(STANDING))
        yield plane


class Newcomers:
    """Adds namespaces one after the other, and sees how long each waits for its Secret."""

    def __init__(self, cluster: ControlPlane, ecr: Ecr) -> None:
        self.cluster, self.ecr = cluster, ecr
        self.waits: dict[str, float] = {}
        self.error: BaseException | None = None
        self._end = threading.Event()
        self._away = threading.Lock()  # held while there is no API server to add any to
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Newcomers:
        self._thread.start()
        return self

    def __exit__(self, *args: object) -> None:
        self._end.set()
        self._thread.join()

    def stop_for(self, what: Any) -> Any:
        """Does what the API server has to be restarted for."""
        with self._away:
            return what()

    def wait_for_more(self, count: int = 5) -> None:
        """Until so many more have come since now."""
        target = len(self.waits) + count
        while len(self.waits) < target and not self.error:
            time.sleep(0.05)

    def _run(self) -> None:
        try:
            while not self._end.wait(0.05):
                with self._away:
                    self._one(f"new-{len(self.waits)}")
        except BaseException as error:
            self.error = error

    def _one(self, name: str) -> None:
        self.cluster.create_namespace(name)
        begun = time.monotonic()
        wait_fresh(self.cluster, self.ecr, name, timeout=30)
        self.waits[name] = time.monotonic() - begun


def state_of(cluster: ControlPlane) -> dict[str, tuple[str, str]]:
    """UID and version of the Secrets that were there at the start."""
    secrets = cluster.secrets(SECRET)
    return {
        name: (secret["metadata"]["uid"], secret["metadata"]["resourceVersion"])
        for name, secret in secrets.items()
        if name.startswith("standing-")
    }


def person(cluster: ControlPlane, name: str) -> tuple[Path, Path]:
    """A client certificate of somebody with eatr's rights."""
    grant(cluster, name, {"kind": "User", "name": name}, rules())
    return cluster.client_cert(name, f"/CN={name}")


def reloaded(one: Eatr, change: Any) -> None:
    """Changes something, and waits until that is in force."""
    since = time.monotonic()
    change()
    one.wait_log(RELOADED, since=since)


def test_no_namespace_notices(cluster: ControlPlane, tmp_path: Path) -> None:
    """The client certificate, the CA and the API server's certificate, and then all of the kubeconfig."""
    folder = tmp_path / "etc"
    folder.mkdir()
    ca, cert, key = folder / "ca.crt", folder / "client.crt", folder / "client.key"
    shutil.copy(cluster.ca_file, ca)
    for path, source in zip((cert, key), person(cluster, "first")):
        shutil.copy(source, path)
    kubeconfig = folder / "kubeconfig"
    text = cluster.kubeconfig(kubeconfig, embed=False, cert=cert, key=key).read_text()
    kubeconfig.write_text(text.replace("../plane/pki/ca.crt", "ca.crt"))
    assert "certificate-authority: \"ca.crt\"" in kubeconfig.read_text()
    with Ecr() as ecr, eatrs(tmp_path, cluster, ecr) as make:
        one = make(kubeconfig=kubeconfig).start()
        one.wait_ready()
        before = state_of(cluster)
        assert len(before) == STANDING
        with Newcomers(cluster, ecr) as newcomers:
            newcomers.wait_for_more()
            second = person(cluster, "second")

            def certificate() -> None:
                for path, source in zip((key, cert), reversed(second)):
                    replace(path, source.read_text())

            reloaded(one, certificate)
            newcomers.wait_for_more()

            # Both are trusted before the server shows the new one's certificate, and then that one alone.
            other = cluster.another_authority()
            reloaded(one, lambda: replace(ca, ca.read_text() + other.read_text()))
            newcomers.wait_for_more()
            newcomers.stop_for(cluster.change_authority)
            newcomers.wait_for_more()
            reloaded(one, lambda: replace(ca, other.read_text()))
            newcomers.wait_for_more()

            third = identity(cluster).kubeconfig(tmp_path / "third", ca_file=other).read_text()
            reloaded(one, lambda: replace(kubeconfig, third))
            newcomers.wait_for_more()
        assert not newcomers.error, newcomers.error
        assert max(newcomers.waits.values()) < PATIENCE, newcomers.waits
        assert state_of(cluster) == before
        assert all(is_fresh(cluster, ecr, name) for name in [*before, *newcomers.waits])
        assert len(ecr.calls) == 1
        errors = [line for line in one.log if "error:" in line]
        assert not errors, errors
