"""What a family of models is: its presets, its `config.json`, and what its checkpoints call the tensors of a layer."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from oneblock.workloads.models._config import Activation, Config
from oneblock.workloads.models._keys import REQUIRED, Keys, ModelError

# Hugging Face's names of activations. "gelu_new" and "gelu_fast" are the tanh form in other words.
ACTIVATIONS: dict[str, Activation] = {"silu": "silu", "swish": "silu", "gelu": "gelu_erf"}
ACTIVATIONS |= dict.fromkeys(("gelu_pytorch_tanh", "gelu_new", "gelu_fast"), "gelu")
MOST_LAYERS = 10_000


@dataclass(frozen=True)
class Tensors:
    """The names and layouts of a family's checkpoints: as Hugging Face writes them, or as _layouts.py has others."""

    prefix: str  # absent from the files of a model saved without its head
    layers: str
    # Our name -> theirs; several of one name lie in it side by side, in this order, and {} is the number of an expert.
    parts: Mapping[str, str]
    transposed: bool  # nn.Linear stores (out, in); GPT-2's Conv1D stores (in, out) as we do
    by_head: bool = False  # of several parts in one tensor, each head's lie side by side
    neighbours: tuple[str, ...] = ()  # ours of which the last R columns of each head are rotated in pairs of neighbours
    offset_norms: bool = False  # norm weights are stored less 1
    ignored: tuple[str, ...] = ()  # tensors of a layer that say nothing: masks and tables that are computed
    # Around the layers, behind the prefix as they are; the head without it.
    embedding: str = "embed_tokens"
    positions: str = "wpe"
    final_norm: str = "norm"
    head: str = "lm_head"

    def has(self, tensor: str) -> bool:
        """Whether a tensor of a layer, less what its layer's names begin with, is one that the family names."""
        part, _, kind = tensor.rpartition(".")
        numbered = re.sub(r"\.\d+\.", ".{}.", part)
        return kind in ("weight", "bias") and numbered in self.parts.values()


@dataclass(frozen=True)
class Around:
    """What is around a preset's block in its model."""

    layers: int  # such blocks
    vocabulary: int
    tied_head: bool
    context: int  # positions that it was trained on; of learned ones as many as there are


@dataclass(frozen=True)
class Family:
    """Models whose checkpoints look alike; a public file of workloads/models defines one, as FAMILY."""

    name: str  # the file's stem
    presets: tuple[Config, ...]
    tensors: Tensors
    # (a config.json, a name) -> the configuration of each layer; None: no config.json is of this family
    read: Callable[[Keys, str], Sequence[Config]] | None = None
    model_types: tuple[str, ...] = ()  # `model_type` in config.json, where it is not the name
    ties_head: bool = False  # the head is the embedding, where config.json does not say
    learned_positions: bool = False  # an embedding of positions, one for each of the context
    scaled_embedding: bool = False  # by sqrt(C)
    logit_cap: float | None = None  # where config.json has no word of it: logits become cap * tanh(logits / cap)
    around: Mapping[str, Around] = field(default_factory=dict)  # of presets, by name

    @property
    def types(self) -> tuple[str, ...]:
        """What `model_type` is of its models."""
        return () if self.read is None else self.model_types or (self.name,)


def block(
    keys: Keys, family: str, name: str, *, kv_heads: int | None = None, head_width: int | None = None,
    eps: tuple[str, float] = ("rms_norm_eps", 1e-6), **properties: Any,
) -> Config:  # fmt: skip
    """A configuration from the keys that most families share; `properties` are its own."""
    C, N = keys.size("hidden_size"), keys.size("num_attention_heads")
    if head_width is None or keys.has("head_dim"):
        head_width = _head_width(keys, C, N)
    return Config(
        name=name, family=family, width=C, heads=N, kv_heads=keys.size("num_key_value_heads", kv_heads or N),
        head_width=head_width, ffn_width=keys.size("intermediate_size"), norm_eps=keys.number(*eps), **properties,
    )  # fmt: skip


def _head_width(keys: Keys, C: int, N: int) -> int:
    if keys.has("head_dim"):
        return keys.size("head_dim")
    if C % N:
        raise ModelError(f"{keys.where}: no head_dim, and hidden_size={C} is no multiple of {N} heads")
    return C // N


def activation(keys: Keys, name: str = "hidden_act", default: Any = "silu") -> Activation:
    """The activation that a key tells."""
    return keys.word(name, ACTIVATIONS, default)


def layers(keys: Keys, name: str = "num_hidden_layers", default: Any = REQUIRED) -> int:
    """How many layers there are."""
    count = keys.size(name, default)
    if count > MOST_LAYERS:
        raise keys.wrong(name, f"at most {MOST_LAYERS:,}", count)
    return count


def windowed(keys: Keys, config: Config, count: int, window: int | None, slides: Callable[[int], bool]) -> list[Config]:
    """The configuration of each layer, where some slide over a window: those of `layer_types`, or else of `slides`."""
    kinds = keys.words("layer_types")
    if kinds is None:
        kinds = ["sliding_attention" if slides(layer) else "full_attention" for layer in range(count)]
    if len(kinds) != count:
        raise keys.wrong("layer_types", f"{count} words, one for each layer", f"{len(kinds)}")
    if strange := sorted({kind for kind in kinds if kind not in ("sliding_attention", "full_attention")}):
        raise keys.refused({"layer_types": strange[0]})
    if window is None and "sliding_attention" in kinds:
        raise keys.wrong("sliding_window", "a whole number, as layer_types has sliding_attention", None)
    sliding = replace(config, window=window)
    return [sliding if kind == "sliding_attention" else config for kind in kinds]
