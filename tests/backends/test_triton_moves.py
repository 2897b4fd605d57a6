"""What each launch of our Triton kernels moves, found from its arrays: it conserves, and each launch has a price."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("triton")

import torch

from oneblock import workloads
from oneblock.backends._torch.arrays import meta_tensors
from oneblock.backends._triton import capture
from oneblock.backends._triton.moves import ArrayNames, Move, touched_bytes
from oneblock.backends._triton.ops import TritonOps, array
from oneblock.backends._triton.plan import PlannedLaunch
from oneblock.backends._triton.runners import LaunchTracer, TracedLaunch
from oneblock.workloads._workload import Case, Phase
from oneblock.workloads.models import PRESETS
from tests.helpers.cases import TINY, TINY_GPT2, case


def recorded(c: Case) -> tuple[LaunchTracer, Mapping[str, Any]]:
    workload = workloads.load(c.workload)
    arrays = {name: np.zeros(spec.shape, np.float32) for name, spec in workload.specs(c).items()}
    shapes, recorder = meta_tensors(arrays), LaunchTracer(108, tensor_cores=True)
    recorder.arrays.given(shapes)
    with torch.inference_mode(), recorder.listening():
        results = {name: array(x) for name, x in workload.program(TritonOps(recorder), c, shapes).items()}
    return recorder, results


@pytest.mark.parametrize("config", [TINY, TINY_GPT2, PRESETS["llama-1b"]], ids=lambda c: c.name)
@pytest.mark.parametrize("phase", Phase)
def test_every_array_is_read_whole_and_what_is_read_was_written_by_a_launch_before(config: Any, phase: Phase) -> None:
    c = case(config=config, phase=phase, n=128)
    recorder, results = recorded(c)
    specs = workloads.load("block").specs(c)
    moves = [move for one in recorder.started for move in one.moves]
    assert {move.array for move in moves if move.direction == "read"} >= set(specs)
    for name, spec in specs.items():
        most = max(move.bytes for move in moves if move.array == name)
        assert most <= 4 * prod(spec.shape)
        assert most == 4 * prod(spec.shape)
    written: set[str] = set()
    for one in recorder.started:
        reads = {move.array for move in one.moves if move.direction == "read"}
        assert reads <= written | set(specs), "an array that nobody made"
        made = {move.array for move in one.moves if move.direction == "written"}
        assert made, "a launch that leaves nothing"
        assert not made & written, "an array that two launches made"
        written |= made
    state = workloads.load("block").state(c)
    result_bytes = sum(touched_bytes(x) for name, x in results.items() if name not in state)
    least = sum(4 * prod(spec.shape) for spec in specs.values()) + result_bytes
    assert sum(one.bytes for one in recorder.started) >= 0.99 * least
    updated = [(move.array, move.bytes) for move in moves if move.direction == "written" and move.array in specs]
    assert updated == [(name, 4 * prod(specs[name].shape) // c.S) for name in state], "one token of each cache"


def test_an_expanded_axis_counts_once_and_two_views_of_one_buffer_are_two() -> None:
    x = torch.empty(4, 8, device="meta")
    assert touched_bytes(x[:, None].expand(4, 16, 8)) == 4 * 8 * 4
    names = ArrayNames()
    names.given({"qkv": x})
    assert names.launched(0, (x[:1], x[1:], None, 7)) == (Move("qkv", "read", 32), Move("qkv", "read", 96))


def test_the_launches_of_pytorch_are_priced_or_there_is_no_estimate() -> None:
    """A sum without one of the launches would be of another program, and lie below what memory allows."""
    moves = (Move("k_cache", "read", 1000), Move("result of launch 0", "written", 1000))
    priced = PlannedLaunch(TracedLaunch("attention", (), "aten::cat", moves, only_moves=True), torch_s=2e-9)
    unpriced = PlannedLaunch(TracedLaunch("attention", (), "aten::bmm", moves))
    whole = capture._facts([priced, priced])
    assert whole.estimates[0].seconds == 4e-9
    assert whole.traffic is not None
    assert whole.hbm_bytes == whole.traffic.steady_bytes == sum(call.hbm_bytes or 0 for call in whole.calls) == 4000
    refused = capture._facts([priced, unpriced]).estimates[0]
    assert refused.seconds is None
    assert "aten::bmm" in refused.how
    assert capture._facts([replace(priced, torch_s=None)]).estimates[0].seconds is None


def test_a_decode_writes_into_its_caches_and_each_copy_of_a_token_has_a_price() -> None:
    recorder, _ = recorded(case(config=TINY, phase=Phase.DECODE, n=64))
    torchs = [one for one in recorder.started if one.operation is not None]
    assert [one.operation for one in torchs] == ["aten::copy_", "aten::copy_"]
    assert all(one.only_moves and one.bytes for one in torchs)
