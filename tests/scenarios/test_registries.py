"""Several registries: regions, accounts and ECR Public in one Secret, and what the failure of one costs."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import faults
from api_server import ApiServer
from conftest import MakeEatr, between, in_background, writes
from eatr import Changes, Config, Eatr, merged, wait_for
from ecr import Ecr
from http_double import Fault
from test_service import change_and_reload

ACCOUNT, PARTNER = "111122223333", "444455556666"
MIRROR = "mirror.example:5000"
PARTNER_LIFE = 12  # seconds of a token of the registry that fails
EVERY_THREE_SECONDS: Config = {"renewal": {"auth_token_renewal_interval": "3s"}}


class Fleet:
    """ECR of five registries: three regions and ECR Public with one account's keys, one with another's."""

    def __init__(self, stack: contextlib.ExitStack) -> None:
        self.doubles: dict[str, Ecr] = {}
        for name, account, region in (
            ("ireland", ACCOUNT, "eu-west-1"),
            ("frankfurt", ACCOUNT, "eu-central-1"),
            ("virginia", ACCOUNT, "us-east-1"),
            ("partner", PARTNER, "eu-west-1"),
        ):
            double = self.doubles[name] = stack.enter_context(Ecr(region=region))
            double.proxy_endpoint = f"https://{account}.dkr.ecr.{region}.amazonaws.com"
        self.doubles["public"] = stack.enter_context(Ecr(public=True))
        for name, double in self.doubles.items():
            own = name == "partner"
            double.access_key = f"AKIA{'PARTNER' if own else 'ACCOUNT'}000000001"
            double.secret_key = "partner/secret/key/of/40/characters/0000" if own else self.main.secret_key

    @property
    def main(self) -> Ecr:
        """The one that [aws] is for."""
        return self.doubles["ireland"]

    @property
    def others(self) -> list[Ecr]:
        """All but the partner's, which is the one that fails."""
        return [double for name, double in self.doubles.items() if name != "partner"]

    def host(self, name: str) -> str:
        """The registry host that its tokens are for."""
        double = self.doubles[name]
        return "public.ecr.aws" if double.public else double.proxy_endpoint.removeprefix("https://")

    def sections(self) -> dict[str, dict[str, object]]:
        """A section for each, as short as they can be; the first has a mirror."""
        partner = self.doubles["partner"]
        keys = {"aws_access_key_id": partner.access_key, "aws_secret_access_key": partner.secret_key}
        return {
            "registry ireland": {"hosts": MIRROR},
            "registry frankfurt": {"region": "eu-central-1", "endpoint_url": self.doubles["frankfurt"].url},
            "registry virginia": {"region": "us-east-1", "endpoint_url": self.doubles["virginia"].url},
            "registry partner": {**keys, "endpoint_url": partner.url},
            "registry public": {"public": True, "endpoint_url": self.doubles["public"].url},
        }

    def auths(self, *without: str) -> dict[str, str | None]:
        """What a Secret has when it is fresh, in its order."""
        found = {self.host(name): one.last_token for name, one in self.doubles.items() if name not in without}
        if "ireland" not in without:
            found[MIRROR] = self.main.last_token
        return dict(sorted(found.items()))

    def calls(self) -> list[int]:
        """How often each was called."""
        return [len(double.calls) for double in self.doubles.values()]


@contextlib.contextmanager
def fleet_and_eatrs(directory: Path, api: ApiServer, fleet: Fleet, tell: object) -> Iterator[MakeEatr]:
    """Makes eatrs for all of them, see between()."""
    made: list[Eatr] = []
    with between(directory, fleet.main, api, tell) as make:  # type: ignore[arg-type]

        def make_one(changes: Changes | None = None) -> Eatr:
            made.append(make(merged(fleet.sections(), changes or {})))
            return made[-1]

        yield make_one
        for one in made:
            for double in fleet.doubles.values():
                one.secrets += [double.secret_key, *double.tokens]
    for double in fleet.doubles.values():
        assert not double.errors, double.errors[0]


@pytest.fixture
def fleet() -> Iterator[Fleet]:
    """The five, started."""
    with contextlib.ExitStack() as stack:
        yield Fleet(stack)


@pytest.fixture
def eatr(tmp_path: Path, api: ApiServer, fleet: Fleet) -> Iterator[MakeEatr]:
    """Makes an eatr for the five, with changes."""
    with fleet_and_eatrs(tmp_path, api, fleet, print) as make:
        yield make


def auths(api: ApiServer, namespace: str = "default") -> dict[str, str]:
    """What is in a Secret; {} if there is none."""
    secret = api.secret(namespace)
    return secret.auths if secret else {}


