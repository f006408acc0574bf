"""eatr and 1,000 namespaces on a real kube-apiserver: one AWS call, one write each, and what it takes.

`pytest -s` shows the figures.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from control_plane import ControlPlane
from eatr import SCALE, Eatr, wait_for
from ecr import Ecr
from real import SECRET, Audit, Write, cpu_seconds, eatrs, token_of, uid_of

COUNT = 1000
SANDBOXES = 40  # of them, blacklisted
WANTED = COUNT - SANDBOXES
PACE = 250  # writes a second in a renewal
INTERVAL = 12 * SCALE  # seconds between renewals, much more than one takes


@dataclass
class Step:
    """What one run of eatr did, and what was in the cluster after it."""

    calls: int
    writes: list[Write]
    passes: list[float]  # when each was done, in seconds from the start
    tokens: dict[str, str] = field(repr=False)
    uids: dict[str, str] = field(repr=False)


class Story:
    """One eatr that is started several times; each run is told once for all the tests."""

    def __init__(self, cluster: ControlPlane, ecr: Ecr, one: Eatr) -> None:
        self.cluster, self.ecr, self.eatr = cluster, ecr, one

    def step(self, name: str, passes: int = 1) -> Step:
        """Runs eatr for so many passes, stops it, and prints what they took."""
        calls, audit = len(self.ecr.calls), Audit(self.cluster)
        self.eatr.start()
        done = []
        for _ in range(passes):
            line = self.eatr.wait_log("Pass done", 60, done[-1] + 1e-6 if done else None)
            done.append(line.time)
        cpu, peak = cpu_seconds(self.eatr.pid), self._peak_rss_kb()
        self.eatr.stop()
        self.cluster.put_secret("default", "fence", {"key": name})
        audit.wait(1, "default", "eatr-tests")  # so it has logged all that came before, too
        secrets = self.cluster.secrets(SECRET)
        step = Step(
            len(self.ecr.calls) - calls,
            audit.writes(),
            [when - self.eatr.started for when in done],
            {name: token_of(secret, self.ecr) for name, secret in secrets.items()},
            {name: uid_of(secret) for name, secret in secrets.items()},
        )
        print(
            f"\n{name}: {len(step.writes)} writes, {step.calls} AWS calls, passes done after"
            f" {', '.join(f'{when:.2f} s' for when in step.passes)}; {cpu:.2f} s of CPU,"
            f" peak RSS {peak / 1024:.1f} MB"
        )
        return step

    def _peak_rss_kb(self) -> int:
        lines = Path(f"/proc/{self.eatr.pid}/status").read_text(encoding="utf-8").splitlines()
        return int(next(line.split()[1] for line in lines if line.startswith("VmHWM:")))


@pytest.fixture(scope="module")
def story(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """A control plane of its own, in which 1,000 namespaces cause no other work, and an eatr."""
    directory = tmp_path_factory.mktemp("scale")
    plane = ControlPlane(control_plane.assets, directory / "plane", controllers=("namespace",))
    config = {"namespaces": {"include": "team-*", "blacklist": "team-*-sandbox"}}
    with plane, Ecr() as ecr, eatrs(directory, plane, ecr) as make:
        plane.create_namespaces(f"team-{n}{'-sandbox' if n < SANDBOXES else ''}" for n in range(COUNT))
        yield Story(plane, ecr, make(config))


@pytest.fixture(scope="module")
def first(story: Story) -> Step:
    """The first start."""
    return story.step("first start")


@pytest.fixture(scope="module")
def restart(story: Story, first: Step) -> Step:
    """The second, while all Secrets are good."""
    return story.step("restart")


@pytest.fixture(scope="module")
def renewals(story: Story, first: Step, restart: Step) -> Step:
    """Two renewals: all Secrets are due when it starts, and once more when the interval is over."""
    story.eatr.change_config(
        {"renewal": {"max_writes_per_second": PACE, "auth_token_renewal_interval": f"{INTERVAL:g}s"}}
    )
    written = max(write.done for write in first.writes)
    wait_for(lambda: time.time() >= written + INTERVAL, INTERVAL, "all Secrets are due")
    return story.step("two renewals", 2)


def test_a_first_start_is_one_aws_call_and_one_write_a_namespace(story: Story, first: Step) -> None:
    """Every Secret is what ECR gave."""
    assert first.calls == 1
    assert Counter((write.verb, write.code) for write in first.writes) == {("patch", 201): WANTED}
    assert {write.namespace for write in first.writes} == first.tokens.keys()
    assert first.tokens.keys() == {f"team-{n}" for n in range(SANDBOXES, COUNT)}  # and no sandbox
    assert set(first.tokens.values()) == {story.ecr.tokens[0]}


def test_a_restart_with_good_secrets_writes_nothing(first: Step, restart: Step) -> None:
    """Though it has a token of its own."""
    assert restart.writes == [] and restart.calls == 1
    assert (restart.tokens, restart.uids) == (first.tokens, first.uids)


def test_a_renewal_is_one_aws_call_and_one_write_a_namespace_in_place(
    story: Story, first: Step, renewals: Step
) -> None:
    """The kubelet keys on the UID."""
    assert renewals.calls == 2
    assert set(renewals.tokens.values()) == {story.ecr.tokens[-1]}
    assert renewals.uids == first.uids
    assert Counter((write.verb, write.code) for write in renewals.writes) == {("patch", 200): 2 * WANTED}
    assert set(Counter(write.namespace for write in renewals.writes).values()) == {2}


def test_a_renewal_keeps_to_max_writes_per_second(renewals: Step) -> None:
    """By the API server's clock, for any second of it; and it is not much slower either."""
    begun = sorted(write.begun for write in renewals.writes)
    for one in (begun[:WANTED], begun[WANTED:]):
        most = max(sum(start <= when < start + 1 for when in one) for start in one[::10])
        print(f"\nrenewal of {WANTED}: {one[-1] - one[0]:.2f} s, at most {most} in a second")
        assert most <= PACE * 1.25
        assert one[-1] - one[0] < WANTED / PACE * 2.5 * SCALE
