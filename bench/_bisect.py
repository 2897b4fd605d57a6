"""A search for a pass as its user sees it: workers, restarted where one died of a try, then what was found."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from oneblock.bench._bisect_search import Finding, Seen, Verdict
from oneblock.bench._jobs import Bisected, BisectJob, GoldenJob, Outcome
from oneblock.bench._launch import Bounds, launch
from oneblock.bench._record import Status

_DEATHS = 40  # workers that may die of a try before it is given up
_OF_COUNTS = {Verdict.GOOD: "as none", Verdict.BAD: "as all", Verdict.CANNOT: "cannot run"}
_COLOURS = {Verdict.GOOD: "green", Verdict.BAD: "red", Verdict.CANNOT: "yellow"}


@dataclass
class Bisection:
    """One search. A try that ends the worker's process is one that does not run: another worker goes on after it."""

    job: BisectJob
    within: Bounds
    known: dict[tuple[str, ...], Seen] = field(default_factory=dict)
    trying: tuple[str, ...] | None = None

    def run(self, folder: Path, *, quiet: bool) -> Outcome:
        """How it ended; numbers are checked against a reference that is computed first."""
        with Console(stderr=True, quiet=quiet).status("starting") as status:

            def listen(event: dict[str, Any]) -> None:
                self.hear(event)
                if event["event"] in ("phase", "trying"):
                    about = event.get("name") or f"try {len(self.known) + 1}: {event['what']}"
                    status.update(Text(f"{self.job.cell.name}  {about}"))

            if self.job.of == "numbers":
                golden = GoldenJob(self.job.cell, str(folder / "golden.npz"), 2)
                made = launch(golden, self.within, listen=listen)
                if made.status is not Status.PASSED:
                    return made
                self.job = replace(self.job, golden=golden.path)
            for _ in range(_DEATHS):
                outcome = launch(replace(self.job, known=tuple(self.known.items())), self.within, listen=listen)
                if outcome.status is not Status.CRASHED or self.trying is None:
                    return outcome
                self.known[self.trying] = Seen(False, why=f"the compiler's process ended: {outcome.reason}")
                self.trying = None
        return replace(outcome, reason=f"{_DEATHS} workers died, the last so: {outcome.reason}")

    def hear(self, event: dict[str, Any]) -> None:
        """Remember what is tried and what came of it."""
        if event["event"] == "trying":
            self.trying = tuple(event["off"])
        elif event["event"] == "tried":
            self.known[tuple(event["off"])] = Seen(**event["seen"])
            self.trying = None


def parts(bisected: Bisected) -> Iterator[Table | Text]:
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


def _found(bisected: Bisected) -> Text:
    finding = bisected.finding
    if not finding.found or finding.before is None or finding.after is None:
        return Text("\nno pass found", "bold yellow")
    what = "error" if bisected.of == "numbers" else bisected.of
    named = " or ".join(finding.found)
    change = f"{what} {spoken(finding.before)} -> {spoken(finding.after)}"
    return Text(f"\nfound: {named} (pass {finding.number} of {len(finding.order)}): {change}", "bold")


def spoken(seen: Seen) -> str:
    """The value of a run."""
    if not seen.ran:
        return "-"
    return "not finite" if seen.value is None else f"{seen.value:.4g}"


def _line_colour(line: str) -> str:
    return {"+": "green", "-": "red", "@": "cyan"}.get(line[:1], "")
