"""Which record is meant: what is not plain is offered, asked of a person, and never of a pipe."""

from __future__ import annotations

from pathlib import Path

import pytest

from oneblock.bench.commands.show import COMMAND as SHOW
from tests.bench.report.test_report import record
from tests.helpers.oneblock_process import on_a_terminal
from tests.helpers.stage_records import run, store


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for backend in ("jax_xla", "torch_eager"):
        for ops_set in ("plain", "native"):
            store(tmp_path, record(backend, ops_set))
    return tmp_path


def test_several_are_listed_and_a_pipe_is_not_asked(folder: Path) -> None:
    code, said = run(SHOW, "jax_xla", "-o", folder)
    assert code == 2
    assert "is in the names of 2 records; give more of one" in said
    assert said.count("jax_xla-") == 2
    assert "torch_eager" not in said


def test_a_person_is_asked_which(folder: Path) -> None:
    said = on_a_terminal(["show", "jax_xla", "-o", str(folder), "--no-pager"], typed="7\n2\n")
    assert "1  block-tiny-prefill-B1-T16-float32-jax_xla-native-cpu" in said
    assert "7 is not in the range 1<=x<=2" in said
    assert "jax_xla-plain-cpu." in said.split("which?")[-1], "the path of the second"


def test_parts_may_stand_in_any_order(folder: Path) -> None:
    assert "jax_xla-plain-cpu" in run(SHOW, "plain-jax_xla", "-o", folder)[1]
    assert run(SHOW, "cpu-native-torch_eager", "-o", folder)[0] == 0


def test_what_no_record_is_called_is_told_with_the_nearest_alone(folder: Path) -> None:
    code, said = run(SHOW, "jax_xla tuned", "-o", folder)
    assert (code, "no record has all of 'jax_xla tuned' in its name; the nearest:" in said) == (2, True)
    assert said.count("jax_xla-") == 2
    assert "torch_eager" not in said, "not every record there is"
    assert "none of 4 cells with a record has 'zzz' in its name" in run(SHOW, "zzz", "-o", folder)[1]
