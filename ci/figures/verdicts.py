"""How often the decision of `oneblock compare` is right: same against same, and against 10 % more time.

A pair is three cells measured side by side, launch by launch in a shuffled order: A, the same again (A'), and B, which
waits after each call for a tenth of the time that the call took. Targets: of 50 times A against A' at most 1 is neither
SAME nor AMBIGUOUS, and of 50 times A against B at least 48 are SLOWER.

All three are the `reference` backend in wrappers that differ in that wait alone, registered as a third party's are.
The decision is `_stats.difference` over the cold series, with the standard tier's launches and smallest effect. The
series are shorter than the standard tier's (`--cap-s`; 15 there): 900 launches take 75 minutes and not five hours.
"""

from __future__ import annotations

import os
import random
import sys
import tempfile
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

from _figure import FLUSH_BYTES, Conditions, options, publish
from rich.console import Console
from rich.progress import track

from oneblock.backends.api.target import Target
from oneblock.bench.cells.cell import Cell
from oneblock.bench.cells.tiers import TIERS
from oneblock.bench.judge.stats import difference
from oneblock.bench.records.record import Status
from oneblock.bench.runs.measuring import Reference, References, measure
from oneblock.bench.runs.turns import alone
from oneblock.bench.worker.jobs import Outcome, Result
from oneblock.bench.worker.measure_job import MeasureJob
from oneblock.bench.worker.watch import Bounds
from oneblock.workloads._workload import Case, Phase
from oneblock.workloads.models import preset

TIER = TIERS["standard"]
SIDES = {"A": "verdict_even", "A'": "verdict_even", "B": "verdict_slow"}
CASE = Case("mlp", preset("gpt2"), Phase.PREFILL, 1, 128, 128)  # 15 ms a call
BOUNDS = Bounds(threads=1, timeout_s=300, memory_bytes=4 * 2**30)  # so that one busy neighbour does not halve a launch
HERE = Path(__file__).parent


def register(folder: Path, cap_s: float) -> None:
    """Install `_wrapped.py` for the workers, which inherit this environment, as a third party's backends."""
    meta = folder / "oneblock_verdicts-0.dist-info"
    meta.mkdir()
    (meta / "METADATA").write_text("Metadata-Version: 2.1\nName: oneblock-verdicts\nVersion: 0\n", encoding="utf-8")
    points = "\n".join(f"{name} = _wrapped:{name}" for name in set(SIDES.values()))
    (meta / "entry_points.txt").write_text(f"[oneblock.backends]\n{points}\n", encoding="utf-8")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(folder), str(HERE), os.environ.get("PYTHONPATH", "")])
    os.environ["VERDICTS_CAP_S"] = str(cap_s)


def cell(side: str) -> Cell:
    return Cell(CASE, "float32", SIDES[side], "plain", Target("cpu"))


def done(outcome: Outcome[Result]) -> Result:
    if outcome.status is not Status.PASSED or outcome.result is None:
        sys.exit(f"{outcome.status}: {outcome.reason}\n" + "\n".join(outcome.log_tail))
    return outcome.result


def pair(number: int, reference: Reference, folder: Path) -> dict[str, list[tuple[float, ...]]]:
    """The cold samples of each launch of the three, pass by pass."""
    found: dict[str, list[tuple[float, ...]]] = {side: [] for side in SIDES}
    for index in range(TIER.launches):
        sides = list(SIDES)
        random.Random(f"{number}/{index}").shuffle(sides)
        for side in sides:
            job = MeasureJob(cell(side), "verdicts", str(folder / "answers.npz"), index, False, FLUSH_BYTES, None)
            outcome = None
            while outcome is None or outcome.status is Status.DISTURBED:  # others had the machine: that is no launch
                with alone(BOUNDS.timeout_s):
                    outcome = measure(job, reference, BOUNDS, folder / "caches")
            launched = done(outcome).launch
            assert launched is not None
            found[side].append(launched.cold_s)
    return found


def judge(samples: dict[str, list[tuple[float, ...]]]) -> dict[str, Any]:
    """Both decisions on a pair, with the samples that they were taken on."""
    same, slower = (difference(samples["A"], samples[side], TIER.min_effect) for side in ("A'", "B"))
    return {"same": asdict(same), "slower": asdict(slower), "cold_s": samples}


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--pairs", type=int, default=50)
    parser.add_argument("--cap-s", type=float, default=1.5, help="seconds a series may take (default: 1.5)")
    args = parser.parse_args()
    conditions, pairs = Conditions(), []
    with tempfile.TemporaryDirectory(prefix="oneblock-verdicts-") as scratch:
        folder = Path(scratch)
        register(folder, args.cap_s)
        reference = References(BOUNDS).of(cell("A"), folder, lambda event: None)
        done(reference.outcome)
        console = Console(stderr=True)
        for number in track(range(args.pairs), "pairs", console=console):
            pairs.append(judge(pair(number, reference, folder)))
    report(pairs, conditions, args.cap_s, args.json)


def report(pairs: list[dict[str, Any]], conditions: Conditions, cap_s: float, path: Path | None) -> None:
    counts = {kind: Counter(str(p[kind]["verdict"]) for p in pairs) for kind in ("same", "slower")}
    wrong = counts["same"]["FASTER"] + counts["same"]["SLOWER"]
    right = counts["slower"]["SLOWER"]
    print(f"same against same: {dict(counts['same'])}; the slowed one against it: {dict(counts['slower'])}")
    print(f"ratio of the slowed one, median of pairs: {median(p['slower']['ratio'] for p in pairs):.3f}")
    allowed, needed = len(pairs) / 50, len(pairs) * 48 / 50
    target = f"at most {allowed:g} wrong of {len(pairs)} A/A, at least {needed:g} of {len(pairs)} slowed found"
    met = wrong <= allowed and right >= needed
    numbers = {"wrong": wrong, "found": right, "cap_s": cap_s, "counts": counts, "pairs": pairs}
    publish("verdicts", target, met, numbers, conditions, path)


if __name__ == "__main__":
    main()
