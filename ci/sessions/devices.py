"""What needs a device, which must be here: the contract on it, and the study."""

from __future__ import annotations

import os
import runpy
import shutil

import nox

from ci.sessions.contract import CONTRACT
from ci.sessions.installing import CUDA_JAX, group, install, needs


@nox.session(default=False)
def gpu(session: nox.Session) -> None:
    """Run the contract on a CUDA device, which must be here, then all ways of PyTorch in one interleaved run.

    Eager's native ops are cuBLAS and SDPA. Words after `--` go to `oneblock run`: `nox -s gpu -- --tier smoke`.
    """
    names = ("torch_eager", "torch_inductor", "triton_kernels")
    install(session, *needs(*names), CUDA_JAX, *group("gpu"), *group("test"))
    session.run("oneblock", "doctor")
    env = {"ONEBLOCK_REQUIRE": ",".join((*names, "jax_xla")), "ONEBLOCK_TARGET": "cuda"}
    session.run("pytest", CONTRACT, "-k", " or ".join((*names, "jax_xla")), env=env)
    session.run("pytest", "tests/backends/test_cuda_clock.py", env=env)
    cells = ["block", "--preset=llama-1b", "--dtype=bfloat16", "--target=cuda", "--tier=standard"]
    cells += [f"--backend={name}" for name in names]
    session.run("oneblock", "run", *cells, "-o", "study", *session.posargs, success_codes=[0, 1])
    session.run("oneblock", "report", "-o", "study")
    sanitize(session)
    session.run("oneblock", "run", *cells, "-o", "study", *session.posargs, silent=True)  # the verdict on what is there


def sanitize(session: nox.Session) -> None:
    """Run our kernels under NVIDIA's compute-sanitizer, where CUDA's toolkit has put it on the path; else say so."""
    if shutil.which("compute-sanitizer") is None:
        session.warn("compute-sanitizer was NOT run: it is not on the path; it comes with CUDA's toolkit")
        return
    # Every tensor an allocation of its own: within PyTorch's pool a kernel may leave its tensor and nothing shows.
    env = {"ONEBLOCK_REQUIRE": "triton_kernels", "ONEBLOCK_TARGET": "cuda", "PYTORCH_NO_CUDA_MEMORY_CACHING": "1"}
    tool = ("compute-sanitizer", "--tool=memcheck", "--error-exitcode=86", "--target-processes=all")
    which = "triton_kernels and right_answer and block-tiny"  # few: each is a hundred times slower so
    session.run(*tool, "python", "-m", "pytest", CONTRACT, "-k", which, env=env, external=True)


@nox.session(default=False)
def tpu(session: nox.Session) -> None:
    """Run the contract on one chip of a TPU, which must be here, then the study on it and its report.

    Words after `--` go to `oneblock run`.
    """
    names = ("xla_tpu", "jax_xla", "pallas_tpu")
    install(session, *needs("xla_tpu", "pallas_tpu"), *group("test"))
    session.run("oneblock", "doctor")
    env = {"ONEBLOCK_REQUIRE": ",".join(names), "ONEBLOCK_TARGET": "tpu"}
    session.run("pytest", CONTRACT, "-k", " or ".join(names), env=env)
    cells = ["block", "--preset=gpt2", "--preset=llama-1b", "--dtype=bfloat16", "--target=tpu"]
    cells += [f"--backend={name}" for name in names]
    session.run("oneblock", "run", *cells, "-o", "study", *session.posargs, success_codes=[0, 1])
    session.run("oneblock", "report", "-o", "study")
    session.run("oneblock", "run", *cells, "-o", "study", *session.posargs, silent=True)  # the verdict on what is there


@nox.session(default=False)
def neuron(session: nox.Session) -> None:
    """Run the contract on a Neuron device, which must be here, then the study on it, its profiles and its bundle.

    AWS's packages come from the index that NEURON_PIP_INDEX names. `-- compile-only` leaves out what needs a device;
    other words after `--` go to `oneblock run`.
    """
    pins = runpy.run_path("compilers/neuron/pins.py")
    index = os.environ.get(pins["INDEX_VARIABLE"])
    if not index:
        where = 'AWS\'s package index (see "Install" in the Neuron documentation)'
        session.error(f"set {pins['INDEX_VARIABLE']} to {where}: what PyPI has under its packages' names is empty")
    elsewhere = "compile-only" in session.posargs
    words = [word for word in session.posargs if word != "compile-only"]
    names = ("neuron_torch", "neuron_nki")
    pinned = [f"{package}=={pins['PINS'][package]}" for package in ("neuronx-cc", "nki", "torch-neuronx")]
    # AWS's packages from AWS's index alone, whatever pip is set to here, and what these need from PyPI alone: of two
    # indexes pip takes the higher version, whoever has published it. The index is kept out of the log.
    alone = {"PIP_INDEX_URL": index, "PIP_CONFIG_FILE": os.devnull, "PIP_EXTRA_INDEX_URL": "", "PIP_FIND_LINKS": ""}
    session.install("--no-deps", *pinned, pins["BROUGHT"], env=alone)
    session.install("-e.", *pinned, pins["BROUGHT"], *group("test"))  # without the lock, whose PyTorch is another
    session.run("python", "ci/aws/check.py", *(["compile-only"] if elsewhere else []))
    session.run("oneblock", "doctor")
    target = "neuron:trn1" if elsewhere else "neuron"
    env = {"ONEBLOCK_REQUIRE": ",".join(names), "ONEBLOCK_TARGET": target}
    session.run("pytest", CONTRACT, "-k", " or ".join(names), env=env)
    large = ["block", "--preset=gpt2", "--preset=llama-1b", "--dtype=bfloat16", "--backend=neuron_torch"]
    small = ["block", "--preset=tiny", *(f"--backend={name}" for name in names)]  # a simulator takes its time
    runs = [["oneblock", "run", *cells, f"--target={target}", "-o", "study", *words] for cells in (large, small)]
    for run in runs:
        session.run(*run, success_codes=[0, 1])
    if not elsewhere:
        collect = ("python", "ci/aws/collect.py", "study/neuron", "--", "oneblock", "run", *large, "--tier=smoke")
        session.run(*collect, f"--target={target}", "-o", "study/neuron/watched", success_codes=[0, 1])
    session.run("oneblock", "report", "-o", "study")
    session.run("python", "-m", "tarfile", "-c", "neuron-study.tar.gz", "study")
    session.log("neuron-study.tar.gz: `oneblock report neuron-study.tar.gz` reads it on any machine")
    for run in runs:
        session.run(*run, silent=True)  # the verdict on what is there
