"""What decides which code a processor runs, and with how many threads: two of one brand may differ in all of it.

The system is asked itself, by files and calls: a helper process may be killed, and what it failed to tell would change
with it. What cannot be told is None: unknown, which is no difference from what is known.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from oneblock.compilers.api.kind import STRICT

# What a worker is given by oneblock itself, of which whatever a user set has no effect.
THREAD_COUNTS = tuple(f"{name}_NUM_THREADS" for name in ("OMP", "MKL", "OPENBLAS", "NUMEXPR", "TVM"))
_OURS = {*THREAD_COUNTS, "TVM_BIND_THREADS", "TORCHINDUCTOR_VEC_ISA_OK", "TORCHINDUCTOR_COMPILE_THREADS"}
# Libraries and compilers whose variables choose instructions, precision, threads or where these run.
_CHOOSES = re.compile(
    r"(ATEN|ONEDNN|DNNL|MKL|OPENBLAS|GOTO|GOTOBLAS|BLIS|ARMPL|VECLIB|NPY|OMP|KMP|GOMP|TBB|TVM|TORCHINDUCTOR|PYTORCH|TRITON"
    r"|MALLOC|NEURON_RT|CUBLAS|CUDNN|ROCBLAS|MIOPEN|HSA|JAX)_\w+|TORCH_\w*TF32\w*|NVIDIA_TF32_OVERRIDE|XLA_FLAGS|TF_XLA_FLAGS"
    r"|LIBTPU_INIT_ARGS|NEURON_CC_FLAGS|GLIBC_TUNABLES|LD_PRELOAD"
)
_NOT_BY = re.compile(
    r"\w*(_DIR|_PATH|_HOME|_ROOT|_FILE|_CACHE|_VERSION|VISIBLE_CORES|VERBOSE|WARNINGS|DISPLAY_\w+|DUPLICATE_LIB_OK)"
)
_LONGEST = 200  # characters of a variable's value
# Of x86's flags those that code is chosen by: the others say what the kernel does about faults, and change with it.
_X86 = re.compile(
    r"sse\w*|ssse3|avx\w*|fma4?|f16c|bmi[12]|amx_\w+|popcnt|abm|movbe|gfni|vaes|vpclmulqdq|sha_ni|erms|fsrm"
)
_CPU = Path("/sys/devices/system/cpu/cpu0/cache")


@dataclass(frozen=True)
class MachineIdentity:
    """What of a processor decides which code it runs, and how fast; None of what is unknown."""

    __pydantic_config__: ClassVar[Any] = STRICT
    cpu_family: int | None
    cpu_model: int | None
    cpu_stepping: int | None
    instruction_sets: tuple[str, ...]  # "avx2", "avx512f", as the processor states them; none where it does not
    restricted_by: dict[str, str]  # variables that choose instructions or threads: ATEN_CPU_CAPABILITY
    caches: dict[str, int] | None = None  # bytes of each: "L1d", "L2"
    hypervisor: str | None = None  # "none" on a machine of metal
    cores_usable: float | None = None  # that this process may run on, and has the time of: 1.5 by a cgroup's quota

    def facts(self) -> dict[str, str | int | float | None]:
        """What must agree, by name; variables are one fact, since one that is not set is as well known."""
        caches = None if self.caches is None else ", ".join(f"{k} {v // 1024} KiB" for k, v in self.caches.items())
        return {
            "cpu_family": self.cpu_family,
            "cpu_model": self.cpu_model,
            "cpu_stepping": self.cpu_stepping,
            "instruction_sets": " ".join(self.instruction_sets) or None,
            "caches": caches,
            "hypervisor": self.hypervisor,
            "cores_usable": self.cores_usable,
            "variables": " ".join(f"{name}={value}" for name, value in sorted(self.restricted_by.items())),
        }


def identity() -> MachineIdentity:
    """That of this machine, for the workers that this process starts."""
    told = _of_darwin() if sys.platform == "darwin" else _of_linux()
    return MachineIdentity(
        cpu_family=told.get("family"),
        cpu_model=told.get("model"),
        cpu_stepping=told.get("stepping"),
        instruction_sets=tuple(told.get("flags", ())),
        restricted_by=variables(os.environ),
        caches=told.get("caches"),
        hypervisor=told.get("hypervisor"),
        cores_usable=_cores_usable(),
    )


def variables(environment: Mapping[str, str]) -> dict[str, str]:
    """Those that choose instructions, precision or threads, of all that a worker inherits; cut where they are long."""
    found = (name for name in environment if _CHOOSES.fullmatch(name) and not _NOT_BY.fullmatch(name))
    return {name: environment[name][:_LONGEST] for name in sorted(found) if name not in _OURS and environment[name]}


def cpu_facts() -> dict[str, str]:
    """What /proc/cpuinfo says of the first processor; nothing where there is none."""
    with contextlib.suppress(OSError):
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").partition("\n\n")[0]
        pairs = (line.partition(":") for line in text.splitlines())
        return {key.strip(): value.strip() for key, _, value in pairs if value.strip()}
    return {}


def _of_linux() -> dict[str, Any]:
    told = cpu_facts()
    x86 = "flags" in told
    names = ("cpu family", "model", "stepping") if x86 else ("CPU implementer", "CPU part", "CPU variant")
    values = (_number(told.get(name, "")) for name in names)
    found = dict(zip(("family", "model", "stepping"), values, strict=True))
    flags = told.get("flags", told.get("Features", "")).split()
    chosen = sorted(flag for flag in flags if not x86 or _X86.fullmatch(flag))
    virtual = ("hypervisor" in flags) if x86 else None
    return found | {"flags": chosen, "caches": _caches(), "hypervisor": _hypervisor(virtual)}


def _caches() -> dict[str, int] | None:
    found = {}
    for index in sorted(_CPU.glob("index*")):
        level, kind, size = (_read(index / name) for name in ("level", "type", "size"))
        if level and kind and size and (kib := _number(size.removesuffix("K"))):
            found[f"L{level}" + {"Data": "d", "Instruction": "i"}.get(kind, "")] = kib * 1024
    return found or None


def _hypervisor(virtual: bool | None) -> str | None:
    """Who made the machine that the processor says is none of metal."""
    if virtual is False:
        return "none"
    who = _read(Path("/sys/hypervisor/type")) or _read(Path("/sys/class/dmi/id/sys_vendor"))
    return "unnamed" if virtual and who is None else who if virtual else None


def _cores_usable() -> float | None:
    """Of the cores that this process may run on as many as its cgroup's quota has the time of."""
    if not hasattr(os, "sched_getaffinity"):
        return None
    quota, _, period = (_read(Path("/sys/fs/cgroup/cpu.max")) or "max").partition(" ")
    granted, per = _number(quota), _number(period)
    allowed = float(len(os.sched_getaffinity(0)))
    return min(allowed, round(granted / per, 2)) if granted and per else allowed


