"""The page in a browser: its parts, the Explorer's two panes against the dialects, the keyboard, no request."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from difflib import SequenceMatcher
from pathlib import Path
from random import Random
from typing import Any

import pytest

from oneblock import bench
from oneblock.bench.commands.report import write
from oneblock.bench.records.doubt import Cause, Doubt
from oneblock.bench.records.record import Record
from oneblock.bench.records.stages import context_of
from oneblock.bench.records.store import Store
from oneblock.compilers import Artifact, Stage, dialects
from oneblock.compilers.dialects import Lines, read
from tests.bench.report.test_report import record
from tests.bench.report.test_report_compiled import compiled, tpu_kernel
from tests.helpers.page_fixture import FIXTURE
from tests.helpers.stage_records import HLO, PLANTED, released, store

CHROMIUM = "/usr/bin/chromium"
WIDE, NARROW = {"width": 1440, "height": 900}, {"width": 360, "height": 780}
ABSENT = "it is not here; set ONEBLOCK_REQUIRE_BROWSER=1 to make that a failure"


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium by playwright; absent ones skip and say why, and ONEBLOCK_REQUIRE_BROWSER=1 makes that a failure."""
    why = None if Path(CHROMIUM).exists() else f"{CHROMIUM}: {ABSENT}"
    try:
        from playwright.sync_api import sync_playwright
    except ModuleNotFoundError:
        why = f"playwright: {ABSENT}"
    if why:
        if os.environ.get("ONEBLOCK_REQUIRE_BROWSER") == "1":
            pytest.fail(why)
        pytest.skip(why)
    with sync_playwright() as started:
        found = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()


class Tab:
    """A page with what it said and asked for."""

    def __init__(self, browser: Any, file: Path, **options: Any) -> None:
        self.context = browser.new_context(**({"viewport": WIDE} | options))
        self.page, self.file = self.context.new_page(), file
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: self.said.append(f"{message.type}: {message.text}"))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))

    def open(self, view: str = "") -> Any:
        """The page at a view, the Explorer's panes filled."""
        self.page.goto(f"{self.file.as_uri()}#{view}")
        self.page.wait_for_selector("#explore[data-ready]")
        return self.page

    def quiet(self) -> None:
        """Nothing was said on the console, and nothing asked of the network; data: is in the page."""
        assert self.said == []
        assert {url.split("#")[0] for url in self.asked if not url.startswith(("data:", "blob:"))} == {
            self.file.as_uri()
        }


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "study.html"
    write([FIXTURE], path, "A study")
    return path


@pytest.fixture
def tab(browser: Any, study: Path) -> Iterator[Tab]:
    made = Tab(browser, study)
    yield made
    made.quiet()
    made.context.close()


def cells(study: Path) -> list[dict[str, Any]]:
    """The Explorer's cells as the page has them."""
    text = re.findall(r'<script type="application/json" id="stages">(.*?)</script>', study.read_text(), re.DOTALL)[0]
    found: list[dict[str, Any]] = json.loads(text)["cells"]
    return found


def cell_of(study: Path, backend: str) -> dict[str, Any]:
    return next(cell for cell in cells(study) if cell["label"].startswith(f"{backend} "))


def recorded(backend: str) -> tuple[Path, Record]:
    records, problems = Store(FIXTURE).records()
    assert not problems
    return next((path, record) for path, record in records if record.cell.backend == backend)


def expected(backend: str, dialect: str) -> Lines:
    """What compilers/dialects say of a stage of the fixture."""
    path, record = recorded(backend)
    sha = next(ref.sha256 for ref in record.artifacts if ref.dialect == dialect)
    text = Store(FIXTURE).artifact_path(sha).read_text()
    lines = read(dialect, text, context_of(record, Store(path.parent)))
    assert lines is not None
    return lines


