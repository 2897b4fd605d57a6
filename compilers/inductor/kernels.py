"""What Inductor wrote for a GPU, put to use without one: its kernels as Triton functions, and its wrapper as a program.

The wrapper is Python, and its text runs as it is, but for the names by which it asks for a GPU's memory and stream. Its
kernels are those of its text: what is compiled, and what is interpreted, is what was written.
"""

from __future__ import annotations

import linecache
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from unittest.mock import patch

import torch

from oneblock.compilers.chips.chip import Gpu
from oneblock.compilers.inductor.gpu import GeneratedProgram
from oneblock.compilers.inductor.pretended_gpu import pretended
from oneblock.compilers.inductor.sdpa_on_gpu import OnCpu
from oneblock.compilers.triton import lowering as triton_gpu
from oneblock.compilers.triton.lowering import Source

# What the wrapper's text says of CUDA, and what stands there when it runs elsewhere.
_ELSEWHERE = {
    "from torch._C import _cuda_getCurrentRawStream as get_raw_stream": "get_raw_stream = lambda index: 0",
    "torch._C._dynamo.guards._empty_strided_cuda": "_oneblock_empty",
    "from torch._C._dynamo.guards import copy_if_misaligned": "copy_if_misaligned = lambda array: array",
    "torch.cuda._DeviceGuard(0)": "_oneblock_guard()",
    "torch.cuda.set_device(0)": "None",
    "device(type='cuda', index=0)": "_oneblock_device",
    "device='cuda:0'": "device=_oneblock_device",
}
_WRITTEN = re.compile(r"^    (BLOCK_\w+) : tl\.constexpr = (\d+)$", re.MULTILINE)


@dataclass(frozen=True)
class KernelConfig:
    """One of the configurations that Inductor would time on a device."""

    config: Any  # triton's
    constants: Mapping[str, Any]
    signature: Mapping[str, str]
    attrs: Mapping[Any, Any]
    options: Mapping[str, Any]
    written: Mapping[str, str]  # sizes that a template's source has as constants of its own

    def __str__(self) -> str:
        sizes = " ".join(f"{name}={n}" for name, n in {**self.written, **self.config.kwargs}.items())
        return f"{sizes}, {self.config.num_warps} warps, {self.config.num_stages} stages"


class Kernel:
    """One Triton kernel of the wrapper; `run` is what the wrapper calls."""

    def __init__(self, name: str, text: str, carry: Callable[[Kernel, tuple[Any, ...]], None]) -> None:
        self.name, self.text, self.carry = name, text, carry
        file = f"<{name}>"
        linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)  # @triton.jit reads its source
        scope: dict[str, Any] = {"__name__": name, "__file__": file}
        code = compile(text, file, "exec")
        exec(code, scope)  # the compiler's own text  # nosec B102
        self.tuner = scope[name]

    @property
    def function(self) -> Any:
        """The function under @triton.jit."""
        return self.tuner.fn

    @cached_property
    def ways(self) -> tuple[KernelConfig, ...]:
        """In Inductor's order."""
        return tuple(self._way(config) for config in self.tuner.configs)

    def _way(self, config: Any) -> KernelConfig:
        meta = self.tuner._create_compile_meta(config)
        options = self.tuner._create_compile_options(config, meta)
        written = dict(_WRITTEN.findall(self.text))
        return KernelConfig(config, meta["constants"], meta["signature"], meta["configs"][0], options, written)

    def source(self, way: KernelConfig, gpu: Gpu) -> Source:
        """All that fixes its machine code at one configuration."""
        given = way.signature, way.constants, way.attrs, way.options
        return triton_gpu.specialised(self.function, *given, gpu)

    def given(self, args: Sequence[Any]) -> dict[str, Any]:
        """The arguments of one run by name; the last of them may be of the grid and not of the function."""
        function = self.function
        names = [name for i, name in enumerate(function.arg_names) if i not in function.constexprs]
        names += self.tuner.inductor_meta.get("extra_launcher_args", ())
        return dict(zip(names, args, strict=True))

    def grid(self, way: KernelConfig, args: Sequence[Any]) -> tuple[int, ...]:
        """How many programs Inductor's launcher would start."""
        from torch._inductor.runtime.triton_heuristics import GridExpr

        expression = GridExpr.from_meta(self.tuner.inductor_meta, way.config)
        return tuple(int(n) for n in expression.eval_slow({**way.constants, **self.given(args)}))

    def run(self, *args: Any, stream: Any = None) -> None:
        """Called by the wrapper."""
        self.carry(self, args)

    def interpret(self, args: Sequence[Any]) -> None:
        """Run it on arrays of the CPU, at the configuration of the fewest programs."""
        from oneblock.compilers.triton import interpreter as triton_interpreter  # 0.6 s, and only without a GPU

        way = min(self.ways, key=lambda way: torch.Size(self.grid(way, args)).numel())
        names = self.function.arg_names
        constants = {name: value for name, value in way.constants.items() if name in names}
        given = self.given(args)
        mine = [given[name] for name in names if name not in constants]
        triton_interpreter.run(self.function, self.grid(way, args), mine, constants)


