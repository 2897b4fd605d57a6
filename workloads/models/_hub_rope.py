"""The rotary embedding that a `config.json` tells, in either of the two forms that Hugging Face has written.

`rope_theta`, `rope_scaling` and `partial_rotary_factor` beside the other keys, or all of it in `rope_parameters`.
Defaults and formulas of what is left out are those of transformers' `modeling_rope_utils`.
"""

from __future__ import annotations

import math
from typing import Any

from oneblock.workloads.models._keys import Keys, ModelError, same
from oneblock.workloads.models._rope_scaling import RopeKind, RopeScaling

_KINDS: dict[str, str] = {one: one for one in ("default", "linear", "dynamic", "llama3", "yarn", "longrope")}
_KINDS["su"] = "longrope"  # as Phi-3 called it at first


def rope(keys: Keys, head_width: int, theta: float = 10_000.0, part: float | None = None) -> dict[str, Any]:
    """The properties of a configuration: rope_theta, rope_scaling and rotary_width.

    `part` is how much of a head a family rotates that may rotate less than all, where the file does not say.
    """
    told, older = keys.object("rope_parameters"), keys.object("rope_scaling")
    places = (("rope_theta", keys), ("rope_parameters", told), ("rope_scaling", older))
    base = same(keys.where, [(name, _number(one, "rope_theta")) for name, one in places])
    share = _share(keys, told, older)
    if part is None and share not in (None, 1.0):
        raise keys.refused({"partial_rotary_factor": share}, " (this family rotates all of a head)")
    if told is not None and older is not None and told.values != older.values:
        same(keys.where, [("rope_parameters", told.values), ("rope_scaling", older.values)])
    if base is None:
        keys.assumed["rope_theta"] = base = theta
    width = int(head_width * (share if share is not None else part or 1.0))
    within = told or older
    scaling = None if within is None else _scaling(within, keys)
    return {"rope_theta": base, "rope_scaling": scaling, "rotary_width": None if width == head_width else width}


def _number(keys: Keys | None, name: str) -> float | None:
    return None if keys is None or not keys.has(name) else keys.number(name)


def _share(keys: Keys, *within: Keys | None) -> float | None:
    """Of each head, how much is rotated."""
    names = ("partial_rotary_factor", "rotary_pct")
    found = [(name, _number(keys, name)) for name in names]
    found += [("within RoPE's own keys", _number(one, "partial_rotary_factor")) for one in within]
    share = same(keys.where, found)
    for name in names:
        keys.read.add(name)
    if share is not None and share > 1:
        raise keys.wrong("partial_rotary_factor", "at most 1", share)
    return None if share is None else float(share)


def _scaling(told: Keys, keys: Keys) -> RopeScaling | None:
    """The change of the frequencies that an object tells; None for "default"."""
    name = "rope_type" if told.has("rope_type") or not told.has("type") else "type"
    kind = told.word(name, _KINDS, "default")
    told.read |= {"rope_type", "type", "rope_theta", "partial_rotary_factor"}
    same(told.where, [(one, _KINDS.get(str(told.values[one]))) for one in ("rope_type", "type") if told.has(one)])
    try:
        made = _MADE[kind](told, keys) if kind in _MADE else None
    except ValueError as error:
        raise ModelError(f"{told.where}: {error}") from None
    told.rest()
    return made


def _context(told: Keys, keys: Keys) -> int:
    """The positions that the model was first trained on: told beside the scaling, above it, or those that it has."""
    if keys.has("original_max_position_embeddings"):
        told.read.add("original_max_position_embeddings")
        return keys.size("original_max_position_embeddings")
    return told.size("original_max_position_embeddings", keys.size("max_position_embeddings"))


def _factor(told: Keys, keys: Keys, context: int) -> float:
    return told.number("factor") if told.has("factor") else keys.size("max_position_embeddings") / context


def _linear(told: Keys, keys: Keys) -> RopeScaling:
    return RopeScaling(told.number("factor"), kind="linear")


def _dynamic(told: Keys, keys: Keys) -> RopeScaling:
    told.only("original_max_position_embeddings", keys.values.get("max_position_embeddings"))
    return RopeScaling(told.number("factor"), original_context=keys.size("max_position_embeddings"), kind="dynamic")


def _llama3(told: Keys, keys: Keys) -> RopeScaling:
    low, high = told.number("low_freq_factor"), told.number("high_freq_factor")
    return RopeScaling(told.number("factor"), low, high, _context(told, keys))


def _yarn(told: Keys, keys: Keys) -> RopeScaling:
    context = _context(told, keys)
    factor = _factor(told, keys, context)
    scale, all_dim = _number(told, "mscale"), _number(told, "mscale_all_dim")
    told.read |= {"mscale", "mscale_all_dim"}
    attention = _number(told, "attention_factor")
    told.read.add("attention_factor")
    if attention is None and scale and all_dim:
        attention = mscale(factor, scale) / mscale(factor, all_dim)
    return RopeScaling(
        factor, original_context=context, kind="yarn", attention_factor=attention or mscale(factor),
        beta_fast=told.number("beta_fast", 32.0), beta_slow=told.number("beta_slow", 1.0),
        whole_dimensions=told.flag("truncate", True),
    )  # fmt: skip


def mscale(factor: float, weight: float = 1.0) -> float:
    """YaRN's change of the scores' temperature (Peng et al. 2023, eq. 22)."""
    return 1.0 if factor <= 1 else 0.1 * weight * math.log(factor) + 1.0


def _longrope(told: Keys, keys: Keys) -> RopeScaling:
    context = _context(told, keys)
    factor = _factor(told, keys, context)
    attention = _number(told, "attention_factor")
    told.read.add("attention_factor")
    if attention is None:
        if context == 1:
            raise told.wrong("original_max_position_embeddings", "a whole number from 2", context)
        attention = 1.0 if factor <= 1 else math.sqrt(1 + math.log(factor) / math.log(context))
    return RopeScaling(
        factor, original_context=context, kind="longrope", attention_factor=attention,
        short_factors=told.numbers("short_factor"), long_factors=told.numbers("long_factor"),
    )  # fmt: skip


_MADE = {"linear": _linear, "dynamic": _dynamic, "llama3": _llama3, "yarn": _yarn, "longrope": _longrope}
assert set(_MADE) == set(RopeKind.__args__)  # type: ignore[attr-defined]
