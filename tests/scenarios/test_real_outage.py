"""etcd, the API server or the ECR goes away for a while: nothing is lost, and eatr says what is the case.

$EATR_TEST_OUTAGE_SECONDS is how long; a minute shows more than the 6 s of the normal run.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import MakeEatr
from control_plane import ControlPlane
from eatr import Eatr, wait_for
from ecr import Ecr
from real import SECRET, cpu_seconds, eatrs, is_fresh, requests_sent, token_of, uid_of

SECONDS = float(os.environ.get("EATR_TEST_OUTAGE_SECONDS", "6"))
COUNT = 50


class Site:
    """A cluster of its own, since it is broken again and again, with an eatr that renews often."""

    def __init__(self, plane: ControlPlane, ecr: Ecr, make: MakeEatr) -> None:
        self.plane, self.ecr = plane, ecr
        self.eatr: Eatr = make({"renewal": {"auth_token_renewal_interval": "3s"}})

    def last(self) -> None:
        """Lets the outage last."""
        threading.Event().wait(SECONDS)

    def uids(self) -> dict[str, str]:
        """Namespace -> UID of its Secret."""
        return {name: uid_of(secret) for name, secret in self.plane.secrets(SECRET).items()}

    def check_recovered(self, name: str, uids: dict[str, str]) -> None:
        """A namespace that is made now gets its Secret, and every older Secret is the same, and good."""
        self.plane.create_namespace(name)
        wait_for(lambda: is_fresh(self.plane, self.ecr, name), 30, f"a Secret in {name}")
        wait_for(lambda: self.eatr.get("/readyz")[0] == 200, 30, "eatr is ready again")
        secrets = self.plane.secrets(SECRET)
        assert {known: uid_of(secrets[known]) for known in uids} == uids
        assert {token_of(secret, self.ecr) for secret in secrets.values()} <= set(self.ecr.tokens)


@pytest.fixture(scope="module")
def site(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The cluster with its eatr, when the first pass is done."""
    directory = tmp_path_factory.mktemp("outage")
    plane = ControlPlane(control_plane.assets, directory / "plane", controllers=("namespace",))
    with plane, Ecr() as ecr, eatrs(directory, plane, ecr) as make:
        plane.create_namespaces(f"team-{n}" for n in range(COUNT))
        site = Site(plane, ecr, make)
        site.eatr.start(watchdog=20)
        site.eatr.wait_log("Pass done", 30)
        yield site


@pytest.mark.parametrize("server", ["etcd", "kube-apiserver"])
def test_a_server_of_the_cluster_dies_and_comes_back(site: Site, server: str) -> None:
    """eatr keeps every Secret, spends next to nothing meanwhile, and is back at once."""
    uids, spent = site.uids(), cpu_seconds(site.eatr.pid)
    sent = requests_sent(site.eatr.metrics())
    site.plane.kill(server)
    site.last()
    assert site.eatr.running
    assert cpu_seconds(site.eatr.pid) - spent < 1
    assert requests_sent(site.eatr.metrics()) - sent < 20 * COUNT
    if server == "kube-apiserver":
        assert site.eatr.get("/readyz")[0] == 503
        site.eatr.wait_status("API server: ")
        site.eatr.wait_log("Cannot read (namespaces|Secrets) from .*trying again in")
    site.plane.restart(server)
    site.check_recovered(f"after-{server}", uids)


def test_a_secret_that_is_deleted_while_eatr_cannot_see_it_is_put_right(site: Site) -> None:
    """The API server is paused, and eatr's connections are gone, when it happens."""
    site.plane.kill("kube-apiserver")
    site.eatr.wait_log("Cannot read")
    site.plane.restart("kube-apiserver")
    site.plane.delete_secret("team-0", SECRET)
    wait_for(lambda: is_fresh(site.plane, site.ecr, "team-0"), 30, "the Secret is back")


def test_ecr_dies_and_comes_back(site: Site) -> None:
    """New namespaces get the token that is still good; nobody else notices."""
    uids = site.uids()
    site.ecr.stop()
    site.eatr.wait_log("No new token from .*the current token is good for another", 60)
    site.eatr.wait_status("AWS: ")
    site.plane.create_namespace("during-ecr")
    wait_for(lambda: is_fresh(site.plane, site.ecr, "during-ecr"), 10, "a Secret in during-ecr")
    assert site.eatr.get("/readyz")[0] == 200
    site.last()
    site.ecr.start()
    site.check_recovered("after-ecr", uids)


def test_connections_that_the_server_sends_away_cost_nothing(
    control_plane: ControlPlane, tmp_path: Path
) -> None:
    """As servers do to spread clients over them, and newer ones with each 401: GOAWAY, by chance."""
    flags = ("--goaway-chance=0.02",)
    plane = ControlPlane(
        control_plane.assets, tmp_path / "plane", controllers=("namespace",), apiserver_flags=flags
    )
    with plane, Ecr() as ecr, eatrs(tmp_path, plane, ecr) as make:
        plane.create_namespaces(f"team-{n}" for n in range(COUNT))
        one = make({"renewal": {"auth_token_renewal_interval": "1s"}}).start()
        one.wait_metric("secret_renewals_total", lambda value: value >= 8 * COUNT, 60)
        samples = one.metrics()
        assert samples["eatr_secret_write_failures_total"] == 0
        assert samples["eatr_watch_restarts_total"] == 0
        codes = {name for name in samples if name.startswith("eatr_kube_requests_total{")}
        assert not [name for name in codes if not re.search(r'code="20[01]"', name)]
