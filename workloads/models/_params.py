"""Mistral's own `params.json`, beside its `consolidated.safetensors`, as the `config.json` that the same model has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from oneblock.workloads.models._keys import ModelError

_KEYS = {
    "dim": "hidden_size", "n_layers": "num_hidden_layers", "head_dim": "head_dim", "hidden_dim": "intermediate_size",
    "n_heads": "num_attention_heads", "n_kv_heads": "num_key_value_heads", "norm_eps": "rms_norm_eps",
    "vocab_size": "vocab_size", "rope_theta": "rope_theta", "sliding_window": "sliding_window",
    "max_seq_len": "max_position_embeddings", "max_position_embeddings": "max_position_embeddings",
    "tied_embeddings": "tie_word_embeddings",
}  # fmt: skip
_NEEDED = ("dim", "n_layers", "head_dim", "hidden_dim", "n_heads", "n_kv_heads", "norm_eps")


def mistrals_own(params: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The same in the keys of a `config.json`; what has none there keeps its name, and is refused by it."""
    for key in _NEEDED:
        if params.get(key) is None:
            raise ModelError(f"{where}: no {key}, which a params.json of Mistral's has")
    if params.get("rope_theta") is None and params.get("sliding_window") is None:
        raise ModelError(f"{where}: no rope_theta: Mistral's own code has had several where it is absent")
    found = {_KEYS.get(key, key): value for key, value in params.items() if value is not None}
    # The first Mistral has a window, and no rope_theta: it is 10,000 there.
    return {"model_type": "mistral", "rope_theta": 10_000.0, "sliding_window": None} | found
