"""What a session installs: this tree's requirements, each file by a hash of the lock."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import nox

PYPROJECT = nox.project.load_toml("pyproject.toml")
EXTRAS = PYPROJECT["project"]["optional-dependencies"]
BACKENDS = sorted(EXTRAS.keys() - PYPROJECT["tool"]["oneblock"]["extras-that-are-no-backend"])
OWN = (*PYPROJECT["project"]["dependencies"], *PYPROJECT["build-system"]["requires"])
CUDA_JAX = "jax[cuda13]>=0.10,<0.11"


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


def built(session: nox.Session) -> tuple[Path, Path]:
    """Build sdist and wheel; the folder of both, and the copy of this tree that they were built from."""
    locked(session, *OWN, "build")
    out, tree = (Path(session.create_tmp(), name).resolve() for name in ("out", "tree"))
    for old in (out, tree):
        shutil.rmtree(old, ignore_errors=True)
    out.mkdir()
    # A copy, since setuptools writes beside what it builds, and what it left here before would be built in.
    shutil.copytree(".", tree, ignore=shutil.ignore_patterns(".*", "__pycache__", "build", "*.egg-info"))
    session.run("python", "-m", "build", "--no-isolation", "--outdir", str(out), str(tree))
    return out, tree


def python(session: nox.Session, version: str, who: str) -> str:
    """A Python of a version, which somebody needs: on the path, or pyenv's, whose name on the path may lead nowhere."""
    versions = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv", "versions")
    found = [shutil.which(f"python{version}"), *map(str, sorted(versions.glob(f"{version}.*/bin/python")))]
    runs = (
        one for one in filter(None, found) if not subprocess.run([one, "--version"], capture_output=True).returncode
    )
    if (first := next(runs, None)) is None:
        session.error(f"Python {version} is not here, which {who} needs: `pyenv install {version}`")
    return first
