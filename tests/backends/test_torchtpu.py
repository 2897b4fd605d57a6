"""TorchTPU: what it lowers to, run on the CPU, and of which step each operation says it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from oneblock import workloads
from oneblock.backends import torchtpu as declared
from oneblock.backends.api.backend import Backend, Unavailable
from oneblock.backends.api.target import Target
from oneblock.compilers import Detail
from oneblock.workloads._workload import Arrays, Case, Phase
from oneblock.workloads.answers.arrays import make_inputs, make_weights
from oneblock.workloads.answers.reference import make_reference
from tests.conftest import load
from tests.helpers.cases import TINY, TINY_GPT2, TINY_MIXTRAL, case

V5E = Target.parse("tpu:v5e")


@pytest.fixture
def torchtpu() -> Backend:
    return load("torchtpu", "tpu:v5e")


def on_cpu(torchtpu: Backend, c: Case, ops_set: str, arrays: Arrays) -> dict[str, np.ndarray]:
    """What the StableHLO of a program gives, compiled by XLA for the CPU."""
    import jax

    from oneblock.compilers.xla import lowering as xla

    workload = workloads.load(c.workload)
    stages = torchtpu.compile(workload, c, arrays, ops_set, V5E).capture(Detail.BRIEF).artifacts
    (text,) = (one.text for one in stages if one.dialect == "stablehlo")
    cpu = jax.devices("cpu")[0]
    results = xla.compile_stablehlo(text, cpu).execute_sharded([jax.device_put(a, cpu) for a in arrays.values()])
    found = [np.asarray(shards[0]) for shards in results.disassemble_into_single_device_arrays()]
    return dict(zip(workload.outputs(c), found, strict=True))


@pytest.mark.parametrize("phase", Phase)
@pytest.mark.parametrize(
    ("config", "dtype"), [(TINY, "float32"), (TINY, "bfloat16"), (TINY_GPT2, "float16"), (TINY_MIXTRAL, "float32")]
)
def test_what_it_lowers_to_gives_the_right_answer(torchtpu: Backend, config: Any, dtype: str, phase: Phase) -> None:
    workload, c = workloads.load("block"), case(config=config, phase=phase)
    weights = make_weights(workload, c, dtype, 0)
    old, new = (make_inputs(workload, c, dtype, seed) for seed in (1, 2))
    expected = make_reference(workload, c, dtype, weights, 1, 2)
    for ops_set in ("plain", "native"):
        answer = on_cpu(torchtpu, c, ops_set, {**weights, **old})
        assert expected.check(answer, 0).passed, ops_set
        assert not expected.check(answer, 1).passed, "of other inputs it is the wrong answer"
        answer = on_cpu(torchtpu, c, ops_set, {**weights, **new})
        assert expected.check(answer, 1).passed, ops_set


def located(program: Any, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, str]:
    """The name that the HLO of a program has for each instruction that has one, by opcode; of several the last."""
    import torch

    from oneblock.compilers.hlo import parser
    from oneblock.compilers.xla import placeholder

    _, hlo = placeholder.record(program, {name: (shape, torch.float32) for name, shape in shapes.items()}, "program")
    return {one.opcode: one.op_name for one in parser.parse(hlo.text).entry.instructions if one.op_name}


def test_an_operation_is_of_the_steps_around_it_and_of_no_other(torchtpu: Backend) -> None:
    torchtpu.probe(V5E)
    from oneblock.compilers.xla.placeholder import scope

    def program(a: Mapping[str, Any]) -> dict[str, Any]:
        with scope("mlp"):
            x = a["x"] @ a["w"]
            with scope("inner"):
                x = x.exp()
            x = x.tanh()
        return {"y": x.abs()}

    found = located(program, {"x": (8, 8), "w": (8, 8)})
    assert found["dot"].startswith("mlp/mm")
    assert found["exponential"].startswith("mlp/inner/exp")
    assert found["tanh"].startswith("mlp/tanh")
    assert found["abs"].startswith("abs"), "no step is guessed"


def test_a_step_reaches_through_functions_of_pytorchs_own(torchtpu: Backend) -> None:
    torchtpu.probe(V5E)
    import torch.nn.functional as F

    from oneblock.compilers.xla.placeholder import scope

    def program(a: Mapping[str, Any]) -> dict[str, Any]:
        with scope("norm1"):
            return {"y": F.rms_norm(a["x"], (8,), a["w"], 1e-5)}

    found = located(program, {"x": (8, 8), "w": (8,)})
    assert found["rsqrt"].startswith("norm1/")
    assert all(name.startswith("norm1/") for name in found.values())


def test_of_its_own_kernel_nobody_states_the_flops(torchtpu: Backend) -> None:
    workload, c = workloads.load("block"), case(n=64)
    arrays = {name: np.zeros(spec.shape, np.float32) for name, spec in workload.specs(c).items()}
    facts = torchtpu.compile(workload, c, arrays, "kernels", V5E).capture(Detail.BRIEF).facts
    assert facts is not None
    assert facts.custom_calls == {"tpu_custom_call": 1}
    assert facts.flops is None, "a sum without the kernel would be too small"
    assert [one.step for one in facts.steps if one.flops is None] == ["attention"]
    assert any("declare no FLOPs" in caveat for caveat in facts.caveats)


def test_a_python_for_which_pip_finds_no_set_is_told_another_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(declared, "find_spec", lambda name: None)
    monkeypatch.setattr(declared, "_FIRST", (99,))
    with pytest.raises(Unavailable, match="not installed") as missing:
        declared.TorchTpu().probe(V5E)
    assert "nox -s torchtpu" in missing.value.hint


def test_another_release_is_refused_since_what_is_called_is_private(
    torchtpu: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    from oneblock.backends._torch import placeholders

    torchtpu.probe(V5E)
    monkeypatch.setattr(placeholders, "version", lambda name: "0.3.0")
    with pytest.raises(Unavailable, match=r"0\.3\.0.*private to 0\.2\.0") as refused:
        torchtpu.probe(V5E)
    assert "torch-tpu==0.2.0" in refused.value.hint
