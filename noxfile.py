"""Automation: `nox -l` lists it, `nox -s tests` is what every change must pass, `nox -s study` is the main job."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import nox

sys.path.append(str(Path(__file__).parent))  # nox loads this file by its path

from ci.sessions.contract import CONTRACT, FEW, QUICK, SLOW, test_files
from ci.sessions.installing import BACKENDS, CUDA_JAX, EXTRAS, OWN, PYPROJECT, built, group, install, locked, needs

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "virtualenv"  # with pip: other installers take torch builds with gigabytes of CUDA
nox.options.sessions = ["lint", "types", "tests"]

TOOLS = ("build", "nox", "uv", "virtualenv")
# The backends of the study's environment.
HERE = ("reference", "torch_eager", "torch_inductor", "jax_xla", "xla_tpu", "pallas_tpu", "tvm_relax", "neuron_nki")


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
    """Run the tests in the study's environment, and transformers', where none of these backends may skip.

    What takes a compiler long is left to `slow`, and other environments to the session of each toolchain.
    """
    install(session, *needs(*HERE), *group("test"), *group("authority"))
    session.run("pytest", "-nauto", *QUICK, *session.posargs, env={"ONEBLOCK_REQUIRE": ",".join(HERE)})


@nox.session(default=False)
def slow(session: nox.Session) -> None:
    """Run what `tests` leaves out since each takes a compiler or an interpreter long, skipping forbidden likewise."""
    install(session, *needs(*HERE, "torch_tpu"), *group("test"), *group("authority"))
    session.run("pytest", "-nauto", *SLOW, *session.posargs, env={"ONEBLOCK_REQUIRE": ",".join(HERE)})
    apart = (CONTRACT, *test_files("torch_ways"), "-k", "torch_tpu or torchax", *FEW)
    session.run("pytest", "-nauto", *apart, *session.posargs, env={"ONEBLOCK_REQUIRE": "torch_tpu"})


@nox.session(default=False, name="tests(light)")
def light(session: nox.Session) -> None:
    """Run the tests that need no toolchain, which is the quick loop: what needs one skips, saying why."""
    install(session, *group("test"))
    env = {"ONEBLOCK_REQUIRE": "reference,neuron_nki"}  # what needs NumPy alone is here always
    session.run("pytest", "-nauto", *QUICK, *session.posargs, env=env)


@nox.session(default=False)
def page(session: nox.Session) -> None:
    """Look at the report in a browser, Debian's chromium, skipping forbidden."""
    install(session, *group("test"), *group("browser"))
    env = {"ONEBLOCK_REQUIRE_BROWSER": "1"}
    session.run("pytest", "-nauto", *test_files("page", "report_explorer"), *session.posargs, env=env)


@nox.session(default=False)
def screenshots(session: nox.Session) -> None:
    """Write the README's pictures of the study page anew, light and dark, by Debian's chromium."""
    install(session, *needs("jax_xla", "xla_tpu"), *group("browser"))
    records, page = Path(session.create_tmp(), "records"), Path(session.create_tmp(), "page.html")
    cells = ["block", "--preset=gpt2", "--phase=decode", "--dtype=bfloat16", "--backend=jax_xla", "--backend=xla_tpu"]
    session.run("oneblock", "run", *cells, "--ops=plain", "-o", str(records), success_codes=[0, 1])  # or disturbed
    session.run("oneblock", "report", "-o", str(records), "--to", str(page))
    session.run("python", "ci/screenshots.py", str(page), "docs")


@nox.session(default=False)
def docs(session: nox.Session) -> None:
    """Build the site of docs/, with a reference of what every `api` folder says, and run what its pages show.

    The site is docs/_build/html. `-- outputs` prints anew before that what the shown commands print, but for those that
    need a quiet machine or a device; words after it are pages.
    """
    install(session, *group("docs"), *group("test"))
    if "outputs" in session.posargs:
        extras = ("study", "triton_kernels")
        locked(session, *needs(*extras))
        here = ",".join((*extras, *(name for name in BACKENDS if set(needs(name)) <= set(needs(*extras))), "minutes"))
        words = [word for word in session.posargs if word != "outputs"]
        session.run("python", "ci/shown.py", "--with", here, *words)
    session.run("sphinx-build", "-qW", "--keep-going", "docs", "docs/_build/html")
    if "outputs" not in session.posargs:
        session.run("pytest", "-nauto", *test_files("shown"))


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
def wheel(session: nox.Session) -> None:
    """Build sdist and wheel, install each way, and use it away from this folder."""
    out, tree = built(session)
    way = ("python", "-m", "pip", "install", "--quiet", "--force-reinstall", "--no-deps", "--no-build-isolation")
    for source in (*out.glob("*.whl"), *out.glob("*.tar.gz"), tree):
        session.run(*way, str(source))  # not `session.install`: it is what is tried here
        with session.chdir(out):
            session.run("python", str(Path(__file__).parent / "ci" / "installed.py"))
            session.run("oneblock", "run", "norm", "--preset=tiny", "--backend=reference", "-o", "records", "--again")
        session.run("pip", "uninstall", "--yes", "--quiet", "oneblock")


