"""Whether backends write the same tokens, and of each that differs whether rounding explains it."""

from __future__ import annotations

from dataclasses import dataclass

from oneblock.bench.judge.equal_tokens import EqualTokens
from oneblock.bench.records.certificate import Certificate, Divergence
from oneblock.bench.report.plots.plots import Plot
from oneblock.bench.report.rows.cells import Value
from oneblock.bench.report.section import Section, Table
from oneblock.bench.report.sections.certificates.plots import margins
from oneblock.bench.report.study import Study
from oneblock.compilers.api.kind import Kind

SHOWN = 500  # divergences of a question: the least explained; a file has all


@dataclass(frozen=True)
class Compared:
    """The certificates of one question, with their divergences drawn; None where there are none to draw."""

    equal: EqualTokens
    plot: Plot | None
    shown: list[tuple[Certificate, Divergence]]


def build(study: Study) -> list[Compared] | None:
    """Every question's; None where there is no certificate."""
    return [Compared(one, margins(study.plots, one), one.divergences[:SHOWN]) for one in study.equal_tokens] or None


COLUMNS = (
    "model", "weights_sha256", "dtype", "backend", "prompt", "position", "expected", "got", "margin", "budget", "layer",
    "step", "verdict",
)  # fmt: skip


def rows(study: Study) -> list[dict[str, Value]]:
    """Every divergence for other programs; logits have no unit."""
    found = [
        (made.model.name, made.model.sha256, made.dtype, made.who, one.prompt, one.position, one.expected, one.got,
         one.margin, one.budget, one.layer, one.step, "explained" if one.explained else "unexplained")
        for equal in study.equal_tokens
        for made, one in equal.divergences
    ]  # fmt: skip
    return [dict(zip(COLUMNS, row, strict=True)) for row in found]


SECTION = Section(
    "The same tokens", "certificates", 27, build, kinds=(Kind.MEASURED,), table=Table("divergences", COLUMNS, rows)
)
