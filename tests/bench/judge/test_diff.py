"""`oneblock diff` finds what was planted, in the step where it was, and subtracts nothing that is not alike."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from oneblock.bench.commands.diff import COMMAND as DIFF
from oneblock.bench.judge import stage_diff
from oneblock.bench.judge.figures import Change, Figure, changes, of_steps, whole
from oneblock.bench.judge.stage_diff import LARGEST
from oneblock.bench.records.record import Status
from oneblock.compilers.api.calls import NeuronCall
from oneblock.compilers.api.gpu_kernel import GpuKernel
from oneblock.compilers.api.kind import Kind
from oneblock.compilers.dialects.hlo import schedule
from oneblock.workloads.answers.verdict import Check
from oneblock.workloads.ops.definitions import STEPS
from tests.bench.report.test_report import record
from tests.helpers.stage_records import ANSI, HLO, OWN_KERNEL, PLANTED, RENUMBERED, facts, run, store

KERNEL = GpuKernel(
    name="k.1", steps=("attention",), kind="triton", entry="k", grid=(1,), threads=128, shared_bytes=0, registers=128,
    spill_bytes=0,
)  # fmt: skip
CALL = NeuronCall(
    name="flash", steps=("attention",), shapes=(), instructions={"tensor": 2}, flops=4.0, hbm_bytes=100, dma_runs=1,
    sbuf_bytes=1, sbuf_limit_bytes=1, psum_banks=1, busy_s={"tensor": 1.0}, modelled_s={"timeline": 1e-6},
)  # fmt: skip


def pair(tmp_path: Path, a: str, b: str) -> tuple[Path, Path]:
    """Two records of one cell, each in a folder of its own."""
    made = replace(record("jax_xla"), facts=facts())
    return store(tmp_path / "a", made, hlo=a), store(tmp_path / "b", made, hlo=b)


def test_a_record_is_the_same_as_itself(tmp_path: Path) -> None:
    a, b = pair(tmp_path, HLO, HLO)
    code, said = run(DIFF, a, b)
    assert code == 0
    assert "stage hlo: the same" in said
    assert "attention  5 figures the same" in said
    assert run(DIFF, a, b, "--stage", "hlo")[0] == 0


def test_equal_programs_of_other_numbers_are_the_same_unless_raw(tmp_path: Path) -> None:
    a, b = pair(tmp_path, HLO, RENUMBERED)
    assert run(DIFF, a, b)[0] == 0
    assert run(DIFF, a, b, "--stage", "hlo")[0] == 0
    assert run(DIFF, a, b, "--stage", "hlo", "--raw")[0] == 1


def test_a_planted_difference_is_found_in_its_step_and_in_no_other(tmp_path: Path) -> None:
    a, b = pair(tmp_path, HLO, PLANTED)
    code, said = run(DIFF, a, b, "--stage", "hlo")
    assert code == 1
    assert "(-1 +1); add 1 -> 0 (-1), subtract 0 -> 1 (+1)" in said
    assert [line for line in said.splitlines() if line.startswith("== ")] == ["== proj"]
    assert any(line.startswith("-") and "add(" in line for line in said.splitlines())
    assert any(line.startswith("+") and "subtract(" in line for line in said.splitlines())
    assert said.index("subtract 0 -> 1") < said.index("== proj"), "the summary comes first"
    assert run(DIFF, a, b, "--stage", "hlo", "--step", "attention")[0] == 0
    assert run(DIFF, a, b, "--stage", "hlo", "--step", "proj")[0] == 1
    code, said = run(DIFF, a, b)
    assert (code, "stage hlo: differs" in said, "in proj" in said) == (1, True, True)


def test_json_says_the_same(tmp_path: Path) -> None:
    a, b = pair(tmp_path, HLO, PLANTED)
    code, said = run(DIFF, a, b, "--stage", "hlo", "--json")
    found = json.loads(said)
    assert (code, found["same"], found["a"]) == (1, False, "hlo")
    assert {one["step"]: one["operations"] for one in found["steps"] if one["diff"]} == {
        "proj": {"add": [1, 0], "subtract": [0, 1]}
    }
    summary = json.loads(run(DIFF, a, b, "--json")[1])
    assert summary["stages"][0]["same"] is False
    assert summary["steps"]["attention"][0]["difference"] == 0


def test_a_summary_speaks_of_fusions_and_kernels_and_of_what_both_have(tmp_path: Path) -> None:
    before = replace(record("jax_xla"), facts=facts())
    steps = (replace(facts().steps[0], cycles=None), replace(facts().steps[1], hbm_bytes=0.0), facts().steps[2])
    after = replace(before, facts=facts(steps=steps, custom_calls={"tpu_custom_call": 1}))
    code, said = run(DIFF, store(tmp_path / "a", before, hlo=HLO), store(tmp_path / "b", after, hlo=OWN_KERNEL))
    (attention,) = [line for line in said.splitlines() if line.startswith("attention")]
    (norm1,) = [line for line in said.splitlines() if line.startswith("norm1")]
    assert code == 1
    assert "compiled: 1 fusion -> 1 kernel;" in attention, "two kinds of pieces are never subtracted"
    assert "HBM traffic 128 MiB -> 0 B (-100.0%)" in attention
    assert norm1 == "norm1      3 figures the same", "cycles are of the first alone, and are left out"
    assert "custom calls 0 -> 1 (+1)" in said


def test_counts_of_two_kinds_stand_side_by_side(tmp_path: Path) -> None:
    before = replace(record("jax_xla"), facts=facts())
    other = record("neuron_nki", "kernels")
    after = replace(other, status=Status.INTERPRETED, kind=Kind.INTERPRETED, launches=(), reason="no device",
                    facts=facts(kind=Kind.INTERPRETED, calls=(CALL,), steps=(facts().steps[1],)))  # fmt: skip
    _, said = run(DIFF, store(tmp_path / "a", before, hlo=HLO), store(tmp_path / "b", after))
    (attention,) = [line for line in said.splitlines() if line.startswith("attention")]
    assert "compiled -> interpreted: 1 fusion -> 1 NKI kernel call;" in attention
    assert "HBM traffic 128 MiB -> 128 MiB" in attention, "equal numbers of two kinds are not the same"
    assert "(+" not in attention
    assert "%" not in attention


def test_registers_and_different_counters() -> None:
    two = [replace(record(), facts=facts(calls=(replace(KERNEL, registers=n),))) for n in (128, 96)]
    (found,) = [c for c in changes(whole(two[0]), whole(two[1])) if c.name == "registers"]
    assert (str(found), found.kind) == ("registers 128 -> 96 (-32)", "compiled")
    by_step = [of_steps(one)["attention"] for one in two]
    assert by_step[0]["launches"].of == "kernel"
    hlo, tir = (Figure("FLOPs", 4.0, of, "", "compiled") for of in ("HLO", "TIR"))
    assert Change(hlo, tir).difference is None
    assert not Change(hlo, tir).same
    assert str(Change(hlo, tir)) == "FLOPs 4 -> 4, counted differently"


def test_pieces_are_of_the_schedule_and_not_of_what_fusions_hold() -> None:
    assert schedule(HLO, STEPS)["attention"] == {"fusion": 1}
    assert schedule(OWN_KERNEL, STEPS)["attention"] == {"kernel": 1}


def test_two_dialects_are_compared_without_subtracting(tmp_path: Path) -> None:
    made = replace(record("jax_xla"), facts=facts())
    path = store(tmp_path, made, hlo=HLO, hlo_before=PLANTED, **{"notes:a": "x", "notes:b": "y"})
    code, said = run(DIFF, path, path, "--stage", "hlo:hlo-before")
    assert code == 1
    assert "operations of A: add 1; of B: subtract 1" in said
    assert "+1)" not in said.split("== ")[0].split("proj")[1].split("\n")[0].split(";", 1)[1]
    code, said = run(DIFF, path, path, "--stage", "notes:a:notes:b")
    assert (code, "the texts are compared whole" in said) == (1, True)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--stage", "hol"), "unknown stage 'hol'; did you mean 'hlo'"),
        (("--stage", "hlo:hol"), "unknown stage 'hol'; did you mean 'hlo'"),
        (("--step", "attn"), "unknown step 'attn'"),
        (
            ("--stage", "passes", "--step", "proj"),
            "no step attribution for passes: leave --step out",
        ),
    ],
)
def test_what_cannot_be_compared_has_exit_status_2(tmp_path: Path, words: tuple[str, ...], says: str) -> None:
    path = store(tmp_path, replace(record("jax_xla"), facts=facts()), hlo=HLO, passes="0 simplify\n")
    code, said = run(DIFF, path, path, *words)
    assert (code, says in said) == (2, True), said


def test_other_workloads_are_refused_unless_forced(tmp_path: Path) -> None:
    a = store(tmp_path / "a", replace(record("jax_xla", T=16), facts=facts()), hlo=HLO)
    b = store(tmp_path / "b", replace(record("jax_xla", T=32), facts=facts()), hlo=HLO)
    code, said = run(DIFF, a, b)
    assert code == 2
    assert "not the same workload: case.S: 16 in A, 32 in B; case.T: 16 in A, 32 in B" in said
    assert run(DIFF, a, b, "--force")[0] == 0


def test_records_with_nothing_in_common_are_refused(tmp_path: Path) -> None:
    nothing = replace(record(), status=Status.UNAVAILABLE, kind=None, reason="not here", check=None, launches=())
    path = store(tmp_path, nothing)
    code, said = run(DIFF, path, path)
    assert (code, "no counts and no stage in common" in said) == (2, True)


def test_of_two_ways_without_a_count_in_common_times_errors_and_memory_are_told(tmp_path: Path) -> None:
    slow = record("jax_xla", "native", cold_s=0.02)
    (error,) = slow.check.outputs if slow.check else ()
    slow = replace(slow, check=Check((replace(error, relative_l2=4e-3),)))
    a = store(tmp_path / "a", record("torch_inductor", "native", cold_s=0.01))
    b = store(
        tmp_path / "b", replace(slow, launches=tuple(replace(one, peak_rss_bytes=2**30) for one in slow.launches))
    )
    code, said = run(DIFF, a, b)
    lines = {line.split()[0]: line for line in said.splitlines()}
    assert code == 1, "one is slower, beyond what processes differ by"
    assert "measured: cold 10 ms -> 20 ms (+100.0%); warm" in lines["times"]
    assert "relative L2 2.0e-07 -> 4.0e-03;" in lines["errors"]
    assert "peak resident 0 B -> 1 GiB" in lines["memory"]
    assert "cold time (measured): SLOWER: B / A = 2.000" in said
    found = json.loads(run(DIFF, a, b, "--json")[1])
    assert found["measured"]["memory"][0]["after"] == 2**30
    other = replace(record("jax_xla", "native"), tier="standard")
    code, said = run(DIFF, a, store(tmp_path / "c", other))
    assert (code, "not compared: not the same thing" in said) == (2, True), "another tier gives no verdict"


def test_what_was_measured_makes_no_difference_of_two_runs_of_one_program(tmp_path: Path) -> None:
    made = replace(record("jax_xla"), facts=facts())
    slower = replace(record("jax_xla", cold_s=0.03), facts=facts())
    code, said = run(DIFF, store(tmp_path / "a", made, hlo=HLO), store(tmp_path / "b", slower, hlo=HLO))
    assert (code, "SLOWER" in said) == (0, True)
    wrong = replace(slower, status=Status.FAILED, reason="wrong")
    _, said = run(DIFF, store(tmp_path / "a", made, hlo=HLO), store(tmp_path / "c", wrong, hlo=HLO))
    assert "cold 12" not in said, "a time of a wrong answer is none"
    assert "errors" not in said


def test_a_text_that_is_gone_is_not_taken_for_the_same(tmp_path: Path) -> None:
    a, b = pair(tmp_path, HLO, PLANTED)
    next((tmp_path / "b" / "artifacts").iterdir()).unlink()
    code, said = run(DIFF, a, b)
    assert (code, "stage hlo: not read, the text is gone" in said) == (2, True)
    assert "fusions by step are left out: B's HLO is not here or was cut off" in said
    assert json.loads(run(DIFF, a, b, "--json")[1])["same"] is None
    assert run(DIFF, a, b, "--stage", "hlo")[0] == 2


def test_a_text_too_long_for_the_summary_is_not_taken_for_the_same_nor_for_another(tmp_path: Path) -> None:
    a, b = pair(tmp_path, HLO + " " * LARGEST, HLO + " " * LARGEST + "\n")
    code, said = run(DIFF, a, b)
    assert (code, "stage hlo: not read, over 256 KiB" in said) == (2, True)
    assert run(DIFF, a, b, "--stage", "hlo")[0] == 0


def test_stages_that_one_record_has_are_named_and_not_taken_for_the_same(tmp_path: Path) -> None:
    made = replace(record("jax_xla"), facts=facts())
    a = store(tmp_path / "a", made, hlo=HLO, jaxpr="{ lambda")
    b = store(tmp_path / "b", made, hlo=HLO, llvm="x")
    code, said = run(DIFF, a, b)
    assert (code, "stages not read, as only A has them: jaxpr" in said, "only B has them: llvm" in said) == (
        2,
        True,
        True,
    )
    assert json.loads(run(DIFF, a, b, "--json")[1])["stages_of_one"] == {"a": ["jaxpr"], "b": ["llvm"]}
    assert run(DIFF, a, b, "--step", "proj")[0] == 0
    assert run(DIFF, a, store(tmp_path / "c", made, hlo=PLANTED))[0] == 1, "a difference that was found is one"


def test_fusions_of_another_division_than_the_record_s_are_left_out(tmp_path: Path) -> None:
    """A record whose counts by step are of an earlier reading of the same text."""
    made = replace(record("jax_xla"), facts=facts())
    earlier = facts(steps=(replace(facts().steps[0], operations=2), facts().steps[1]))
    code, said = run(
        DIFF, store(tmp_path / "a", replace(made, facts=earlier), hlo=HLO), store(tmp_path / "b", made, hlo=HLO)
    )
    (attention,) = [line for line in said.splitlines() if line.startswith("attention")]
    assert code == 1
    assert attention == "attention  4 figures the same", "operations of both, by their records"
    assert "left out: A's counts are of its day, and its HLO is divided among the steps otherwise today" in said


def test_memory_that_a_value_is_in_is_a_difference(tmp_path: Path) -> None:
    tpu = HLO.replace("f32[4]{0} fusion", "f32[4]{0:T(128)} fusion")
    a, b = pair(tmp_path, tpu, tpu.replace("T(128)", "T(128)S(1)"))
    code, said = run(DIFF, a, b)
    assert (code, "in attention" in said) == (1, True)


def test_a_folder_of_that_name_is_no_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store(tmp_path / "records", replace(record("jax_xla"), facts=facts()), hlo=HLO)
    (tmp_path / "jax_xla").mkdir()
    monkeypatch.chdir(tmp_path)
    assert run(DIFF, "jax_xla", "jax_xla", "-o", "records")[0] == 0


def test_sequences_for_a_terminal_are_shown_as_text(tmp_path: Path) -> None:
    a, b = pair(tmp_path, HLO, PLANTED.replace("f32[4]{0} subtract", f"{ANSI}<script>f32[4]{{0}} subtract"))
    for words in ((), ("--stage", "hlo"), ("--stage", "hlo", "--raw")):
        _, said = run(DIFF, a, b, *words)
        assert "\x1b" not in said
    assert "␛[31m<script>" in said


def test_of_the_passes_of_a_compiler_some_are_read_and_the_final_stages_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = replace(record("jax_xla"), facts=facts())
    passes = {f"hlo:pass{n:04}": f"{HLO}// {n}" for n in range(60)}
    a = store(tmp_path / "a", made, **passes, hlo=HLO)
    b = store(tmp_path / "b", made, **{name: f"{text} other" for name, text in passes.items()}, hlo=PLANTED)
    monkeypatch.setattr(stage_diff, "READ", 10 * len(HLO))
    code, said = run(DIFF, a, b)
    assert code == 1
    assert "stage hlo: differs" in said, "though it comes last"
    assert len([line for line in said.splitlines() if line.startswith("stage ")]) < 6
    assert re.search(r"0 stages have the same text, 5\d were not read \(--stage NAME reads one\)", said)
    assert json.loads(run(DIFF, a, b, "--json")[1])["stages"][30]["same"] is None
    same = store(tmp_path / "c", made, **passes, hlo=HLO)
    code, said = run(DIFF, a, same)
    assert (code, "61 stages have the same text, 0 were not read" in said) == (0, True), (
        "a text that is alike is not read"
    )
    monkeypatch.setattr(stage_diff, "READ", 0)
    assert run(DIFF, a, b)[0] == 2, "what was not read is not taken for the same"