def _of_darwin() -> dict[str, Any]:
    """What sysctl says, asked within this process."""
    libc = ctypes.CDLL(None)

    def bytes_of(name: str) -> bytes | None:
        size = ctypes.c_size_t()
        if libc.sysctlbyname(name.encode(), None, ctypes.byref(size), None, 0):
            return None
        value = ctypes.create_string_buffer(size.value)
        return None if libc.sysctlbyname(name.encode(), value, ctypes.byref(size), None, 0) else value.raw[: size.value]

    return of_sysctl(bytes_of)


def of_sysctl(bytes_of: Callable[[str], bytes | None]) -> dict[str, Any]:
    """A Mac's facts of what sysctl answers to each name: an Intel's family and flags, or Apple's family of cores."""

    def number(*names: str) -> int | None:
        told = next(filter(None, map(bytes_of, names)), None)
        return None if told is None else int.from_bytes(told, sys.byteorder)

    flags = b" ".join(bytes_of(f"machdep.cpu.{name}") or b"" for name in ("features", "leaf7_features"))
    words = (
        flags.replace(b"\0", b" ").decode(errors="replace").lower().replace("avx1.0", "avx").replace(".", "_").split()
    )
    sizes = {"L1d": number("hw.l1dcachesize"), "L2": number("hw.l2cachesize"), "L3": number("hw.l3cachesize")}
    virtual = number("kern.hv_vmm_present")
    return {
        "family": number("machdep.cpu.family", "hw.cpufamily"),
        "model": number("machdep.cpu.model", "hw.cpusubfamily"),
        "stepping": number("machdep.cpu.stepping"),
        "flags": sorted(word for word in words if _X86.fullmatch(word)),
        "caches": {name: size for name, size in sizes.items() if size} or None,
        "hypervisor": None if virtual is None else "unnamed" if virtual else "none",
    }


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip() or None
    except OSError:
        return None


def _number(text: str) -> int | None:
    try:
        return int(text, 0)
    except ValueError:
        return None
