"""`oneblock dossier`: every number is a link that resolves, kinds keep apart, money is of right answers alone."""

from __future__ import annotations

import csv
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from oneblock.bench.commands.dossier import COMMAND
from oneblock.bench.records.doubt import Cause, Doubt
from oneblock.bench.records.record import Status
from tests.bench.report.test_report import HOSTILE, record
from tests.helpers.page_fixture import FIXTURE
from tests.helpers.plan_files import FIRST, SECOND, of_model, plan_data, plan_file, records
from tests.helpers.stage_records import run

ASKED = ("--question", "which serves for least?")
_FREE = re.compile(r"(?<![\w.:@+=/~#-])[-+]?\d[\d,.]*(?![\w:])")


class Body(HTMLParser):
    """Links with their texts, what stands outside of links and commands, and the kinds of each column."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[tuple[dict[str, str | None], str]] = []
        self.outside, self.scripts, self.within = "", 0, [""]
        self.columns: list[dict[int, set[str]]] = []  # of each table: kinds by column
        self.column = 0
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.scripts += tag == "script"
        if tag in ("a", "code", "style", "title"):
            self.within.append(tag)
        if tag == "a":
            self.links.append((dict(attrs), ""))
            kind = dict(attrs).get("data-kind")
            if kind is not None and self.columns:
                self.columns[-1].setdefault(self.column, set()).add(kind)
        if tag == "table":
            self.columns.append({})
        self.column = 0 if tag in ("tr", "p") else self.column + (tag in ("td", "th"))

    def handle_endtag(self, tag: str) -> None:
        if tag == self.within[-1]:
            self.within.pop()

    def handle_data(self, data: str) -> None:
        if self.within[-1] == "a":
            self.links[-1] = (self.links[-1][0], self.links[-1][1] + data)
        elif not self.within[-1]:
            self.outside += data


def resolved(folder: Path, href: str) -> Any:
    """What a link leads to: the value at its place in a file beside the page."""
    name, _, pointer = href.partition("#")
    found = json.loads((folder / unquote(name)).read_text())
    for key in pointer.split("/")[1:]:
        key = unquote(key).replace("~1", "/").replace("~0", "~")
        found = found[int(key)] if isinstance(found, list) else found[key]
    return found


def written(folder: Path, *words: object) -> tuple[Body, str, str]:
    code, said = run(COMMAND, *words, *ASKED, "--to", folder / "out")
    assert code == 0, said
    html, markdown = ((folder / "out" / f"dossier.{ending}").read_text() for ending in ("html", "md"))
    return Body(html), markdown, said


def test_every_number_is_a_link_that_resolves_and_says_its_kind(tmp_path: Path) -> None:
    body, markdown, _ = written(tmp_path, FIXTURE)
    numbers = [(attrs, text) for attrs, text in body.links if attrs.get("class") == "number"]
    assert {attrs["data-kind"] for attrs, _ in numbers} == {"measured", "compiled", "interpreted", "modelled"}
    for attrs, _ in body.links:
        href = attrs["href"] or ""
        if not href.startswith("#"):
            resolved(tmp_path / "out", href)
    assert not _FREE.findall(body.outside)
    links = re.findall(r"\]\(([^)]+)\)", markdown)
    assert len(links) == len([one for one, _ in body.links if not (one["href"] or "").startswith("#")])
    for href in links:
        resolved(tmp_path / "out", href)
    prose = re.sub(r"\[(\\.|[^\]\\])*\]\([^)]*\)|`[^`]*`", "", markdown)
    assert not _FREE.findall(prose)


def test_no_column_has_two_kinds(tmp_path: Path) -> None:
    plan = plan_file(tmp_path)
    for body in (written(tmp_path / "a", FIXTURE)[0], written(tmp_path / "b", records(tmp_path), "--plan", plan)[0]):
        kinds = [kinds for table in body.columns for kinds in table.values()]
        assert len(kinds) > 5
        assert all(len(of) == 1 for of in kinds)


def test_a_plans_numbers_are_those_of_its_file(tmp_path: Path) -> None:
    body, _, _ = written(tmp_path, records(tmp_path), "--plan", plan_file(tmp_path))
    planned = {attrs["href"]: text for attrs, text in body.links if str(attrs["href"]).startswith("plan.json#/choices")}
    assert planned["plan.json#/choices/0/itl_s/middle"] == "43.4 ms"
    rate = [f"plan.json#/choices/0/tokens_per_s/{end}" for end in ("middle", "low", "high")]
    assert [planned[end] for end in rate] == ["11,500", "8,847", "14,376"]
    order = [attrs["href"] for attrs, _ in body.links if attrs["href"] in rate]
    assert order[:3] == rate, "the smaller end first"
    assert planned["plan.json#/choices/1/price"] == "spot, somebody, somewhere-1, of 2026-11-30"
    assert resolved(tmp_path / "out", "plan.json#/choices/0/itl_s/middle") == 0.0434
    for name, digest in resolved(tmp_path / "out", "dossier.json#/files").items():
        assert hashlib.sha256((tmp_path / "out" / name).read_bytes()).hexdigest() == digest


WRONG = {
    "no record": (),
    "another dtype": (replace(of_model(SECOND), cell=replace(of_model(SECOND).cell, dtype="float32")),),
    "compiled, which says nothing of the answer": (
        of_model(SECOND, status=Status.COMPILED, kind="compiled", check=None),
    ),
    "wrong": (of_model(SECOND, status=Status.FAILED, kind=None),),
}


@pytest.mark.parametrize("others", WRONG.values(), ids=WRONG)
def test_there_is_money_only_where_a_right_answer_is_recorded(tmp_path: Path, others: tuple[Any, ...]) -> None:
    store, costs = records(tmp_path, of_model(FIRST), *others), tmp_path / "costs.csv"
    body, _, said = written(tmp_path, store, "--plan", plan_file(tmp_path), "--focus", costs)
    paid = [attrs["href"] for attrs, text in body.links if "USD" in text]
    assert any(str(href).startswith("plan.json#/choices/0/per_million_out") for href in paid)
    assert not any(str(href).startswith(("plan.json#/choices/1", "plan.json#/flips")) for href in paid)
    assert "no record of a right answer, and so no money" in body.outside
    with costs.open(newline="") as file:
        assert [row["SkuId"] for row in csv.DictReader(file)] == [FIRST]
    assert "1 row of FOCUS" in said


def test_without_a_plan_each_part_says_what_would_make_its_record(tmp_path: Path) -> None:
    body, markdown, _ = written(tmp_path, FIXTURE)
    sections = [str(attrs["href"]) for attrs, _ in body.links if str(attrs["href"]).startswith("#")]
    assert sections == ["#page", "#candidates", "#performance", "#accuracy", "#coverage", "#capacity", "#cost",
                        "#operations", "#security", "#exit", "#matrix"]  # fmt: skip
    assert markdown.count("No plan is given. `oneblock plan --preset tiny --json > plan.json`") == 4


def test_what_the_page_says_of_a_flip_is_right_on_both_sides(tmp_path: Path) -> None:
    body, markdown, _ = written(tmp_path, records(tmp_path), "--plan", plan_file(tmp_path))
    flips = [line for line in markdown.splitlines() if "#/flips/" in line]
    assert [re.findall(r"flips/(\d)/by", line)[0] for line in flips] == ["1", "0", "2"], "the nearest first"
    assert "which its range holds: the order is not certain" in flips[0]
    for side in ("before/0", "before/1", "beyond/0", "beyond/1"):
        assert f"flips/1/{side}" in flips[0]
    assert "were so many times as fast as modelled" in body.outside


def test_the_exit_plan_names_other_backends_of_the_same_cell(tmp_path: Path) -> None:
    both = of_model(FIRST), of_model(FIRST, "inductor_gpu")
    _, markdown, _ = written(tmp_path / "a", records(tmp_path / "a", *both))
    part = markdown.partition("## Exit plan")[2]
    assert "triton\\_kernels kernels cuda:sm\\_90" in part
    assert "inductor\\_gpu" in part
    assert "no other backend" not in part
    _, markdown, _ = written(tmp_path / "b", records(tmp_path / "b", *both[:1]))
    assert "no other backend is recorded" in markdown


def test_what_a_stranger_wrote_is_shown_and_never_obeyed(tmp_path: Path) -> None:
    evil = f"{HOSTILE} | [a](http://x) `b` 42"
    doubt = Doubt(Cause.SAMPLES_SPREAD, evil)
    made = of_model(FIRST, doubts=(doubt,)), of_model(SECOND, status=Status.CRASHED, kind=None, check=None, reason=evil)
    data = plan_data()
    data["choices"][3]["why"] = evil
    path = plan_file(tmp_path, choices=data["choices"])
    code, _ = run(COMMAND, records(tmp_path, *made), "--plan", path, "--question", evil, "--to", tmp_path / "out")
    assert code == 0
    html, markdown = ((tmp_path / "out" / f"dossier.{ending}").read_text() for ending in ("html", "md"))
    assert Body(html).scripts == 0
    assert "\x1b" not in html + markdown
    assert "<script" not in markdown
    assert "http://x" in markdown
    assert not re.search(r"(?<!\\)\]\(http", markdown), "its own link is text"
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', html)
    assert policy is not None
    assert policy[1].startswith("default-src 'none'")


def refused(tmp_path: Path, name: str) -> tuple[object, ...]:
    """The words of a command that is a mistake."""
    store, target = records(tmp_path), tmp_path / "out"
    empty, full, file = tmp_path / "empty", tmp_path / "full", tmp_path / "file"
    for folder in (empty, full):
        folder.mkdir()
    (full / "mine.txt").write_text("mine")
    file.write_text("mine")
    return {
        "no folder": (tmp_path / "none", *ASKED, "--to", target),
        "no records": (empty, *ASKED, "--to", target),
        "another model": (store, *ASKED, "--plan", plan_file(tmp_path, model="llama-8b"), "--to", target),
        "no plan": (store, *ASKED, "--plan", tmp_path / "none.json", "--to", target),
        "no question": (store, "--question", " ", "--to", target),
        "rows without a plan": (store, *ASKED, "--focus", tmp_path / "f.csv", "--to", target),
        "somebody's folder": (store, *ASKED, "--to", full),
        "the records' own": (store, *ASKED, "--to", store),
        "a file": (store, *ASKED, "--to", file),
        "a file for a bundle": (file, *ASKED, "--to", target),
    }[name]


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("no folder", "expected a bundle"), ("no records", "no records; `oneblock run"),
        ("another model", "the plan is of llama-8b, and the records are of llama-1b"),
        ("no plan", "none.json: cannot be read"), ("no question", "--question: expected a sentence"),
        ("rows without a plan", "give one with --plan"), ("somebody's folder", "is there, and is no dossier"),
        ("the records' own", "is there, and is no dossier"), ("a file", "expected a folder, and a file is there"),
        ("a file for a bundle", "expected a bundle"),
    ],
)  # fmt: skip
def test_a_mistake_is_a_sentence_and_leaves_nothing(tmp_path: Path, name: str, sentence: str) -> None:
    code, said = run(COMMAND, *refused(tmp_path, name))
    assert code == 2
    assert sentence in said
    assert not (tmp_path / "out").exists()
    assert (tmp_path / "full" / "mine.txt").read_text() == "mine"


def test_records_of_another_model_and_what_is_none_are_said(tmp_path: Path) -> None:
    store = records(tmp_path, of_model(FIRST), record())
    (store / "odd.json").write_text("{}")
    body, _, said = written(tmp_path, store, "--plan", plan_file(tmp_path))
    assert "records of tiny: the plan is of llama-1b" in said
    assert "odd.json: JSON without a schema number" in said
    assert any("records of tiny" in text for _, text in body.links)
    assert len([*(tmp_path / "out" / "records").iterdir()]) == 1


def test_a_dossier_is_written_again_over_itself_and_answers_in_json(tmp_path: Path) -> None:
    words = (records(tmp_path), "--plan", plan_file(tmp_path), *ASKED, "--to", tmp_path / "out", "--json")
    answers = [json.loads(said) for code, said in (run(COMMAND, *words), run(COMMAND, *words)) if code == 0]
    assert answers[0] == answers[1]
    assert (answers[0]["records"], answers[0]["left_out"]) == (2, [])
    assert answers[0]["plan_sha256"] == hashlib.sha256((tmp_path / "plan.json").read_bytes()).hexdigest()


def test_a_preset_that_was_changed_is_another_model(tmp_path: Path) -> None:
    one = of_model(FIRST)
    changed = replace(one.cell.case, config=replace(one.cell.case.config, kv_heads=4))
    store = records(tmp_path, replace(one, cell=replace(one.cell, case=changed)))
    code, said = run(COMMAND, store, "--plan", plan_file(tmp_path), *ASKED, "--to", tmp_path / "out")
    assert code == 2
    assert "the plan is of llama-1b" in said
