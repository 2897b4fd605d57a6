"""Operators, each as JAX and as PyTorch have it: the same mathematics, by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Function = Callable[[Any], Any]  # of a matrix (64, 64) in float32


def in_jax() -> dict[str, Function]:
    """As JAX has them."""
    import jax
    import jax.numpy as jnp
    from jax import lax

    return {
        "softmax": lambda x: jax.nn.softmax(x, -1),
        "silu": jax.nn.silu,
        "gelu": lambda x: jax.nn.gelu(x, approximate=False),
        "rms_norm": lambda x: x * lax.rsqrt(jnp.mean(x * x, -1, keepdims=True) + 1e-5),
        "top_k": lambda x: lax.top_k(x, 8)[0],
        "sort": lambda x: jnp.sort(x, -1),
        "argmax": lambda x: jnp.argmax(x, -1),
        "cumsum": lambda x: jnp.cumsum(x, -1),
        "cumprod": lambda x: jnp.cumprod(x, -1),
        "erf": lax.erf,
        "tan": jnp.tan,
        "round": jnp.round,
        "erf_inv": lax.erf_inv,
        "lgamma": lax.lgamma,
        "fft": lambda x: jnp.fft.fft(x).real,
        "cholesky": jnp.linalg.cholesky,
        "det": jnp.linalg.det,
        "logcumsumexp": lambda x: lax.cumlogsumexp(x, axis=1),
        "searchsorted": lambda x: jnp.searchsorted(x[0], x),
        "histogram": lambda x: jnp.histogram(x, 100)[0],
        "kth_value": lambda x: jnp.sort(x, -1)[..., 2],
    }


def in_torch() -> dict[str, Function]:
    """As PyTorch has them."""
    import torch

    return {
        "softmax": lambda x: torch.softmax(x, -1),
        "silu": torch.nn.functional.silu,
        "gelu": torch.nn.functional.gelu,
        "rms_norm": lambda x: torch.nn.functional.rms_norm(x, (x.shape[-1],), eps=1e-5),
        "top_k": lambda x: torch.topk(x, 8)[0],
        "sort": lambda x: torch.sort(x, -1)[0],
        "argmax": lambda x: torch.argmax(x, -1),
        "cumsum": lambda x: torch.cumsum(x, -1),
        "cumprod": lambda x: torch.cumprod(x, -1),
        "erf": torch.erf,
        "tan": torch.tan,
        "round": torch.round,
        "erf_inv": torch.erfinv,
        "lgamma": torch.lgamma,
        "fft": lambda x: torch.fft.fft(x).real,
        "cholesky": torch.linalg.cholesky,
        "det": torch.linalg.det,
        "logcumsumexp": lambda x: torch.logcumsumexp(x, -1),
        "searchsorted": lambda x: torch.searchsorted(x[0], x),
        "histogram": torch.histc,
        "kth_value": lambda x: torch.kthvalue(x, 3)[0],
    }
