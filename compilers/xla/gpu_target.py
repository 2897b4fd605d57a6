"""An NVIDIA GPU as XLA is told of one that is not here: a text protobuf of its GpuTargetConfigProto."""

from __future__ import annotations

from oneblock.compilers.chips.chip import Gpu

# Alike in every architecture here; and the libraries that XLA may count on where the program will run.
_ALIKE = """threads_per_warp: 32 threads_per_block_limit: 1024 shared_memory_per_block: 49152
  registers_per_core_limit: 65536 registers_per_block_limit: 65536
  thread_dim_limit_x: 1024 thread_dim_limit_y: 1024 thread_dim_limit_z: 64
  block_dim_limit_x: 2147483647 block_dim_limit_y: 65535 block_dim_limit_z: 65535
  driver_version: "12.8.0" runtime_version: "12.8.0" compile_time_toolkit_version: "12.8.0" dnn_version: "9.10.0\""""


def target_config(of: Gpu) -> str:
    """The description; from sm_90 on with the instructions of that architecture alone (wgmma, tcgen05)."""
    unit, (major, minor) = of.multiprocessor, of.capability
    extension = "ACCELERATED_FEATURES" if major >= 9 else "NONE"
    return f"""
gpu_device_info {{
  name: "{of.name}"
  cuda_compute_capability {{ major: {major} minor: {minor} feature_extension: {extension} }}
  core_count: {of.sms.value}
  clock_rate_ghz: {of.clock_hz.value / 1e9}
  device_memory_size: {of.memory_bytes.value}
  memory_bandwidth: {of.memory_bytes_per_s.value:.0f}
  l2_cache_size: {of.l2_bytes}
  fpus_per_core: {unit.float32_units}
  threads_per_core_limit: {unit.threads}
  shared_memory_per_core: {unit.shared_bytes}
  shared_memory_per_block_optin: {unit.shared_bytes_of_block}
  {_ALIKE}
}}
platform_name: "CUDA"
dnn_version_info {{ major: 9 minor: 10 patch: 0 }}
runtime_version {{ major: 12 minor: 8 patch: 0 }}
device_description_str: "{of.name}"
"""
