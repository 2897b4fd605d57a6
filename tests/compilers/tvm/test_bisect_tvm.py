"""`oneblock bisect` with TVM: a module pass that changes a constant is found, by skipping passes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from oneblock.backends.api.backend import Unavailable, Unsupported
from oneblock.backends.api.target import Target
from tests.helpers import triton_here
from tests.helpers.bisecting import passes, search

TVM: Any = triton_here.load("tvm_relax")
try:
    TVM.probe(Target("cpu"))
except Unavailable as error:
    pytest.skip(f"tvm_relax: {error}; {error.hint}", allow_module_level=True)

import tvm  # noqa: E402
from tvm import relax  # noqa: E402

from oneblock.compilers.api.passes import CannotRun  # noqa: E402
from oneblock.compilers.tvm import passes as tvm_bisect  # noqa: E402


@pytest.fixture(autouse=True)
def _relax_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the passes that lower tensor IR: to skip those takes a process that may die: test_bisect.py."""
    monkeypatch.setattr(tvm_bisect.RelaxPasses.__init__, "__kwdefaults__", {"to_code": False})


def _planted(old: str, new: str) -> Any:
    @tvm.transform.module_pass(opt_level=0, name="Planted")
    def spoil(module: Any, context: Any) -> Any:
        text = module.script(show_meta=True)
        assert old in text, "this pass changes nothing"
        return tvm.script.from_source(text.replace(old, new))

    return spoil


@pytest.mark.slow
def test_a_planted_pass_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    planted = _planted("T.float32(1.0)", "T.float32(1.5)")  # of 1 / (1 + exp(-x))
    monkeypatch.setattr(relax.transform, "DeadCodeElimination", lambda: planted)
    told = search(monkeypatch, tmp_path, "tvm_relax", "mlp")
    assert told.finding.found == ("Planted",)
    assert {"LegalizeOps", "LegalizeOps#2"} & set(told.finding.fixed), "without it operations of Relax have no code"
    assert told.finding.before is not None
    assert told.finding.before.passed
    assert any("T.float32(1.0)" in line for line in told.diff if line.startswith("-"))
    assert any("T.float32(1.5)" in line for line in told.diff if line.startswith("+"))
    assert "disabled_pass" in str(told.good_by_hand)


def test_a_pass_that_does_not_run_is_told_as_what_does_not_compile(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    planted = _planted("T.float32(1.0)", "T.float32(no number)")
    monkeypatch.setattr(relax.transform, "DeadCodeElimination", lambda: planted)
    with pytest.raises(Unsupported, match=r"with every pass on it does not compile: .*invalid syntax"):
        search(monkeypatch, tmp_path, "tvm_relax", "mlp")


@pytest.mark.slow
def test_without_a_plant_there_is_nothing_to_find_and_fuse_tir_fuses(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert search(monkeypatch, tmp_path, "tvm_relax", "mlp").finding.found == ()
    told = search(monkeypatch, tmp_path, "tvm_relax", "mlp", of="fusions")
    assert told.finding.found == ("FuseTIR",)
    assert told.finding.says[-1] == "it takes passes before it"


def test_by_hand_is_the_same_run_or_says_what_it_is_not() -> None:
    made = passes("tvm_relax", "mlp")
    context = "tvm.transform.PassContext(opt_level=3, disabled_pass=['{}'])"
    assert made.by_hand(["FuseTIR"]) == context.format("FuseTIR")
    assert made.by_hand(["LegalizeOps", "LegalizeOps#2"]) == context.format("LegalizeOps")
    said = made.by_hand(["LegalizeOps#2"])
    assert said == context.format("LegalizeOps") + "  (not the same run: it also switches off LegalizeOps)"
    said = made.by_hand(["FuseOps"])
    assert said == context.format("FuseOps") + "  (not the same run: it leaves on FuseOps)", "it is in no Sequential"
    for name, runs in (("FuseOps", True), ("FuseTIR", False)):
        seen: list[str] = []
        with tvm.transform.PassContext(opt_level=3, disabled_pass=[name], instruments=[_noting(seen)]):
            tvm_bisect.fuse(made.traced, made.target, made.steps)
        assert (name in seen) is runs, "TVM does what is said of it"


def _noting(seen: list[str]) -> Any:
    @tvm.ir.instrument.pass_instrument
    class Noting:
        def run_before_pass(self, module: Any, info: Any) -> None:
            seen.append(info.name)

    return Noting()


def test_a_module_without_kernels_is_a_run_that_is_not_to_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    made = passes("tvm_relax", "mlp")
    monkeypatch.setattr(tvm_bisect, "_tir", lambda module: [])
    with pytest.raises(CannotRun, match="expected a module of Relax and tensor IR"):
        made.make(())


def test_a_gpu_that_is_not_here_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(Unsupported, match="where the plain or native program runs"):
        search(monkeypatch, tmp_path, "tvm_relax", of="fusions", target="cuda:sm_90", ops_set="native")
