"""PyTorch's own operations (aten) of a program in order, each with its step: found by running it over no data."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

_steps: list[str] = []


@contextmanager
def step(name: str) -> Iterator[None]:
    """Name what is listed inside it."""
    _steps.append(name)
    try:
        yield
    finally:
        _steps.pop()


def listing(
    program: Callable[[Mapping[str, Any]], Mapping[str, Any]], args: Mapping[str, torch.Tensor]
) -> tuple[str, list[str]]:
    """(one line an operation, the outputs' names) of a program over tensors (...) on "meta", which cost nothing."""
    found = _Listing(args)
    with torch.no_grad(), found:
        out = program(args)
    results = ", ".join(f"{name} = {found.text(x)}" for name, x in out.items())
    return "\n".join([*found.lines, f"return {results}"]), list(out)


class _Listing(TorchDispatchMode):  # type: ignore[misc]  # of a toolchain whose types are skipped
    """Writes down each operation as it is dispatched."""

    def __init__(self, args: Mapping[str, torch.Tensor]) -> None:
        super().__init__()
        self.names = {id(x): f"%{name}" for name, x in args.items()}
        self.kept: list[torch.Tensor] = []  # so that no identity is used again
        self.lines: list[str] = [f"{self.text(x)} : {_type(x)}" for x in args.values()]

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        given = [self.text(x) for x in args] + [f"{name}={self.text(x)}" for name, x in (kwargs or {}).items()]
        results = [x for x in (out if isinstance(out, tuple | list) else [out]) if isinstance(x, torch.Tensor)]
        for x in results:
            self.names.setdefault(id(x), f"%{len(self.kept)}")
            self.kept.append(x)
        left = ", ".join(f"{self.text(x)} : {_type(x)}" for x in results)
        self.lines.append(f"{left} = {func}({', '.join(given)})  # {_steps[-1] if _steps else '-'}")
        return out

    def text(self, x: Any) -> str:
        """A tensor by its name; anything else as Python writes it."""
        if isinstance(x, tuple | list):
            return f"[{', '.join(self.text(one) for one in x)}]"
        return self.names.get(id(x), "?") if isinstance(x, torch.Tensor) else repr(x)


def _type(x: torch.Tensor) -> str:
    return f"{str(x.dtype).removeprefix('torch.')}{list(x.shape)}"
