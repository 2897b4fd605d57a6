"""The environment in which libtpu compiles in silence on a machine without a TPU, and its pairing with JAX."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, requires, version

from oneblock.compilers.api.asked import asked
from oneblock.compilers.api.wheels import ELSEWHERE, here, left_out

# libtpu reads these once, when it is loaded. Without them it asks the cloud's metadata server what machine this is,
# logs to standard error and to a folder, and lets only one process at a time load it.
QUIET = {
    "TPU_SKIP_MDS_QUERY": "1",
    "TPU_ACCELERATOR_TYPE": "v5litepod-4",  # any valid one; compiling for other generations is not affected
    "TPU_WORKER_HOSTNAMES": "localhost",
    "TPU_LOG_DIR": "disabled",
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
}
_AUTOLOAD = "TORCH_DEVICE_BACKEND_AUTOLOAD"  # of torch


def compile_only() -> None:
    """Prepare this process for a libtpu that only compiles. What the user has set stays."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)


@contextmanager
def while_loading(**variables: str) -> Iterator[None]:
    """The variables that a toolchain reads while it loads; it sets more, and children must inherit none of it."""
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:  # where it is not here, too
        os.environ.clear()
        os.environ.update(before)


@contextmanager
def by_hand() -> Iterator[None]:
    """Import torch without torch-tpu, which it would load with a warning wherever that is installed."""
    before = os.environ.get(_AUTOLOAD)
    os.environ[_AUTOLOAD] = "0"
    try:
        yield
    finally:
        del os.environ[_AUTOLOAD]
        os.environ.update({} if before is None else {_AUTOLOAD: before})


def compile_only_environment(libtpu: Mapping[str, str], xla: Mapping[str, str]) -> dict[str, str]:
    """The environment of a child that compiles: as here, made quiet, with flags appended to libtpu's and to XLA's."""
    added = {"LIBTPU_INIT_ARGS": libtpu, "XLA_FLAGS": xla}
    flags = {
        name: " ".join([os.environ.get(name, ""), *(f"--{key}={value}" for key, value in more.items())]).strip()
        for name, more in added.items()
    }
    return {**QUIET, **os.environ, **flags, "JAX_PLATFORMS": "cpu"}


def missing() -> tuple[str, str] | None:
    """(what is wrong with the pair of JAX and libtpu, the line that mends it); None if they fit.

    The compiler hands its result to jaxlib in a format of its version: a libtpu newer than the one a JAX release names
    compiles some programs and dies on others (RET_CHECK failures on asynchronous operations). One that was asked for by
    its version is tried all the same: what it dies of is then the answer.
    """
    from packaging.requirements import Requirement

    jax = version("jax")
    mend = f"pip install 'jax[tpu]=={jax}'"
    try:
        found = version("libtpu")
    except PackageNotFoundError:
        if left_out("xla_tpu"):
            return f"libtpu, the TPU's compiler, has no wheels for {here()}", ELSEWHERE
        return "libtpu, the TPU's compiler, is not installed", mend
    wanted = [r for text in requires("jax") or () if (r := Requirement(text)).name == "libtpu"]
    if "libtpu" in asked():
        return None
    if wanted and not wanted[0].specifier.contains(found, prereleases=True):
        return f"JAX {jax} needs libtpu{wanted[0].specifier}, and libtpu {found} is installed", mend
    return None
