"""The models against the rows of the package, and the command that tells it.

`nox -s silicon` has the package, and none of this skips there.
"""

from __future__ import annotations

import json
import os
import re
from importlib import metadata
from pathlib import Path
from statistics import median

import pytest

from oneblock.bench.silicon import rows
from oneblock.bench.silicon.calibrating import KEPT, found_anew
from oneblock.bench.silicon.calibration import DTYPE, calibrations
from oneblock.bench.silicon.rows import reported_rows
from oneblock.bench.silicon.trial import Tried, trials
from tests.helpers.oneblock_process import oneblock_here

pytestmark = pytest.mark.skipif(
    not os.environ.get("ONEBLOCK_REQUIRE_SILICON"), reason="reported latencies have a session: `nox -s silicon`"
)
CHIPS = {"cuda:sm_80", "cuda:sm_90", "cuda:sm_90:h200", "cuda:sm_100"}  # whose rows every operator has


@pytest.fixture(scope="module")
def silicon() -> list[Tried]:
    """Every framework's products on every chip that is known."""
    return trials(reported_rows("product", "bfloat16"))[0]


def test_held_out_shapes_lie_as_near_as_the_figure_says(silicon: list[Tried]) -> None:
    """Median |log error| at most 0.11 over chips and 0.15 on the worst; a bare roofline is 0.3 and more off."""
    assert {one.target for one in silicon} >= CHIPS
    medians = [one.held_out.median_log for one in silicon if one.target in CHIPS]
    assert median(medians) <= 0.11
    assert max(medians) <= 0.15
    assert min(one.bare_median_log or 0 for one in silicon if one.target in CHIPS) > 0.3
    assert all(one.wrong is None for one in silicon)


def test_the_printed_range_holds_what_it_says_and_a_chip_left_out_is_foreseen(silicon: list[Tried]) -> None:
    assert all(0.88 <= one.held_out.covered <= 0.92 for one in silicon if one.target in CHIPS)
    assert all(one.left_out is not None and one.left_out.median_log <= 0.25 for one in silicon)


@pytest.mark.parametrize("operator", ["prefill", "decode"])
def test_attention_lies_as_near_as_the_figure_says(operator: str) -> None:
    """Median |log error| at most 0.15 on every chip, but for the decodes of TensorRT-LLM, whose ranges say so."""
    told, _ = trials(reported_rows(operator, "bfloat16"))
    assert {one.target for one in told} >= CHIPS
    told = [one for one in told if one.target in CHIPS]
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


def test_kernels_that_compute_less_than_the_form_says_have_no_model() -> None:
    """TensorRT-LLM's experts without a gate are two products, and the form has three: it would need a faster chip."""
    told, _ = trials(reported_rows("experts", "bfloat16", "trtllm"), elsewhere=False)
    apart = [one for one in told if one.rows.kernel.endswith("nongated")]
    assert {one.target for one in apart} >= CHIPS - {"cuda:sm_80"}
    assert all("the form is wrong: it takes all of the" in (one.wrong or "") for one in apart)
    assert all(one.wrong is None for one in told if one.rows.kernel.endswith("cutlass"))


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
        (("--covers", "tiny", "--shape", "1x1x1"), "--covers and --cpu are trials of their own"),
        (("--cpu", "nowhere"), "no such directory"),
        (("--cpu", ".", "--covers", "tiny"), "--covers and --cpu are trials of their own"),
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


def test_sums_and_experts_are_told_by_kernel_and_a_model_by_what_rows_cover(tmp_path: Path) -> None:
    """The same sum of 2 MiB over 8 GPUs by captured graphs and eagerly; llama-8b's attention has rows of its own."""
    done = oneblock_here(
        "trial", "all_reduce", "--target", "cuda:sm_90", "--shape", "8x1048576", "--json", cwd=tmp_path
    )
    shapes = {one["by"]: one for one in json.loads(done.stdout)["shapes"]}
    graph, eager = (shapes[f"vLLM 0.24.0 vLLM_custom_{how}"] for how in ("graph", "eager"))
    assert graph["modelled_s"] < eager["modelled_s"]
    assert graph["low_s"] < graph["reported_s"] < graph["high_s"]
    done = oneblock_here("trial", "--covers", "llama-8b", "--target", "cuda:sm_90", "--json", cwd=tmp_path)
    phases = json.loads(done.stdout)["phases"]
    assert [one["phase"] for one in phases] == ["prefill T=128", "prefill T=2048", "decode B=1", "decode B=16"]
    assert all(one["on_rows"] + one["between"] >= 0.8 for one in phases)
    refused = oneblock_here("trial", "--covers", "llama-8", cwd=tmp_path)
    assert refused.returncode == 2
    assert "--covers: unknown preset 'llama-8'" in refused.stderr


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


@pytest.mark.parametrize("operator", KEPT)
def test_what_is_kept_for_plans_is_what_a_trial_finds(operator: str) -> None:
    """Within what another processor's least squares may move."""
    known = {key: one for key, one in calibrations(DTYPE).items() if key[1] == operator}
    anew = {(one.target, one.operator): one for one in found_anew(operator)}
    assert known.keys() == anew.keys()
    for key, one in anew.items():
        assert (known[key].by, known[key].sha256) == (one.by, one.sha256)
        assert (known[key].low, known[key].high) == pytest.approx((one.low, one.high), rel=0.1)
        assert known[key].median_log == pytest.approx(one.median_log, abs=0.02)
