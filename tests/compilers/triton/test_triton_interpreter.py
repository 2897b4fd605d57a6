"""Triton's interpreter as we run it: right in bfloat16, within bounds, and with nothing left behind."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.helpers import triton_here

triton_here.load()

import torch  # noqa: E402
import triton  # noqa: E402
import triton.language as tl  # noqa: E402
from triton.runtime import interpreter as shipped  # noqa: E402
from triton.runtime.jit import JITFunction  # noqa: E402
from triton.tools.tensor_descriptor import TensorDescriptor  # noqa: E402

from oneblock.compilers.chips import load  # noqa: E402
from oneblock.compilers.chips.chip import Gpu  # noqa: E402
from oneblock.compilers.triton import interpreter as triton_interpreter  # noqa: E402
from oneblock.compilers.triton import lowering as triton_gpu  # noqa: E402
from oneblock.compilers.triton.interpreter_numerics import OutOfBounds  # noqa: E402

FLOATS = [torch.float32, torch.float16, torch.bfloat16]


@triton.jit
def fused(x, y):
    return x * y + tl.maximum(x, y)


@triton.jit
def pointwise(x_ptr, y_ptr, out_ptr, n, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    n = min(n, tl.num_programs(0) * BLOCK)
    x = tl.load(x_ptr + at, mask=at < n)
    y = tl.load(y_ptr + at, mask=at < n)
    tl.store(out_ptr + at, fused(x, y), mask=at < n)


@triton.jit
def product(x_ptr, y_ptr, out_ptr, N: tl.constexpr):
    at = tl.arange(0, N)[:, None] * N + tl.arange(0, N)[None, :]
    tl.store(out_ptr + at, tl.dot(tl.load(x_ptr + at), tl.load(y_ptr + at), input_precision="ieee"))


@triton.jit
def rounded(x_ptr, out_ptr, N: tl.constexpr):
    at = tl.arange(0, N)
    tl.store(out_ptr + at, tl.load(x_ptr + at).to(out_ptr.dtype.element_ty))


@triton.jit
def copied_tile(tiles, out, N: tl.constexpr):
    out.store([0, 0], tiles.load([0, 0]))


@triton.jit
def welford(mean, m2, weight, other_mean, other_m2, other_weight):
    delta, total = other_mean - mean, weight + other_weight
    share = tl.where(total == 0.0, 0.0, other_weight / total)
    return mean + delta * share, m2 + other_m2 + delta * delta * weight * share, total


@triton.jit
def variance(x_ptr, out_ptr, ROWS: tl.constexpr, N: tl.constexpr):
    x = tl.load(x_ptr + tl.arange(0, ROWS)[:, None] * N + tl.arange(0, N)[None, :])
    _, m2, total = tl.reduce((x, x * 0.0, x * 0.0 + 1.0), 1, welford)
    tl.store(out_ptr + tl.arange(0, ROWS), m2 / total)


@triton.jit
def running_product(a, b):
    return a * b


@triton.jit
def scanned(x_ptr, out_ptr, ROWS: tl.constexpr, N: tl.constexpr):
    at = tl.arange(0, ROWS)[:, None] * N + tl.arange(0, N)[None, :]
    tl.store(out_ptr + at, tl.associative_scan(tl.load(x_ptr + at), 1, running_product))


@triton.jit
def functions(x_ptr, out_ptr, N: tl.constexpr):
    at = tl.arange(0, N)
    x = tl.load(x_ptr + at)
    tl.store(out_ptr + at, tl.extra.cuda.libdevice.tanh(x) + tl.extra.cuda.libdevice.rsqrt(x * x + 1.0) + tl.erf(x))


@triton.jit
def narrowed(x_ptr, out_ptr, N: tl.constexpr):
    at = tl.arange(0, N)
    tl.store(out_ptr + at, tl.load(x_ptr + at).to(tl.float8e4nv).to(tl.float32))


def draw(*shape: int, dtype: torch.dtype = torch.float32, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).to(dtype)


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_arithmetic_rounds_each_operation_as_pytorch_does(dtype: torch.dtype) -> None:
    x, y, out = draw(1000, dtype=dtype), draw(1000, dtype=dtype, seed=1), torch.zeros(1000, dtype=dtype)
    triton_interpreter.run(pointwise, (4,), (x, y, out, 1000), {"BLOCK": 256})
    assert torch.equal(out, x * y + torch.maximum(x, y))


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_a_product_is_of_numbers_and_not_of_their_bits(dtype: torch.dtype) -> None:
    x, y, out = draw(32, 32, dtype=dtype), draw(32, 32, dtype=dtype, seed=1), torch.zeros(32, 32)
    triton_interpreter.run(product, (1,), (x, y, out), {"N": 32})
    assert torch.allclose(out.double(), x.double() @ y.double(), rtol=1e-5, atol=1e-5)


def test_tritons_own_interpreter_is_wrong_where_ours_is_right() -> None:
    """If it becomes right, the repair can go; and if it did not show here, nothing would say that ours is one."""
    program = """
