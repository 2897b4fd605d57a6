"""Lines of NKI's calls, traces, instructions and sources: each of the steps in which it issued something."""

from __future__ import annotations

from pathlib import Path

import pytest

from oneblock import workloads
from oneblock.backends import neuron_nki
from oneblock.backends.api.target import Target
from oneblock.compilers import Detail
from oneblock.compilers.dialects import Context, context, read
from oneblock.workloads._workload import Case, Phase
from oneblock.workloads.answers.arrays import make_inputs, make_weights
from oneblock.workloads.ops.definitions import STEPS
from tests.helpers import nki_here
from tests.helpers.cases import TINY_GPT2, case
from tests.helpers.lines import HOSTILE, Line, lines, share, shares

NONE = ()
CALLS = """\
call  step        kernel               arrays
   0  norm1       rms_norm             bfloat16[33, 64], bfloat16[64]
   1  -           linear               bfloat16[33, 64], bfloat16[64, 64]
"""
TRACE = """\
# call 0, step norm1: rms_norm (bfloat16[33, 64]) on NeuronCore-v3: 13.4 us (modelled)
line                        instruction               engine    times    busy us        MFLOP  DMA KiB
tiles.py:4                  nisa.dma_copy             dma           2       2.85        0.000     1024

# call 1, step mlp: linear (bfloat16[33, 64]) on NeuronCore-v3: 29.1 us (modelled)
line                        instruction               engine    times    busy us        MFLOP  DMA KiB
tiles.py:4                  nisa.dma_copy             dma          65      24.22        0.000     8704
tiles.py:10                 nisa.nc_transpose         tensor       16       0.85        0.000        0

# call 2, step warmup: linear (bfloat16[33, 64]) on NeuronCore-v3: 29.1 us (modelled)
tiles.py:11                 nisa.tensor_copy          vector       16       0.85        0.000        0
"""
INSTRUCTIONS = """\
   no.    start us     busy us   result us  engine   instruction              line
     0       0.000       0.011       1.311  dma      nisa.dma_copy            tiles.py:4
"""
SOURCE = '''\
import nki.isa as nisa
import nki.language as nl
def loaded(source):
    nisa.dma_copy(dst=tile, src=source)
    return tile


def turned(tile):
    """nisa.dma_copy(dst, src) is said here, and done below."""
    nisa.nc_transpose(dst=through, data=tile)
    nisa.tensor_copy(
        dst=out, src=nl.ndarray(shape))
    out = nl.ndarray(tile.shape)
    return _shifted(loaded(tile))


def _shifted(tile):
    for i in range(2):
        nisa.tensor_scalar(dst=tile[i])


def unused(tile):
    nisa.activation(dst=tile)
'''


def traced() -> dict[str, tuple[str, ...]]:
    return dict(context(None, {"nki-trace": TRACE}, STEPS).kernels)


def test_a_call_is_of_its_step() -> None:
    title, first, second = lines("nki-calls", CALLS).values()
    assert (title, first, second) == (Line(NONE, False), Line(("norm1",), True), Line(NONE, True))


def test_a_row_of_the_trace_is_of_the_call_above_it() -> None:
    found = lines("nki-trace", TRACE)
    rows = {line.split()[0]: one for line, one in found.items() if one.operation}
    assert rows == {"tiles.py:4": Line(("mlp",), True), "tiles.py:10": Line(("mlp",), True),
                    "tiles.py:11": Line(NONE, True)}  # fmt: skip
    first = next(line for line in TRACE.splitlines() if line.startswith("tiles.py:4"))
    assert found[first] == Line(("norm1",), True)
    assert share("nki-trace", TRACE) == 3 / 4


def test_instructions_are_of_the_call_that_their_name_numbers() -> None:
    kernels = {"linear": ("qkv", "mlp"), "03-linear": ("mlp",)}
    title, row = lines("instructions:03-linear", INSTRUCTIONS, kernels).values()
    assert (title, row) == (Line(("mlp",), False), Line(("mlp",), True))
    assert share("instructions:04-linear", INSTRUCTIONS, kernels) == 0


