"""How long the command line takes to start: `oneblock --help` (target: 0.15 s) and `oneblock doctor` (target: 5 s).

Each is run several times in a fresh process, by the wall clock, from the start of the process to its end, in turns;
the median is held against the target, and the maximum is said. A first run of each fills the file cache and is not
counted. `doctor` may exit with a status of its own: what is timed is its answer, so any but a usage error counts.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from statistics import median
from time import perf_counter

from _figure import Conditions, options, publish

TARGETS_S = {"--help": 0.15, "doctor": 5.0}
_USAGE_ERROR = 2


def seconds_of(argument: str) -> float | None:
    """One fresh process; None where there is no such command."""
    command = [str(Path(sys.executable).parent / "oneblock"), argument]
    start = perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    took = perf_counter() - start
    absent = done.returncode == _USAGE_ERROR and "No such command" in done.stderr
    if absent or "Traceback" in done.stderr:
        print(f"oneblock {argument} gave no answer: {done.stderr.strip().splitlines()[-1]}")
        return None
    return took


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--times", type=int, default=7, help="processes of each (default: 7)")
    args = parser.parse_args()
    conditions = Conditions()
    warm = {argument: seconds_of(argument) for argument in TARGETS_S}
    samples: dict[str, list[float]] = {argument: [] for argument, took in warm.items() if took is not None}
    for _ in range(args.times):
        for argument, taken in samples.items():
            took = seconds_of(argument)
            if took is not None:
                taken.append(took)
    met = len(samples) == len(TARGETS_S)
    for argument, taken in samples.items():
        met = met and median(taken) <= TARGETS_S[argument]
        print(
            f"oneblock {argument:7} median {median(taken):.3f} s, maximum {max(taken):.3f} s of {len(taken)} processes"
            f" (target {TARGETS_S[argument]} s)"
        )
    said = ", ".join(f"oneblock {argument} <= {target} s" for argument, target in TARGETS_S.items())
    publish("startup", said, met, {"samples_s": samples, "first_s": warm}, conditions, args.json)


if __name__ == "__main__":
    main()
