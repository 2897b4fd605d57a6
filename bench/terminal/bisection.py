"""A search for a pass, as people read it."""

from __future__ import annotations

from collections.abc import Iterator

from rich.text import Text

from oneblock.bench.terminal.fitted import Table
from oneblock.bench.worker.bisect_job import BisectionResult
from oneblock.bench.worker.events import Observation
from oneblock.bench.worker.pass_search import Finding, Verdict

_OF_COUNTS = {Verdict.GOOD: "as none", Verdict.BAD: "as all", Verdict.CANNOT: "cannot run"}


_COLOURS = {Verdict.GOOD: "green", Verdict.BAD: "red", Verdict.CANNOT: "yellow"}


def parts(bisected: BisectionResult) -> Iterator[Table | Text]:
    """What was tried, what was found, what it changed, and how to see it by hand; a compiler's words are no markup."""
    finding = bisected.finding
    prepared = sum(one.prepares for one in finding.tried)
    yield Text(
        f"{len(finding.tried)} runs over {len(finding.order)} passes"
        + (f", {prepared} of them to find what must stay on" if prepared else "")
    )
    yield _tried(finding, bisected.of)
    if finding.changes:
        yield Text(f"every pass that changes {bisected.of}, in their order:")
        yield _changes(finding)
    if finding.fixed:
        yield Text(f"always on, as the program cannot be compiled without: {', '.join(finding.fixed)}", "dim")
    yield Text(f"switched off: {bisected.how}", "dim")
    yield _found(bisected)
    for sentence in finding.says:
        yield Text(f"  {sentence}")
    if bisected.diff:
        yield Text("\nwhat changed:", "bold")
        yield Text("\n").join(Text(line, _line_colour(line)) for line in bisected.diff)
        if bisected.diff_left_out:
            yield Text(f"... and {bisected.diff_left_out} lines more", "dim")
    if bisected.good_by_hand is not None and bisected.bad_by_hand is not None:
        yield Text("\nby hand:", "bold")
        yield Text(f"  good: {bisected.good_by_hand}\n  bad:  {bisected.bad_by_hand}")


def _tried(finding: Finding, of: str) -> Table:
    table = Table()
    for heading in ("#", "with", "verdict", "relative L2 error" if of == "numbers" else of, "why"):
        table.add_column(heading, justify="right" if heading == "#" else "left", overflow="fold")
    for number, one in enumerate(finding.tried, 1):
        if one.prepares:
            continue
        word = one.verdict if of == "numbers" else _OF_COUNTS[one.verdict]
        verdict = Text(word, _COLOURS[one.verdict])
        table.add_row(str(number), Text(one.what), verdict, spoken(one.seen), Text((one.seen.why or "")[:160]))
    return table


def _changes(finding: Finding) -> Table:
    table = Table("pass", "before", "after")
    for one in finding.changes:
        table.add_row(Text(one.name), spoken(one.before), spoken(one.after))
    return table


def _found(bisected: BisectionResult) -> Text:
    finding = bisected.finding
    if not finding.found or finding.before is None or finding.after is None:
        return Text("\nno pass found", "bold yellow")
    what = "error" if bisected.of == "numbers" else bisected.of
    named = " or ".join(finding.found)
    change = f"{what} {spoken(finding.before)} -> {spoken(finding.after)}"
    return Text(f"\nfound: {named} (pass {finding.number} of {len(finding.order)}): {change}", "bold")


def spoken(seen: Observation) -> str:
    """The value of a run."""
    if not seen.ran:
        return "-"
    return "not finite" if seen.value is None else f"{seen.value:.4g}"


def _line_colour(line: str) -> str:
    return {"+": "green", "-": "red", "@": "cyan"}.get(line[:1], "")
