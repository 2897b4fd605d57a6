"""`oneblock releases` as a person runs it, over a compiler whose releases lie in an index on this disk."""

from __future__ import annotations

import json
import re
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from oneblock.bench.records.store import Store
from tests.helpers.oneblock_process import oneblock, oneblock_here
from tests.helpers.toy_releases import install_toy

CELL = ("norm", "--preset", "tiny", "--phase", "prefill", "--backend", "toy", "--target", "cuda:sm_90")


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    folder = tmp_path_factory.mktemp("releases")
    return folder, install_toy(folder)


def releases(toy: tuple[Path, dict[str, str]], *words: str) -> tuple[int, Any]:
    done = oneblock(toy[1], "releases", *CELL, *words, "--json", cwd=toy[0])
    assert done.returncode in (0, 1), done.stderr
    return done.returncode, json.loads(done.stdout)


def test_the_release_that_moved_a_count_is_named_and_its_records_are_as_any_others(
    toy: tuple[Path, dict[str, str]],
) -> None:
    code, answer = releases(toy, "--toolchain", "toychain=1.1..1.4")  # 1.3 was yanked
    assert code == 0
    assert [(one["versions"]["toychain"], len(one["cells"])) for one in answer["releases"]] == [
        ("1.1", 1), ("1.2", 1), ("1.4", 1),
    ]  # fmt: skip
    moved = {(one["before"], one["after"]): one["changes"] for one in answer["moved"]}
    assert moved[("toychain-1.1", "toychain-1.2")] == []
    told = {
        (one["step"], one["figure"]): (one["before"], one["after"]) for one in moved[("toychain-1.2", "toychain-1.4")]
    }
    assert told[("whole", "scratch")] == (64, 128)
    assert ("attention", "cycles by XLA's cost model") in told, "the step that grew"
    assert ("norm1", "cycles by XLA's cost model") not in told
    records, problems = Store(toy[0] / "records").records()
    assert problems == []
    assert {record.cell.toolchain for _, record in records} == {"toychain-1.1", "toychain-1.2", "toychain-1.4"}


def test_one_that_goes_wrong_is_a_status_and_the_next_has_its_turn(toy: tuple[Path, dict[str, str]]) -> None:
    code, answer = releases(toy, "--toolchain", "toychain=1.3,3.1,3.2,9.9,1.4")
    assert code == 1
    by = {one["versions"]["toychain"]: one for one in answer["releases"]}
    assert by["1.4"]["cells"][0]["status"] == "compiled"
    assert "was yanked" in by["1.3"]["reason"]
    assert by["3.1"]["status"] == "crashed"
    assert by["3.2"]["cells"][0] | {"cell": ""} == {
        "cell": "", "status": "crashed", "reason": "killed by SIGABRT while compiling",
    }  # fmt: skip
    assert by["9.9"]["status"] == "unavailable"


@pytest.mark.slow
def test_counts_that_differ_over_one_text_raise_no_alarm(toy: tuple[Path, dict[str, str]]) -> None:
    done = oneblock(toy[1], "releases", *CELL, "--toolchain", "toychain=4.0,4.1", cwd=toy[0])
    assert "What moved" not in done.stdout
    assert "no alarm, as the program is the same text" in done.stdout


def test_a_plan_says_of_each_release_what_it_takes_or_why_it_fails_and_nothing_is_fetched(
    toy: tuple[Path, dict[str, str]],
) -> None:
    here = f"packaging={version('packaging')}"
    words = ("releases", *CELL, "--toolchain", here, "--toolchain", "toychain=1.0,1.3", "--plan")
    done = oneblock(toy[1], *words, "--bisect", cwd=toy[0])
    assert done.returncode == 1, "one is not to be had"
    fetched, failing = done.stdout.splitlines()
    assert re.search(r"toychain 1\.0: to fetch, \d+ B: toychain 1\.0 \(\d+ B\)$", fetched)
    assert failing.endswith("toychain 1.3: unavailable: toychain 1.3 was yanked: miscompiles; choose another release")
    assert "to fetch: at most 1 wheels" in done.stderr
    assert not [*(toy[0] / "cache").glob("oneblock/releases/toychain-1.0*")]
    (shelf := toy[0] / "cache" / "oneblock" / "releases").mkdir(parents=True, exist_ok=True)
    (kept := shelf / "toychain-1.0-py3-none-any").mkdir()
    code, answer = releases(toy, "--toolchain", "toychain=1.0", "--plan")
    kept.rmdir()
    (one,) = answer["plan"]
    assert (code, answer["at_most"], one["versions"], one["to_fetch"], one["kept"]) == (
        0, False, {"toychain": "1.0"}, [], 1,
    )  # fmt: skip


