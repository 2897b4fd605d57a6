"""What is read as a record's JSON: as any parser has it, but for numbers in which arithmetic would end."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oneblock.bench.records.sound import Unsound, parsed

NUMBERS = st.integers(-(10**98), 10**98) | st.floats(1e-140, 1e59) | st.floats(-1e59, -1e-140) | st.just(0.0)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text() | st.lists(st.floats(1e-12, 1e9)),
    lambda inside: st.lists(inside) | st.dictionaries(st.text(), inside),
)
TOO_MUCH = ["1e60", "-1e60", "1e999", "5e-324", "-1e-151", "1" * 101, "-1" + "0" * 101, "1" * 5000, "NaN", "-Infinity"]


@given(VALUES)
def test_json_is_read_as_python_reads_it(value: object) -> None:
    for raw in (json.dumps(value), json.dumps(value, ensure_ascii=False, indent=1)):
        assert parsed(raw.encode(errors="surrogatepass")) == json.loads(raw)


PLACES = ["{}", "[{}]", "[0.5, {}]", "[0.5, 0.25, {}]", '{{"a": [{{"b": {}}}]}}', "[0.0, {}, 1]"]


@pytest.mark.parametrize("where", PLACES)
@pytest.mark.parametrize("number", TOO_MUCH)
def test_a_number_out_of_all_bounds_is_found_wherever_it_stands(where: str, number: str) -> None:
    with pytest.raises(Unsound, match="expected"):
        parsed(where.format(number).encode())


@pytest.mark.parametrize("raw", [b"", b"{", b"[1,]", b"01", b"\xff", b'"\x01"', b"{'a': 1}", b"1 2"])
def test_what_is_no_json_is_no_value(raw: bytes) -> None:
    with pytest.raises(ValueError, match=r"line 1 column|utf-8"):
        parsed(raw)
