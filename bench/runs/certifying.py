"""Whether backends write the same tokens as float64 does, and of each that differs whether rounding explains it.

Each position of each text is foreseen from the tokens that float64 chose, so that one difference does not hide those
behind it: a backend writes the same text where it has none. A difference is explained where float64 itself finds the
two tokens nearer than their logits may come apart by rounding. How far that is NumPy says in the same dtype, and never
the backend: whatever is wrong with it, its own error covers its own flips.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from oneblock.bench.records.certificate import Divergence
from oneblock.bench.runs.cache_room import check_logits
from oneblock.bench.runs.decoding import Decoder
from oneblock.bench.runs.forms import form_of
from oneblock.bench.runs.generation import likeliest
from oneblock.bench.runs.model_weights import Checkpoint, Exact
from oneblock.workloads.answers.arrays import Named
from oneblock.workloads.answers.verdict import BUDGET

_BATCH = 25  # prompts at once: a weight is read for all of them
_FAR = 10.0  # times NumPy's error, from which on a layer is the wrong one: where is no verdict, and bugs are larger


@dataclass
class _Truth:
    """What float64 wrote behind a batch of prompts, and by how much logits may come apart by rounding."""

    prompts: list[np.ndarray]
    tokens: list[list[int]]  # by position, of each prompt
    logits: list[np.ndarray]  # by position, (B, V)
    budgets: list[np.ndarray]  # by position, (B,)
    near: list[dict[int, np.ndarray]]  # by position, of each prompt whose token rounding may change: (L + 1, C)


def certify(
    checkpoint: Checkpoint, names: Sequence[str], prompts: Sequence[np.ndarray], most: int, form: str = "layers"
) -> Iterator[tuple[str, tuple[Divergence, ...]]]:
    """(backend, where it differs) of each: so many tokens behind each prompt (n,), in the dtype of the checkpoint.

    The form is that of the backends' decoders; float64 and NumPy compute layer by layer.
    """
    check_logits(checkpoint.model, len(prompts), most)
    of_form = form_of(form)  # rather than after float64 has written all
    exact, eager = Decoder(Exact.of(checkpoint), "reference"), Decoder(checkpoint, "reference")
    each = [list(prompts[at : at + _BATCH]) for at in range(0, len(prompts), _BATCH)]
    truths = [_truth(exact, eager, batch, most) for batch in each]
    for name in names:
        decoder = of_form(checkpoint, name)
        found = [
            replace(one, prompt=number * _BATCH + one.prompt)
            for number, truth in enumerate(truths)
            for one in _located(_diverging(decoder, exact, truth), decoder, exact, eager, truth)
        ]
        yield name, tuple(sorted(found, key=lambda one: (one.prompt, one.position)))


def _truth(exact: Decoder, eager: Decoder, prompts: list[np.ndarray], most: int) -> _Truth:
    found = _Truth(prompts, [], [], [], [])
    right, rounded = exact.begin(prompts, most), eager.begin(prompts, most)
    streams: list[np.ndarray] = []  # of the first token, which comes of the prompt, none
    for position in range(most):
        likeliest(rounded)  # refuses what is not finite, of which any budget would be
        error = rounded - right
        found.budgets.append(BUDGET * (error.max(-1) - error.min(-1)))  # of any two logits' difference
        found.logits.append(right)
        found.tokens.append(likeliest(right))
        second, first = np.partition(right, -2)[:, -2:].T
        near = np.flatnonzero(first - second <= found.budgets[-1])
        found.near.append({int(i): np.concatenate([x[i] for x in streams]) for i in near if streams})
        if position + 1 < most:
            streams, rounded = exact.through(found.tokens[-1]), eager.step(found.tokens[-1])
            right = exact.ends.logits(streams[-1].swapaxes(0, 1))
    return found


def _diverging(decoder: Decoder, exact: Decoder, truth: _Truth) -> list[Divergence]:
    """The positions of a batch at which a backend that is given float64's tokens would write another."""
    found, logits = [], decoder.begin(truth.prompts, len(truth.tokens))
    for position, expected in enumerate(truth.tokens):
        at_one = []
        for i, got in enumerate(likeliest(logits)):
            if got != expected[i]:
                right = truth.logits[position][i]
                margin, budget = float(right[expected[i]] - right[got]), float(truth.budgets[position][i])
                at_one.append(Divergence(i, position, expected[i], got, margin, budget))
        found += _most(at_one, decoder, exact, truth)
        if position + 1 < len(truth.tokens):
            logits = decoder.step(expected)
    return found