@dataclass(frozen=True)
class Wrapper:
    """The program that Inductor wrote, on arrays of another device."""

    generated: GeneratedProgram
    kernels: Mapping[str, Kernel]
    scope: Mapping[str, Any]

    def __call__(self, args: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Run it: name to array, in and out."""
        with OnCpu():
            outputs = self.scope["call"]([args[name] for name in self.generated.inputs])
        return dict(zip(self.generated.outputs, outputs, strict=True))


def load(generated: GeneratedProgram, device: str, carry: Callable[[Kernel, tuple[Any, ...]], None]) -> Wrapper:
    """The wrapper with its memory on `device`, and `carry` for whatever it launches."""
    kernels: dict[str, Kernel] = {}

    class Compiling:
        def triton(self, name: str, text: str, device_str: str = "cuda") -> Kernel:
            kernels[name] = Kernel(name, text, carry)
            return kernels[name]

        def wait(self, scope: Any) -> None:
            pass

    text = generated.wrapper
    for theirs, ours in _ELSEWHERE.items():
        text = text.replace(theirs, ours)
    scope: dict[str, Any] = {
        "__name__": "wrapper",
        "_oneblock_device": torch.device(device),
        "_oneblock_guard": nullcontext,
        "_oneblock_empty": lambda shape, strides, dtype: _unwritten(shape, strides, dtype, device),
    }
    with pretended(generated.gpu), patch("torch._inductor.async_compile.AsyncCompile", Compiling):
        code = compile(text, "<wrapper>", "exec")
        exec(code, scope)  # the compiler's own text  # nosec B102
        for kernel in kernels.values():
            assert kernel.ways  # asked for here, where the GPU's properties are at hand
    return Wrapper(generated, kernels, scope)


def _unwritten(shape: Sequence[int], strides: Sequence[int], dtype: torch.dtype, device: str) -> torch.Tensor:
    """Memory that is not a number until a kernel has written it, so that one which does not is found out."""
    made = torch.empty_strided(tuple(shape), tuple(strides), dtype=dtype, device=device)
    return made.fill_(float("nan")) if dtype.is_floating_point and device != "meta" else made


def recorded(generated: GeneratedProgram, args: Mapping[str, Any]) -> list[tuple[Kernel, tuple[Any, ...]]]:
    """Every launch of a Triton kernel in one run of the wrapper, over arrays without data."""
    found: list[tuple[Kernel, tuple[Any, ...]]] = []
    wrapper = load(generated, "meta", lambda kernel, given: found.append((kernel, given)))
    wrapper({name: torch.empty(a.shape, dtype=a.dtype, device="meta") for name, a in args.items()})
    return found
