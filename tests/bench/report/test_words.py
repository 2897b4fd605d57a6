"""Words of the compilers' texts: `explain`, the glossary and the Explorer have the same, and real texts are covered."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from ci import pictures
from oneblock.bench.commands.report import write
from oneblock.bench.format.terms import TERMS
from oneblock.bench.terminal.explain import explain, explanations
from oneblock.compilers.dialects import Words, languages, names, words
from tests.bench.report.test_page import Tab, browser, cells, study, tab  # noqa: F401  fixtures
from tests.bench.report.test_report_explorer import kept
from tests.helpers.page_fixture import FIXTURE

GLOSSARY = Path(__file__).resolve().parents[3] / "docs" / "glossary.md"
TOLD = {  # the languages that programs are written in; the other dialects are tables, logs and others' files
    "hlo", "hlo-before", "stablehlo", "jaxpr", "bundles", "ttir", "ttgir", "llir", "ptx", "sass", "amdgcn", "llvm",
    "asm", "relax", "tir", "tir-scheduled", "nki", "nki-trace", "fx", "aten", "scheduler", "inductor",
}  # fmt: skip
# What texts of real compilations have, which the page's fixture has not: (dialect, a word as it stands there).
SEEN = [
    *(("bundles", word) for word in (
        "vmatpush.xpose.msra.mxu0", "vmatmul.f32.vlgmr.msra.gmra.mxu2", "vpop.f32.mrf.mxu0", "vpop.trf.xlu1",
        "vpop.permute.xlu0", "vpop.eup", "vrot.lane.b32.xlu0", "vst.msk", "vld", "vst", "smov", "sbr.rel", "sphi",
        "scalar_lea.vmem", "dma.hbm_to_vmem", "dma.done.wait", "vsyncpa", "vlaneseq", "vunpack.c.l.bf16", "vmem", "sm",
        "mxu3", "xlu1", "eup", "mrf", "trf", "gmra", "msrb", "xlane", "s3921_s0", "v125_v1", "p19_p0", "vm3_vm1",
        "LH", "PF",
    )),
    ("stablehlo", "1x2x16xbf16"), ("stablehlo", "4xi32"), ("ttgir", "128x64xf32"), ("ttgir", "64xi1"),
    ("vmem-bufferinfo", "alt_mem_benefit"), ("vmem-allocinfo", "start_time"),
    *(("hlo", word) for word in (
        "bf16", "f32", "u32", "S(1)", "S(2)", "T(8,128)(2,1)", "T(2,128)", "T(256)(128)(2,1)", "copy-start.5",
        "copy-done", "kLoop", "bitcast", "op_name", "estimated_cycles", "may-alias", "dynamic-update-slice.3",
    )),
    *(("ptx", word) for word in ("mma", "m16n8k16", "wgmma", "ldmatrix", "cp", "b32", "bf16x2", "ntid", "ftz", "rn")),
    *(("sass", word) for word in ("HMMA", "HGMMA", "LDGSTS", "LDSM", "MUFU", "RZ", "UR4", "R12", "STL", "BAR")),
    *(("ttgir", word) for word in ("ttg", "sizePerThread", "warpsPerCTA", "nvidia_mma", "memdesc", "CTA", "dot_op")),
    *(("amdgcn", word) for word in ("v_mfma_f32_32x32x8_f16", "s_waitcnt", "lgkmcnt", "ds_read_b128", "v17", "a3")),
    *(("llvm", word) for word in ("getelementptr", "addrspace", "nuw", "i32", "i8", "float", "phi")),
    *(("asm", word) for word in ("zmm0", "ymm12", "xmm3", "k2", "vfmadd231ps", "vaddss", "DWORD", "rip", "vzeroupper")),
    *(("nki", word) for word in ("nl.sbuf", "nl.psum", "nisa.nc_matmul", "nisa.dma_copy", "nl.shared_hbm")),
]  # fmt: skip
# The abbreviations of a language, by how they are written: each that stands in the fixture's texts has to be told.
ABBREVIATED = {
    "hlo": r"\b(?:bf16|pred|[fsu]\d+)(?=\[)|(?<=[:}])[ST]\([\d,]+\)(?:\([\d,]+\))*",
    "llvm": r"\bi\d+\b|\b(?:nuw|nsw|getelementptr|addrspace)\b",
    "asm": r"\b[xyz]mm\d+\b|\b[XYZDQ]\w*WORD\b|\bv\w+[ps][sd]\b",
    "tir": r"\bT\.(?:grid|sblock|reads|writes|init|prim_func|Buffer|axis\.remap|func_attr)\b|\bS+R+\b",
    "nki": r"\bnl\.(?:sbuf|psum|shared_hbm|hbm|ndarray)\b|\bnisa\.(?:dma|nc)_\w+",
    "bundles": r"(?<= )v(?:ld|st)\b|\b(?:vmem|sm)\b|\b[vs]\d+_[vs]\d+\b",
    "inductor": r"\b(?:buf|tmp|in_ptr|out_ptr|in_out_ptr)\d+\b",
}

# A few lines of real texts of languages that the fixture has none of.
KEPT = {
    "llvm": "%9 = getelementptr inbounds nuw i8, ptr %0, i64 4\n%c = load <8 x float>, ptr addrspace(1) %9",
    "asm": "vfmadd231ps zmm0, zmm1, ZMMWORD PTR [rdi]\nvaddss xmm1, xmm1, DWORD PTR [rip+0x1c]\nvmovups ymm2, ymm0",
    "bundles": "{ %126 = vst [vmem:[%s2981_s11 + $0x8] sm:$0xff] %v125_v1  ;;  %v135_v6 = vld [vmem:[%s2985_s12]] }",
}


def texts() -> list[tuple[str, str]]:
    """(dialect, text) of the page's fixture."""
    found = []
    for record in FIXTURE.glob("*.json"):
        for ref in json.loads(record.read_text(encoding="utf-8"))["artifacts"]:
            path = FIXTURE / "artifacts" / f"{ref['sha256']}.txt"
            found.append((ref["dialect"].split(":")[0], path.read_text(encoding="utf-8")))
    return found


