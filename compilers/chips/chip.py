"""A chip: one shape for every maker's, in which each figure has its source, and what a GPU, a TPU, a NeuronCore adds.

What the constructors refuse, with a sentence, is not half a chip: a third party's fails here or is whole.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from oneblock.compilers.chips._checks import counts, positive, positive_by_name, typed
from oneblock.compilers.chips.figures import Figure as Figure
from oneblock.compilers.chips.figures import Source as Source

_TARGET = re.compile(r"[a-z]+(:[a-z0-9_]+){1,2}")
# What a platform's compilers read numbers out of: the form of its architectures, and one of them.
_ARCHITECTURES = {"cuda": (r"sm_\d{2,3}", "sm_90"), "rocm": (r"gfx[0-9a-f]{3,4}", "gfx942")}
DTYPES = (  # whose peaks a chip may state, as NumPy and ml_dtypes call them
    "float64", "float32", "float16", "bfloat16", "float8_e4m3", "float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2",
    "float8_e5m2fnuz", "float6_e2m3fn", "float6_e3m2fn", "float4_e2m1fn", "int8", "int4",
)  # fmt: skip
_WHOLE = ("memory_bytes", "on_chip_bytes", "sms", "macs_per_cycle", "memory_bus_bits", "chips_per_instance")
# What a chip may leave out, saying in `absent` why it has to.
OPTIONAL = (
    "on_chip_bytes",
    "link_bytes_per_s",
    "tdp_w",
    "chips_per_instance",
    "memory_bus_bits",
    "memory_pin_bits_per_s",
)


@dataclass(frozen=True, kw_only=True)
class Chip:
    """One device as a program is given it: a GPU, a TPU as JAX counts them, one NeuronCore."""

    target: str  # "cuda:sm_90"; of a product beside its architecture's usual one "cuda:sm_90:h200"
    name: str  # as its driver or its maker's documents spell it
    peaks: Mapping[str, Figure[float]] = field(hash=False)  # FLOP/s of dense matrix products by their dtype
    memory_bytes: Figure[int]
    memory_bytes_per_s: Figure[float]
    on_chip_bytes: Figure[int] | None = None  # of a GPU its L2, of a TPU its VMEM, of a NeuronCore its SBUF
    link_bytes_per_s: Figure[float] | None = None  # to all its neighbours together, as its source counts directions
    caches: Mapping[str, Figure[int]] = field(default_factory=dict, hash=False)  # bytes of the others, by their names
    tdp_w: Figure[float] | None = None  # what its maker calls its power: TDP, TGP, typical board power
    chips_per_instance: Figure[int] | None = None  # of the largest instance or node that its source names
    memory_bus_bits: Figure[int] | None = None  # pins of all stacks together
    memory_pin_bits_per_s: Figure[float] | None = None  # of each, both edges of the clock counted
    absent: Mapping[str, str] = field(default_factory=dict, hash=False)  # why an optional figure is not there

    def __post_init__(self) -> None:
        if not isinstance(self.target, str) or not _TARGET.fullmatch(self.target):
            raise ValueError(
                f"target {self.target!r}: expected PLATFORM:ARCHITECTURE or PLATFORM:ARCHITECTURE:PRODUCT in small "
                "letters, e.g. cuda:sm_90 or cuda:sm_90:h200"
            )
        form, example = _ARCHITECTURES.get(self.platform, (".*", ""))
        if not re.fullmatch(form, self.architecture):
            raise ValueError(f"target {self.target!r}: expected an architecture such as {self.platform}:{example}")
        typed(self.target, name=(self.name, str), peaks=(self.peaks, Mapping))
        if not self.name.strip():
            raise ValueError(f"{self.target}: expected a name as its maker spells it, got {self.name!r}")
        if not self.peaks:
            raise ValueError(f"{self.target}: expected the peak of one dtype or more, got {self.peaks!r}")
        if strange := [dtype for dtype in self.peaks if dtype not in DTYPES]:
            raise ValueError(f"{self.target}: peaks of {strange}: expected some of {', '.join(DTYPES)}")
        self.check(**{f"the peak of {dtype}": peak for dtype, peak in self.peaks.items()})
        self.check(memory_bytes=self.memory_bytes, memory_bytes_per_s=self.memory_bytes_per_s)
        self.check(**{name: figure for name in OPTIONAL if (figure := getattr(self, name)) is not None})
        typed(self.target, caches=(self.caches, Mapping), absent=(self.absent, Mapping))
        self.check(**{f"cache {name}": figure for name, figure in self.caches.items()})
        for what, why in self.absent.items():
            stated = self.peaks.get(what) if what in DTYPES else getattr(self, what, None)
            if (what not in OPTIONAL and what not in DTYPES) or stated is not None or not str(why).strip():
                raise ValueError(f"{self.target}: absent {what!r}: expected a figure that is not stated, and why")

    def check(self, **stated: object) -> None:
        """ValueError names the first that is no figure."""
        for what, figure in stated.items():
            if not isinstance(figure, Figure):
                raise ValueError(f"{self.target}: {what}: expected a Figure(value, source), got {figure!r}")
            if what in _WHOLE and not isinstance(figure.value, int):
                raise ValueError(f"{self.target}: {what}: expected a whole number, got {figure.value!r}")

    @property
    def platform(self) -> str:
        """The first part of its target: "cuda"."""
        return self.target.split(":")[0]

    @property
    def architecture(self) -> str:
        """The second part of its target: "sm_90"."""
        return self.target.split(":")[1]

    @property
    def product(self) -> str | None:
        """The third part of its target: "h200"; None of the architecture's usual product."""
        return (*self.target.split(":"), None)[2]


