"""What a model writes, and how well it foresees a text: tokens by a `Decoder`, which a backend computes for."""

from __future__ import annotations

import math
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from oneblock.bench.cells.fetched import meant
from oneblock.bench.cells.subject import checkpoint_of
from oneblock.bench.format.errors import Refused
from oneblock.bench.runs.decoding import Checkpoint, Decoder
from oneblock.bench.runs.tokenizing import Tokenizer, load_tokenizer
from oneblock.workloads.models import read_model
from oneblock.workloads.ops.dtypes import dtype_of

OWN_TEXT = "pydoc_data.topics"  # English prose that comes with every Python
_TEXT_BYTES = 2**24
_ROWS = 128  # of logits at once


@dataclass(frozen=True)
class Perplexity:
    """How well a text was foreseen: exp of the mean negative log likelihood (nats) of its tokens but the first.

    The standard error is that of independent tokens, carried through the exponential: of neighbours that depend on
    each other it is too small.
    """

    perplexity: float
    standard_error: float
    tokens: int  # that were foreseen


def opened(path: Path, dtype: str) -> tuple[Checkpoint, Tokenizer]:
    """A model's weights and its tokenizer; Refused or an error of ours says what is missing."""
    dtype_of(dtype)
    path = meant(path)
    model, weights = read_model(path), checkpoint_of(path)
    if weights is None:
        raise Refused(f"{path} has no weights: expected a folder with model.safetensors, or a .gguf file")
    if model.vocabulary is None:
        raise Refused(f"{path}: no vocab_size: expected a model that says how large its embedding is")
    return Checkpoint(model, weights, dtype), load_tokenizer(weights, model.vocabulary)


def greedy(decoder: Decoder, prompt: np.ndarray, most: int, ends: frozenset[int] = frozenset()) -> Iterator[int]:
    """The likeliest token behind a prompt (n,), behind that the next, up to so many or to one that ends the text.

    Of equal ones the first. Refused where logits are not finite.
    """
    logits = decoder.begin(prompt, most)
    for written in range(1, most + 1):
        if not np.isfinite(logits).all():
            raise Refused("logits are not finite: the numbers are beyond this dtype; choose another --dtype")
        token = int(logits.argmax())
        if token in ends:
            return
        yield token
        if written < most:
            logits = decoder.step(token)


def perplexity(decoder: Decoder, tokens: np.ndarray) -> Perplexity:
    """Of a text's tokens (n,), read by prefill in sequences of the model's context, whose firsts are not foreseen."""
    context = decoder.model.context or len(tokens)
    sequences = [tokens[at : at + context] for at in range(0, len(tokens), context)]
    sequences = [one for one in sequences if len(one) > 1]
    if not sequences:
        raise Refused(f"expected a text and --tokens of at least 2, got {len(tokens)}")
    losses = np.concatenate(
        [_losses(decoder, y, one) for y, one in zip(decoder.read(sequences), sequences, strict=True)]
    )
    if not np.isfinite(losses).all():
        raise Refused("logits are not finite: the numbers are beyond this dtype; choose another --dtype")
    found = math.exp(losses.mean())
    error = found * losses.std(ddof=1) / math.sqrt(len(losses)) if len(losses) > 1 else math.nan
    return Perplexity(found, float(error), len(losses))


def _losses(decoder: Decoder, y: np.ndarray, tokens: np.ndarray) -> np.ndarray:
    """y (1, T, C) behind tokens (T,) -> -log p of all but the first, (T-1,), in float64."""
    found = []
    for at in range(0, len(tokens) - 1, _ROWS):
        next_ones = tokens[at + 1 : at + 1 + _ROWS]
        logits = decoder.ends.logits(y[:, at : at + len(next_ones)]).astype(np.float64)
        most = logits.max(-1, keepdims=True)
        total = most[:, 0] + np.log(np.exp(logits - most).sum(-1))
        found.append(total - np.take_along_axis(logits, next_ones[:, None], -1)[:, 0])
    return np.concatenate(found)


def text_of(path: Path | None) -> str:
    """A file's text, or that of OWN_TEXT; Refused where it is none, or is not UTF-8."""
    if path is None:
        from pydoc_data.topics import topics

        return "\n".join(topics.values())
    try:
        about = path.stat()
        if not stat.S_ISREG(about.st_mode) or about.st_size > _TEXT_BYTES:
            raise Refused(f"{path}: expected a file of text of at most {_TEXT_BYTES:,} bytes")
        return path.read_bytes().decode()
    except UnicodeDecodeError as error:
        raise Refused(
            f"{path}: expected UTF-8, got the byte {error.object[error.start]:#04x} at {error.start}"
        ) from None
    except (OSError, ValueError) as error:
        raise Refused(f"{path}: cannot be read: {getattr(error, 'strerror', error)}") from None
