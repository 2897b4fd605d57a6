"""`oneblock bisect` with Inductor: a pass of ours that breaks an operation is found, by Inductor's own switches."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.helpers import triton_here
from tests.helpers.bisecting import passes, search

triton_here.load("torch_inductor")

import torch  # noqa: E402
from torch._inductor import compiler_bisector, config  # noqa: E402
from torch._inductor.compiler_bisector import CompilerBisector  # noqa: E402

from oneblock.compilers.inductor.passes import InductorPasses  # noqa: E402


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


@pytest.mark.slow
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
    by_hand = "TORCH_BISECT_BACKEND=inductor TORCH_BISECT_SUBSYSTEM=post_grad_passes TORCH_BISECT_MAX="
    assert str(told.good_by_hand).startswith(by_hand)
    assert "not the same run: it leaves on lowerings/" in str(told.good_by_hand)


def test_by_hand_is_the_same_run_or_says_what_it_is_not() -> None:
    made = object.__new__(InductorPasses)
    made.names = ("decomposition/silu", "decomposition/add", *(f"post/{c}" for c in "abcdef"), "lowerings/mm")
    flags = "TORCH_BISECT_BACKEND={} TORCH_BISECT_SUBSYSTEM={} TORCH_BISECT_MAX={}"
    assert made.by_hand([]) == "(nothing is off)"
    assert made.by_hand(["post/e", "post/f"]) == flags.format("inductor", "post", 3)
    assert made.by_hand(["lowerings/mm"]) == flags.format("inductor", "lowerings", -1)
    assert made.by_hand(["post/e", "post/f", "lowerings/mm"]) == (
        flags.format("inductor", "post", 3) + "  (not the same run: it leaves on lowerings/mm)"
    )
    assert made.by_hand(["post/b"]) == (
        flags.format("inductor", "post", 0) + "  (not the same run: it also switches off post/c to post/f (4 passes))"
    )
    assert made.by_hand(["decomposition/add", "post/a"]) == (
        flags.format("aot_eager_decomp_partition", "decomposition", 0)
        + "  (not the same run: torch.compile then runs aot_eager_decomp_partition, and nothing of Inductor; "
        "it also switches off post/b to lowerings/mm (6 passes))"
    )


@pytest.mark.usefixtures("_sure")
@pytest.mark.filterwarnings("ignore:dynamo_pgo force disabled")
def test_what_is_said_to_be_the_same_run_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """PyTorch's own switch, set as its variables would set it: it leaves out the same lowerings."""
    made = passes("torch_inductor")
    off = [name for name in made.names if name.startswith("lowerings/")][1:]
    flags = made.by_hand(off)
    assert "(" not in flags
    monkeypatch.setattr(compiler_bisector, "get_env_val", dict(one.split("=") for one in flags.split()).get)
    monkeypatch.setattr(CompilerBisector, "bisection_enabled", True)
    compiler_bisector.subsystem_call_counter.clear()
    torch._dynamo.reset()
    with config.patch(force_disable_caches=True):
        _, text = made.compile()
    by_hand = text().partition("import torch")[2]
    assert by_hand == made.make(off).text("").partition("import torch")[2]
    assert by_hand != made.make(()).text("").partition("import torch")[2]


@pytest.mark.slow
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
