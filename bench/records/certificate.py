"""A certificate of equal tokens: what one backend wrote of some prompts, against float64, as one JSON file.

RECORDS/certificates/NAME.IDENTITY.TIME.json, apart from the records of cells: whoever reads those has no other there.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count, pairwise
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, ValidationError

from oneblock.bench.cells.cell import digest
from oneblock.bench.format.errors import Refused
from oneblock.bench.records.files import CERTIFICATES, LARGEST_RECORD_BYTES
from oneblock.bench.records.names import file_name
from oneblock.bench.records.reading import adapter
from oneblock.bench.records.record import Count, Environment, Moment, Sha256
from oneblock.bench.records.sound import Unsound, parsed
from oneblock.bench.records.store import Problem, Store, to_json
from oneblock.bench.records.texts import StoreError
from oneblock.compilers.api.files import read_plain
from oneblock.compilers.api.kind import STRICT, Kind

Distance = Annotated[float, Field(ge=0)]  # of two logits
Positive = Annotated[int, Field(ge=1, lt=2**31)]


@dataclass(frozen=True)
class Divergence:
    """A position where a backend's likeliest token is another than float64's."""

    __pydantic_config__: ClassVar[Any] = STRICT
    prompt: Count
    position: Count  #: of the tokens that were written, from 0
    expected: Count
    got: Count
    margin: Distance  #: how much larger the expected one's logit is in float64
    budget: Distance  #: by how much rounding in the dtype may part two logits there
    layer: Count | None = None  #: None: of the first token, which no single layer is asked for
    step: str | None = None  #: of the layer, what goes wrong first; None where its error is of rounding

    @property
    def explained(self) -> bool:
        """Whether rounding alone may do it."""
        return self.margin <= self.budget


@dataclass(frozen=True)
class WholeModel:
    """Whose tokens they are."""

    __pydantic_config__: ClassVar[Any] = STRICT
    name: str
    path: str  # the folder or file that `--model` named
    sha256: Sha256  # of its weights, as of a cell's


@dataclass(frozen=True)
class Prompts:
    """The pieces of a text, evenly from its beginning to its end."""

    __pydantic_config__: ClassVar[Any] = STRICT
    text: str | None  # the file; None: the text that comes with Python
    text_sha256: Sha256
    tokens_sha256: Sha256  # of all pieces one behind the other: a tokenizer is in it
    count: Positive
    length: Positive  # tokens of each


@dataclass(frozen=True)
class Certificate:
    """What one backend wrote of all prompts, against float64."""

    __pydantic_config__: ClassVar[Any] = STRICT
    schema: Literal[1]
    certificate: Literal["tokens"]  # which tells it from the record of a cell
    created: Moment
    backend: str
    dtype: str
    model: WholeModel
    prompts: Prompts
    tokens: Positive  # written behind each prompt
    positions: Positive  # that were held against float64: of each prompt each token
    divergences: tuple[Divergence, ...]
    environment: Environment
    kind: Literal[Kind.MEASURED] = Kind.MEASURED
    form: str = "layers"  # of the decoder: what is one program, and how its caches are kept

    @property
    def unexplained(self) -> list[Divergence]:
        """Those that rounding cannot do."""
        return [one for one in self.divergences if not one.explained]

    @property
    def holds(self) -> bool:
        """Whether nothing is left unexplained."""
        return not self.unexplained

    @property
    def name(self) -> str:
        """For people and files: "certify-smollm2-100x64-bfloat16-jax_xla"."""
        return f"certify-{self.model.name}-{self.prompts.count}x{self.tokens}-{self.dtype}-{self.who}"

    @property
    def who(self) -> str:
        """The backend, with its decoder's form where it is not the usual one: "jax_xla-pages"."""
        return self.backend if self.form == "layers" else f"{self.backend}-{self.form}"

    def question(self) -> list[Any]:
        """What the tokens are of, whoever writes them."""
        asked = self.prompts
        return [self.model.sha256, asked.tokens_sha256, asked.count, asked.length, self.tokens, self.dtype]

    def place(self) -> str:
        """A hash of question, backend and machine: of one place the newest counts."""
        return digest([*self.question(), self.who, self.environment.facts()])


