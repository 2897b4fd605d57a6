"""Automation: `nox -l` lists it, `nox -s tests` is what every change must pass, `nox -s study` is the main job."""

from __future__ import annotations

import os
import re
import runpy
import shutil
from pathlib import Path

import nox

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "virtualenv"  # with pip: other installers take torch builds with gigabytes of CUDA
nox.options.sessions = ["lint", "types", "tests"]

PYPROJECT = nox.project.load_toml("pyproject.toml")
EXTRAS = PYPROJECT["project"]["optional-dependencies"]
BACKENDS = sorted(EXTRAS.keys() - PYPROJECT["tool"]["oneblock"]["extras-that-are-no-backend"])
OWN = (*PYPROJECT["project"]["dependencies"], *PYPROJECT["build-system"]["requires"])
CUDA_JAX = "jax[cuda13]>=0.10,<0.11"
TOOLS = ("build", "nox", "uv", "virtualenv")
# What stands for a device where there is none.
COMPILED_FOR = {"xla_tpu": "tpu:v5e", "xla_gpu": "cuda:sm_90", "neuron_nki": "neuron:trn1"}
CONTRACT = "tests/contract/test_backends.py"
# Of the answers a few that stand for all, and all that is asked besides; `backend(NAME)` asks for every answer.
FEW = "(few or not right_answer)"
# Where a program takes seconds to compile, of the parts of a block those in bfloat16, whose errors show most.
FEWER = "(few and (block or bfloat16) or not right_answer)"


def group(name: str) -> tuple[str, ...]:
    """The requirements of a dependency group."""
    return nox.project.dependency_groups(PYPROJECT, name)


def needs(*extras: str) -> list[str]:
    """The requirements of some of this tree's extras, and of those that they name."""
    found: list[str] = []
    for requirement in (requirement for extra in extras for requirement in EXTRAS[extra]):
        inner = re.fullmatch(r"oneblock\[(.+)\]", requirement)
        found += needs(*inner[1].split(",")) if inner else [requirement]
    return found


def locked(session: nox.Session, *requirements: str) -> None:
    """Install requirements, each file by a hash of the lock."""
    session.run_install("python", "ci/install.py", *requirements, silent=True)


def install(session: nox.Session, *requirements: str) -> None:
    """Install requirements with this tree's own, each file by a hash of the lock, and then the tree alone."""
    locked(session, *OWN, *requirements)
    session.install("--no-deps", "--no-build-isolation", "-e.")


def test_files(*names: str) -> list[str]:
    """The test files of these names, wherever in the tests' tree they are; a name that is none is an error."""
    return [str(next(Path("tests").rglob(f"test_{name}.py"))) for name in names]


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, formatting, who imports whom, what the structure costs a reader, and how far a job travels."""
    install(session, *group("lint"))
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("lint-imports", "--no-logo")
    session.run("bandit", "-q", "-ll", "-c", "pyproject.toml", "-r", ".")
    session.run("python", "ci/figures/structure.py")
    session.run("python", "ci/figures/walk.py")
    session.run("shellcheck", *(str(path) for path in sorted(Path("ci").rglob("*.sh"))))


@nox.session
def types(session: nox.Session) -> None:
    """Check types, under the names that the code is imported by."""
    install(session, *group("types"))
    stage = Path(session.create_tmp(), "oneblock")
    stage.unlink(missing_ok=True)
    stage.symlink_to(Path.cwd())
    packages = PYPROJECT["tool"]["setuptools"]["packages"]  # mypy finds those within others itself
    outer = (f"-p{package}" for package in packages if package.rpartition(".")[0] not in packages)
    session.run("mypy", *outer, env={"MYPYPATH": str(stage.parent)})


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests without any toolchain: what needs one skips, saying why; `backend(NAME)` forbids that."""
    install(session, *group("test"))
    # What needs NumPy alone is here always: of those backends nothing may skip.
    session.run("pytest", *session.posargs, env={"ONEBLOCK_REQUIRE": "reference"})
    if not session.posargs:
        env = {"ONEBLOCK_REQUIRE": "neuron_nki", "ONEBLOCK_TARGET": COMPILED_FOR["neuron_nki"]}
        session.run("pytest", CONTRACT, "-k", "neuron_nki", env=env)


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
    session.run("pytest", CONTRACT, "-k", f"torch_eager or torch_inductor and {FEWER}", *session.posargs, env=env)
    files = test_files("authority", "neuron_torch", "bisect_inductor")
    session.run("pytest", *files, *session.posargs, env=env)