def until(page: Any, condition: str) -> None:
    """Wait for it; playwright's own waiting evaluates text in the page, which the page's policy forbids."""
    for _ in range(100):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(50)
    pytest.fail(f"never came true: {condition}")


def in_sight(page: Any, side: str) -> dict[int, bool]:
    """The lines that are in the document, and which of them are marked."""
    rows = page.eval_on_selector_all(
        f"#pane-{side} .line", "all => all.map(one => [Number(one.dataset.line), one.ariaSelected === 'true'])"
    )
    return {int(line): bool(on) for line, on in rows}


def test_each_part_renders(tab: Tab, study: Path) -> None:
    page = tab.open()
    for part in ("answers", "doubts", "matrix", "subjects", "roofline", "explorer", "reproduce", "how", "environment"):
        assert page.locator(f"#{part}").count() == 1, part
    assert page.locator("#filters select").count() == 6
    page.locator("#roofline").scroll_into_view_if_needed()
    page.wait_for_selector(".chart svg")
    assert page.locator(".side").count() == 2
    assert "records" in str(page.locator("dl.run").text_content())
    shares = re.findall(r"[\d.]+ %", " ".join(page.locator(".meta b:visible").all_inner_texts()))
    assert shares
    assert all(float(share.split()[0]) >= 90 for share in shares)


TOOLCHAINS = [
    ("jax_xla", "hlo"), ("jax_xla", "stablehlo"), ("torch_inductor", "fx"), ("torch_inductor", "inductor"),
    ("tvm_relax", "tir"), ("tvm_relax", "relax"), ("neuron_nki", "nki-trace"), ("neuron_nki", "nki:linear"),
]  # fmt: skip


@pytest.mark.parametrize("step", ["norm1", "attention", "mlp"])
@pytest.mark.parametrize(("backend", "dialect"), TOOLCHAINS, ids=lambda one: one.replace(":", "-"))
def test_a_step_chosen_in_one_pane_marks_the_right_lines_in_the_other(
    tab: Tab, study: Path, backend: str, dialect: str, step: str
) -> None:
    other = ("jax_xla", "hlo") if backend != "jax_xla" else ("torch_inductor", "fx")
    left, right = cell_of(study, other[0])["id"], cell_of(study, backend)["id"]
    page = tab.open(f"l={left}.{other[1]}&r={right}.{dialect}&step=proj")
    page.click(f".steps [data-step={step}]")
    for side, lines in (("l", expected(*other)), ("r", expected(backend, dialect))):
        marked = [line for line, steps in enumerate(lines.steps) if step in steps]
        if not marked:
            assert not any(in_sight(page, side).values())
            continue
        page.wait_for_selector(f"#pane-{side}-{marked[0]}[aria-selected=true]")  # it scrolled to the first
        for _ in range(3):
            seen = in_sight(page, side)
            assert seen == {line: step in lines.steps[line] for line in seen if line < len(lines.steps)}
            page.evaluate(f"document.getElementById('pane-{side}').scrollTop += 700")
            page.wait_for_timeout(60)


def test_a_line_chosen_in_one_pane_chooses_its_step_in_both(tab: Tab, study: Path) -> None:
    left, right = cell_of(study, "torch_inductor")["id"], cell_of(study, "jax_xla")["id"]
    page = tab.open(f"l={left}.fx&r={right}.hlo&step=norm1")
    lines = expected("torch_inductor", "fx")
    line = next(n for n, steps in enumerate(lines.steps) if steps == ("rope",))
    page.evaluate(f"document.getElementById('pane-l').scrollTop = {19 * line - 60}")
    page.click(f"#pane-l-{line} code", position={"x": 2, "y": 8})
    assert page.get_attribute(".steps [data-step=rope]", "aria-pressed") == "true"
    first = next(n for n, steps in enumerate(expected("jax_xla", "hlo").steps) if "rope" in steps)
    page.wait_for_selector(f"#pane-r-{first}[aria-selected=true]")
    assert "step=rope" in page.url