@dataclass(frozen=True)
class Multiprocessor:
    """A GPU's multiprocessor (NVIDIA: SM, AMD: CU), which all products of an architecture share."""

    source: Source
    lanes: int  # of a warp (AMD: wave)
    schedulers: int  # AMD: SIMDs
    warps_of_scheduler: int  # resident at once
    registers_of_lane: int  # for all warps of a scheduler together; AMD: vector registers, accumulators included
    register_granule: int  # registers of a lane are given out in pieces of so many
    deals_evenly: bool  # a block's warps are dealt out to the schedulers, and do not fill one after another
    blocks: int  # resident at once (AMD: work-groups)
    shared_bytes: int  # AMD: LDS
    shared_bytes_of_block: int  # the most that one block may ask for
    reserved_bytes_of_block: int  # of shared memory, taken by the system
    shared_granule: int
    float32_units: int

    def __post_init__(self) -> None:
        typed("Multiprocessor", source=(self.source, Source), deals_evenly=(self.deals_evenly, bool))
        counts("Multiprocessor", **{one.name: getattr(self, one.name) for one in fields(self) if one.type == "int"})

    @property
    def warps(self) -> int:
        """Resident at once."""
        return self.schedulers * self.warps_of_scheduler

    @property
    def threads(self) -> int:
        """Resident at once."""
        return self.warps * self.lanes


@dataclass(frozen=True, kw_only=True)
class Gpu(Chip):
    """A GPU, as occupancy, the static model and compilers for one that is not here need to know it."""

    multiprocessor: Multiprocessor
    sms: Figure[int]  # multiprocessors
    clock_hz: Figure[float]  # boost, or the highest that its driver reports
    matrix_clock_hz: Figure[float] | None = None  # at which its peaks are stated, where a source says

    def __post_init__(self) -> None:
        super().__post_init__()
        typed(self.target, multiprocessor=(self.multiprocessor, Multiprocessor))
        self.check(sms=self.sms, clock_hz=self.clock_hz)
        if self.matrix_clock_hz is not None:
            self.check(matrix_clock_hz=self.matrix_clock_hz)
        if "float16" not in self.peaks:
            raise ValueError(f"{self.target}: expected the peak of float16, by which configurations are ranked")
        if self.platform == "cuda":
            self.check(on_chip_bytes=self.on_chip_bytes)  # NVIDIA's compilers ask for the size of L2

    @property
    def capability(self) -> tuple[int, int]:
        """NVIDIA's compute capability: (9, 0) of sm_90."""
        digits = self.architecture.removeprefix("sm_")
        return int(digits[:-1]), int(digits[-1])

    @property
    def l2_bytes(self) -> int:
        """Of an NVIDIA GPU, which has to state it."""
        assert self.on_chip_bytes is not None, f"{self.target} was checked as it was made"
        return self.on_chip_bytes.value

    @property
    def float32_flops_per_s(self) -> float:
        """What the float32 units do at the boost clock, a multiply-add being 2."""
        return 2.0 * self.sms.value * self.multiprocessor.float32_units * self.clock_hz.value


