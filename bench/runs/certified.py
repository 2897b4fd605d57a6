"""Certificates as they are asked for: prompts out of a text, every backend's answer, and what identifies all of it."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from oneblock.bench.cells.fetched import meant
from oneblock.bench.format.errors import Refused
from oneblock.bench.records.certificate import Certificate, Divergence, Prompts, WholeModel
from oneblock.bench.records.dependence import installed, versions
from oneblock.bench.records.environment import environment, now
from oneblock.bench.records.record import Environment
from oneblock.bench.runs.certifying import certify
from oneblock.bench.runs.generation import opened, text_of
from oneblock.bench.runs.model_weights import Checkpoint
from oneblock.bench.runs.tokenizing import Tokenizer
from oneblock.workloads import _slots
from oneblock.workloads.answers.checkpoint import fingerprint


@dataclass(frozen=True)
class Question:
    """A model, a dtype, and pieces of a text with so many tokens behind each."""

    model: Path
    dtype: str
    text: Path | None
    prompts: int
    prompt_tokens: int
    tokens: int
    form: str = "layers"

    @staticmethod
    def of(made: Certificate) -> Question:
        """That of a certificate; Refused where its model, text or tokenizer is another by now."""
        asked = made.prompts
        text = None if asked.text is None else Path(asked.text)
        found = Question(Path(made.model.path), made.dtype, text, asked.count, asked.length, made.tokens, made.form)
        _same(made.model.path, "weights", made.model.sha256, found.identity.sha256)
        _same(asked.text or "the text of Python", "text", asked.text_sha256, found.asked.text_sha256)
        _same(made.model.path, "tokenizer", asked.tokens_sha256, found.asked.tokens_sha256)
        return found

    def answers(self, backends: Sequence[str]) -> Iterator[Certificate]:
        """The certificate of each backend, as soon as it is there."""
        identity, asked = self.identity, self.asked  # of what is there before hours pass
        for backend, found in certify(self._opened[0], backends, self._pieces, self.tokens, self.form):
            yield Certificate(
                schema=1,
                certificate="tokens",
                created=now(),
                backend=backend,
                form=self.form,
                dtype=self.dtype,
                model=identity,
                prompts=asked,
                tokens=self.tokens,
                positions=self.prompts * self.tokens,
                divergences=found,
                environment=_environment(backend),
            )

    @cached_property
    def identity(self) -> WholeModel:
        """The model, by its weights."""
        checkpoint = self._opened[0]
        return WholeModel(checkpoint.model.name, str(meant(self.model)), fingerprint(checkpoint.path, None))

    @cached_property
    def asked(self) -> Prompts:
        """The prompts, by the text and by its tokens."""
        text = None if self.text is None else str(self.text)
        tokens = np.concatenate(self._pieces).astype("<i8").tobytes()
        return Prompts(text, _sha256(self._text.encode()), _sha256(tokens), self.prompts, self.prompt_tokens)

    @cached_property
    def _opened(self) -> tuple[Checkpoint, Tokenizer]:
        return opened(self.model, self.dtype)

    @cached_property
    def _text(self) -> str:
        return text_of(self.text)

    @cached_property
    def _pieces(self) -> list[np.ndarray]:
        """The prompts (n,), evenly from the beginning of the text to its end."""
        read, n = self._opened[1].tokens(self._text), self.prompt_tokens
        if len(read) < self.prompts * n:
            raise Refused(f"expected a text of {self.prompts} times {n} tokens, got {len(read)}: ask for less")
        starts = np.linspace(0, len(read) - n, self.prompts).astype(int)
        return [read[start : start + n] for start in starts]


def changed(old: Certificate, new: Certificate) -> list[str]:
    """What two certificates of one question do not agree in, a sentence each: tokens and verdicts, not digits."""
    then, now_there = ({(one.prompt, one.position): one for one in made.divergences} for made in (old, new))
    found = []
    for place in sorted(then.keys() | now_there.keys()):
        was, is_now = then.get(place), now_there.get(place)
        if _told(was) != _told(is_now):
            found.append(f"prompt {place[0]}, token {place[1]}: {_words(was)} then, {_words(is_now)} now")
    return found


def _told(one: Divergence | None) -> tuple[int, int, bool] | None:
    return None if one is None else (one.expected, one.got, one.explained)


def _words(one: Divergence | None) -> str:
    if one is None:
        return "the same token"
    return f"{one.got} for {one.expected}, {'' if one.explained else 'NOT '}explained"


def _same(where: str, what: str, expected: str, got: str) -> None:
    if expected != got:
        raise Refused(
            f"{where}: another {what} than the certificate's: expected SHA-256 {expected[:16]}..., got {got[:16]}...; "
            "put that one back"
        )


def _environment(backend: str) -> Environment:
    """Of this process, which pins nothing: how many threads there were, each toolchain decides."""
    found = environment(threads=1)
    machine = {name: value for name, value in found.machine.items() if name != "threads"}
    software = {"python": platform.python_version(), **installed(["tokenizers"])}
    return replace(found, machine=machine, software=software | versions(backend, _slots.OPS_SET, "block"))


def _sha256(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()
