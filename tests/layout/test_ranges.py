"""A range of a toolchain's releases is what was tried at both ends: by `nox -s ends`, and no wider anywhere."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from oneblock.compilers.tvm import pins

ROOT = Path(__file__).parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
ENDS: dict[str, list[str]] = PYPROJECT["tool"]["oneblock"]["ends"]
EXTRAS: dict[str, list[str]] = PYPROJECT["project"]["optional-dependencies"]
ALONG = {"jax-cuda12-plugin": "jax", "jax-cuda12-pjrt": "jax"}  # which have another's versions
TOOLCHAINS = {"jax", "triton", "apache-tvm", "torch", "torchax", "torch-xla", "torch-tpu", *ALONG}
NARROWER = {"torch_tpu": ["jax<0.11"], "torchxla": ["jax<0.11"]}  # beside the whole range: one of two toolchains is old


def series(version: str) -> tuple[int, int]:
    return Version(version).major, Version(version).minor


def tried(first: str, last: str) -> SpecifierSet:
    """All from the first end's minor release to the last's."""
    (a, b), (c, d) = series(first), series(last)
    return SpecifierSet(f">={a}.{b},<{c}.{d + 1}")


def astray(extras: Mapping[str, Sequence[str]], ends: Mapping[str, Sequence[str]]) -> list[str]:
    """Requirements of a toolchain that say another range than its ends, or several minor releases without any."""
    found = []
    for extra, requirements in extras.items():
        for text in requirements:
            one = Requirement(text)
            name = ALONG.get(one.name, one.name)
            if one.name not in TOOLCHAINS or text in NARROWER.get(extra, ()):
                continue
            if name in ends:
                fits = one.specifier == tried(ends[name][0], ends[name][-1])
            else:  # one series, which the sessions have anyway
                low = next((each.version for each in one.specifier if each.operator in (">=", "==")), "0")
                fits = one.specifier in (tried(low, low), SpecifierSet(f"=={low}"))
            found += [] if fits else [f"{extra}: {text}"]
    return found


def test_every_range_is_what_is_tried_at_both_ends() -> None:
    assert astray(EXTRAS, ENDS) == []
    assert all(len(versions) == 2 and series(versions[0]) < series(versions[1]) for versions in ENDS.values())
    assert all(set(texts) <= set(EXTRAS[extra]) for extra, texts in NARROWER.items()), "none that is gone"


@pytest.mark.parametrize(
    "wider",
    ["jax>=0.10,<0.14", "jax>=0.9,<0.13", "jax>=0.10", "jax", "jax[tpu]>=0.10,<0.14; sys_platform == 'linux'",
     "jax-cuda12-plugin>=0.10,<0.14", "triton>=3.5,<3.10", "apache-tvm>=0.26,<0.29",
     "torch>=2.11,<2.14", "torch>=2.13"],
)  # fmt: skip
def test_one_that_is_wider_is_found(wider: str) -> None:
    assert astray({"an_extra": [wider]}, ENDS) == [f"an_extra: {wider}"]


def test_the_code_refuses_what_is_beyond_the_ends_and_takes_them() -> None:
    triton = (ROOT / "compilers" / "triton" / "releases.py").read_text()
    assert f"\nFIRST, LAST = {', '.join(str(series(version)) for version in ENDS['triton'])}\n" in triton
    first, last = (".".join(map(str, series(version))) for version in ENDS["apache-tvm"])
    assert (pins.SERIES[0], pins.SERIES[-1]) == (first, last)


def test_the_session_knows_each_toolchain_and_has_the_hashes_of_its_ends() -> None:
    session, listed = (ROOT / "ci" / "sessions" / "ends.py").read_text(), (ROOT / "ci" / "ends.txt").read_text()
    assert set(re.findall(r'^    "([a-z-]+)": Toolchain\(', session, re.MULTILINE)) == ENDS.keys()
    for name, versions in ENDS.items():
        positions = [listed.find(f"\n{name}=={version} \\\n    --hash=sha256:") for version in versions]
        assert 0 <= positions[1] < positions[0], f"`nox -s lock`: of {name} both, the newest first"
