"""HTML that a page of thousands of cells says tens of thousands of times: a macro takes ten times as long."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jinja2 import pass_context
from jinja2.runtime import Context
from markupsafe import Markup

from oneblock.bench.format.text import figures
from oneblock.bench.report.rows.rows import Row
from oneblock.bench.report.templates import shown


@pass_context
def group_name(context: Context, row: Row) -> Markup:
    """What the row's group computes, with the machine where the page's study has several."""
    cell, case = row.record.cell, row.record.cell.case
    said = [*cell.otherwise, f"B {case.B}", f"T {case.T}", f"S {case.S}", cell.dtype, row.record.tier]
    said += [f"machine {row.machine}"] if len(context["study"].machines) > 1 else []
    name = f"{case.workload} {case.config.name} {case.phase.value}"
    return Markup(f"<b>{shown(name)}</b>\n<small>{shown(', '.join(said))}</small>")  # nosec B704  each is escaped


def labels(names: tuple[str, str, str]) -> Markup:
    """Backend, ops set and target."""
    return Markup(f"<b>{shown(names[0])}</b> <small>{shown(f'{names[1]} · {names[2]}')}</small>")  # nosec B704


def facets(row: Row) -> Markup:
    """The attributes of an element that is of one group, for the filters."""
    return _attributes(row.facets, ("workload", "preset", "phase", "dtype"))


def own_facets(row: Row) -> Markup:
    """Those of an element that is of one row, within one of its group."""
    return _attributes(row.own_facets, ("backend", "kind"))


def _attributes(of: dict[str, str], names: tuple[str, ...]) -> Markup:
    return Markup(" ".join([f'data-{name}="{shown(of[name])}"' for name in names]))  # nosec B704


def counted(number: int, word: str, words: str | None = None) -> str:
    """So many of them: "1 cell"."""
    return f"{number} {word if number == 1 else words or word + 's'}"


def compile_time(seconds: float | None) -> str:
    """Seconds, where fewer than a thousandth are as good as none."""
    return "< 0.001" if seconds is not None and seconds < 0.001 else figures(seconds)


PHRASES: dict[str, Callable[..., Any]] = {
    "group_name": group_name, "labels": labels, "facets": facets, "own_facets": own_facets, "counted": counted,
    "compile": compile_time,
}  # fmt: skip
