"""What is exported, by compilers and runtimes of others: they agree with float64 within the cell's own tolerance.

They have the files that `oneblock export` hands over and nothing else: IREE compiles the StableHLO and runs it, ONNX
Runtime runs the ONNX. `nox -s interchange` has both, and none of this skips there.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from oneblock.backends.api.target import Target
from oneblock.bench.cells.cell import Cell
from oneblock.compilers.api.export import Form
from oneblock.workloads._workload import Phase
from oneblock.workloads.models import PRESETS, Config
from tests.helpers.cases import TINY_GPT2, TINY_MIXTRAL, TINY_NEOX, case
from tests.helpers.exporting import WRITERS, handed_over
from tests.helpers.handed_over import HandedOver

GPT2 = PRESETS["gpt2"]
SMALL_LLAMA = replace(
    PRESETS["llama-1b"], name="small-llama", width=64, heads=8, kv_heads=2, head_width=8, ffn_width=96
)
BOTH = ("float32", "bfloat16")


pytestmark = pytest.mark.skipif(
    not os.environ.get("ONEBLOCK_REQUIRE_READERS"), reason="compilers of others have a session: `nox -s interchange`"
)


def by_iree(program: Path | str, function: str = "jit_block") -> Callable[[Sequence[np.ndarray]], list[np.ndarray]]:
    """StableHLO, as a file or a text, compiled by IREE for any CPU: arguments in order -> results in order."""
    from iree import compiler, runtime

    how = {"input_type": "stablehlo", "target_backends": ["llvm-cpu"]}
    how["extra_args"] = ["--iree-llvmcpu-target-cpu=generic"]
    text = isinstance(program, str)
    compiled = (compiler.compile_str if text else compiler.compile_file)(program if text else str(program), **how)
    context = runtime.SystemContext(config=runtime.Config("local-sync"))
    context.add_vm_module(runtime.VmModule.copy_buffer(context.instance, compiled))
    main = getattr(context.modules, function)["main"]

    def call(arguments: Sequence[np.ndarray]) -> list[np.ndarray]:
        results = main(*arguments)
        return [np.asarray(one.to_host()) for one in (results if isinstance(results, tuple | list) else [results])]

    return call


def by_onnx_runtime(program: bytes) -> Callable[[Sequence[np.ndarray]], list[np.ndarray]]:
    """ONNX run by ONNX Runtime, which is given arguments by the names that the manifest has."""
    from onnxruntime import InferenceSession

    session = InferenceSession(program, providers=["CPUExecutionProvider"])
    names = [one.name for one in session.get_inputs()]
    return lambda arguments: list(session.run(None, dict(zip(names, arguments, strict=True))))


def exported(form: Form, config: Config, phase: Phase, dtype: str, folder: Path) -> HandedOver:
    cell = Cell(case("block", config, phase, n=16), dtype, WRITERS[form], "plain", Target("cpu"))
    return handed_over(cell, form, folder)


@pytest.mark.parametrize("dtype", BOTH)
@pytest.mark.parametrize("phase", Phase)
@pytest.mark.parametrize("config", [GPT2, SMALL_LLAMA], ids=lambda config: config.name)
def test_iree_agrees(config: Config, phase: Phase, dtype: str, tmp_path: Path) -> None:
    found = exported(Form.STABLEHLO, config, phase, dtype, tmp_path)
    assert found.faults(by_iree(found.path("mlirbc"))([*found.arguments.values()])) == []


def test_iree_agrees_from_the_text_too(tmp_path: Path) -> None:
    """With an error function, which is a composite there."""
    found = exported(Form.STABLEHLO, TINY_NEOX, Phase.PREFILL, "float32", tmp_path)
    assert found.faults(by_iree(found.path("mlir"))([*found.arguments.values()])) == []


def test_weights_in_each_others_place_and_another_operation_are_rejected(tmp_path: Path) -> None:
    found = exported(Form.STABLEHLO, SMALL_LLAMA, Phase.PREFILL, "float32", tmp_path)
    swapped = found.arguments | {"k_weight": found.arguments["v_weight"], "v_weight": found.arguments["k_weight"]}
    run = by_iree(found.path("mlirbc"))
    assert found.faults(run([*found.arguments.values()])) == []
    assert found.faults(run([*swapped.values()]))
    text, changed = re.subn(r"stablehlo\.subtract", "stablehlo.add", found.path("mlir").read_text(), count=1)
    assert changed
    assert found.faults(by_iree(text)([*found.arguments.values()]))


@pytest.mark.parametrize(
    ("config", "phase", "dtype"),
    [
        (GPT2, Phase.DECODE, "float32"),
        *((SMALL_LLAMA, phase, "float32") for phase in Phase),
        (SMALL_LLAMA, Phase.PREFILL, "float16"),
        *((config, Phase.PREFILL, "float32") for config in (TINY_NEOX, TINY_MIXTRAL)),
    ],
    ids=lambda of: getattr(of, "name", str(of)),
)
def test_onnx_runtime_agrees(config: Config, phase: Phase, dtype: str, tmp_path: Path) -> None:
    found = exported(Form.ONNX, config, phase, dtype, tmp_path)
    program = found.path("onnx").read_bytes()
    assert found.faults(by_onnx_runtime(program)([*found.arguments.values()])) == []


def test_onnx_names_arguments_as_the_manifest_and_is_a_sound_model(tmp_path: Path) -> None:
    import onnx

    found = exported(Form.ONNX, TINY_GPT2, Phase.DECODE, "float32", tmp_path)
    model = onnx.load(str(found.path("onnx")))
    onnx.checker.check_model(model, full_check=True)
    assert [one.name for one in model.graph.input] == [*found.arguments]
    named = [one.name.removesuffix("_out") for one in model.graph.output]
    assert named == [one["name"] for one in found.told["results"]]


def test_onnx_of_another_operation_is_rejected(tmp_path: Path) -> None:
    import onnx

    found = exported(Form.ONNX, SMALL_LLAMA, Phase.DECODE, "float32", tmp_path)
    model = onnx.load(str(found.path("onnx")))
    node = next(node for node in model.graph.node if node.op_type == "Sub")
    node.op_type = "Add"
    assert found.faults(by_onnx_runtime(model.SerializeToString())([*found.arguments.values()]))
