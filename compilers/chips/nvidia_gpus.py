"""NVIDIA GPUs as XLA's compiler needs to know them: limits of an architecture, and what sets one product apart.

Sources. Limits of an architecture: CUDA C++ Programming Guide, "Technical Specifications per Compute Capability" and
"Arithmetic Instructions". Products: NVIDIA's data sheets and architecture white papers of the T4, A100, H100, H200 and
HGX B200. What they leave out (bytes of memory and of L2 that a driver reports, B200's clock and multiprocessors) is as
in the target configurations that OpenXLA publishes.
"""

from __future__ import annotations

from dataclasses import dataclass

_KIB, _MIB = 2**10, 2**20


@dataclass(frozen=True)
class Architecture:
    """What all products of one compute capability share, for each streaming multiprocessor (SM)."""

    major: int
    minor: int
    threads: int  # resident at once
    blocks: int  # resident at once
    float32_units: int
    shared_bytes: int
    shared_bytes_of_block: int  # the most that one block may ask for
    reserved_bytes_of_block: int  # of shared memory, taken by the system
    accelerated: bool  # has instructions of its own kind only: "sm_90a" with wgmma, "sm_100a" with tcgen05


@dataclass(frozen=True)
class Gpu:
    """One product. Peak and bandwidth are the maker's, of dense products."""

    name: str  # as its driver spells it
    architecture: Architecture
    sms: int
    clock_hz: float  # boost
    memory_bytes: int
    l2_bytes: int
    memory_bytes_per_s: float
    flops_per_s: float  # of float16 products (bfloat16 the same from sm_80 on), accumulated in float32

    @property
    def float32_flops_per_s(self) -> float:
        """What the float32 units do at the boost clock, a multiply-add being 2."""
        return 2.0 * self.sms * self.architecture.float32_units * self.clock_hz

    def target_config(self) -> str:
        """The description that XLA compiles for, as a text protobuf of its GpuTargetConfigProto."""
        own = self.architecture
        extension = "ACCELERATED_FEATURES" if own.accelerated else "NONE"
        return f"""
gpu_device_info {{
  name: "{self.name}"
  cuda_compute_capability {{ major: {own.major} minor: {own.minor} feature_extension: {extension} }}
  core_count: {self.sms}
  clock_rate_ghz: {self.clock_hz / 1e9}
  device_memory_size: {self.memory_bytes}
  memory_bandwidth: {self.memory_bytes_per_s:.0f}
  l2_cache_size: {self.l2_bytes}
  fpus_per_core: {own.float32_units}
  threads_per_core_limit: {own.threads}
  shared_memory_per_core: {own.shared_bytes}
  shared_memory_per_block_optin: {own.shared_bytes_of_block}
  {_ALIKE}
}}
platform_name: "CUDA"
dnn_version_info {{ major: 9 minor: 10 patch: 0 }}
runtime_version {{ major: 12 minor: 8 patch: 0 }}
device_description_str: "{self.name}"
"""


# Alike in every architecture here; and the libraries that XLA may count on where the program will run.
_ALIKE = """threads_per_warp: 32 threads_per_block_limit: 1024 shared_memory_per_block: 49152
  registers_per_core_limit: 65536 registers_per_block_limit: 65536
  thread_dim_limit_x: 1024 thread_dim_limit_y: 1024 thread_dim_limit_z: 64
  block_dim_limit_x: 2147483647 block_dim_limit_y: 65535 block_dim_limit_z: 65535
  driver_version: "12.8.0" runtime_version: "12.8.0" compile_time_toolkit_version: "12.8.0" dnn_version: "9.10.0\""""

_TURING = Architecture(7, 5, 1024, 16, 64, 64 * _KIB, 64 * _KIB, 0, False)
_AMPERE = Architecture(8, 0, 2048, 32, 64, 164 * _KIB, 163 * _KIB, _KIB, False)
_HOPPER = Architecture(9, 0, 2048, 32, 128, 228 * _KIB, 227 * _KIB, _KIB, True)
_BLACKWELL = Architecture(10, 0, 2048, 32, 128, 228 * _KIB, 227 * _KIB, _KIB, True)

# By (architecture, product) as targets spell them; None is the architecture's usual product.
GPUS: dict[tuple[str, str | None], Gpu] = {
    ("sm_75", None): Gpu("Tesla T4", _TURING, 40, 1.59e9, 15360 * _MIB, 4 * _MIB, 320e9, 65e12),
    ("sm_80", None): Gpu("NVIDIA A100-SXM4-80GB", _AMPERE, 108, 1.41e9, 85_100_068_864, 40 * _MIB, 2039e9, 312e12),
    ("sm_90", None): Gpu("NVIDIA H100 80GB HBM3", _HOPPER, 132, 1.98e9, 84_942_979_072, 50 * _MIB, 3350e9, 989.4e12),
    ("sm_90", "h200"): Gpu("NVIDIA H200", _HOPPER, 132, 1.98e9, 151_397_597_184, 50 * _MIB, 4800e9, 989.4e12),
    ("sm_100", None): Gpu("NVIDIA B200", _BLACKWELL, 148, 1.965e9, 191_514_411_008, 132_644_864, 8000e9, 2250e12),
}


def gpu(architecture: str, product: str | None = None) -> Gpu:
    """The GPU of a target such as `cuda:sm_90` or `cuda:sm_90:h200`; LookupError offers those there are."""
    found = GPUS.get((architecture, product))
    if found is None:
        asked = ":".join(part for part in ("cuda", architecture, product) if part is not None)
        known = ", ".join(":".join(("cuda", *(part for part in key if part is not None))) for key in GPUS)
        raise LookupError(f"no specification of {asked}: expected one of {known}")
    return found
