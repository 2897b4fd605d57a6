"""What a folder of 10,000 records costs: the wall and the peak memory of `show`, `compare`, `run` and `report` on it.

The records are a few that `oneblock run` makes here with `reference`, under 10,000 cells, identities and names, with
the times of each scaled by a factor of its own. 1,008 of them are the cells of one command, which finds all done; the
others differ in size, each a question of its own, which makes the most tables (--ways has several backends answer one).
Each command is a fresh process that finds Python's bytecode, as after an installation. `show` is run once before, which
reads all and makes the folder's index; --no-index leaves that out, and the index alone in all of them.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from itertools import count, product
from pathlib import Path
from time import perf_counter

from _figure import Conditions, options, publish

from oneblock import workloads
from oneblock.backends.api.target import Target
from oneblock.bench.cells.cell import Cell
from oneblock.bench.judge.roofline import costs
from oneblock.bench.records.dependence import software
from oneblock.bench.records.record import Record
from oneblock.bench.records.store import Store, to_json
from oneblock.workloads._workload import Case, Phase
from oneblock.workloads.models import preset

BARS = {"show": (3.0, None), "compare": (3.0, None), "run": (3.0, None), "report": (20.0, 300)}  # seconds, MB
WORKLOADS, PRESETS, DTYPES = ("block", "attention", "mlp", "norm"), ("tiny", "gpt2", "llama-1b", "llama-8b"), (
    "float32", "bfloat16", "float16",
)  # fmt: skip
TARGETS = ("cpu", "opencl", "cuda:sm_75", "cuda:sm_80", "cuda:sm_90", "cuda:sm_100", "rocm:gfx942", "tpu:v4", "tpu:v5e",
    "tpu:v5p", "tpu:v6e", "neuron:trn1")  # fmt: skip
WAYS = [("reference", "plain"), *product(("torch_eager", "torch_inductor", "jax_xla"), ("plain", "native"))]
ONEBLOCK = str(Path(sys.executable).with_name("oneblock"))
software_of = cache(lambda workload, backend, ops, target: software(_cell(workload, backend, ops, target)))


def _cell(workload: str, backend: str, ops: str, target: str) -> Cell:
    return Cell(Case(workload, preset("tiny"), Phase.PREFILL, 1, 16, 16), "float32", backend, ops, Target.parse(target))


def asked() -> Iterator[Cell]:
    """The cells of the one command."""
    for workload, name, dtype, target in product(WORKLOADS, PRESETS, DTYPES, TARGETS):
        for phase in workloads.load(workload).phases:
            T, S = (128, 128) if phase is Phase.PREFILL else (1, 512)
            yield Cell(Case(workload, preset(name), phase, 1, T, S), dtype, "reference", "plain", Target.parse(target))


def others(ways: int) -> Iterator[Cell]:
    """Cells without end, of which so many answer one question."""
    sizes = (T for T in count(2) if T != 128)  # of that there are already
    for T, (workload, dtype, number) in ((T, one) for T in sizes for one in product(WORKLOADS, DTYPES, range(ways))):
        backend, ops = WAYS[(number if ways > 1 else T) % len(WAYS)]
        yield Cell(Case(workload, preset("tiny"), Phase.PREFILL, 1, T, T), dtype, backend, ops, Target("cpu"))


def made(cell: Cell, like: Record, rng: random.Random) -> Record:
    """A record of a cell whose samples are those of a real one, slower or faster by one factor."""
    factor = rng.uniform(0.5, 2)

    def scaled(samples: tuple[float, ...]) -> tuple[float, ...]:
        return tuple(sample * factor for sample in samples)

    launches = tuple(
        replace(one, warmup_s=scaled(one.warmup_s), cold_s=scaled(one.cold_s), warm_s=scaled(one.warm_s),
                fresh_s=scaled(one.fresh_s))
        for one in like.launches
    )  # fmt: skip
    found = software_of(cell.case.workload, cell.backend, cell.ops_set, str(cell.target))
    day = f"2026-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}T{rng.randint(0, 23):02}:{rng.randint(0, 59):02}"
    return replace(
        like, cell=cell, launches=launches, costs=costs(cell.case, cell.dtype),
        environment=replace(like.environment, software=found),
        created=f"{day}:{rng.randint(0, 59):02}.{rng.randint(0, 999):03}Z", family=cell.case.config.family,
    )  # fmt: skip


def fill(folder: Path, records: int, ways: int) -> None:
    """So many records in a folder."""
    real = folder.with_name("real")
    run("run", "norm", "mlp", "attention", "--preset=tiny", "-T16", "--backend=reference", "-o", str(real))
    originals = [record for _, record in Store(real).records()[0] if record.status == "passed"]
    assert originals, "none of the real cells passed"
    rng, cells = random.Random(0), [*asked()]
    more = others(ways)
    cells += [next(more) for _ in range(records - len(cells))]
    folder.mkdir()
    for number, cell in enumerate(cells):
        record = replace(made(cell, originals[number % len(originals)], rng), number=number + 1)
        stamp = record.created.replace(":", "").replace("-", "")
        (folder / f"{cell.name}.{record.identity()}.{stamp}.{record.number:06}.json").write_bytes(to_json(record))


def run(*words: str) -> tuple[float, float, float]:
    """(seconds, MB at the peak of the process, seconds of processors) of one command, whose answer goes to a file."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        start = perf_counter()
        process = subprocess.Popen([ONEBLOCK, *words], stdout=out, stderr=err)
        _, status, usage = os.wait4(process.pid, 0)
        took = perf_counter() - start
        code = process.returncode = os.waitstatus_to_exitcode(status)
        if code not in (0, 1) or (words[0] == "compare" and code):
            err.seek(0)
            sys.exit(f"oneblock {' '.join(words[:3])} ended with status {code}: {err.read()[-2000:].decode()}")
    return took, usage.ru_maxrss * 1024 / 1e6, usage.ru_utime + usage.ru_stime  # of Linux, in KiB


