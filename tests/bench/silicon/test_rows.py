"""Reported latencies: read as they are stated or refused by name, and the model against those of the package.

`nox -s silicon` has the package, and none of this skips there.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from oneblock.bench.format.errors import Refused
from oneblock.bench.silicon import rows
from oneblock.bench.silicon.operators.product import Products
from oneblock.bench.silicon.rows import reported_rows
from oneblock.bench.silicon.trial import Tried, trials
from tests.helpers.oneblock_process import oneblock_here

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
CHIPS = {"cuda:sm_80", "cuda:sm_90", "cuda:sm_90:h200", "cuda:sm_100"}  # whose rows every operator has
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


@pytest.fixture(scope="module")
def silicon() -> list[Tried]:
    """Every framework's products on every chip that is known."""
    return trials(reported_rows("product", "bfloat16"))[0]


def test_held_out_shapes_lie_as_near_as_the_figure_says(silicon: list[Tried]) -> None:
    """Median |log error| at most 0.11 over chips and 0.15 on the worst; a bare roofline is 0.3 and more off."""
    assert {one.target for one in silicon} >= CHIPS
    medians = [one.held_out.median_log for one in silicon]
    assert median(medians) <= 0.11
    assert max(medians) <= 0.15
    assert min(one.bare_median_log or 0 for one in silicon) > 0.3
    assert all(one.wrong is None for one in silicon)


def test_the_printed_range_holds_what_it_says_and_a_chip_left_out_is_foreseen(silicon: list[Tried]) -> None:
    covered = [one.held_out.covered for one in silicon]
    assert all(0.88 <= one <= 0.92 for one in covered)
    assert all(one.left_out is not None and one.left_out.median_log <= 0.25 for one in silicon)


@pytest.mark.parametrize("operator", ["prefill", "decode"])
def test_attention_lies_as_near_as_the_figure_says(operator: str) -> None:
    """Median |log error| at most 0.15 on every chip, but for the decodes of TensorRT-LLM, whose ranges say so."""
    told, _ = trials(reported_rows(operator, "bfloat16"))
    assert {one.target for one in told} >= CHIPS
    near = [one for one in told if (operator, one.rows.provenance.software) != ("decode", "TRTLLM")]
    assert max(one.held_out.median_log for one in near) <= 0.15
    assert max(one.held_out.median_log for one in told) <= 0.25
    assert all(one.wrong is None for one in near)
    assert min(one.bare_median_log or 0 for one in told) > 0.8
    assert all(0.88 <= one.held_out.covered <= 0.92 for one in told)


def test_sums_over_gpus_lie_as_near_as_the_figure_says() -> None:
    """Median |log error| at most 0.20 by NCCL and by vLLM's own kernels; 23 sizes are few, so coverage is by chip."""
    for framework in ("nccl", "vllm"):
        told, _ = trials(reported_rows("all_reduce", "bfloat16", framework))
        known = [one for one in told if one.target in CHIPS]
        assert {one.target for one in known} == CHIPS
        assert max(one.held_out.median_log for one in known) <= 0.20
        for chip in CHIPS:
            assert median(one.held_out.covered for one in known if one.target == chip) >= 0.87


def test_experts_lie_as_near_as_the_figure_says() -> None:
    told, _ = trials(reported_rows("experts", "bfloat16", "vllm"))
    known = [one for one in told if one.target in CHIPS and one.wrong is None]
    assert {one.target for one in known} == CHIPS
    assert max(one.held_out.median_log for one in known) <= 0.25
    assert all(0.87 <= one.held_out.covered <= 0.93 for one in known)


def test_a_copy_with_every_latency_doubled_has_half_the_shares(silicon: list[Tried], tmp_path: Path) -> None:
    """The trial reads the rows."""
    import pyarrow
    import pyarrow.compute
    from pyarrow import parquet

    (one,) = (one for one in silicon if one.target == "cuda:sm_90" and one.rows.provenance.software == "VLLM")
    source = next(
        Path(str(file.locate()))
        for file in metadata.files(rows.PACKAGE) or ()
        if "h100_sxm/gemm/vllm" in str(file) and file.name.endswith("parquet")
    )
    table = parquet.read_table(source)
    doubled = pyarrow.compute.multiply(table.column("latency"), 2.0)
    parquet.write_table(table.set_column(table.schema.get_field_index("latency"), "latency", doubled),
                        tmp_path / "gemm_perf.parquet")  # fmt: skip
    (twice,), _ = trials(reported_rows("product", "bfloat16", None, tmp_path))
    assert twice.left_out is None
    assert twice.shares.bandwidth_share == pytest.approx(one.shares.bandwidth_share / 2, rel=0.05)
    assert twice.shares.of_peak(128, 128) == pytest.approx(one.shares.of_peak(128, 128) / 2, rel=0.15)