@dataclass(frozen=True, kw_only=True)
class Tpu(Chip):
    """A TPU as JAX counts devices, and the torus in which its chips lie."""

    device_kinds: tuple[str, ...]  # as JAX may call such a device that is here
    prefix: str  # as in a topology's name: "tpu7x:2x2x1"
    axes: int  # of its torus
    host: tuple[int, ...]  # the chips of one host: the smallest topology every version of the compiler accepts
    devices_per_chip: int  # as JAX counts them
    options: tuple[tuple[str, str], ...] = ()  # to ask the compiler for this topology by
    macs_per_cycle: Figure[int] | None  # of the matrix units together; None where no source and no tool agrees

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.platform != "tpu" or self.product is not None:
            raise ValueError(f"target {self.target!r}: expected tpu:GENERATION, after which a topology is named")
        if self.macs_per_cycle is not None:
            self.check(macs_per_cycle=self.macs_per_cycle)
        typed(self.target, device_kinds=(self.device_kinds, tuple), options=(self.options, tuple))
        typed(self.target, prefix=(self.prefix, str), host=(self.host, tuple))
        counts(self.target, axes=self.axes, **{f"side {n} of host": side for n, side in enumerate(self.host)})
        positive(self.target, devices_per_chip=self.devices_per_chip)
        if len(self.host) != self.axes:
            raise ValueError(f"{self.target}: expected a host of {self.axes} sides, got {self.host}")

    @property
    def clock_hz(self) -> float | None:
        """The clock that the peak implies: FLOP/s = 2 * MACs per cycle * clock. Google publishes none."""
        peak = self.peaks.get("bfloat16")
        return None if self.macs_per_cycle is None or peak is None else peak.value / (2 * self.macs_per_cycle.value)


ENGINES = ("tensor", "vector", "scalar", "gpsimd")  # of a NeuronCore, each with a clock of its own


@dataclass(frozen=True)
class Generation:
    """A generation of the NeuronCore as a kernel meets it. Clocks by engine; the DMA figure is of all 16 engines."""

    source: Source
    number: int
    sbuf_bytes: int  # of a partition
    clock_hz: Mapping[str, float] = field(hash=False)
    dma_bytes_per_s: float
    moving_free: Mapping[str, int] = field(hash=False)  # the widest moving operand, by the dtype of the product

    def __post_init__(self) -> None:
        typed("Generation", source=(self.source, Source))
        counts("Generation", number=self.number, sbuf_bytes=self.sbuf_bytes)
        positive("Generation", dma_bytes_per_s=self.dma_bytes_per_s)
        positive_by_name("Generation", "clock_hz", self.clock_hz, ENGINES)
        positive_by_name("Generation", "moving_free", self.moving_free, ("float32",))

    @property
    def name(self) -> str:
        """As AWS writes it: "v2"."""
        return f"v{self.number}"


@dataclass(frozen=True, kw_only=True)
class NeuronCore(Chip):
    """One NeuronCore of an instance's chips, and the generation that it is of."""

    generation: Generation

    def __post_init__(self) -> None:
        super().__post_init__()
        typed(self.target, generation=(self.generation, Generation))
