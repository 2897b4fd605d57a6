"""How long a page of many records takes: copies of the committed records with other sizes, so that each is a cell.

Prints, for each number of records, the seconds from the directory to the file (reading, Explorer and page apart), and
the page's size. To be held: 500 records in 3 s, 5,000 in 30 s.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter, process_time

from oneblock.bench.records.order import newest
from oneblock.bench.records.store import Store
from oneblock.bench.report.explorer.explorer import explore
from oneblock.bench.report.page import render
from oneblock.bench.report.study import Study

FIXTURE = Path(__file__).parents[2] / "tests/fixtures/page"
NUMBERS = {500: 3.0, 5000: 30.0}  # records: seconds


def copies(count: int, to: Path, source: Path) -> None:
    """`count` records in a directory, in turn of each of the source's, every one another number of tokens."""
    shutil.copytree(source / "artifacts", to / "artifacts")
    originals = [json.loads(path.read_text()) for path in sorted(source.glob("*.json"))]
    for number in range(count):
        record = originals[number % len(originals)]
        tokens = 16 + number // len(originals)
        case = record["cell"]["case"]
        case |= {"T": tokens, "S": tokens} if case["phase"] == "prefill" else {"S": tokens}
        (to / f"record-{number:05d}.json").write_text(json.dumps(record))


def timed(count: int, source: Path) -> Iterator[tuple[str, float]]:
    """(what, seconds; of "bytes" the page's size)."""
    with tempfile.TemporaryDirectory() as folder:
        copies(count, Path(folder), source)
        start, used = perf_counter(), process_time()
        records, problems = Store(Path(folder)).records()
        records = newest(records)
        assert len(records) == count
        assert not problems
        yield "read", (read := perf_counter()) - start
        explorer = explore(records)
        yield "explorer", (explored := perf_counter()) - read
        page = render(Study("scale", records, problems, explorer=explorer)).html
        yield "page", perf_counter() - explored
        yield "all", perf_counter() - start
        yield "processor", process_time() - used
        yield "bytes", len(page.encode())


def main() -> int:
    """Print the figures; 1 if any is beyond what is to be held."""
    source = Path(sys.argv[1]) if len(sys.argv) > 1 else FIXTURE
    late = 0
    render(Study("warm", []))  # imports are no part of the figure
    for count, most in NUMBERS.items():
        found = dict(timed(count, source))
        parts = ", ".join(f"{what} {found[what]:.2f} s" for what in ("read", "explorer", "page"))
        wall, cpu = (f"{found[what]:.2f} s" for what in ("all", "processor"))
        print(
            f"{count} records: {wall} of {most:.0f} s ({parts}; of the processor {cpu}); {found['bytes'] / 1e6:.2f} MB"
        )
        late += found["all"] > most
    return 1 if late else 0


if __name__ == "__main__":
    sys.exit(main())
