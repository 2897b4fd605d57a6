"""TVM's `trn` target, for reading: the source that it emits is of a dialect that no Neuron compiler takes any more."""

from __future__ import annotations

import tvm
from tvm.script import tirx

from oneblock.compilers.api.export import TrnSource

_TARGET = "aws/trn1/trn1.2xlarge"
_K, _M, _N, _P = (
    256,
    128,
    512,
    128,
)  # c (M, N) = a (K, M) transposed, times b (K, N); P partitions, of which K takes two

# Loops under an `attr` are one instruction of the NeuronCore. float16, because at 0.27.0 bfloat16 ends the process.
_MATMUL = """\
@T.prim_func
def matmul(a: T.Buffer(({K}, {M}), "float16"), b: T.Buffer(({K}, {N}), "float16"), c: T.Buffer(({M}, {N}), "float32")):
    T.func_attr({{"num_inputs": 2}})
    T.device_entry()
    a_sbuf = T.alloc_buffer(({P}, {tiles}, {M}), "float16", scope="trn.sbuf")
    b_sbuf = T.alloc_buffer(({P}, {tiles}, {N}), "float16", scope="trn.sbuf")
    c_psum = T.alloc_buffer({psum}, "float32", scope="trn.psum"{layout})
    c_sbuf = T.alloc_buffer(({M}, {N}), "float32", scope="trn.sbuf")
    with T.attr(0, "tensorized_nki_instruction", 1):
        for m in range({M}):
            for n in range({N}):
                T.nki.memset(c_psum[{bank}m, n], T.float32(0.0))
    for k in range({tiles}):
        with T.attr(0, "tensorized_nki_instruction", 1):
            for p in range({P}):
                for m in range({M}):
                    T.nki.load(a_sbuf[p, k, m], a[k * {P} + p, m])
        with T.attr(0, "tensorized_nki_instruction", 1):
            for p in range({P}):
                for n in range({N}):
                    T.nki.load(b_sbuf[p, k, n], b[k * {P} + p, n])
        with T.attr(0, "tensorized_nki_instruction", 1):
            for m in range({M}):
                for n in range({N}):
                    for p in range({P}):
                        T.nki.matmul(c_psum[{bank}m, n], a_sbuf[p, k, m], b_sbuf[p, k, n])
    with T.attr(0, "tensorized_nki_instruction", 1):
        for m in range({M}):
            for n in range({N}):
                T.nki.tensor_copy(c_sbuf[m, n], c_psum[{bank}m, n])
    with T.attr(0, "tensorized_nki_instruction", 1):
        for m in range({M}):
            for n in range({N}):
                T.nki.store(c[m, n], c_sbuf[m, n])
"""

_PLAIN_LOOP = f"""\
@T.prim_func
def double(a: T.Buffer(({_M}, {_N}), "float32"), b: T.Buffer(({_M}, {_N}), "float32")):
    T.func_attr({{"num_inputs": 1}})
    T.device_entry()
    for m in range({_M}):
        for n in range({_N}):
            b[m, n] = a[m, n] * T.float32(2.0)
"""


def source() -> TrnSource:
    """What the target emits, and what it refuses."""
    return TrnSource(
        tvm=str(tvm.__version__),
        program=matmul(),
        source=emitted(matmul()),
        laid_out=emitted(matmul(laid_out=True)),
        refused=refusal(),
    )


def matmul(*, laid_out: bool = False) -> str:
    """One matrix product in TIRx; its accumulator as a bank of PSUM by hand, or of two axes with a layout of TVM's."""
    psum = {"psum": f"({_M}, {_N})", "layout": ', layout="PF"', "bank": ""} if laid_out else {
        "psum": f"(1, {_M}, {_N})", "layout": "", "bank": "0, ",
    }  # fmt: skip
    return _MATMUL.format(K=_K, M=_M, N=_N, P=_P, tiles=_K // _P, **psum)


def emitted(program: str) -> str:
    """The source that the target emits for a function in TIRx."""
    function = tvm.script.from_source(program, {"T": tirx})
    with tvm.target.Target(_TARGET):
        built = tvm.compile(tvm.IRModule({"main": function}), tir_pipeline="trn")
    return str(built.mod.imports[0].inspect_source())


def refusal() -> str:
    """What the target says of a plain loop over elements; empty if it takes one after all."""
    try:
        emitted(_PLAIN_LOOP)
    except tvm.error.InternalError as error:
        return str(error).strip().splitlines()[-1]
    return ""
