"""Whether a number is right or absent on a machine that others use: whole runs beside 0, 1, 2, 4 and 8 busy processes.

At each level, and beside one process that streams memory, the same command runs in pairs, and `oneblock compare` judges
each pair: nothing was changed, so each FASTER or SLOWER is wrong. Each time that is given is held against the median of
the quiet runs' of its cell; and it is counted how many cells whose quiet call takes at most 3 ms get a number, and how
long a run takes. All of it by the product's own commands.

The folder (--keep) has every run: the same command goes on after an interruption, and --pairs 4 after 1 adds three.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from time import monotonic
from typing import Any

from _figure import Conditions, options, publish

from oneblock.bench.records.record import Record, Status
from oneblock.bench.records.store import Store

ONEBLOCK = str(Path(sys.executable).with_name("oneblock"))
BUSY = "while True: pass"
STREAM = "import numpy\na = numpy.ones(2**26, 'float32')\nwhile True: a += 1"
LEVELS = {"0 busy": [], "1 busy": [BUSY], "2 busy": [BUSY] * 2, "4 busy": [BUSY] * 4, "8 busy": [BUSY] * 8}
LEVELS |= {"memory streamer": [STREAM]}
CELLS = [
    "block", "--preset", "tiny", "--preset", "gpt2", "-T", "32", "--dtype", "float32", "--backend", "reference",
    "--backend", "torch_eager", "--backend", "torch_inductor", "--backend", "jax_xla", "--stages", "brief",
]  # fmt: skip
SHORT_S = 3e-3


@contextmanager
def beside(codes: list[str]) -> Iterator[None]:
    """Other processes that run as long as the block."""
    started = [subprocess.Popen([sys.executable, "-c", code]) for code in codes]
    try:
        yield
    finally:
        for process in started:
            process.kill()
            process.wait()


def runs(folder: Path, level: str, count: int, words: list[str]) -> list[Path]:
    """So many whole runs at a level, those that are there included; `took.json` says how long each took."""
    found = []
    for number in range(count):
        where = folder / level.replace(" ", "-") / str(number)
        found.append(where)
        if (where / "took.json").exists():
            continue
        print(f"{level}: run {number + 1} of {count}", file=sys.stderr, flush=True)
        with beside(LEVELS[level]):
            start = monotonic()
            done = subprocess.run(
                [ONEBLOCK, "run", *words, "-o", str(where)], capture_output=True, text=True, check=False
            )
        if done.returncode not in (0, 1):
            sys.exit(f"oneblock run ended with {done.returncode}:\n{done.stderr[-3000:]}")
        (where / "took.json").write_text(json.dumps(monotonic() - start), encoding="utf-8")
    return found


def compared(a: Path, b: Path) -> Counter[str]:
    """The verdicts of `oneblock compare` on two runs."""
    done = subprocess.run([ONEBLOCK, "compare", str(a), str(b), "--json"], capture_output=True, text=True, check=False)
    said = json.loads(done.stdout)
    return Counter(one["difference"]["verdict"] if one["difference"] else "not compared" for one in said)


def records(folder: Path) -> dict[str, Record]:
    return {record.cell.name: record for _, record in Store(folder).records()[0]}


def time_s(record: Record) -> float | None:
    return median(record.samples()[0]) if record.status is Status.PASSED else None


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--keep", type=Path, help="the folder of the runs (default: a temporary one)")
    parser.add_argument("--pairs", type=int, default=4)
    parser.add_argument("--level", action="append", choices=list(LEVELS), help="only these (default: all)")
    parser.add_argument("words", nargs="*", help="other words for `oneblock run`, after --")
    args = parser.parse_args()
    conditions, words = Conditions(), args.words or CELLS
    with tempfile.TemporaryDirectory(prefix="oneblock-disturbed-") as scratch:
        folder = args.keep or Path(scratch)
        levels = {level: runs(folder, level, 2 * args.pairs, words) for level in args.level or LEVELS}
        report({level: judged(level, levels) for level in levels}, conditions, args.json)


def judged(level: str, levels: dict[str, list[Path]]) -> dict[str, Any]:
    """Verdicts on pairs, deviations from quiet, cells with a number, and the time that a run took."""
    here = levels[level]
    verdicts = sum((compared(a, b) for a, b in zip(here[::2], here[1::2], strict=True)), Counter[str]())
    quiet = [records(path) for path in levels.get("0 busy", [])]
    known: dict[str, list[float]] = {}
    for run in quiet:
        for name, record in run.items():
            if (taken := time_s(record)) is not None:
                known.setdefault(name, []).append(taken)
    given = {name: median(seconds) for name, seconds in known.items()}
    away, statuses, short = [], Counter[str](), Counter[str]()
    for path in here:
        for name, record in records(path).items():
            statuses[record.status] += 1
            now = time_s(record)
            if now is not None and name in given:
                bound = max(0.05, 2 * record.between.share if record.between is not None else 0.0)
                away.append((abs(math.log(now / given[name])), bound, name))
            if given.get(name, 1.0) <= SHORT_S:
                short["given" if now is not None else "absent"] += 1
    took = [json.loads((path / "took.json").read_text()) for path in here]
    within = sum(off <= bound for off, bound, _ in away), sum(off <= 2 * bound for off, bound, _ in away)
    return {
        "verdicts": dict(verdicts), "statuses": dict(statuses), "short": dict(short), "run_s": median(took),
        "numbers": len(away), "within": within[0], "within_twice": within[1],
        "furthest": sorted(away, reverse=True)[:5],
    }  # fmt: skip


def report(levels: dict[str, dict[str, Any]], conditions: Conditions, path: Path | None) -> None:
    for level, one in levels.items():
        print(
            f"{level}: {one['verdicts']}; {one['statuses']}; of {one['numbers']} numbers {one['within']} within the "
            f"bound of the quiet one, {one['within_twice']} within twice; calls of 3 ms or less: {one['short']}; a run "
            f"takes {one['run_s']:.0f} s"
        )
    wrong = {
        level: one["verdicts"].get("SLOWER", 0) + one["verdicts"].get("FASTER", 0) for level, one in levels.items()
    }
    pairs = {level: sum(one["verdicts"].values()) for level, one in levels.items()}
    met = all(wrong[level] <= pairs[level] / 100 for level in levels)
    target = "at most 1 of 100 unchanged pairs SLOWER or FASTER at each level"
    publish("disturbed", target, met, levels, conditions, path)


if __name__ == "__main__":
    main()