OF_ALL_LANGUAGES = """HloModule m, is_scheduled=true  // a remark
  ROOT %a.4 = bf16[2,3]{1,0:T(8,128)} add(%x, %y), metadata={op_name="jit(é)/n\\"orm"} /*index=5*/ # [f] é1 1é
    %3:2 = stablehlo.dot_general %0, %arg1 : tensor<4x8xf32> loc(#loc1)
    n:f32[1,128] = pjit[name=f] m 1e-05 0xFF -3.5
  \ttmp0 = R.matmul(buf1, arg2)  # step: mlp
#pragma omp; // C
@"call" = fadd <8 x float> %5, -0.0 ; nounwind !dbg
\t@%p1 ld.global.v4.b32 \t{ %r1 }, [ %rd1+16 ];
        /*0010*/                   @!P0 HMMA.16816.F32 R4, R8, UR2 ;
  12a0:\tvfmadd231ps (%rax), %ymm1, %ymm2
\tv_mfma_f32_32x32x8f16 v[0:15], s2 # éé
{"name": "dma", "ts": 1.5e+3, "ok": true}
\"\"\" 'not closed
"""


def test_a_line_has_the_tokens_on_the_page_that_it_has_at_the_terminal(browser: Any, tmp_path: Path) -> None:
    """One expression a kind is read by two languages: in each, for each lexer, it must find the same."""
    by_lexer = {dialects.lexer(name): name for name in dialects.names()}
    store(tmp_path / "records", record("jax_xla"), **dict.fromkeys(by_lexer.values(), OF_ALL_LANGUAGES))
    write([tmp_path / "records"], tmp_path / "page.html", "Of all languages")
    tab = Tab(browser, tmp_path / "page.html")
    for lexer, name in by_lexer.items():
        tab.page.goto("about:blank")
        page = tab.open(f"l=0.{name}")
        parts = "[...one.childNodes].map(part => [part.className?.slice(2) ?? null, part.textContent])"
        rows = page.eval_on_selector_all("#pane-l .line code", f"all => all.map(one => {parts})")
        assert rows == [[list(token) for token in lexer.tokens(line)] for line in OF_ALL_LANGUAGES.splitlines()], name
        assert len({kind for row in rows for kind, _ in row}) > 2, f"{name}: next to nothing has a colour"
    tab.quiet()
    tab.context.close()


def test_the_keyboard_reaches_everything(tab: Tab, study: Path) -> None:
    page = tab.open(f"l={cell_of(study, 'jax_xla')['id']}.hlo&step=norm1")
    page.focus("#pane-l")
    page.keyboard.press("4")
    assert page.get_attribute(".steps [data-step=attention]", "aria-pressed") == "true"
    lines = expected("jax_xla", "hlo")
    on = ["attention" in steps for steps in lines.steps]
    starts = [n for n, now in enumerate(on) if now and (n == 0 or not on[n - 1])]
    cursor = "document.getElementById('pane-l').getAttribute('aria-activedescendant')"
    page.keyboard.press("n")
    assert page.evaluate(cursor) == f"pane-l-{starts[1]}"
    page.keyboard.press("p")
    assert page.evaluate(cursor) == f"pane-l-{starts[0]}"
    page.keyboard.press("ArrowDown")
    assert page.evaluate(cursor) == f"pane-l-{starts[0] + 1}"
    page.keyboard.press("Home")
    page.keyboard.press("/")
    page.keyboard.type("fusion")
    assert re.fullmatch(r"1 of \d+", page.locator(".side .hits").first.inner_text())
    page.keyboard.press("Enter")
    assert page.locator(".side .hits").first.inner_text().startswith("2 of ")
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.id") == "pane-l"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement !== document.body")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"