@nox.session(default=False)
def xla(session: nox.Session) -> None:
    """Run all that reaches the TPU's compiler in one environment, without a TPU, skipping forbidden."""
    names = ("xla_tpu", "pallas_tpu", "torch_tpu", "jax_xla")
    install(session, *needs(*names), *group("test"))
    env = {"ONEBLOCK_REQUIRE": ",".join(names)}
    contract = (CONTRACT, "-nauto", "-k")
    few = f"jax_xla and {FEW} or (pallas_tpu or torch_tpu) and {FEWER}"  # all compile for the CPU with one XLA
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
    one = "(block-ragged-prefill-bfloat16 or not right_answer)"  # Inductor takes ten seconds for a program
    session.run("pytest", *contract, f"triton_kernels and {FEW} or inductor_gpu and {one}", *session.posargs, env=env)
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
    contract = (CONTRACT, "-nauto", "-k", f"tvm_relax and {FEWER}")
    session.run("pytest", *contract, *session.posargs, env=env)
    session.run("pytest", *contract, *session.posargs, env=env | {"ONEBLOCK_TARGET": "cuda:sm_90"})
    files = test_files("tvm", "tvm_trn", "lines_tvm", "bisect_tvm")
    session.run("pytest", "-nauto", *files, *session.posargs, env=env)


@nox.session(default=False)
def torchxla(session: nox.Session) -> None:
    """Run the contract on PyTorch/XLA 2.9, frozen upstream; light, without NVIDIA's libraries, unless `-- full`."""
    wheels = [requirement for requirement in EXTRAS["torchxla"] if requirement.startswith("torch")]
    install(session, *needs("xla_tpu"), *group("test"))
    if "full" in session.posargs:
        locked(session, *wheels)
    else:
        locked(session, "--no-deps", *wheels)
        session.run("python", "ci/light_torchxla.py")
    words = [word for word in session.posargs if word != "full"]
    files = (CONTRACT, "tests/backends/test_torch_ways.py")
    session.run("pytest", "-nauto", *files, "-k", "torchxla", *words, env={"ONEBLOCK_REQUIRE": "torchxla"})


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


@nox.session(default=False)
def notebooks(session: nox.Session) -> None:
    """Write labs/notebooks/ anew from labs/*.py, run every cell on the CPU, and prove that the check can fail."""
    install(session, *needs("xla_tpu"), *group("notebooks"))
    session.run("python", "-m", "oneblock.labs._notebooks")
    folder = Path(session.create_tmp(), "run").resolve()
    shutil.rmtree(folder, ignore_errors=True)  # a record that is there already would not be made again
    folder.mkdir()
    session.run("python", "-m", "oneblock.labs._notebooks", "--execute", str(folder))


@nox.session(default=False)
def faults(session: nox.Session) -> None:
    """Inject every fault of tests/faults and try bad inputs by the ten thousand; `-- slice` tries a few of each kind.

    Other words after `--` go to pytest: `nox -s faults -- --seed 7 -k bundles`.
    """
    install(session, *group("test"))
    few = ("--slice=2", "--hypothesis-profile=slice", "--hypothesis-seed=0")
    words = [word for word in session.posargs if word != "slice"]
    chosen = few if "slice" in session.posargs else ("--hypothesis-profile=whole",)
    session.run("pytest", "-nauto", "tests/faults", "-m", "campaign", *chosen, *words)


