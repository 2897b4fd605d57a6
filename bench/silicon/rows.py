"""Latencies that others measured on GPUs, out of the tables of PyPI's aiconfigurator-core (NVIDIA, Apache-2.0).

Nothing of them is kept here: they are read where the extra `silicon` installed them, or in a folder of such files.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import file_digest
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from oneblock.bench.format.errors import Refused
from oneblock.bench.silicon.launches import OPERATORS, Launches
from oneblock.compilers.api.kind import Reported

PACKAGE, RANGE = "aiconfigurator-core", "0.12"
DTYPES = {"bfloat16": 2.0, "fp8": 1.0}  # bytes of an element, by their names there; of others no model is tried
# The columns of the dtypes of an operator, all of which are to be the one that is asked for.
_OF_ATTENTION = ("attn_dtype", "kv_cache_dtype")
_DTYPES = {"product": ("gemm_dtype",), "prefill": _OF_ATTENTION, "decode": _OF_ATTENTION}
_ABOUT = ("framework", "version", "device")
_MOST_ROWS, _MOST_BYTES = 10**7, 2**28
_LARGEST = 2**31  # of a size: none of a model is near it
_MS = 1e-3


@dataclass(frozen=True)
class Rows:
    """The launches of one file, of one operator and dtype, and what each took."""

    provenance: Reported
    sha256: str
    dtype: str
    launches: Launches
    seconds: np.ndarray

    def __len__(self) -> int:
        return len(self.seconds)


def reported_rows(operator: str, dtype: str, framework: str | None = None, folder: Path | None = None) -> list[Rows]:
    """The rows of an operator, a file each, by device; Refused where there are none, or a file is no such table.

    `framework` is whose kernels were timed ("vllm"); None takes all. `folder` holds tables of one's own, with the
    package's names and columns; by default they are the package's.
    """
    of = OPERATORS[operator]
    where, told = _installed() if folder is None else (folder, str(folder))
    paths = [path for path in sorted(where.rglob(of.file)) if framework in (None, *path.relative_to(where).parts)]
    found = [rows for path in paths for rows in _read(path, where, told, of, dtype)]
    if not found:
        whose = "" if framework is None else f", of {framework}"
        raise Refused(f"{told}: no rows of {dtype} for {operator}{whose}: expected tables named {of.file}")
    return sorted(found, key=lambda one: (one.provenance.device, one.provenance.software, one.provenance.version))


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


def _read(path: Path, where: Path, told: str, of: type[Launches], dtype: str) -> Iterator[Rows]:
    dtypes, name = _DTYPES[of.operator], str(path.relative_to(where))
    columns = {**dict.fromkeys((*_ABOUT, *dtypes), str), **dict.fromkeys(of.axes, int), "latency": float}
    table = _table(path, columns, may_lack=[*of.absent])
    column = {one: table.column(one).to_numpy() for one in table.column_names}
    column |= {one: np.full(len(table), value) for one, value in of.absent.items() if one not in column}
    chosen = np.all([column[one] == dtype for one in dtypes], axis=0)
    if not chosen.any():
        return
    seconds, axes = column["latency"][chosen] * _MS, {one: column[one][chosen] for one in of.axes}
    least = {one: 0 if one == "window_size" else 1 for one in axes}
    wrong = ~(np.isfinite(seconds) & (seconds > 0))
    wrong |= np.any([(axes[one] < least[one]) | (axes[one] > _LARGEST) for one in axes], axis=0)
    if wrong.any():
        row = int(np.flatnonzero(chosen)[int(np.argmax(wrong))])
        got = ", ".join(f"{one} {column[one][row]}" for one in (*axes, "latency"))
        raise Refused(f"{told}: {name}, row {row}: expected sizes of 1 or more and a latency above 0, got {got}")
    many = [sorted({str(value) for value in column[one][chosen]}) for one in _ABOUT]
    if any(len(one) != 1 for one in many):
        raise Refused(f"{told}: {name}: expected one framework, version and device, got {many}")
    software, version, device = (one[0] for one in many)
    with path.open("rb") as file:
        digest = file_digest(file, "sha256").hexdigest()
    try:
        provenance = Reported(device, software, version, f"{told}, {name}")
    except ValueError as error:
        raise Refused(f"{told}: {name}: {error}") from error
    launches = of.at({one: array.astype(float) for one, array in axes.items()}, DTYPES[dtype])
    yield Rows(provenance, digest, dtype, launches, seconds)


def _table(path: Path, columns: dict[str, type], may_lack: list[str]) -> Any:
    """A file's columns; Refused where it is no Parquet, lacks one, or is larger than any such table."""
    from pyarrow import ArrowException, parquet, types  # of the extra, and heavy

    def is_text(kind: Any) -> bool:
        return bool(types.is_string(kind) or types.is_large_string(kind))

    kinds = {str: is_text, int: types.is_integer, float: types.is_floating}
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise Refused(f"{path}: expected a table of at most {_MOST_BYTES:,} bytes")
        with parquet.ParquetFile(path) as file:
            has, count = file.schema_arrow, file.metadata.num_rows
            columns = {one: kind for one, kind in columns.items() if one in has.names or one not in may_lack}
            lacks = [
                one for one, kind in columns.items() if one not in has.names or not kinds[kind](has.field(one).type)
            ]
            if lacks:
                raise Refused(f"{path}: expected the columns {', '.join(columns)}; {', '.join(lacks)} not so")
            if count > _MOST_ROWS:
                raise Refused(f"{path}: expected at most {_MOST_ROWS:,} rows, got {count:,}")
            return file.read(columns=[*columns])
    except (ArrowException, OSError) as error:
        raise Refused(f"{path}: cannot be read as Parquet: {' '.join(str(error).split())[:200]}") from error