def test_a_view_is_in_the_address(tab: Tab, study: Path) -> None:
    tvm = cell_of(study, "tvm_relax")["id"]
    page = tab.open(f"l={tvm}.tir&r={tvm}.relax&step=mlp&rv=graph")
    lines = expected("tvm_relax", "relax")
    assert page.locator(".graph .node.on").count() == sum(
        (steps or ("",))[0] == "mlp" and is_one for steps, is_one in zip(lines.steps, lines.operations, strict=True)
    )
    page.select_option("[aria-label='left: stage']", index=0)
    until(page, f"location.hash.includes('l={tvm}.relax')")


def test_passes_show_what_changed_and_hide_what_did_not(tab: Tab, study: Path) -> None:
    cell = cell_of(study, "tvm_relax")
    page = tab.open(f"l={cell['id']}.relax&lv=passes")
    shown = page.locator("[aria-label=pass] option")
    assert shown.count() == len(cell["passes"]) - 1
    page.select_option("[aria-label=pass]", index=1)
    until(page, "document.querySelector('.meta').textContent.includes('added')")
    added, removed = map(int, re.findall(r"(\d+) (?:lines added|removed)", page.locator(".meta").first.inner_text()))
    assert added - removed == cell["passes"][1]["lines"] - cell["passes"][0]["lines"]
    assert page.locator("#pane-l .line.added").count() > 0
    page.check(".passes input")
    assert shown.count() == len(cell["passes"])


def test_the_same_stage_of_two_releases_is_a_difference(browser: Any, tmp_path: Path) -> None:
    released(tmp_path, "0.0.51", HLO)
    released(tmp_path, "0.0.52", PLANTED)
    store(tmp_path, record("torch_inductor"), hlo=HLO)  # of no release: it has no such view
    write([tmp_path], tmp_path / "page.html", "Releases")
    tab = Tab(browser, tmp_path / "page.html")
    ids = {cell.get("release"): cell["id"] for cell in cells(tab.file)}
    page = tab.open(f"l={ids['libtpu-0.0.52']}.hlo&lv=releases&r={ids[None]}.hlo")
    assert page.locator("[aria-label=against] option").all_inner_texts() == ["libtpu-0.0.51"]
    assert "libtpu-0.0.51: 1 lines added, 1 removed" in page.locator(".meta").first.inner_text()
    assert "subtract" in page.locator("#pane-l .line.added").inner_text()
    assert "releases" not in page.locator("[aria-label='right: view'] option").all_inner_texts()
    tab.quiet()
    tab.context.close()


@pytest.mark.parametrize("seed", range(4))
def test_the_difference_of_two_texts_makes_one_of_the_other(browser: Any, seed: int) -> None:
    """Held against difflib, which may need more edits and never fewer than the shortest script."""
    random = Random(seed)
    a = [random.choice("abcdef") for _ in range(random.randrange(60))]
    b = [one for one in a if random.random() > 0.2] + [random.choice("abz") for _ in range(random.randrange(9))]
    page, source = browser.new_page(), Path(bench.__file__).parent.joinpath("report", "assets", "diff.js").read_text()
    found = page.evaluate(f"(([a, b]) => {{ {source}; return edits(a, b); }})", [a, b])
    page.close()
    assert [a[x] for kind, x, _ in found if kind != "+"] == a
    assert [b[y] for kind, _, y in found if kind != "-"] == b
    assert all(a[x] == b[y] for kind, x, y in found if kind == " ")
    blocks = SequenceMatcher(None, a, b, autojunk=False).get_matching_blocks()
    assert sum(kind != " " for kind, _, _ in found) <= len(a) + len(b) - 2 * sum(block.size for block in blocks)


