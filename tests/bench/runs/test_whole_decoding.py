"""A whole step as one program: the logits and tokens of the decoder that calls layer by layer, and transformers'."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from oneblock.bench.format.errors import Refused
from oneblock.bench.runs.decoding import Decoder
from oneblock.bench.runs.generation import greedy
from oneblock.bench.runs.model_weights import Checkpoint, Exact
from oneblock.bench.runs.whole_decoding import WholeDecoder
from oneblock.workloads import _slots
from oneblock.workloads._whole import Whole
from oneblock.workloads.models import read_model
from tests.bench.runs.test_decoding import READ, TOKENS, _made, decoded
from tests.conftest import load
from tests.workloads.models.test_families import distance

FAMILIES = ("llama", "gemma2", "gemma3", "gpt2", "gpt_neox", "mixtral", "olmo2")


@pytest.fixture(scope="module", params=FAMILIES)
def made(request: pytest.FixtureRequest, authority: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """(transformers' model, its folder, its logits of TOKENS)."""
    return _made(request.param, authority, tmp_path_factory)


@pytest.fixture(scope="module")
def llama(authority: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Any:
    return _made("llama", authority, tmp_path_factory)


def checkpoint(folder: Path, dtype: str = "float32") -> Checkpoint:
    return Checkpoint(read_model(folder), folder / "model.safetensors", dtype)


def exact(folder: Path) -> WholeDecoder:
    return WholeDecoder(Exact.of(checkpoint(folder)), "reference")


def test_a_whole_step_is_transformers(made: Any) -> None:
    """Windows, caps, learned positions, experts and layers of two sorts among them."""
    _, folder, expected = made
    assert distance(decoded(exact(folder)), expected[READ - 1 :]) <= 1e-10


def test_greedy_tokens_are_those_of_the_layers(llama: Any) -> None:
    """And so they are of the next text, of another length, by the same decoder."""
    whole, layers = exact(llama[1]), Decoder(Exact.of(checkpoint(llama[1])), "reference")
    for prompt, tokens in ((TOKENS[:READ], 12), (TOKENS[:5], 8), (TOKENS[:30], 20)):
        assert list(greedy(whole, prompt, tokens)) == list(greedy(layers, prompt, tokens))


@pytest.mark.parametrize("name", ["torch_eager", "jax_xla", pytest.param("tvm_relax", marks=pytest.mark.slow)])
@pytest.mark.parametrize("ops_set", ["plain", "native"])
def test_backends_agree_and_compile_nothing_between_tokens(llama: Any, name: str, ops_set: str) -> None:
    """Of a batch, each sequence at a position of its own."""
    load(name)
    _, folder, expected = llama
    decoder, starts = WholeDecoder(checkpoint(folder), name, ops_set), (22, 3, 30)
    rows = [decoder.begin([TOKENS[:n] for n in starts], 10)]
    before = decoder.backend.compilations()
    rows += [decoder.step([int(TOKENS[n + i]) for n in starts]) for i in range(9)]
    assert decoder.backend.compilations() == before
    for sequence, n in zip(np.stack(rows, axis=1), starts, strict=True):
        assert distance(sequence, expected[n - 1 : n + 9]) <= 1e-5


@pytest.mark.parametrize("name", ["torch_eager", "jax_xla", pytest.param("torch_inductor", marks=pytest.mark.slow)])
@pytest.mark.parametrize("ops_set", ["plain", "native"])
def test_logits_are_not_rounded_to_16_bits(llama: Any, name: str, ops_set: str) -> None:
    """In bfloat16 a step errs as the layers do with a head in float32, and many logits would be equal if it rounded."""
    load(name)
    _, folder, expected = llama
    rows = decoded(WholeDecoder(checkpoint(folder, "bfloat16"), name, ops_set))
    assert rows.dtype == np.float32
    assert distance(rows, expected[READ - 1 :]) <= 3e-2
    assert np.any(rows.view(np.uint32) & 0xFFFF)


def _shifted(right: Any) -> Any:
    return lambda self, dtype, at: right(self, dtype, at) | {"position": np.asarray([n - 1 for n in at], np.int32)}


def test_a_cache_off_by_one_is_seen(llama: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    _, folder, expected = llama
    monkeypatch.setattr(Whole, "at", _shifted(Whole.at))
    assert distance(decoded(exact(folder)), expected[READ - 1 :]) > 1e-6


def test_a_layer_that_is_left_out_is_seen(llama: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its caches are given back all the same."""
    _, folder, expected = llama
    decoder, right, steps = exact(folder), _slots.program, count()

    def without(ops: Any, case: Any, a: Any) -> Any:
        found = right(ops, case, a)
        left_out = case.T == 1 and next(steps) % len(decoder.model.layers) == 1
        return found | {"y": a["x"]} if left_out else found

    monkeypatch.setattr(_slots, "program", without)
    assert distance(decoded(decoder), expected[READ - 1 :]) > 1e-6


def test_an_ops_set_that_cannot_is_refused(llama: Any) -> None:
    with pytest.raises(Refused, match=r"reference: expected one of its ops sets, plain; got native"):
        WholeDecoder(checkpoint(llama[1]), "reference", "native")


def test_another_head_is_seen(llama: Any) -> None:
    _, folder, expected = llama
    decoder = exact(folder)
    head = decoder.ends.embedding if decoder.ends.head is None else decoder.ends.head
    decoder.ends = replace(decoder.ends, head=np.roll(head, 1, axis=0))
    assert distance(decoded(decoder)[1:], expected[READ:]) > 1e-6
