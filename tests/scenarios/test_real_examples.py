"""Each worked example of eatr.conf(5) does what it is for, as it is written.

eatr runs with exactly the text of the manual as its /etc/eatr/eatr.conf, with exactly the files and the
commands that are shown beside it, on a host where AWS's endpoints, registries and the metadata service are
found at their real names and ports, and are trusted because the system trusts who certified them.
"""

from __future__ import annotations

import contextlib
import json
from base64 import b64decode
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from api_server import SECRET, ApiServer
from conftest import finish, new_control_plane
from eatr import Eatr, wait_for
from example_scene import SURROUND, Scene
from http_double import Tls
from identity import identity
from manual import Example, read_examples
from private_host import PrivateHost

CONFIG, KUBECONFIG = "/etc/eatr/eatr.conf", "/etc/eatr/kubeconfig"
EXAMPLES = read_examples()
Auths = Callable[[str], "dict[str, str] | None"]
"""What the Secret of a namespace has: host -> auth."""


@contextlib.contextmanager
def double_cluster(scene: Scene) -> Iterator[Auths]:
    """A stand-in that eatr reaches with the host's kubeconfig."""

    def auths(namespace: str) -> dict[str, str] | None:
        secret = api.secret(namespace)
        return secret.auths if secret else None

    with ApiServer() as api:
        scene.host.serve("127.0.0.1", api.port, api.port)
        api.kubeconfig(scene.host.path(KUBECONFIG))
        yield auths
    assert not (api.errors or api.violations), [*api.errors, *api.violations]


@contextlib.contextmanager
def real_cluster(scene: Scene, folder: Path) -> Iterator[Auths]:
    """A real one, in which the example's commands have been run."""

    def auths(namespace: str) -> dict[str, str] | None:
        secret = cluster.secret(namespace, SECRET)
        if secret is None:
            return None
        found = json.loads(b64decode(secret["data"][".dockerconfigjson"]))["auths"]
        return {host: entry["auth"] for host, entry in found.items()}

    for name, text in scene.admin_files.items():
        (folder / name).write_text(text, encoding="utf-8")
    with new_control_plane(folder / "control-plane") as cluster:
        port = urlsplit(cluster.url).port
        assert port is not None
        scene.host.serve("127.0.0.1", port, port)
        cluster.kubeconfig(scene.host.path(KUBECONFIG))
        scene.host.shell(scene.example.beside["shell"], folder, {"KUBECONFIG": KUBECONFIG})
        who = identity(cluster)
        who.may_read_keys(*scene.aws["credentials_secret"].split("/"))
        who.kubeconfig(scene.host.path(KUBECONFIG))
        yield auths


def test_every_example_is_tried() -> None:
    """Also those that come later."""
    assert sorted(EXAMPLES) == sorted(SURROUND)


@pytest.mark.parametrize("example", EXAMPLES.values(), ids=EXAMPLES)
def test_an_example_works_as_it_is_written(
    example: Example, host: PrivateHost, tls: Tls, tmp_path: Path
) -> None:
    """Every namespace has a token for each host that the example is about, and for no other."""
    with contextlib.ExitStack() as stack:
        scene = Scene(example, host, tls, stack)
        SURROUND[example.name](scene)
        host.put(CONFIG, example.text, 0o640)
        inside = real_cluster(scene, tmp_path) if "shell" in example.beside else double_cluster(scene)
        auths = stack.enter_context(inside)
        one = Eatr(tmp_path / "eatr", prefix=host.prefix)
        one.config_path = Path(CONFIG)
        try:
            assert one.run("--is-configured", env=scene.environment()) == 0  # as the service is started
            one.start("run", env=scene.environment()).wait_ready()
            for namespace in ("default", "kube-system"):
                wait_for(lambda: is_there(scene, auths(namespace)), 10, f"all hosts are in {namespace}")
            one.stop()
            scene.check()
        finally:
            problems = finish(one, scene.find_secrets(), print)
        assert not problems, "\n".join(problems)


def is_there(scene: Scene, auths: dict[str, str] | None) -> bool:
    """Whether a Secret has the hosts that it must have, each with the last token for it."""
    return auths == {host: ecr.last_token for host, ecr in scene.tokens.items()}
