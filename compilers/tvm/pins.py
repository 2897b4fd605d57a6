"""Which TVM fits, without importing it: a wrong companion kills the process, and no exception tells of it."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, version

_MEND = "pip install 'oneblock[tvm-relax]'"  # pip before 23.3 finds extras by this spelling alone
SERIES = ("0.26", "0.27")  # both were tried, by `nox -s ends`
_FFI_BELOW = (0, 1, 15)  # which crashes in MetaSchedule, in ToJSONGraph


def toolchain() -> str:
    """The name under which what this TVM found is kept: "tvm-0.27.0.post1"."""
    return f"tvm-{version('apache-tvm')}"


def wrong() -> tuple[str, str] | None:
    """(what is wrong with the packages that are installed, the line that mends it); None if nothing is."""
    try:
        tvm, ffi = version("apache-tvm"), version("apache-tvm-ffi")
    except PackageNotFoundError as error:
        return f"{error.name} is not installed", _MEND
    if not tvm.startswith(tuple(f"{one}." for one in SERIES)):
        return f"apache-tvm {tvm} is installed, and {' or '.join(SERIES)} is what is known to work", _MEND
    if tuple(int(part) for part in re.findall(r"\d+", ffi)[:3]) >= _FFI_BELOW:
        below = ".".join(map(str, _FFI_BELOW))
        return (
            f"apache-tvm-ffi {ffi} is installed, which crashes as TVM tunes; it takes one below {below}",
            f"pip install 'apache-tvm-ffi<{below}'",
        )
    return None
