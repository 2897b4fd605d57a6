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
from oneblock.bench.runs import cache_room, decoding
from oneblock.bench.runs.decoding import Decoder
from oneblock.bench.runs.generation import Speed, greedy, perplexity
from oneblock.bench.runs.model_weights import Checkpoint
from oneblock.workloads import _parameters, _slots
from oneblock.workloads.answers.around import Ends, load_ends
from oneblock.workloads.answers.checkpoint_files import CheckpointError
from oneblock.workloads.models import read_model
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
    rows = [decoder.begin([TOKENS[:READ]], len(TOKENS) - READ)]
    return np.concatenate([*rows, *(decoder.step([int(token)]) for token in TOKENS[READ:])])


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


def _at(positions: Any) -> Any:
    """Where tokens are said to stand, changed: their slots and what they see, and not how they are rotated."""
    right = _slots.at
    return lambda case, dtype, given: (
        right(case, dtype, given) | {"position": np.asarray([positions(n) for n in given], np.int32)}
    )


@pytest.mark.parametrize("by", [-1, 1])
def test_a_cache_off_by_one_is_seen(llama: Any, by: int, monkeypatch: pytest.MonkeyPatch) -> None:
    _, folder, expected = llama
    monkeypatch.setattr(_slots, "at", _at(lambda n: n + by))
    assert distance(decoded(in_float64(folder)), expected[READ - 1 :]) > 1e-6


@pytest.mark.parametrize(
    "name", ["reference", "torch_eager", "jax_xla", pytest.param("tvm_relax", marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("family", ["llama", "gemma3", "gpt2"])
def test_sequences_of_a_batch_are_those_by_themselves(
    authority: ModuleType, tmp_path_factory: pytest.TempPathFactory, name: str, family: str
) -> None:
    """Each at a position of its own, past the windows of 12."""
    load(name)
    _, folder, expected = _made(family, authority, tmp_path_factory)
    decoder, starts = (
        Decoder(Checkpoint(read_model(folder), folder / "model.safetensors", "float32"), name),
        (22, 3, 30),
    )
    rows = [decoder.begin([TOKENS[:n] for n in starts], 10)]
    rows += [decoder.step([int(TOKENS[n + i]) for n in starts]) for i in range(9)]
    got = np.stack(rows, axis=1)  # (B, 10, V)
    for sequence, n in zip(got, starts, strict=True):
        assert distance(sequence, expected[n - 1 : n + 9]) <= 1e-5


@pytest.mark.parametrize("name", ["torch_eager", "jax_xla", pytest.param("tvm_relax", marks=pytest.mark.slow)])
def test_backends_agree_and_compile_nothing_between_tokens(llama: Any, name: str) -> None:
    load(name)
    _, folder, expected = llama
    decoder = Decoder(Checkpoint(read_model(folder), folder / "model.safetensors", "float32"), name)
    rows = [decoder.begin([TOKENS[:READ]], len(TOKENS) - READ)]
    before = decoder.backend.compilations()
    rows += [decoder.step([int(token)]) for token in TOKENS[READ:]]
    assert decoder.backend.compilations() == before
    assert distance(np.concatenate(rows), expected[READ - 1 :]) <= 1e-5


def test_what_is_compiled_meanwhile_is_in_no_speed(llama: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A prompt is read again, with what is compiled by then; a step in which a program was compiled does not count."""
    decoder = in_float64(llama[1])
    begin, step, compiled, begun = decoder.begin, decoder.step, [0], []

    def reads(*of: Any) -> Any:
        begun.append(of)
        compiled[0] += len(begun) == 1
        return begin(*of)

    def steps(tokens: Any) -> Any:
        compiled[0] += compiled[0] == 1
        return step(tokens)

    right = list(greedy(in_float64(llama[1]), TOKENS[:READ], 6))
    monkeypatch.setattr(type(decoder.backend), "compilations", lambda _: compiled[0])
    monkeypatch.setattr(decoder, "begin", reads)
    monkeypatch.setattr(decoder, "step", steps)
    speed = Speed(READ)
    assert list(greedy(decoder, TOKENS[:READ], 6, speed=speed)) == right
    assert (len(begun), len(speed.steps)) == (2, 4), "of five steps"
    assert speed.prompt is not None


@pytest.mark.slow
def test_inductors_programs_of_a_model_share_its_weights_as_they_lie(
    llama: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each row of (O, I) side by side, for a prompt too, as it is not where each program has a layout of its own."""
    load("torch_inductor")
    _, folder, _ = llama

    def layouts() -> set[Any]:
        weights = Checkpoint(read_model(folder), folder / "model.safetensors", "float32")
        decoder = Decoder(weights, "torch_inductor", "native")
        decoder.prepare([TOKENS[:READ]], len(TOKENS) - READ)
        blocks = [made for (workload, _), made in decoder._made.items() if workload is _slots.WORKLOAD]
        assert len(blocks) == 2, "of the prompt and of a step"
        put = [made.put({"q_weight": np.ones((64, 32), np.float32)})["q_weight"] for made in blocks]
        return {getattr(one, "stride", lambda: "packed")() for one in put}

    assert layouts() == {(1, 64)}
    monkeypatch.setattr(decoding, "CompilesModels", type(None))
    assert layouts() == {(1, 64), "packed"}


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
        decoder.begin([TOKENS], decoder.model.context)


@pytest.mark.parametrize("tokens", [10**6, 30_000])
def test_caches_that_have_no_room_are_refused_with_how_many_tokens_do(
    llama: Any, tokens: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many as are said do fit, and what comes behind them up to the next multiple of slots does not."""
    one = 2 * 2 * 16 * 4  # k and v, heads, their width, float32
    slot = one * (len(read_model(llama[1]).layers) + 3)
    weights = 4 * sum(map(_parameters.of_block, read_model(llama[1]).layers))
    free = weights + 2 * slot * (64 * 100 + 7)
    monkeypatch.setattr(cache_room, "available_bytes", lambda: free)

    def decoder() -> Decoder:
        made = Decoder(Checkpoint(read_model(llama[1]), llama[1] / "model.safetensors", "float32"), "reference")
        made.model = replace(made.model, context=None)
        return made

    fit = 64 * 100 - READ
    refused = decoder()
    with pytest.raises(Refused, match=rf"are free, and caches of .* for 2 sequences take .*at most {fit:,} --tokens"):
        refused.begin([TOKENS[:READ]] * 2, tokens)
    assert refused._made == {}, "nothing was compiled or allocated"
    with pytest.raises(Refused, match=rf"at most {fit:,} --tokens"):
        decoder().begin([TOKENS[:READ]] * 2, fit + 1)
    began = decoder()
    began.begin([TOKENS[:READ]] * 2, fit)
    free = 2 * one * 64 * 100 * 3
    began.begin([TOKENS[:READ]] * 2, fit)  # weights are here, and the caches of before are given back
    free = weights
    with pytest.raises(Refused, match="not one token fits"):
        decoder().begin([TOKENS[:READ]], 1)


def test_a_backend_that_cannot_is_refused(llama: Any) -> None:
    checkpoint = Checkpoint(read_model(llama[1]), llama[1] / "model.safetensors", "float32")
    with pytest.raises(Refused, match=r"triton_kernels: expected one of its ops sets, kernels; got plain"):
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
