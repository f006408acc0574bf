"""The main job: a fresh pull Secret in every namespace that wants one, and nothing else anywhere."""

from __future__ import annotations

import json
import re
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import]

import faults
from api_server import ApiServer, SecretView
from conftest import MakeEatr, in_background, wait_fresh, writes
from eatr import Eatr, wait_for
from ecr import Ecr

DOCKER = "kubernetes.io/dockerconfigjson"
EVERY_SECOND = {"renewal": {"auth_token_renewal_interval": "1s"}}


def secret(api: ApiServer, namespace: str, name: str = "ecr") -> SecretView:
    """A Secret that must be there."""
    found = api.secret(namespace, name)
    assert found is not None, f"no Secret {name} in {namespace}"
    return found


# Writing ----------------------------------------------------------------------------------------------


def test_every_namespace_has_its_secret_when_eatr_is_ready(
    ecr: Ecr, api: ApiServer, eatr: MakeEatr
) -> None:
    """One call of AWS, one write a namespace, and the very same bytes in each."""
    api.add_namespace("shop")
    eatr().start().wait_ready()
    wait_fresh(ecr, api)
    found = [secret(api, namespace) for namespace in api.namespaces()]
    text = '{"auths":{"%s":{"auth":"%s"}}}' % (ecr.proxy_endpoint[8:], ecr.last_token)
    assert {one.type for one in found} == {DOCKER}
    assert all(one.data == {".dockerconfigjson": text.encode()} for one in found)
    assert len(ecr.calls) == 1 and len(writes(api)) == 3


