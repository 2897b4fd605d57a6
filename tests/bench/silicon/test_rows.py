"""Reported latencies: read as they are stated, or refused by name.

`nox -s silicon` has the package, and none of this skips there.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from oneblock.bench.format.errors import Refused
from oneblock.bench.silicon import rows
from oneblock.bench.silicon.operators.product import Products
from oneblock.bench.silicon.rows import reported_rows

pytestmark = pytest.mark.skipif(
    not os.environ.get("ONEBLOCK_REQUIRE_SILICON"), reason="reported latencies have a session: `nox -s silicon`"
)
_OF = {"framework": "VLLM", "version": "0.24.0", "device": "NVIDIA H100 80GB HBM3", "kernel_source": "any",
       "latency": 0.01525}  # fmt: skip
# An operator's table, a row of it, and one of its sizes.
TABLES: dict[str, tuple[str, dict[str, Any], str]] = {
    "product": ("gemm_perf.parquet", _OF | {"gemm_dtype": "bfloat16", "m": 128, "n": 8192, "k": 2048}, "m"),
    "all_reduce": (
        "custom_allreduce_perf.parquet", _OF | {"allreduce_dtype": "bfloat16", "num_gpus": 8, "message_size": 4096},
        "num_gpus",
    ),
    "experts": (
        "moe_perf.parquet",
        _OF | {"moe_dtype": "bfloat16", "num_tokens": 64, "hidden_size": 2048, "inter_size": 768, "topk": 8,
               "num_experts": 128, "moe_tp_size": 1, "moe_ep_size": 4, "distribution": "power_law_1.2"},
        "topk",
    ),
}  # fmt: skip
Written = Callable[..., Path]


@pytest.fixture
def written(tmp_path: Path) -> Written:
    """A folder with one table of an operator, of rows each of which is its row but for what is given."""

    def write(*changed: dict[str, Any], without: str | None = None, operator: str = "product") -> Path:
        import pyarrow
        from pyarrow import parquet

        name, row, _ = TABLES[operator]
        all_rows = [row | change for change in changed or ({},)]
        columns = {one: [row[one] for row in all_rows] for one in all_rows[0] if one != without}
        parquet.write_table(pyarrow.table(columns), tmp_path / name)
        return tmp_path

    return write


def test_a_row_is_what_it_states_with_whose_it_is(written: Written) -> None:
    (found,) = reported_rows("product", "bfloat16", None, written({}, {"gemm_dtype": "fp8", "latency": 1.0}))
    assert len(found) == 1
    assert found.seconds[0] == pytest.approx(15.25e-6)
    of = found.launches
    assert isinstance(of, Products)
    assert (of.M[0], of.N[0], of.K[0]) == (128, 8192, 2048)
    assert of.nbytes[0] == 2 * (128 * 2048 + 2048 * 8192 + 128 * 8192)
    told = found.provenance
    assert (told.device, told.software, told.version) == ("NVIDIA H100 80GB HBM3", "VLLM", "0.24.0")
    assert told.source.endswith("gemm_perf.parquet")
    assert len(found.sha256) == 64


@pytest.mark.parametrize("operator", TABLES)
@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"latency": 0.0}, "row 1: expected sizes of 1 or more and a latency above 0, got "),
        ({"latency": float("nan")}, "row 1: .* latency nan"),
        ({"latency": -1.0}, "row 1: .* latency -1"),
        ({"latency": float("inf")}, "row 1: .* latency inf"),
        ({"SIZE": 0}, "row 1: .* SIZE 0"),
        ({"SIZE": None}, "row 1: .* SIZE nan"),
        ({"SIZE": 2**62}, "row 1: expected sizes"),
        ({"device": "NVIDIA H200"}, "expected one framework, version and device"),
        ({"framework": " "}, "expected one framework, version and device"),
    ],
)
def test_a_row_that_cannot_be_is_named(written: Written, operator: str, change: dict[str, Any], says: str) -> None:
    size = TABLES[operator][2]
    folder = written({}, {name.replace("SIZE", size): value for name, value in change.items()}, operator=operator)
    with pytest.raises(Refused, match=says.replace("SIZE", size)):
        reported_rows(operator, "bfloat16", None, folder)


@pytest.mark.parametrize("operator", TABLES)
@pytest.mark.parametrize("column", ["latency", "device", "SIZE"])
def test_a_table_of_another_form_is_refused_by_its_columns(written: Written, operator: str, column: str) -> None:
    column = column.replace("SIZE", TABLES[operator][2])
    with pytest.raises(Refused, match=f"expected the columns framework, .*; {column} not so"):
        reported_rows(operator, "bfloat16", None, written(without=column, operator=operator))
    with pytest.raises(Refused, match=f"{column} not so"):
        reported_rows(operator, "bfloat16", None, written({column: [1]}, operator=operator))


@pytest.mark.parametrize("operator", TABLES)
def test_a_file_that_is_no_table_or_a_part_of_one_is_refused(
    written: Written, operator: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = written({}, {}, operator=operator)
    path = folder / TABLES[operator][0]
    whole = path.read_bytes()
    for content in (
        whole[: len(whole) // 2],
        b"",
        b"PAR1" + bytes(64) + b"PAR1",
        whole[:40] + b"\xff" * 80 + whole[120:],
    ):
        path.write_bytes(content)
        with pytest.raises(Refused, match=r"cannot be read as Parquet|not so|expected"):
            reported_rows(operator, "bfloat16", None, folder)
    path.write_bytes(whole)
    monkeypatch.setattr(rows, "_MOST_ROWS", 1)
    with pytest.raises(Refused, match="expected at most 1 rows, got 2"):
        reported_rows(operator, "bfloat16", None, folder)
    monkeypatch.setattr(rows, "_MOST_BYTES", 10)
    with pytest.raises(Refused, match="expected a table of at most 10 bytes"):
        reported_rows(operator, "bfloat16", None, folder)


def test_a_column_that_is_there_twice_and_a_pipe_are_no_table(written: Written) -> None:
    import pyarrow
    from pyarrow import parquet

    folder = written({}, {})
    path = folder / "gemm_perf.parquet"
    table = parquet.read_table(path)
    names = [*table.column_names, "m"]
    parquet.write_table(pyarrow.Table.from_arrays([*table.columns, table.column("m")], names=names), path)
    with pytest.raises(Refused, match="expected each column once; m is there more than once"):
        reported_rows("product", "bfloat16", None, folder)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(Refused, match="cannot be read"):
        reported_rows("product", "bfloat16", None, folder)


def test_kernels_that_share_a_file_are_tried_apart_and_a_copy_of_a_file_counts_once(written: Written) -> None:
    folder = written({}, {"kernel_source": "other"}, operator="all_reduce")
    (folder / "copy").mkdir()
    path = folder / "custom_allreduce_perf.parquet"
    (folder / "copy" / path.name).write_bytes(path.read_bytes())
    found = reported_rows("all_reduce", "bfloat16", None, folder)
    assert [one.by for one in found] == ["VLLM 0.24.0 any", "VLLM 0.24.0 other"]
    assert found[0].launches.nbytes[0] == 2 * 4096, "elements, of two bytes"


def test_how_unevenly_tokens_choose_is_read_and_another_word_refused(written: Written) -> None:
    folder = written({}, {"distribution": "balanced"}, operator="experts")
    (found,) = reported_rows("experts", "bfloat16", None, folder)
    assert found.launches.same((64, 2048, 768, 8, 128, 1, 4, 120))[0]
    assert found.launches.same((64, 2048, 768, 8, 128, 1, 4, 0))[1]
    with pytest.raises(Refused, match="distribution: expected balanced or power_law_EXPONENT, got 'uneven'"):
        reported_rows("experts", "bfloat16", None, written({"distribution": "uneven"}, operator="experts"))


def test_a_blank_source_is_hearsay(written: Written) -> None:
    with pytest.raises(Refused, match=r"version is blank"):
        reported_rows("product", "bfloat16", None, written({"version": " "}))


def test_without_the_package_or_with_another_release_the_line_that_mends_it_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(metadata, "version", lambda name: "0.13.1")
    with pytest.raises(Refused, match=r"0\.13\.1: expected 0\.12, .* pip install 'oneblock\[silicon\]'"):
        reported_rows("product", "bfloat16")

    def none(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", none)
    with pytest.raises(Refused, match=r"not installed, .* pip install 'oneblock\[silicon\]'"):
        reported_rows("product", "bfloat16")
