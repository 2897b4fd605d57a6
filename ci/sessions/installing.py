"""What a session installs: this tree's requirements, each file by a hash of the lock."""

from __future__ import annotations

import re

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
