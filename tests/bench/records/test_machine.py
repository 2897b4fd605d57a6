"""Two machines are one only where what decides their code agrees: instructions, caches, and variables that choose."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from oneblock.bench.records import machine
from oneblock.bench.records.environment import environment
from oneblock.bench.records.machine import identity, of_sysctl, variables

X86 = """processor\t: 0
cpu family\t: 25
model\t\t: 17
model name\t: AMD EPYC
stepping\t: 1
flags\t\t: fpu sse2 avx2 fma avx512f avx512_bf16 amx_bf16 constant_tsc ibrs md_clear hypervisor

processor\t: 1
flags\t\t: sse2
"""
ARM = "processor\t: 0\nFeatures\t: fp asimd sve i8mm\nCPU implementer\t: 0x41\nCPU variant\t: 0x1\nCPU part\t: 0xd40\n"


@pytest.fixture
def stated(monkeypatch: pytest.MonkeyPatch) -> Callable[[str | None], None]:
    """Let /proc/cpuinfo be another's, or absent."""
    read = Path.read_text

    def state(text: str | None) -> None:
        def read_text(path: Path, *args: object, **kwargs: object) -> str:
            if str(path) != "/proc/cpuinfo":
                return read(path, *args, **kwargs)  # type: ignore[arg-type]
            if text is None:
                raise OSError(24, "Too many open files")
            return text

        monkeypatch.setattr(Path, "read_text", read_text)
        monkeypatch.setattr(machine.sys, "platform", "linux")

    return state


def test_of_x86_the_instructions_count_and_not_what_a_kernel_says_of_faults(stated: Callable[..., None]) -> None:
    stated(X86)
    one = identity()
    assert (one.cpu_family, one.cpu_model, one.cpu_stepping) == (25, 17, 1)
    assert one.instruction_sets == ("amx_bf16", "avx2", "avx512_bf16", "avx512f", "fma", "sse2")
    assert one.hypervisor != "none"
    stated(X86.replace("ibrs md_clear", "ibrs").replace("hypervisor", ""))
    assert identity().instruction_sets == one.instruction_sets, "an update of the kernel makes no other machine"
    assert identity().hypervisor == "none"
    stated(X86.replace(" avx512f", ""))
    assert identity().facts()["instruction_sets"] != one.facts()["instruction_sets"]


def test_of_arm_the_part_and_its_features_count(stated: Callable[..., None]) -> None:
    stated(ARM)
    one = identity()
    assert (one.cpu_family, one.cpu_model, one.cpu_stepping) == (0x41, 0xD40, 1)
    assert one.instruction_sets == ("asimd", "fp", "i8mm", "sve")


def test_what_cannot_be_told_is_left_out_of_what_is_known(stated: Callable[..., None]) -> None:
    stated(X86)
    known = environment(1).facts()
    stated(None)
    found = environment(1).facts()
    assert not {"cpu_family", "cpu_model", "cpu_stepping", "instruction_sets", "hypervisor"} & found.keys()
    assert {key: known[key] for key in found if key != "cpu"} == {key: found[key] for key in found if key != "cpu"}
    assert None not in found.values()


@pytest.mark.parametrize(
    "name",
    [
        "ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "ONEDNN_DEFAULT_FPMATH_MODE", "MKL_CBWR",
        "MKL_ENABLE_INSTRUCTIONS", "MKL_DEBUG_CPU_TYPE", "OPENBLAS_CORETYPE", "NPY_DISABLE_CPU_FEATURES", "XLA_FLAGS",
        "LIBTPU_INIT_ARGS", "OMP_PROC_BIND", "OMP_WAIT_POLICY", "KMP_AFFINITY", "KMP_BLOCKTIME", "GOMP_CPU_AFFINITY",
        "GLIBC_TUNABLES", "LD_PRELOAD", "JAX_DEFAULT_MATMUL_PRECISION", "TORCHINDUCTOR_MAX_AUTOTUNE",
        "NVIDIA_TF32_OVERRIDE", "VECLIB_MAXIMUM_THREADS", "BLIS_NUM_THREADS", "NEURON_CC_FLAGS", "TRITON_INTERPRET",
    ],
)  # fmt: skip
def test_a_variable_that_chooses_instructions_or_threads_is_a_fact(name: str) -> None:
    assert variables({name: "avx2", "PATH": "/bin"}) == {name: "avx2"}


@pytest.mark.parametrize(
    "name",
    [
        "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS",  # which every worker is given by oneblock
        "TORCHINDUCTOR_CACHE_DIR", "JAX_COMPILATION_CACHE_DIR", "TVM_HOME", "TVM_LIBRARY_PATH", "ONEDNN_VERBOSE",
        "OMP_DISPLAY_ENV", "KMP_DUPLICATE_LIB_OK", "NEURON_PIP_INDEX", "PATH", "HOME", "AWS_SECRET_ACCESS_KEY",
    ],
)  # fmt: skip
def test_a_variable_that_chooses_none_or_has_no_effect_is_no_fact_and_stands_in_no_record(name: str) -> None:
    assert variables({name: "secret"}) == {}


def test_a_mac_is_told_by_sysctl_and_what_this_lacks_is_unknown() -> None:
    number = {"hw.cpufamily": 0x1B588BB3, "hw.l1dcachesize": 65536, "hw.l2cachesize": 4194304, "kern.hv_vmm_present": 0}
    apple = of_sysctl(lambda name: number[name].to_bytes(8, sys.byteorder) if name in number else None)
    assert (apple["family"], apple["stepping"], apple["hypervisor"]) == (0x1B588BB3, None, "none")
    assert apple["caches"] == {"L1d": 65536, "L2": 4194304}
    text = {"machdep.cpu.features": b"FPU SSE2 AVX1.0 SSE4.2\0", "machdep.cpu.leaf7_features": b"AVX2 BMI1\0"}
    assert of_sysctl(text.get)["flags"] == ["avx", "avx2", "bmi1", "sse2", "sse4_2"]
    assert of_sysctl(lambda _: None)["caches"] is None
