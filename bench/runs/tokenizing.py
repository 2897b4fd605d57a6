"""A model's tokenizer: from the metadata of its GGUF file, or the tokenizer.json beside its safetensors.

Both are somebody else's: sizes are looked at before a file is read, and whatever is wrong, the answer is `Refused`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from oneblock.bench.format.errors import Refused
from oneblock.workloads.gguf.header import GgufError, read_header

_LIMIT_BYTES = 100_000_000  # of a tokenizer.json: one of 262,000 tokens has 33
_PADDED = 1024  # rows that an embedding may have beyond its tokens: up to the next 512, mostly
_KEYS = {name: f"tokenizer.ggml.{name}" for name in ("model", "pre", "tokens", "merges", "token_type", "add_bos_token")}
_CONTROL, _OWN = 3, 4  # of `token_type`: what text never becomes by merges
_PRE = ("gpt-2", "smollm")
INSTALL = "tokens need the package tokenizers, which is not installed: pip install tokenizers"


@dataclass(frozen=True)
class Tokenizer:
    """Text to tokens and back."""

    made: Any
    first: tuple[int, ...]  # what stands before any text and its own rules do not put there
    ends: frozenset[int]  # tokens that end a text

    def tokens(self, text: str, *, templated: bool = False) -> np.ndarray:
        """The tokens (n,) of a text; Refused where it is no text, or empty.

        Of one that a template made nothing stands before it that the template has not put there.
        """
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise Refused(f"expected text in UTF-8, got {text[error.start]!a} at character {error.start}") from None
        if not text:
            raise Refused("expected some text, got an empty one")
        if templated:
            return np.asarray(self.made.encode(text, add_special_tokens=False).ids)
        return np.asarray([*self.first, *self.made.encode(text).ids])

    def text(self, tokens: Sequence[int]) -> str:
        """The text of tokens; of a character of which bytes are still missing a sign for that stands at its end."""
        return str(self.made.decode(list(tokens)))


def load_tokenizer(checkpoint: Path, vocabulary: int) -> Tokenizer:
    """The tokenizer of a checkpoint's model, whose embedding has a row for each token; Refused where there is none."""
    try:
        import tokenizers
    except ModuleNotFoundError:
        raise Refused(INSTALL) from None
    packed = checkpoint.suffix == ".gguf"
    path = checkpoint if packed else checkpoint.parent / "tokenizer.json"
    try:
        found = _of_gguf(tokenizers, path) if packed else _of_json(tokenizers, path)
    except (KeyboardInterrupt, SystemExit, Refused):
        raise
    except BaseException as error:  # noqa: BLE001  the package's own, among them panics of Rust, which are no Exception
        raise Refused(f"{path}: not a readable tokenizer: {ascii(str(error))[1:-1][:200]}") from None
    size = found.made.get_vocab_size(with_added_tokens=True)
    if not vocabulary - (0 if packed else _PADDED) <= size <= vocabulary:
        raise Refused(
            f"{path}: has {size} tokens, and the model's embedding {vocabulary} rows: expected that model's tokenizer"
        )
    return found


def _of_json(tokenizers: Any, path: Path) -> Tokenizer:
    raw = read_small(path)
    if raw is None:
        raise Refused(f"{path}: there is no such file: expected the model's tokenizer.json beside its weights")
    made = tokenizers.Tokenizer.from_str(raw.decode())
    made.no_padding()
    made.no_truncation()  # which a file may ask for, and which would leave text out
    return Tokenizer(made, (), frozenset(_ends(path.parent)))


def _ends(folder: Path) -> list[int]:
    """The tokens that end a text, as Hugging Face's files have them."""
    for name in ("generation_config.json", "config.json"):
        with suppress(ValueError, RecursionError):
            told = json.loads(read_small(folder / name) or b"{}")
            found = told.get("eos_token_id") if isinstance(told, dict) else None
            each: list[Any] = found if isinstance(found, list) else [found]
            if found is not None and all(type(one) is int for one in each):
                return each
    return []