def test_filters_hide_rows_and_never_failures(tab: Tab) -> None:
    page = tab.open()
    rows = page.locator("section[aria-labelledby=subjects] tbody tr[data-backend]:visible")
    before = rows.count()
    page.select_option("#filters [name=backend]", "jax_xla")
    assert 0 < rows.count() < before
    assert page.locator("section[aria-labelledby=matrix] thead th:visible").count() == 2
    parts = page.locator("section[aria-labelledby=matrix] .part > summary:visible").all_inner_texts()
    assert parts == ["cpu cold median, ms 1 subject"]
    assert "f.backend=jax_xla" in page.url
    assert page.locator("section[aria-labelledby=doubts]").is_visible()
    page.click("text=show all")
    assert rows.count() == before


def test_the_answer_is_on_the_first_screen_and_follows_the_filters(tab: Tab) -> None:
    page = tab.open()
    way = page.locator(".answer .way:visible")
    assert way.count() == 1
    assert way.locator(".track").bounding_box()["y"] < WIDE["height"]
    assert way.get_attribute("data-backend") == "tvm_relax"
    page.select_option("#filters [name=backend]", "jax_xla")
    assert way.get_attribute("data-backend") == "jax_xla"
    page.select_option("#filters [name=backend]", "neuron_nki")
    assert way.count() == 0, "what was interpreted has no time"
    page.click("text=show all")
    assert way.get_attribute("data-backend") == "tvm_relax"


def test_plots_follow_the_filters_and_come_back(tab: Tab) -> None:
    page = tab.open()
    page.locator("#roofline").scroll_into_view_if_needed()
    points = (
        "document.querySelectorAll('section[aria-labelledby=roofline] .chart path[aria-label*=\"backend: \"]').length"
    )
    until(page, f"{points} === 3")
    page.select_option("#filters [name=backend]", "tvm_relax")
    until(page, f"{points} === 1")
    page.select_option("#filters [name=backend]", "neuron_nki")
    page.get_by_text("Nothing of this plot passes the filters.").first.wait_for()
    page.click("text=show all")
    until(page, f"{points} === 3")


def test_the_index_stays_in_sight_and_the_explorer_comes_before_the_tables(tab: Tab) -> None:
    page = tab.open()
    top = "document.getElementById('{}').getBoundingClientRect().top"
    assert page.evaluate(f"{top.format('explorer')} < {top.format('subjects')}")
    at = "document.querySelector('nav.index [aria-current]').hash"
    # A scroll is told by an event that comes when it comes, and plots drawn meanwhile move the end.
    end = "scrollTo({ top: document.body.scrollHeight, behavior: 'instant' })"
    until(page, f"({end}, {at}) === '#environment'")
    box = page.locator("nav.index").bounding_box()
    assert box is not None
    assert 0 <= box["y"] < 5
    page.click("nav a[href='#subjects']")
    until(page, f"{at} === '#subjects'")


ONE_STEP = 'HloModule m\n%e = f32[4]{0} exponential(%x), metadata={op_name="jit(block)/attention/exp"}\n'


def test_the_explorer_begins_with_one_step_before_and_after_one_compiler(browser: Any, tmp_path: Path) -> None:
    """Not with the first cell, whose texts are of that step alone, as those of a kernel are: all would be marked."""
    shutil.copytree(FIXTURE, tmp_path / "records")
    kept = Store(tmp_path / "records")
    texts = [Artifact(stage, "hlo", ONE_STEP) for stage in (Stage.LOWERED, Stage.OPTIMIZED)]
    kept.add(replace(record("a_kernel"), artifacts=tuple(map(kept.add_artifact, texts))))
    write([kept.directory], tmp_path / "page.html", "A kernel first")
    assert cells(tmp_path / "page.html")[0]["label"].startswith("a_kernel")
    tab = Tab(browser, tmp_path / "page.html")
    page = tab.open()
    left, right = (
        page.locator(f"[aria-label='{side}: cell'] option:checked").inner_text() for side in ("left", "right")
    )
    assert left == right
    assert left.startswith("prefill T16 · jax_xla"), "a name tells the phase: once chosen it is under no heading"
    stages = [page.locator(f"[aria-label='{side}: stage'] option:checked").inner_text() for side in ("left", "right")]
    assert stages[0].startswith("lowered")
    assert stages[1].startswith("optimized")
    assert any(in_sight(page, "l").values())
    assert any(in_sight(page, "r").values())
    tab.quiet()
    tab.context.close()


