"""What a compiler itself says of an architecture: a limit that it refuses by, or a number that it computes with.

Each names the tool and its version, how it says so, and the test that asks it again. They stand beside what documents
state, and never replace it: libtpu's usable memory is less than a page's, since its runtime keeps some.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from oneblock.compilers.chips.chip import Chip

_KIB, _MIB, _GIB = 2**10, 2**20, 2**30
USABLE = "usable HBM of a device"
PTXAS, LLVM, LIBTPU, TVM = "ptxas", "LLVM, as Triton 3.9.0 bundles it", "libtpu", "Apache TVM"
_TESTS = "tests/compilers/chips"


@dataclass(frozen=True)
class Attested:
    """A number by the word of a tool: of an architecture, which all its products share."""

    what: str
    value: int
    unit: str  # "B", or "" of a count
    tool: str
    version: str
    how: str  # the refusal or the text by which the tool says so
    test: str  # that asks it again


def attested(chip: Chip) -> tuple[Attested, ...]:
    """What tools say of a chip's architecture; of none that was asked, nothing."""
    return ATTESTED.get(f"{chip.platform}:{chip.architecture}", ())


def usable_bytes(chip: Chip) -> int:
    """What a program may have of a chip's memory: as a compiler attests, or else as documents state."""
    return next((one.value for one in attested(chip) if one.what == USABLE), chip.memory_bytes.value)


def _ptxas(blocks: int, threads: int) -> tuple[Attested, ...]:
    """The same four of each architecture: what ptxas takes and, one more, refuses."""
    asked = (
        ("blocks resident on a multiprocessor", blocks, "", ".minnctapersm with .maxntid 32: one more is out of range"),
        ("threads resident on a multiprocessor", threads, "", ".minnctapersm x .maxntid 128: more is out of range"),
        ("shared memory of a block, declared", 48 * _KIB, "B", "uses too much shared data (..., 0xc000 max)"),
        ("registers of a thread", 255, "", "Too big maxrregcount value specified 256, will be ignored"),
    )  # fmt: skip
    return tuple(Attested(*one[:3], PTXAS, "12.9.86", one[3], f"{_TESTS}/test_attested_gpus.py") for one in asked)


def _llvm(lds_bytes: int, granule: int) -> tuple[Attested, ...]:
    asked = (
        ("LDS of a work-group", lds_bytes, "B", f"local memory (...) exceeds limit ({lds_bytes})"),
        ("LDS is given in pieces of", granule, "B", f"granulated_lds_size = 128 of {lds_bytes} bytes"),
    )
    return tuple(
        Attested(*one[:3], LLVM, "24.0.0git b010a18d", one[3], f"{_TESTS}/test_attested_gpus.py") for one in asked
    )


def _libtpu(hbm_gib: float, vmem_mib: int) -> tuple[Attested, ...]:
    asked = (
        (USABLE, int(hbm_gib * _GIB), "B", f"exceeds available HBM ({hbm_gib:.2f}G)"),
        ("VMEM of a core", vmem_mib * _MIB, "B", f"would exceed memory (size={vmem_mib * _MIB})"),
    )
    return tuple(Attested(*one[:3], LIBTPU, "0.0.42.1", one[3], f"{_TESTS}/test_attested_tpus.py") for one in asked)


def _tvm() -> tuple[Attested, ...]:
    asked = (
        ("cores of a chip", 2, "", "num-cores"), ("partitions", 128, "", "partition_size"),
        ("SBUF of a partition", 192 * _KIB, "B", "max_sbuf_size_per_partition"),
        ("PSUM of a partition", 16 * _KIB, "B", "max_psum_size_per_partition"),
    )  # fmt: skip
    how = 'Target("aws/trn1/trn1.2xlarge").attrs'
    return tuple(
        Attested(*one[:3], TVM, "0.27.0.post1", f'{how}["{one[3]}"]', f"{_TESTS}/test_attested_neuron.py")
        for one in asked
    )


ATTESTED: Mapping[str, tuple[Attested, ...]] = {
    "cuda:sm_75": _ptxas(16, 1024), "cuda:sm_80": _ptxas(32, 2048), "cuda:sm_89": _ptxas(24, 1536),
    "cuda:sm_90": _ptxas(32, 2048), "cuda:sm_100": _ptxas(32, 2048), "cuda:sm_103": _ptxas(32, 2048),
    "cuda:sm_120": _ptxas(24, 1536),
    "rocm:gfx942": _llvm(64 * _KIB, 512), "rocm:gfx950": _llvm(160 * _KIB, 1280),
    "tpu:v4": _libtpu(30.75, 16), "tpu:v5e": _libtpu(15.75, 128), "tpu:v5p": _libtpu(95.74, 64),
    "tpu:v6e": _libtpu(31.25, 128), "tpu:v7x": _libtpu(94.75, 64),
    "neuron:trn1": _tvm(),
}  # fmt: skip
