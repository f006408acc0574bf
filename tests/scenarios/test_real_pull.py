"""An image is pulled from a real registry with what eatr wrote into the cluster."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from control_plane import ControlPlane
from eatr import Eatr, wait_for
from ecr import Ecr
from http_double import Handler, Tls
from image_registry import Registry, password_of, token_with, with_another_byte
from real import SECRET, eatrs, is_fresh, only, value_of


@pytest.fixture
def registry(tmp_path: Path, tls: Tls) -> Iterator[Registry]:
    """A registry that holds the image."""
    with Registry(tmp_path / "registry", tls) as registry:
        yield registry


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


def said(one: Eatr, text: str) -> int:
    """How many lines say so."""
    return sum(bool(re.search(text, line)) for line in one.log)


def test_what_the_registry_says_of_the_token_is_what_a_pull_shows(
    control_plane: ControlPlane, registry: Registry, tls: Tls, tmp_path: Path
) -> None:
    """It takes the token: the Secret pulls. One byte of it is another one: neither. ECR gives one token for ever."""
    password = secrets.token_urlsafe(1800)
    token = token_with(password)

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

        changed = tmp_path / "changed.json"
        changed.write_text(secret.read_text().replace(token, token_with(with_another_byte(password))))
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
