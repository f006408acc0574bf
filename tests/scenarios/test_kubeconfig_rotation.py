"""Rotation of the kubeconfig and of what it names: in force by itself, and no namespace notices.

No test here sends SIGHUP.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import real
from api_server import ApiServer
from conftest import MakeEatr, wait_fresh, writes
from control_plane import ControlPlane
from eatr import Eatr, wait_for
from ecr import Ecr
from http_double import Tls
from test_rotation import REFUSED, RELOADED, SETTLE, reloads, write_in_place


def fields(one: Eatr) -> tuple[Path, Any, dict[str, Any], dict[str, Any]]:
    """The kubeconfig: its path, all of it, and the fields of its cluster and of its user."""
    path = one.directory / "kubeconfig"
    tree = yaml.safe_load(path.read_text())
    return path, tree, tree["clusters"][0]["cluster"], tree["users"][0]["user"]


def replace(path: Path, text: str) -> None:
    """Another file of this name, at once."""
    new = path.with_name(f"{path.name}.new")
    new.write_text(text)
    os.replace(new, path)


def serves(ecr: Ecr, api: ApiServer, name: str) -> None:
    """A new namespace has its Secret."""
    api.add_namespace(name)
    wait_fresh(ecr, api, name, timeout=5)


@pytest.mark.tls
@pytest.mark.parametrize("way", [replace, write_in_place])
def test_another_kubeconfig_is_in_force(way: Any, ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """With another token, before the server takes no other any more; nothing is written anew."""
    one = eatr().start()
    one.wait_ready()
    path, tree, _, user = fields(one)
    one.secrets.append("the-second-bearer-token")
    api.token, user["token"] = "the-second-bearer-token", "the-second-bearer-token"
    before = len(writes(api))
    way(path, yaml.safe_dump(tree))
    one.wait_log(RELOADED)
    serves(ecr, api, "shop")
    assert len(ecr.calls) == 1 and len(writes(api)) == before + 1 and len(reloads(one)) == 1


def test_a_broken_kubeconfig_leaves_the_old_one_in_force(ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """It is told once, with file and line, and shown until there is a better one."""
    one = eatr().start()
    one.wait_ready()
    path = one.directory / "kubeconfig"
    text = path.read_text()
    write_in_place(path, text + "\tx: y\n")
    one.wait_log(f"error: {REFUSED}{path}: line .*tab")
    one.wait_status(f"; not reloaded: {path}: line ")
    one.wait_metric("eatr_config_last_reload_successful", 0)
    serves(ecr, api, "shop")
    path.unlink()
    one.wait_log(f"error: {REFUSED}.*{path}: No such file")
    serves(ecr, api, "other")
    path.write_text(text)
    one.wait_metric("eatr_config_last_reload_successful", 1)
    one.wait_status("good until [^;]*$")
    serves(ecr, api, "last")
    assert len(ecr.calls) == 1 and len(reloads(one)) == 3


@pytest.mark.tls
def test_a_token_file_that_comes_later_is_taken(ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """The kubeconfig that names it is refused until it is there; then it is in force by itself."""
    one = eatr().start()
    one.wait_ready()
    path, tree, _, user = fields(one)
    token = user.pop("token")
    user["tokenFile"] = "later/token"
    replace(path, yaml.safe_dump(tree))
    one.wait_log(f"error: {REFUSED}.*tokenFile: cannot read .*/later/token: No such file")
    (path.parent / "later").mkdir()
    time.sleep(SETTLE)
    replace(path.parent / "later" / "token", token)
    one.wait_log(RELOADED)
    one.wait_metric("eatr_config_last_reload_successful", 1)
    serves(ecr, api, "shop")


def test_a_kubeconfig_that_appears_in_the_list_is_taken(
    tmp_path: Path, ecr: Ecr, api: ApiServer, eatr: MakeEatr
) -> None:
    """And as the first of the list it comes before the others."""
    one = eatr({"kubernetes": {"kubeconfig": None}})
    path, tree, cluster, _ = fields(one)
    first = tmp_path / "first"
    one.start(env={"KUBECONFIG": f"{first}:{path}"})
    one.wait_ready()
    with ApiServer() as other:
        tree["clusters"] = [{"name": tree["clusters"][0]["name"], "cluster": {**cluster, "server": other.url}}]
        first.write_text(yaml.safe_dump({"clusters": tree["clusters"]}))
        one.wait_log(f"{RELOADED}.*{other.url}")
        wait_fresh(ecr, other, timeout=10)
        serves(ecr, other, "shop")
        assert len(ecr.calls) == 1
        first.unlink()
        one.wait_log(f"{RELOADED}.*{api.url}")
        serves(ecr, api, "shop")


@pytest.mark.tls
def test_another_authority_is_trusted(tmp_path: Path, ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """First both of them, then the server has a certificate of the new one, then the old one goes."""
    assert api.tls and api.context
    (tmp_path / "other").mkdir()
    other = Tls.make(tmp_path / "other")
    one = eatr()
    path, tree, cluster, _ = fields(one)
    ca = one.directory / "ca.crt"
    ca.write_bytes(api.tls.ca.read_bytes())
    del cluster["certificate-authority-data"]
    cluster["certificate-authority"] = "ca.crt"
    path.write_text(yaml.safe_dump(tree))
    one.start().wait_ready()
    since = time.monotonic()
    replace(ca, ca.read_text() + other.ca.read_text())
    one.wait_log(RELOADED, since=since)
    api.context.load_cert_chain(other.cert, other.key)
    api.cut_connections()
    serves(ecr, api, "shop")
    since = time.monotonic()
    replace(ca, other.ca.read_text())
    one.wait_log(RELOADED, since=since)
    serves(ecr, api, "other")
    assert len(ecr.calls) == 1 and len(reloads(one)) == 2


@pytest.mark.tls
def test_a_token_file_is_no_reason_to_reload(ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """It is read anew, and a reload for another reason does not begin anew because of it."""
    one = eatr()
    path, tree, _, user = fields(one)
    file = one.directory / "token"
    file.write_text(str(user.pop("token")))
    user["tokenFile"] = "token"
    path.write_text(yaml.safe_dump(tree))
    one.secrets += ["the-first-bearer-token", "the-second-bearer-token"]
    one.start().wait_ready()
    file.write_text("the-second-bearer-token\n")
    time.sleep(3 * SETTLE)  # nothing is to happen
    assert not reloads(one)
    lists = len(api.matching("GET", "/api/v1/namespaces", watch=False))
    path.touch()
    one.wait_log(RELOADED)
    api.token = "the-second-bearer-token"
    serves(ecr, api, "shop")
    assert len(api.matching("GET", "/api/v1/namespaces", watch=False)) == lists


# With a real API server ---------------------------------------------------------------------------------


@pytest.fixture
def real_eatr(tmp_path: Path, control_plane: ControlPlane, ecr: Ecr) -> Iterator[MakeEatr]:
    """Makes eatrs for the real control plane."""
    with real.eatrs(tmp_path, control_plane, ecr) as make:
        yield make


def users(cluster: ControlPlane, since: int) -> set[str]:
    """Who has written Secrets since then."""
    events = cluster.audit_events(lambda event: event["verb"] == "patch", since)
    return {str(event["user"]["username"]) for event in events}


def test_another_client_certificate_is_shown(
    tmp_path: Path, control_plane: ControlPlane, ecr: Ecr, real_eatr: MakeEatr
) -> None:
    """As kubeadm's and k3s's are renewed, in the place of the old one; the key first."""
    pairs = [control_plane.client_cert(f"turn-{i}", f"/O=system:masters/CN=turn-{i}") for i in range(2)]
    folder = tmp_path / "pki"
    folder.mkdir()
    here = folder / "client.crt", folder / "client.key"
    for path, source in zip(here, pairs[0]):
        path.write_bytes(source.read_bytes())
    kubeconfig = control_plane.kubeconfig(folder / "config", False, cert=here[0], key=here[1])
    one = real_eatr(real.only("turn"), kubeconfig=kubeconfig).start()
    one.wait_ready()
    since = control_plane.audit_position()
    control_plane.create_namespace("turn-a")
    real.wait_fresh(control_plane, ecr, "turn-a")
    wait_for(lambda: users(control_plane, since) == {"turn-0"})
    for path, source in reversed(list(zip(here, pairs[1]))):
        replace(path, source.read_text())
    one.wait_log(RELOADED)
    since = control_plane.audit_position()
    control_plane.create_namespace("turn-b")
    real.wait_fresh(control_plane, ecr, "turn-b")
    wait_for(lambda: users(control_plane, since) == {"turn-1"})
    assert len(ecr.calls) == 1 and len(reloads(one)) == 1
