"""A projection with what follows it: bias, GELU and a residual addition in the kernel of the product."""

from __future__ import annotations

from math import ceil
from typing import Any

from triton.tools.tensor_descriptor import TensorDescriptor

from oneblock.backends.kernels.triton._elementwise import cdiv
from oneblock.backends.kernels.triton.launch import Config, KernelCall, Runner, Work, config
from oneblock.backends.kernels.triton.linear_kernels import (
    linear_descriptor_kernel,
    linear_grouped_kernel,
    linear_persistent_kernel,
)
from oneblock.workloads.ops.definitions import Array

_GROUP = 8  # tiles down before one to the right
# Where tensor cores compute the products.
_MANY = (
    config(4, 2, BM=64, BO=64, BK=32),
    config(4, 3, BM=64, BO=128, BK=64),
    config(8, 3, BM=128, BO=128, BK=64),
    config(8, 3, BM=128, BO=256, BK=64),
)
# A few rows, as in decode: the weight is all the traffic, and its columns go to as many programs as there can be.
_FEW = (
    config(4, 3, BM=16, BO=32, BK=128),
    config(4, 4, BM=16, BO=64, BK=128),
    config(4, 2, BM=16, BO=64, BK=64),
)
# Elsewhere a thread holds its rows of x and columns of the weight, BK long: short ones, or it spills.
_MANY_BY_VECTORS = (
    config(4, 2, BM=64, BO=64, BK=16),
    config(8, 2, BM=128, BO=64, BK=16),
    config(4, 2, BM=32, BO=64, BK=16),
)
_FEW_BY_VECTORS = (config(4, 2, BM=16, BO=64, BK=32), config(4, 2, BM=16, BO=32, BK=32))
_FEW_ROWS = 16


def linear(
    runner: Runner,
    x: Array,
    weight: Array,
    bias: Array | None = None,
    residual: Array | None = None,
    activation: str | None = None,
) -> Array:
    """x (..., I), weight (I, O), bias (O,), residual (..., O) -> (..., O): residual + activation(x @ weight + bias).

    `activation` is "gelu" or None. FLOPs: 2*M*I*O, with M rows of x. Bytes: x, weight, bias and residual read once
    and y written once; a tile of y reads its rows of x and its columns of the weight, so all tiles together ask for
    M*I * O/BO + I*O * M/BM elements.
    """
    width_in, width_out = weight.shape
    flat = x.reshape(-1, width_in)
    M = flat.shape[0]
    added = None if residual is None else residual.reshape(M, width_out)
    y = runner.empty((M, width_out), flat)
    shared = {"ACTIVATION": activation, "GROUP": _GROUP}
    configs = _configs(M, by_vectors=x.element_size() == 4 or not runner.tensor_cores)

    def pointers(config: Config) -> tuple[Any, ...]:
        return flat, weight, bias, added, y, M, width_in, width_out

    def descriptors(config: Config) -> tuple[Any, ...]:
        BM, BO, BK = config["BM"], config["BO"], config["BK"]
        operands = (_tiles(flat, BM, BK), _tiles(weight, BK, BO), bias, added, _tiles(y, BM, BO))
        return *operands, M, width_in, width_out

    def tiles(config: Config) -> tuple[int, ...]:
        return (cdiv(M, config["BM"]) * cdiv(width_out, config["BO"]),)

    def work(config: Config) -> Work:
        return _work(M, width_in, width_out, config, x.element_size(), 1 + (residual is not None))

    def call(kernel: Any, args: Any, grid: Any) -> KernelCall:
        return KernelCall(kernel, configs, args, grid, work, shared, matrix_units=True)

    ways = [
        call(linear_grouped_kernel, pointers, tiles),
        call(linear_persistent_kernel, pointers, lambda config: (min(runner.sms, *tiles(config)),)),
    ]
    if all(n * x.element_size() % 16 == 0 for n in (width_in, width_out)):  # rows start where TMA can read
        ways.append(call(linear_descriptor_kernel, descriptors, tiles))
    runner.launch(*ways)
    return y.reshape(*x.shape[:-1], width_out)


def _configs(M: int, *, by_vectors: bool) -> tuple[Config, ...]:
    if by_vectors:
        return _FEW_BY_VECTORS if M <= _FEW_ROWS else _MANY_BY_VECTORS
    return _FEW if M <= _FEW_ROWS else _MANY


def _tiles(x: Array, rows: int, columns: int) -> TensorDescriptor:
    return TensorDescriptor(x, list(x.shape), [x.shape[1], 1], [rows, columns])


def _work(M: int, width_in: int, width_out: int, config: Config, itemsize: int, outputs: int) -> Work:
    BM, BO, BK = config["BM"], config["BO"], config["BK"]
    down, right = ceil(M / BM), ceil(width_out / BO)
    padded_inner = ceil(width_in / BK) * BK
    return Work(
        flops=2.0 * down * BM * right * BO * padded_inner,
        asked_bytes=float((M * width_in * right + width_in * width_out * down + outputs * M * width_out) * itemsize),
        in_flight_bytes=float((BM + BO) * BK * itemsize * max(1, config.num_stages - 1)),
    )