import torch
from tests.compilers.triton import test_triton_interpreter as here
x, y = (here.draw(32, 32, dtype=torch.bfloat16, seed=seed) for seed in (0, 1))
out = torch.zeros(32, 32)
here.product[(1,)](x, y, out, N=32)
print((out.double() - x.double() @ y.double()).abs().max().item())
"""
    env, here = os.environ | {"TRITON_INTERPRET": "1"}, Path(__file__).parents[3]
    answer = subprocess.run([sys.executable, "-c", program], env=env, cwd=here, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr
    assert not float(answer.stdout) < 1e3, "Triton's own interpreter multiplies bfloat16 rightly now"


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_a_cast_rounds_to_nearest_even_and_keeps_what_is_not_finite(dtype: torch.dtype) -> None:
    special = torch.tensor([float("inf"), -float("inf"), float("nan"), 0.0, -0.0, 1e-40, 3.4e38, 65520.0])
    ties = torch.tensor([1 + 2**-8, 1 + 3 * 2**-8, 1 + 2**-11, 1 + 3 * 2**-11, -1 - 2**-8, 2 - 2**-9, 256.5, 257.5])
    x = torch.cat([special, ties, draw(240) * 1e3])
    out = torch.zeros(256, dtype=dtype)
    triton_interpreter.run(rounded, (1,), (x, out), {"N": 256})
    assert torch.equal(out.nan_to_num(nan=7.0), x.to(dtype).nan_to_num(nan=7.0))


def test_a_tile_of_bfloat16_comes_whole_through_a_descriptor_with_zeros_outside() -> None:
    x, out = draw(10, 16, dtype=torch.bfloat16), torch.full((16, 16), 9.0, dtype=torch.bfloat16)
    descriptors = [TensorDescriptor(t, list(t.shape), [16, 1], [16, 16]) for t in (x, out)]
    triton_interpreter.run(copied_tile, (1,), descriptors, {"N": 16})
    assert torch.equal(out[:10], x)
    assert not out[10:].any()


def test_reductions_and_scans_of_ones_own_are_those_of_pytorch() -> None:
    x, out = draw(4, 64), torch.zeros(4)
    triton_interpreter.run(variance, (1,), (x, out), {"ROWS": 4, "N": 64})
    assert torch.allclose(out, x.var(1, correction=0), rtol=1e-5)
    near_one, products = 1 + draw(4, 64) / 100, torch.zeros(4, 64)
    triton_interpreter.run(scanned, (1,), (near_one, products), {"ROWS": 4, "N": 64})
    assert torch.allclose(products, near_one.cumprod(1), rtol=1e-5)


def test_functions_of_libdevice_are_there() -> None:
    x, out = draw(64), torch.zeros(64)
    triton_interpreter.run(functions, (1,), (x, out), {"N": 64})
    assert torch.allclose(out, torch.tanh(x) + torch.rsqrt(x * x + 1) + torch.erf(x), atol=1e-6)


def test_what_would_be_computed_wrongly_is_refused() -> None:
    with pytest.raises(NotImplementedError, match=r"float8|fp8"):
        triton_interpreter.run(narrowed, (1,), (draw(16), torch.zeros(16)), {"N": 16})


@pytest.mark.parametrize("short", [0, 1, 2], ids=["first operand", "second operand", "result"])
def test_an_access_outside_of_the_arguments_is_refused_and_says_where(short: int) -> None:
    given: list[Any] = [draw(1000), draw(1000, seed=1), torch.zeros(1000)]
    given[short] = given[short][:900].clone()
    with pytest.raises(OutOfBounds, match="100 elements") as error:
        triton_interpreter.run(pointwise, (4,), (*given, 1000), {"BLOCK": 256})
    assert "program (3, 0, 0)" in error.value.__notes__[0]


def language() -> dict[str, Any]:
    """All that a kernel's own run might change."""
    owners = (tl, tl.core, tl.math, tl.tensor, tl.block_type, tl.core.tensor_descriptor_base, tl.dtype)
    more = (shipped, JITFunction, shipped.ReduceOps, shipped.ScanOps, tl.extra.libdevice, tl.extra.cuda.libdevice)
    return {f"{owner}.{name}": value for owner in (*owners, *more) for name, value in vars(owner).items()}


def failing() -> None:
    with pytest.raises(OutOfBounds):
        triton_interpreter.run(pointwise, (4,), (draw(9), draw(9), torch.zeros(9), 1000), {"BLOCK": 256})


def passing() -> None:
    triton_interpreter.run(pointwise, (4,), (draw(9), draw(9), torch.zeros(9), 9), {"BLOCK": 256})


def compiled() -> str:
    arguments = *(torch.empty(9, device="meta"),) * 3, 9
    options = {"BLOCK": 256, "num_warps": 4, "num_stages": 1}
    source = triton_gpu.as_launched(pointwise, arguments, options, load("cuda:sm_90", Gpu))
    return triton_gpu.build(source).texts["ptx"]


@pytest.mark.parametrize("interpreted", [passing, failing])
def test_nothing_is_left_behind(interpreted: Callable[[], None]) -> None:
    ptx, before, environment, own = compiled(), language(), dict(os.environ), set(globals())
    interpreted()
    after = language()
    assert {name for name in before.keys() | after.keys() if before.get(name) is not after.get(name)} == set()
    assert dict(os.environ) == environment
    assert set(globals()) == own, "the kernel's module was written to"
    assert compiled() == ptx


def test_what_is_compiled_after_an_interpretation_is_the_same_even_first_of_all(tmp_path: Path) -> None:
    """In a process that has compiled nothing yet, parts of the compiler are imported late: not while it is patched."""
    program = (
        "from tests.compilers.triton import test_triton_interpreter as here;"
        "here.passing(); print(here.compiled(), end='')"
    )
    env, here = os.environ | {"TRITON_CACHE_DIR": str(tmp_path)}, Path(__file__).parents[3]
    answer = subprocess.run([sys.executable, "-c", program], env=env, cwd=here, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout == compiled()
