"""The contract of each backend, and what else a toolchain runs: skipping is forbidden."""

from __future__ import annotations

from pathlib import Path

import nox
from nox.command import CommandFailed

from ci.sessions.contract import CONTRACT, FEW, QUICK, test_files
from ci.sessions.installing import BACKENDS, EXTRAS, group, install, locked, needs


@nox.session(default=False)
@nox.parametrize("backend", BACKENDS, ids=BACKENDS)
def backend(session: nox.Session, backend: str) -> None:
    """Run the contract on one backend, which must be here, and what is asked of it alone."""
    authority = group("authority") if backend == "torch_eager" else ()
    if backend == "torchxla":
        session.error("torchxla is tied to another PyTorch: `nox -s torchxla`")
    if backend == "torchtpu":
        session.error("torchtpu is installed beside another libtpu than it asks for: `nox -s torchtpu`")
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
    env = {"ONEBLOCK_REQUIRE": backend}
    session.run("pytest", CONTRACT, "-k", backend, *session.posargs, env=env)
    if files:
        session.run("pytest", *files, *session.posargs, env=env)


@nox.session(default=False)
def triton(session: nox.Session) -> None:
    """Run all that compiles for GPUs without one, by Triton and its interpreter, or by TVM, skipping forbidden."""
    names = ("triton_kernels", "inductor_gpu")
    install(session, *needs(*names, "tvm_relax"), *group("test"))
    env = {"ONEBLOCK_REQUIRE": ",".join(names)}
    contract = ("pytest", "-nauto", CONTRACT, *FEW, *session.posargs, "-k")
    session.run(*contract, " or ".join(names), env=env)
    gpu = {"ONEBLOCK_REQUIRE": ",".join((*names, "tvm_relax")), "ONEBLOCK_TARGET": "cuda:sm_90"}
    session.run(*contract, " or ".join((*names, "tvm_relax")), env=gpu)
    # Triton's wheel has what TVM links AMD's code with.
    session.run("pytest", *test_files("tvm"), "-k", "rocm", *session.posargs, env={"ONEBLOCK_REQUIRE": "tvm_relax"})
    names = ("triton_interpreter", "triton_kernels", "triton_gpu", "triton_moves", "inductor_gpu", "inductor_traffic",
        "tune_kernels", "lines_triton", "lines_torch", "bisect_triton", "generations", "attested_gpus")  # fmt: skip
    of_others = "not torch_inductor and not inductors_own"  # which `tests` has
    session.run("pytest", "-nauto", *test_files(*names), *QUICK, "-k", of_others, *session.posargs, env=env)


@nox.session(default=False)
def interchange(session: nox.Session) -> None:
    """Let IREE and ONNX Runtime take what `oneblock export` writes, and hold them to float64, skipping forbidden."""
    install(session, *needs("jax_xla", "onnx"), *group("interchange"), *group("test"))
    env = {"ONEBLOCK_REQUIRE": "jax_xla,torch_eager", "ONEBLOCK_REQUIRE_READERS": "1"}
    files = ("tests/interchange", *test_files("export"))
    session.run("pytest", "-nauto", *files, "-k", "readers or onnx", *session.posargs, env=env)


@nox.session(default=False)
def releases(session: nox.Session) -> None:
    """Compile for devices with what the index has new of libtpu and Triton, and hold it to the counts of ci/budgets.

    Words after `--` go to each `oneblock releases`. Wheels of some 200 MB are fetched. Both are tried, whatever the
    first comes to.
    """
    install(session, *needs("xla_tpu", "triton_kernels"))
    cells = ("block", "--preset", "llama-1b", "--dtype", "bfloat16")
    tpu = ("--backend", "xla_tpu", "--ops", "plain", "--target", "tpu:v5e", "--target", "tpu:v6e")
    gpu = ("--backend", "triton_kernels", "--ops", "kernels", "--target", "cuda:sm_90", "--target", "rocm:gfx942")
    shut = []
    for name, where in (("libtpu", tpu), ("triton", gpu)):
        installed = session.run("python", "-c", _INSTALLED, name, silent=True)
        asked = f"{name}={str(installed).strip()},newest"
        try:
            session.run("oneblock", "releases", *cells, *where, "--toolchain", asked, "--gate", *session.posargs)
        except CommandFailed:
            shut.append(name)
    if shut:
        session.error(f"the newest {' and the newest '.join(shut)}: see above")


_INSTALLED = "import importlib.metadata, sys; print(importlib.metadata.version(sys.argv[1]))"


@nox.session(default=False)
def silicon(session: nox.Session) -> None:
    """Hold models of launches on GPUs against latencies that others reported of real ones, skipping forbidden."""
    install(session, *needs("silicon"), *group("test"))
    session.run("pytest", "-nauto", "tests/bench/silicon", *session.posargs, env={"ONEBLOCK_REQUIRE_SILICON": "1"})


@nox.session(default=False)
def fleet(session: nox.Session) -> None:
    """Run cells over clusters of Ray's here, whose nodes and drivers die, skipping forbidden: ten minutes."""
    install(session, *needs("fleet"), *group("test"))
    other = Path(session.virtualenv.location).absolute() / "other-ray"  # the earliest taken: refused of a cluster
    session.run("python", "-m", "venv", str(other))
    session.run(str(other / "bin/python"), "-m", "pip", "install", "-q", "ray[client]==2.55.0", external=True)
    env = {"ONEBLOCK_REQUIRE_FLEET": "1", "ONEBLOCK_OTHER_RAY": str(other / "bin/ray")}
    session.run("pytest", "tests/fleet", *session.posargs, env=env)


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
    files = (CONTRACT, *test_files("torch_ways", "lines_xla"))
    which = ("-k", "torchxla", *(() if "all" in session.posargs else FEW))
    session.run("pytest", "-nauto", *files, *which, *words, env={"ONEBLOCK_REQUIRE": "torchxla"})


# What torch-tpu requires and the session has anyway, the first older than asked for; and the last, which nothing needs.
TORCHTPU_LEFT = ("libtpu", "numpy", "torch", "tensorboard")
_TORCHTPU_IMPORTS = ("absl-py", "frozendict", "immutabledict", "portpicker", "pyzmq")


def torchtpu_wheels() -> list[str]:
    """Of the extra what no other has."""
    return [requirement for requirement in EXTRAS["torchtpu"] if requirement.startswith("torch-tpu")]


@nox.session(default=False)
def torchtpu(session: nox.Session) -> None:
    """Run the contract on TorchTPU, Google's package torch-tpu, beside the libtpu that JAX names instead of its own.

    So it does with Python 3.11 and PyTorch for the CPU. Few of the contract's questions are of what only compiles.
    """
    install(session, *needs("torch_eager", "xla_tpu"), *group("test"))
    locked(session, "--no-deps", *torchtpu_wheels(), *_TORCHTPU_IMPORTS)
    # By itself PyTorch would load it in every process, with a warning, which is an error in a test.
    env = {"ONEBLOCK_REQUIRE": "torchtpu", "TORCH_DEVICE_BACKEND_AUTOLOAD": "0"}
    session.run(
        "pytest", "-nauto", CONTRACT, *test_files("torch_ways", "torchtpu"), "-k", "torchtpu", *session.posargs, env=env
    )
