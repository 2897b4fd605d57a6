"""Makes tests/fixtures/page of records that `oneblock run` wrote: one a toolchain, small, without a machine's paths.

    oneblock run block --preset tiny -T 16 --phase prefill --backend jax_xla --backend torch_inductor --ops plain \
        --stages brief -o RECORDS
    oneblock run block --preset tiny -T 16 --phase prefill --backend neuron_nki --target neuron:trn2 -o RECORDS
    oneblock run block --preset tiny -T 16 --phase prefill --backend tvm_relax --ops plain --stages all -o RECORDS
    python tests/helpers/page_fixture.py RECORDS
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import sys
from pathlib import Path

FIXTURE = Path(__file__).parents[1] / "fixtures/page"
LONGEST = 70_000  # bytes of a stage that is kept
PASSES = 5  # of TVM's; the first, and one that is the same text under another name
_HERE = re.compile(r"(?:/[\w.-]+)+/(?=(?:backends|workloads|compilers|site-packages|lib)/)")


def main() -> None:
    """Write the fixture anew."""
    source = Path(sys.argv[1])
    shutil.rmtree(FIXTURE, ignore_errors=True)
    (FIXTURE / "artifacts").mkdir(parents=True)
    for path in sorted(source.glob("*.json")):
        record = json.loads(path.read_text())
        record["artifacts"] = [kept for ref in _chosen(record["artifacts"]) if (kept := _moved(ref, source))]
        record["environment"]["state"] = {"load_average": 1.0}
        record["doubts"] = []
        (FIXTURE / f"{path.name.split('.')[0]}.json").write_text(json.dumps(record, indent=1) + "\n")


def _chosen(refs: list[dict[str, object]]) -> list[dict[str, object]]:
    passes = [ref for ref in refs if re.match(r"tvm:\d", str(ref["dialect"]))]
    again = [passes[3] | {"dialect": "tvm:999.after.Nothing"}] if len(passes) > PASSES else []
    kept = [ref for ref in refs if ref not in passes and str(ref["dialect"]) not in ("llvm", "asm")]
    return [*kept, *passes[: PASSES - 1], *again]


def _moved(ref: dict[str, object], source: Path) -> dict[str, object] | None:
    text = _HERE.sub("", (source / "artifacts" / f"{ref['sha256']}.txt").read_text())
    raw = text.encode()
    if len(raw) > LONGEST:
        return None
    digest = hashlib.sha256(raw).hexdigest()
    (FIXTURE / "artifacts" / f"{digest}.txt").write_bytes(raw)
    return ref | {"sha256": digest, "bytes": len(raw)}


if __name__ == "__main__":
    main()