def commands(folder: Path) -> dict[str, list[str]]:
    """The words of each command of the figure."""
    sizes = [f"--preset={name}" for name in PRESETS] + [f"--dtype={name}" for name in DTYPES]
    cells = [*WORKLOADS, *sizes, *(f"--target={name}" for name in TARGETS), "--backend=reference"]
    return {
        "show": ["show", "-o", str(folder)],
        "compare": ["compare", str(folder), str(folder)],
        "run": ["run", *cells, "-o", str(folder)],
        "report": ["report", "-o", str(folder), "--to", str(folder.with_name("page.html"))],
    }


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--records", type=int, default=10_000, help="how many (default: 10000)")
    parser.add_argument("--ways", type=int, default=1, help="how many backends answer one question (default: 1)")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="make the records here, or use those that are here")
    parser.add_argument("--no-index", action="store_true", help="let each command read every record")
    parser.add_argument("--only", choices=BARS, action="append", help="this command alone")
    args = parser.parse_args()
    conditions, found = Conditions(), {}
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # the first command keeps the bytecode for the others
    with tempfile.TemporaryDirectory(prefix="oneblock-scale-") as scratch:
        folder = (args.keep or Path(scratch)) / "records"
        if not folder.exists():
            folder.parent.mkdir(parents=True, exist_ok=True)
            fill(folder, args.records, args.ways)
        sizes = [entry.stat().st_size for entry in os.scandir(folder) if entry.name.endswith(".json")]
        print(f"{len(sizes)} records, {sum(sizes) / 1e6:.0f} MB")
        if not args.no_index:
            took_s, peak_mb, used_s = run("show", "-o", str(folder))
            print(
                f"for the first time: show {took_s:.2f} s ({used_s:.2f} s of processors), {peak_mb:.0f} MB", flush=True
            )
        for name, words in commands(folder).items():
            if args.only and name not in args.only:
                continue
            took_s, peak_mb, used_s = run(*words, *["--no-index"] * args.no_index)
            found[name] = took_s, peak_mb
            most_s, most_mb = BARS[name]
            bar = f"{most_s:g} s" + ("" if most_mb is None else f", {most_mb} MB")
            print(
                f"{name:8} {took_s:.2f} s ({used_s:.2f} s of processors), {peak_mb:.0f} MB   (at most {bar})",
                flush=True,
            )
    met = all(took <= BARS[name][0] and peak <= (BARS[name][1] or peak) for name, (took, peak) in found.items())
    publish("scale", json.dumps(BARS), met, found, conditions, args.json)


if __name__ == "__main__":
    main()
