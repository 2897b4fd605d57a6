"""`oneblock report`: records as one self-contained HTML file."""

from __future__ import annotations

from pathlib import Path

import click

from oneblock.bench._cli import Refused, answer, json_option, note, records_option


@click.command("report")
@records_option
@click.option(
    "--to", "target", type=click.Path(path_type=Path), help="The file to write.  [default: RECORDS/report.html]"
)
@click.option("--title", default="oneblock study", show_default=True, help="The page's title.")
@json_option
def COMMAND(directory: Path, target: Path | None, title: str, as_json: bool) -> None:
    """Write one HTML file that needs no network: tables, roofline and the distributions of the samples."""
    from oneblock.bench._find import newest
    from oneblock.bench._report import render
    from oneblock.bench._store import Store

    records, problems = Store(directory).records()
    path = target or directory / "report.html"
    page = render(newest(records), problems, title)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise Refused(f"{path}: cannot be written: {error.strerror}; give another with --to") from error
    if as_json:
        answer({"path": str(path), "bytes": len(page.encode()), "records": len(records), "problems": len(problems)})
        return
    for problem in problems:
        note(f"oneblock: left out: {problem.why}")
    click.echo(f"{path}: {len(records)} records, {len(page.encode()) / 2**20:.1f} MiB; open it in a browser")
