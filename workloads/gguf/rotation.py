"""The rotation that a GGUF file tells, as the keys of a `config.json`: in its metadata, and in tensors of factors."""

from __future__ import annotations

from typing import Any

from oneblock.workloads.gguf.header import GgufError
from oneblock.workloads.gguf.tensors import GgufFile

_MOST_FACTORS = 4096  # half the width of a head
_LONG = ("rope_factors_short.weight", "rope_factors_long.weight")  # of Phi-3
_FREQS = "rope_freqs.weight"  # of Llama 3: what `rope_scaling` of its config.json makes of each frequency


def rotation(file: GgufFile, own: dict[str, Any], width: Any, family: str) -> dict[str, Any]:
    """rope_theta, rope_scaling and how much of a head is rotated; what has no place is left in `own`, to be refused."""
    found: dict[str, Any] = {"rope_theta": own.pop("rope.freq_base", 10_000.0)}
    turned = own.get("rope.dimension_count", width)
    in_part = family != "llama" and type(turned) is int and type(width) is int and 1 <= turned < width
    if turned == width or in_part:
        own.pop("rope.dimension_count", None)
        # Of the product with the width who reads it takes the floor, which is to be `turned`.
        name = "rotary_pct" if family == "gpt_neox" else "partial_rotary_factor"
        found[name] = (turned + 0.25) / width if in_part else 1.0
    found["rope_scaling"] = _of_tensors(file, own) or _of_keys(own)
    return found


def _of_keys(own: dict[str, Any]) -> dict[str, Any] | None:
    """linear and yarn; the rest of `rope.scaling` is left."""
    kind, factor = own.get("rope.scaling.type", "linear"), own.get("rope.scaling.factor", 0.0)
    if own.get("rope.scaling.attn_factor") == 1.0:
        del own["rope.scaling.attn_factor"]
    if kind not in ("none", "linear", "yarn"):
        return None
    own.pop("rope.scaling.type", None)
    own.pop("rope.scaling.factor", None)
    context = own.pop("rope.scaling.original_context_length", None)
    if kind == "none" or factor in (0.0, 1.0):
        return None
    found = {"rope_type": kind, "factor": factor}
    if kind == "yarn":
        found |= {"original_max_position_embeddings": context}
        found |= {key: own.pop(f"rope.scaling.yarn_{key}", None) for key in ("beta_fast", "beta_slow")}
    return found


def _of_tensors(file: GgufFile, own: dict[str, Any]) -> dict[str, Any] | None:
    """A factor of each frequency, of which Phi-3 has others beyond its first context."""
    there = [name for name in (*_LONG, _FREQS) if name in file.names]
    if not there:
        return None
    if there not in ([*_LONG], [_FREQS]):
        raise GgufError(f"{file.path}: expected {_FREQS} alone or both of {', '.join(_LONG)}, got {', '.join(there)}")
    short, long = _factors(file, there[0]), _factors(file, there[-1])
    if set(short + long) == {1.0}:
        return None
    if own.get("rope.scaling.type") == "longrope":
        del own["rope.scaling.type"]
    found = {"rope_type": "longrope", "short_factor": short, "long_factor": long}
    found["attention_factor"] = own.pop("rope.scaling.attn_factor", 1.0)
    return found | {"original_max_position_embeddings": own.pop("rope.scaling.original_context_length", None)}


def _factors(file: GgufFile, name: str) -> list[float]:
    tensor = file.get_slice(name)
    shape, kind = tensor.get_shape(), tensor.get_dtype()
    if len(shape) != 1 or shape[0] > _MOST_FACTORS or kind != "F32":
        raise GgufError(f"{file.path}: {name}: expected a list of at most {_MOST_FACTORS} F32, got {kind} {shape}")
    return [float(str(one)) for one in tensor[...]]  # the shortest number that is rounded to it
