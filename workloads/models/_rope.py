"""The rotary tables, in float64, before they are rounded to the cell's dtype.

Formulas of scalings are those of transformers' `modeling_rope_utils`, which follow each model's own release.
"""

from __future__ import annotations

import math

import numpy as np

from oneblock.workloads.models._config import Config
from oneblock.workloads.models._rope_scaling import RopeScaling


def frequencies(config: Config, S: int = 1) -> np.ndarray:
    """Radians a position, (R/2,) of R rotated dimensions, at S positions: theta ** (-2i/R) (Su et al. 2021)."""
    if config.rope_theta is None:
        raise ValueError(f"{config.name} has no rotary embedding")
    f = _plain(config.rope_theta, config.rotated)
    scaling = config.rope_scaling
    return f if scaling is None else _SCALED[scaling.kind](f, config, scaling, S)


def _plain(theta: float, width: int) -> np.ndarray:
    return np.asarray(theta ** (-2.0 * np.arange(width // 2, dtype=np.float64) / width))


def _linear(f: np.ndarray, config: Config, scaling: RopeScaling, S: int) -> np.ndarray:
    return np.asarray(f / scaling.factor)


def _dynamic(f: np.ndarray, config: Config, scaling: RopeScaling, S: int) -> np.ndarray:
    """The base grows so that the longest wavelength is stretched by the factor's share of S beyond the context."""
    R, longer = config.rotated, max(S, scaling.original_context) / scaling.original_context
    stretched = scaling.factor * longer - (scaling.factor - 1.0)
    assert config.rope_theta is not None  # or there are no frequencies
    return _plain(config.rope_theta * stretched ** (R / (R - 2)), R)


def _llama3(f: np.ndarray, config: Config, scaling: RopeScaling, S: int) -> np.ndarray:
    """By the wavelength 2*pi/f, as the Llama 3.1 reference implementation has it (`apply_scaling`)."""
    turns = scaling.original_context * f / (2.0 * math.pi)  # within the context the model was first trained on
    kept = (turns - scaling.low_freq_factor) / (scaling.high_freq_factor - scaling.low_freq_factor)
    kept = np.clip(kept, 0.0, 1.0)
    return np.asarray(kept * f + (1.0 - kept) * f / scaling.factor)


def _yarn(f: np.ndarray, config: Config, scaling: RopeScaling, S: int) -> np.ndarray:
    """Dimensions of more than `beta_fast` turns within the context are kept, of fewer than `beta_slow` stretched."""
    R, theta = config.rotated, config.rope_theta
    assert theta is not None  # or there are no frequencies

    def dimension(turns: float) -> float:
        return R * math.log(scaling.original_context / (turns * 2.0 * math.pi)) / (2.0 * math.log(theta))

    low, high = dimension(scaling.beta_fast), dimension(scaling.beta_slow)
    if scaling.whole_dimensions:
        low, high = math.floor(low), math.ceil(high)
    low, high = max(low, 0), min(high, R - 1)
    stretched = np.clip((np.arange(R // 2) - low) / (high - low if high != low else 0.001), 0.0, 1.0)
    return np.asarray((1.0 - stretched) * f + stretched * f / scaling.factor)


def _longrope(f: np.ndarray, config: Config, scaling: RopeScaling, S: int) -> np.ndarray:
    factors = scaling.long_factors if scaling.original_context < S else scaling.short_factors
    return np.asarray(f / np.asarray(factors, np.float64))


_SCALED = {"linear": _linear, "dynamic": _dynamic, "llama3": _llama3, "yarn": _yarn, "longrope": _longrope}


def _angles(config: Config, T: int, S: int) -> np.ndarray:
    """The T queries stand at the last T of S positions: (T, R/2)."""
    return np.asarray(np.arange(S - T, S, dtype=np.float64)[:, None] * frequencies(config, S))


def _factor(config: Config) -> float:
    return 1.0 if config.rope_scaling is None else config.rope_scaling.attention_factor


def cos_table(config: Config, T: int, S: int) -> np.ndarray:
    """(T, R/2)."""
    return np.asarray(np.cos(_angles(config, T, S)) * _factor(config))


def sin_table(config: Config, T: int, S: int) -> np.ndarray:
    """(T, R/2)."""
    return np.asarray(np.sin(_angles(config, T, S)) * _factor(config))
