"""Programs for other compilers: what is handed over is right, whole, says how to call it, and nothing else is."""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from oneblock import workloads
from oneblock.backends.api.backend import Unavailable, Unsupported
from oneblock.backends.api.target import Target
from oneblock.bench.cells.cell import Cell
from oneblock.bench.commands.export import COMMAND as EXPORT
from oneblock.bench.records.record import Status
from oneblock.compilers import Detail
from oneblock.compilers.api.export import Form
from oneblock.workloads._workload import Phase
from oneblock.workloads.answers.arrays import make_inputs, make_weights, sha256_of
from oneblock.workloads.models import Config
from tests.conftest import load
from tests.helpers.cases import TINY, TINY_GPT2, TINY_MIXTRAL, case
from tests.helpers.exporting import WRITERS, do, handed_over
from tests.helpers.handed_over import HandedOver
from tests.helpers.oneblock_process import install, oneblock
from tests.helpers.stage_records import run


def cell(form: Form, config: Config = TINY, phase: Phase = Phase.DECODE, dtype: str = "float32") -> Cell:
    return Cell(case("block", config, phase, n=12), dtype, WRITERS[form], "plain", Target("cpu"))


EXPORTED = [
    (Form.STABLEHLO, TINY, Phase.DECODE, "bfloat16"),
    (Form.STABLEHLO, TINY_MIXTRAL, Phase.PREFILL, "float32"),
    (Form.TORCH, TINY_GPT2, Phase.DECODE, "bfloat16"),
    (Form.ONNX, TINY, Phase.DECODE, "float32"),
]


@pytest.fixture(scope="module", params=EXPORTED, ids=lambda of: f"{of[0]}-{of[1].name}-{of[2]}-{of[3]}")
def handed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Cell, HandedOver]:
    form, config, phase, dtype = request.param
    if form is Form.ONNX:
        pytest.importorskip("onnxscript", reason="onnxscript is not installed; `nox -s interchange` installs it")
        pytest.importorskip("onnxruntime", reason="onnxruntime is not installed; `nox -s interchange` installs it")
    of = cell(form, config, phase, dtype)
    return of, handed_over(of, form, tmp_path_factory.mktemp("export"))


def test_what_lies_beside_a_program_is_what_it_was_checked_with(handed: tuple[Cell, HandedOver]) -> None:
    of, found = handed
    workload = workloads.load("block")
    arrays = make_weights(workload, of.case, of.dtype, 0) | make_inputs(workload, of.case, of.dtype, 1)
    assert [*found.arguments] == sorted(arrays)
    assert sha256_of(found.arguments) == sha256_of(arrays), "to the bit, bfloat16 as well"
    told = {one["name"]: (one["dtype"], one["shape"], one["is_input"]) for one in found.told["arguments"]}
    specs = workload.specs(of.case)
    assert told == {name: (of.dtype, [*spec.shape], spec.is_input) for name, spec in specs.items()}
    assert {one["name"]: (*one["shape"],) for one in found.told["results"]} == workload.outputs(of.case)
    for file in found.told["files"].values():
        assert hashlib.sha256((found.folder / file["name"]).read_bytes()).hexdigest() == file["sha256"]


def test_the_files_say_nothing_of_where_they_were_made(handed: tuple[Cell, HandedOver]) -> None:
    _, found = handed
    for file in found.told["files"].values():
        raw = (found.folder / file["name"]).read_bytes()
        for place in (Path(__file__).parents[3], sys.prefix, found.folder):
            assert str(place).encode() not in raw, file["name"]


def test_a_reader_judges_by_the_manifest_alone(handed: tuple[Cell, HandedOver]) -> None:
    """The exact answer rounded is right, and what is another answer is not; by a reader who has none of our code."""
    _, found = handed
    rounded = [exact.astype(found.arguments["x"].dtype) for exact in found.answers]
    assert found.faults(rounded) == []
    stale = [exact[..., ::-1].astype(found.arguments["x"].dtype) for exact in found.answers]
    assert {fault.partition(":")[0] for fault in found.faults(stale)} == {one["name"] for one in found.told["results"]}
    assert found.faults([np.full_like(y, np.nan) for y in rounded])


def operations(text: str) -> list[str]:
    return re.findall(r"= \"?(\w+\.\w+)", text)


def test_stablehlo_is_the_text_that_is_run(tmp_path: Path) -> None:
    """Without the shardings and the mesh of a run, which other compilers do not take."""
    of, backend = cell(Form.STABLEHLO, phase=Phase.PREFILL), load("jax_xla")
    workload = workloads.load("block")
    arrays = of.weight_arrays(workload) | of.input_arrays(workload)
    compiled = backend.compile(workload, of.case, arrays, "plain", Target("cpu"))
    (ran,) = (one.text for one in compiled.capture(Detail.BRIEF).artifacts if one.dialect == "stablehlo")
    assert do(of, Form.STABLEHLO, tmp_path).status is Status.PASSED
    written = (tmp_path / "it.mlir").read_text()
    assert "sdy" not in written + (tmp_path / "it.mlirbc").read_bytes().decode(errors="ignore")
    of_both = [Counter(operations(text)) for text in (written, ran)]
    for counts in of_both:  # of equal ones the artifact has one
        del counts["stablehlo.constant"], counts["stablehlo.broadcast_in_dim"]
    assert of_both[0] == of_both[1]
    assert of_both[0]["stablehlo.dot_general"] == 9