def _most(at_one: list[Divergence], decoder: Decoder, exact: Decoder, truth: _Truth) -> list[Divergence]:
    """Those of one position, each explained one with the layer that does the most for the token that was written.

    Each layer is given what float64's layer before it answers, and its own error is carried to the head as it is.
    """
    position = at_one[0].position if at_one else 0
    streams = {one.prompt: truth.near[position][one.prompt] for one in at_one if one.explained and position}
    if not streams:
        return at_one
    tokens = truth.tokens[position - 1]
    decoder.back()
    x = decoder.embedded(tokens)
    errors: dict[int, list[np.ndarray]] = {i: [np.zeros(x.shape[-1])] for i in streams}
    for number in range(len(decoder.model.layers)):
        for i, stream in streams.items():
            x[i, 0] = stream[number]
        y = decoder.answer(number, x)["y"]
        for i, stream in streams.items():
            errors[i].append(y[i, 0].astype(np.float64) - stream[number + 1])
    decoder.step(tokens)  # what it wrote to its caches itself
    found = []
    for one in at_one:
        if one.prompt in streams:
            moved = exact.ends.logits((streams[one.prompt][-1] + errors[one.prompt])[None])
            by = moved[:, one.got] - moved[:, one.expected]
            one = replace(one, layer=int(np.argmax(by[1:] - by[0])))
        found.append(one)
    return found


def _located(
    found: list[Divergence], decoder: Decoder, exact: Decoder, eager: Decoder, truth: _Truth
) -> list[Divergence]:
    """Each that is not explained with its layer; all three go through the batch again, and stop where a token differs.

    The first token of a text has none: it comes of the prompt, whose layers are not asked one by one. Nor has one of a
    decoder whose layers are one program.
    """
    if not decoder.by_layer:
        return found
    by_position: dict[int, list[Divergence]] = {}
    for one in found:
        if one.position > 0 and not one.explained:
            by_position.setdefault(one.position, []).append(one)
    if not by_position:
        return found
    for each in (exact, eager, decoder):
        each.begin(truth.prompts, len(truth.tokens))
    located = {(one.prompt, one.position): one for one in found}
    for position in range(1, max(by_position) + 1):
        tokens = truth.tokens[position - 1]
        if position in by_position:
            for one in _first_wrong(by_position[position], tokens, decoder, exact, eager):
                located[one.prompt, one.position] = one
        for each in (exact, eager, decoder):
            each.step(tokens)
    return list(located.values())


def _first_wrong(
    at_one: list[Divergence], tokens: Sequence[int], decoder: Decoder, exact: Decoder, eager: Decoder
) -> list[Divergence]:
    """Those of one position with the first layer that errs beyond rounding, given what float64's before it answers."""
    x = exact.embedded(tokens)
    wrong: dict[int, tuple[int, str]] = {}
    for number in range(len(exact.model.layers)):
        given = x.astype(decoder.dtype)
        right, rounded, got = exact.answer(number, x), eager.answer(number, given), decoder.answer(number, given)
        for one in at_one:
            if one.prompt not in wrong and (beyond := _beyond(right, rounded, got, one.prompt)):
                wrong[one.prompt] = number, _step(beyond)
        x = right["y"]
    each = {one: wrong.get(one.prompt, (None, None)) for one in at_one}
    return [replace(one, layer=layer, step=step) for one, (layer, step) in each.items()]


def _beyond(right: Named, rounded: Named, got: Named, i: int) -> set[str]:
    """The outputs of a sequence that err somewhere by far more than rounding does."""
    found = set()
    for name, y in right.items():
        allowed = _FAR * max(np.abs(rounded[name][i] - y[i]).max(), np.finfo(np.float32).eps * np.abs(y[i]).max())
        if np.abs(got[name][i].astype(np.float64) - y[i]).max() > allowed:
            found.add(name)
    return found


def _step(wrong: set[str]) -> str:
    """What goes wrong first, as far as what a block gives back tells."""
    if "v_cache" in wrong:
        return "qkv, or the cache"
    return "rope" if "k_cache" in wrong else "attention, or behind it"