@pytest.mark.parametrize(("dialect", "word"), SEEN, ids=lambda one: one)
def test_a_word_of_a_real_text_is_explained(dialect: str, word: str) -> None:
    said = words(dialect).find(word)
    assert said is not None
    assert any(one.words == said[1] for one in explain(word)), "and `oneblock explain` says the same"


def test_abbreviations_of_the_fixtures_texts_are_explained() -> None:
    looked = dict.fromkeys(ABBREVIATED, 0)
    for dialect, text in [*texts(), *KEPT.items()]:
        if dialect in ABBREVIATED:
            for word in sorted(set(re.findall(ABBREVIATED[dialect], text))):
                assert words(dialect).find(word), f"{dialect}: {word}"
                looked[dialect] += 1
    assert all(looked.values()), looked


def test_what_is_no_term_is_not_explained() -> None:
    for dialect, word in (("bundles", "lhs"), ("hlo", "a__x__.1"), ("asm", "module_main"), ("ptx", "attention")):
        assert words(dialect).find(word) is None, word
    with pytest.raises(LookupError, match="unknown term 'vmatmull'; did you mean 'vmatmul'"):
        explain("vmatmull")


def test_each_language_has_words_and_finds_each_by_its_own_name() -> None:
    assert {name for name in names() if words(name).told} >= TOLD
    for language in languages():
        for name, told in language.told.items():
            assert language.find(name.replace("*", "x")) is not None, name
            assert told.strip() == told != ""
            assert not told.endswith("."), name


def test_the_glossary_has_every_term() -> None:
    page = " ".join(GLOSSARY.read_text(encoding="utf-8").split())
    for one in explanations():
        assert f"{one.name} {' '.join(one.words.split())}" in page, f"{one.name}: python ci/shown.py docs/glossary.md"


def test_a_page_has_the_words_of_its_stages(study: Path) -> None:  # noqa: F811
    text = re.findall(r'<script type="application/json" id="stages">(.*?)</script>', study.read_text(), re.DOTALL)[0]
    told = json.loads(text)["words"]
    for cell in cells(study):
        for stage in cell["stages"]:
            assert told[stage["words"]] == dict(words(stage["dialect"]).told)


