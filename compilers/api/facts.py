"""What a compiler's output says of a program: counts and estimates, as plain data that a record keeps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from oneblock.compilers.api.kind import Kind

_STRICT = {"extra": "forbid"}


@dataclass(frozen=True)
class StepFacts:
    """What the operations of one step come to; `step` is None for those that no step claims."""

    __pydantic_config__: ClassVar[Any] = _STRICT
    step: str | None
    operations: int  # scheduled, each counted once
    flops: float
    hbm_bytes: float
    cycles: float | None  # as estimated for each operation by XLA's own cost model


@dataclass(frozen=True)
class Collective:
    """One exchange between devices."""

    __pydantic_config__: ClassVar[Any] = _STRICT
    kind: str  # "all-reduce"
    dtype: str
    bytes: int  # of the result on one device
    channel: int | None
    group_size: int | None  # how many devices take part in one group
    algorithm: str | None  # the strategy that the compiler chose for the interconnect
    step: str | None


@dataclass(frozen=True)
class KernelFacts:
    """One generated kernel: a fusion's instructions for the machine, not weighted by how often its loops run."""

    __pydantic_config__: ClassVar[Any] = _STRICT
    name: str
    step: str | None
    bundles: int  # VLIW instructions
    slots: dict[str, float]  # share of each functional unit's slots that is filled: {"MXU": 0.97}
    cycles: float | None  # of the static simulation
    estimated_cycles: float | None = None  # of the cost model by which XLA chose


@dataclass(frozen=True)
class Occupancy:
    """How many blocks of a kernel live on one multiprocessor at once, by the maker's rules of allocation."""

    __pydantic_config__: ClassVar[Any] = _STRICT
    blocks: int
    warps: int
    share: float  # of the warps that it has room for
    limited_by: str  # "registers", "shared memory", "warps" or "blocks"
    kind: Kind = Kind.MODELLED


@dataclass(frozen=True)
class GpuKernel:
    """One launch. Instructions are as written, each once; times are of XLA's models, by the model's name."""

    __pydantic_config__: ClassVar[Any] = _STRICT
    name: str  # the HLO operation
    step: str | None
    kind: str  # "triton gemm", "triton", "loop", "input"; "library __cublas$lt$matmul"; "Copy"
    entry: str | None  # None: not compiled here
    grid: tuple[int, ...] | None
    threads: int | None
    shared_bytes: int | None
    registers: int | None  # of one thread; None where there is no assembler
    spill_bytes: int | None
    instructions: dict[str, int]
    modelled_s: dict[str, float]
    config: str | None = None  # how it was built: "BM=128 BN=128 BK=64, 8 warps, 3 stages"
    dynamic_shared_bytes: int | None = None  # of `shared_bytes`, what is given at the launch
    stack_bytes: int | None = None  # of one thread
    machine_instructions: int | None = None  # in the disassembly
    occupancy: Occupancy | None = None
    declared_flops: float | None = None  # by its own formula
    declared_bytes: float | None = None  # by its own formula: every operand once


@dataclass(frozen=True)
class TirCall:
    """One call of a function of TVM's tensor IR, in the program's order."""

    __pydantic_config__: ClassVar[Any] = _STRICT
    function: str
    steps: tuple[str, ...]  # a fused function may be of several
    flops: float  # by TVM's own count of the function before it is scheduled
    loops: dict[str, int]  # as scheduled, by kind: {"serial": 5, "parallel": 1, "vectorized": 2, "unrolled": 3}
    vector_lanes: int | None  # elements of the longest vectorised loop; None where there is none
    instructions: dict[str, int]  # of the assembly, by class: {"fma 256": 96}; empty for code that is not the CPU's


@dataclass(frozen=True)
class NeuronCall:
    """One call of an NKI kernel, in the program's order. Counts are of an interpreter's run; times are modelled."""

    __pydantic_config__: ClassVar[Any] = _STRICT
    kernel: str
    step: str | None
    shapes: tuple[str, ...]  # of its arrays: "bfloat16[128, 2048]"
    instructions: dict[str, int]  # by engine: {"tensor": 120, "dma": 40}
    flops: float  # of products and of elementwise instructions, one for each operator and element
    dma_bytes: int
    dma_runs: int  # contiguous pieces that the transfers read or write
    sbuf_bytes: int  # of a partition, the most that is alive at once
    sbuf_limit_bytes: int
    psum_banks: int  # the most that are alive at once
    busy_s: dict[str, float]  # by engine
    modelled_s: float  # from the first instruction to the last result


@dataclass(frozen=True)
class Estimate:
    """How long the program would take on the target, by one method. Never a measurement."""

    __pydantic_config__: ClassVar[Any] = _STRICT
    name: str  # "xla", "hlo", "llo"; of GPUs "xla-triton", "xla-cublas"; of Neuron "timeline"
    seconds: float | None  # None: this method has no answer, for the reason in `how`
    how: str
    kind: Kind = Kind.COMPILED  # or MODELLED, where it is a formula of the specification


@dataclass(frozen=True)
class Buffer:
    """An allocation that the compiler names when it runs out of memory."""

    __pydantic_config__: ClassVar[Any] = _STRICT
    bytes: int
    what: str


@dataclass(frozen=True)
class Memory:
    """What a program that does not fit needs, and what the target has, in bytes."""

    __pydantic_config__: ClassVar[Any] = _STRICT
    space: str  # "hbm", "vmem"
    needed_bytes: int | None
    available_bytes: int | None
    largest: tuple[Buffer, ...]


@dataclass(frozen=True)
class Facts:
    """Everything countable of one compiled program. A count that its loops make unknown is None, and said why."""

    __pydantic_config__: ClassVar[Any] = _STRICT
    flops: float | None  # counted from the operations' shapes, loops multiplied by their trips
    compiler_flops: float | None  # as the compiler's own cost analysis has it
    hbm_bytes: float | None  # read and written in HBM (memory space 0) by the scheduled operations
    scratch_bytes: int | None  # temporaries in HBM
    argument_bytes: int | None
    output_bytes: int | None
    code_bytes: int | None
    operations: dict[str, int]  # scheduled, by opcode
    fusions: dict[str, int]  # by kind: {"kLoop": 12}
    custom_calls: dict[str, int]  # by target
    attributed: float | None  # share of the scheduled operations that a step claims
    attributed_by_name: float | None  # the share whose own metadata says so; the rest by whose data they move
    steps: tuple[StepFacts, ...]
    collectives: tuple[Collective, ...] = ()
    kernels: tuple[KernelFacts, ...] = ()
    gpu_kernels: tuple[GpuKernel, ...] = ()
    tir_calls: tuple[TirCall, ...] = ()
    neuron_calls: tuple[NeuronCall, ...] = ()
    estimates: tuple[Estimate, ...] = ()
    caveats: tuple[str, ...] = ()  # what these counts do not show
    kind: Kind = Kind.COMPILED  # also where the cell's times are measured; INTERPRETED of what an interpreter counted
