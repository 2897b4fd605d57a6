"""The page of TVM's `trn` target: its label comes first, everything of TVM's is escaped, and it says what is wrong."""

from __future__ import annotations

import importlib.util
import re
from html import unescape
from pathlib import Path

import pytest

from oneblock.bench.commands._trn_page import LABEL, illegal, render
from oneblock.compilers.api.export import TrnSource
from tests.conftest import REQUIRED
from tests.helpers.oneblock_process import install, oneblock

PLANTED = TrnSource(
    tvm="9.9 <b>",
    program="if a < b & c:",
    source='x = nl.ndarray(shape=[256, 512], dtype="</pre><script>alert(1)</script>")',
    laid_out="x = nl.ndarray(shape=[128, 512])",
    refused="",
)


def body(page: str) -> str:
    return page.partition("<body>")[2]


def test_the_label_is_the_first_line_and_texts_are_escaped() -> None:
    page = render(PLANTED)
    assert re.search(r">([^<]+)<", body(page))[1] == LABEL  # type: ignore[index]
    assert "<script" not in page
    assert "9.9 <b>" not in page
    assert "if a &lt; b &amp; c:" in page
    assert PLANTED.source in unescape(page)


def test_it_says_what_is_wrong_with_what_was_emitted_and_not_what_is_not() -> None:
    assert "Wrong besides" in render(PLANTED)
    assert "does not.</p>" in render(PLANTED)
    assert "takes a plain loop" in render(PLANTED)


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("c = nl.ndarray(shape=[1, nl.par_dim(128), 512], buffer=nl.psum)", False),
        ("c = nl.ndarray(shape=[128, nl.par_dim(512), 512], buffer=nl.psum)", True),
        ("s = nl.ndarray(shape=[128, 1024], buffer=ncc.sbuf.mod_alloc(base_addr=0))", False),
        ("s = nl.ndarray(shape=[256, 512], buffer=ncc.sbuf.mod_alloc(base_addr=0))", True),
        ("i = nl.arange(512)", False),
    ],
)
def test_more_partitions_than_there_are_is_wrong(line: str, wrong: bool) -> None:
    assert illegal(f"  {line}\n") == ([line] if wrong else [])


def test_the_command_writes_the_page_or_says_why_not(tmp_path: Path) -> None:
    env = install(tmp_path)
    done = oneblock(env, "export", "--tvm-trn", "-o", "out", cwd=tmp_path)
    if importlib.util.find_spec("tvm") is None:
        assert "tvm_relax" not in REQUIRED, "required, and not here: pip install 'oneblock[tvm-relax]'"
        assert done.returncode == 1
        assert "no page was written: apache-tvm is not installed; pip install 'oneblock[tvm-relax]'" in done.stderr
        return
    assert done.returncode == 0, done.stderr
    assert LABEL in done.stdout
    page = (tmp_path / "out" / "tvm-trn.html").read_text(encoding="utf-8")
    assert 0 < body(page).index(LABEL) < body(page).index("nc_matmul(")
    assert "import neuronxcc.nki as nki" in page
    assert "nl.par_dim(512)" in page, "TVM 0.27's fault, shown"
    assert "Trainium codegen does not support buffer store" in page
    assert "&#34;float16&#34;" in page
