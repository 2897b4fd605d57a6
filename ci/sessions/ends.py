"""The contract at both ends of each toolchain's range in pyproject.toml, each in an environment of its own."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import nox

from ci.install import entries
from ci.sessions.contract import CONTRACT, FEW
from ci.sessions.installing import OWN, PYPROJECT, group, needs, python

LOCK = Path("ci", "ends.txt")
ENDS = {
    f"{name}-{version}": (name, version)
    for name, versions in PYPROJECT["tool"]["oneblock"]["ends"].items()
    for version in versions
}


class Toolchain(NamedTuple):
    """What is asked of a toolchain."""

    backends: tuple[str, ...]
    targets: tuple[str, ...] = ("",)  # "": what each backend is tried on by itself
    along: tuple[str, ...] = ()  # distributions that have its versions


_TOOLCHAINS = {
    "jax": Toolchain(
        ("jax_xla", "xla_tpu", "pallas_tpu", "xla_gpu"), along=("jaxlib", "jax-cuda12-plugin", "jax-cuda12-pjrt")
    ),
    "triton": Toolchain(("triton_kernels", "inductor_gpu"), ("", "cuda:sm_90")),
    "apache-tvm": Toolchain(("tvm_relax",), ("", "cuda:sm_90")),
}
_PYTHON = {"jax-0.12.0.1": "3.12"}  # which it needs; the others have wheels for that of the lock
_COMPILE = (
    "uv", "pip", "compile", "--python-version=3.12", "--generate-hashes", "--no-annotate", "--no-header", "--quiet",
    "--universal",
)  # fmt: skip


@nox.session(default=False, venv_backend="none")
@nox.parametrize("end", [*ENDS], ids=[*ENDS])
def ends(session: nox.Session, end: str) -> None:
    """Run the contract with the first or the last release of a range, skipping forbidden.

    `nox -s ends` runs all, `nox -s "ends(triton-3.6.0)"` one; words after `--` are pytest's.
    """
    name, version = ENDS[end]
    of = _TOOLCHAINS[name]
    home = Path(session.create_tmp(), end).resolve()
    session.run_install(python(session, _PYTHON.get(end, "3.11"), end), "-m", "venv", str(home), external=True)
    its = str(home / "bin" / "python")
    exact = [f"{one}=={version}" for one in (name, *of.along)]
    wanted = (*OWN, *needs(*of.backends), *group("test"), *exact)
    session.run_install(its, "ci/install.py", f"--also={LOCK}", *wanted, external=True)
    ours = (its, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "-e.")
    session.run_install(*ours, external=True)
    for target in of.targets:
        env = {"ONEBLOCK_REQUIRE": ",".join(of.backends), "TRITON_CACHE_DIR": str(home / "triton")}
        env |= {"ONEBLOCK_TARGET": target} if target else {}
        words = (CONTRACT if not target else f"{CONTRACT}/test_backends.py", *FEW, "-k", " or ".join(of.backends))
        session.run(its, "-m", "pytest", "-nauto", *words, *session.posargs, env=env, external=True)


def lock(session: nox.Session, folder: Path) -> None:
    """Write the list of what stands at the ends anew, with the hashes of all files: the newest of each first."""
    text = "# Written by `nox -s lock`: what stands at the ends of ranges, for `nox -s ends`.\n"
    for end, (name, version) in reversed(ENDS.items()):
        names = [name, *_TOOLCHAINS[name].along]
        tpu = ["jax[tpu]"] if name == "jax" else []  # which names its libtpu
        wanted, found = folder / f"{end}.in", folder / f"{end}.txt"
        wanted.write_text("\n".join(f"{one}=={version}" for one in (*names, *tpu)))
        session.run(*_COMPILE, f"--output-file={found}", str(wanted))
        its = (one for one in entries(found.read_text()).values() if one.name in (*names, "libtpu"))
        text += "".join(f"{one.text}\n" for one in its)
    LOCK.write_text(text)