def read_small(path: Path) -> bytes | None:
    """A file's bytes; None where there is no such file, and Refused of one that is too large to be what it is for."""
    if not path.is_file():
        return None
    try:
        if (size := path.stat().st_size) > _LIMIT_BYTES:
            raise Refused(f"{path}: expected at most {_LIMIT_BYTES:,} bytes, got {size:,}")
        return path.read_bytes()
    except OSError as error:
        raise Refused(f"{path}: cannot be read: {error.strerror}") from None


def _of_gguf(tokenizers: Any, path: Path) -> Tokenizer:
    """A byte-level BPE from a file's own tokens and merges, its texts cut as `tokenizer.ggml.pre` says."""
    try:
        told = read_header(path, (_KEYS["tokens"], _KEYS["merges"], _KEYS["token_type"])).metadata
    except GgufError as error:
        raise Refused(str(error)) from None
    kind, pre = told.get(_KEYS["model"]), told.get(_KEYS["pre"], "gpt-2")
    if kind != "gpt2" or pre not in _PRE:
        raise Refused(
            f"{path}: expected a byte-level BPE (gpt2) that cuts text as {' or '.join(_PRE)}, got {str(kind)[:40]!a}, "
            f"{str(pre)[:40]!a}: give a folder with its safetensors and tokenizer.json"
        )
    tokens, merges, types = (_list(told, name) for name in ("tokens", "merges", "token_type"))
    if not (_texts(tokens) and _texts(merges)) or len(types) != len(tokens):
        raise Refused(f"{path}: expected tokens with a type each, and merges of two, as tokenizer.ggml has them")
    vocabulary = {token: number for number, token in enumerate(tokens)}
    if len(vocabulary) != len(tokens):
        twice = next(a for a, b in pairwise(sorted(tokens)) if a == b)
        raise Refused(f"{path}: has the token {ascii(twice)[:60]} twice")
    pairs = [tuple(merge.split(" ")) for merge in merges]
    if bad := [pair for pair in pairs if len(pair) != 2 or any(t not in vocabulary for t in (*pair, "".join(pair)))]:
        raise Refused(f"{path}: has the merge {' '.join(bad[0])[:60]!a}: expected two of its tokens that make a third")
    made = tokenizers.Tokenizer(tokenizers.models.BPE(vocab=vocabulary, merges=pairs))
    cut = [tokenizers.pre_tokenizers.Digits(individual_digits=True)] if pre == "smollm" else []
    bytes_ = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.pre_tokenizer = tokenizers.pre_tokenizers.Sequence([*cut, bytes_])
    made.decoder = tokenizers.decoders.ByteLevel()
    for token, kind in zip(tokens, types, strict=True):
        if kind in (_CONTROL, _OWN):
            made.add_special_tokens([tokenizers.AddedToken(token, special=kind == _CONTROL, normalized=False)])
    return Tokenizer(made, _first(path, told, len(tokens)), frozenset(_numbers(told, "eos_token_id", "eot_token_id")))


def _list(told: dict[str, Any], name: str) -> list[Any]:
    found = told.get(_KEYS[name])
    return found if isinstance(found, list) else []


def _texts(values: list[Any]) -> bool:
    return bool(values) and all(isinstance(one, str) for one in values)


def _first(path: Path, told: dict[str, Any], count: int) -> tuple[int, ...]:
    """What its own rules would put before any text."""
    if told.get(_KEYS["add_bos_token"]) is not True:
        return ()
    found = tuple(_numbers(told, "bos_token_id"))
    if len(found) != 1 or not 0 <= found[0] < count:
        raise Refused(f"{path}: a text begins with tokenizer.ggml.bos_token_id: expected one of its tokens")
    return found


def _numbers(told: dict[str, Any], *names: str) -> list[int]:
    found = [told.get(f"tokenizer.ggml.{name}") for name in names]
    return [one for one in found if type(one) is int]