def wait_auths(api: ApiServer, fleet: Fleet, *without: str, timeout: float = 10) -> None:
    """Waits until each namespace has the last token of each registry, but for these, and nothing else."""
    for namespace in api.namespaces():
        wait_for(
            lambda: auths(api, namespace) == fleet.auths(*without), timeout, f"{namespace} without {without}"
        )


# In one Secret ------------------------------------------------------------------------------------------


def test_the_tokens_of_all_are_in_one_secret(api: ApiServer, fleet: Fleet, eatr: MakeEatr) -> None:
    """Sorted, and nothing else; one call each and one write a namespace."""
    one = eatr().start()
    one.wait_ready()
    wait_auths(api, fleet)
    text = ",".join('"%s":{"auth":"%s"}' % entry for entry in sorted(fleet.auths().items()))
    for namespace in api.namespaces():
        secret = api.secret(namespace)
        assert secret and secret.data == {".dockerconfigjson": b'{"auths":{%s}}' % text.encode()}
    assert fleet.calls() == [1] * 5 and len(writes(api)) == 2
    assert len(set(fleet.auths().values())) == 5 < len(fleet.auths())

    one.wait_log(r"eatr \S+, context double at \S+, 5 registries$")
    one.wait_log(r"Registry partner: region eu-west-1, credentials from aws_access_key_id")
    one.wait_log(r"Registry public: new token for public\.ecr\.aws, good for 12h, until ")


def test_what_is_shown_tells_them_apart(api: ApiServer, fleet: Fleet, eatr: MakeEatr) -> None:
    """Metrics by registry and host, a STATUS for all, /readyz."""
    fleet.doubles["virginia"].lifetime = 7200
    one = eatr().start()
    one.wait_ready()
    samples = one.metrics()
    for name, double in fleet.doubles.items():
        assert samples['eatr_registry_up{registry="%s"}' % name] == 1
        labels = f'registry="{name}",host="{fleet.host(name)}"'
        expiry = samples["eatr_token_expiry_timestamp_seconds{%s}" % labels]
        assert abs(expiry - time.time() - double.lifetime) < 30
        assert samples['eatr_credentials_info{registry="%s",source="static"}' % name] == 1
    assert samples['eatr_aws_requests_total{service="ecr",outcome="ok"}'] == 4
    assert samples['eatr_aws_requests_total{service="ecr-public",outcome="ok"}'] == 1
    one.wait_status(
        r"^2 of 2 namespaces have a fresh Secret; 5 of 5 tokens good until \S+Z \((2h|1h 59min)\),"
        r" next in (1h|5\dmin)[^;]*$"
    )
    assert one.get("/readyz") == (200, "ok\n")


def test_sections_of_one_identity_and_region_make_one_call(
    api: ApiServer, fleet: Fleet, eatr: MakeEatr
) -> None:
    """The token serves the hosts of both."""
    one = eatr({"registry again": {"hosts": "a.example, z.example"}}).start()
    one.wait_ready()
    token = fleet.main.last_token
    assert auths(api) == {**fleet.auths(), "a.example": token, "z.example": token}
    assert list(auths(api)) == sorted(auths(api))
    assert fleet.calls() == [1] * 5
    assert 'eatr_registry_up{registry="again"}' not in one.metrics()


# Renewal ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [0, 0.5], ids=["all at once", "one is slow"])
def test_all_are_renewed_by_one_write(seconds: float, api: ApiServer, fleet: Fleet, eatr: MakeEatr) -> None:
    """A namespace is written once for the first tokens, and once for each renewal."""
    fleet.doubles["frankfurt"].fault = faults.slow(seconds)
    eatr(EVERY_THREE_SECONDS).start().wait_ready()
    for n in range(1, 4):
        wait_for(lambda: fleet.calls() == [n] * 5 and all(one.calls[-1].token for one in fleet.doubles.values()))
        wait_auths(api, fleet)
        assert len(writes(api)) == 2 * n and fleet.calls() == [n] * 5


@in_background
def test_tokens_of_one_age_are_renewed_together(ecr: Ecr, api: ApiServer, make: MakeEatr) -> None:
    """Although each is to be renewed a little before half of its life, at random: the first takes the others along."""
    with fleet_beside(api, make) as (fleet, eatrs):
        for double in fleet.doubles.values():
            double.lifetime = 40
        one = eatrs().start()
        one.wait_ready()
        for n in (1, 2):
            wait_for(lambda: fleet.calls() == [n] * 5, 25)
            wait_auths(api, fleet)
            assert len(writes(api)) == 2 * n and fleet.calls() == [n] * 5
        one.stop()


