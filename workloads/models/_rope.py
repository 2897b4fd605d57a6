"""The rotary tables, in float64, before they are rounded to the cell's dtype."""

from __future__ import annotations

import math

import numpy as np

from oneblock.workloads.models._config import Config


def frequencies(config: Config) -> np.ndarray:
    """Radians a position, (D/2,): theta ** (-2i/D) (Su et al. 2021), with Llama 3's scaling where the model has it.

    The scaling is that of the Llama 3.1 reference implementation (`apply_scaling`): by the wavelength 2*pi/f.
    """
    if config.rope_theta is None:
        raise ValueError(f"{config.name} has no rotary embedding")
    half = np.arange(config.head_width // 2, dtype=np.float64)
    f = config.rope_theta ** (-2.0 * half / config.head_width)
    scaling = config.rope_scaling
    if scaling is None:
        return f
    turns = (
        scaling.original_context * f / (2.0 * math.pi)
    )  # full turns within the context the model was first trained on
    kept = (turns - scaling.low_freq_factor) / (scaling.high_freq_factor - scaling.low_freq_factor)
    kept = np.clip(kept, 0.0, 1.0)
    return kept * f + (1.0 - kept) * f / scaling.factor


def _angles(config: Config, T: int, S: int) -> np.ndarray:
    """The T queries stand at the last T of S positions: (T, D/2)."""
    return np.asarray(np.arange(S - T, S, dtype=np.float64)[:, None] * frequencies(config))


def cos_table(config: Config, T: int, S: int) -> np.ndarray:
    """(T, D/2)."""
    return np.asarray(np.cos(_angles(config, T, S)))


def sin_table(config: Config, T: int, S: int) -> np.ndarray:
    """(T, D/2)."""
    return np.asarray(np.sin(_angles(config, T, S)))
