"""Every operation that a backend lets others replace is replaced, by a kernel that is called as the backend says."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from oneblock import backends, workloads
from oneblock.backends.api.backend import Unsupported
from oneblock.backends.api.own_kernels import OwnKernel, OwnKernelError, OwnKernels, TakesKernels
from oneblock.backends.api.target import Target
from oneblock.workloads._workload import Case, Phase
from oneblock.workloads.answers.arrays import make_inputs, make_weights
from oneblock.workloads.answers.reference import make_reference
from tests.helpers.cases import TINY, TINY_GEMMA, TINY_GPT2, TINY_MIXTRAL, TINY_NEOX, case
from tests.helpers.triton_here import load

CASES = {
    "linear": [case(n=9), case(config=TINY_GPT2, n=9)],
    "rms_norm": [case(n=9)],
    "layer_norm": [case(config=TINY_GPT2, n=9)],
    "rope": [case(n=9)],
    "attention": [case(n=9), case(phase=Phase.DECODE, n=9)],
    "swiglu": [case(n=9)],
    "geglu": [case(config=TINY_GEMMA, n=9)],
    "gelu": [case(config=TINY_GPT2, n=9)],
    "gelu_erf": [case(config=TINY_NEOX, n=9)],
    "route": [case(config=TINY_MIXTRAL, n=9)],
}
FILES = {
    "neuron_nki": """
from oneblock.backends.kernels.nki.activations import geglu, gelu, gelu_erf, swiglu
from oneblock.backends.kernels.nki.decode_attention import decode_attention
from oneblock.backends.kernels.nki.flash_attention import flash_attention
from oneblock.backends.kernels.nki.layer_norm import layer_norm
from oneblock.backends.kernels.nki.linear import linear, linear_bias
from oneblock.backends.kernels.nki.rms_norm import rms_norm
from oneblock.backends.kernels.nki.rope import rope
from oneblock.backends.kernels.nki.route import route
linear, attention = linear_bias if BIAS else linear, decode_attention if DECODE else flash_attention
""",
    "triton_kernels": """
from oneblock.backends.kernels.triton.decode_attention import decode_attention
from oneblock.backends.kernels.triton.flash_attention import flash_attention
from oneblock.backends.kernels.triton.geglu import geglu
from oneblock.backends.kernels.triton.gelu import gelu
from oneblock.backends.kernels.triton.gelu_erf import gelu_erf
from oneblock.backends.kernels.triton.layer_norm import layer_norm
from oneblock.backends.kernels.triton.linear import linear
from oneblock.backends.kernels.triton.rms_norm import rms_norm
from oneblock.backends.kernels.triton.rope import rope
from oneblock.backends.kernels.triton.route import route
from oneblock.backends.kernels.triton.swiglu import swiglu
attention = decode_attention if DECODE else flash_attention
""",
    "pallas_tpu": """
from oneblock.backends._jax.ops import JaxNativeOps
from oneblock.backends.kernels.pallas.flash_attention import flash_attention
from oneblock.backends.kernels.pallas.paged_attention import cached_attention
from oneblock.backends.kernels.pallas.route import route
OPS, attention = JaxNativeOps("cpu"), cached_attention if DECODE else flash_attention
def linear(x, weight, bias=None, *, interpret): return OPS.linear(x, weight, bias)
def rms_norm(x, weight, eps, *, interpret): return OPS.rms_norm(x, weight, eps)
def swiglu(gate, up, *, interpret): return OPS.swiglu(gate, up)
def geglu(gate, up, *, interpret): return OPS.geglu(gate, up)
def gelu(x, *, interpret): return OPS.gelu(x)
def gelu_erf(x, *, interpret): return OPS.gelu_erf(x)
""",
}
REPLACED = [
    pytest.param(name, operation, c, id=f"{name}-{operation}-{c.config.name}-{c.phase}")
    for name in backends.having(TakesKernels)
    for operation in backends.ours(name).ops_sets["kernels"]
    for c in CASES[operation]
]


def own(folder: Path, name: str, operation: str, text: str) -> OwnKernels:
    backend = backends.load(name)
    assert isinstance(backend, TakesKernels)
    path = folder / "my.py"
    path.write_text(text)
    given = OwnKernel(operation, str(path), operation, hashlib.sha256(path.read_bytes()).hexdigest())
    return OwnKernels(backend.signatures, (given,))


@pytest.mark.parametrize(("name", "operation", "c"), REPLACED)
def test_each_operation_is_replaced_as_is_said(name: str, operation: str, c: Case, tmp_path: Path) -> None:
    backend = load(name)
    assert isinstance(backend, TakesKernels)
    text = f"BIAS, DECODE = {c.config.mlp_bias}, {c.phase is Phase.DECODE}\n{FILES[name]}"
    kernels, workload = own(tmp_path, name, operation, text), workloads.load(c.workload)
    weights, inputs = make_weights(workload, c, "float32", 0), make_inputs(workload, c, "float32", 1)
    target = Target.parse("neuron:trn2" if name == "neuron_nki" else "cpu")
    try:
        executable = backend.compile_with(kernels, workload, c, {**weights, **inputs}, target).executable
    except Unsupported as error:
        pytest.skip(f"{name} has no such block with its own kernels: {error}")
    assert executable is not None
    out = executable.get(executable.call(executable.put({**weights, **inputs})))
    assert kernels.called == {operation}
    kernels.check_called()
    verdict = make_reference(workload, c, "float32", weights, 1, 2).check(out)
    assert verdict.passed, verdict.why


@pytest.mark.parametrize("name", backends.having(TakesKernels))
def test_one_that_is_not_called_is_told(name: str, tmp_path: Path) -> None:
    kernels = own(tmp_path, name, "rms_norm", "def rms_norm(): ...")
    with pytest.raises(OwnKernelError, match=r"rms_norm=.*my.py:rms_norm was never called"):
        kernels.check_called()


def test_what_is_tried_is_all_that_may_be_replaced() -> None:
    assert {*CASES} == {
        one for name in backends.having(TakesKernels) for one in backends.ours(name).ops_sets["kernels"]
    }
    assert {*FILES} == {*backends.having(TakesKernels)}
    assert TINY.norm == "rms_norm"
