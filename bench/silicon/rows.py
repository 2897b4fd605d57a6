"""Latencies that others measured on GPUs, out of the tables of PyPI's aiconfigurator-core (NVIDIA, Apache-2.0).

Nothing of them is kept here: they are read where the extra `silicon` installed them, or in a folder of such files.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import file_digest
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from oneblock.bench.format.errors import Refused
from oneblock.bench.silicon.formats import FORMATS
from oneblock.bench.silicon.launches import Launches, Table
from oneblock.bench.silicon.operators import OPERATORS
from oneblock.compilers.api.kind import Reported

PACKAGE, RANGE = "aiconfigurator-core", "0.12"
_ABOUT = ("framework", "version", "device")
_MOST_ROWS, _MOST_BYTES = 10**7, 2**28
_LARGEST = 2**31  # of a size: none of a model is near it
_MS = 1e-3


@dataclass(frozen=True)
class Rows:
    """Launches out of one file, of one operator and dtype, and what each took."""

    provenance: Reported
    sha256: str
    dtype: str
    launches: Launches
    seconds: np.ndarray
    kernel: str = ""  #: where a file has several that are tried apart

    def __len__(self) -> int:
        return len(self.seconds)

    @property
    def by(self) -> str:
        """Who reported them, of which kernel."""
        return " ".join(filter(None, (self.provenance.software, self.provenance.version, self.kernel)))


def reported_rows(operator: str, dtype: str, framework: str | None = None, folder: Path | None = None) -> list[Rows]:
    """The rows of an operator, a file each, by device; Refused where there are none, or a file is no such table.

    `framework` is whose kernels were timed ("vllm"); None takes all. `folder` holds tables of one's own, with the
    package's names and columns; by default they are the package's. Rows that are a copy of another file's count once.
    """
    of = OPERATORS[operator]
    where, told = _installed() if folder is None else (folder, str(folder))
    found: list[Rows] = []
    for table in of.tables:
        paths = [
            path for path in sorted(where.rglob(table.file)) if framework in (None, *path.relative_to(where).parts)
        ]
        found += [rows for path in paths for rows in _File(path, where, told, of, table, dtype).rows()]
    if not found:
        whose, names = "" if framework is None else f", of {framework}", " or ".join(one.file for one in of.tables)
        raise Refused(f"{told}: no rows of {dtype} for {operator}{whose}: expected tables named {names}")
    first = {(one.provenance.device, one.by, one.seconds.tobytes()): one for one in reversed(found)}
    return sorted(first.values(), key=lambda one: (one.provenance.device, one.by))


def _installed() -> tuple[Path, str]:
    """(the folder of tables, the package with its version)."""
    mend = "pip install 'oneblock[silicon]'"
    try:
        version = metadata.version(PACKAGE)
        files = metadata.files(PACKAGE) or []
    except metadata.PackageNotFoundError:
        raise Refused(f"{PACKAGE} is not installed, which has the reported latencies: {mend}") from None
    if not version.startswith(f"{RANGE}."):
        raise Refused(f"{PACKAGE} {version}: expected {RANGE}, whose tables are known: {mend}")
    tables = [Path(str(one.locate())) for one in files if one.name.endswith("gemm_perf.parquet")]
    if not tables:
        raise Refused(f"{PACKAGE} {version}: has no tables: install it anew")
    return tables[0].parents[4], f"{PACKAGE} {version}"


@dataclass(frozen=True)
class _File:
    path: Path
    where: Path
    told: str
    of: type[Launches]
    table: Table
    dtype: str

    @property
    def name(self) -> str:
        return str(self.path.relative_to(self.where))

    def rows(self) -> Iterator[Rows]:
        """Those of the dtype, apart as the table says; of a file that has none, whatever else it lacks is no matter."""
        table, spelt = self.table, self.table.spelt.get(self.dtype, self.dtype)
        held = {**dict.fromkeys(table.dtypes, spelt), **table.only}
        column = _columns(self.path, dict.fromkeys((*held, *table.apart), str), {})
        chosen = np.all([column[one] == value for one, value in held.items()], axis=0)
        if not chosen.any():
            return
        kinds = {one: str if one in self.of.words else int for one in self.of.axes}
        column |= _columns(self.path, {**dict.fromkeys(_ABOUT, str), **kinds, "latency": float}, self.of.absent)
        seconds, axes = column["latency"] * _MS, {one: self._numbers(one, column[one]) for one in self.of.axes}
        self._check(chosen, seconds, axes, column)
        with self.path.open("rb") as file:
            digest = file_digest(file, "sha256").hexdigest()
        for which, kernel in self._apart(column, chosen):
            launches = self.of.at({one: array[which] for one, array in axes.items()}, FORMATS[self.dtype])
            whose = self._provenance({one: column[one][which] for one in _ABOUT})
            yield Rows(whose, digest, self.dtype, launches, seconds[which], kernel)

    def _apart(self, column: dict[str, Any], chosen: np.ndarray) -> Iterator[tuple[np.ndarray, str]]:
        """(which rows (rows,), of which kernel) of each trial: all that are chosen, or apart as the table says."""
        columns = self.table.apart
        if not columns:
            yield chosen, ""
            return
        keys = np.array([tuple(map(str, row)) for row in zip(*(column[one] for one in columns), strict=True)])
        for key in sorted({*map(tuple, keys[chosen])}):
            told = (value for one, value in zip(columns, key, strict=True) if one not in _ABOUT)
            yield chosen & (keys == key).all(axis=1), " ".join(told)

    def _numbers(self, axis: str, column: np.ndarray) -> np.ndarray:
        """An axis as numbers (rows,); words by what each means."""
        if axis not in self.of.words:
            return column.astype(float)
        try:
            meant = {word: self.of.words[axis](str(word)) for word in {*column}}
        except ValueError as error:
            raise Refused(f"{self.told}: {self.name}, {axis}: {error}") from error
        return np.array([meant[word] for word in column])

    def _check(
        self, chosen: np.ndarray, seconds: np.ndarray, axes: dict[str, np.ndarray], column: dict[str, Any]
    ) -> None:
        """Refused names the first row of those chosen that cannot be."""
        may_be_0 = {"window_size", *self.of.words}
        wrong = ~(np.isfinite(seconds) & (seconds > 0))
        wrong |= ~np.all([(axes[one] >= (one not in may_be_0)) & (axes[one] <= _LARGEST) for one in axes], axis=0)
        if (wrong & chosen).any():
            row = int(np.argmax(wrong & chosen))
            got = ", ".join(f"{one} {column[one][row]}" for one in (*axes, "latency"))
            expected = "expected sizes of 1 or more and a latency above 0"
            raise Refused(f"{self.told}: {self.name}, row {row}: {expected}, got {got}")

    def _provenance(self, about: dict[str, np.ndarray]) -> Reported:
        many = [sorted({str(value) for value in values}) for values in about.values()]
        if any(len(one) != 1 for one in many):
            raise Refused(f"{self.told}: {self.name}: expected one framework, version and device, got {many}")
        software, version, device = (one[0] for one in many)
        try:
            return Reported(device, software, version, f"{self.told}, {self.name}")
        except ValueError as error:
            raise Refused(f"{self.told}: {self.name}: {error}") from error


def _columns(path: Path, columns: dict[str, type], absent: Mapping[str, float]) -> dict[str, np.ndarray]:
    """A file's columns (rows,); Refused where it is no Parquet, lacks one, or is larger than any such table."""
    from pyarrow import ArrowException, parquet, types  # of the extra, and heavy

    def is_text(kind: Any) -> bool:
        return bool(types.is_string(kind) or types.is_large_string(kind))

    kinds = {str: is_text, int: types.is_integer, float: types.is_floating}
    try:
        if not path.is_file():  # a pipe, say, of which one waits for ever
            raise Refused(f"{path}: cannot be read as Parquet: no plain file")
        if path.stat().st_size > _MOST_BYTES:
            raise Refused(f"{path}: expected a table of at most {_MOST_BYTES:,} bytes")
        with parquet.ParquetFile(path) as file:
            has, count = file.schema_arrow, file.metadata.num_rows
            if twice := [one for one in has.names if has.names.count(one) > 1]:
                raise Refused(f"{path}: expected each column once; {twice[0]} is there more than once")
            kept = {one: kind for one, kind in columns.items() if one in has.names or one not in absent}
            lacks = [one for one, kind in kept.items() if one not in has.names or not kinds[kind](has.field(one).type)]
            if lacks:
                raise Refused(f"{path}: expected the columns {', '.join(kept)}; {', '.join(lacks)} not so")
            if count > _MOST_ROWS:
                raise Refused(f"{path}: expected at most {_MOST_ROWS:,} rows, got {count:,}")
            table = file.read(columns=[*kept])
            found = {one: table.column(one).to_numpy() for one in kept}
    except (ArrowException, OSError) as error:
        raise Refused(f"{path}: cannot be read as Parquet: {' '.join(str(error).split())[:200]}") from error
    return {one: found[one] if one in found else np.full(count, absent[one]) for one in columns}
