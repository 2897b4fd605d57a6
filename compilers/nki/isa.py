"""What a kernel imports as `nki.isa`: the instructions a transformer block needs."""

from __future__ import annotations

from typing import Any

from oneblock.compilers.nki.enums import DgeMode as dge_mode
from oneblock.compilers.nki.enums import Engine as engine
from oneblock.compilers.nki.enums import MatmulPerfMode as matmul_perf_mode
from oneblock.compilers.nki.enums import OobMode as oob_mode
from oneblock.compilers.nki.enums import ReduceCmd as reduce_cmd
from oneblock.compilers.nki.isa_move import dma_copy, dma_transpose, memset, nc_stream_shuffle, tensor_copy
from oneblock.compilers.nki.isa_reduce import (
    bn_aggr,
    bn_stats,
    tensor_partition_reduce,
    tensor_reduce,
    tensor_scalar_reduce,
)
from oneblock.compilers.nki.isa_scalar import activation, activation_reduce
from oneblock.compilers.nki.isa_select import affine_select, iota, range_select, select_reduce, tensor_copy_predicated
from oneblock.compilers.nki.isa_tensor import nc_matmul, nc_transpose
from oneblock.compilers.nki.isa_vector import (
    reciprocal,
    scalar_tensor_tensor,
    tensor_scalar,
    tensor_tensor,
    tensor_tensor_scan,
)
from oneblock.compilers.nki.rules import NotInterpreted

__all__ = [
    "activation", "activation_reduce", "affine_select", "bn_aggr", "bn_stats", "dge_mode", "dma_copy", "dma_transpose",
    "engine", "iota", "matmul_perf_mode", "memset", "nc_matmul", "nc_stream_shuffle", "nc_transpose", "oob_mode",
    "range_select", "reciprocal", "reduce_cmd", "scalar_tensor_tensor", "select_reduce", "tensor_copy",
    "tensor_copy_predicated", "tensor_partition_reduce", "tensor_reduce", "tensor_scalar", "tensor_scalar_reduce",
    "tensor_tensor", "tensor_tensor_scan",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    raise NotInterpreted(f"nki.isa.{name}: this interpreter has {', '.join(__all__)}")
