"""A whole model, its ends and its caches by slots, against transformers' own logits and greedy tokens in float64."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from oneblock.bench.format.errors import Refused
from oneblock.bench.runs.decoding import Checkpoint, Decoder
from oneblock.bench.runs.generation import greedy, perplexity
from oneblock.workloads import _slots
from oneblock.workloads.answers.around import Ends, load_ends
from oneblock.workloads.answers.checkpoint_files import CheckpointError
from oneblock.workloads.models import PRESETS, read_model
from tests.conftest import load
from tests.helpers.whole_models import in_float64, transformers_logits
from tests.workloads.models.test_families import MODELS, distance

WHOLE = ("llama", "gemma", "gemma2", "gemma3", "gpt2", "gpt_neox", "mistral", "mixtral", "phi3", "olmo2", "qwen3")
TOKENS = np.random.default_rng(7).integers(0, 32, 40)
READ = 22  # of them at once: past the windows of 12


@pytest.fixture(scope="module", params=WHOLE)
def whole(request: pytest.FixtureRequest, authority: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """(transformers' model, its folder, its logits of TOKENS)."""
    return _made(request.param, authority, tmp_path_factory)


@pytest.fixture(scope="module")
def llama(authority: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Any:
    return _made("llama", authority, tmp_path_factory)


def _made(name: str, authority: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Any:
    from tests.helpers.transformers_models import made

    kind, given = MODELS[name]
    model, folder = made(getattr(authority, kind)(**given)), tmp_path_factory.mktemp(name)
    model.save_pretrained(folder)
    return model, folder, transformers_logits(model, TOKENS)


def decoded(decoder: Decoder) -> np.ndarray:
    """The logits (T - READ + 1, V) from the end of the prompt on, token by token."""
    rows = [decoder.begin(TOKENS[:READ], len(TOKENS) - READ)]
    return np.asarray([*rows, *(decoder.step(int(token)) for token in TOKENS[READ:])])


def test_prefill_is_transformers(whole: Any) -> None:
    _, folder, expected = whole
    decoder = in_float64(folder)
    short, full = decoder.read([TOKENS[:READ], TOKENS])
    assert distance(decoder.ends.logits(full), expected) <= 1e-10
    assert distance(decoder.ends.logits(short), expected[:READ]) <= 1e-10


def test_decode_is_transformers(whole: Any) -> None:
    _, folder, expected = whole
    assert distance(decoded(in_float64(folder)), expected[READ - 1 :]) <= 1e-10


def test_greedy_tokens_are_transformers(whole: Any) -> None:
    model, folder, _ = whole
    tokens = list(greedy(in_float64(folder), TOKENS[:READ], 12))
    assert len(tokens) == 12
    logits = transformers_logits(model, np.asarray([*TOKENS[:READ], *tokens]))
    assert tokens == logits[READ - 1 : -1].argmax(-1).tolist()


def _without_scale(ends: Ends) -> Ends:
    return replace(ends, model=replace(ends.model, scaled_embedding=not ends.model.scaled_embedding))


def _without_norm(ends: Ends) -> Ends:
    return replace(ends, norm={name: np.full_like(w, "weight" in name) for name, w in ends.norm.items()})


def _other_head(ends: Ends) -> Ends:
    head = ends.embedding if ends.head is None else ends.head
    return replace(ends, head=np.roll(head, 1, axis=0))


def _other_cap(ends: Ends) -> Ends:
    return replace(ends, model=replace(ends.model, logit_cap=None if ends.model.logit_cap else 30.0))


def _other_positions(ends: Ends) -> Ends:
    return replace(ends, positions=None if ends.positions is None else np.roll(ends.positions, 1, axis=0))


@pytest.mark.parametrize("wrong", [_without_scale, _without_norm, _other_head, _other_cap, _other_positions])
def test_a_wrong_end_is_seen(whole: Any, wrong: Any) -> None:
    """The check that says 1e-10 is shown what leaving an end out, or taking another's, comes to."""
    _, folder, expected = whole
    decoder = in_float64(folder, changed=wrong)
    if wrong is _other_positions and decoder.ends.positions is None:
        return
    (y,) = decoder.read([TOKENS])
    assert distance(decoder.ends.logits(y), expected) > 1e-6


@pytest.mark.parametrize("by", [-1, 1])
def test_a_cache_off_by_one_is_seen(llama: Any, by: int, monkeypatch: pytest.MonkeyPatch) -> None:
    _, folder, expected = llama
    right = _slots.slots
    monkeypatch.setattr(_slots, "slots", lambda config, S, at, dtype: right(config, S, at + by, dtype))
    assert distance(decoded(in_float64(folder)), expected[READ - 1 :]) > 1e-6


def test_slots_that_are_to_come_are_not_seen(llama: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    _, folder, expected = llama
    right = _slots.slots
    monkeypatch.setattr(_slots, "slots", lambda *of: np.minimum(right(*of), 1))
    assert distance(decoded(in_float64(folder)), expected[READ - 1 :]) > 1e-6


def test_slots_of_a_window() -> None:
    config = replace(PRESETS["tiny"], window=3)
    assert _slots.slots(config, 6, 3, np.dtype(np.float32)).tolist() == [2, 1, 1, 0, 2, 2]
    assert _slots.slots(config, 4, 0, np.dtype(np.float32)).tolist() == [0, 2, 2, 2]
    assert _slots.slots(PRESETS["tiny"], 4, 2, np.dtype(np.float32)).tolist() == [1, 1, 0, 2]


@pytest.mark.parametrize("name", ["torch_eager", "jax_xla", pytest.param("tvm_relax", marks=pytest.mark.slow)])
def test_backends_agree_and_compile_nothing_between_tokens(llama: Any, name: str) -> None:
    load(name)
    _, folder, expected = llama
    decoder = Decoder(Checkpoint(read_model(folder), folder / "model.safetensors", "float32"), name)
    rows = [decoder.begin(TOKENS[:READ], len(TOKENS) - READ)]
    before = decoder.backend.compilations()
    rows += [decoder.step(int(token)) for token in TOKENS[READ:]]
    assert decoder.backend.compilations() == before
    assert distance(np.asarray(rows), expected[READ - 1 :]) <= 1e-5


def test_perplexity_is_that_of_transformers_logits(llama: Any) -> None:
    _, folder, expected = llama
    shifted = expected[:-1] - expected[:-1].max(-1, keepdims=True)
    losses = np.log(np.exp(shifted).sum(-1)) - shifted[np.arange(len(TOKENS) - 1), TOKENS[1:]]
    found = perplexity(in_float64(folder), TOKENS)
    assert found.tokens == len(TOKENS) - 1
    assert found.perplexity == pytest.approx(np.exp(losses.mean()), rel=1e-12)
    assert found.standard_error == pytest.approx(found.perplexity * losses.std(ddof=1) / np.sqrt(39), rel=1e-12)
    in_single = Decoder(Checkpoint(read_model(folder), folder / "model.safetensors", "float32"), "reference")
    assert perplexity(in_single, TOKENS).perplexity == pytest.approx(found.perplexity, rel=1e-5)


def test_a_text_longer_than_the_context_is_read_in_pieces(llama: Any) -> None:
    _, folder, _ = llama
    decoder = in_float64(folder)
    decoder.model = replace(decoder.model, context=13)
    cuts = [0, 13, 26, 39]  # and the last token alone foresees nothing
    each = [perplexity(in_float64(folder), TOKENS[a:b]) for a, b in pairwise(cuts)]
    assert perplexity(decoder, TOKENS).tokens == 36
    assert perplexity(decoder, TOKENS).perplexity == pytest.approx(
        np.exp(np.mean([np.log(one.perplexity) for one in each])), rel=1e-12
    )
    with pytest.raises(Refused, match=r"at least 2, got 1"):
        perplexity(decoder, TOKENS[:1])


def test_what_is_beyond_the_context_is_refused(llama: Any) -> None:
    decoder = in_float64(llama[1])
    assert decoder.model.context is not None
    with pytest.raises(Refused, match=rf"context of {decoder.model.context} tokens.*would be .*shorten it"):
        decoder.begin(TOKENS, decoder.model.context)


def test_a_backend_that_cannot_is_refused(llama: Any) -> None:
    checkpoint = Checkpoint(read_model(llama[1]), llama[1] / "model.safetensors", "float32")
    with pytest.raises(Refused, match=r"triton_kernels: tokens are generated by the plain text on the CPU"):
        Decoder(checkpoint, "triton_kernels")
    with pytest.raises(LookupError, match=r"did you mean 'reference'"):
        Decoder(checkpoint, "referense")


def test_numbers_beyond_the_dtype_are_refused(llama: Any) -> None:
    decoder = in_float64(llama[1])
    decoder.ends = replace(decoder.ends, norm={"norm_weight": np.full(64, np.inf)})
    with pytest.raises(Refused, match=r"not finite.*another --dtype"), np.errstate(all="ignore"):
        list(greedy(decoder, TOKENS[:3], 2))


def test_ends_that_are_not_the_models_are_refused(llama: Any, tmp_path: Path) -> None:
    tensors, model = load_file(llama[1] / "model.safetensors"), read_model(llama[1])
    wrong = {
        "expected shape": tensors | {"model.embed_tokens.weight": np.zeros((31, 64), np.float32)},
        "no tensor model.norm.weight": {name: one for name, one in tensors.items() if name != "model.norm.weight"},
        "not finite": tensors | {"model.norm.weight": np.full(64, np.nan, np.float32)},
        "got I32": tensors | {"model.norm.weight": np.zeros(64, np.int32)},
        "no tensor lm_head.weight": {name: one for name, one in tensors.items() if name != "lm_head.weight"},
    }
    for says, given in wrong.items():
        save_file(given, tmp_path / "model.safetensors")
        with pytest.raises(CheckpointError, match=says):
            load_ends(replace(model, tied_head=False), tmp_path / "model.safetensors", "float32")
