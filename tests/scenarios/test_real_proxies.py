"""The whole job through proxies of the distribution, to a real kube-apiserver."""

from __future__ import annotations

import base64
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import]

from conftest import MakeEatr
from control_plane import ControlPlane
from eatr import SCALE, Eatr, wait_for
from ecr import Ecr
from http_double import Tls
from proxies import KINDS, LOGIN, DistributionProxy, microsocks, tinyproxy
from real import SECRET, connections, eatrs, only, wait_fresh
from witness import Passages, Proxy


@pytest.fixture
def eatr(tmp_path: Path, control_plane: ControlPlane, ecr: Ecr) -> Iterator[MakeEatr]:
    """Makes eatrs for the real control plane; none may show the proxies' password."""
    made: list[Eatr] = []
    with eatrs(tmp_path, control_plane, ecr) as make:

        def keeping(*argv: Any, **keys: Any) -> Eatr:
            made.append(make(*argv, **keys))
            made[-1].secrets.append(LOGIN[1])
            return made[-1]

        yield keeping


def port_of(cluster: ControlPlane) -> int:
    """The API server's."""
    return int(cluster.url.rpartition(":")[2])


def kubeconfig(path: Path, cluster: ControlPlane, tls: Tls, **fields: str) -> Path:
    """The administrator's kubeconfig with these fields of the cluster; it trusts `tls`, too."""
    config = yaml.safe_load(cluster.kubeconfig(path).read_text(encoding="utf-8"))
    entry = config["clusters"][0]["cluster"]
    both = cluster.ca_file.read_bytes() + tls.ca.read_bytes()
    entry["certificate-authority-data"] = base64.b64encode(both).decode()
    entry.update({name.replace("_", "-"): value for name, value in fields.items()})
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return path


def names_of(kubectl: Path, config: Path, **env: str) -> set[str]:
    """The namespaces as kubectl lists them."""
    done = subprocess.run(
        [kubectl, f"--kubeconfig={config}", "get", "namespaces", "--output=name"],
        env={"PATH": "/usr/bin:/bin", "HOME": str(config.parent), **env},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60 * SCALE,
    )
    assert done.returncode == 0, done.stderr
    return {line.removeprefix("namespace/") for line in done.stdout.split()}


def do_the_whole_job(one: Eatr, cluster: ControlPlane, ecr: Ecr, prefix: str, **env: str) -> None:
    """The first pass, a new namespace, and Secrets that somebody deletes."""
    old = [f"{prefix}-old-0", f"{prefix}-old-1"]
    cluster.create_namespaces(old)
    one.start(env=env)
    wait_fresh(cluster, ecr, *old)
    cluster.create_namespace(f"{prefix}-new")
    wait_fresh(cluster, ecr, f"{prefix}-new", timeout=5)
    for namespace in old:
        cluster.delete_secret(namespace, SECRET)
    wait_fresh(cluster, ecr, *old, timeout=5)
    assert not connections(one.pid, port_of(cluster)), "it goes past the proxy"


@pytest.mark.parametrize("kind", KINDS)
def test_proxy_url_is_the_only_way(
    kind: str, control_plane: ControlPlane, ecr: Ecr, eatr: MakeEatr, tls: Tls, kubectl_path: Path, tmp_path: Path
) -> None:
    """For kubectl and for eatr, and the proxy's own log says so."""
    prefix, target = kind.replace(" ", "-"), f"127.0.0.1:{port_of(control_plane)}"
    with KINDS[kind](tmp_path, tls) as proxy:
        config = kubeconfig(tmp_path / "kubeconfig", control_plane, tls, proxy_url=proxy.url)
        assert "default" in names_of(kubectl_path, config)
        by_kubectl = proxy.went_through(target)
        one = eatr(only(prefix), kubeconfig=config)
        do_the_whole_job(one, control_plane, ecr, prefix)
        assert by_kubectl and proxy.went_through(target) > by_kubectl


def test_answers_that_come_together_are_all_taken(
    control_plane: ControlPlane, eatr: MakeEatr, tls: Tls, tmp_path: Path
) -> None:
    """The second of two may lie between the proxy's TLS and the server's, where nothing says that it is there."""
    with KINDS["https with a login"](tmp_path, tls) as proxy:
        config = kubeconfig(tmp_path / "kubeconfig", control_plane, tls, proxy_url=proxy.url)
        one = eatr(only("together"), kubeconfig=config)
        for number in range(8):
            control_plane.create_namespaces([f"together-{number}-a", f"together-{number}-b"])
            assert one.run("once", timeout=10) == 0


