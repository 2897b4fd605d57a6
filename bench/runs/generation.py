"""What a model writes, and how well it foresees a text: tokens by a `Decoder`, which a backend computes for."""

from __future__ import annotations

import math
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np

from oneblock.bench.cells.fetched import meant
from oneblock.bench.cells.subject import checkpoint_of
from oneblock.bench.format.errors import Refused
from oneblock.bench.format.units import seconds
from oneblock.bench.records.disturbance import ignored
from oneblock.bench.runs.decoding import Decoder
from oneblock.bench.runs.model_weights import Checkpoint
from oneblock.bench.runs.tokenizing import Tokenizer, load_tokenizer
from oneblock.bench.worker.surroundings import Sample, Surroundings
from oneblock.workloads.models import read_model
from oneblock.workloads.ops.dtypes import dtype_of

OWN_TEXT = "pydoc_data.topics"  # English prose that comes with every Python
_TEXT_BYTES = 2**24
_ROWS = 128  # of logits at once
_LEAST_STEPS = 5  # that a speed is the median of


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


@dataclass
class Speed:
    """What a text took, measured: its prompt at once, and each token but the first, which the prompt gives.

    A step that others kept from its cores does not count, and neither does the whole where too few do.
    """

    prompt_tokens: int
    prompt: Sample | None = None
    steps: list[Sample] = field(default_factory=list)

    @property
    def prefill_s(self) -> float | None:
        """Of the prompt; None where it was disturbed."""
        return self.prompt.seconds if self.prompt is not None and self.prompt.clean else None

    @property
    def decode_s(self) -> float | None:
        """The median of the steps that count; None of too few."""
        counted = [one.seconds for one in self.steps if one.clean]
        return median(counted) if len(counted) >= max(_LEAST_STEPS, len(self.steps) // 4) else None

    def __str__(self) -> str:
        read, step = self.prefill_s, self.decode_s
        clean = f"{sum(one.clean for one in self.steps)} of {len(self.steps)} steps had their cores"
        if ignored():
            clean = "nobody looked who had the cores"
        if self.prompt is None:
            return "prefill: nothing was read"
        first = "prefill: no speed, others had its cores"
        if read is not None:
            first = f"prefill: {self.prompt_tokens} tokens in {seconds(read)}, {self.prompt_tokens / read:.3g} tokens/s"
        if step is None:
            return f"{first}; decode: no speed, {clean}"
        return f"{first}; decode: {seconds(step)} a token, {1 / step:.3g} tokens/s (measured; the median, {clean})"


def greedy(
    decoder: Decoder, prompt: np.ndarray, most: int, ends: frozenset[int] = frozenset(), speed: Speed | None = None
) -> Iterator[int]:
    """The likeliest token behind a prompt (n,), behind that the next, up to so many or to one that ends the text.

    Of equal ones the first. Refused where logits are not finite. `speed` takes down what it took, compiling left out.
    """
    speed, around = speed or Speed(len(prompt)), Surroundings(None)
    logits: list[np.ndarray] = []

    def timed(call: Callable[[], np.ndarray]) -> Sample | None:
        """None where the backend compiled something meanwhile, as Inductor does at a program's first use."""

        def clocked() -> float:
            start = perf_counter()
            logits[:] = [call()]
            return perf_counter() - start

        before = decoder.backend.compilations()
        sample = around.taken(clocked)
        return sample if decoder.backend.compilations() == before else None

    decoder.prepare([prompt], most)
    speed.prompt = timed(lambda: decoder.begin([prompt], most)) or timed(lambda: decoder.begin([prompt], most))
    for written in range(1, most + 1):
        token = likeliest(logits[0])[0]
        if token in ends:
            return
        yield token
        if written < most:
            step = timed(lambda: decoder.step([token]))  # noqa: B023  called at once
            speed.steps += [] if step is None else [step]


def likeliest(logits: np.ndarray) -> list[int]:
    """The token of each row (B, V), of equal ones the first; Refused where one is not finite."""
    if not np.isfinite(logits).all():
        raise Refused("logits are not finite: the numbers are beyond this dtype; choose another --dtype")
    return [int(token) for token in logits.argmax(-1)]


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
