"""A job for a process of its own: compile a StableHLO text while XLA dumps what it does.

Flags are read once a process, an unknown one ends it, and some of libtpu's cost models abort it. Run as
`python -m oneblock.compilers.xla.dump_child STABLEHLO cpu` or `... STABLEHLO tpu ARCHITECTURE TOPOLOGY`, with the flags
in XLA_FLAGS and LIBTPU_INIT_ARGS.
"""

from __future__ import annotations

import sys
from pathlib import Path

import jax

from oneblock.compilers.chips.topology import topology
from oneblock.compilers.xla import lowering as xla


def main() -> None:
    """Compile; what is wanted is in the files that the compiler leaves."""
    text, platform, *where = sys.argv[1:]
    if platform == "cpu":
        device = jax.devices("cpu")[0]
    else:
        from oneblock.compilers.xla import tpu  # 0.2 s, in a process of its own each time

        device = tpu.devices(topology(*where))[0]
    xla.compile_stablehlo(Path(text).read_text(encoding="utf-8"), device)


if __name__ == "__main__":
    main()
