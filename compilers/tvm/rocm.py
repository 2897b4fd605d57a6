"""What TVM takes from ROCm to emit code for AMD's GPUs, from Triton's wheel where ROCm is not installed."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import tvm_ffi

_LIBRARIES = ("ocml.bc", "ockl.bc")  # mathematics and what a kernel asks of its launch, as LLVM's bitcode


def ready() -> bool:
    """Whether TVM can emit such code here; from then on, with Triton's libraries where ROCm's are absent."""
    if Path("/opt/rocm").exists():
        return True
    triton = importlib.util.find_spec("triton")
    if triton is None or triton.origin is None:
        return False
    folder = Path(triton.origin).parent / "backends" / "amd" / "lib"
    files = [str(folder / name) for name in _LIBRARIES]
    if not all(Path(file).exists() for file in files):
        return False
    tvm_ffi.register_global_func("tvm_callback_rocm_bitcode_path", lambda *_: files, override=True)
    # Linking makes of the code what a driver loads: nobody does here, and LLVM's linker is not in any wheel.
    tvm_ffi.register_global_func("tvm_callback_rocm_link", lambda code: code, override=True)
    return True
