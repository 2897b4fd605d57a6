"""The limits that are kept between runs: believed where they are what a run writes, else named and measured anew."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from oneblock.backends.api.target import Target
from oneblock.bench.records.record import Environment, Limits, Status
from oneblock.bench.runs import limits
from oneblock.bench.runs.limits import LimitsBook, as_rows
from oneblock.bench.worker.jobs import Outcome
from oneblock.bench.worker.launch import Bounds
from oneblock.bench.worker.limits_job import LimitsJob

_GOOD = {"cpu||read": 2.5e10, "cpu|reference|float32": 1.5e11, "cpu|reference|float16": None}
_HERE = Environment({"cpu": "test"}, {"numpy": "2"}, {})


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the limits are kept."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    path = limits.cache_file(_HERE)
    path.parent.mkdir(parents=True)
    return path


def book() -> LimitsBook:
    return LimitsBook(_HERE, Bounds(1, 10.0, 2**30))


def test_what_a_run_kept_is_read_and_its_absence_is_no_remark(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert book().rates == {}
    cache.write_text(json.dumps(_GOOD))
    assert book().limits(Target("cpu"), "float32") == Limits(1.5e11, "reference", 2.5e10)
    assert [row["rate"] for row in as_rows(book().rates)] == [None, 1.5e11, 2.5e10]
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "text",
    [
        "", "[1]", "null", '"a text"', "7", "{", "[" * 100_000, "\x00\xff", '{"cpu||read": "2.5e10"}',
        '{"cpu||read": 1e300}',
        '{"cpu||read": -1}', '{"cpu||read": 0}', '{"cpu||read": NaN}', '{"cpu||read": Infinity}', '{"cpu||read": true}',
        '{"cpu||read": 1e999}', '{"cpu||read": [2.5e10]}', '{"cpu||read": 1' + "0" * 400 + "}", '{"no key": 2.5e10}',
        '{"cpu|read": 2.5e10}', '{"a|b|c|d": 2.5e10}', '{"": null}', " " * 2**21 + "{}",
    ],
)  # fmt: skip
def test_what_no_run_writes_is_named_and_not_believed(
    cache: Path, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    cache.write_bytes(text.encode("latin-1"))
    assert book().rates == {}
    assert str(cache) in (said := capsys.readouterr().err)
    assert "measured anew" in said
    assert "\x1b" not in said


def test_what_is_no_plain_file_is_named_and_left_alone(
    cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other"
    other.write_text(json.dumps(_GOOD))
    for lay in (lambda: os.mkfifo(cache), cache.mkdir, lambda: cache.symlink_to(other)):
        lay()
        assert book().rates == {}
        assert str(cache) in capsys.readouterr().err
        cache.rmdir() if cache.is_dir() and not cache.is_symlink() else cache.unlink()


def test_a_damaged_book_is_written_over_by_what_is_measured(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.write_text('{"cpu||read": 1e300}')
    answers = {None: {"read": 3e10}, "reference": {"float32": 2e11}}

    def launch(job: LimitsJob, *_: object, **__: object) -> Outcome[dict[str, float]]:
        return Outcome(Status.PASSED, result=answers[job.backend])

    monkeypatch.setattr(limits, "launch", launch)
    book().learn([(Target("cpu"), "reference", "float32")])
    assert json.loads(cache.read_text()) == {"cpu||read": 3e10, "cpu|reference|float32": 2e11}
    assert book().limits(Target("cpu"), "float32") == Limits(2e11, "reference", 3e10)
    assert [path.name for path in cache.parent.iterdir()] == [cache.name]