def test_a_search_scrolls_to_its_hit_in_a_long_line(browser: Any, tmp_path: Path) -> None:
    store(tmp_path / "records", record("jax_xla"), hlo=f"HloModule m\n{'x' * 900} needle y\n")
    write([tmp_path / "records"], tmp_path / "page.html", "Long")
    tab = Tab(browser, tmp_path / "page.html")
    page = tab.open("l=0.hlo")
    page.locator("[aria-label='left: search']").fill("needle")
    # Waited for: lines are drawn anew as the box scrolls, and a mark that is gone by then has no place.
    page.wait_for_function(
        """() => {
            const place = of => document.querySelector(of)?.getBoundingClientRect();
            const mark = place("#pane-l mark"), box = place("#pane-l");
            return mark && box.left < mark.left && mark.left < mark.right && mark.right < box.right;
        }""",
        timeout=10_000,
    )
    tab.quiet()
    tab.context.close()


def test_a_link_unfolds_what_it_leads_to(browser: Any, tmp_path: Path) -> None:
    doubted = replace(record("jax_xla"), doubts=(Doubt(Cause.CORES_SHARED, "the load average was 9"),))
    store(tmp_path / "records", doubted, hlo="HloModule m\n")
    write([tmp_path / "records"], tmp_path / "page.html", "Doubted")
    tab = Tab(browser, tmp_path / "page.html")
    page = tab.open()
    words = page.get_by_text("the load average was 9")
    assert not words.is_visible()
    page.click(".answer a.odd")
    assert words.is_visible()
    tab.quiet()
    tab.context.close()


def test_a_table_is_sorted_by_a_column(tab: Tab) -> None:
    page = tab.open()
    table = page.locator("section[aria-labelledby=subjects] table.wide").first
    head = table.locator("th", has_text="peak RSS").first
    for direction in ("ascending", "descending"):
        head.locator("button").click()
        assert head.get_attribute("aria-sort") == direction
        found = table.locator("tbody tr").evaluate_all("rows => rows.map(row => row.cells[8]?.textContent.trim())")
        numbers = [float(text.replace(",", "")) for text in found if text and re.match(r"[\d,.]+$", text)]
        assert len(numbers) > 1
        assert numbers == sorted(numbers, reverse=direction == "descending")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["1440", "360"])
def test_nothing_is_wider_than_the_window(browser: Any, study: Path, scheme: str, size: dict[str, int]) -> None:
    tab = Tab(browser, study, viewport=size, color_scheme=scheme)
    page = tab.open()
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    assert page.locator("#pane-l .line").first.is_visible()
    tab.quiet()
    tab.context.close()


CUT = """() => [...document.querySelectorAll(".chart svg")].flatMap((svg) => {
  const open = getComputedStyle(svg).overflow === "visible";
  const edge = open ? new DOMRect(0, 0, innerWidth) : svg.getBoundingClientRect();
  const out = (at) => at.left < edge.left || at.right > edge.right;
  const cut = [...svg.querySelectorAll("text")].filter((one) => out(one.getBoundingClientRect()));
  return cut.map((one) => one.textContent);
})"""