def test_the_command_answers_for_a_shape_and_keeps_kinds_apart(tmp_path: Path) -> None:
    words = ("trial", "--target", "cuda:sm_90", "--shape", "128x8192x2048", "--shape", "77x8192x2048")
    done = oneblock_here(*words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "lie in the range that is to hold 90%" in done.stdout
    shown = [line for line in done.stdout.splitlines() if "x8192x2048 on" in line]
    assert "µs (modelled; 90 % range" in shown[0]
    assert "(reported, VLLM 0.24.0)" in shown[0]
    assert "nobody reported this shape" in shown[1]
    assert "left out: Intel(R) Arc(TM) Pro B60 Graphics: no chip of that name" in done.stderr
    told = json.loads(oneblock_here(*words, "--json", cwd=tmp_path).stdout)
    (trial,), product = told["trials"], told["shapes"][0]
    assert trial["reported"]["source"].startswith("aiconfigurator-core 0.12")
    assert product["low_s"] < product["modelled_s"] < product["high_s"]
    assert product["low_s"] < product["reported_s"] < product["high_s"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--target", "cuda:sm_91"), "unknown GPU 'cuda:sm_91'"),
        (("--target", "tpu:v5e"), "unknown GPU 'tpu:v5e'"),
        (("--target", "cuda:sm_75"), "no rows of cuda:sm_75"),
        (("--shape", "128x8192"), "expected whole numbers MxNxK for product"),
        (("--shape", "ax1x1"), "expected whole numbers"),
        (("--shape", "0x1x1"), "expected sizes from 1 to 1,073,741,824"),
        (("prefill", "--shape", "1x1x1"), "expected whole numbers BxTxNxKxDxW for prefill"),
        (("all_gather",), "is not one of"),
        (("all_reduce", "--shape", "8"), "expected whole numbers GxE for all_reduce"),
        (("experts", "--shape", "1x1"), "expected whole numbers TxHxIxKxExPxRxS for experts"),
        (("--framework", "none"), "no rows of bfloat16 for product, of none"),
        (("--dtype", "sq"), "no rows of sq for product, of vllm"),
        (("--rows", "nowhere"), "does not exist"),
        (("--rows", "."), "no rows of bfloat16 for product"),
    ],
)
def test_what_cannot_be_asked_is_a_sentence(words: tuple[str, ...], says: str, tmp_path: Path) -> None:
    done = oneblock_here("trial", *words, cwd=tmp_path)
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("operator", ["prefill", "decode"])
def test_attention_is_told_with_what_was_reported_of_it(operator: str, tmp_path: Path) -> None:
    """4,096 tokens: of a decode, those that the new one sees, its own among them."""
    done = oneblock_here("trial", operator, "--shape", "1x4096x32x8x128x0", "--json", cwd=tmp_path)
    told = json.loads(done.stdout)["shapes"]
    assert {one["target"] for one in told} >= CHIPS
    assert all(one["reported_s"] is not None for one in told)
    assert sum(one["low_s"] < one["reported_s"] < one["high_s"] for one in told) >= len(told) - 1


def test_the_page_draws_each_chip_and_asks_the_network_for_nothing(tmp_path: Path) -> None:
    done = oneblock_here("trial", "decode", "--target", "cuda:sm_90", "--to", "trial.html", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "trial.html").read_text()
    (chart,) = json.loads(page.split('id="plots">')[1].split("</script>")[0])
    assert len(chart["layer"][0]["data"]["values"]) == 500
    assert chart["layer"][0]["encoding"]["x"]["title"] == "modelled, µs (log)"
    assert "cuda:sm_90, VLLM 0.24.0" in chart["description"]
    assert "default-src 'none'" in page
    assert not re.findall(r"(?:src|href)=.https?:", page.split("<script")[0])
    refused = oneblock_here("trial", "--to", "trial.html/inside.html", cwd=tmp_path)
    assert refused.returncode == 2
    assert "give another with --to" in refused.stderr
