"""`oneblock report`: records as one self-contained HTML file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import click

from oneblock.bench._cli import Refused, answer, json_option, note, records_option


@click.command("report")
@click.argument("bundle", required=False, type=click.Path(path_type=Path))
@records_option
@click.option(
    "--to", "target", type=click.Path(path_type=Path), help="The file to write.  [default: RECORDS/report.html]"
)
@click.option("--title", default="oneblock study", show_default=True, help="The page's title.")
@json_option
def COMMAND(bundle: Path | None, directory: Path, target: Path | None, title: str, as_json: bool) -> None:
    """Write one HTML file that needs no network: tables, roofline and the distributions of the samples.

    BUNDLE, a .tar.gz of records from another machine, is unpacked beside itself and reported.
    """
    if bundle is not None:
        from oneblock.bench._bundle import unpack

        directory = unpack(bundle)
    path = target or directory / "report.html"
    found = write(directory, path, title)
    if as_json:
        answer({"path": str(path), **found.counts})
        return
    for problem in found.problems:
        note(f"oneblock: left out: {problem}")
    click.echo(found.sentence)


@dataclass(frozen=True)
class Written:
    """A page that was written, and the files that should have been records and are none."""

    path: Path
    records: int
    nbytes: int
    problems: tuple[str, ...]

    @property
    def counts(self) -> dict[str, int]:
        """The sizes, for JSON."""
        return {"bytes": self.nbytes, "records": self.records, "problems": len(self.problems)}

    @property
    def sentence(self) -> str:
        """The sizes, for people."""
        return f"{self.path}: {self.records} records, {self.nbytes / 2**20:.1f} MiB; open it in a browser"


def write(directory: Path, path: Path, title: str) -> Written:
    """Write the page of a records directory; Refused says why it cannot be written."""
    from oneblock.bench._find import newest
    from oneblock.bench._report import render
    from oneblock.bench._store import Store

    records, problems = Store(directory).records()
    page = render(newest(records), problems, title)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise Refused(f"{path}: cannot be written: {error.strerror}; give another with --to") from error
    return Written(path, len(records), len(page.encode()), tuple(problem.why for problem in problems))
