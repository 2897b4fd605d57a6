"""`oneblock report`: records as one self-contained HTML file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from oneblock.bench.commands._command import answer, command, index_option, json_option, records_option
from oneblock.bench.format.out import note, say
from oneblock.bench.judge.moved import SetComparison, against
from oneblock.bench.records.bundle import unpack
from oneblock.bench.records.certificate import certificates
from oneblock.bench.records.files import write_asked
from oneblock.bench.records.find import load
from oneblock.bench.records.index import briefs
from oneblock.bench.records.order import newest
from oneblock.bench.records.record import Record
from oneblock.bench.records.store import Problem, Store, read_record
from oneblock.bench.report.explorer.explorer import explore
from oneblock.bench.report.explorer.files import write_beside
from oneblock.bench.report.exports.tables import ExportSummary, export
from oneblock.bench.report.page import render
from oneblock.bench.report.study import Study
from oneblock.bench.terminal.going import going_on


@command(
    "report",
    "oneblock report -o records",
    "oneblock report here there.tar.gz --to both.html",
)
@click.argument("sources", metavar="[RECORDS]...", nargs=-1, type=click.Path(path_type=Path))
@records_option
@click.option(
    "--to", "target", type=click.Path(path_type=Path), help="The file to write.  [default: RECORDS/report.html]"
)
@click.option("--title", default="oneblock study", show_default=True, help="The page's title.")
@click.option("--against", type=click.Path(path_type=Path), help="Other records: the page says which numbers moved.")
@click.option("--export", "folder", type=click.Path(path_type=Path), help="Write JSON, CSV, traces and StableHLO here.")
@index_option
@json_option
def COMMAND(
    sources: tuple[Path, ...], directory: Path, target: Path | None, title: str, against: Path | None,
    folder: Path | None, indexed: bool, as_json: bool,
) -> None:  # fmt: skip
    """Write one HTML file that needs no network: tables, roofline and the distributions of the samples.

    RECORDS are directories, by default that of -o, and bundles, the .tar.gz of another machine's records, which are
    unpacked beside themselves. --against is a directory or one record, from before; what cannot be compared says why.
    --export is for other programs. The page's Explorer shows lowering stages side by side; texts too long for one file
    stand in the folder PAGE-stages: keep it beside.
    """
    directories = [source if source.is_dir() else unpack(source) for source in sources] or [directory]
    path = target or directories[0] / "report.html"
    with going_on("reading records and drawing the page", quiet=as_json):
        found = write(directories, path, title, against, folder, indexed=indexed)
    if as_json:
        optional = {"exported": found.exported, "against": found.against}
        answer({"path": str(path), **found.counts, **{name: one for name, one in optional.items() if one is not None}})
        return
    for problem in dict.fromkeys((*found.problems, *(found.exported.left_out if found.exported else ()))):
        note(f"oneblock: left out: {problem}")
    say(found.sentence)
    if found.against is not None:
        say(f"against {against}: {found.against.sentence}")
    if found.exported is not None:
        say(found.exported.sentence)


@dataclass(frozen=True)
class ReportSummary:
    """A page that was written, and what is not on it: files that are no records, sections that could not be drawn."""

    path: Path
    records: int
    nbytes: int
    problems: tuple[str, ...]
    exported: ExportSummary | None = None
    against: SetComparison | None = None
    beside: Path | None = None  # the folder of the texts that are too long for the page, where there are any
    beside_bytes: int = 0
    without_text: int = 0  # stages that the page names and has no room for

    @property
    def counts(self) -> dict[str, int | str]:
        """The sizes, for JSON."""
        sizes: dict[str, int | str] = {"bytes": self.nbytes, "records": self.records, "problems": len(self.problems)}
        sizes |= {"without_text": self.without_text}
        return sizes | ({"beside": str(self.beside), "beside_bytes": self.beside_bytes} if self.beside else {})

    @property
    def sentence(self) -> str:
        """The sizes, for people."""
        page = f"{self.path}: {self.records} records, {self.nbytes / 2**20:.1f} MiB; open it in a browser"
        if self.without_text:
            page += f"; it names {self.without_text} stages without their texts, and where they lie"
        if self.beside is None:
            return page
        return f"{page}; the stages too long for it are in {self.beside}/, {self.beside_bytes / 2**20:.1f} MiB"


def write(
    directories: Sequence[Path], path: Path, title: str, against: Path | None = None, folder: Path | None = None,
    *, indexed: bool = True,
) -> ReportSummary:  # fmt: skip
    """Write the page of records directories, and with a folder its exports; Refused says why it cannot be written."""
    records: list[tuple[Path, Record]] = []
    problems: list[Problem] = []
    for directory in directories:
        store = Store(directory)
        found, wrong = briefs(store, indexed=indexed) if folder is None else store.records()  # an export has all
        records += found
        problems += wrong
    certified, unread = certificates(directories)
    problems += unread
    latest = newest(records)
    beside = path.with_name(f"{path.stem}-stages")  # of the texts that are too long for the page
    explorer = explore(latest, beside.name)
    held = _against(latest, against, indexed) if against is not None else None
    study = Study(title, latest, problems, held, explorer, certified)
    page = render(study)
    write_asked(path, page.encoded(), "--to")
    nbytes = write_beside(explorer.beside, beside)
    exported = export(study, folder) if folder is not None else None
    why = tuple(problem.why for problem in (*problems, *page.left_out))
    folder_of = beside if explorer.beside else None
    size = path.stat().st_size
    return ReportSummary(path, len(records), size, why, exported, held, folder_of, nbytes, explorer.without_text)


def _against(records: list[tuple[Path, Record]], before: Path, indexed: bool) -> SetComparison:
    """What moved since the other records: a directory, or one record."""
    if before.is_file():
        others = [read_record(before)]
    else:
        others = [record for _, record in newest(load(Store(before), indexed=indexed))]
    return against([record for _, record in records], others)
