"""A model as its `config.json` tells it: the configuration of each layer, and what is around them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from oneblock.workloads.gguf.config import config_of
from oneblock.workloads.gguf.header import GgufError
from oneblock.workloads.models._config import Config
from oneblock.workloads.models._family import Family
from oneblock.workloads.models._keys import Keys, ModelError
from oneblock.workloads.models._params import mistrals_own
from oneblock.workloads.models._quantised import check_quantised
from oneblock.workloads.ops.nearest import unknown

PARAMS = "params.json"  # Mistral's own
_DTYPE = re.compile(r"(torch\.)?[a-z][a-z0-9_]{0,30}")
# Of models that see, too, whose text is computed as a model of text alone; others look both ways in it, say.
_AROUND_TEXT = ("gemma3", "llava", "llava_next", "llava_onevision", "mistral3", "internvl", "idefics3", "smolvlm")
_CAP = "final_logit_softcapping"
LIMIT_BYTES = 16 * 2**20  # of a config.json: with 100,000 labels in it one has 5


@dataclass(frozen=True)
class Model:
    """The blocks of a model, and what is around them."""

    name: str
    family: str
    layers: tuple[Config, ...]
    vocabulary: int | None
    tied_head: bool  # the head is the embedding
    context: int | None  # positions that it was trained on, or stretched to
    assumed: tuple[tuple[str, Any], ...] = ()  # what a config.json leaves out, as the family has it
    positions: int | None = None  # that have an embedding of their own, as GPT-2's
    scaled_embedding: bool = False  # by sqrt(C)
    logit_cap: float | None = None  # logits become logit_cap * tanh(logits / logit_cap)
    dtype: str | None = None  # that its weights are in, as a config.json says: "bfloat16"

    def layer(self, number: int) -> Config:
        """The configuration of a layer, from 0; ModelError where there is none."""
        if not 0 <= number < len(self.layers):
            raise ModelError(f"{self.name}: expected a layer from 0 to {len(self.layers) - 1}, got {number}")
        return self.layers[number]

    def with_overrides(self, overrides: dict[str, str]) -> Model:
        """The same with some properties of every layer replaced; ValueError says why not."""
        changed = {config: config.with_overrides(overrides) for config in set(self.layers)}
        return replace(self, layers=tuple(changed[config] for config in self.layers))


def read_model(path: Path, of_type: Callable[[object], Family | None], types: Callable[[], list[str]]) -> Model:
    """The model of a folder, or of a file that tells one (see `told_by`); ModelError says what is wrong with it.

    `of_type` has the family of a `model_type`, and `types` those that there are.
    """
    file = told_by(path)
    values = told = _told(file)
    where = str(file)
    # A model that sees or hears, too, keeps the keys of its text in an object of their own.
    if isinstance(values.get("text_config"), dict):
        if (outer := values.get("model_type")) not in _AROUND_TEXT:
            known = ", ".join(_AROUND_TEXT)
            what = f"expected one of {known}, of which only the text counts, got {ascii(outer)[:60]}"
            raise ModelError(f"{where}: model_type around text_config: {what}")
        values, where = values["text_config"], f"{file}: text_config"
    kind = values.get("model_type")
    family = of_type(kind)
    if family is None or family.read is None:
        if not isinstance(kind, str) or not kind.isprintable():
            raise ModelError(f"{where}: model_type: expected one of {', '.join(types())}, got {ascii(kind)[:60]}")
        raise ModelError(f"{where}: {unknown('model_type', kind[:60], types())}")
    translated = file.suffix == ".gguf" or file.name == PARAMS
    keys = Keys(values, f"{where}, as a config.json" if translated else where)
    for one in (keys, Keys(told, where)):  # which of a model that sees, too, stands beside its text's keys
        check_quantised(one)
    try:
        layers = tuple(family.read(keys, _name(told, family.name)))
    except ValueError as error:
        raise error if isinstance(error, ModelError) else ModelError(f"{where}: {error}") from None
    vocabulary = keys.size("vocab_size") if keys.has("vocab_size") else None
    tied = keys.flag("tie_word_embeddings", family.ties_head)
    names = [one for one in ("max_position_embeddings", "n_positions") if keys.has(one)]
    context = keys.size(names[0]) if names else None
    dtype = _dtype(keys) or _dtype(Keys(told, str(file)))
    cap = _logit_cap(keys, family)
    keys.rest()
    positions = keys.size(names[0] if names else "n_positions", 1024) if family.learned_positions else None
    assumed = tuple(sorted(keys.assumed.items()))
    return Model(
        layers[0].name, family.name, layers, vocabulary, tied, context, assumed, positions, family.scaled_embedding,
        cap, dtype,
    )  # fmt: skip


def _logit_cap(keys: Keys, family: Family) -> float | None:
    """That of the logits, which a config.json may say, or take away; of families alone that have such a key."""
    if _CAP not in keys.values or _CAP not in keys.read:
        return family.logit_cap
    return keys.number(_CAP) if keys.has(_CAP) else None


def _dtype(keys: Keys) -> str | None:
    """In which dtype the weights are, by either of the two names that Hugging Face has for it."""
    name = keys.one_of("dtype", "torch_dtype")
    value = keys.values.get(name)
    if value is not None and not (isinstance(value, str) and _DTYPE.fullmatch(value)):
        raise keys.wrong(name, "a dtype such as bfloat16", value)
    return None if value in (None, "auto") else value.removeprefix("torch.")


def told_by(path: Path) -> Path:
    """The file that tells a folder's model: its config.json, or else the one .gguf or the params.json in it."""
    if not path.is_dir() or (path / "config.json").is_file():
        return path / "config.json" if path.is_dir() else path
    packed = sorted(path.glob("*.gguf"))
    if len(packed) > 1:
        raise ModelError(f"{path}: has {len(packed)} .gguf files and no config.json: say which, as {packed[0]}")
    own = path / PARAMS
    return packed[0] if packed else own if own.is_file() else path / "config.json"


def _told(file: Path) -> dict[str, Any]:
    """The keys of a `config.json`, whatever the file calls them."""
    if file.suffix == ".gguf":
        try:
            return config_of(file)
        except GgufError as error:
            raise ModelError(str(error)) from None
    values = _object(file)
    return mistrals_own(values, str(file)) if file.name == PARAMS else values


def _name(told: dict[str, Any], family: str) -> str:
    """What to call it: as the file does, or else as its family. Where it lies is no part of what it is."""
    name = str(told.get("_name_or_path") or "").rpartition("/")[2]
    return name if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.+=-]{0,80}", name) else family


def _object(file: Path) -> dict[str, Any]:
    try:
        if not file.is_file():
            raise ModelError(f"{file}: expected a model's config.json, or a folder with one; there is no such file")
        if (size := file.stat().st_size) > LIMIT_BYTES:
            raise ModelError(f"{file}: expected a config.json of at most {LIMIT_BYTES} bytes, got {size}")
        values = json.loads(file.read_bytes())
    except OSError as error:
        raise ModelError(f"{file}: cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        if isinstance(error, ModelError):
            raise
        raise ModelError(f"{file}: not a readable JSON file: {str(error)[:200]}") from None
    if not isinstance(values, dict):
        raise ModelError(f"{file}: expected a JSON object, got a {type(values).__name__}")
    return values