@pytest.mark.parametrize("kind", ["http", "socks5"])
def test_a_proxy_that_goes_away_is_waited_for(
    kind: str, control_plane: ControlPlane, ecr: Ecr, eatr: MakeEatr, tls: Tls, tmp_path: Path
) -> None:
    """What came meanwhile is made up for."""
    with KINDS[kind](tmp_path, tls) as proxy:
        config = kubeconfig(tmp_path / "kubeconfig", control_plane, tls, proxy_url=proxy.url)
        one = eatr(only(f"gone-{kind}"), kubeconfig=config).start()
        one.wait_ready()
        proxy.stop()
        control_plane.create_namespace(f"gone-{kind}-0")
        one.wait_log(f"port {proxy.port}.*trying again in")
        proxy.start()
        wait_fresh(control_plane, ecr, f"gone-{kind}-0", timeout=20)


def test_a_login_that_the_proxy_does_not_know_is_told(
    control_plane: ControlPlane, eatr: MakeEatr, tls: Tls, tmp_path: Path
) -> None:
    """As the proxy's answer, without the password."""
    with tinyproxy(tmp_path, login=True) as proxy:
        url = proxy.url.replace("jane", "joan")
        config = kubeconfig(tmp_path / "kubeconfig", control_plane, tls, proxy_url=url)
        one = eatr(only("unknown"), kubeconfig=config).start()
        one.wait_log("40[17].*trying again in")


# The environment ----------------------------------------------------------------------------------------


@pytest.fixture
def inside(control_plane: ControlPlane, tls: Tls, tmp_path: Path) -> Iterator[dict[str, Any]]:
    """A cluster that only a proxy reaches: kubernetes.example, which this machine's DNS does not know."""
    routes = {"kubernetes.example:6443": port_of(control_plane)}
    with Proxy("inner", Passages(), routes) as inner:
        with tinyproxy(tmp_path, upstream=f"127.0.0.1:{inner.port}") as proxy:
            server = {"server": "https://kubernetes.example:6443", "tls_server_name": "localhost"}
            yield {"proxy": proxy, "config": kubeconfig(tmp_path / "kubeconfig", control_plane, tls, **server)}


def test_the_environments_proxy_is_taken_where_the_kubeconfig_has_none(
    inside: dict[str, Any], control_plane: ControlPlane, ecr: Ecr, eatr: MakeEatr, kubectl_path: Path
) -> None:
    """HTTPS_PROXY, by kubectl and by eatr."""
    proxy: DistributionProxy = inside["proxy"]
    env = {"HTTPS_PROXY": proxy.url}
    assert "default" in names_of(kubectl_path, inside["config"], **env)
    by_kubectl = proxy.went_through("kubernetes.example:6443")
    one = eatr(only("env"), kubeconfig=inside["config"])
    do_the_whole_job(one, control_plane, ecr, "env", **env)
    assert by_kubectl and proxy.went_through("kubernetes.example:6443") > by_kubectl


def test_the_environments_proxy_is_not_taken_where_the_kubeconfig_has_one(
    control_plane: ControlPlane, ecr: Ecr, eatr: MakeEatr, tls: Tls, kubectl_path: Path, tmp_path: Path
) -> None:
    """Nor do the environment's exceptions count for that one."""
    target = f"127.0.0.1:{port_of(control_plane)}"
    with tinyproxy(tmp_path) as other, microsocks(tmp_path) as proxy:
        config = kubeconfig(tmp_path / "kubeconfig", control_plane, tls, proxy_url=proxy.url)
        env = {"HTTPS_PROXY": other.url, "NO_PROXY": "127.0.0.1,localhost"}
        assert "default" in names_of(kubectl_path, config, **env)
        by_kubectl = proxy.went_through(target)
        one = eatr(only("both"), kubeconfig=config)
        do_the_whole_job(one, control_plane, ecr, "both", **env)
        assert by_kubectl and proxy.went_through(target) > by_kubectl
        assert not other.went_through(target)


@pytest.mark.parametrize("exceptions", ["", "127.0.0.0/8"])
def test_a_server_on_this_machine_is_asked_directly(
    exceptions: str, control_plane: ControlPlane, ecr: Ecr, eatr: MakeEatr, tls: Tls, tmp_path: Path
) -> None:
    """As kubectl does it, whatever HTTPS_PROXY says and whether NO_PROXY names it or not."""
    with tinyproxy(tmp_path) as proxy:
        config = kubeconfig(tmp_path / "kubeconfig", control_plane, tls)
        name = f"near-{len(exceptions)}"
        control_plane.create_namespace(name)
        env = {"HTTPS_PROXY": proxy.url, "NO_PROXY": exceptions}
        one = eatr(only("near"), kubeconfig=config).start(env=env)
        wait_fresh(control_plane, ecr, name)
        assert wait_for(lambda: connections(one.pid, port_of(control_plane)))
        assert not proxy.went_through(f"127.0.0.1:{port_of(control_plane)}")
