"""What a fleet of three nodes on this machine does, each with folders and a core of its own, against one node.

python ci/figures/fleet.py --keep FOLDER [PART]...   (needs the extras `fleet` and `xla_tpu`)

* waiting: cells of a plug-in that sleeps five seconds, on three nodes and on one (target: 2.5 times as quick)
* compiling: cells that XLA compiles for a TPU, on three nodes of this machine's cores and on one of one (1.5 times)
* killed: 300 cells, and a node killed at a random moment, for five seeds (none lost, none twice, and no more done again
  than were in flight: begun, and without a record in the folder)
* overhead: one cell by a cluster that is there, less one without (2 s)
* resumed: the same command where 1,000 cells are done (5 s)
* alike: records of the fleet against those of one machine (identities, and of what is compiled facts and texts)

Each part's numbers are kept in FOLDER as it ends, and a part that has some is not done again.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from _figure import Conditions, options, publish

from oneblock.bench.records.store import Store

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.helpers.oneblock_process import publish as install  # noqa: E402
from tests.helpers.ray_cluster import TOKEN, RayCluster, cluster  # noqa: E402

COMMAND = [sys.executable, "-P", "-m", "oneblock.bench", "run"]
NORM = ["norm", "--preset=tiny", "--phase=prefill", "--backend=waits", "--target=cuda:sm_90"]
CORES = sorted(os.sched_getaffinity(0))


class Scene:
    """A folder with the plug-in, and what a run in it is given."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.log = folder, folder / "log"
        code = (ROOT / "tests/helpers/waits.py").read_text()
        self.env = install(folder, "oneblock_waits", code, {"oneblock.backends": {"waits": "BACKEND"}})
        self.env |= TOKEN | {"ONEBLOCK_WAITS_LOG": str(self.log), "ONEBLOCK_DISTURBANCE": "ignore"}

    def run(self, words: list[str], records: str, on: str | None, core: int | None = None) -> float:
        """The seconds that a run takes, which must end well."""
        where = [] if on is None else ["--on", on]
        pinned = [] if core is None else ["taskset", "-c", str(core)]
        command = [*pinned, *COMMAND, *words, *where, "-o", str(self.folder / records)]
        start = time.monotonic()
        done = subprocess.run(command, env=self.env, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(done.stderr[-3000:] + done.stdout[-1000:])
        return time.monotonic() - start

    def records(self, name: str) -> list[Any]:
        """Those of a folder."""
        return [record for _, record in Store(self.folder / name).records()[0]]


def sized(batches: range) -> list[str]:
    """A cell of the plug-in for each batch."""
    return [*NORM, "-T16", *(word for batch in batches for word in ("-B", str(batch)))]


@contextmanager
def nodes(scene: Scene, count: int, **env: str) -> Iterator[RayCluster]:
    """A cluster of so many nodes, each of one core, by turns of this machine's."""
    with tempfile.TemporaryDirectory(prefix="ob-", ignore_cleanup_errors=True) as short, cluster(Path(short)) as ray:
        for n in range(count):
            ray.start(scene.env | env, cores={CORES[n % len(CORES)]})
        yield ray


def ratio(scene: Scene, words: list[str], **env: str) -> dict[str, Any]:
    """The seconds of some cells on one node and on three, each after a cell that starts the nodes' processes."""
    took = {}
    for count in (1, 3):
        with nodes(scene, count, **env) as ray:
            scene.run(sized(range(900, 900 + 2 * count)), f"warm{count}", ray.address)
            took[count] = scene.run(words, f"of{count}", ray.address)
    return {"one_s": took[1], "three_s": took[3], "times": took[1] / took[3]}


def waiting(scene: Scene) -> dict[str, Any]:
    found = ratio(scene, sized(range(100, 124)), ONEBLOCK_WAITS_S="5")
    return found | {"met": found["times"] >= 2.5}


def compiling(scene: Scene) -> dict[str, Any]:
    words = ["block", "--preset=tiny", "--phase=prefill", "--backend=xla_tpu", "--ops=plain", "--target=tpu:v5e"]
    found = ratio(scene, words + [word for n in range(1, 25) for word in ("-B", str(n))])
    return found | {"met": found["times"] >= 1.5}


def killed(scene: Scene) -> dict[str, Any]:
    batches = range(100, 400)
    seeds = {}
    for seed in range(5):
        draw = random.Random(seed)
        scene.log.unlink(missing_ok=True)
        with nodes(scene, 3, ONEBLOCK_WAITS_S="0.05") as ray:
            words = [*COMMAND, *sized(batches), "--on", ray.address, "-o", str(scene.folder / f"killed{seed}")]
            driver = subprocess.Popen(
                words, env=scene.env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
            )
            moment, which = draw.randrange(10, 290), draw.choice((1, 2))
            while driver.poll() is None and lines(scene.log) < moment:
                time.sleep(0.02)
            there = len(list((scene.folder / f"killed{seed}").glob("*.json")))
            ray.nodes[which].kill()
            flying = lines(scene.log) - there
            err = driver.communicate()[1]
        found = scene.records(f"killed{seed}")
        seeds[seed] = {
            "exit": driver.returncode, "killed_after_cells": moment, "records": len(found),
            "cells": len({one.cell for one in found}), "in_flight": flying, "begun": lines(scene.log),
            "said": err[-300:],
        }  # fmt: skip
        print(seed, seeds[seed], flush=True)
    met = all(
        (one["exit"], one["records"], one["cells"]) == (0, 300, 300) and 300 <= one["begun"] <= 300 + one["in_flight"]
        for one in seeds.values()
    )
    return {"seeds": seeds, "met": met}


def lines(path: Path) -> int:
    return len(path.read_text().splitlines()) if path.exists() else 0


def overhead(scene: Scene) -> dict[str, Any]:
    with nodes(scene, 1) as ray:
        scene.run(sized(range(900, 901)), "warm", ray.address)
        rounds = range(100, 107)
        through = [scene.run(sized(range(n, n + 1)), f"through{n}", ray.address) for n in rounds]
        without = [scene.run(sized(range(n, n + 1)), f"without{n}", None, CORES[0]) for n in rounds]
    more = median(through) - median(without)
    return {"through_s": through, "without_s": without, "more_s": more, "met": more <= 2.0}


def resumed(scene: Scene) -> dict[str, Any]:
    words = sized(range(100, 1100))
    with nodes(scene, 3) as ray:
        first = scene.run(words, "thousand", ray.address)
        again = [scene.run(words, "thousand", ray.address) for _ in range(3)]
    assert len(scene.records("thousand")) == 1000
    return {"first_s": first, "again_s": again, "met": median(again) <= 5.0}


def alike(scene: Scene) -> dict[str, Any]:
    words = [
        "block",
        "norm",
        "--preset=tiny",
        "--backend=xla_tpu",
        "--ops=plain",
        "--target=tpu:v5e",
        "--target=tpu:v6e",
    ]
    with nodes(scene, 3) as ray:
        scene.run(words, "fleet", ray.address)
    scene.run(words, "alone", None, CORES[0])
    fleet, alone = ({told(one) for one in scene.records(name)} for name in ("fleet", "alone"))
    texts = [
        {path.name: path.read_bytes() for path in (scene.folder / name / "artifacts").iterdir()}
        for name in ("fleet", "alone")
    ]
    return {
        "records": len(fleet), "texts": len(texts[0]), "same_records": fleet == alone,
        "same_texts": texts[0] == texts[1], "met": fleet == alone and texts[0] == texts[1],
    }  # fmt: skip


def told(record: Any) -> str:
    """What of a record is not of the moment."""
    return repr((record.identity(), record.status, record.device, record.facts, record.artifacts, record.memory))


PARTS: dict[str, Callable[[Scene], dict[str, Any]]] = {
    "alike": alike, "overhead": overhead, "waiting": waiting, "compiling": compiling, "resumed": resumed,
    "killed": killed,
}  # fmt: skip


def main() -> None:
    parser = options(__doc__)
    parser.add_argument(
        "--keep", type=Path, required=True, metavar="FOLDER", help="where the numbers of parts are kept"
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)} (default: all)")
    args = parser.parse_args()
    args.keep.mkdir(parents=True, exist_ok=True)
    conditions = Conditions()
    numbers = {}
    for name in args.parts or PARTS:
        kept = args.keep / f"{name}.json"
        if not kept.exists():
            with tempfile.TemporaryDirectory(prefix="ob-", ignore_cleanup_errors=True) as folder:
                kept.write_text(json.dumps(PARTS[name](Scene(Path(folder))), indent=1))
        numbers[name] = json.loads(kept.read_text())
        print(name, {key: value for key, value in numbers[name].items() if key != "seeds"}, flush=True)
    met = all(one["met"] for one in numbers.values())
    publish("fleet", "each part's, as said above", met, numbers, conditions, args.json)


if __name__ == "__main__":
    main()
