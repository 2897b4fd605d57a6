"""`oneblock bisect` with XLA: a wrong executable is laid to the pass that it is planted in, and fusion to `fusion`.

XLA has no place for a pass of ours. So the plant is in the compilation: it gives an executable that is wrong unless the
named pass is among those that are off.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.helpers import triton_here
from tests.helpers.bisecting import search

triton_here.load("jax_xla")

from oneblock.compilers.api.passes import CannotRun  # noqa: E402
from oneblock.compilers.xla import passes as xla_bisect  # noqa: E402


class _Wrong:
    """XLA's executable, with 1 % added to its answers."""

    def __init__(self, compiled: Any) -> None:
        self.compiled = compiled

    def __call__(self, *args: Any) -> Any:
        return {name: y * 1.01 for name, y in self.compiled(*args).items()}

    def as_text(self) -> str:
        return str(self.compiled.as_text()).replace("HloModule ", "HloModule spoiled_", 1)


@pytest.mark.parametrize("planted", ["algsimp", "fusion", "dot_decomposer"])
def test_a_planted_pass_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, planted: str) -> None:
    real = xla_bisect.compile_without

    def compile_without(lowered: Any, off: Sequence[str]) -> Any:
        compiled = real(lowered, off)
        return compiled if planted in off else _Wrong(compiled)

    monkeypatch.setattr(xla_bisect, "compile_without", compile_without)
    told = search(monkeypatch, tmp_path, "jax_xla", "mlp")
    assert told.finding.found == (planted,)
    assert told.finding.before is not None
    assert told.finding.before.passed
    assert any(line.startswith("+HloModule spoiled_") for line in told.diff)
    assert str(told.good_by_hand).startswith("XLA_FLAGS=--xla_disable_hlo_passes=")
    assert planted in str(told.good_by_hand)
    assert planted not in str(told.bad_by_hand)


def test_a_pass_that_xla_cannot_do_without_stays_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    real = xla_bisect.compile_without

    def compile_without(lowered: Any, off: Sequence[str]) -> Any:
        if "cse" in off:
            raise RuntimeError("INTERNAL: cse must run")
        compiled = real(lowered, off)
        return compiled if "fusion" in off else _Wrong(compiled)

    monkeypatch.setattr(xla_bisect, "compile_without", compile_without)
    told = search(monkeypatch, tmp_path, "jax_xla", "mlp")
    assert "cse" in told.finding.fixed
    assert told.finding.found == ("fusion",)
    assert any(tried.seen.why == "RuntimeError: INTERNAL: cse must run" for tried in told.finding.tried)


def test_without_a_plant_there_is_nothing_to_find(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert search(monkeypatch, tmp_path, "jax_xla").finding.found == ()


def test_the_pass_that_fuses_is_fusion_itself(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    told = search(monkeypatch, tmp_path, "jax_xla", "mlp", of="fusions")
    assert told.finding.found == ("fusion",)
    assert any("fused_computation" in line for line in told.diff if line.startswith("+"))


_HLO = """HloModule jit_f, entry_computation_layout={()->f32[2]{0}}

ENTRY %main.5 (a.1: f32[2], b.1: f32[2]) -> f32[2] {
  %a.1 = f32[2]{0} parameter(0), metadata={op_name="a"}
  %b.1 = f32[2]{0} parameter(1)
  ROOT %subtract.9 = f32[2]{0} subtract(%a.1, %b.1), metadata={op_name="x"}
}
"""


class _Printed:
    """A program of which only its text is to be had."""

    def __init__(self, text: str) -> None:
        self.text = text

    def as_text(self) -> str:
        return self.text


def _made(monkeypatch: pytest.MonkeyPatch, text: str) -> Any:
    monkeypatch.setattr(xla_bisect, "_changing", lambda lowered: ("fusion",))
    monkeypatch.setattr(xla_bisect, "compile_without", lambda lowered, off: _Printed(text))
    lowered: Any = None
    return xla_bisect.XlaPasses(lowered, lambda compiled: compiled, ()).make(())


def test_what_is_not_computed_is_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    text = _made(monkeypatch, _HLO).text("fusion")
    again = _HLO.replace("subtract.9", "subtract.31").replace('op_name="x"', 'op_name="y{z}"')
    assert _made(monkeypatch, again.replace("a.1", "Arg_0.7").replace("b.1", "Arg_1.2")).text("fusion") == text.replace(
        "a.0", "Arg_0.0"
    ).replace("b.0", "Arg_1.0")
    swapped = _HLO.replace("%a.1, %b.1", "%b.1, %a.1").replace("%a.1", "%p.1").replace("%b.1", "%p.2")
    one_way = _HLO.replace("%a.1", "%p.1").replace("%b.1", "%p.2")
    assert _made(monkeypatch, swapped).text("fusion") != _made(monkeypatch, one_way).text("fusion")


def test_text_that_cannot_be_read_is_a_run_that_is_not_to_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CannotRun, match="HloError: expected"):
        _made(monkeypatch, _HLO.removesuffix("}\n"))


def test_a_program_that_leaves_no_dump_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class Cached:
        def compile(self, **_: Any) -> None: ...

    with pytest.raises(CannotRun, match="was the program cached"):
        xla_bisect.XlaPasses(Cached(), lambda compiled: compiled, ())
