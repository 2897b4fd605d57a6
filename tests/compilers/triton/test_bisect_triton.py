"""`oneblock bisect` with Triton: a pass put into the pipeline is found by what the kernel then counts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from oneblock.backends.api.backend import Unsupported
from tests.helpers import triton_here
from tests.helpers.bisecting import passes, search

triton_here.load("triton_kernels")

from triton._C import libtriton  # noqa: E402

from oneblock.backends._triton import programs  # noqa: E402
from tests.helpers.triton_first import First  # noqa: E402

GPU = {"ops_set": "kernels", "target": "cuda:sm_80", "dtype": "float16"}
FP_SANITIZER = libtriton.passes.ttgpuir.add_fp_sanitizer
PLACE = "add_reduce_data_duplication"  # which changes nothing in this kernel


def _sanitise(passes: Any) -> None:
    """Triton's own pass that computes every float operation with integers instead: many operations for each."""
    FP_SANITIZER(passes, False)


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path / "cache"))


def test_a_planted_pass_is_found_by_a_count(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(programs, "LaunchTracer", First)  # of one row a program, not 64: each of twenty runs is short
    monkeypatch.setattr(libtriton.passes.ttgpuir, PLACE, _sanitise)
    told = search(monkeypatch, tmp_path, "triton_kernels", of="machine_instructions", **GPU)
    assert told.finding.found == ("reduce_data_duplication",)
    assert "convert_to_ttgpuir" in told.finding.fixed
    assert told.finding.before is not None
    assert told.finding.after is not None
    assert told.finding.after.value > 2 * told.finding.before.value  # type: ignore[operator]
    assert told.diff
    assert "ttgpuir.add_reduce_data_duplication = " in str(told.good_by_hand)
    assert "# (not the same run: it also switches off " in str(told.good_by_hand), "names of passes that come twice"
    assert getattr(libtriton.passes.ttgpuir, PLACE) is _sanitise, "what is left out for a while is put back"


def test_by_hand_is_the_same_run_or_says_what_it_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    made = passes("triton_kernels", **GPU)
    off = [name for name in made.names if name.partition("#")[0] in ("coalesce", "remove_layout_conversions")]
    assert len(off) > 2
    line, expected = made.by_hand(off), made.make(off)
    assert "#" not in line
    assert expected.text("") != made.make(()).text("")
    for name in ("add_coalesce", "add_remove_layout_conversions"):
        monkeypatch.setattr(libtriton.passes.ttgpuir, name, getattr(libtriton.passes.ttgpuir, name))  # and back
    exec(line, {})
    by_hand = made.make(())
    assert (by_hand.counts, by_hand.text("")) == (expected.counts, expected.text(""))
    assert made.by_hand(off[-1:]).endswith(
        "add_remove_layout_conversions = lambda *_: None  # (not the same run: it also switches off "
        + ", ".join(off[1:-1]) + ")"
    )  # fmt: skip
    assert made.by_hand(["cse", "cse#2"]).endswith("also switches off cse on the way to LLVM IR)")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (GPU, "name a count with --of: registers, spill_bytes"),
        ({**GPU, "of": "fusions"}, "--of"),
        ({**GPU, "of": "registers", "target": "cpu"}, "an interpreter runs no pass"),
        ({**GPU, "of": "registers", "left_out": ("coalesc",)}, "coalesce"),
    ],
)
def test_what_cannot_be_had_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, more: dict[str, Any], said: str
) -> None:
    with pytest.raises(Unsupported, match=said):
        search(monkeypatch, tmp_path, "triton_kernels", **more)
