"""The contract of each backend, and what else a toolchain runs: skipping is forbidden."""

from __future__ import annotations

from pathlib import Path

import nox

from ci.sessions.contract import COMPILED_FOR, CONTRACT, FEW, FEWER, FEWEST, test_files
from ci.sessions.installing import BACKENDS, EXTRAS, group, install, locked, needs


@nox.session(default=False)
@nox.parametrize("backend", BACKENDS, ids=BACKENDS)
def backend(session: nox.Session, backend: str) -> None:
    """Run the contract on one backend, which must be here, and what is asked of it alone."""
    authority = group("authority") if backend == "torch_eager" else ()
    if backend == "torchxla":
        session.error("torchxla is tied to another PyTorch: `nox -s torchxla`")
    if backend == "neuron_torch":
        session.error("what it needs is not on PyPI: `nox -s neuron`")
    install(session, *needs(backend), *group("test"), *authority)
    own = Path("tests", "backends", f"test_{backend}.py")
    files = [*(test_files("authority") if authority else []), *([str(own)] if own.exists() else [])]
    if backend == "xla_tpu":
        files += test_files("shown")  # what pages show of it, which takes minutes
    if backend == "torch_inductor":
        files += test_files("bisect_inductor")
    if backend == "torch_eager":
        files += test_files("neuron_torch")  # against a made-up toolchain, which computes with PyTorch
    env = {"ONEBLOCK_REQUIRE": backend, "ONEBLOCK_TARGET": COMPILED_FOR.get(backend, "cpu")}
    session.run("pytest", CONTRACT, "-k", backend, *session.posargs, env=env)
    if files:
        session.run("pytest", *files, *session.posargs, env=env)


@nox.session(default=False)
def torch(session: nox.Session) -> None:
    """Run all that PyTorch alone runs, eager and Inductor, in one environment, skipping forbidden."""
    names = ("torch_eager", "torch_inductor")
    install(session, *needs(*names), *group("test"), *group("authority"))
    env = {"ONEBLOCK_REQUIRE": ",".join(names)}
    session.run("pytest", CONTRACT, "-k", f"torch_eager or torch_inductor and {FEWEST}", *session.posargs, env=env)
    files = test_files("authority", "neuron_torch", "bisect_inductor")
    session.run("pytest", *files, *session.posargs, env=env)


@nox.session(default=False)
def xla(session: nox.Session) -> None:
    """Run all that reaches the TPU's compiler in one environment, without a TPU, skipping forbidden."""
    names = ("xla_tpu", "pallas_tpu", "torch_tpu", "jax_xla")
    install(session, *needs(*names), *group("test"))
    env = {"ONEBLOCK_REQUIRE": ",".join(names)}
    contract = (CONTRACT, "-nauto", "-k")
    # All compile for the CPU with one XLA. Pallas has no float16, and so of the few not each case.
    few = f"jax_xla and {FEWER} or torch_tpu and {FEWER} or pallas_tpu and (block and float32 or {FEWER})"
    session.run("pytest", *contract, few, *session.posargs, env=env)
    session.run("pytest", *contract, "xla_tpu", *session.posargs, env=env | {"ONEBLOCK_TARGET": "tpu:v5e"})
    names = ("xla_tpu", "pallas", "tune_kernels", "torch_ways", "neuron_hlo", "lines_xla", "bisect_xla")
    files = test_files(*names)
    session.run("pytest", "-nauto", *files, "-k", "not torchxla", *session.posargs, env=env)


@nox.session(default=False)
def triton(session: nox.Session) -> None:
    """Run all that reaches Triton, its interpreter and its compilers, without a GPU, skipping forbidden."""
    names = ("triton_kernels", "inductor_gpu")
    install(session, *needs(*names), *group("test"))
    env = {"ONEBLOCK_REQUIRE": ",".join(names)}
    contract = (CONTRACT, "-nauto", "-k")
    one = "(attention-tiny-prefill-bfloat16 or not right_answer)"  # Inductor takes ten seconds for a whole block
    few = f"triton_kernels and {FEW} and not block-gpt2"  # whose width the interpreter takes 15 seconds for
    session.run("pytest", *contract, f"{few} or inductor_gpu and {one}", *session.posargs, env=env)
    compiled = env | {"ONEBLOCK_TARGET": "cuda:sm_90"}
    session.run("pytest", *contract, " or ".join(names), *session.posargs, env=compiled)
    names = ("triton_interpreter", "triton_kernels", "triton_gpu", "inductor_gpu", "cuda_clock", "tune_kernels")
    names += ("lines_triton", "lines_torch", "bisect_triton")
    session.run("pytest", "-nauto", *test_files(*names), *session.posargs, env=env)


@nox.session(default=False)
def tvm(session: nox.Session) -> None:
    """Run the contract on TVM, on the CPU and for a GPU, and its tests, skipping forbidden."""
    install(session, *needs("tvm_relax"), "triton", *group("test"))  # whose wheel has what TVM links AMD's code with
    env = {"ONEBLOCK_REQUIRE": "tvm_relax"}
    contract = (CONTRACT, "-nauto", "-k", f"tvm_relax and {FEWER} and not block-gpt2")
    session.run("pytest", *contract, *session.posargs, env=env)
    session.run("pytest", *contract, *session.posargs, env=env | {"ONEBLOCK_TARGET": "cuda:sm_90"})
    files = test_files("tvm", "tvm_trn", "lines_tvm", "bisect_tvm")
    session.run("pytest", "-nauto", *files, *session.posargs, env=env)


@nox.session(default=False)
def torchxla(session: nox.Session) -> None:
    """Run the contract on PyTorch/XLA 2.9, frozen upstream; light, without NVIDIA's libraries, unless `-- full`.

    A few of its answers, unless `-- all`.
    """
    wheels = [requirement for requirement in EXTRAS["torchxla"] if requirement.startswith("torch")]
    install(session, *needs("xla_tpu"), *group("test"))
    if "full" in session.posargs:
        locked(session, *wheels)
    else:
        locked(session, "--no-deps", *wheels)
        session.run("python", "ci/light_torchxla.py")
    words = [word for word in session.posargs if word not in ("full", "all")]
    files = (CONTRACT, "tests/backends/test_torch_ways.py")
    which = "torchxla" if "all" in session.posargs else f"torchxla and {FEW}"
    session.run("pytest", "-nauto", *files, "-k", which, *words, env={"ONEBLOCK_REQUIRE": "torchxla"})
