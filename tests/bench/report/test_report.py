"""The page shows failures first and as words, escapes what records say, and loads nothing."""

from __future__ import annotations

import json
import re
from dataclasses import fields, replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from oneblock.backends.api.target import Target
from oneblock.bench.cells.cell import Cell, Weights
from oneblock.bench.format.text import figures, plain
from oneblock.bench.judge.roofline import costs
from oneblock.bench.records.doubt import Cause, Doubt
from oneblock.bench.records.reading import adapter
from oneblock.bench.records.record import SCHEMA, Environment, Launch, Limits, Record, Status
from oneblock.bench.records.store import Problem
from oneblock.bench.report.page import render
from oneblock.bench.report.page_assets import policy_hash, vega
from oneblock.bench.report.study import Study
from oneblock.compilers.api.kind import Kind
from oneblock.workloads._workload import Case, Phase
from oneblock.workloads.answers.verdict import Allowance, Check, OutputCheck
from oneblock.workloads.models import preset

HOSTILE = "\x1b[31m</script><script>alert(1)</script><img src=http://evil.example/x onerror=alert(2)>\x1b[0m\x07\u202e"
COLD_S = 0.0123456  # in the page as 12.3
ENVIRONMENT = Environment(
    machine={"cpu": "A CPU", "architecture": "x86_64", "cores": 2, "memory_gib": 24, "system": "Linux", "threads": 2},
    software={"python": "3.12.1", "numpy": "2.4.0", "torch": None},
    state={"load_average": 0.1, "git_commit": "abc"},
)


