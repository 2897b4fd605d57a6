"""Write compilers/tvm/_tuned/ anew from what `oneblock tune` has kept: of each function the fastest schedule.

python ci/ship_tuned.py ROOT   (ROOT as ONEBLOCK_TUNED; see compilers/tvm/store.py)
"""

from __future__ import annotations

import gzip
import json
import sys
from dataclasses import asdict
from pathlib import Path

from oneblock.compilers.tvm.store import SHIPPED, About, Store, fastest


def main(root: Path) -> None:
    for folder in sorted({path.parents[1] for path in root.glob("*/*/*/about.json")}):
        stores = []
        for path in sorted(folder.glob("*/about.json")):
            said = {name: value for name, value in json.loads(path.read_text()).items() if name != "format"}
            stores.append(Store(path.parent, About(**said), write=False))
        functions = {workload[0]: workload for store in stores for workload in store.workloads}
        found = {key: fastest(stores, key) for key in functions}
        kept = [(functions[key], one[1]) for key, one in found.items() if one is not None]
        text = json.dumps(
            {
                "about": asdict(stores[0].about),
                "workloads": [workload for workload, _ in kept],
                "records": [[number, row] for number, (_, row) in enumerate(kept)],
            },
            separators=(",", ":"),
        )
        out = SHIPPED / f"{folder.parent.name}-{folder.name}.json.gz"
        out.parent.mkdir(exist_ok=True)
        out.write_bytes(gzip.compress(text.encode(), mtime=0))
        print(f"{out}: {len(kept)} functions, {out.stat().st_size:,} bytes")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