def test_a_secret_says_whose_it_is_and_how_long_it_is_good(ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """Label, annotations and field manager."""
    eatr().start().wait_ready()
    one = secret(api, "default")
    assert one.labels == {"app.kubernetes.io/managed-by": "eatr"}
    assert one.owners == {"eatr": {".dockerconfigjson"}}
    assert one.annotations.keys() == {"eatr/expires-at", "eatr/renewed-at", "eatr/token-id"}
    renewed, expires = (
        time.mktime(time.strptime(one.annotations[f"eatr/{key}"], "%Y-%m-%dT%H:%M:%SZ")) - time.timezone
        for key in ("renewed-at", "expires-at")
    )
    assert abs(renewed - time.time()) < 5 and abs(expires - renewed - ecr.lifetime) < 2


def test_the_secret_may_have_another_name(ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """A Secret called `ecr` is nothing to eatr then."""
    api.put_secret("default", data={"a": "b"})
    eatr({"secret": {"name": "pull.from-ecr"}}).start().wait_ready()
    assert secret(api, "default", "pull.from-ecr").auths.popitem()[1] == ecr.last_token
    assert secret(api, "default").data == {"a": b"b"}


def test_a_new_namespace_gets_its_secret_at_once(ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """Within 100 ms of the event, with the token that is there."""
    one = eatr().start()
    one.wait_ready()
    api.add_namespace("shop")
    wait_fresh(ecr, api, timeout=1)
    samples = one.wait_metric("eatr_namespace_to_secret_seconds_count", 1)
    assert samples["eatr_namespace_to_secret_seconds_sum"] < 0.1
    assert len(ecr.calls) == 1 and len(writes(api)) == 3


def test_a_deleted_secret_is_back_within_a_second(ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """Three times in a row."""
    one = eatr().start()
    one.wait_ready()
    for _ in range(3):
        api.delete_secret("default")
        wait_fresh(ecr, api, timeout=1)
    one.wait_log("namespace default: .*deleted")
    assert one.wait_metric("eatr_secret_heals_total", 3)["secrets_created_total"] == 5
    assert len(ecr.calls) == 1


@pytest.mark.parametrize(
    "edit",
    [
        {"data": {".dockerconfigjson": '{"auths":{}}'}},
        {"labels": {"app.kubernetes.io/managed-by": "Helm"}, "manager": "helm"},
        {"labels": {"app.kubernetes.io/managed-by": None}},
        {"annotations": {"eatr/expires-at": "2020-01-01T00:00:00Z"}},
        {"annotations": {"eatr/token-id": None}},
    ],
    ids=["data", "label changed", "label removed", "annotation changed", "annotation removed"],
)
def test_an_edited_secret_is_put_right_within_a_second(
    edit: dict[str, Any], ecr: Ecr, api: ApiServer, eatr: MakeEatr
) -> None:
    """In place, by one write."""
    one = eatr().start()
    one.wait_ready()
    before = secret(api, "default")
    api.edit_secret("default", **edit)
    assert secret(api, "default") != before
    wait_for(lambda: replace(secret(api, "default"), rv=before.rv) == before, 1, "put right")
    one.wait_log("namespace default: .*edited")
    samples = one.wait_metric("eatr_secret_heals_total", 1)
    assert samples["secret_renewals_total"] == 0 and samples["secrets_created_total"] == 2
    assert len(writes(api)) == 3


def test_what_others_add_to_a_secret_stays(ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """Labels, annotations and keys that are not eatr's are no edits, and no renewal takes them away."""
    eatr(EVERY_SECOND).start().wait_ready()
    api.edit_secret("default", labels={"team": "a"}, annotations={"note": "b"}, data={"more": "c"})
    first = ecr.last_token
    wait_for(lambda: ecr.last_token != first)
    wait_fresh(ecr, api, "default")
    one = secret(api, "default")
    assert (one.labels["team"], one.annotations["note"], one.data["more"]) == ("a", "b", b"c")


# Renewal ----------------------------------------------------------------------------------------------


def test_a_renewal_writes_the_new_token_in_place(ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """The Secrets keep their UIDs, and both counters are right to the unit."""
    one = eatr(EVERY_SECOND).start()
    one.wait_ready()
    uids = {namespace: secret(api, namespace).uid for namespace in api.namespaces()}
    wait_for(lambda: len(ecr.tokens) == 4)
    ecr.fault = faults.throttled()
    wait_fresh(ecr, api)
    assert uids == {namespace: secret(api, namespace).uid for namespace in api.namespaces()}
    assert one.wait_metric("secret_renewals_total", 6)["secrets_created_total"] == 2
    assert sorted(record.status for record in writes(api)) == [200] * 6 + [201] * 2


def test_half_of_a_tokens_life_is_the_time_to_renew(ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """Unless the configuration names an interval; a little jitter comes off."""
    ecr.lifetime = 12.0
    eatr().start().wait_ready()
    wait_for(lambda: len(ecr.calls) == 2)
    assert 5.5 < ecr.calls[1].time - ecr.calls[0].time < 6.7
    wait_fresh(ecr, api)


def test_a_renewal_is_never_later_than_after_three_quarters_of_the_life(
    ecr: Ecr, api: ApiServer, eatr: MakeEatr
) -> None:
    """Whatever the interval is."""
    ecr.lifetime = 8.0
    eatr({"renewal": {"auth_token_renewal_interval": "11h"}}).start().wait_ready()
    wait_for(lambda: len(ecr.calls) == 2)
    assert 5.9 < ecr.calls[1].time - ecr.calls[0].time < 7.5


def test_renewals_are_paced_and_new_namespaces_pass_them(ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """40 renewals at 10 a second take some 4 seconds, and a new namespace does not wait for them."""
    for i in range(38):
        api.add_namespace(f"team-{i:02}")
    one = eatr({"renewal": {"auth_token_renewal_interval": "3s", "max_writes_per_second": 10}}).start()
    one.wait_ready()
    wait_for(lambda: len(ecr.tokens) == 2)
    ecr.fault = faults.throttled()
    wait_for(lambda: len(writes(api)) > 45)
    api.add_namespace("shop")
    wait_fresh(ecr, api, "shop", timeout=1)
    assert len(writes(api)) < 65
    wait_fresh(ecr, api)
    renewals = [record.time for record in writes(api)[40:]]
    assert 3.3 < renewals[-1] - renewals[0] < 5


def test_a_secret_deleted_while_its_renewal_waits_is_back_within_a_second(
    ecr: Ecr, api: ApiServer, eatr: MakeEatr
) -> None:
    """A heal does not queue up with the renewals, and is not forgotten either."""
    api.add_namespace("zebra")
    eatr({"renewal": {"auth_token_renewal_interval": "2s", "max_writes_per_second": 1}}).start().wait_ready()
    wait_for(lambda: len(ecr.tokens) == 2)
    ecr.fault = faults.throttled()
    wait_for(lambda: len(writes(api)) == 4)
    api.delete_secret("zebra")
    wait_fresh(ecr, api, "zebra", timeout=1)
    wait_fresh(ecr, api)
    assert len(writes(api)) == 6


def test_a_restart_with_valid_secrets_writes_nothing(ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """Not even with another token; a Secret that went missing meanwhile is written."""
    one = eatr().start()
    one.wait_ready()
    one.stop()
    before, first = len(writes(api)), ecr.last_token
    one.start().wait_ready()
    one.wait_status("2 of 2 namespaces have a fresh Secret")
    assert len(ecr.calls) == 2
    one.stop()
    assert len(writes(api)) == before and secret(api, "default").auths.popitem()[1] == first
    api.delete_secret("default")
    one.start().wait_ready()
    wait_fresh(ecr, api, "default")
    assert len(writes(api)) == before + 1


def test_a_restart_renews_what_has_become_due(ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """A Secret whose own time came while eatr was away is written with the new token."""
    one = eatr(EVERY_SECOND).start()
    one.wait_ready()
    one.stop()
    written = time.monotonic()
    wait_for(lambda: time.monotonic() > written + 1.5)
    one.start("--auth-token-renewal-interval=1s").wait_ready()
    wait_fresh(ecr, api, timeout=0.8)


# Which namespaces -------------------------------------------------------------------------------------


def test_blacklisted_namespaces_get_nothing(ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """Globs are anchored at both ends; a blacklisted namespace that comes later gets nothing either."""
    for name in ("kube-public", "my-kube-system", "team-a", "team-ab", "default-2"):
        api.add_namespace(name)
    eatr({"namespaces": {"blacklist": ["kube-*, default", "team-?"]}}).start().wait_ready()
    api.add_namespace("kube-late")
    api.add_namespace("zebra")
    wait_fresh(ecr, api, "my-kube-system", "team-ab", "default-2", "zebra")
    assert len(writes(api)) == 4


def test_only_included_namespaces_get_something(ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """And of those not what is blacklisted."""
    for name in ("shop-a", "shop-b", "web"):
        api.add_namespace(name)
    one = eatr({"namespaces": {"include": "shop-*", "blacklist": "*-b"}}).start()
    one.wait_ready()
    wait_fresh(ecr, api, "shop-a")
    assert len(writes(api)) == 1
    samples = one.metrics()
    assert samples['eatr_namespaces{state="not-included"}'] == 3
    assert samples['eatr_namespaces{state="blacklisted"}'] == 1


def test_a_namespace_may_opt_out_and_in_again(ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """By the annotation eatr/ignore; the Secret that is there stays."""
    api.add_namespace("quiet", annotations={"eatr/ignore": "true"})
    api.add_namespace("loud", annotations={"eatr/ignore": "false"})
    one = eatr().start()
    one.wait_ready()
    wait_fresh(ecr, api, "default", "loud")
    assert api.secret("quiet") is None
    api.edit_namespace("quiet", annotations={"eatr/ignore": None})
    wait_fresh(ecr, api, "quiet")
    api.edit_namespace("loud", annotations={"eatr/ignore": "true"})
    one.wait_metric('eatr_namespaces{state="ignored"}', 1)
    wait_fresh(ecr, api, "loud")
    api.delete_secret("loud")
    api.add_namespace("after")
    wait_fresh(ecr, api, "after")
    assert api.secret("loud") is None


def test_a_terminating_namespace_is_left_alone(ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """Its Secret is not written back; the namespace may come again."""
    api.add_namespace("old")
    api.terminate_namespace("old")
    api.add_namespace("shop")
    one = eatr().start()
    one.wait_ready()
    wait_fresh(ecr, api, "shop")
    api.terminate_namespace("shop")
    one.wait_metric('eatr_namespaces{state="terminating"}', 2)
    api.delete_secret("shop")
    api.remove_namespace("shop")
    api.add_namespace("shop")
    wait_fresh(ecr, api, "shop")
    assert api.secret("old") is None
    assert len(api.matching("PATCH", "/old/")) == 0 and len(api.matching("PATCH", "/shop/")) == 2


# Secrets that are not eatr's to write -----------------------------------------------------------------


def test_somebody_elses_secret_is_refused_and_left_as_it_is(ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """A warning names the namespace and who wrote it; when it is deleted eatr's own takes its place."""
    auths = {".dockerconfigjson": '{"auths":{"quay.io":{"auth":"YTpi"}}}'}
    api.put_secret("default", type=DOCKER, data=auths, manager="argocd")
    before = secret(api, "default")
    one = eatr().start()
    one.wait_ready()
    one.wait_log("warning: namespace default: .*not eatr's.*argocd")
    one.wait_status("1 of 2 namespaces have a fresh Secret, 1 in conflict")
    wait_fresh(ecr, api, "kube-system")
    assert secret(api, "default") == before and not api.matching("PATCH", "/default/")
    api.delete_secret("default")
    wait_fresh(ecr, api, "default")
    one.wait_status("2 of 2 namespaces have a fresh Secret;")


def test_a_foreign_secret_that_appears_later_is_not_taken_over(
    ecr: Ecr, api: ApiServer, eatr: MakeEatr
) -> None:
    """Somebody deletes eatr's and creates another one in one go."""
    one = eatr(EVERY_SECOND).start()
    one.wait_ready()
    with api.store.changed:
        api.delete_secret("default")
        api.put_secret("default", data={"a": "b"})
    one.wait_log("warning: namespace default: .*not eatr's")
    tokens = len(ecr.tokens)
    wait_for(lambda: len(ecr.tokens) > tokens + 1)
    wait_fresh(ecr, api, "kube-system")
    assert secret(api, "default").data == {"a": b"b"}


def test_a_secret_with_nothing_but_our_label_is_not_ours(
    ecr: Ecr, api: ApiServer, eatr: MakeEatr
) -> None:
    """No try, one warning, and nothing deleted."""
    labels = {"app.kubernetes.io/managed-by": "eatr"}
    api.put_secret("default", data={"a": "b"}, labels=labels)
    before = secret(api, "default")
    one = eatr({"renewal": {"informers_resync_interval": "1s"}}).start()
    one.wait_ready()
    one.wait_log("warning: namespace default: Secret .* is not eatr's")
    one.wait_status("1 of 2 namespaces have a fresh Secret, 1 in conflict")
    started = time.monotonic()
    wait_for(lambda: time.monotonic() > started + 2.2)
    assert secret(api, "default") == before and not api.matching("PATCH", "/default/")


def test_an_immutable_secret_is_refused_and_kept(ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """It stays with its old token until somebody deletes it."""
    one = eatr(EVERY_SECOND).start()
    one.wait_ready()
    api.edit_secret("default", immutable=True)
    before = secret(api, "default")
    one.wait_log("warning: namespace default: Secret .* is immutable")
    tokens = len(ecr.tokens)
    wait_for(lambda: len(ecr.tokens) > tokens + 1)
    assert secret(api, "default") == before
    assert len([r for r in api.matching("PATCH", "/default/") if r.status == 422]) == 1
    api.delete_secret("default")
    wait_for(lambda: api.secret("default"), 1)
    one.wait_status("2 of 2 namespaces have a fresh Secret;")


# once and --dry-run -----------------------------------------------------------------------------------


def test_once_makes_one_pass_and_says_so(ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """Exit status 0 and one line."""
    one = eatr({"namespaces": {"blacklist": "kube-*"}})
    assert one.run("once") == 0
    assert len(one.out) == 1
    assert re.fullmatch("2 namespaces: 1 fresh, .*0 failing, 0 in conflict, 1 excluded", one.out[0])
    wait_fresh(ecr, api, "default")
    assert one.run("once") == 0 and len(writes(api)) == 1


def test_once_prints_json_when_told_to(ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """Nothing else is on stdout."""
    api.put_secret("default")
    one = eatr()
    assert one.run("--output", "json", "once") == 1
    numbers = json.loads("\n".join(one.out))
    assert {name for name in numbers if numbers[name]} == {"namespaces", "fresh", "conflict"}
    assert (numbers["namespaces"], numbers["fresh"], numbers["conflict"], numbers["failing"]) == (2, 1, 1, 0)


@pytest.mark.parametrize("down", ["ecr", "api"])
def test_once_fails_when_a_server_is_down(down: str, ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """Exit status 1 after a few tries, with the reason."""
    {"ecr": ecr, "api": api}[down].stop()
    one = eatr()
    assert one.run("once", timeout=20) == 1
    assert any("error: Giving up" in line for line in one.log)
    assert any("onnect" in line for line in one.log) and not writes(api)


def test_once_fails_when_one_namespace_fails(ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """After three tries; the others have their Secret."""
    api.inject(faults.unavailable(500), method="PATCH", path="/default/")
    one = eatr()
    assert one.run("once") == 1
    assert "1 failing" in one.out[0] and len(api.matching("PATCH", "/default/")) == 3
    wait_fresh(ecr, api, "kube-system")


@pytest.mark.parametrize("command", ["once", "run"])
def test_a_dry_run_writes_nothing(command: str, ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """It says what it would do, a line a namespace, and is done without an error."""
    one = eatr({"namespaces": {"blacklist": "kube-*"}}).start("--dry-run", command)
    one.wait_log("namespace default: would create Secret ecr")
    assert one.wait_exit() == 0 if command == "once" else one.wait_ready()
    assert not any("kube-system: would" in line for line in one.log)
    assert not writes(api)


# Ways to be called ------------------------------------------------------------------------------------


def test_kubeconfig_is_found_in_its_places(
    tmp_path: Path, ecr: Ecr, api: ApiServer, eatr: MakeEatr
) -> None:
    """--kubeconfig, $KUBECONFIG with several files, ~/.kube/config, and --context."""
    one = eatr({"kubernetes": {"kubeconfig": None}})
    good = api.kubeconfig(tmp_path / "good")
    assert one.run("--kubeconfig", str(good), "once") == 0
    whole = yaml.safe_load(good.read_text())
    parts = [tmp_path / "clusters", tmp_path / "none", tmp_path / "rest"]
    parts[0].write_text(yaml.safe_dump({"clusters": whole.pop("clusters"), "current-context": "missing"}))
    parts[2].write_text(json.dumps(whole))  # JSON is YAML
    environment = {"KUBECONFIG": ":".join(map(str, parts))}
    assert one.run("once", env=environment) == 78
    assert one.run("--context", "double", "once", env=environment) == 0
    home = one.directory / ".kube"
    home.mkdir()
    good.rename(home / "config")
    assert one.run("once") == 0


@pytest.mark.tls
def test_tls_and_a_bearer_token_work(ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """With the kubeconfig's certificate authority."""
    ecr.session_token = "FwoGZXIvYXdzE" + "x" * 1000
    one = eatr().start()
    one.wait_ready()
    wait_fresh(ecr, api)


def credentials(ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> tuple[Eatr, dict[str, str]]:
    """An eatr whose configuration and kubeconfig lie where systemd puts credentials, and its environment."""
    one = eatr({"kubernetes": None})
    folder = one.directory / "credentials"
    folder.mkdir()
    one.write_config(one.config, folder / "eatr.conf", mode=0o400)
    api.kubeconfig(folder / "kubeconfig")
    return one, {"CREDENTIALS_DIRECTORY": str(folder)}


@in_background
def test_the_command_line_in_use_today_works_word_for_word(
    ecr: Ecr, api: ApiServer, eatr: MakeEatr
) -> None:
    """It renews every 20 s, and both counters are right to the unit."""
    one, environment = credentials(ecr, api, eatr)
    command = "-auth-token-renewal-interval 20s -informers-resync-interval 5s -logging-verbosity-level 6"
    one.start(*command.split(), env=environment, config=False).wait_ready()
    one.wait_metric("secrets_created_total", 2)
    api.add_namespace("shop")
    one.wait_metric("secrets_created_total", 3)
    for renewals in (3, 6, 9):
        samples = one.wait_metric("secret_renewals_total", renewals, 25)
        assert samples["secrets_created_total"] == 3
        wait_fresh(ecr, api)
    times = [call.time for call in ecr.calls]
    assert all(19.8 < after - before < 20.5 for before, after in zip(times, times[1:]))
    assert len(times) == 4 and len(writes(api)) == 12


# Everything at once -----------------------------------------------------------------------------------


@pytest.mark.valgrind
def test_a_life_with_all_that_can_happen_is_clean(ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """Create, renew, heal, a new namespace, a fault of AWS, a restart of the API server, stop."""
    api.put_secret("kube-system", data={"a": "b"})
    renewal = {"auth_token_renewal_interval": "2s", "informers_resync_interval": "1s"}
    one = eatr({"renewal": renewal, "namespaces": {"blacklist": "no-*"}}).start(watchdog=2)
    one.wait_ready()
    wait_fresh(ecr, api, "default")
    api.add_namespace("shop")
    api.delete_secret("default")
    wait_for(lambda: api.secret("shop") and api.secret("default"))
    api.edit_secret("shop", data={".dockerconfigjson": "{}"})
    ecr.fault = faults.sequence(faults.throttled(), faults.html(502))
    tokens = len(ecr.tokens)
    wait_for(lambda: len(ecr.tokens) > tokens, 30)
    api.stop()
    one.wait_log("Cannot read namespaces")
    api.start()
    api.compact()
    api.add_namespace("late")
    api.remove_namespace("shop")
    wait_fresh(ecr, api, "late", "default", timeout=30)
    assert one.get("/metrics")[0] == one.get("/healthz")[0] == 200
    assert one.stop() == 0 and secret(api, "kube-system").data == {"a": b"b"}