@nox.session(default=False)
def study(session: nox.Session) -> None:
    """The main job: real models through every backend, measured here or compiled for elsewhere, then the report.

    Words after `--` go to `oneblock run`: `nox -s study -- --tier standard`.
    """
    install(session, *needs("study"))
    session.run("oneblock", "doctor")
    names = ("reference", "torch_eager", "torch_inductor", "jax_xla")
    cells = ["block", "--preset", "gpt2", "--preset", "llama-1b", "--dtype", "float32", "--dtype", "bfloat16"]
    cells += ["--stages", "brief"]
    cells += [] if "--backend" in session.posargs else [word for name in names for word in ("--backend", name)]
    elsewhere = ["block", "--preset", "llama-1b", "--dtype", "bfloat16", "--backend", "xla_tpu", "--ops", "plain"]
    session.run("oneblock", "run", *cells, "-o", "study", *session.posargs, success_codes=[0, 1])
    session.run("oneblock", "run", *elsewhere, "--stages", "brief", "-o", "study")
    # Of TVM what has schedules: a prefill without them takes seconds a call.
    tuned = ["block", "--preset", "gpt2", "--preset", "llama-1b", "--backend", "tvm_relax", "--ops", "tuned"]
    session.run("oneblock", "run", *tuned, "--stages", "brief", "-o", "study", success_codes=[0, 1])
    interpreted = ["block", "--preset", "llama-1b", "--dtype", "bfloat16", "--backend", "neuron_nki"]
    cores = ["--target", "neuron:trn1", "--target", "neuron:trn2"]
    session.run("oneblock", "run", *interpreted, *cores, "-o", "study")
    session.run("oneblock", "report", "-o", "study")
    session.run("oneblock", "run", *cells, "-o", "study", *session.posargs, silent=True)  # the verdict on what is there


@nox.session(default=False)
def page(session: nox.Session) -> None:
    """Look at the report in a browser, Debian's chromium, skipping forbidden."""
    install(session, *group("test"), *group("browser"))
    env = {"ONEBLOCK_REQUIRE_BROWSER": "1"}
    session.run("pytest", "-nauto", *test_files("page", "report_explorer"), *session.posargs, env=env)


@nox.session(default=False)
def wheel(session: nox.Session) -> None:
    """Build sdist and wheel, install each way, and use it away from this folder."""
    locked(session, *OWN, "build")
    out, tree = (Path(session.create_tmp(), name).resolve() for name in ("out", "tree"))
    for old in (out, tree):
        shutil.rmtree(old, ignore_errors=True)
    out.mkdir()
    # A copy, since setuptools writes beside what it builds, and what it left here before would be built in.
    shutil.copytree(".", tree, ignore=shutil.ignore_patterns(".*", "__pycache__", "build", "*.egg-info"))
    session.run("python", "-m", "build", "--no-isolation", "--outdir", str(out), str(tree))
    way = ("python", "-m", "pip", "install", "--quiet", "--force-reinstall", "--no-deps", "--no-build-isolation")
    for source in (*out.glob("*.whl"), *out.glob("*.tar.gz"), tree):
        session.run(*way, str(source))  # not `session.install`: it is what is tried here
        with session.chdir(out):
            session.run("python", str(Path(__file__).parent / "ci" / "installed.py"))
            session.run("oneblock", "run", "norm", "--preset=tiny", "--backend=reference", "-o", "records", "--again")
        session.run("pip", "uninstall", "--yes", "--quiet", "oneblock")


@nox.session(default=False)
def figures(session: nox.Session) -> None:
    """Measure the project's own figures: start-up, overhead, transformers' layer, bandwidth, tuned. Takes long."""
    install(session, *needs("study"), *group("authority"))
    for name in session.posargs or ("startup", "overhead", "transformers_layer", "bandwidth", "tuned"):
        session.run("python", f"ci/figures/{name}.py")


@nox.session(default=False)
def lock(session: nox.Session) -> None:
    """Write ci/constraints.txt anew: what the ranges in pyproject.toml come to today, with the hashes of all files."""
    locked(session, "uv")
    apart = {"torchxla", "neuron_torch"}  # each with a torch of its own; that of the second is AWS's affair
    groups = (one for name in PYPROJECT["dependency-groups"] for one in group(name))
    cpu = {*OWN, *needs(*sorted(EXTRAS.keys() - apart)), *groups, *TOOLS}
    cuda = {*cpu, CUDA_JAX} - set(EXTRAS["triton_kernels"])  # PyPI's torch names its own Triton
    folder = Path(session.create_tmp())
    lists = {"cpu": cpu, "cuda": cuda, "torchxla": {*OWN, *needs("torchxla"), *group("test")}}
    for name, requirements in lists.items():
        Path(folder, f"{name}.txt").write_text("\n".join(sorted(requirements)))
    Path(folder, "cpu.overrides").write_text(next(one for one in cpu if one.startswith("triton")))
    session.run("python", "ci/lock.py", *(str(folder / f"{name}.txt") for name in lists))