def test_every_operation_is_stablehlos_own() -> None:
    """The error function of GPT-NeoX's is none: it is a composite of such as are."""
    load("jax_xla")
    from oneblock.backends._jax.ops import JaxOps
    from oneblock.compilers.xla import portable

    made = portable.export(lambda a: {"y": JaxOps().gelu_erf(a["x"])}, {"x": ((3,), np.dtype(np.float32))})
    found = set(operations(made.files["mlir"].decode()))
    assert {name.partition(".")[0] for name in found} == {"stablehlo"}
    assert "stablehlo.composite" in made.opcodes


@pytest.mark.parametrize("form", [Form.STABLEHLO, Form.TORCH])
def test_a_wrong_program_is_found_wrong(form: Form, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ops = __import__(f"oneblock.backends._{WRITERS[form].partition('_')[0]}.ops", fromlist=["ops"])
    of = ops.JaxOps if form is Form.STABLEHLO else ops.TorchOps
    load(WRITERS[form])
    monkeypatch.setattr(of, "rope", lambda self, x, cos, sin: x)
    outcome = do(cell(form), form, tmp_path)
    assert outcome.status is Status.FAILED
    assert outcome.reason is not None
    assert re.match(r"input 0: (y|k_cache): rms error", outcome.reason)


def test_jaxs_own_file_and_the_artifact_are_one_program(tmp_path: Path) -> None:
    load("jax_xla")
    from oneblock.compilers.xla import portable

    shapes = {"x": ((3,), np.dtype(np.float32))}
    first, second = (portable.export(lambda a, n=n: {"y": a["x"] + n}, shapes) for n in (1.0, 2.0))
    (y,) = portable.on_cpu(first.files)([np.zeros(3, np.float32)])
    assert y.tolist() == [1.0, 1.0, 1.0]
    with pytest.raises(portable.NotPortable, match="the artifact is not that of JAX's own file"):
        portable.on_cpu(first.files | {"mlirbc": second.files["mlirbc"]})


def test_what_xla_alone_has_is_not_handed_over() -> None:
    load("jax_xla")
    import jax.numpy as jnp

    from oneblock.compilers.xla import portable

    with pytest.raises(portable.NotPortable, match=r"the program calls lapack_spotrf\w*, which other compilers"):
        portable.export(lambda a: {"y": jnp.linalg.cholesky(a["x"])}, {"x": ((3, 3), np.dtype(np.float32))})


def test_arrays_that_lie_otherwise_in_memory_are_written_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As those of a checkpoint do, whose projections are transposed."""
    drawn = Cell.weight_arrays

    def otherwise(self: Cell, workload: Any) -> dict[str, np.ndarray]:
        return {name: np.asfortranarray(array) for name, array in drawn(self, workload).items()}

    of = cell(Form.TORCH, phase=Phase.PREFILL)
    expected = of.weight_arrays(workloads.load("block"))
    monkeypatch.setattr(Cell, "weight_arrays", otherwise)
    assert do(of, Form.TORCH, tmp_path).status is Status.PASSED
    written = load_file(tmp_path / "it.arguments.safetensors")
    assert all(np.array_equal(written[name], array) for name, array in expected.items())


def test_onnx_refuses_by_name_what_cannot_be_checked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    load("torch_eager")
    from oneblock.backends._torch import handed as ways

    monkeypatch.setattr(ways, "find_spec", lambda name: None if name == "onnxscript" else object())
    with pytest.raises(Unavailable, match="onnxscript is not installed") as error:
        do(cell(Form.ONNX), Form.ONNX, tmp_path)
    assert error.value.hint == "pip install 'oneblock[onnx]'"
    monkeypatch.setattr(ways, "find_spec", lambda name: object())
    with pytest.raises(Unsupported, match="no product in bfloat16 on a CPU; expected float32 or float16"):
        do(cell(Form.ONNX, dtype="bfloat16"), Form.ONNX, tmp_path)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("--form onnx --target neuron:trn2", "--form onnx is for no target of ours: leave out --target"),
        ("--form torch --for neuron_torch", "--form torch is for no target of ours: leave out --for"),
        ("--form onnx --backend jax_xla", "backend jax_xla: expected one that writes --form onnx: torch_eager"),
        ("--form stablehlo --tvm-trn", "--tvm-trn writes one page of its own"),
        ("--form tensorrt", "'tensorrt' is not one of 'neuron', 'stablehlo', 'torch', 'onnx'"),
        ("--form torch -o /proc/no", "/proc/no: cannot be written"),
    ],
)
def test_a_mistake_is_one_sentence(words: str, says: str) -> None:
    code, said = run(EXPORT, "block", "--preset", "tiny", *words.split())
    assert (code, says in said) == (2, True), said


def test_the_command_hands_over_a_program_of_a_models_own_configuration(tmp_path: Path) -> None:
    load("jax_xla")
    llama = {"model_type": "llama", "hidden_size": 32, "num_attention_heads": 4, "num_key_value_heads": 2}
    llama |= {"intermediate_size": 48, "num_hidden_layers": 2, "rms_norm_eps": 1e-6, "rope_theta": 1e4}
    (tmp_path / "config.json").write_text(json.dumps(llama))
    words = ("--model", "config.json", "--layer", "1", "--phase", "prefill", "-T", "8", "--form", "stablehlo")
    done = oneblock(install(tmp_path), "export", "block", *words, "-o", "out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "checked with 2 inputs: right" in done.stdout
    (path,) = (tmp_path / "out").glob("*.stablehlo.json")
    stem = path.name.removesuffix(".stablehlo.json")
    endings = ("answers.safetensors", "arguments.safetensors", "jax", "mlir", "mlirbc", "stablehlo.json")
    assert sorted(one.name for one in (tmp_path / "out").iterdir()) == [f"{stem}.{ending}" for ending in endings]
    found = HandedOver(path)
    assert found.arguments["gate_weight"].shape == (32, 48)
    assert found.told["format"].startswith("StableHLO 1.")
