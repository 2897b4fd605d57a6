"""`oneblock show`: a stage in colours, a step's lines, what stages come to; and nothing that a terminal would obey."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from oneblock.bench.commands.show import COMMAND as SHOW
from oneblock.bench.format.text import visible
from oneblock.bench.records.doubt import Cause, Doubt
from oneblock.bench.records.record import Status
from oneblock.bench.terminal import screen as _terminal
from oneblock.bench.terminal.screen import coloured
from oneblock.compilers.api.calls import NeuronCall
from oneblock.compilers.api.kind import Kind
from oneblock.compilers.dialects import opcode
from tests.bench.report.test_report import record
from tests.helpers.oneblock_process import on_a_terminal
from tests.helpers.stage_records import ANSI, HLO, facts, run, store

SOURCE = "import nki.isa as nisa\n\n\ndef k(a):\n    nisa.dma_copy(a)\n\n\ndef unused(a):\n    nisa.dma_copy(a)\n"


def test_a_stage_is_printed_as_it_is_where_no_terminal_is(tmp_path: Path) -> None:
    path = store(tmp_path, hlo=HLO)
    assert run(SHOW, path, "--stage", "hlo") == (0, HLO)
    assert run(SHOW, path, "--stage", "optimized") == (0, HLO)


def test_a_step_is_printed_with_its_line_numbers_and_gaps(tmp_path: Path) -> None:
    code, said = run(SHOW, store(tmp_path, hlo=HLO), "--step", "attention", "--stage", "hlo")
    rows = said.splitlines()
    numbered = {int(row.split()[0]): row.split(None, 1)[1] for row in rows if row.strip()[:1].isdigit()}
    assert code == 0
    assert {5, 11} <= numbered.keys(), "the operation inside the fusion, and the fusion"
    assert not {9, 10, 12} & numbered.keys(), "lines of other steps"
    assert all(HLO.splitlines()[number - 1].strip() == text.strip() for number, text in numbered.items())
    assert rows[0].startswith("== optimized hlo: ")
    places = [row.split()[0] for row in rows[1:]]
    assert places[-1] == "..."
    assert "..." in places[places.index("5") : places.index("11")], "something was left out between them"


def test_without_a_stage_all_are_looked_through_and_those_unread_say_so(tmp_path: Path) -> None:
    path = store(tmp_path, hlo=HLO, passes="0 simplify\n")
    _, said = run(SHOW, path, "--step", "norm1")
    assert "== machine passes: no step attribution for this dialect" in said
    assert "multiply(" in said


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--step", "attentoin"), "LookupError: unknown step 'attentoin'; did you mean 'attention'"),
        (("--stage", "hol"), "LookupError: unknown stage 'hol'; did you mean 'hlo'"),
    ],
)
def test_a_name_that_is_none_is_refused_with_the_nearest(tmp_path: Path, words: tuple[str, ...], says: str) -> None:
    code, said = run(SHOW, store(tmp_path, hlo=HLO), *words)
    assert code == 2
    assert says in said


@pytest.mark.parametrize("words", [("--step", "mlp"), ("--stats",)])
def test_a_record_without_stages_and_no_record_are_refused(tmp_path: Path, words: tuple[str, ...]) -> None:
    code, said = run(SHOW, store(tmp_path), *words)
    assert (code, "has no lowering stages" in said) == (2, True)
    code, said = run(SHOW, "-o", tmp_path, *words)
    assert (code, "are of one record: name it" in said) == (2, True)


def test_a_text_that_is_gone_is_refused(tmp_path: Path) -> None:
    path = store(tmp_path, hlo=HLO)
    next((tmp_path / "artifacts").iterdir()).unlink()
    code, said = run(SHOW, path, "--stage", "hlo")
    assert (code, "the stage's text is gone" in said) == (2, True)


def test_statistics_count_operations_by_step(tmp_path: Path) -> None:
    path = store(tmp_path, hlo=HLO, passes="0 simplify\n")
    _, said = run(SHOW, path, "--stats", "--json")
    hlo, passes = json.loads(said)
    assert hlo["lines"] == len(HLO.splitlines())
    assert hlo["by_step"] == {"norm1": 1, "attention": 2, "proj": 1}
    assert (hlo["operations"], hlo["attributed"]) == (4, 1.0)
    assert hlo["most_frequent"] == {"exponential": 1, "multiply": 1, "fusion": 1, "add": 1}
    assert (passes["operations"], passes["attributed"], passes["by_step"]) == (None, None, None)
    _, table = run(SHOW, path, "--stats")
    assert "no step attribution" in table
    assert "norm1 1, attention 2, proj 1" in table


def test_what_a_kernel_s_steps_were_given_to_is_said_to_be_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    call = NeuronCall(
        name="k", steps=("mlp",), shapes=(), instructions={}, flops=4.0, hbm_bytes=100, dma_runs=1, sbuf_bytes=1,
        sbuf_limit_bytes=1, psum_banks=1, busy_s={}, modelled_s={"timeline": 1e-6},
    )  # fmt: skip
    made = replace(record("jax_xla"), facts=facts(calls=(call,)))
    path = store(tmp_path, made, hlo=HLO, **{"bundles:k": "0x0 : { vadd }\n", "nki:k": SOURCE})
    hlo, bundles, nki = json.loads(run(SHOW, path, "--stats", "--json")[1])
    assert [one["attributed_by"] for one in (hlo, bundles, nki)] == ["operation", "kernel", "kernel"]
    assert (hlo["unreached"], nki["unreached"], nki["operations"], nki["attributed"]) == (0, 1, 1, 1.0)
    monkeypatch.setenv("COLUMNS", "200")
    table = run(SHOW, path, "--stats")[1]
    assert "100.0% (by kernel); 1 not reached by a call" in table
    assert "100.0% │" in table, "where each operation names its own"


def test_a_text_that_names_no_step_says_so(tmp_path: Path) -> None:
    bare = HLO.replace("metadata={op_name=", "backend_config={name=")
    path = store(tmp_path, hlo=bare, passes="0 simplify\n")
    assert "no operation of this text names a step" in run(SHOW, path, "--step", "attention")[1]
    path = store(tmp_path, hlo=HLO)
    assert "no operation of this text" not in run(SHOW, path, "--step", "embed")[1]


def test_an_operation_without_a_step_is_counted_as_such(tmp_path: Path) -> None:
    bare = "HloModule m\n\nENTRY %main (x.1: f32[4]) -> f32[4] {\n  %x.1 = f32[4]{0} parameter(0)\n"
    bare += "  ROOT %m.2 = f32[4]{0} multiply(%x.1, %x.1)\n}\n"
    (hlo,) = json.loads(run(SHOW, store(tmp_path, hlo=bare), "--stats", "--json")[1])
    assert (hlo["attributed"], hlo["by_step"]) == (0.0, {"": 1})
    assert "(none) 1" in run(SHOW, next(tmp_path.glob("*.json")), "--stats")[1]


def test_many_texts_of_one_dialect_have_one_line(tmp_path: Path) -> None:
    many = {f"ptx:k{n}": f"// {n}" for n in range(40)}
    path = store(tmp_path, hlo=HLO, **many)
    said = [line for line in run(SHOW, path)[1].splitlines() if line.startswith("stage ")]
    assert len(said) == 2, "not 41"
    assert said[0].startswith("stage optimized: hlo, ")
    assert said[0].endswith("(oneblock show ... --stage hlo)")
    assert said[1].startswith("stage machine: ptx, 40 texts, ")
    assert said[1].endswith(": k0, k1, k2, ... (oneblock show ... --stage ptx:NAME)")
    assert run(SHOW, path, "--stage", "ptx:k39") == (0, "// 39\n"), "each of which is there"


def test_of_what_an_interpreter_ran_no_table_speaks_of_times(tmp_path: Path) -> None:
    made = replace(record("neuron_nki", "kernels"), status=Status.INTERPRETED, kind=Kind.INTERPRETED, launches=())
    _, said = run(SHOW, store(tmp_path / "a", replace(made, reason="no device")))
    assert "times are measured" not in said
    assert "cold" not in said.split("error budget")[0], "and no column is empty"
    assert "interpreted" in said
    _, said = run(SHOW, store(tmp_path / "b", record()))
    assert "times are measured medians" in said
    assert "cold" in said


def test_json_has_a_step_s_lines(tmp_path: Path) -> None:
    path = store(tmp_path, hlo=HLO, passes="0 simplify\n")
    hlo, passes = json.loads(run(SHOW, path, "--step", "norm1", "--json")[1])
    assert [line["line"] for line in hlo["lines"]] == [9, 10]  # its argument and itself
    assert passes["lines"] is None
    (text,) = json.loads(run(SHOW, path, "--stage", "hlo", "--json")[1])
    assert text == {"stage": "optimized", "dialect": "hlo", "text": HLO}


@pytest.mark.parametrize("words", [("--stage", "hlo"), ("--step", "norm1"), ("--stats",)])
def test_sequences_for_a_terminal_are_shown_as_text(tmp_path: Path, words: tuple[str, ...]) -> None:
    hostile = HLO.replace("%m.2 =", f"%m.2 {ANSI}\x07\x9b2J\r\u202e<b>=")
    _, said = run(SHOW, store(tmp_path, hlo=hostile, **{f"llvm:{ANSI}": "x"}), *words)
    assert not set(said) & set("\x1b\x07\x9b\r\u202e")
    assert "␛[31m" in said


def test_texts_of_a_record_are_shown_as_text(tmp_path: Path) -> None:
    bad = f"{ANSI}\x9b2Jsignal"
    made = replace(
        record("jax_xla"),
        status=Status.CRASHED,
        reason=bad,
        hint=bad,
        log_tail=(bad,),
        doubts=(Doubt(Cause.SAMPLES_SPREAD, bad),),
    )
    path = store(tmp_path, replace(made, facts=facts(fusions={bad: 1})), hlo=HLO)
    for words in ((path,), ("-o", tmp_path)):
        _, said = run(SHOW, *words)
        assert not set(said) & set("\x1b\x9b")
        assert "␛[31m" in said
    assert json.loads(run(SHOW, path, "--json")[1])["reason"] == bad


def test_what_is_wrong_is_counted_by_cause_and_named_when_asked_for(tmp_path: Path) -> None:
    load = [Doubt(Cause.CORES_SHARED, f"the load average was {n}.0") for n in range(5)]
    for n, doubt in enumerate(load):
        store(tmp_path, replace(record(f"b{n}"), doubts=(doubt,)))
    lost = replace(record("c"), status=Status.UNAVAILABLE, reason="torch is not installed", hint="pip install torch")
    store(tmp_path, lost)
    _, said = run(SHOW, "-o", tmp_path)
    assert "5 cells: other work shared the cores (5 doubted)" in said
    assert "the load average was 3.0" not in said, "five sentences would fill the screen"
    assert "1 cell: the toolchain or the device is not here (1 unavailable)" in said
    assert "torch is not installed; pip install torch" in said, "and one is read"
    assert "oneblock show --why" in said
    _, why = run(SHOW, "-o", tmp_path, "--why")
    assert all(f"b{n}-plain-cpu: the load average was {n}.0" in why for n in range(5))
    assert "passed" not in why, "and no table"
    told = json.loads(run(SHOW, "-o", tmp_path, "--why", "--json")[1])
    assert [len(cells) for cells in told.values()] == [1, 5], "what left no number comes first"


def test_what_is_harmless_stays() -> None:
    assert visible("a\tb\n — é") == "a\tb\n — é"
    assert visible("\x1b]0;title\x07") == "␛]0;title␇"


@pytest.mark.parametrize(
    "dialect", ["hlo", "stablehlo", "jaxpr", "fx", "llvm:x", "ptx", "asm:x", "perfetto:00-x", "passes"]
)
def test_colours_change_no_character_and_no_line(monkeypatch: pytest.MonkeyPatch, dialect: str) -> None:
    from re import sub

    text = '\n\n  %a = "x" // c\nloc(#loc1) call(f32[2]{0}) é ⟨\n"""\nnot closed\n\n'
    assert coloured(dialect, text) == text, "no terminal, no colours"
    monkeypatch.setattr(_terminal, "wants_colours", lambda: True)
    shown = coloured(dialect, text)
    assert "\x1b[" in shown
    assert sub(r"\x1b\[[\d;]*m", "", shown) == text


