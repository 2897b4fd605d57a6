"""Our Triton kernels, interpreted: right in every way that they may be built, and wrong ones rejected."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.helpers import triton_here

BACKEND = triton_here.load()

import torch  # noqa: E402
import triton  # noqa: E402

from oneblock import workloads  # noqa: E402
from oneblock.backends._torch.arrays import _to_numpy, _to_torch  # noqa: E402
from oneblock.backends._triton import ops as triton_ops  # noqa: E402
from oneblock.backends._triton import programs  # noqa: E402
from oneblock.backends._triton.runners import InterpreterRunner  # noqa: E402
from oneblock.backends.api.backend import Unavailable, Unsupported  # noqa: E402
from oneblock.backends.api.target import Target  # noqa: E402
from oneblock.backends.kernels.triton import (  # noqa: E402
    decode_attention,
    flash_attention,
    linear_kernels,
    linear_tile,
    route,
    swiglu,
)
from oneblock.backends.kernels.triton import linear as linear_module  # noqa: E402
from oneblock.backends.kernels.triton.launch import KernelCall  # noqa: E402
from oneblock.compilers.triton import interpreter as triton_interpreter  # noqa: E402
from oneblock.compilers.triton.interpreter_numerics import OutOfBounds  # noqa: E402
from oneblock.workloads.answers.arrays import make_inputs, make_weights  # noqa: E402
from oneblock.workloads.answers.reference import make_reference  # noqa: E402
from oneblock.workloads.ops.definitions import Routing, Scores  # noqa: E402
from oneblock.workloads.ops.numpy_ops import NumpyOps  # noqa: E402
from tests.helpers.arrays import DTYPES, TOLERANCE, attention64, draw, qkv, usual, worst  # noqa: E402
from tests.helpers.cases import case  # noqa: E402


class Way(InterpreterRunner):
    """Carries out each launch in the n-th of all its ways, alternatives and configurations; `ways` says how many."""

    def __init__(self, n: int, sms: int, *, cores: bool = True) -> None:
        self.n, self.sms, self.ways = n, sms, 1
        self.cores, self.asked = cores, False

    @property
    def tensor_cores(self) -> bool:
        """As given; that it was asked for is remembered."""
        self.asked = True
        return self.cores

    def launch(self, *alternatives: KernelCall) -> None:
        all_of_them = [(call, config) for call in alternatives for config in call.configs]
        self.ways = max(self.ways, len(all_of_them))
        call, config = all_of_them[self.n % len(all_of_them)]
        constants = {**call.constants, **dict(config.sizes)}
        triton_interpreter.run(call.kernel, call.grid(config), call.args(config), constants)


def all_ways(compute: Callable[[triton_ops.TritonOps], Any]) -> list[np.ndarray]:
    """The answer of each way, on a GPU with tensor cores and, where it matters to the launch, on one without."""
    answers = []
    for cores in (True, False):
        n, ways, asked = 0, 1, False
        while n < ways:
            runner = Way(n, sms=3, cores=cores)
            answers.append(_to_numpy(triton_ops.array(compute(triton_ops.TritonOps(runner)))))
            n, ways, asked = n + 1, runner.ways, runner.asked
        if not asked:
            break
    return answers


EXACT = NumpyOps()  # over float64


def wide(*arrays: np.ndarray) -> list[np.ndarray]:
    return [array.astype(np.float64) for array in arrays]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(2, 37, 96), (3, 5, 40), (1, 1, 1000), (1, 70, 16)], ids=str)
def test_norms_are_right(shape: tuple[int, ...], dtype: str) -> None:
    x, weight, bias = draw(0, shape, dtype), draw(1, shape[-1:], dtype), draw(2, shape[-1:], dtype)
    x += np.asarray(3, x.dtype)  # a mean that the variance must not see
    X, W, b = map(_to_torch, (x, weight, bias))
    want = EXACT.rms_norm(*wide(x, weight), 1e-5)
    for got in all_ways(lambda ops: ops.rms_norm(X, W, 1e-5)):
        assert worst(got, want) < TOLERANCE[dtype]
    want = EXACT.layer_norm(*wide(x, weight, bias), 1e-5)
    for got in all_ways(lambda ops: ops.layer_norm(X, W, b, 1e-5)):
        assert worst(got, want) < TOLERANCE[dtype]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(2, 19, 3, 96), (1, 1, 5, 16), (2, 34, 1, 10)], ids=str)
def test_rope_is_right(shape: tuple[int, ...], dtype: str) -> None:
    x, angle = draw(0, shape, dtype), draw(1, (shape[1], shape[3] // 2))
    cos, sin = np.cos(angle).astype(DTYPES[dtype]), np.sin(angle).astype(DTYPES[dtype])
    want = EXACT.rope(*wide(x, cos, sin))
    for got in all_ways(lambda ops: ops.rope(*map(_to_torch, (x, cos, sin)))):
        assert worst(got, want) < TOLERANCE[dtype]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(3, 1001), (1, 1, 4096), (1, 7)], ids=str)
def test_activations_are_right_at_both_ends(shape: tuple[int, ...], dtype: str) -> None:
    x, up = (6 * draw(0, shape)).astype(DTYPES[dtype]), draw(1, shape, dtype)
    x.flat[:2] = (-60.0, 60.0)  # exp(60^3 * 0.07) is far out of float32
    for got in all_ways(lambda ops: ops.swiglu(_to_torch(x), _to_torch(up))):
        assert worst(got, EXACT.swiglu(*wide(x, up))) < TOLERANCE[dtype]
    for got in all_ways(lambda ops: ops.gelu(_to_torch(x))):
        assert worst(got, EXACT.gelu(*wide(x))) < TOLERANCE[dtype]
    for got in all_ways(lambda ops: ops.gelu_erf(_to_torch(x))):
        assert worst(got, EXACT.gelu_erf(*wide(x))) < TOLERANCE[dtype]
    for got in all_ways(lambda ops: ops.geglu(_to_torch(x), _to_torch(up))):
        assert worst(got, EXACT.geglu(*wide(x, up))) < TOLERANCE[dtype]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("M", "E", "k"), [(33, 8, 2), (5, 60, 6), (1, 3, 3), (70, 5, 1)])
def test_routing_is_right_and_of_equals_takes_the_first(M: int, E: int, k: int, dtype: str) -> None:
    logits = draw(0, (M, E), dtype)
    logits[M // 2] = logits[M // 2, 0]  # all alike
    for renormalised in (False, True):
        want = EXACT.route(wide(logits)[0], Routing(k, renormalised))
        for got in all_ways(lambda ops, how=renormalised: ops.route(_to_torch(logits), Routing(k, how))):  # type: ignore[misc]
            assert ((got != 0) == (want != 0)).all()
            assert worst(got, want) < TOLERANCE[dtype]


WRONG_ROUTES = {
    "an expert too few": ("range(TAKEN)", "range(TAKEN - 1)"),
    "the padding takes part": ("left = tl.where(there, p, -1.0)", "left = tl.where(there, p, 2.0)"),
    "the same one again": ("left = tl.where(chosen, -1.0, left)", "left = left"),
    "of equals the last": ("tl.argmax(left, axis=1)", "(WIDTH - 1 - tl.argmax(tl.flip(left, 1), axis=1))"),
    "no sum of what is taken": ("if RENORMALISED:", "if not RENORMALISED:"),
    "logits in place of shares": ("taken = tl.where(chosen, p, taken)", "taken = tl.where(chosen, logits, taken)"),
}


@pytest.mark.parametrize("mistake", WRONG_ROUTES)
def test_wrong_routing_is_rejected(mistake: str, tmp_path: Path) -> None:
    logits = draw(0, (7, 5))
    logits[3] = logits[3, 0]
    want = EXACT.route(wide(logits)[0], Routing(2))
    assert worst(_to_numpy(route.route(InterpreterRunner(), _to_torch(logits), 2, True)), want) < TOLERANCE["float32"]
    wrong = triton_here.altered(route, tmp_path, [WRONG_ROUTES[mistake]])
    got = _to_numpy(wrong.route(InterpreterRunner(), _to_torch(logits), 2, True))
    assert not worst(got, want) < TOLERANCE["float32"]


PROJECTIONS = [  # rows, in, out, what follows
    *((37, 96, 200, epilogue) for epilogue in ("", "bias", "bias gelu", "residual")),
    *((*shape, "bias residual") for shape in [(1, 40, 24), (3, 104, 72), (150, 64, 264)]),
    (17, 10, 7, "bias residual"),  # rows that TMA cannot read
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("M", "C", "F", "epilogue"), PROJECTIONS)
def test_a_projection_is_right_with_what_follows_it(M: int, C: int, F: int, epilogue: str, dtype: str) -> None:
    x, weight, bias, residual = (
        draw(seed, size, dtype) for seed, size in enumerate([(1, M, C), (C, F), (F,), (1, M, F)])
    )
    want = wide(x)[0] @ wide(weight)[0] + (wide(bias)[0] if "bias" in epilogue else 0)
    want = EXACT.gelu(want) if "gelu" in epilogue else want
    want = want + wide(residual)[0] if "residual" in epilogue else want

    def compute(ops: triton_ops.TritonOps) -> Any:
        y = ops.linear(_to_torch(x), _to_torch(weight), _to_torch(bias) if "bias" in epilogue else None)
        y = ops.gelu(y) if "gelu" in epilogue else y
        return _to_torch(residual) + y if "residual" in epilogue else y

    answers = all_ways(compute)
    assert len(answers) > 4
    for got in answers:
        assert worst(got, want) < TOLERANCE[dtype]


ATTENTIONS = [  # B, T, S, N, K, D
    (2, 37, 37, 6, 3, 10),
    (1, 130, 130, 4, 1, 96),
    (1, 70, 133, 2, 2, 16),  # a prefill on top of a cache
    (1, 2, 300, 8, 2, 64),
    (1, 64, 64, 2, 1, 64),
    (1, 1, 1, 1, 1, 16),
    (3, 1, 300, 8, 2, 96),
    (1, 1, 1000, 4, 4, 64),
    (1, 1, 257, 20, 1, 16),  # more heads in a group than a product has rows at least
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", ATTENTIONS, ids=str)
def test_attention_is_right_to_its_first_and_last_row(shape: tuple[int, ...], dtype: str) -> None:
    arrays = qkv(*shape, dtype)
    want = attention64(*arrays)
    for got in all_ways(lambda ops: ops.attention(*map(_to_torch, arrays), usual(arrays[0]))):
        for rows in (slice(None), slice(0, 1), slice(-1, None)):
            assert worst(got[:, rows], want[:, rows]) < TOLERANCE[dtype]


HOWS = [Scores(0.2, window=20), Scores(0.3, 33, 2.0), Scores(0.2, None, 3.0), Scores(0.2, window=1)]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("how", HOWS, ids=str)
@pytest.mark.parametrize("shape", [(1, 130, 130, 4, 1, 24), (2, 70, 133, 2, 2, 16), (1, 1, 257, 4, 2, 16)], ids=str)
def test_windows_and_soft_caps_are_right(shape: tuple[int, ...], how: Scores, dtype: str) -> None:
    arrays = qkv(*shape, dtype)
    want = attention64(*arrays, how)
    for got in all_ways(lambda ops: ops.attention(*map(_to_torch, arrays), how)):
        assert worst(got, want) < TOLERANCE[dtype]


def test_a_thousand_positions_of_96_are_right() -> None:
    arrays = qkv(1, 1000, 1000, 1, 1, 96, "bfloat16")
    got = triton_ops.TritonOps(InterpreterRunner()).attention(*map(_to_torch, arrays), usual(arrays[0]))
    assert worst(_to_numpy(got), attention64(*arrays)) < TOLERANCE["bfloat16"]


def test_keys_are_split_so_that_programs_fill_the_gpu_and_none_is_lost() -> None:
    assert decode_attention.parts_of(100, 8, 132) == 1  # too few keys for more
    assert decode_attention.parts_of(8192, 8, 132) == 33
    assert decode_attention.parts_of(8192, 1000, 132) == 1  # enough programs as it is


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("module", "function"), [(flash_attention, "flash_attention"), (decode_attention, "decode_attention")]
)
@pytest.mark.parametrize(("D", "Dv"), [(40, 24), (24, 40)])
def test_values_may_be_of_another_width_than_keys(module: Any, function: str, D: int, Dv: int, dtype: str) -> None:
    """As in latent attention, where in decode they are a part of the keys that all heads read."""
    q, k, wide = qkv(2, 1 if module is decode_attention else 37, 53, 4, 1, max(D, Dv), dtype)
    q, k, v = np.ascontiguousarray(q[..., :D]), k[..., :D], (k if Dv < D else wide)[..., :Dv]
    got = getattr(module, function)(InterpreterRunner(), *map(_to_torch, (q, k, v)), Scores(0.2))
    assert worst(_to_numpy(got), attention64(q, k, v, Scores(0.2))) < TOLERANCE[dtype]


WRONG_PREFILL = {  # what the mistake is: what to exchange
    "mask late": ("keys[None, :] <= position", "keys[None, :] < position"),
    "mask early": ("keys[None, :] <= position[:, None]", "keys[None, :] <= position[:, None] + 1"),
    "mask forgotten": ("if MASKED:\n            seen =", "if False:\n            seen ="),
    "no rescale of the sum": ("acc * rescale[:, None]", "acc"),
    "no rescale of the total": ("total * rescale + tl.sum", "total + tl.sum"),
    "tail of keys not masked": ("inside & (keys[None, :] < S)", "inside"),
    "tail of values not masked": ("inside & (keys[:, None] < S)", "inside"),
    "a block too many open to all": ("(S - T) + 1) // BN * BN)", "(S - T) + 1) // BN * BN + BN)"),
    "heads in turn, not in groups": ("(head // group) * k_head", "(head % (heads // group)) * k_head"),
    "padding of the head is read": ("wide[:, None] < D", "wide[:, None] < WIDTH"),
    "position without the cache": ("position = queries + (S - T)", "position = queries"),
    "writes nothing": ("    tl.store(y_ptr", "    if T < 0:\n        tl.store(y_ptr"),
}
WRONG_WINDOW = {
    "a block of the window passed over": ("- WINDOW + 1) // BN * BN)", "- WINDOW + 1) // BN * BN + BN)"),
    "window short of a key": ("position[:, None] - WINDOW)", "position[:, None] - WINDOW + 1)"),
    "window longer by a key": ("position[:, None] - WINDOW)", "position[:, None] - WINDOW - 1)"),
    "window forgotten": ("            if WINDOW > 0:\n", "            if WINDOW < 0:\n"),
}
WRONG_CAP = {
    "soft cap forgotten": ("if CAP > 0.0:", "if CAP < 0.0:"),
    "soft cap in another base": ("CAP * 1.4426950408889634", "CAP"),
}
WRONG_DECODE = {
    "no rescale of the sum": ("acc * rescale[:, None], input", "acc, input"),
    "tail of keys not masked": ("tl.where(there[None, :], ", "tl.where(keys[None, :] >= 0, "),
    "the last key lost": ("tl.minimum(S, (part", "tl.minimum(S - 1, (part"),
    "joined without rescale": ("tl.exp2(largest - tl.max(largest, 0))", "tl.exp2(largest * 0)"),
    "the last part forgotten": ("there = part < parts", "there = part < parts - 1"),
    "heads in turn, not in groups": (
        "(batch * kv_heads + head) * GROUP + row[:, None]", "(batch * GROUP + row[:, None]) * kv_heads + head"
    ),
}  # fmt: skip
WRONG_PAGED = {
    "a page of another": ("batch * (S // PAGE) + keys // PAGE", "batch * (S // PAGE) + keys // PAGE // 2"),
    "another sequence's pages": ("pages_ptr + batch * (S // PAGE)", "pages_ptr + 0 * (S // PAGE)"),
    "pages in their order": ("place = page.to", "place = (keys // PAGE).to"),
    "all as long as the longest": ("tl.load(position_ptr + batch) + 1", "S"),
    "its own key lost": ("tl.load(position_ptr + batch) + 1", "tl.load(position_ptr + batch)"),
    "window forgotten": ("there & (keys >= seen - WINDOW)", "there"),
    "window short of a key": ("keys >= seen - WINDOW)", "keys > seen - WINDOW)"),
    "a part before the window is not a number": ("if PAGE > 0:  # a window", "if PAGE < 0:  # a window"),
}
WRONG = [
    *((flash_attention, "flash_attention", Scores(0.2), *wrong) for wrong in WRONG_PREFILL.items()),
    *((flash_attention, "flash_attention", Scores(0.2, window=50), *wrong) for wrong in WRONG_WINDOW.items()),
    *((flash_attention, "flash_attention", Scores(0.2, None, 2.0), *wrong) for wrong in WRONG_CAP.items()),
    *((decode_attention, "decode_attention", Scores(0.2), *wrong) for wrong in WRONG_DECODE.items()),
]


@cache
def question(module: Any, function: str, how: Scores, dtype: str) -> tuple[list[Any], np.ndarray]:
    """(q, k, v and how, the answer to them), which the kernel as it is finds."""
    arrays = qkv(1, 1, 300, 4, 2, 24, dtype) if module is decode_attention else qkv(1, 70, 101, 4, 2, 24, dtype)
    given, want = [_to_torch(array) for array in arrays], attention64(*arrays, how)
    given.append(how)
    assert worst(_to_numpy(getattr(module, function)(InterpreterRunner(), *given)), want) < TOLERANCE[dtype]
    return given, want


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("module", "function", "how", "name", "change"), WRONG, ids=lambda x: x if type(x) is str else ""
)
def test_wrong_attention_is_rejected(
    module: Any, function: str, how: Scores, name: str, change: tuple[str, str], dtype: str, tmp_path: Path
) -> None:
    given, want = question(module, function, how, dtype)
    wrong = triton_here.altered(module, tmp_path, [change])
    try:
        got = getattr(wrong, function)(InterpreterRunner(), *given)
    except OutOfBounds:
        return
    assert worst(_to_numpy(got), want) > 2 * TOLERANCE[dtype]


@cache
def paged_question(dtype: str) -> tuple[list[Any], np.ndarray]:
    """(what `paged_attention` takes, its answer): two sequences of 228 and 290 keys, of which each sees 150."""
    q, k, v = qkv(2, 1, 304, 4, 2, 24, dtype)
    positions, window, page = (227, 289), 150, 16
    pages = np.random.default_rng(3).permutation(2 * 304 // page).reshape(2, -1).astype(np.int32)
    pools = [np.empty((pages.size, page, *x.shape[2:]), x.dtype) for x in (k, v)]
    for pool, x in zip(pools, (k, v), strict=True):
        pool[pages] = x.reshape(2, -1, page, *x.shape[2:])
    want = [
        attention64(
            *(x[b : b + 1] for x in (q, k[:, n + 1 - window : n + 1], v[:, n + 1 - window : n + 1])), Scores(0.2)
        )
        for b, n in enumerate(positions)
    ]
    numbers = [torch.from_numpy(pages), torch.tensor(positions, dtype=torch.int32)]
    return [*map(_to_torch, (q, *pools)), *numbers, Scores(0.2, window)], np.concatenate(want)


@pytest.mark.parametrize("dtype", DTYPES)
def test_keys_in_pages_are_found(dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode_attention, "parts_of", lambda S, rows, sms: 4)
    given, want = paged_question(dtype)
    assert worst(_to_numpy(decode_attention.paged_attention(InterpreterRunner(), *given)), want) < TOLERANCE[dtype]


@pytest.mark.parametrize(("name", "change"), WRONG_PAGED.items(), ids=lambda x: x if type(x) is str else "")
def test_wrong_attention_by_pages_is_rejected(
    name: str, change: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given, want = paged_question("float32")
    wrong = triton_here.altered(decode_attention, tmp_path, [change])
    monkeypatch.setattr(wrong, "parts_of", lambda S, rows, sms: 4)  # of 76 keys: the first ends two before the window
    try:
        got = wrong.paged_attention(InterpreterRunner(), *given)
    except OutOfBounds:
        return
    assert not worst(_to_numpy(got), want) <= 2 * TOLERANCE["float32"]


WRONG_PROJECTION = {
    "inner tail not masked": ("(inner[:, None] < width_in - done) & ", "(inner[:, None] < width_in) & "),
    "rows' tail not masked": ("(rows[:, None] < M) & (inner[None, :] <", "(inner[None, :] <"),
    "bias forgotten": ("tile += tl.load(bias_ptr", "tile + tl.load(bias_ptr"),
    "residual twice": ("tile += tl.load(residual_ptr", "tile += 2 * tl.load(residual_ptr"),
    "activation forgotten": ('if ACTIVATION == "gelu"', 'if ACTIVATION == "relu"'),
    "only the first step": ("for done in range(0, width_in, BK)", "for done in range(0, BK, BK)"),
    "tiles of a group mixed up": ("within % height, within // height", "within % height, within % height"),
}


def projected(given: list[Any], want: np.ndarray) -> float:
    """How far a projection with all that may follow it is off."""
    return worst(_to_numpy(linear_module.linear(InterpreterRunner(), *given, "gelu")), want)


@cache
def projection() -> tuple[list[Any], np.ndarray]:
    """(x, weight, bias and residual, the answer to them), which the kernel as it is finds."""
    x, weight, bias, residual = (
        draw(seed, size) for seed, size in enumerate([(70, 100), (100, 272), (272,), (70, 272)])
    )
    want = EXACT.gelu(wide(x)[0] @ wide(weight)[0] + wide(bias)[0]) + wide(residual)[0]
    given = [_to_torch(array) for array in (x, weight, bias, residual)]
    assert projected(given, want) < TOLERANCE["float32"]
    return given, want


@pytest.mark.parametrize("name", WRONG_PROJECTION)
def test_a_wrong_projection_is_rejected(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given, want = projection()
    wrong = triton_here.altered(linear_tile, tmp_path, [WRONG_PROJECTION[name]])
    for helper in ("product", "finished", "tile_of"):
        monkeypatch.setitem(vars(linear_kernels), helper, getattr(wrong, helper))
    monkeypatch.setattr(triton_interpreter, "_interpreted", cache(triton_interpreter._interpreted.__wrapped__))
    try:
        assert projected(given, want) > 100 * TOLERANCE["float32"]
    except OutOfBounds:
        return


def test_an_unmasked_tail_reads_outside(tmp_path: Path) -> None:
    wrong = triton_here.altered(swiglu, tmp_path, [("inside = at < n", "inside = at >= 0")])
    x = _to_torch(draw(0, (1001,)))
    with pytest.raises(OutOfBounds):
        wrong.swiglu(InterpreterRunner(), x, x)


@pytest.mark.parametrize("mistake", ["writes nothing", "returns an earlier result"])
def test_a_program_whose_kernel_does_not_do_its_work_is_rejected(mistake: str, monkeypatch: pytest.MonkeyPatch) -> None:
    c = case(n=16)
    workload = workloads.load("block")
    weights = make_weights(workload, c, "float32", 0)
    inputs = [make_inputs(workload, c, "float32", 1 + i) for i in range(2)]
    expected = make_reference(workload, c, "float32", weights, 1, 2)
    executable = BACKEND.compile(workload, c, {**weights, **inputs[0]}, "kernels", Target("cpu")).executable
    assert executable is not None
    put = executable.put(weights)

    def passed(i: int) -> bool:
        return expected.check(executable.get(executable.call({**put, **executable.put(inputs[i])})), i).passed

    assert passed(0)
    assert passed(1)
    run, earlier = triton_interpreter.run, {}

    def lazy(kernel: Any, grid: Any, args: Any, constants: Any) -> None:
        if kernel.fn.__name__ != "flash_attention_kernel":
            run(kernel, grid, args, constants)
        elif mistake == "returns an earlier result":
            if not earlier:
                run(kernel, grid, args, constants)
            args[3].copy_(earlier.setdefault("answer", args[3].clone()))

    monkeypatch.setattr(triton_interpreter, "run", lazy)
    assert passed(0) == (mistake != "writes nothing")
    assert not passed(1)


def test_an_interpreter_of_another_version_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for other in ("3.5.1", "3.10.0"):
        monkeypatch.setattr(triton, "__version__", other)
        with pytest.raises(Unavailable, match=rf"{re.escape(other)}.*bit patterns.*3\.6 to 3\.9") as error:
            BACKEND.probe(Target("cpu"))
        assert error.value.hint == "pip install 'triton>=3.6,<3.10'"


@pytest.mark.parametrize(
    ("target", "error", "says"),
    [
        (Target("cuda"), Unavailable, "no cuda device"),
        (Target("cuda", "sm_61"), Unsupported, "sm_61"),
        (Target("cpu", mesh="tp2"), Unsupported, "mesh"),
    ],
    ids=str,
)
def test_other_targets_are_refused(target: Target, error: type[Exception], says: str) -> None:
    if target.architecture is None and torch.cuda.is_available():
        pytest.skip("a CUDA device is here")
    with pytest.raises(error, match=says):
        BACKEND.probe(target)


def test_a_device_whose_numbers_are_not_known_is_refused_and_not_guessed_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "_here", lambda platform: "sm_86")
    with pytest.raises(Unsupported, match=r"no specification of cuda:sm_86.*cuda:sm_90"):
        BACKEND.probe(Target("cuda"))
