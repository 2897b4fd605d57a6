"""`oneblock bisect` with Inductor: a pass of ours that breaks an operation is found, by Inductor's own switches."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import triton_here
from tests.bisecting import search

triton_here.load("torch_inductor")

import torch  # noqa: E402
from torch._inductor import config  # noqa: E402
from torch._inductor.compiler_bisector import CompilerBisector  # noqa: E402


def _spoil(graph: Any) -> None:
    """Every square root becomes a reciprocal one."""
    for node in graph.nodes:
        if node.target is torch.ops.aten.sqrt.default:
            node.target = torch.ops.aten.rsqrt.default


@pytest.fixture
def _sure() -> Iterator[None]:
    """The switch is Inductor's own again afterwards."""
    before = vars(CompilerBisector)["disable_subsystem"]
    yield
    assert vars(CompilerBisector)["disable_subsystem"] is before
    torch._dynamo.reset()


@pytest.mark.usefixtures("_sure")
@pytest.mark.parametrize("place", ["post_grad_custom_pre_pass", "post_grad_custom_post_pass"])
@pytest.mark.filterwarnings("ignore:dynamo_pgo force disabled")
def test_a_planted_pass_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, place: str) -> None:
    with config.patch({place: _spoil}):
        told = search(monkeypatch, tmp_path, "torch_inductor")
    assert [name.partition("#")[0] for name in told.finding.found] == [f"post_grad_passes/{place}"]
    assert told.finding.before is not None
    assert told.finding.before.passed
    assert told.finding.after is not None
    assert not told.finding.after.passed
    assert any("rsqrt" in line for line in told.diff if line.startswith("+"))
    assert "TORCH_BISECT_SUBSYSTEM=post_grad_passes TORCH_BISECT_MAX=" in str(told.good_by_hand)


@pytest.mark.usefixtures("_sure")
@pytest.mark.filterwarnings("ignore:dynamo_pgo force disabled")
def test_without_a_plant_there_is_nothing_to_find_and_kernels_come_from_lowerings(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert search(monkeypatch, tmp_path, "torch_inductor").finding.found == ()
    told = search(monkeypatch, tmp_path, "torch_inductor", of="library_calls")
    assert told.finding.found[0].startswith("lowerings/")
    assert told.finding.before is not None
    assert told.finding.after is not None
    assert told.finding.before.value > told.finding.after.value  # type: ignore[operator]
