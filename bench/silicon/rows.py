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
from oneblock.bench.silicon.product_model import Products
from oneblock.compilers.api.kind import Reported

PACKAGE, RANGE = "aiconfigurator-core", "0.12"
DTYPES = {"bfloat16": 2.0, "fp8": 1.0}  # bytes of an element, by their names there; of others no model is tried
_COLUMNS = {"framework": str, "version": str, "device": str, "gemm_dtype": str, "m": int, "n": int, "k": int,
            "latency": float}  # fmt: skip
_MOST_ROWS, _MOST_BYTES = 10**7, 2**28
_LARGEST = 2**31  # of a side: no product of a model is near it
_MS = 1e-3


@dataclass(frozen=True)
class Rows:
    """The products of one file, of one dtype, and what each took."""

    provenance: Reported
    sha256: str
    dtype: str
    products: Products
    seconds: np.ndarray

    def __len__(self) -> int:
        return len(self.seconds)


def product_rows(dtype: str, framework: str | None = None, folder: Path | None = None) -> list[Rows]:
    """The rows of matrix products, a file each, by device; Refused where there are none, or a file is no such table.

    `framework` is whose kernels were timed ("vllm"); None takes all. `folder` holds tables of one's own, with the
    package's columns; by default they are the package's.
    """
    where, told = _installed() if folder is None else (folder, str(folder))
    paths = [
        path for path in sorted(where.rglob("gemm_perf.parquet")) if framework in (None, *path.relative_to(where).parts)
    ]
    found = [rows for path in paths for rows in _read(path, where, told, dtype)]
    if not found:
        whose = "" if framework is None else f", of {framework}"
        raise Refused(f"{told}: no rows of {dtype} products{whose}: expected tables named gemm_perf.parquet")
    return sorted(found, key=lambda one: (one.provenance.device, one.provenance.software, one.provenance.version))


def _installed() -> tuple[Path, str]:
    """(the folder of tables, the package with its version)."""
    try:
        version = metadata.version(PACKAGE)
        files = metadata.files(PACKAGE) or []
    except metadata.PackageNotFoundError:
        raise Refused(
            f"{PACKAGE} is not installed, which has the reported latencies: pip install 'oneblock[silicon]'"
        ) from None
    if not version.startswith(f"{RANGE}."):
        raise Refused(f"{PACKAGE} {version}: expected {RANGE}, whose tables are known: pip install 'oneblock[silicon]'")
    tables = [Path(str(one.locate())) for one in files if one.name == "gemm_perf.parquet"]
    if not tables:
        raise Refused(f"{PACKAGE} {version}: has no tables of products: install it anew")
    return tables[0].parents[4], f"{PACKAGE} {version}"


def _read(path: Path, where: Path, told: str, dtype: str) -> Iterator[Rows]:
    table, name = _table(path), str(path.relative_to(where))
    column = {one: table.column(one).to_numpy() for one in _COLUMNS}
    chosen = column["gemm_dtype"] == dtype
    if not chosen.any():
        return
    seconds, (M, N, K) = column["latency"][chosen] * _MS, (column[one][chosen] for one in "mnk")
    wrong = ~(np.isfinite(seconds) & (seconds > 0)) | np.any(
        [(one < 1) | (one > _LARGEST) for one in (M, N, K)], axis=0
    )
    if wrong.any():
        row = int(np.flatnonzero(chosen)[int(np.argmax(wrong))])
        got = ", ".join(f"{one} {column[one][row]}" for one in ("m", "n", "k", "latency"))
        raise Refused(f"{told}: {name}, row {row}: expected sides of 1 or more and a latency above 0, got {got}")
    about = [column[one][chosen] for one in ("framework", "version", "device")]
    many = [sorted({str(value) for value in one}) for one in about]
    if any(len(one) != 1 for one in many):
        raise Refused(f"{told}: {name}: expected one framework, version and device, got {many}")
    software, version, device = (one[0] for one in many)
    with path.open("rb") as file:
        digest = file_digest(file, "sha256").hexdigest()
    try:
        provenance = Reported(device, software, version, f"{told}, {name}")
    except ValueError as error:
        raise Refused(f"{told}: {name}: {error}") from error
    products = Products(M.astype(float), N.astype(float), K.astype(float), DTYPES[dtype])
    yield Rows(provenance, digest, dtype, products, seconds)


def _table(path: Path) -> Any:
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
            lacks = [
                one for one, kind in _COLUMNS.items() if one not in has.names or not kinds[kind](has.field(one).type)
            ]
            if lacks:
                raise Refused(f"{path}: expected the columns {', '.join(_COLUMNS)}; {', '.join(lacks)} not so")
            if count > _MOST_ROWS:
                raise Refused(f"{path}: expected at most {_MOST_ROWS:,} rows, got {count:,}")
            return file.read(columns=[*_COLUMNS])
    except (ArrowException, OSError) as error:
        raise Refused(f"{path}: cannot be read as Parquet: {' '.join(str(error).split())[:200]}") from error
