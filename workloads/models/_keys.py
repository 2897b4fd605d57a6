"""The keys of a `config.json` as they are read: each that changes the computation has a place, or its name is said.

A `config.json` is somebody else's file: whatever is wrong with it, the answer is a `ModelError`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, TypeVar

from oneblock.workloads.models._properties import LARGEST

Value = TypeVar("Value")
REQUIRED: Any = object()
# What says nothing of a layer's arithmetic when it answers: names, tokens, training, how a library keeps or loads it.
_HARMLESS = """
    _attn_implementation_autoset attention_probs_dropout_prob hidden_dropout_prob is_llama_config max_sequence_length
    transformers.js_config _commit_hash _name_or_path architectures attention_dropout attn_implementation
    attn_pdrop auto_map begin_suppress_tokens bos_token_id cache_implementation chunk_size_feed_forward
    classifier_dropout decoder_start_token_id dtype embd_pdrop embedding_dropout eos_token_id finetuning_task
    gradient_checkpointing hidden_dropout id2label initializer_range is_decoder is_encoder_decoder label2id
    model_type n_ctx output_attentions output_hidden_states output_router_logits pad_token_id prefix pretraining_tp
    problem_type resid_pdrop return_dict router_aux_loss_coef router_jitter_noise summary_activation
    summary_first_dropout summary_proj_to_labels summary_type summary_use_proj task_specific_params tokenizer_class
    torch_dtype torchscript transformers_version unsloth_fixed use_cache use_return_dict
"""
HARMLESS = frozenset(_HARMLESS.split())
# What published models have, and what it is where it changes nothing.
_NOTHING = {
    "rope_interleaved": False, "use_mrope": False, "full_attn_mod": 1, "interpolate_factor": 1, "lm_head_bias": False,
    "mlp_bias": False,
}  # fmt: skip


class ModelError(ValueError):
    """Why a model cannot be read, as a sentence for the person who named it."""


@dataclass
class Keys:
    """The keys of one object of a file; `rest` refuses what nobody read."""

    values: Mapping[str, Any]
    where: str  # the file, and in it the object
    assumed: dict[str, Any] = field(default_factory=dict)  # what the file leaves out, as the family has it
    read: set[str] = field(default_factory=set)

    def number(self, name: str, default: Any = REQUIRED) -> float:
        """A positive number; of what the file leaves out, the default."""
        value = self._value(name, default)
        if not _is_number(value) or value <= 0:
            raise self.wrong(name, "a positive number", value)
        return float(value)

    def size(self, name: str, default: Any = REQUIRED, least: int = 1) -> int:
        """A whole number from 1, or from 0."""
        value = self._value(name, default)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= LARGEST:
            raise self.wrong(name, f"a whole number from {least} to {LARGEST:,}", value)
        return value

    def flag(self, name: str, default: Any = REQUIRED) -> bool:
        """True or false."""
        value = self._value(name, default)
        if not isinstance(value, bool):
            raise self.wrong(name, "true or false", value)
        return value

    def word(self, name: str, known: Mapping[str, Value], default: Any = REQUIRED) -> Value:
        """A word of a few, as what it stands for."""
        value = self._value(name, default)
        if not isinstance(value, str) or value not in known:
            raise self.wrong(name, f"one of {', '.join(known)}", value)
        return known[value]

    def words(self, name: str) -> list[str] | None:
        """A list of words; None where there is none."""
        value = self._value(name, None)
        if value is not None and not (isinstance(value, list) and all(isinstance(one, str) for one in value)):
            raise self.wrong(name, "a list of words", value)
        return value

    def numbers(self, name: str) -> tuple[float, ...]:
        """A list of numbers."""
        value = self._value(name, REQUIRED)
        if not isinstance(value, list) or not all(map(_is_number, value)):
            raise self.wrong(name, "a list of numbers", value)
        return tuple(float(one) for one in value)

    def object(self, name: str) -> Keys | None:
        """The keys of an object within; None where there is none."""
        value = self._value(name, None)
        if value is None:
            return None
        if not isinstance(value, dict):
            raise self.wrong(name, "an object", value)
        return Keys(value, f"{self.where}: {name}", self.assumed)

    def has(self, name: str) -> bool:
        """Whether it is there, and is not null."""
        return self.values.get(name) is not None

    def one_of(self, *names: str) -> str:
        """That of several names of one key which is there, or else the first; ModelError where they contradict."""
        same(self.where, [(name, self.values.get(name)) for name in names])
        self.read |= set(names)
        return next((name for name in names if self.has(name)), names[0])

    def only(self, name: str, *modelled: Any) -> None:
        """Refuse a key whose value is none of those that are modelled; it may be left out, or be null."""
        self.read.add(name)
        value = self.values.get(name)
        if value is not None and not any(type(one) is type(value) and one == value for one in modelled):
            raise self.refused({name: value}, f" (modelled: {', '.join(map(repr, modelled))})" if modelled else "")

    def rest(self) -> None:
        """ModelError names every key that nobody read and that is not known to be harmless."""
        left = {name: value for name, value in self.values.items() if name not in self.read | HARMLESS}
        if left := {name: value for name, value in left.items() if value is not None and not _is_nothing(name, value)}:
            raise self.refused(left)

    def refused(self, left: Mapping[str, Any], more: str = "") -> ModelError:
        """The sentence for keys that have no place."""
        said = ", ".join(f"{_shown(name)}={_shown(value)}" for name, value in list(left.items())[:8])
        return ModelError(f"{self.where}: not modelled: {said}{', ...' if len(left) > 8 else ''}{more}")

    def wrong(self, name: str, expected: str, value: Any) -> ModelError:
        """The sentence for a value that is none of its kind."""
        return ModelError(f"{self.where}: {name}: expected {expected}, got {_shown(value)}")

    def _value(self, name: str, default: Any) -> Any:
        self.read.add(name)
        value = self.values.get(name)
        if value is not None:
            return value
        if default is REQUIRED:
            raise ModelError(f"{self.where}: no {name}, which this family needs")
        if default is not None:
            self.assumed[name] = default
        return default


def _is_nothing(name: str, value: Any) -> bool:
    return name in _NOTHING and type(value) is type(_NOTHING[name]) and value == _NOTHING[name]


def _is_number(value: Any) -> bool:
    """Finite, as float64 has it: JSON's numbers have no bound."""
    return type(value) in (int, float) and abs(value) <= sys.float_info.max and isfinite(value)


def _shown(value: Any) -> str:
    """A value of a stranger's file in a sentence: short, and nothing that a terminal obeys."""
    return ascii(value)[:60] if not isinstance(value, str) or not value.isidentifier() else value[:60]


def same(where: str, told: Iterable[tuple[str, Any]]) -> Any:
    """The value that several places of a file tell; ModelError where they do not tell the same."""
    there = [(name, value) for name, value in told if value is not None]
    if len({repr(value) for _, value in there}) > 1:
        raise ModelError(f"{where}: contradicts itself: {', '.join(f'{name}={_shown(v)}' for name, v in there)}")
    return there[0][1] if there else None
