"""Use an installed oneblock from another folder: it must come from site-packages, whole, and under no other name."""

from __future__ import annotations

import importlib.util
import sys
from importlib.metadata import files
from pathlib import Path

import oneblock.bench
from oneblock import backends, workloads

place = Path(oneblock.bench.__file__)
assert "site-packages" in place.parts, f"expected an installed package, got {place}"
assert workloads.names() == ["attention", "block", "mlp", "norm"], workloads.names()
assert "reference" in backends.names(), backends.names()
for template in ("report", "lessons"):
    assert (place.parent / template / "assets" / "report.html").exists(), f"the template of {template} is not installed"
assert (place.parents[1] / "compilers" / "nki" / "assets" / "documented.toml").exists(), "NKI's names are not installed"
assert list(place.parents[1].glob("compilers/tvm/_tuned/*.json.gz")), "the schedules of TVM are not installed"
assert (place.parents[1] / "labs" / "01_ridge" / "wrong").is_dir(), "the labs are not installed"
leaked = [
    name for name in ("backends", "bench", "workloads", "tests", "oneblock.tests") if importlib.util.find_spec(name)
]
assert not leaked, f"generic names were installed: {leaked}"
tops = {Path(f).parts[0] for f in files("oneblock") or () if ".dist-info" not in str(f) and ".." not in str(f)}
assert tops == {"oneblock"}, tops
sys.stdout.write("oneblock is installed whole, and under its own name alone\n")
