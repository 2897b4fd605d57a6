"""Write compilers/_tuned/ anew from what `oneblock tune` has kept: of each function the fastest schedule.

python ci/ship_tuned.py ROOT   (ROOT as ONEBLOCK_TUNED; see compilers/_tuned_store.py)
"""

from __future__ import annotations

import gzip
import json
import sys
from dataclasses import asdict
from pathlib import Path

from oneblock.compilers._tuned_store import SHIPPED, About, Store


def main(root: Path) -> None:
    for folder in sorted({path.parents[1] for path in root.glob("*/*/*/about.json")}):
        stores = []
        for path in sorted(folder.glob("*/about.json")):
            said = {name: value for name, value in json.loads(path.read_text()).items() if name != "format"}
            stores.append(Store(path.parent, About(**said), write=False))
        best: dict[str, tuple[float, list, list]] = {}
        for store in stores:
            for index, row in store.records:
                workload, seconds = store.workloads[index], min(row[1])
                if seconds < best.get(workload[0], (1e9,))[0]:  # 1e10 is TVM's mark of one that failed
                    best[workload[0]] = seconds, workload, row
        kept = [(workload, row) for _, workload, row in best.values()]
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
