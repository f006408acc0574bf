"""kubectl 1.32 as the judge: with the same kubeconfig eatr reaches the same server as the same user."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from kubeconfig_fields import FIELDS
from kubeconfig_shapes import SHAPES
from kubeconfigs import Case, Scene, find_differences, scene

CASES = [*SHAPES, *FIELDS]


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """The servers and the proxies."""
    with scene(tmp_path_factory.mktemp("kubeconfigs")) as one:
        yield one


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_eatr_makes_of_it_what_kubectl_does(
    case: Case, stage: Scene, kubectl_path: Path, tmp_path: Path
) -> None:
    """Or differs as the table says, and why."""
    kubectl = stage.run_kubectl(kubectl_path, case, tmp_path)
    print(f"kubectl: {kubectl}")
    eatr = stage.run_eatr(case, tmp_path)
    assert not (problems := find_differences(case, tmp_path, kubectl, eatr)), "\n".join(problems)
