"""XLA:GPU's plugin on a machine without a driver: whether it is here and fits, and how to load it in silence."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path

from oneblock.compilers.api.process import PYTHON

PLUGINS = ("jax-cuda13-plugin", "jax-cuda12-plugin")  # in the order in which JAX looks for them
_PTXAS = {"nvidia-cuda-nvcc": "nvidia/cu13/bin/ptxas", "nvidia-cuda-nvcc-cu12": "nvidia/cuda_nvcc/bin/ptxas"}
_NOISE = (b"cudart_stub.cc", b"before absl::InitializeLog()")  # "could not find cuda drivers": known, and no fault


@contextmanager
def quiet() -> Iterator[None]:
    """Drop the lines by which the plugin's libraries say, as they are loaded, that there is no driver.

    They write to the descriptor itself, before any setting of theirs is read. All else is passed on at the end.
    """
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)
            held.seek(0)
            for line in held:
                if not any(noise in line for noise in _NOISE):
                    os.write(2, line)


def missing() -> tuple[str, str] | None:
    """(what is wrong with the GPU compiler's parts, the line that mends it); None if they are here and fit JAX."""
    jax = version("jax")
    mend = f"pip install jax-cuda12-plugin=={jax} jax-cuda12-pjrt=={jax} nvidia-cuda-nvcc-cu12"
    found = {name: _version(name) for name in PLUGINS}
    if not any(found.values()):
        return "XLA's compiler for NVIDIA GPUs, the plugin jax-cuda12-plugin, is not installed", mend
    for plugin, its in found.items():
        for name in (plugin, plugin.replace("plugin", "pjrt")) if its else ():
            if _version(name) != jax:
                return f"JAX {jax} needs {name} {jax}, and what is installed is {_version(name) or 'none'}", mend
    if ptxas() is None:
        return "NVIDIA's assembler ptxas, which XLA checks its PTX with, is not installed", mend
    return None


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def ptxas() -> str | None:
    """NVIDIA's assembler: of the wheel, or else of a CUDA toolkit on the path."""
    for name, path in _PTXAS.items():
        if _version(name) is not None:
            found = Path(str(distribution(name).locate_file(path)))
            if found.exists():
                return str(found)
    return shutil.which("ptxas")


def refused_flags() -> str | None:
    """What XLA says of the flags in XLA_FLAGS if it refuses them, which ends the process that compiles; else None."""
    flags = os.environ.get("XLA_FLAGS", "").strip()
    return _refusal(flags) if flags else None


@cache
def _refusal(flags: str) -> str | None:
    """Flags are read when the first program is compiled: a child compiles one."""
    code = "import jax; jax.jit(lambda x: x + 1).lower(1.0).compile()"
    environment = {**os.environ, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"}
    command = [*PYTHON, "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode == 0:
        return None
    said = [line for line in done.stderr.splitlines() if "XLA_FLAGS" in line]
    return said[-1].partition("] ")[2] if said else f"a program compiled with {flags} ends with {done.returncode}"