def test_no_text_of_a_plot_is_cut_in_a_narrow_window(browser: Any, tmp_path: Path) -> None:
    slots = (tpu_kernel("multiply_reduce_fusion.1", {"MXU": 0.9, "SALU": 0.1, "VSTORE:SPILL": 0.2}, 100.0),)
    for target in ("tpu:v5e", "tpu:v6e"):
        store(tmp_path / "records", compiled(target, calls=slots), hlo="HloModule m\n")
    store(tmp_path / "records", record("torch_inductor"))
    write([tmp_path / "records"], tmp_path / "page.html", "Narrow")
    tab = Tab(browser, tmp_path / "page.html", viewport={"width": 390, "height": 780})
    page = tab.open()
    for place in page.locator(".chart").all():
        place.scroll_into_view_if_needed()
    until(page, "[...document.querySelectorAll('.chart')].every(one => one.querySelector('svg'))")
    assert page.locator(".chart").count() > 4
    assert page.evaluate(CUT) == []
    tab.context.close()


def test_hostile_and_long_texts_are_text_and_few_elements(browser: Any, tmp_path: Path) -> None:
    shutil.copytree(FIXTURE, tmp_path / "records")
    store = Store(tmp_path / "records")
    hostile = "%0 = \x1b[31mf32[1]{0} add(%a, %b) </script><script>window.hurt = 1</script><img src=x onerror=alert(1)>"
    long = "\n".join(["HloModule m", hostile, *(f"a{n}" for n in range(20_000))])
    path = next(store.directory.glob("*jax_xla*.json"))
    record = json.loads(path.read_text())
    ref = store.add_artifact(Artifact(Stage.OPTIMIZED, "hlo", long))
    record["artifacts"] = [{"stage": ref.stage, "dialect": "hlo", "sha256": ref.sha256, "bytes": ref.bytes}]
    path.write_text(json.dumps(record))
    write([store.directory], tmp_path / "page.html", "<script>window.hurt = 2</script>")
    tab = Tab(browser, tmp_path / "page.html")
    page = tab.open(f"l={cell_of(tmp_path / 'page.html', 'jax_xla')['id']}.hlo")
    assert "<img src=x" in page.locator("#pane-l-1").inner_text()
    assert "\x1b" not in page.locator("#pane-l-1").inner_text()
    page.focus("#pane-l")
    page.keyboard.press("End")
    assert page.locator("#pane-l .line").last.inner_text().endswith("a19999")
    assert page.locator("#pane-l .line").count() < 120
    assert page.evaluate("window.hurt === undefined")
    tab.quiet()
    tab.context.close()


def stage_of(page: Any) -> str:
    return str(page.locator("[aria-label='left: stage'] option:checked").inner_text())


def view(page: Any, name: str) -> None:
    page.select_option("[aria-label='left: view']", name)
    until(page, f"document.querySelector('#explore .drawing').hidden === {str(name != 'graph').lower()}")


def rows(page: Any) -> list[str]:
    """The steps of the left table, in its order."""
    found: list[str] = (
        page.locator(".below").first.locator("tbody tr").evaluate_all("all => all.map(r => r.dataset.step)")
    )
    return found


def test_a_graph_is_of_the_stage_that_is_shown(tab: Tab, study: Path) -> None:
    page = tab.open(f"l={cell_of(study, 'jax_xla')['id']}.hlo")
    view(page, "graph")
    assert "hlo" in stage_of(page)
    assert page.locator(".graph .node").count() == sum(expected("jax_xla", "hlo").operations)


def test_a_stage_without_operations_lends_the_graph_and_comes_back_with_the_text(tab: Tab, study: Path) -> None:
    page = tab.open(f"l={cell_of(study, 'tvm_relax')['id']}.passes")
    view(page, "graph")
    assert stage_of(page).startswith("graph · relax")
    view(page, "text")
    until(page, "location.hash.includes('.passes')")
    assert stage_of(page).startswith("optimized · passes")
    view(page, "graph")
    page.select_option("[aria-label='left: stage']", label=next(iter(page.locator(
        "[aria-label='left: stage'] option").all_inner_texts())))  # fmt: skip
    view(page, "text")
    assert stage_of(page).startswith("graph · relax")  # it was chosen, so it stays


