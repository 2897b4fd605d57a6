"""What is odd: values, changed JSON, changed bytes, words of a command line, and the text of a kernel."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

from tests.faults.hostile import ESCAPES

ODD_TEXT = st.one_of(
    st.sampled_from(
        [
            "",
            "..",
            "../../x",
            "/etc/passwd",
            "[/]",
            "[bold]",
            "[link=http://x]y[/link]",
            ESCAPES,
            "\x9b31m",
            "\u202e",
            "a\nb\r",
            "\x00",
            "\udcff",  # a byte that is no UTF-8, as Python has it of a command line
            "9" * 400,
            "x" * 5000,
            "NaN",
            "Infinity",
            "<script>",
            "=1+1",
            "{{x}}",
            "%s",
            "-o",
        ]
    ),
    st.text(max_size=30),
)
ODD_VALUE = st.one_of(
    st.sampled_from(
        [
            None,
            True,
            False,
            0,
            -1,
            1,
            2**31,
            2**63,
            -(2**63),
            10**400,
            1e308,
            -1e308,
            5e-324,
            0.5,
            [],
            {},
            [[]],
            [None],
            {"": None},
            {"a": {"b": [1]}},
            ["x"],
            [0, 0],
            [[1, "x"]],
        ]
    ),
    st.integers(),
    st.floats(),
    ODD_TEXT,
    st.just(json.loads("[" * 200 + "]" * 200)),
).map(copy.deepcopy)  # a value that is put in may itself be changed
_DEPTH = 12  # no record of ours is deeper


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every value within a JSON value, to a depth; of long lists of the first and the last."""
    if len(path) > _DEPTH:
        return
    if isinstance(value, dict):
        for key, inner in value.items():
            yield (*path, key)
            yield from places(inner, (*path, key))
    elif isinstance(value, list):
        for index in sorted({0, len(value) - 1}) if value else ():
            yield (*path, index)
            yield from places(value[index], (*path, index))


@st.composite
def changed(draw: st.DrawFn, good: Any) -> Any:
    """A JSON value with one to four of its values changed, taken away, doubled or added to."""
    value = copy.deepcopy(good)
    for _ in range(draw(st.integers(1, 4))):
        known = list(places(value))
        if not known:
            return value
        *way, last = draw(st.sampled_from(known))
        inner = value
        for step in way:
            inner = inner[step]
        how = draw(st.sampled_from(["put", "put", "put", "remove", "add", "wrap"]))
        if how == "put":
            inner[last] = draw(ODD_VALUE)
        elif how == "remove":
            del inner[last]
        elif how == "wrap":
            inner[last] = [inner[last], inner[last]]
        elif isinstance(inner, dict):
            inner[draw(ODD_TEXT)] = draw(ODD_VALUE)
        else:
            inner.append(draw(ODD_VALUE))
    return value


@st.composite
def damaged(draw: st.DrawFn, good: bytes, first: int = 0) -> bytes:
    """Bytes with some of them changed, cut off, put in or taken out."""
    data = bytearray(good)
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(min(first, len(data)), len(data)))
        how = draw(st.sampled_from(["set", "set", "cut", "insert", "remove", "number"]))
        if how == "set" and at < len(data):
            data[at] = draw(st.integers(0, 255))
        elif how == "cut":
            del data[at:]
        elif how == "insert":
            data[at:at] = draw(st.binary(max_size=40))
        elif how == "remove":
            del data[at : at + draw(st.integers(1, 40))]
        elif how == "number":
            data[at : at + 8] = draw(st.integers(0, 2**64 - 1)).to_bytes(8, "little")
    return bytes(data)


STATEMENTS = st.sampled_from(
    [
        "x = {e}",
        "x += {e}",
        "return {e}",
        "for i in range({e}):\n    x = i",
        "while {e}:\n    break",
        "if {e}:\n    pass",
        "with {e} as y:\n    pass",
        "try:\n    {e}\nexcept Exception:\n    pass",
        "import {n}",
        "from {n} import x",
        "global {n}",
        "del {n}",
        "assert {e}, {e}",
        "raise {e}",
        "class {n}:\n    pass",
        "def {n}(x=1, *a, **k):\n    return x",
        "nl.{n}[{e}]",
        "nisa.{n}(dst={e}, src={e})",
        "x: int = {e}",
        "match {e}:\n    case 1:\n        pass",
        "{e}",
        "async def {n}():\n    await x",
        "yield {e}",
        "x[{e}] = {e}",
    ]
)
NAMES = st.sampled_from(
    ["nl", "nisa", "os", "x", "y", "__class__", "__builtins__", "load", "matmul", "_hidden", "ndarray"]
)
LEAVES = st.one_of(st.integers().map(str), st.floats().map(repr), st.text(max_size=5).map(repr), NAMES)
EXPRESSIONS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from("+-*/@%<>&|"), inner).map(" ".join),
        inner.map("({})".format),
        inner.map("[{}]".format),
        inner.map("lambda: {}".format),
        st.tuples(inner, NAMES).map("({0[0]}).{0[1]}".format),
        st.tuples(NAMES, inner).map("{0[0]}({0[1]})".format),
        inner.map("[i for i in ({},)]".format),
        st.tuples(inner, inner).map("{{{0[0]}: {0[1]}}}".format),
        inner.map("f'{{{}}}'".format),
        st.tuples(inner, inner).map("({0[0]} is not {0[1]})".format),
        inner.map("(z := {})".format),
    ),
    max_leaves=6,
)


@st.composite
def functions(draw: st.DrawFn) -> str:
    """The text of a function named `kernel`, which Python may or may not take."""
    lines = []
    for _ in range(draw(st.integers(1, 5))):
        filled = draw(STATEMENTS)
        while "{e}" in filled:
            filled = filled.replace("{e}", draw(EXPRESSIONS).replace("{", "{{").replace("}", "}}"), 1)
        lines += filled.replace("{n}", draw(NAMES)).replace("{{", "{").replace("}}", "}").splitlines()
    return "def kernel(x, y=2):\n" + "".join(f"    {line}\n" for line in lines)