def test_a_line_of_a_source_is_of_the_steps_in_which_it_issued_something() -> None:
    assert traced() == {"tiles.py": ("norm1", "mlp"), "tiles.py:4": ("norm1", "mlp"), "tiles.py:10": ("mlp",)}
    found = lines("nki:tiles", SOURCE, traced())
    assert found["nisa.dma_copy(dst=tile, src=source)"] == Line(("norm1", "mlp"), True)
    assert found["nisa.nc_transpose(dst=through, data=tile)"] == Line(("mlp",), True)
    assert found["nisa.tensor_copy("] == Line(("mlp",), True)
    assert found["dst=out, src=nl.ndarray(shape))"] == Line(("mlp",), False), "the rest of a statement is of it"
    assert found["nisa.tensor_scalar(dst=tile[i])"] == Line(("mlp",), True), "as those that call its function"
    assert found["def turned(tile):"] == Line(("mlp",), False)
    assert share("nki:tiles", SOURCE, traced()) == 1


@pytest.mark.parametrize(
    "line",
    ["import nki.isa as nisa", '"""nisa.dma_copy(dst, src) is said here, and done below."""', "return tile",
     "out = nl.ndarray(tile.shape)", "for i in range(2):"],
)  # fmt: skip
def test_what_issues_nothing_is_no_operation(line: str) -> None:
    assert not lines("nki:tiles", SOURCE, traced())[line].operation


def test_a_function_that_no_call_reached_is_of_no_step_and_does_not_count() -> None:
    assert lines("nki:tiles", SOURCE, traced())["nisa.activation(dst=tile)"] == Line(NONE, False)
    found = read("nki:tiles", SOURCE, Context(STEPS, traced()))
    assert found is not None
    assert (found.by, found.unreached) == ("kernel", 1)
    assert lines("nki:other", SOURCE, traced())["nisa.activation(dst=tile)"] == Line(NONE, True), "nothing is known"
    assert share("nki:other", SOURCE, traced()) == 0


def test_a_kernel_of_a_record_without_a_trace_is_of_the_steps_of_its_calls() -> None:
    found = lines("nki:any", SOURCE, {"turned": ("mlp",)})
    assert found["nisa.nc_transpose(dst=through, data=tile)"] == Line(("mlp",), True)
    assert found["nisa.dma_copy(dst=tile, src=source)"] == Line(("mlp",), True)


@pytest.mark.parametrize("text", [HOSTILE, "def f(:\n", "x = '\x00'\n", "(" * 5000])
def test_a_source_that_is_no_python_is_text(text: str) -> None:
    assert share("nki:tiles", text, {"f": ("mlp",)}) is None
    assert lines("nki-calls", f"   0  {HOSTILE}  x\n{HOSTILE}")[f"0  {HOSTILE}  x"] == Line(NONE, True)


# ---------------------------------------------------------------- as it is interpreted here


@pytest.mark.parametrize("c", [case(), case(config=TINY_GPT2, phase=Phase.DECODE)], ids=["tiny", "gpt2-decode"])
def test_interpreted_kernels_tell_the_step_of_each_operation(c: Case) -> None:
    nki_here.load()
    workload = workloads.load(c.workload)
    arrays = {**make_weights(workload, c, "bfloat16", 0), **make_inputs(workload, c, "bfloat16", 1)}
    target = Target.parse("neuron:trn2")
    compiled = neuron_nki.BACKEND.compile(workload, c, arrays, "kernels", target)
    lowering = compiled.capture(Detail.ALL)
    found = shares(lowering)
    assert found.keys() == {"nki-calls", "nki", "nki-trace", "instructions"}
    assert min(found.values()) >= 0.9, found
    assert not any(str(Path(__file__).parents[3]) in one.text for one in lowering.artifacts)