def test_a_page_that_cannot_be_written_is_refused_before_the_work(toy: tuple[Path, dict[str, str]]) -> None:
    (toy[0] / "a file").write_text("")
    words = ("--toolchain", "toychain=1.0", "--to", "a file/page.html", "-o", "none")
    done = oneblock(toy[1], "releases", *CELL, *words, cwd=toy[0])
    assert (done.returncode, "cannot be written" in done.stderr) == (2, True), done.stderr
    assert not [*(toy[0] / "none").glob("*.json")]


def test_a_mistake_in_the_words_is_told_before_the_index_is_asked(tmp_path: Path) -> None:
    done = oneblock_here("releases", "block", "--no-such-option", "--toolchain", "toychain=1.0", cwd=tmp_path)
    assert (done.returncode, "--no-such-option" in done.stderr) == (2, True)
    done = oneblock_here("releases", "block", cwd=tmp_path)
    assert "which releases" in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--rounds", "4"), "--rounds are of --compile-time"),
        (("--budgets", "."), "--budgets are of --gate"),
        (("--of", "scratch"), "--of scratch says what is searched: expected --bisect"),
        (("--bisect",), "--bisect looks between releases"),
        (("--of", "scratch", "--toolchain", "toylib=1.0"), "--of scratch looks between releases"),
        (("--python", "."), "--python .: expected an interpreter"),
        (("--python", "nowhere/python"), "--python nowhere/python: expected an interpreter"),
        (("--gate",), "ci/budgets: no budgets, as no folder is there"),
        (("--gate", "--budgets", "nowhere"), "nowhere: no budgets, as no folder is there"),
        (("--timeout", "nan"), "--timeout nan: expected a finite number"),
        (("--script", "counts.py", "--gate", "--budgets", "."), "leave out --gate"),
        (("--script", "counts.py", "--to", "page.html"), "leave out --to"),
    ],
)
def test_an_option_that_would_have_no_effect_is_refused(tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    (tmp_path / "counts.py").write_text("")
    of = () if "--script" in words else ("norm", "--preset", "tiny")
    done = oneblock_here("releases", *of, "--toolchain", "toychain=1.0", *words, cwd=tmp_path)
    assert (done.returncode, said in done.stderr) == (2, True), done.stderr


SCRIPT = """import json, toychain
print("a word before")
print(json.dumps({"a case": {"scratch": toychain.SCRATCH, "fusions": 3}}))
"""


@pytest.mark.slow
def test_a_script_of_ones_own_is_counted_with_each_release_and_found_by_halves(
    toy: tuple[Path, dict[str, str]],
) -> None:
    (toy[0] / "counts.py").write_text(SCRIPT)
    words = ("releases", "--script", "counts.py", "--json", "--toolchain")
    done = oneblock(toy[1], *words, "toychain=1.0,1.1,1.2,1.4,1.5", "--bisect", cwd=toy[0])
    answer = json.loads(done.stdout)
    assert done.returncode == 0, done.stderr
    assert answer["search"]["release"]["after"] == {"toychain": "1.4"}
    assert answer["search"]["passes"]["refused"] == "of a script's programs no passes are kept"
    assert [(one["case"], one["figure"], one["values"]) for one in answer["counts"]] == [
        ("a case", "scratch", [64.0, 128.0])
    ]
    answer = json.loads(
        oneblock(toy[1], *words, "toychain=1.2,1.4", "--compile-time", "--rounds", "3", cwd=toy[0]).stdout
    )
    (times,) = answer["compile_times"]
    assert {(one["case"], one["clock"]) for one in times["found"]} == {
        ("counts.py", "wall"), ("counts.py", "processor"),
    }  # fmt: skip
    (toy[0] / "counts.py").write_text("import os; os.abort()")
    answer = json.loads(oneblock(toy[1], *words, "toychain=1.0", cwd=toy[0]).stdout)
    assert answer["releases"][0]["status"] == "crashed"
    assert "SIGABRT" in answer["releases"][0]["reason"]
    (toy[0] / "counts.py").write_text("import time, toychain\nif toychain.SCRATCH > 64: time.sleep(600)\n" + SCRIPT)
    done = oneblock(toy[1], *words, "toychain=1.2,1.4", "--timeout", "8", "--compile-time", cwd=toy[0])
    answer = json.loads(done.stdout)
    assert [one["status"] for one in answer["releases"]] == [None, "timed_out"]
    assert answer["releases"][1]["reason"] == "was still at it after 8 s"
    assert "no times of toychain 1.4" in answer["compile_times"][0]["remarks"][0]
    (toy[0] / "counts.py").write_text("print('{\"a\": 1}')")
    answer = json.loads(oneblock(toy[1], *words, "toychain=1.0", cwd=toy[0]).stdout)
    assert "expected JSON as the last line" in answer["releases"][0]["reason"]
    (toy[0] / "counts.py").write_text('print(\'{"a case": {"of kinds": {"add": 1}}}\')')
    answer = json.loads(oneblock(toy[1], *words, "toychain=1.0", cwd=toy[0]).stdout)
    assert answer["releases"][0]["reason"].endswith("a case: of kinds: Input should be a valid number")
    done = oneblock(toy[1], *words, "toychain=1.0", "block", cwd=toy[0])
    assert (done.returncode, "leave out block" in done.stdout + done.stderr) == (2, True)


@pytest.mark.slow
def test_the_release_is_found_by_halves_and_no_other_is_compiled(toy: tuple[Path, dict[str, str]]) -> None:
    code, answer = releases(toy, "--toolchain", "toychain=1.0..1.2,1.4,1.5", "--bisect")
    assert code == 0
    found = answer["search"]["release"]
    assert (answer["search"]["figure"], found["before"], found["after"]) == (
        "scratch", {"toychain": "1.2"}, {"toychain": "1.4"},
    )  # fmt: skip
    assert found["builds"] == 2
    (parting,) = answer["search"]["passes"]["partings"]
    assert (parting["same_until"], parting["common"]) == (["001 Parse"] * 2, ["002 Grow"] * 2)
    assert not [*(toy[0] / "records").glob("**/*Grow*")], "texts of passes are not kept among the records"
    assert len(answer["releases"]) == 4, "the ends and two between"
    assert answer["moved"][0]["after"] == "toychain-1.4"


@pytest.mark.slow
def test_releases_compile_by_turns_in_processes_of_their_own(toy: tuple[Path, dict[str, str]]) -> None:
    words = ("--toolchain", "toychain=1.2,1.4", "--compile-time", "--rounds", "3")
    code, answer = releases(toy, *words)
    (times,) = answer["compile_times"]
    assert (code, times["remarks"], times["rounds"]) == (0, [], 3)
    assert {one["clock"] for one in times["found"]} == {"wall", "processor"}
    assert all(len(side) == 3 for one in times["found"] for side in one["samples_s"])
    assert {(one["before"], one["after"]) for one in times["found"]} == {("toychain-1.2", "toychain-1.4")}
    assert {one["verdict"] for one in times["found"]} == {"AMBIGUOUS"}, "nobody looks what disturbs in tests"
    done = oneblock(toy[1], "releases", *CELL, *words[:-1], "2", cwd=toy[0])
    assert (done.returncode, "x>=3" in done.stderr) == (2, True)


@pytest.mark.slow
def test_of_two_packages_it_is_told_which_moved_it(toy: tuple[Path, dict[str, str]]) -> None:
    code, answer = releases(toy, "--toolchain", "toychain=1.0,1.1", "--toolchain", "toylib=1.0,2.0")
    assert code == 0
    assert answer["search"]["packages"]["packages"] == ["toylib"]
    assert answer["search"]["packages"]["together"] is False


def test_the_gate_holds_the_only_release_to_its_budget(toy: tuple[Path, dict[str, str]]) -> None:
    budgets = toy[0] / "agreed"
    budgets.mkdir()
    words = ("--gate", "--budgets", str(budgets), "-o", "gated")
    one = oneblock(toy[1], "releases", *CELL, "--toolchain", "toychain=1.2", *words, cwd=toy[0])
    assert one.returncode == 2, "there is nothing to hold it to"
    assert "expected a cell with a budget" in one.stderr
    made = ("budget", "update", "-o", "gated", "--budgets", str(budgets), "--reason", "the first")
    assert oneblock(toy[1], *made, cwd=toy[0]).returncode == 0
    code, answer = releases(toy, "--toolchain", "toychain=1.4", *words)
    assert code == 1
    assert any("scratch 64 -> 128" in sentence for sentence in answer["gate"])


@pytest.mark.slow
def test_a_cell_that_one_release_does_not_compile_is_found_by_halves_and_shuts_the_gate(
    toy: tuple[Path, dict[str, str]],
) -> None:
    (toy[0] / "nothing-agreed").mkdir()
    words = (
        "--toolchain",
        "toychain=1.1,1.2,1.4,3.2",
        "--bisect",
        "--gate",
        "--budgets",
        "nothing-agreed",
        "-o",
        "halves",
    )
    code, answer = releases(toy, *words)
    assert code == 1
    assert answer["search"]["figure"] == "compiles"
    assert answer["search"]["release"]["after"] == {"toychain": "3.2"}
    assert answer["search"]["release"]["values"] == [1, 0]
    assert any("compiled -> crashed" in sentence for sentence in answer["gate"])
