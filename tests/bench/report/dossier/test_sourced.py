"""A number without its record and its kind cannot be rendered, whatever way it comes; nor two kinds in one column."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from markupsafe import Markup

from oneblock.bench import cost
from oneblock.bench.report.dossier.dossier import environment_of, markdown, sentence_html
from oneblock.bench.report.dossier.evidence import gather
from oneblock.bench.report.dossier.sourced import (
    Column,
    Command,
    Quoted,
    Section,
    Source,
    Sourced,
    Table,
    Unsourced,
    html,
    ranged,
    table,
    text_of,
)  # fmt: skip
from oneblock.compilers.api.kind import Kind
from tests.helpers.page_fixture import FIXTURE

SECONDS = Sourced(0.0412, "s", Kind.MEASURED, "records/a.json#/launches")
MODELLED = Sourced(0.05, "s", Kind.MODELLED, "plan.json#/choices/0/itl_s/middle")
BARE = [42, 4.2, 0, True, np.float64(1.5), np.int64(3), Decimal("1.5"), None, (1, 2), {"a": 1}]
WORDS = ["42", "it takes 41.2 ms", "1,024 tokens", "-3", "about 1e-7 off", "90 % of it", "(12)"]


@pytest.mark.parametrize("value", [*BARE, *WORDS], ids=repr)
def test_a_bare_number_is_refused(value: object) -> None:
    with pytest.raises(Unsourced):
        environment_of().from_string("<td>{{ value }}</td>").render(value=value)
    with pytest.raises(Unsourced):
        environment_of().from_string("{% macro cell(x) %}<td>{{ x }}</td>{% endmacro %}{{ cell(value) }}").render(
            value=value
        )
    with pytest.raises(Unsourced):
        text_of(value)


def test_what_a_template_computes_is_refused() -> None:
    for template in ("{{ rows|length }}", "{{ 1 + rows|length }}", "{% for x in rows %}{{ loop.index }}{% endfor %}"):
        with pytest.raises(Unsourced):
            environment_of().from_string(template).render(rows=["a"])


@pytest.mark.parametrize(
    "words", ["llama-1b", "cuda:sm_90", "tpu:v6e:2x4@tp4", "float32 to bfloat16", "T16-B1", "v1.2"]
)
def test_a_name_with_digits_is_no_number(words: str) -> None:
    assert html(words) == words


def test_markdown_refuses_a_bare_number_likewise() -> None:
    evidence = gather([FIXTURE], "which?", None)
    for cell in (("12 ms",), (12,)):
        made = Section("x", "X", (Table((Column("a"),), ((cell,),)),))  # type: ignore[arg-type]
        with pytest.raises(Unsourced):
            "".join(markdown(evidence, [made]))


@pytest.mark.parametrize(
    ("value", "kind", "link"),
    [
        (float("nan"), Kind.MEASURED, "a.json#"), (float("inf"), Kind.MEASURED, "a.json#"),
        ("12", Kind.MEASURED, "a.json#"), (True, Kind.MEASURED, "a.json#"), (1.0, Kind.MEASURED, ""),
        (1.0, Kind.MEASURED, "#/launches"), (1.0, None, "a.json#"), (1.0, "measured", "a.json#"),
    ],
)  # fmt: skip
def test_a_number_has_a_value_a_kind_and_a_record(value: object, kind: object, link: str) -> None:
    with pytest.raises(Unsourced):
        Sourced(value, "s", kind, link)  # type: ignore[arg-type]


def test_a_number_is_a_link_that_says_its_kind() -> None:
    assert html(SECONDS) == (
        '<a class="number" data-kind="measured" title="measured" href="records/a.json#/launches">41.2 ms</a>'
    )
    assert sentence_html(("within ", SECONDS)).endswith("</a> <small>measured</small>")


def test_a_column_has_one_kind() -> None:
    with pytest.raises(Unsourced, match="expected numbers that are measured"):
        Table((Column("time", Kind.MEASURED),), (((MODELLED,),),))
    with pytest.raises(Unsourced):
        Table((Column("time"),), (((SECONDS,),),))
    (made,) = table(("where",), [([("here",)], {"time": (SECONDS,)}), ([("there",)], {"time": (MODELLED,)})])
    assert [(one.heading, one.kind) for one in made.columns] == [
        ("where", None), ("time", Kind.MEASURED), ("time", Kind.MODELLED),
    ]  # fmt: skip
    assert made.rows == ((("here",), (SECONDS,), ()), (("there",), (), (MODELLED,)))


def test_a_range_stays_together_and_two_kinds_of_one_thing_part() -> None:
    of = ranged(SECONDS, SECONDS, SECONDS)
    (made,) = table((), [([], {"time": of}), ([], {"time": (SECONDS, "; ", MODELLED)})])
    assert made.rows == ((of, ()), ((SECONDS,), (MODELLED,)))


def test_a_link_is_the_nearest_place_that_is_there() -> None:
    source = Source("records/a b#.json", "", {"facts": {"estimates": [{"seconds": 1.0}], "a/b~c": 1}})
    assert source.at("facts", "estimates", 0, "seconds") == "records/a%20b%23.json#/facts/estimates/0/seconds"
    assert source.at("facts", "estimates", 7, "seconds") == "records/a%20b%23.json#/facts/estimates"
    assert source.at("facts", "a/b~c") == "records/a%20b%23.json#/facts/a~1b~0c"
    assert source.at("none") == "records/a%20b%23.json#"


def test_quoted_words_are_links_and_escaped() -> None:
    assert html(Quoted('<b>42</b>\x1b[31m"', "dossier.json#/question")) == (
        '<a class="quoted" href="dossier.json#/question">&lt;b&gt;42&lt;/b&gt;&#34;</a>'
    )
    assert html(Command("oneblock run -T 16 '<x>'")) == "<code>oneblock run -T 16 &#39;&lt;x&gt;&#39;</code>"
    assert html(Markup("<td>")) == "<td>"


def test_the_templates_of_the_page_say_no_number_themselves() -> None:
    text = (Path(str(cost.__file__)).parent / "assets" / "dossier.html").read_text()
    words = re.sub(r"\{%.*?%\}|\{\{.*?\}\}|<[^>]*>", " ", text)
    assert not re.search(r"\d", words)
