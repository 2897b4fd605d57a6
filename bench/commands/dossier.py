"""`oneblock dossier`: a decision's evidence in one folder, in which every number is a link to its record."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import click
from pydantic_core import from_json

from oneblock.bench.commands._command import answer, command, json_option, records_option
from oneblock.bench.cost.focus import as_csv, focus_rows
from oneblock.bench.cost.told import LARGEST_BYTES, PlanFile, read_plan
from oneblock.bench.format.errors import Refused
from oneblock.bench.format.out import note, say
from oneblock.bench.records.bundle import unpack
from oneblock.bench.records.files import write_asked
from oneblock.bench.report.dossier.dossier import markdown, page, sections
from oneblock.bench.report.dossier.evidence import MANIFEST, RECORDS, SCHEMA, Evidence, gather
from oneblock.bench.report.dossier.of_plan import priced
from oneblock.bench.terminal.going import going_on
from oneblock.compilers.api.files import read_plain

_LONGEST = 2000  # characters of a question


@command(
    "dossier",
    'oneblock dossier -o records --question "which backend serves llama-1b?" --to dossier',
    'oneblock dossier here there.tar.gz --question "buy or rent?" --plan plan.json --focus costs.csv --to dossier',
)
@click.argument("sources", metavar="[RECORDS]...", nargs=-1, type=click.Path(path_type=Path))
@records_option
@click.option("--question", required=True, help="What is to be decided, in a sentence.")
@click.option("--plan", "planned", type=click.Path(path_type=Path), help="What `oneblock plan --json` answered.")
@click.option("--to", "folder", type=click.Path(path_type=Path), required=True, help="The folder to write.")
@click.option("--focus", type=click.Path(path_type=Path), help="Also the plan's costs as rows of FOCUS, a CSV file.")
@json_option
def COMMAND(
    sources: tuple[Path, ...], directory: Path, question: str, planned: Path | None, folder: Path, focus: Path | None,
    as_json: bool,
) -> None:  # fmt: skip
    """Write the evidence for a decision: Markdown and one HTML page, in which every number is a link to its record.

    RECORDS are directories, by default that of -o, and bundles. Candidates, times, errors, coverage, capacity, cost,
    operations, security, exit and a comparison are told as far as records and the plan tell them; what they do not
    tell has the command that would make a record of it. Records and plan are copied beside the page. There is money
    only for targets of which a right answer is recorded, in the plan's dtype. --focus writes an hour of each such
    choice as a row of FOCUS 1.2.
    """
    if not question.strip() or len(question) > _LONGEST:
        raise Refused(f"--question: expected a sentence of up to {_LONGEST:,} characters, got {question!r:.60}")
    if focus is not None and planned is None:
        raise Refused("--focus writes the costs of a plan: give one with --plan")
    _check_free(folder)
    plan = None if planned is None else read_plan(planned)
    directories = [source if source.is_dir() else unpack(source) for source in sources] or [directory]
    with going_on("reading records and writing the dossier", quiet=as_json):
        evidence = gather(directories, question, plan)
        made = sections(evidence)
        files = evidence.files | {
            "dossier.md": "".join(markdown(evidence, made)).encode(errors="replace"),
            "dossier.html": "".join(page(evidence, made)).encode(errors="replace"),
        }
    for name, raw in files.items():
        _write(folder / name, raw)
    written = Written(folder, evidence, focus, 0 if focus is None or plan is None else _focus(focus, plan, evidence))
    if as_json:
        answer(written.data)
        return
    for why in evidence.left_out:
        note(f"oneblock: left out: {why}")
    for sentence in written.sentences:
        say(sentence)


@dataclass(frozen=True)
class Written:
    """What was written."""

    folder: Path
    evidence: Evidence
    focus: Path | None
    focus_rows: int

    @property
    def data(self) -> dict[str, object]:
        """For other programs."""
        plan = self.evidence.sources.get("plan.json")
        found: dict[str, object] = {
            "page": str(self.folder / "dossier.html"), "markdown": str(self.folder / "dossier.md"),
            "records": len(self.evidence.rows), "left_out": self.evidence.left_out,
            "plan_sha256": None if plan is None else plan.sha256,
        }  # fmt: skip
        return found | ({} if self.focus is None else {"focus": str(self.focus), "focus_rows": self.focus_rows})

    @property
    def sentences(self) -> list[str]:
        """For people."""
        many = len(self.evidence.rows)
        found = [f"{self.folder / 'dossier.html'}: {many} record{'s' * (many != 1)}; open it in a browser"]
        if self.focus is not None:
            told = f"{self.focus}: {self.focus_rows} row{'s' * (self.focus_rows != 1)} of FOCUS 1.2"
            none = "no FOCUS rows: no choice that serves has both a price and a record of a right answer"
            found.append(told if self.focus_rows else none)
        return found


def _check_free(folder: Path) -> None:
    """Refuse what is there and is no dossier: somebody's folder is not filled."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise Refused(f"{folder}: expected a folder, and a file is there; give another with --to")
    if any(folder.iterdir()) and not _is_dossier(folder / MANIFEST):
        raise Refused(f"{folder} is there, and is no dossier: it stays as it is; give another folder with --to")


def _is_dossier(manifest: Path) -> bool:
    try:
        found = from_json(read_plain(manifest, LARGEST_BYTES))
    except (OSError, ValueError):
        return False
    return isinstance(found, dict) and found.get("schema") == SCHEMA


def _write(path: Path, raw: bytes) -> None:
    """A file of the dossier; a record that is there already under the name that its text gives it is left."""
    if path.parent.name == RECORDS and path.is_file() and not path.is_symlink() and path.read_bytes() == raw:
        return
    write_asked(path, raw, "--to")


def _focus(path: Path, plan: PlanFile, evidence: Evidence) -> int:
    """Write the rows of the choices that may have money; how many there are."""
    rows = focus_rows(plan, [plan.plan.choices[number].target for number in priced(evidence)])
    if rows:
        write_asked(path, as_csv(rows), "--focus")
    return len(rows)