@nox.session(default=False)
def study(session: nox.Session) -> None:
    """The main job: real models through every backend, measured here or compiled for elsewhere, then the report.

    Words after `--` go to `oneblock run`: `nox -s study -- --tier standard`.
    """
    install(session, *needs("study"))
    session.run("oneblock", "doctor")
    names = ("reference", "torch_eager", "torch_inductor", "jax_xla")
    here = ["--stages", "brief"]
    here += [] if "--backend" in session.posargs else [word for name in names for word in ("--backend", name)]
    asked = (
        ("--preset", "gpt2", "--preset", "llama-1b", "--dtype", "float32", "--dtype", "bfloat16"),
        ("--preset", "qwen2-0.5b", "--dtype", "bfloat16"),
    )
    cells = [("block", *of, *here) for of in asked]
    for each in cells:
        session.run("oneblock", "run", *each, "-o", "study", *session.posargs, success_codes=[0, 1])
    qwen2 = ("--preset", "qwen2-0.5b", "--dtype", "bfloat16")
    llama = ("--preset", "llama-1b", "--dtype", "bfloat16")
    others = (
        (*llama, "--backend", "xla_tpu", "--ops", "plain"),
        (*qwen2, "--backend", "xla_tpu", "--ops", "plain", "--target", "tpu:v5e"),
        # Of TVM what has schedules, and a decode: a prefill without them takes seconds a call.
        ("--preset", "gpt2", "--preset", "llama-1b", "--backend", "tvm_relax", "--ops", "tuned"),
        (*qwen2, "--phase", "decode", "--backend", "tvm_relax", "--ops", "plain"),
        (*llama, "--backend", "neuron_nki", "--target", "neuron:trn1", "--target", "neuron:trn2"),
        (*qwen2, "--backend", "neuron_nki", "--target", "neuron:trn2"),
    )
    for one in others:
        good = [0, 1] if "tvm_relax" in one else [0]  # its cells are timed here, and may be disturbed
        session.run("oneblock", "run", "block", *one, "--stages", "brief", "-o", "study", success_codes=good)
    session.run("oneblock", "report", "-o", "study")
    session.run("oneblock", "plan", "study", "--preset", "llama-1b", "--to", "study/plan.html")
    for each in cells:  # the verdict on what is there
        session.run("oneblock", "run", *each, "-o", "study", *session.posargs, silent=True)


@nox.session(default=False)
def figures(session: nox.Session) -> None:
    """Measure the project's own figures: start-up, overhead, transformers' layer, bandwidth, tuned. Takes long."""
    install(session, *needs("study"), *group("authority"))
    for name in session.posargs or ("startup", "overhead", "transformers_layer", "bandwidth", "tuned"):
        session.run("python", f"ci/figures/{name}.py")


@nox.session(default=False)
def families(session: nox.Session) -> None:
    """Run every family of models through every backend that needs no device, and write docs/families.md. An hour.

    Words after `--` go to `ci/families.py`: families, and `-o RECORDS`, by which it goes on after an interruption.
    """
    install(session, *needs(*HERE, "triton_kernels"), *group("test"), *group("authority"))
    session.run("python", "ci/families.py", *session.posargs)


@nox.session(default=False)
def platforms(session: nox.Session) -> None:
    """Find wheels of every extra for Linux and macOS and each Python, and hold docs/platforms.md against them."""
    install(session, "uv")
    session.run("python", "ci/platforms.py", json.dumps(OWN), json.dumps({name: needs(name) for name in EXTRAS}))


@nox.session(default=False)
def lock(session: nox.Session) -> None:
    """Write ci/constraints.txt anew: what the ranges in pyproject.toml come to today, with the hashes of all files."""
    locked(session, "uv")
    # The first two with a torch of their own, and that of the second is AWS's affair; the last with a libtpu.
    apart = {"torchxla", "neuron_torch", "torchtpu"}
    groups = (one for name in PYPROJECT["dependency-groups"] if name != "focus" for one in group(name))
    cpu = {*OWN, *needs(*sorted(EXTRAS.keys() - apart)), *groups, *TOOLS}
    cuda = {*cpu, CUDA_JAX} - set(EXTRAS["triton_kernels"])  # PyPI's torch names its own Triton
    folder = Path(session.create_tmp())
    lists = {"cpu": cpu, "cuda": cuda, "torchxla": {*OWN, *needs("torchxla"), *group("test")}}
    lists["torchtpu"] = set(toolchains.torchtpu_wheels())
    for name, requirements in lists.items():
        Path(folder, f"{name}.txt").write_text("\n".join(sorted(requirements)))
    Path(folder, "cpu.overrides").write_text(next(one for one in cpu if one.startswith("triton")))
    left = (f"{name}; sys_platform == 'never'" for name in toolchains.TORCHTPU_LEFT)  # of what it requires
    Path(folder, "torchtpu.overrides").write_text("\n".join(left))
    session.run("python", "ci/lock.py", *(str(folder / f"{name}.txt") for name in lists))
    focus.lock(session, folder)
    ends.lock(session, folder)


# And the sessions of each toolchain and of the ends of their ranges, of each device, and of the labs.
from ci.sessions import devices, ends, focus, lessons, toolchains  # noqa: E402, F401