def test_a_terminal_gets_colours_unless_it_asks_for_none(tmp_path: Path) -> None:
    words = ["show", str(store(tmp_path, hlo=HLO.replace("jit(block)/norm1", "\x1b[5mnorm1"))), "--step", "attention"]
    shown = on_a_terminal([*words, "--no-pager"])
    assert "\x1b[3" in shown
    assert "\x1b[" not in on_a_terminal([*words, "--no-pager"], NO_COLOR="1")
    assert "\x1b[" not in on_a_terminal([*words, "--no-pager"], TERM="dumb")
    hostile = on_a_terminal([*words[:2], "--stage", "hlo", "--no-pager"])
    assert "\x1b[5m" not in hostile
    assert "␛" in hostile


def test_a_terminal_is_paged(tmp_path: Path) -> None:
    pager = tmp_path / "pager"
    pager.write_text("#!/bin/sh\necho PAGED; cat\n")
    pager.chmod(0o755)
    words = ["show", str(store(tmp_path / "records", hlo=HLO)), "--stage", "hlo"]
    assert "PAGED" in on_a_terminal(words, PAGER=str(pager))
    assert "PAGED" not in on_a_terminal([*words, "--no-pager"], PAGER=str(pager))


@pytest.mark.parametrize(
    ("dialect", "line", "name"),
    [
        ("hlo", "  %a.4 = (f32[4]{0}, s32[]) fusion(%x), kind=kLoop", "fusion"),
        ("hlo", "  ROOT %d = bf16[2,3]{1,0:T(8,128)(2,1)} custom-call(%x)", "custom-call"),
        ("stablehlo", "    %3 = stablehlo.dot_general %0, %arg1, x = y", "stablehlo.dot_general"),
        ("stablehlo", "    return %4 : tensor<4xf32>", "return"),
        ("ttir:k", "    tt.store %1, %2 : tensor<4x!tt.ptr<f32>>", "tt.store"),
        ("jaxpr", "    n:f32[1,128,2048] = mul m m", "mul"),
        ("fx", "        x = torch.nn.functional.silu(y)", "silu"),
        ("fx", "        mul = x * y;  x = None", "*"),
        ("inductor", "    extern_kernels.mm(a, b, out=c)", "mm"),
        ("relax", "            lv = R.matmul(x, w, out_dtype=\"void\")", "matmul"),
        ("llvm:f", "  %5 = fmul float %1, %2", "fmul"),
        ("llvm", "  store float %1, ptr %2", "store"),
        ("ptx:k", "\t@%p1 bra \t$L__BB0_2;", "bra"),
        ("ptx:k", "\tld.global.v4.b32 \t{ %r1 }, [ %rd1 ];", "ld.global.v4.b32"),
        ("sass:k", "        /*0010*/                   HMMA.16816.F32 R4, R8, R2, R4 ;", "HMMA.16816.F32"),
        ("asm", "\tvfmadd231ps\t%ymm0, %ymm1, %ymm2", "vfmadd231ps"),
        ("nki-trace", "rms_norm.py:25              nisa.activation_reduce    scalar", "nisa.activation_reduce"),
        ("nki-calls", "   0  norm1       rms_norm             bfloat16[128, 2048]", "rms_norm"),
        ("hlo", "no operation", "(other)"),
    ],
)  # fmt: skip
def test_operations_have_their_dialect_s_names(dialect: str, line: str, name: str) -> None:
    assert opcode(dialect, line) == name
