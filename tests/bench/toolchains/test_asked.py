from __future__ import annotations

import pytest
from packaging.version import Version

from oneblock.bench.cells import toolchain
from oneblock.bench.cells.toolchain import installed_as_asked, told, versions_of
from oneblock.bench.format.errors import Refused
from oneblock.bench.toolchains.asked import Asked, parse_all, walks

OFFERED = [Version(one) for one in ("0.0.42", "0.0.42.1", "0.0.45", "0.0.50", "0.0.51rc1", "0.0.52")]


def test_a_range_is_what_the_index_has_between_its_ends() -> None:
    asked = Asked.parse("LibTPU=0.0.42.1..0.0.51")
    assert (asked.package, asked.has_ranges) == ("libtpu", True)
    assert asked.among(OFFERED) == ("0.0.42.1", "0.0.45", "0.0.50", "0.0.51")


def test_versions_are_in_their_own_order_and_what_is_named_stays() -> None:
    asked = Asked.parse("triton=3.10.0,3.9.0,3.6.0")
    assert not asked.has_ranges
    assert asked.among([]) == ("3.6.0", "3.9.0", "3.10.0")
    assert Asked.parse("libtpu=0.0.51rc1..0.0.52").among(OFFERED) == ("0.0.51rc1", "0.0.52")


def test_the_newest_is_what_the_index_has_last_and_no_pre_release() -> None:
    asked = Asked.parse("libtpu=0.0.42.1,newest")
    assert asked.has_ranges
    assert asked.among([*OFFERED, Version("0.1.dev1")]) == ("0.0.42.1", "0.0.52")
    assert Asked.parse("libtpu=newest").among(OFFERED) == ("0.0.52",)
    onward = Asked.parse("libtpu=0.0.45..newest")
    assert (onward.has_ranges, onward.to_newest) == (True, True)
    assert onward.among([*OFFERED, Version("0.1.dev1")]) == ("0.0.45", "0.0.50", "0.0.52")
    assert not Asked.parse("libtpu=0.0.45..0.0.52").to_newest


@pytest.mark.parametrize(
    "text",
    [
        "triton",
        "triton=",
        "=3.6",
        "triton=new",
        "triton=3.9..3.6",
        "triton=1..2..3",
        "triton=newest..3",
        "a=1,,2",
        "tri ton!=1",
    ],
)
def test_what_is_no_specification_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(Refused, match=r"libtpu=0\.0\.49"):
        Asked.parse(text)


def test_a_package_is_named_once() -> None:
    with pytest.raises(Refused, match="twice"):
        parse_all(["jax_lib=1", "jax-lib=2"])
    with pytest.raises(Refused, match="which releases"):
        parse_all([])


def test_one_thing_moves_at_a_time() -> None:
    ways = walks({"jax": ("1", "2"), "libtpu": ("7", "8", "9")})
    assert ways[0] == [{"jax": "1", "libtpu": "7"}, {"jax": "2", "libtpu": "7"}]
    assert [one["libtpu"] for one in ways[1]] == ["7", "8", "9"]
    assert {one["jax"] for one in ways[1]} == {"1"}


def test_the_newest_of_a_name_that_nobody_has_is_refused() -> None:
    with pytest.raises(Refused, match="no release of toychainn: is its name right"):
        walks({"jax": ("1", "2"), "toychainn": Asked.parse("toychainn=newest").among([])})


def test_the_coordinate_of_a_cell_is_read_as_it_was_written() -> None:
    versions = {"jax": "0.10.2", "apache-tvm": "0.27.0.post1"}
    assert told(versions) == "apache_tvm-0.27.0.post1+jax-0.10.2"
    assert versions_of(told(versions)) == versions
    local = {"torch": "2.13.0+cpu", "triton": "3.6.0"}
    assert versions_of(told(local)) == local
    assert told({}) is None
    assert versions_of("of-another-hand") == versions_of(None) == versions_of("a b-1; rm") == {}


def test_a_release_that_is_not_the_one_installed_is_refused() -> None:
    assert installed_as_asked([]) is None
    with pytest.raises(Refused, match=r"is installed; `oneblock releases --toolchain click=0\.1`"):
        installed_as_asked(["click=0.1"])
    with pytest.raises(Refused, match="none is installed"):
        installed_as_asked(["nobody-has-this=1"])
    for text in ("click", "click=", "click=..", "c lick=1", "click=new"):
        with pytest.raises(Refused, match="NAME=VERSION"):
            installed_as_asked([text])


def test_a_version_is_the_same_however_short_it_is_and_whoever_built_it(monkeypatch: pytest.MonkeyPatch) -> None:
    here = {"torch": "2.13.0+cpu", "triton": "3.6.0", "odd": "of-our-own"}
    monkeypatch.setattr(toolchain, "version", here.__getitem__)
    assert installed_as_asked(["torch=2.13"]) == "torch-2.13.0"
    assert installed_as_asked(["Torch=2.13.0+cpu", "triton=3.6"]) == "torch-2.13.0+cpu+triton-3.6.0"
    for other in ("torch=2.13.1", "torch=2.13.0+cu130", "triton=3.6.0+cpu", "triton=3", "odd=1"):
        with pytest.raises(Refused, match=f"{here[other.partition('=')[0]].replace('+', '.')} is installed"):
            installed_as_asked([other])
    with pytest.raises(Refused, match="twice"):
        installed_as_asked(["torch=2.13", "torch=2.13.0"])
