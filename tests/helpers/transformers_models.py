"""transformers' own models, small and with random weights, run in float64 layer by layer: the authority on families.

transformers casts to float32 inside a float64 model: norms, rotary tables, softmax, routers. `Float64` lifts each such
cast, whatever asks for it, and remembers where.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.overrides import TorchFunctionMode

_HALVES = (torch.float32, torch.float16, torch.bfloat16)


class Float64(TorchFunctionMode):
    """Inside, nothing is computed in float32: what asks for it gets float64. `lifted` has the lines that asked."""

    def __init__(self) -> None:
        super().__init__()
        self.lifted: set[str] = set()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if func is torch.Tensor.float:
            return self._lift(torch.Tensor.to)(args[0], torch.float64)
        asked = [*args, *kwargs.values()]
        if any(one is dtype for one in asked for dtype in _HALVES):
            func = self._lift(func)
            args = tuple(torch.float64 if any(one is d for d in _HALVES) else one for one in args)
            kwargs = {k: torch.float64 if any(one is d for d in _HALVES) else one for k, one in kwargs.items()}
        return func(*args, **kwargs)

    def _lift(self, func: Any) -> Any:
        frame = sys._getframe(2)
        while frame.f_back is not None and "transformers" not in frame.f_code.co_filename:
            frame = frame.f_back
        self.lifted.add(f"{Path(frame.f_code.co_filename).name}:{frame.f_code.co_name}")
        return func


@dataclass
class Seen:
    """What a layer was given and what it answered, (B, T, C); in decode also what its cache held, (B, K, S, D)."""

    x: np.ndarray
    y: np.ndarray
    keys: np.ndarray | None = None
    values: np.ndarray | None = None


@contextmanager
def in_float64() -> Iterator[Float64]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        with Float64() as mode, torch.no_grad():
            yield mode
    finally:
        torch.set_default_dtype(before)


def made(config: Any, seed: int = 0) -> Any:
    """A model of a configuration, its weights random, of a realistic size, and exact in float32."""
    from transformers import AutoModelForCausalLM

    torch.manual_seed(seed)
    with in_float64():
        model = AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval()
        if hasattr(config, "num_experts_per_tok"):
            model.set_experts_implementation("eager")  # its grouped product has no float64
        for name, weight in model.named_parameters():
            ones = weight.ndim == 1 and name.endswith("weight") and bool((weight == 1).all())
            weight.normal_().mul_(0.1 if weight.ndim == 1 else weight.shape[-1] ** -0.5).add_(float(ones))
            weight.mul_(2.0**12).round_().div_(2.0**12)
    return model


def layers_of(model: Any) -> Any:
    """Its decoder layers."""
    inner = model.base_model
    return inner.h if hasattr(inner, "h") else inner.layers


def prefill(model: Any, T: int, seed: int = 1) -> list[Seen]:
    """What each layer saw of T tokens."""
    return _run(model, T, seed, cached=0)


def decode(model: Any, S: int, seed: int = 1) -> list[Seen]:
    """What each layer saw of the last of S tokens, after the others were read."""
    return _run(model, S, seed, cached=S - 1)


def _run(model: Any, length: int, seed: int, cached: int) -> list[Seen]:
    torch.manual_seed(seed)
    width = model.get_input_embeddings().weight.shape[1]
    with in_float64():
        x = torch.randn(1, length, width)
        past = model(inputs_embeds=x[:, :cached], use_cache=True).cache if cached else None
        caches = [_cache(past, i) for i in range(len(layers_of(model)))] if cached else []
        seen: list[Seen] = []

        def hear(layer: Any, args: Any, kwargs: Any, out: Any) -> None:
            given = args[0] if args else kwargs["hidden_states"]
            answer = out[0] if isinstance(out, tuple) else out
            seen.append(Seen(given.numpy().copy(), answer.numpy().copy()))

        hooks = [layer.register_forward_hook(hear, with_kwargs=True) for layer in layers_of(model)]
        model(inputs_embeds=x[:, cached:], cache=past, use_cache=bool(cached))
        for hook in hooks:
            hook.remove()
    for one, (keys, values) in zip(seen, caches, strict=False):
        one.keys, one.values = keys, values
    return seen


def _cache(past: Any, layer: int) -> tuple[np.ndarray, np.ndarray]:
    held = past.layers[layer]
    return held.keys.numpy().copy(), held.values.numpy().copy()
