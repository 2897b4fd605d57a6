"""What the page holds and how a value stands on it: nothing lost, nothing that a browser would take for markup."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import StrictUndefined, UndefinedError
from markupsafe import Markup, escape

from oneblock.bench.format.text import plain
from oneblock.bench.report import packed
from oneblock.bench.report.packed import Packed
from oneblock.bench.report.templates import Templates, shown


@pytest.mark.parametrize("characters", [1, 10, 10**6])
def test_texts_come_back_in_order_whatever_is_packed_together(characters: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed, "_CHARACTERS", characters)
    texts = ["a", "", "×" * 11, "half a pair \ud800", "\udc00", "<b>", "end"]
    kept = Packed(texts)
    assert "".join(kept) == "".join(kept) == "".join(texts)
    kept.add("more")
    assert "".join(kept) == "".join(texts) + "more"
    assert "".join(Packed()) == ""


class Word(StrEnum):
    ODD = "<odd>"


@given(
    st.text() | st.integers() | st.floats() | st.none() | st.sampled_from([Word.ODD, Markup("<b>"), "\x1b[31m", "'"])
)
def test_a_value_is_escaped_as_jinja_does_and_obeyed_by_nobody(value: Any) -> None:
    assert shown(value) == escape(plain(value))
    by_template = Templates(autoescape=True).from_string("<i title='{{ value }}'>").render(value=value)
    assert by_template == f"<i title='{escape(plain(value))}'>"


def test_what_a_template_puts_out_is_escaped_wherever_it_stands() -> None:
    text = (
        "{% macro m(x) %}{{ x }}{% endmacro %}{% set y %}{{ x }}{% endset %}{{ m(x) }}{{ y }}{{ x|upper }}{{ x|safe }}"
    )
    page = Templates(autoescape=True).from_string(text).render(x="<b>&")
    assert page == "&lt;b&gt;&amp;" * 2 + "&lt;B&gt;&amp;" + "<b>&"
    with pytest.raises(UndefinedError):
        Templates(autoescape=True, undefined=StrictUndefined).from_string("{{ nothing }}").render()