def test_buttons_count_operations_and_have_a_dash_for_what_is_not_read(tab: Tab, study: Path) -> None:
    jax, tvm = cell_of(study, "jax_xla")["id"], cell_of(study, "tvm_relax")["id"]
    page = tab.open(f"l={jax}.hlo&r={tvm}.passes")
    lines = expected("jax_xla", "hlo")
    for step in ("mlp", "rope"):
        count = sum(step in steps and one for steps, one in zip(lines.steps, lines.operations, strict=True))
        assert page.locator(f".steps [data-step={step}] small").inner_text() == f"{count} | –"
    assert page.locator(".steps [data-step=none] small").inner_text() == "0 | –"
    assert page.locator(".steps .unit").inner_text() == "operations, left | right"


def test_beside_a_pass_there_are_no_counts_of_another_text(tab: Tab, study: Path) -> None:
    tvm = cell_of(study, "tvm_relax")["id"]
    page = tab.open(f"l={tvm}.tir&r={tvm}.tir")
    heads = page.locator(".below").first.locator("thead")
    assert "this stage" in heads.inner_text()
    page.select_option("[aria-label='left: view']", "passes")
    until(page, "document.querySelector('.steps [data-step=mlp] small').textContent.trim().startsWith('–')")
    assert "this stage" not in heads.inner_text()
    assert "kernels" in heads.inner_text()
    page.click(".steps [data-step=norm1]")
    assert "this stage" not in heads.inner_text()


def test_fused_rows_come_after_the_steps_and_before_none(tab: Tab, study: Path) -> None:
    cell = cell_of(study, "tvm_relax")
    fused = [row[0] for row in cell["table"]["rows"] if " + " in row[0]]
    page = tab.open(f"l={cell['id']}.passes&step=rope")
    assert rows(page)[-len(fused) :] == fused
    assert page.locator(".below").first.locator("tr.on").evaluate_all("all => all.map(r => r.dataset.step)") == [
        name for name in ["rope", *fused] if "rope" in name and name in rows(page)
    ]
    page.select_option("[aria-label='left: stage']", index=1)
    until(page, "location.hash.includes('.tir')")
    assert rows(page)[-len(fused) - 1 :] == [*fused, "none"]


def test_a_link_to_a_part_keeps_the_state_of_the_page(tab: Tab, study: Path) -> None:
    page = tab.open(f"l={cell_of(study, 'tvm_relax')['id']}.tir&step=mlp")
    page.select_option("#filters [name=backend]", "jax_xla")
    page.click("nav a[href='#roofline']")
    until(page, "location.hash.includes('step=mlp') && location.hash.includes('f.backend=jax_xla')")
    until(page, "Math.abs(document.getElementById('roofline').getBoundingClientRect().top) < innerHeight")
    page.click(".steps [data-step=rope]")
    assert "f.backend=jax_xla" in page.url
    assert "step=rope" in page.url


DIFF = """([a, b]) => { SOURCE; const start = performance.now(), all = edits(a, b);
return [all.map(([kind]) => kind).join(""), all.replaced, hunks(a, b).replaced, performance.now() - start]; }"""


@pytest.mark.parametrize(("lines", "replaced"), [(300, False), (6000, True)])
def test_a_difference_is_given_up_early_and_says_so(browser: Any, lines: int, replaced: bool) -> None:
    """All lines differ: of the large ones the middle is replaced, within a time that does not block a tab."""
    a, b = ([f"{side}{n}" for n in range(lines)] for side in "ab")
    page, source = browser.new_page(), Path(bench.__file__).parent.joinpath("report", "assets", "diff.js").read_text()
    kinds, *said, took_ms = page.evaluate(DIFF.replace("SOURCE", source), [["same", *a, "end"], ["same", *b, "end"]])
    page.close()
    assert (kinds[0], kinds.count("-"), kinds.count("+"), kinds[-1]) == (" ", lines, lines, " ")
    assert said == [replaced, replaced]
    assert took_ms < 1500