def launch(index: int = 0, cold_s: float = COLD_S, samples: int = 20) -> Launch:
    """A process's samples; whatever else a launch may hold is 0."""
    cold = tuple(cold_s * (1 + 0.001 * n) for n in range(-samples // 2, samples - samples // 2))
    texts = {"started": "2026-01-01T00:00:00.000Z", "timer": "perf_counter", "stopped_by": "samples"}
    series = dict.fromkeys(("warmup_s", "cold_s", "warm_s", "fresh_s"), cold)
    numbers: dict[str, Any] = {field.name: 0 for field in fields(Launch) if field.default is not None}
    return Launch(
        **numbers
        | texts
        | series
        | {
            "device_s": (),
            "evidence": None,
            "in_hand": None,
            "index": index,
            "cold_compile": index == 0,
            "compile_s": 1.5,
        }
    )


def record(backend: str = "reference", ops_set: str = "plain", T: int = 16, cold_s: float = COLD_S) -> Record:
    cell = Cell(Case("block", preset("tiny"), Phase.PREFILL, B=1, T=T, S=T), "float32", backend, ops_set, Target("cpu"))
    output = OutputCheck("y", True, Allowance(1e-7, 1e-6, 1e-5), None, 1e-7, 1e-6, 2e-7, 3.0, (0,), 1.0, 1.0)
    return Record(
        schema=SCHEMA, created="2026-01-01T00:00:00.000Z", cell=cell, tier="smoke", status=Status.PASSED,
        kind=Kind.MEASURED, device="cpu", reason=None, hint=None, log_tail=(), check=Check((output,)),
        wrong_answers_rejected=13, costs=costs(cell.case, cell.dtype), limits=Limits(4e11, "torch_eager", 1.4e10),
        launches=(launch(cold_s=cold_s), launch(1, cold_s)), doubts=(), artifacts=(),
        environment=ENVIRONMENT, order_seed=0,
    )  # fmt: skip


def ended(status: Status, backend: str, **others: Any) -> Record:
    """A record of a cell that was timed, and still may show no time."""
    return replace(record(backend), status=status, reason=f"{backend} ended so", **others)


def page_of(*records: Record, problems: tuple[Problem, ...] = ()) -> str:
    return drawn(Study("A report", [(Path(f"records/{n}.json"), each) for n, each in enumerate(records)], problems))


def drawn(study: Study) -> str:
    """The page of a study, from which no section is left out."""
    page = render(study)
    assert page.left_out == ()
    return page.html


class Page(HTMLParser):
    """The tags of a page, and the texts of its data cells and its scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.cells: list[tuple[str, str]] = []  # class, text
        self.scripts: list[str] = re.findall(r"<script[^>]*>(.*?)</script>", text, re.DOTALL)
        self.in_cell = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "td":
            self.in_cell = True
            self.cells.append((str(dict(attrs).get("class")), ""))

    def handle_endtag(self, tag: str) -> None:
        self.in_cell = self.in_cell and tag != "td"

    def handle_data(self, data: str) -> None:
        if self.in_cell:
            self.cells[-1] = (self.cells[-1][0], self.cells[-1][1] + data)


@pytest.fixture(scope="module")
def everything() -> str:
    """A page with one of each."""
    timed = [record(), record("torch_eager", "native", cold_s=COLD_S / 2)]
    failed = [
        ended(Status.CRASHED, "c", log_tail=(HOSTILE, "\x1b[1mlast\x1b[0m line")),
        ended(Status.INVALID, "i"),
        ended(Status.FAILED, "f"),
        ended(Status.UNAVAILABLE, "u", hint="pip install it"),
        ended(Status.INTERPRETED, "n", kind=Kind.INTERPRETED),
        ended(Status.COMPILED, "k", kind=Kind.COMPILED, launches=(), check=None, limits=None),
    ]
    return page_of(*timed, *failed, problems=(Problem(Path("torn.json"), "torn.json: not JSON"),))


def test_nothing_is_loaded(everything: str) -> None:
    loads = [(tag, name, value) for tag, names in Page(everything).tags for name, value in names.items()
             if name in ("src", "srcset", "href", "action", "data", "poster")]  # fmt: skip
    assert [each for each in loads if not str(each[2]).startswith(("#", "data:,"))] == []
    style = everything[everything.index("<style>") : everything.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style
    assert "default-src 'none'" in everything


def test_an_id_is_of_one_element_and_every_link_has_its_goal(everything: str) -> None:
    tags = Page(everything).tags
    ids = [names["id"] for _, names in tags if "id" in names]
    assert len(ids) == len(set(ids))
    goals = {str(names["href"])[1:] for tag, names in tags if tag == "a" and str(names["href"]).startswith("#")}
    assert goals
    assert goals <= set(ids)


def test_the_policy_names_the_scripts_of_the_page_and_no_other(everything: str) -> None:
    page = Page(everything)
    policy = next(names["content"] for tag, names in page.tags if names.get("http-equiv") == "Content-Security-Policy")
    _, bundle, draw = page.scripts  # the first is data
    assert str(policy).split("script-src ")[1].split() == [policy_hash(bundle), policy_hash(draw)]


def test_the_javascript_is_there_once(everything: str) -> None:
    assert everything.count(vega()) == 1
    assert [tag for tag, _ in Page(everything).tags].count("script") == 3


def test_hostile_text_is_shown_as_text() -> None:
    timed = replace(
        record(),
        doubts=(Doubt(Cause.CORES_SHARED, HOSTILE),),
        environment=replace(ENVIRONMENT, software={HOSTILE: HOSTILE}),
    )
    timed = replace(timed, cell=replace(timed.cell, backend=HOSTILE, weights=Weights(HOSTILE, 0, HOSTILE)))
    crash = replace(ended(Status.CRASHED, "c"), reason=HOSTILE, hint=HOSTILE, log_tail=(HOSTILE,))
    text = drawn(Study(HOSTILE, [(Path(HOSTILE), timed), (Path("c.json"), crash)], [Problem(Path(HOSTILE), HOSTILE)]))
    tags = [tag for tag, _ in Page(text).tags]
    assert tags.count("script") == 3
    assert "img" not in tags
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "&lt;script&gt;alert(1)" in text


def test_the_answer_comes_first_and_is_none_that_failed() -> None:
    quick = replace(record("wrong", cold_s=1e-6), status=Status.FAILED, reason="so")
    text = page_of(record("slow"), record("best", cold_s=1e-3), quick, record("no limit", T=32))
    part = text[text.index('<h2 id="answers">') : text.index('<h2 id="matrix">')]
    shown = re.findall(r'<div class="way" data-backend="(.*?)".*?( hidden)?>', part)
    assert shown == [("best", ""), ("slow", " hidden"), ("no limit", "")]
    assert "12.3x before slow plain" in part
    assert 'style="width: ' in part
    unlimited = page_of(replace(record(), limits=None))
    assert "limit not known" in unlimited
    assert 'class="reach"' not in unlimited


def test_a_subject_without_a_time_says_how_its_cells_ended(everything: str) -> None:
    text = page_of(ended(Status.COMPILED, "k", kind=Kind.COMPILED, launches=(), check=None), ended(Status.CRASHED, "c"))
    part = text[text.index('<h2 id="answers">') : text.index('<h2 id="matrix">')]
    assert "1 crashed, 1 compiled" in " ".join(part.split())
    assert "without a time" not in everything


def test_plots_are_json_that_html_cannot_misread() -> None:
    text = page_of(replace(record(), doubts=(Doubt(Cause.CORES_SHARED, HOSTILE),)))
    raw = Page(text).scripts[0]
    assert "<" not in raw
    assert any("alert(1)" in json.dumps(spec) for spec in json.loads(raw))


def test_how_many_failed_is_said_before_any_time_and_each_reason_before_the_tables(everything: str) -> None:
    head = everything[: everything.index("6.17")]
    for word in ("1 crashed", "1 invalid", "1 failed", "1 unavailable", "1 unreadable file"):
        assert word in head, word
    tables = everything.index('<h2 id="subjects">')
    for word in ("c ended so", "i ended so", "f ended so", "pip install it", "not JSON", "last line"):
        assert 0 < everything.index(word) < tables, word


def test_what_is_wrong_is_told_by_cause_with_how_many_cells_it_is_of() -> None:
    load = Doubt(Cause.CORES_SHARED, "the load average was 9.0")
    doubted = [replace(record(f"d{n}"), doubts=(load, Doubt(Cause.SAMPLES_SPREAD, "spread 12%"))) for n in range(3)]
    text = page_of(*doubted, ended(Status.DISTURBED, "x"), ended(Status.CRASHED, "c"))
    summaries = [" ".join(re.sub("<.*?>", "", one).split()) for one in re.findall(r"<summary>(.*?)</summary>", text)]
    assert summaries[2:5] == [
        "4 cells: other work shared the cores 1 disturbed, 3 in doubt",
        "1 cell: the process ended by itself 1 crashed",
        "3 cells: the samples of one process spread widely 3 in doubt",
    ]
    assert text.count("the load average was 9.0</dd>") == 3, "each cell's own words are a click away"
    assert "x ended so" in text
    assert not any("x plain" in str(spec) for spec in json.loads(Page(text).scripts[0])), "disturbed: no time"


def test_a_cell_without_a_fault_is_in_the_tables_and_not_among_the_failures(everything: str) -> None:
    doubts = everything[everything.index('<h2 id="doubts">') : everything.index('<h2 id="subjects">')]
    assert "c ended so" in doubts
    assert "n ended so" not in doubts
    calm = page_of(*(ended(status, status.value) for status in (Status.INTERPRETED, Status.SIMULATED)))
    assert "Every cell passed or was interpreted or was simulated." in calm
    assert 'class="ended' not in calm
    assert 'href="#doubts">interpreted' not in calm


def test_a_failure_is_a_word_and_never_a_number(everything: str) -> None:
    endings = [text for kind, text in Page(everything).cells if "ending" in kind]
    assert len(endings) == 12  # six, in the matrix and in the table
    statuses = (Status.CRASHED, Status.INVALID, Status.FAILED, Status.UNAVAILABLE, Status.INTERPRETED, Status.COMPILED)
    assert {text.strip() for text in endings} == {status.value for status in statuses}
    plotted = Page(everything).scripts[0]
    assert '"backend":"i"' not in plotted
    assert "i plain" not in plotted


def test_the_fastest_is_first_and_ratios_are_to_it(everything: str) -> None:
    cells = [text.strip() for kind, text in Page(everything).cells if "primary" in kind]
    assert cells == ["6.17", "12.3"]
    assert "2.00" in everything


def test_a_single_passed_record_without_limits_has_a_plot_and_no_roof() -> None:
    text = page_of(replace(record(), limits=None))
    assert "No roof is drawn" in text
    assert len(json.loads(Page(text).scripts[0])) == 2


def test_without_times_the_plots_are_a_sentence() -> None:
    text = page_of(ended(Status.UNAVAILABLE, "u"))
    assert "there is nothing to plot" in text
    assert "there are no samples to plot" in text
    assert "script" not in [tag for tag, _ in Page(text).tags]


def test_no_records_are_a_sentence() -> None:
    assert "There are no records to report." in page_of()
    assert "torn.json" in page_of(problems=(Problem(Path("torn.json"), "not JSON"),))


def test_different_machines_and_tiers_are_never_ranked_together() -> None:
    elsewhere = replace(ENVIRONMENT, machine=ENVIRONMENT.machine | {"cpu": "Another"})
    text = page_of(record(), replace(record(cold_s=1e-3), environment=elsewhere), replace(record(), tier="standard"))
    assert len(re.findall("<article", text)) == 3
    assert "Machine 2" in text


def test_what_was_not_asked_for_makes_no_column_of_another_platform() -> None:
    tpu = ended(Status.UNAVAILABLE, "t", kind=None, launches=(), check=None)
    tpu = replace(tpu, cell=replace(tpu.cell, target=Target("tpu", "v5e"), dtype="bfloat16"))
    text = page_of(record(), record("torch_eager", T=32), tpu)
    part = text[text.index('<h2 id="matrix">') : text.index('<h2 id="doubts">')]
    assert re.findall(r'<details class="part"( open)?><summary><b>(\w+)</b>', part) == [(" open", "cpu"), ("", "tpu")]
    assert part.count('title="not run"') == 2, "of two subjects on the CPU, one way each"


def test_a_table_without_a_number_comes_last_and_a_long_one_is_folded() -> None:
    """So that neither a grid of "unsupported" nor hundreds of rows stand before what one came for."""
    on = {name: ended(Status.UNSUPPORTED, "a", launches=(), check=None) for name in ("cuda", "opencl")}
    words = [replace(one, cell=replace(one.cell, target=Target(name))) for name, one in on.items()]
    few, many = (page_of(*words, *(record(T=n + 1) for n in range(count))) for count in (12, 13))
    tables = r'<details class="part"( open)?><summary><b>(\w+)</b> (.*?) <small>(.*?)</small>'
    no_number = "no number, but how each cell ended"
    assert re.findall(tables, few) == [
        (" open", "cpu", "cold median, ms", "12 subjects"),
        ("", "cuda", no_number, "1 subject"), ("", "opencl", no_number, "1 subject"),
    ]  # fmt: skip
    assert re.findall(tables, many)[0] == ("", "cpu", "cold median, ms", "13 subjects")


def test_many_subjects_are_folded_and_few_are_not() -> None:
    few, many = (page_of(*(record(T=n + 1) for n in range(count))) for count in (3, 4))
    assert few.count('<details class="subject" open>') == 3
    assert (many.count('<details class="subject">'), many.count('<details class="subject" open>')) == (4, 0)
    assert "1 cell, the fastest reference plain, 12.3 ms" in many


def test_an_older_failure_stays_visible() -> None:
    old = ended(Status.CRASHED, "reference")
    text = page_of(old, replace(record(), created="2026-02-01T00:00:00.000Z"))
    assert "a newer record of this cell exists" in text
    assert len(re.findall("<article", text)) == 1


def test_samples_that_are_no_times_are_not_shown() -> None:
    text = page_of(replace(record(), launches=(replace(launch(), cold_s=(0.0, float("nan"))),)))
    assert "there is nothing to plot" in text


def test_56_records_of_the_standard_tier_fit_into_two_megabytes() -> None:
    six = tuple(launch(n, samples=120) for n in range(6))
    names = ("reference", "torch_eager", "torch_inductor", "jax_xla")
    records = [replace(record(name, T=16 * n), launches=six) for n in range(1, 15) for name in names]
    assert len(page_of(*records).encode()) < 2_000_000


def test_500_records_are_all_there() -> None:
    records = [record(f"b{n % 5}", T=n // 5 + 1) for n in range(500)]
    text = page_of(*records)
    assert len(re.findall("<article", text)) == 100
    assert len(re.findall("oneblock reproduce", text)) == 500
    assert len(json.loads(Page(text).scripts[0])) == 101  # a roofline, and the samples of each subject


def test_a_record_survives_its_file() -> None:
    again = adapter().validate_json(adapter().dump_json(record()))
    assert page_of(again) == page_of(record())


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "–"), (0.41234, "0.412"), (41.25, "41.2"), (1234.5, "1,234"), (99.96, "100"), (0.0, "0"),
        (float("inf"), "∞"), (9e-6, "9.00e-06"),
    ],
)  # fmt: skip
def test_three_figures(value: float | None, shown: str) -> None:
    assert figures(value) == shown


def test_terminal_codes_go_and_control_characters_become_visible() -> None:
    assert (
        plain("\x1b[1;31mred\x1b[0m \x1b]0;title\x07bell\x07 \x9b \u202e\tend\n")
        == "red bell␇ ⟨U+009B⟩ ⟨U+202E⟩\tend\n"
    )
    assert plain("\x1b]0;unended, so kept") == "␛]0;unended, so kept"