def test_tokens_that_live_differently_are_renewed_in_their_own_time(
    api: ApiServer, fleet: Fleet, eatr: MakeEatr
) -> None:
    """What is good for long is left alone while another is renewed, and each write has them all."""
    fleet.doubles["virginia"].lifetime = 10
    eatr().start().wait_ready()
    wait_for(lambda: len(fleet.doubles["virginia"].tokens) == 3, 20)
    wait_auths(api, fleet)
    assert fleet.calls() == [1, 1, 3, 1, 1] and len(writes(api)) == 6


# One that fails -----------------------------------------------------------------------------------------


def fail_until_it_is_dropped(fault: Fault, api: ApiServer, fleet: Fleet, make: MakeEatr) -> Eatr:
    """The partner's registry fails from the first renewal on, and its token runs out; the others go on."""
    partner = fleet.doubles["partner"]
    partner.lifetime = PARTNER_LIFE
    one = make(EVERY_THREE_SECONDS).start()
    one.wait_ready()
    wait_auths(api, fleet)
    partner.fault, old = fault, partner.last_token
    for _ in range(2):
        before = [len(double.tokens) for double in fleet.others]
        wait_for(lambda: all(len(one.tokens) > n for one, n in zip(fleet.others, before)))
        wait_for(lambda: auths(api) == fleet.auths(), 4, "the others are renewed")
        assert auths(api)[fleet.host("partner")] == old

    one.wait_log(f"error: Registry partner: the token for {fleet.host('partner')} has expired and there is no other: ")
    wait_auths(api, fleet, "partner", timeout=4)
    end = max(call.time for call in partner.calls if call.token) + PARTNER_LIFE
    assert time.monotonic() > end - 1, "it was dropped before its time"
    return one


@contextlib.contextmanager
def fleet_beside(api: ApiServer, make: MakeEatr) -> Iterator[tuple[Fleet, MakeEatr]]:
    """A fleet, and what makes eatrs for it, for a scenario in the background."""
    with contextlib.ExitStack() as stack:
        fleet, directory = Fleet(stack), make().directory / "fleet"
        yield fleet, stack.enter_context(fleet_and_eatrs(directory, api, fleet, lambda text: None))


def touches_no_other(fault: Fault, api: ApiServer, fleet: Fleet, make: MakeEatr) -> None:
    """Its own entry stays as it was until its token runs out, goes then, and is back when the registry is."""
    one = fail_until_it_is_dropped(fault, api, fleet, make)
    host = fleet.host("partner")
    status, text = one.get("/readyz")
    assert status == 503 and text.startswith("Registry partner: no good token")
    samples = one.wait_metric('eatr_registry_up{registry="partner"}', 0)
    assert all(samples['eatr_registry_up{registry="%s"}' % name] for name in fleet.doubles if name != "partner")
    labels = f'registry="partner",host="{host}"'
    assert samples["eatr_token_expiry_timestamp_seconds{%s}" % labels] < time.time()
    one.wait_status("2 of 2 namespaces have a fresh Secret; 4 of 5 tokens good until ", timeout=3)
    assert one.get("/healthz") == (200, "ok\n")
    assert not [line for line in one.log if "expired" in line and "Registry partner" not in line]
    assert len([line for line in one.log if "has expired and there is no other" in line]) == 1

    fleet.doubles["partner"].lifetime, fleet.doubles["partner"].fault = 43200, None
    change_and_reload(one, {})
    one.wait_log(f"Registry partner: new token for {host}, good for 12h", since=time.monotonic() - 5)
    wait_for(lambda: auths(api) == fleet.auths())
    one.wait_metric('eatr_registry_up{registry="partner"}', 1)
    assert one.get("/readyz") == (200, "ok\n")
    one.stop()


@in_background
def test_a_registry_that_refuses_touches_no_other(ecr: Ecr, api: ApiServer, make: MakeEatr) -> None:
    """See touches_no_other()."""
    with fleet_beside(api, make) as (fleet, eatrs):
        touches_no_other(faults.access_denied(), api, fleet, eatrs)


@in_background
def test_a_registry_that_hangs_touches_no_other(ecr: Ecr, api: ApiServer, make: MakeEatr) -> None:
    """See touches_no_other()."""
    with fleet_beside(api, make) as (fleet, eatrs):
        touches_no_other(faults.hang(), api, fleet, eatrs)


@in_background
def test_a_registry_that_cuts_connections_touches_no_other(ecr: Ecr, api: ApiServer, make: MakeEatr) -> None:
    """See touches_no_other()."""
    with fleet_beside(api, make) as (fleet, eatrs):
        touches_no_other(faults.reset(), api, fleet, eatrs)