PLACE = """(wanted) => {
  for (const code of document.querySelectorAll("#pane-l .line code")) {
    const text = code.textContent, at = text.indexOf(wanted);
    if (at < 0 || /\\w/.test(text[at - 1] ?? "") || /\\w/.test(text[at + wanted.length] ?? "")) continue;
    const range = document.createRange(), walk = document.createTreeWalker(code, NodeFilter.SHOW_TEXT);
    let before = 0;
    for (let node = walk.nextNode(); node; before += node.data.length, node = walk.nextNode()) {
      if (at >= before && at < before + node.data.length) range.setStart(node, at - before);
      const end = at + wanted.length - before;
      if (end > 0 && end <= node.data.length) range.setEnd(node, end);
    }
    const box = range.getBoundingClientRect(), edge = code.closest(".lines").getBoundingClientRect();
    if (box.top > edge.top && box.bottom < edge.bottom && box.right < edge.right - 20)
      return [(box.left + box.right) / 2, (box.top + box.bottom) / 2, code.closest(".line").id];
  }
  return null;
}"""


def hovered(page: Any, wanted: str) -> str:
    """What the page says of a word that is in sight on the left, where the pointer is on its middle."""
    place = page.evaluate(PLACE, wanted)
    assert place is not None, f"{wanted} is in sight"
    page.mouse.move(place[0], place[1])
    return str(page.evaluate("(id) => document.getElementById(id).title", place[2]))


def test_the_explorer_says_what_the_word_under_the_pointer_means(tab: Tab, study: Path) -> None:  # noqa: F811
    of = next(cell for cell in cells(study) if cell["label"].startswith("tvm_relax "))
    page = tab.open(f"l={of['id']}.tir-scheduled")
    page.locator("#pane-l").scroll_into_view_if_needed()
    told: Words = words("tir-scheduled")
    for word in ("T.sblock", "T.grid", "T.prim_func"):
        assert hovered(page, word) == f"{word}: {told.told[word]}"
    assert hovered(page, "Module") == "", "what is no term has no explanation"


def test_the_page_finds_what_explain_finds(browser: Any, tmp_path: Path) -> None:  # noqa: F811
    """Of each language a text with its words, one a line, in a page of their own."""
    told: dict[str, list[str]] = {}
    for dialect, word in SEEN:
        if "." not in word:
            told.setdefault(dialect, []).append(word)
    kept(tmp_path, *((dialect, "\n".join([*of, "lhs"])) for dialect, of in told.items()))
    write([tmp_path], tmp_path / "page.html", "Words")
    made = Tab(browser, tmp_path / "page.html", viewport={"width": 1440, "height": 1400})
    for dialect, of in told.items():
        made.page.goto("about:blank")
        page = made.open(f"l=0.{dialect}")
        page.locator("#pane-l").scroll_into_view_if_needed()
        for word in of:
            name, meaning = words(dialect).find(word) or ("", "")
            assert hovered(page, word) == f"{name}: {meaning}", f"{dialect}: {word}"
        assert hovered(page, "lhs") == ""
    made.quiet()
    made.context.close()


@pytest.mark.parametrize("chip", pictures.PICTURES)
def test_a_picture_is_what_its_figures_draw_and_names_units_that_are_terms(chip: str) -> None:
    drawn = (GLOSSARY.parent / "pictures" / f"{chip}.svg").read_text(encoding="utf-8")
    assert drawn == pictures.PICTURES[chip]().svg(), "python ci/pictures.py writes it anew"
    assert f"(pictures/{chip}.svg)" in GLOSSARY.read_text(encoding="utf-8")
    made = pictures.PICTURES[chip]()
    boxes = (*made.outside, *made.memories, *made.units)
    assert len(boxes) >= 7
    assert {box.name for box in boxes} <= {*TERMS}
    assert all(len(words) <= 26 for box in boxes for words, _ in box.said), "it would leave its box"
    for number in range(1, 1 + len(re.findall(r">\[\d+\] ", drawn))):
        assert f"'source'>[{number}]" in drawn, "a source that nothing refers to"