def add(directory: Path, made: Certificate) -> Path:
    """Write a certificate into a folder of records, under a name that nothing there has; its path.

    StoreError where it cannot be written, or nobody could read it again.
    """
    raw = to_json(made)
    _read(Path(made.name), raw)
    stamp = made.created.replace(":", "").replace("-", "")
    stem = f"{file_name(made.name)}.{made.place()}.{stamp}"
    for name in (f"{stem}{f'~{n:03}' if n > 1 else ''}.json" for n in count(1)):
        path = directory / CERTIFICATES / name
        try:
            Store(directory).write(path, raw, over=False)
        except FileExistsError:
            continue
        return path
    raise AssertionError


def files(directory: Path) -> list[Path]:
    """Every file that should be a certificate, the last made last; none where the folder has none."""
    found = (directory / CERTIFICATES).glob("*.json") if not (directory / CERTIFICATES).is_symlink() else ()
    return sorted(found, key=lambda path: (path.name.split(".")[-3:-1], path.name))


def read_certificate(path: Path) -> Certificate:
    """One certificate; StoreError says why it is none."""
    try:
        return _read(path, read_plain(path, LARGEST_RECORD_BYTES))
    except OSError as error:
        raise StoreError(f"{path}: cannot be read: {error.strerror}") from error


def certificates(directories: Sequence[Path]) -> tuple[list[tuple[Path, Certificate]], list[Problem]]:
    """(the newest of each place by name, the files that should be one and are not) of folders of records."""
    found: dict[str, tuple[Path, Certificate]] = {}
    problems = []
    for path in (path for directory in directories for path in files(directory)):
        try:
            made = read_certificate(path)
        except StoreError as error:
            problems.append(Problem(path, str(error)))
            continue
        before = found.get(made.place())
        if before is None or before[1].created <= made.created:
            found[made.place()] = path, made
    return sorted(found.values(), key=lambda one: (one[1].name, one[1].created)), problems


def find_certificate(text: str, directory: Path) -> Certificate | None:
    """The certificate that a person names: a file, or words that one file name has; None of what names a cell's record.

    Of several of one place the newest is meant. Refused if others are left, with the choices.
    """
    path = Path(text)
    if path.suffix == ".json" or os.path.isfile(path):
        return read_certificate(path) if _says_so(path) else None
    if not text.startswith("certify"):
        return None
    there, _ = certificates([directory])
    found = [one for one in there if all(word in one[0].name for word in text.split())]
    if len(found) == 1:
        return found[0][1]
    listed = "".join(f"\n  {one.name}" for one, _ in found or there)
    raise Refused(f"{text!r} is in the names of {len(found)} of {len(there)} certificates; name one:{listed}")


def _says_so(path: Path) -> bool:
    """Whether a file says that it is a certificate, whatever else is in it."""
    try:
        told = parsed(read_plain(path, LARGEST_RECORD_BYTES))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(told, dict) and "certificate" in told


def _read(path: Path, raw: bytes) -> Certificate:
    try:
        told = parsed(raw)
    except Unsound as error:
        raise StoreError(f"{path}: {error}: no certificate of oneblock; move it away") from error
    except (ValueError, RecursionError) as error:
        raise StoreError(f"{path}: not JSON ({error}); truncated, or no certificate: move it away") from error
    version = told.get("schema") if isinstance(told, dict) else None
    if type(version) is int and version > 1:
        raise StoreError(f"{path}: a certificate of schema {version}, and this oneblock reads 1: upgrade oneblock")
    try:
        made: Certificate = adapter(Certificate).validate_python(told)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise StoreError(
            f"{path}: {error.error_count()} fields do not fit a certificate; the first: {where}: {first['msg']}"
        ) from error
    for sentence in _unsound(made):
        raise StoreError(f"{path}: {sentence}")
    return made


def _unsound(made: Certificate) -> Iterator[str]:
    if made.positions != made.prompts.count * made.tokens:
        yield f"expected {made.prompts.count} times {made.tokens} positions, got {made.positions}"
    places = [(one.prompt, one.position) for one in made.divergences]
    if any(a >= b for a, b in pairwise(sorted(places))):
        yield "expected each position once, got one twice"
    for one in made.divergences:
        if one.prompt >= made.prompts.count or one.position >= made.tokens:
            yield (
                f"expected positions of {made.prompts.count} prompts and {made.tokens} tokens, got one of prompt "
                f"{one.prompt}, token {one.position}"
            )
        if one.got == one.expected:
            yield f"expected two tokens that differ at prompt {one.prompt}, token {one.position}, got {one.got} twice"