@in_background
def test_a_registry_that_failed_is_back_by_itself(ecr: Ecr, api: ApiServer, make: MakeEatr) -> None:
    """What it says at each step: the failure, the end of the token, the new one."""
    with fleet_beside(api, make) as (fleet, eatrs):
        one = fail_until_it_is_dropped(faults.access_denied(), api, fleet, eatrs)
        url = fleet.doubles["partner"].url
        why = rf"Registry partner: no new token from {url}: AccessDeniedException \(HTTP 400\): .*not authorized"
        one.wait_log(rf"warning: {why}.*Trying again in .*; the current token is good for another \d+s")
        one.wait_log(r"error: Registry partner: .*has expired.*; its hosts are taken out of the Secrets until")
        one.wait_status(r"; registry partner: AccessDeniedException ")
        fleet.doubles["partner"].fault = None
        one.wait_log("Registry partner: new token for ", since=time.monotonic(), timeout=45)
        wait_for(lambda: auths(api) == fleet.auths())
        one.wait_status("5 of 5 tokens good until [^;]*$")
        one.stop()


def test_a_registry_that_fails_at_the_start_holds_up_no_other(
    api: ApiServer, fleet: Fleet, eatr: MakeEatr
) -> None:
    """The others' tokens are written; its own joins them."""
    fleet.doubles["partner"].fault = faults.access_denied()
    one = eatr().start()
    one.wait_ready()
    wait_auths(api, fleet, "partner")
    one.wait_log(r"error: Registry partner: no token from .*AccessDenied")
    assert len(writes(api)) == 2 and one.get("/readyz")[0] == 503
    fleet.doubles["partner"].fault = None
    change_and_reload(one, {})
    wait_auths(api, fleet)
    assert fleet.calls() == [1, 1, 1, 2, 1] and len(writes(api)) == 4


@pytest.mark.parametrize("fault", [faults.access_denied, faults.reset], ids=lambda fault: fault.__name__)
def test_once_writes_what_it_can_and_says_that_it_is_not_all(
    fault: object, api: ApiServer, fleet: Fleet, eatr: MakeEatr
) -> None:
    """Exit status 1 with the registry's name; then 0."""
    one = eatr()
    fleet.doubles["partner"].fault = fault()  # type: ignore[operator]
    assert one.run("once") == 1
    wait_auths(api, fleet, "partner")
    one.wait_log("error: Registry partner: no token from ")
    fleet.doubles["partner"].fault = None
    assert one.run("once") == 0
    wait_auths(api, fleet)


# Reload and restart -------------------------------------------------------------------------------------


def test_a_reload_takes_a_registry_away_and_brings_it_back(
    api: ApiServer, fleet: Fleet, eatr: MakeEatr
) -> None:
    """Its hosts go at once, and AWS is not asked for the others."""
    one = eatr().start()
    one.wait_ready()
    change_and_reload(one, {"registry ireland": None, "registry partner": None})
    wait_auths(api, fleet, "ireland", "partner", timeout=1)
    assert fleet.calls() == [1] * 5 and len(writes(api)) == 4
    assert 'eatr_registry_up{registry="partner"}' not in one.metrics()
    one.wait_status("3 of 3 tokens good until")

    change_and_reload(one, fleet.sections())
    wait_auths(api, fleet, timeout=3)
    assert fleet.calls() == [2, 1, 1, 2, 1] and len(writes(api)) == 6


def test_a_reload_changes_hosts_without_a_call(api: ApiServer, fleet: Fleet, eatr: MakeEatr) -> None:
    """Another name for the same registry is no reason to ask AWS."""
    one = eatr().start()
    one.wait_ready()
    change_and_reload(one, {"registry ireland": {"hosts": None}, "registry virginia": {"hosts": "v.example"}})
    wanted = {**fleet.auths(), "v.example": fleet.doubles["virginia"].last_token}
    del wanted[MIRROR]
    wait_for(lambda: all(auths(api, namespace) == wanted for namespace in api.namespaces()), 2)
    assert fleet.calls() == [1] * 5 and len(writes(api)) == 4


def test_a_restart_keeps_the_tokens_of_all(api: ApiServer, fleet: Fleet, eatr: MakeEatr) -> None:
    """With every ECR away: nothing is written but what is missing."""
    one = eatr().start()
    one.wait_ready()
    for double in fleet.doubles.values():
        double.stop()
    one.restart()
    one.wait_ready()
    assert len(writes(api)) == 2
    api.add_namespace("shop")
    api.delete_secret("default")
    wait_auths(api, fleet, timeout=2)
    assert fleet.calls() == [1] * 5 and len(writes(api)) == 4
    assert one.get("/readyz") == (200, "ok\n")
    one.wait_status("5 of 5 tokens good until [^;]*$")
    for name in fleet.doubles:
        one.wait_log(f"Registry {name}: keeping the token for {fleet.host(name)}, good for another ")
