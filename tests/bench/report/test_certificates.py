"""The page's part of certificates: how many positions are the same on all backends, and each divergence."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

from oneblock.bench.commands.report import write
from oneblock.bench.records.certificate import Certificate, Divergence, add
from oneblock.bench.records.store import Store
from oneblock.bench.report.study import Study
from tests.bench.records.test_certificate import certificate
from tests.bench.report.test_report import HOSTILE, drawn, record

ONE = Divergence(1, 3, 7, 9, margin=0.25, budget=0.5, layer=2)
WRONG = Divergence(2, 5, 7, 8, margin=3.0, budget=0.5, layer=4, step="rope")


def page(*made: Certificate) -> str:
    return drawn(Study("A report", [(Path("r.json"), record())], certificates=[(Path("c.json"), one) for one in made]))


def test_nothing_of_it_is_there_without_certificates() -> None:
    assert 'id="certificates"' not in page()


def test_the_first_screen_says_how_many_positions_are_the_same() -> None:
    """A position counts where every backend agrees: two that differ at one place take it once."""
    text = page(certificate("jax_xla", ONE), certificate("torch_eager", ONE), certificate("tvm_relax"))
    said = "31 of 32 positions the same on 3 backends, llama in bfloat16; every divergence is explained by rounding"
    assert text.index(said) < text.index("<nav")
    assert text.count(said) == 2


def test_what_is_not_explained_is_said_first_and_shown() -> None:
    text = page(certificate("jax_xla", ONE, WRONG))
    assert "30 of 32 positions the same on 1 backend, llama in bfloat16; 1 divergence not explained by rounding" in text
    part = text[text.index('<h2 id="certificates"') :]
    part = part[: part.index("</section>")]
    assert part.index("unexplained</span>") < part.index(">explained<"), "the least explained first"
    assert '<td>4</td><td class="left">rope</td>' in part
    assert "margin = budget" in text


def test_questions_and_machines_are_kept_apart() -> None:
    other = replace(certificate("jax_xla").environment, machine={"cpu": "Another"})
    text = page(certificate("jax_xla"), certificate("jax_xla", dtype="float32"),
                replace(certificate("jax_xla"), environment=other))  # fmt: skip
    assert text.count("32 of 32 positions the same on 1 backend, llama in bfloat16") == 4
    assert text.count("32 of 32 positions the same on 1 backend, llama in float32") == 2


def test_divergences_that_no_logarithm_has_are_in_the_table_alone() -> None:
    text = page(certificate("jax_xla", replace(ONE, margin=0.0), replace(ONE, position=4, budget=0.0)))
    assert "margin = budget" not in text
    assert text.count(">7</td>") == 2


def test_what_a_stranger_wrote_is_shown_and_never_obeyed() -> None:
    text = page(replace(certificate(HOSTILE, replace(WRONG, step=HOSTILE)), dtype=HOSTILE))
    assert "<img src=http" not in text
    assert "<script>alert" not in text


def test_the_command_draws_and_exports_what_a_folder_has(tmp_path: Path) -> None:
    """Also of a folder with nothing but certificates; one that cannot be read is named."""
    path = add(tmp_path, certificate("jax_xla", ONE, WRONG))
    (path.parent / "torn.json").write_text("{")
    found = write([tmp_path], tmp_path / "page.html", "A report", folder=tmp_path / "out")
    text = (tmp_path / "page.html").read_text()
    assert "There are no records" not in text
    assert "30 of 32 positions the same" in text
    assert [why for why in found.problems if "torn.json: not JSON" in why]
    (rows,) = [json.loads((tmp_path / "out" / "report.json").read_text())["divergences"]]
    assert [row["verdict"] for row in rows] == ["unexplained", "explained"]
    with (tmp_path / "out" / "divergences.csv").open(newline="") as file:
        assert [row["margin"] for row in csv.DictReader(file)] == ["3.0", "0.25"]
    Store(tmp_path).add(record())
    write([tmp_path], tmp_path / "page.html", "A report")
    assert "30 of 32 positions the same" in (tmp_path / "page.html").read_text()
