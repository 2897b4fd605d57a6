"""What the NKI interpreter refuses: one planted kernel for each rule, and beside it what is just right."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from oneblock.compilers import nki as _nki
from oneblock.compilers.nki import RuleError
from tests.helpers import nki_here

nki_here.load()


from tests.helpers import nki_wrong_instructions as engines  # noqa: E402
from tests.helpers import nki_wrong_kernels as kernels  # noqa: E402

ALL = ("v2", "v3", "v4")
HOST = np.ones((2, 2), np.float32)


@dataclass(frozen=True)
class Rule:
    """A kernel, what it is given to break the rule, and what the error says: the rule, then the limit and the value."""

    kernel: Any
    wrong: tuple[Any, ...]
    rule: str
    says: str  # pieces in their order
    instruction: str | None = None
    on: tuple[str, ...] = ALL
    right: tuple[Any, ...] | None = None  # what it is given to keep the rule, on all generations
    right_on: tuple[str, ...] = ()  # where what is wrong is right

    def __str__(self) -> str:
        return f"{self.kernel.__name__}{[getattr(one, 'shape', one) for one in self.wrong]}"[:50]


def memory() -> list[Rule]:
    k, written, new, KIB = kernels, "nisa.memset", "nl.ndarray", 1024
    return [
        Rule(k.partitions, (129,), "partitions", "at most 128 ... got 129", new, right=(128,)),
        Rule(k.one_dimension, ((128,),), "tensors on the chip have partitions", "two dimensions ... [128]", new,
             right=((128, 1),)),
        Rule(k.one_dimension, ((8, 0),), "shape", "positive ... [8, 0]", new, right=((8, 1),)),
        Rule(k.sbuf_bytes, (192 * KIB + 1,), "bytes of a partition in SBUF", "196608 on v2 ... 196609", new,
             on=("v2",), right=(192 * KIB,), right_on=("v3", "v4")),
        Rule(k.sbuf_bytes, (224 * KIB + 1,), "bytes of a partition in SBUF", "229376 on v3 ... 229377", new,
             on=("v3",), right_on=("v4",)),
        Rule(k.sbuf_bytes, (256 * KIB + 1,), "bytes of a partition in SBUF", "262144 on v4 ... 262145", new,
             on=("v4",)),
        Rule(k.psum_bytes, (4097,), "bytes of a partition in PSUM", "at most 16384 ... 16388", new, right=(4096,)),
        Rule(k.psum_banks_alive, (9,), "PSUM capacity", "at most 8 banks ... got 9 in 9 tensors", "nl.ndarray",
             right=(8,)),
        Rule(k.sbuf_alive, (5, 48 * KIB), "SBUF capacity", "at most 196608 bytes ... got 245760 in 5", "nl.ndarray",
             on=("v2",), right=(3, 48 * KIB), right_on=("v4",)),
        Rule(k.buffer_is_no_string, ("sbuf",), "buffer", "nl.sbuf ... 'sbuf'", new, right=("",)),
        Rule(k.dtype_is_known, ("float4",), "dtype", "float32, bfloat16 ... 'float4'", new, right=("bfloat16",)),
        Rule(k.read_before_written, (6,), "read before it is written",
             "every element ... 16 unwritten ... allocated at nki_wrong_kernels.py:", "nisa.tensor_copy", right=(8,)),
        Rule(k.copied_over_an_argument, (HOST,), "arguments and broadcast views are not written",
             "nl.ndarray of its own ... x: float32 [2, 2]", "nisa.dma_copy"),
        Rule(k.written_by_broadcast, (), "arguments and broadcast views are not written",
             "nl.ndarray of its own ... [8, 4]", written),
        Rule(k.assigned, (), "tensors are written by instructions", "nisa.*(dst=t[...]) ... t[...] = value"),
        Rule(k.output_unwritten, (6,), "output", "every element written ... 16 of 64 unwritten", right=(8,)),
        Rule(k.output_private, (), "output", "buffer=nl.shared_hbm ... in private_hbm"),
        Rule(k.output_number, (), "output", "tensors ... got int"),
    ]  # fmt: skip


def views() -> list[Rule]:
    k, written = kernels, "nisa.memset"
    return [
        Rule(k.slice_too_long, (9,), "slice within the tensor", "0 to 8 ... slice(2, 9, None)", right=(8,)),
        Rule(k.slice_too_long, (2,), "views are not empty", "at least one ... [8, 0]", right=(3,)),
        Rule(k.slice_backwards, (-1,), "slice within the tensor", "forwards ... -1", right=(2,)),
        Rule(k.index_too_large, (8,), "index within the tensor", "0 to 7 of dimension 1 ... got 8", right=(7,)),
        Rule(k.reshape_of_partitions, ((16, 4),), "reshape keeps the partitions", "expected 8 ... got 16",
             right=((8, 2, 4),)),
        Rule(k.reshape_of_partitions, ((8, 9),), "reshape keeps the elements", "expected 64 ... got 72",
             right=((8, 8),)),
        Rule(k.reshape_after_permute, ((0, 2, 1),), "view without a copy",
             "layout ... [8, 2, 4] with strides [8, 1, 2]", right=((0, 1, 2),)),
        Rule(k.permute_of_partitions, ((1, 0, 2),), "partitions stay first", "dims[0] == 0 ... [1, 0, 2]",
             right=((0, 2, 1),)),
        Rule(k.permute_of_partitions, ((0, 1, 1),), "permutation", "0 to 2 ... [0, 1, 1]"),
        Rule(k.broadcast_of_partitions, (0,), "partitions are not broadcast by a view", "dim > 0 ... got 0",
             right=(1,)),
        Rule(k.broadcast_of_partitions, (2,), "broadcast of a dimension", "size 1 ... got 8"),
        Rule(k.five_free_dimensions, ((2, 2, 2, 2, 2, 2),), "free dimensions of dst", "at most 4 ... got 5", written,
             right=((2, 2, 2, 2, 2),)),
        Rule(k.pattern_over_partitions, (64,), "partition stride", "expected 32 ... got 64", right=(32,)),
        Rule(k.pattern_out_of_its_row, (33,), "access within a partition", "0 to 31 ... 0 to 32", right=(32,)),
        Rule(k.pattern_before_its_start, (-2,), "access within the storage", "0 to 511 ... -3 to", right=(-1,)),
        Rule(k.start_partition, (32, 40), "start partition of dst with 40 partitions", "0 or 64 ... got 32", written,
             right=(64, 40)),
        Rule(k.start_partition, (1, 65), "start partition of dst with 65 partitions", "expected 0 ... got 1",
             written, right=(0, 65)),
        Rule(k.start_partition, (8, 16), "start partition of dst with 16 partitions",
             "0 or 32 or 64 or 96 ... got 8", written, right=(96, 16)),
        Rule(k.every_other_partition, (2,), "stride of partitions of dst", "expected 1 ... got 2", written,
             right=(1,)),
    ]  # fmt: skip


def language() -> list[Rule]:
    k = kernels
    return [
        Rule(k.list_given, ([1, 1],), "arguments", "tuple ... a list for stride", right=((1, 1),)),
        Rule(k.list_given, (2 ** 31,), "integers", "32 bits ... 2147483648", right=(2 ** 31 - 1,)),
        Rule(k.large_integer, (), "integers", "32 bits ... 2147483648"),
        Rule(k.identity_of_objects, (1,), "language", "== or != ... `is`"),
        Rule(k.keyword_only, (1,), "signature", "plain parameters ... * or **"),
        Rule(k.rest_of_arguments, (1,), "signature", "plain parameters ... * or **"),
        Rule(k.tries, (), "language", "guide's Python ... got try"),
        Rule(k.has_lambda, (), "language", "guide's Python ... got lambda"),
        Rule(k.comprehends, (), "language", "guide's Python ... a comprehension"),
        Rule(k.numbered, (), "dictionaries", "strings ... another"),
        Rule(k.value_of_an_instruction, (), "destination first", "nisa.*(dst=...) ... which has none"),
        Rule(k.of_a_helper, (), "language", "guide's Python ... a comprehension"),
        Rule(k.wrong_keyword, (), "signature", "memset(dst ... value", "nisa.memset"),
    ]  # fmt: skip


def tensor_engine() -> list[Rule]:
    k, mm, turn, early = engines, "nisa.nc_matmul", "nisa.nc_transpose", ("v2", "v3")
    return [
        Rule(k.moving_free, (513,), "moving free size", "at most 512 ... got 513", mm, on=early, right=(512,),
             right_on=("v4",)),
        Rule(k.stationary_free, (129,), "stationary free size", "at most 128 ... got 129", mm, right=(128,)),
        Rule(k.contraction, (32,), "contraction", "16 partitions ... got 32", mm, right=(16,)),
        Rule(k.shape_of_product, (5,), "shape of dst", "8 x 4 ... 8 x 5", mm, right=(4,)),
        Rule(k.over_a_bank, (256,), "PSUM banks of a product", "1 of 2048 bytes ... 1024 to 3072, which are in 2",
             mm, on=early, right=(512,), right_on=("v4",)),
        Rule(k.buffers_of_a_product, ("psum", "sbuf", "psum"), "buffer of stationary", "expected sbuf ... got psum",
             mm, right=("sbuf", "sbuf", "psum")),
        Rule(k.buffers_of_a_product, ("shared_hbm", "sbuf", "psum"), "buffer of stationary",
             "expected sbuf ... got shared_hbm ... nisa.dma_copy", mm),
        Rule(k.buffers_of_a_product, ("sbuf", "psum", "psum"), "buffer of moving", "expected sbuf ... got psum", mm),
        Rule(k.buffers_of_a_product, ("sbuf", "sbuf", "sbuf"), "buffer of dst", "expected psum ... got sbuf", mm),
        Rule(k.dtypes_of_a_product, ("float32", "bfloat16", "float32"), "dtypes of a product",
             "both float32 or neither ... float32 with bfloat16", mm, right=("float16", "bfloat16", "float32")),
        Rule(k.dtypes_of_a_product, ("int32", "int32", "float32"), "dtype of stationary", "bfloat16 ... int32", mm),
        Rule(k.dtypes_of_a_product, ("bfloat16", "bfloat16", "bfloat16"), "dtype of dst",
             "float32 on v ... got bfloat16", mm, on=early, right_on=("v4",)),
        Rule(k.dtypes_of_a_product, ("bfloat16", "bfloat16", "float16"), "dtype of dst", "float32 ... got float16",
             mm),
        Rule(k.accumulated_on_nothing, (True,), "accumulate on unwritten PSUM",
             "a product there before ... without one", mm, right=(None,)),
        Rule(k.accumulated_on_memset, (True,), "accumulate on PSUM", "what a product wrote ... memset", mm, on=early,
             right=(False,), right_on=("v4",)),
        Rule(k.accumulated_on_memset, (None,), "accumulate on PSUM", "what a product wrote ... memset", mm, on=early,
             right=(False,), right_on=("v4",)),
        Rule(k.accumulated_in_part, (3,), "accumulate on unwritten PSUM", "a product there before ... without one",
             mm, right=(4,)),
        Rule(k.transposed, (129, "tensor", True), "transpose by TensorE", "128 x 128 ... 16 x 129", turn,
             right=(128, "tensor", True)),
        Rule(k.transposed, (33, "vector", False), "transpose by VectorE", "32 x 32 ... 16 x 33", turn,
             right=(32, "vector", False)),
        Rule(k.transposed, (8, "tensor", False), "buffer of dst for TensorE", "expected psum ... got sbuf", turn,
             right=(8, "unknown", False)),
        Rule(k.transposed, (8, "scalar", True), "engine of a transpose", "tensor or vector ... scalar", turn),
        Rule(k.transposed_in_another_dtype, ("bfloat16",), "dtype of dst", "float32 ... bfloat16", turn,
             right=("float32",)),
        Rule(k.transposed_by_products, (np.nan,), "transpose by TensorE of v2", "finite ... NaN", turn, on=("v2",),
             right=(1.0,), right_on=("v3", "v4")),
    ]  # fmt: skip


def places() -> list[Rule]:
    k, both, alone = engines, "both operands in PSUM", "GpSimd reads and writes SBUF only"
    says = "at least one in SBUF ... psum ... psum"
    two = [
        (k.both_in_psum, "nisa.tensor_tensor"), (k.both_in_psum_with_a_scalar, "nisa.scalar_tensor_tensor"),
        (k.both_in_psum_of_a_scan, "nisa.tensor_tensor_scan"),
        (k.both_in_psum_of_a_choice, "nisa.tensor_copy_predicated"),
    ]  # fmt: skip
    return [
        *(Rule(one, (True, True), both, says, name, right=(True, False)) for one, name in two),
        Rule(k.gpsimd_at_psum, (True,), alone, "no operand in PSUM ... psum", "nisa.tensor_copy", right=(False,)),
        Rule(k.power_at_psum, (True,), alone, "no operand in PSUM ... psum", "nisa.tensor_tensor", right=(False,)),
        Rule(k.affine_select_at_psum, (True,), "buffer of on_true_tile", "expected sbuf ... got psum",
             "nisa.affine_select", right=(False,)),
        Rule(k.dma_from_psum, (True,), "buffer of src for DMA", "HBM or SBUF ... got psum ... nisa.tensor_copy",
             "nisa.dma_copy", right=(False,)),
        Rule(k.dma_of_fewer, (5,), "elements of dst", "32 ... 40", "nisa.dma_copy", right=(4,)),
        Rule(k.compute_in_hbm, (True,), "buffer of data", "sbuf or psum ... shared_hbm ... nisa.dma_copy",
             "nisa.reciprocal", right=(False,)),
    ]  # fmt: skip


def instructions() -> list[Rule]:
    k, activate = engines, "nisa.activation"
    valid = [
        ("rsqrt", 0.0, "6.46235e-27", 2.0**-87), ("reciprocal", 2.0**50, "2.27374e-13 to 4.39805e+12", -(2.0**-42)),
        ("sin", 9.0, "0 to 3.14159", -3.1), ("log", -1.0, "5.42101e-20 to 1.84467e+19", 2.0**64),
        ("sqrt", 2.0**-117, "1.20371e-35", 2.0**118), ("arctan", -2.0, "0 to 1.5708", 1.5),
    ]  # fmt: skip
    return [
        *(
            Rule(k.outside_of_valid, (op, wrong), f"argument of {op} on ScalarE", f"{limit} ... got {wrong:g}",
                 activate, right=(op, right))
            for op, wrong, limit, right in valid
        ),
        Rule(k.copy_by_scalar, (), "tensor_copy on ScalarE", "v3 or later ... got v2 ... nl.copy",
             "nisa.tensor_copy", on=("v2",), right_on=("v3", "v4")),
        Rule(k.pair_of_scalar, ("subtract",), "operators of tensor_scalar on ScalarE", "multiply ... subtract",
             "nisa.tensor_scalar", on=("v3", "v4")),
        Rule(k.pair_of_scalar, ("add",), "tensor_scalar on ScalarE", "v3 or later ... got v2", "nisa.tensor_scalar",
             on=("v2",), right_on=("v3", "v4")),
        Rule(k.operand_dtype, ("bfloat16",), "dtype of operand0", "float32 ... bfloat16", "nisa.tensor_scalar",
             right=("float32",)),
        Rule(k.scale_dtype, ("bfloat16",), "dtype of scale", "float32 ... bfloat16", activate, right=("float32",)),
        Rule(k.bias_number, (), "bias on v2", "a tile [8, 1] ... the number 1.5", activate, on=("v2",),
             right_on=("v3", "v4")),
        Rule(k.predicate_dtype, ("int32",), "dtype of predicate", "uint8 or uint16 or uint32 ... int32",
             "nisa.tensor_copy_predicated", right=("uint32",)),
        Rule(k.scalar_registers, ("reduce",), "registers of ScalarE", "reset before ... never reset", activate,
             right=("reset_reduce",)),
        Rule(k.scalar_registers, ("idle",), "registers of ScalarE", "reset before ... never reset", activate,
             right=("reset",)),
        Rule(k.scalar_registers, ("load_reduce",), "reduce_cmd of activation", "idle, reset ... load_reduce",
             activate),
        Rule(k.vector_registers, ("reduce",), "registers of VectorE", "reset before ... never reset",
             "nisa.tensor_scalar_reduce", right=("reset_reduce",)),
        Rule(k.vector_registers, ("load_reduce",), "reduce_init", "one, with load_reduce ... None with load_reduce",
             "nisa.tensor_scalar_reduce"),
        Rule(k.registers_after_idle, ("reduce",), "registers of VectorE", "reset before ... never reset",
             "nisa.select_reduce", right=("reset_reduce",)),
        Rule(k.registers_after_idle, ("load_reduce",), "reduce_cmd", "reset_reduce or reduce ... load_reduce",
             "nisa.select_reduce"),
        Rule(k.bn_stats_free, (513,), "elements of bn_stats", "at most 512 ... got 513", "nisa.bn_stats",
             right=(512,)),
        Rule(k.bn_aggr_of_threes, (7,), "elements of bn_aggr", "multiple of three ... got 7", "nisa.bn_aggr",
             right=(6,)),
        Rule(k.axis_of_partitions, (0,), "axis", "up to 2 ... got 0", "nisa.tensor_reduce", right=((1, 2),)),
        Rule(k.axis_of_partitions, (1,), "axis", "up to 2 ... got 1", "nisa.tensor_reduce"),
        Rule(k.no_reduction, ("power",), "op of a reduction", "one of add ... nl.power", "nisa.tensor_reduce",
             right=("maximum",)),
        Rule(k.mask_of_32, ((0,) * 31,), "shuffle_mask", "32 entries ... got 31", "nisa.nc_stream_shuffle",
             right=((255,) * 32,)),
        Rule(k.mask_of_32, ((32,) * 32,), "source of partition 0", "of 32 ... got 32", "nisa.nc_stream_shuffle",
             right=((31,) * 32,)),
        Rule(k.pattern_of_as_many, (5,), "elements of the pattern", "expected 4 ... got 5", "nisa.iota", right=(4,)),
        Rule(k.range_select_early, (), "range_select", "v3 or later ... got v2", "nisa.range_select", on=("v2",),
             right_on=("v3", "v4")),
        Rule(k.elements_alike, (5,), "partitions and elements of data2", "8 x 4 ... 8 x 5", "nisa.tensor_tensor",
             right=(4,)),
        Rule(k.hardware_descriptors, (), "dge_mode hwdge", "v3 or later ... got v2", "nisa.dma_copy", on=("v2",),
             right_on=("v3", "v4")),
        Rule(k.priority_of_dma, (1,), "priority", "v4 or later ... got v", "nisa.dma_copy", on=("v2", "v3"),
             right=(None,), right_on=("v4",)),
    ]  # fmt: skip


VALID = {
    "log": (2.0**-64, 2.0**64), "sqrt": (2.0**-116, 2.0**118), "rsqrt": (2.0**-87, 2.0**97), "sin": (-np.pi, np.pi),
    "arctan": (-np.pi / 2, np.pi / 2), "reciprocal": (2.0**-42, 2.0**42),
}  # fmt: skip


@pytest.mark.parametrize("op", VALID)
def test_the_valid_arguments_of_scalar_are_those_of_the_table(op: str) -> None:
    low, high = VALID[op]
    inside, outside = [low, high], [low - abs(low) / 1000, high * 1.001]
    if op == "reciprocal":
        inside, outside = [*inside, -low, -high], [*outside, -outside[0], -outside[1], 0.0]
    for value in inside:
        _nki.run(engines.outside_of_valid, _nki.generation("v3"), op, float(value))
    for value in outside:
        with pytest.raises(RuleError, match=f"argument of {op} on ScalarE"):
            _nki.run(engines.outside_of_valid, _nki.generation("v3"), op, float(value))


RULES = [*memory(), *views(), *language(), *tensor_engine(), *places(), *instructions()]


def line(kernel: Any) -> int:
    """The line that is marked, of the kernel or of what it calls."""
    for function in (kernel.function, kernels.helper):
        lines, first = inspect.getsourcelines(function)
        for i, text in enumerate(lines):
            if text.rstrip().endswith("# wrong"):
                return first + i
    raise LookupError(kernel.__name__)


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_what_breaks_a_rule_is_refused_and_the_error_says_where_and_why(rule: Rule) -> None:
    for on in rule.on:
        with pytest.raises(RuleError) as raised:
            _nki.run(rule.kernel, _nki.generation(on), *rule.wrong)
        error, said = raised.value, str(raised.value)
        assert error.rule == rule.rule, said
        assert error.instruction == rule.instruction
        file = Path(inspect.getfile(rule.kernel.function)).name
        assert f"{file}:{line(rule.kernel)}: {rule.rule}: " in said
        assert said.startswith(f"{rule.instruction} at {file}:" if rule.instruction else f"{file}:")
        assert re.search(".*".join(map(re.escape, rule.says.split(" ... "))), said), said


@pytest.mark.parametrize("rule", [one for one in RULES if one.right is not None or one.right_on], ids=str)
def test_what_just_keeps_the_rule_runs(rule: Rule) -> None:
    for on in ALL if rule.right is not None else ():
        _nki.run(rule.kernel, _nki.generation(on), *rule.right or ())
    for on in rule.right_on:
        _nki.run(rule.kernel, _nki.generation(on), *rule.wrong)
