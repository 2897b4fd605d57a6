// The Explorer: two sides, one step. What is chosen in one shows in both.
class Side {
  constructor(key, place, chosen) {
    Object.assign(this, { key, chosen, data: null, step: null, found: [], wanted: "", view: "text" });
    const id = `pane-${key}`, name = key === "l" ? "left" : "right";
    this.cells = el("select", { "aria-label": `${name}: cell`, onchange: () => { this.fill(); this.open(); } }, ...groupedCells());
    this.stages = el("select", { "aria-label": `${name}: stage`, onchange: () => { this.back = null; this.open(); } });
    this.views = el("select", { "aria-label": `${name}: view`, onchange: () => this.turnTo(this.views.value) });
    this.search = el("input", { type: "search", placeholder: "search", "aria-label": `${name}: search`, spellcheck: "false",
      oninput: () => this.find(), onkeydown: (event) => this.searching(event) });
    this.hits = el("span", { class: "hits", role: "status" });
    this.meta = el("p", { class: "meta", role: "status" });
    this.box = el("div", { id, class: "lines", role: "listbox", tabindex: "0", "aria-label": `${name}: lines` });
    this.map = el("div", { class: "map", "aria-hidden": "true", onclick: (event) => this.rows.go(Math.floor(event.offsetY / this.map.clientHeight * this.rows.count), true) });
    this.list = el("div", { class: "passes", hidden: true });
    this.drawing = el("div", { class: "drawing", hidden: true, tabindex: "0", role: "region", "aria-label": `${name}: graph` });
    this.below = el("div", { class: "below" });
    this.root = el("section", { class: "side", "aria-label": `${name} pane` }, el("div", { class: "heads" }, this.cells, this.stages, this.views, this.search, this.hits),
      this.meta, this.list, el("div", { class: "body" }, this.box, this.map), this.drawing, this.below);
    place.append(this.root);
    this.rows = new Rows(this.box, (line) => this.picked(line));
    this.box.addEventListener("mousemove", (event) => meant(event, this.words));
  }

  get cell() { return STUDY.cells[Number(this.cells.value)]; }
  get stage() { return this.cell.stages[Number(this.stages.value)]; }

  fill(dialect) {
    const { cell } = this;
    this.back = null; // the stage that lent its place to a graph
    const options = cell.stages.map((stage, n) => el("option", { value: n },
      `${stage.stage} · ${stage.dialect}${stage.share === undefined || stage.share === null ? "" : ` · ${percent(stage.share)}${byKernel(stage)}`}${stage.text === undefined ? " · not in the page" : ""}`));
    const others = options.filter((_, n) => cell.stages[n].other); // the last
    this.stages.replaceChildren(...options.slice(0, options.length - others.length), ...others.length ? [el("optgroup", { label: `the compiler's other files (${others.length})` }, ...others)] : []);
    const at = cell.stages.findIndex((stage) => stage.dialect === dialect);
    const usual = this.view === "graph" ? cell.stages.findIndex((stage) => stage.stage === "graph" && stage.text !== undefined) : telling(cell, this.step);
    this.stages.value = String(at >= 0 ? at : Math.max(0, usual));
    const views = ["text", "graph", ...(cell.passes.length ? ["passes"] : []), ...(releaseList(cell).length ? ["releases"] : [])];
    if (!views.includes(this.view)) this.view = "text";
    this.views.replaceChildren(...views.map((view) => el("option", { value: view }, view === "passes" ? `passes (${cell.passes.length})` : view)));
    this.views.value = this.view;
  }

  // A graph needs operations: of a stage that has none known, the compiler's own graph is drawn, until another view is asked for.
  async turnTo(view) {
    this.view = view;
    const data = await opened(this.stage);
    if (view !== this.view) return;
    const graph = this.cell.stages.findIndex((stage) => stage.stage === "graph" && stage.text !== undefined && stage.operations > 0);
    if (view === "graph" && graph >= 0 && !data.operation.some(Boolean)) [this.back, this.stages.value] = [this.back ?? this.stages.value, String(graph)];
    else if (view !== "graph" && this.back) [this.back, this.stages.value] = [null, this.back];
    this.open();
  }

  // The stage whose lines are counted beside and above the text; none beside a pass, which is another text.
  get counted() { return this.compares ? null : this.stage; }

  // Whether what is shown is a difference: of a pass, or of the same stage with another release.
  get compares() { return this.view === "passes" || this.view === "releases"; }

  // Shows what the selects say; `line` is where to be, or else the chosen step's first.
  async open(line = null) {
    const { stage, view } = this, turn = this.turn = (this.turn ?? 0) + 1;
    const data = await opened(stage);
    if (turn !== this.turn) return;
    Object.assign(this, { data, lexer: stage.lexer, words: stage.words });
    this.list.hidden = !this.compares;
    this.stages.disabled = view === "passes";
    this.search.disabled = view !== "text";
    this.drawing.hidden = view !== "graph";
    this.box.parentElement.hidden = view === "graph";
    this.describe();
    if (view === "passes") this.passes(passList(this.cell), "after pass ");
    else if (view === "releases") this.passes(releaseList(this.cell, stage), "against ");
    else {
      if (view === "graph") this.graph();
      const widest = Math.max(0, ...chunked(data.lines.map((one) => one.length)));
      this.box.scrollTop = 0;
      this.rows.cursor = 0;
      this.rows.set(data.lines.length, widest, (at) => this.line(at));
      this.find(false);
      this.minimap();
      if (line !== null) this.rows.go(line, true); else this.first();
    }
    this.chosen(this, false);
  }

  describe() {
    const { stage, cell } = this, counts = `${(stage.lines ?? 0).toLocaleString("en")} lines, ${size(stage.bytes)}`;
    const read = stage.counts ? [el("b", {}, `${percent(stage.share)}${byKernel(stage)}`), ` of ${stage.operations} operations attributed to a step`] : ["no step attribution for this dialect"];
    const kind = cell.kind ? `; the record is ${cell.kind}` : "";
    const cut = stage.shown ? [el("strong", { class: "odd" }, ` Cut at line ${stage.shown.toLocaleString("en")}: the whole text is in `), el("a", { href: stage.beside }, stage.beside), "."] : [];
    this.meta.replaceChildren(el("b", { class: "printed" }, `${named(cell)}, ${stage.stage}: ${stage.dialect}. `), ...stage.absent ? [el("strong", { class: "odd" }, `Not shown: ${stage.absent}.`), ...stage.counts ? [" ", ...read, "."] : []] : [`${counts}; `, ...read, kind, ".", ...cut]);
    this.below.replaceChildren(numbers(cell, this.counted, this.step));
  }

  line(at) {
    const { data, step } = this, text = data.lines[at], steps = data.of(at), on = Boolean(step) && data.known && belongs(data, at, step);
    const css = `${on ? "on" : step && data.known ? "off" : ""}${this.wanted && this.found[this.hit] === at ? " hit" : ""}`;
    const bar = steps.length ? strip(steps) : data.operation[at] ? "repeating-linear-gradient(var(--faint) 0 3px, transparent 3px 6px)" : "";
    return { nodes: shownLine(text, this.lexer, this.wanted), css, bar, selected: on };
  }

  minimap() {
    const { data } = this, most = 300, count = data.lines.length, buckets = Math.min(most, count), drawing = svg("svg", { viewBox: `0 0 10 ${Math.max(1, buckets)}`, preserveAspectRatio: "none" });
    for (let at = 0; data.known && at < buckets; at++) {
      const from = Math.floor(at * count / buckets), to = Math.max(from + 1, Math.floor((at + 1) * count / buckets));
      let steps = [];
      for (let line = from; line < to; line++) {
        const here = data.of(line);
        if (here.length) { steps = here; if (this.step && here.includes(this.step)) { steps = [this.step]; break; } }
      }
      if (!steps.length) continue;
      const mark = svg("rect", { x: 0, y: at, width: 10, height: 1.05, opacity: !this.step || steps.includes(this.step) ? 1 : 0.18 });
      mark.style.fill = stepColour(steps[0]);
      drawing.append(mark);
    }
    this.map.replaceChildren(drawing);
  }

  graph() { this.drawing.replaceChildren(graphView(this.data, this.step, this.root.clientWidth - 24, (line) => { this.view = this.views.value = "text"; this.back = null; this.open(line).then(() => this.picked(line)); })); }

  show(step, scroll) {
    this.step = step;
    if (!this.data) return;
    if (!this.compares) { this.rows.later(); this.minimap(); if (scroll) this.first(); }
    if (this.view === "graph") this.graph();
    this.below.replaceChildren(numbers(this.cell, this.counted, step));
  }

  first() { const [line] = regions(this.data, this.step); if (line !== undefined) this.rows.go(line, true); }

  // The next (1) or previous (-1) run of lines of the step, round and round.
  region(by) {
    const all = this.compares ? this.changes ?? [] : regions(this.data, this.step);
    if (!all.length) return;
    const next = by > 0 ? all.find((line) => line > this.rows.cursor) ?? all[0] : all.findLast((line) => line < this.rows.cursor) ?? all.at(-1);
    this.rows.go(next, true);
  }

  picked(line) {
    if (this.compares || !this.data.known) return;
    const steps = this.data.of(line);
    const step = steps.includes(this.step) && steps.length > 1 ? steps[(steps.indexOf(this.step) + 1) % steps.length] : steps[0];
    this.chosen(this, true, step ?? (this.data.operation[line] ? "none" : null));
  }

  find(move = true) {
    this.wanted = this.search.value.toLowerCase();
    this.found = [];
    if (this.wanted) this.data.lines.forEach((text, at) => { if (text.toLowerCase().includes(this.wanted)) this.found.push(at); });
    this.hit = Math.max(0, this.found.findIndex((at) => at >= this.rows.cursor));
    if (move && this.found.length) this.reveal(); else this.rows.later();
    this.count();
  }

  // The hit in sight, in a long line too: from the side it is scrolled to a third of the width.
  reveal() {
    this.rows.go(this.found[this.hit], true);
    const mark = document.querySelector(`#${this.box.id}-${this.rows.cursor} mark`)?.getBoundingClientRect(), box = this.box.getBoundingClientRect();
    if (mark && (mark.left < box.left + 80 || mark.right > box.right - 20)) this.box.scrollLeft += mark.left - box.left - box.width / 3;
  }

  count() { this.hits.textContent = !this.wanted ? "" : this.found.length ? `${this.hit + 1} of ${this.found.length}` : "none"; }

  searching(event) {
    if (event.key === "Escape") { this.search.value = ""; this.find(false); this.box.focus(); }
    if (event.key !== "Enter" || !this.found.length) return;
    event.preventDefault();
    this.hit = (this.hit + (event.shiftKey ? -1 : 1) + this.found.length) % this.found.length;
    this.reveal();
    this.count();
  }

  passes(all, what) {
    const quiet = all.filter((entry) => !entry.changed).length;
    const select = el("select", { "aria-label": what.trim().split(" ").at(-1), onchange: () => this.diff(all[Number(select.value)]) });
    const fill = () => {
      select.replaceChildren(...all.map((entry, n) => [entry, n]).filter(([entry]) => entry.changed || both.checked).map(([entry, n]) => el("option", { value: n }, `${entry.name}${entry.changed ? "" : " (changed nothing)"}`)));
      const start = [...select.options].find((option) => all[Number(option.value)].last) ?? select.options[0];
      if (start) { select.value = start.value; this.diff(all[Number(start.value)]); }
    };
    const both = el("input", { type: "checkbox", onchange: fill });
    this.list.replaceChildren(el("label", {}, what, select), el("label", {}, both, ` also the ${quiet} that changed nothing`));
    fill();
    if (!select.options.length) { both.checked = true; fill(); } // no release did anything to it
  }

  async diff(entry) {
    const { rows, after, before, replaced } = await passRows(entry), kinds = { "+": "added", "-": "removed", " ": "", note: "note" };
    const { lexer } = entry.pass, text = ([kind, a, b]) => kind === "note" ? a : kind === null ? `⋯ ${a} lines unchanged` : kind === "-" ? before.lines[a] : after.lines[b];
    const added = rows.filter(([kind]) => kind === "+").length, removed = rows.filter(([kind]) => kind === "-").length;
    this.meta.textContent = entry.last ? `${entry.name}: ${added} lines added, ${removed} removed${replaced ? `: more than ${MOST_EDITS} edits, so the middle is shown as replaced whole` : ""}` : `${entry.name}: the first text of this pipeline that was kept`;
    this.changes = rows.map(([kind], at) => (kind === "+" || kind === "-") && !["+", "-"].includes(rows[at - 1]?.[0]) ? at : -1).filter((at) => at >= 0);
    this.map.replaceChildren();
    this.box.scrollTop = 0;
    this.rows.cursor = 0;
    this.rows.set(rows.length, Math.max(0, ...chunked(rows.map((row) => String(text(row)).length))), (at) => {
      const row = rows[at], [kind, a, b] = row;
      const nodes = kind === "note" || kind === null ? [el("em", {}, text(row))] : [`${kind} `, ...shownLine(text(row), lexer, "")];
      return { nodes, css: kind === null ? "gap" : kinds[kind], number: kind === null || kind === "note" ? "" : (kind === "-" ? a : b) + 1 };
    });
  }
}

// The stage that tells most of a step: what the compiler made of it, and else what it was given. Of several of a kind,
// such as one text a kernel, the one that is most about that step.
function telling(cell, step) {
  const about = ({ counts = {} }) => {
    const all = Object.entries(counts).reduce((sum, [name, [lines]]) => name === "none" ? sum : sum + lines, 0);
    return step ? (counts[step]?.[0] ?? 0) / (all || 1) : 1;
  };
  for (const wanted of ["optimized", "kernel", "machine", "lowered", "graph"]) {
    const having = cell.stages.filter((stage) => stage.stage === wanted && stage.text !== undefined && about(stage) > 0);
    if (having.length) return cell.stages.indexOf(having.reduce((best, stage) => about(stage) > about(best) ? stage : best));
  }
  return cell.stages.findIndex((stage) => stage.text !== undefined);
}

// Two stages to begin with, [cell, dialect] each: one step before and after one compiler, of the first cell that has it
// in both, among other steps if there is such, for in a text of one kernel all is marked; else two cells, of the same
// subject if there are such, each with what tells most.
function beginning(step) {
  const among = ({ counts }) => Object.keys(counts).some((name) => name !== step && name !== "none");
  const having = (cell, kinds) => kinds.map((kind) => {
    const ones = cell.stages.filter((stage) => stage.stage === kind && stage.text !== undefined && stage.counts?.[step]);
    return ones.find((stage) => !stage.dialect.includes(":")) ?? ones[0]; // the program, rather than one of its parts or moments
  }).find(Boolean);
  const pairs = STUDY.cells.map((cell) => [cell, having(cell, ["lowered", "graph"]), having(cell, ["optimized", "kernel", "machine"])]).filter(([, before, after]) => before && after);
  const [cell, before, after] = pairs.find(([, ...both]) => both.every(among)) ?? pairs[0] ?? [];
  if (cell) return [[cell, before.dialect], [cell, after.dialect]];
  const [first] = STUDY.cells, others = STUDY.cells.filter((one) => one !== first);
  return [[first], [others.find((one) => one.subject === first.subject) ?? others[0] ?? first]];
}

const chunked = (numbers) => { const most = []; for (let at = 0; at < numbers.length; at += 5000) most.push(Math.max(...numbers.slice(at, at + 5000))); return most; };

function groupedCells() {
  const groups = new Map();
  for (const cell of STUDY.cells) groups.set(cell.subject, [...(groups.get(cell.subject) ?? []), cell]);
  return [...groups].map(([subject, cells]) => el("optgroup", { label: subject }, ...cells.map((cell) => el("option", { value: cell.id }, `${named(cell)}${cell.kind ? ` (${cell.kind})` : ""}`))));
}

function explorer() {
  const place = document.getElementById("explore");
  if (!STUDY?.cells.length || !place) return;
  place.replaceChildren();
  const USUAL_STEP = STUDY.steps.includes("attention") ? "attention" : STUDY.steps[0];
  const panes = el("div", { class: "panes" }), help = "Click or Enter on a line: its step in both panes. 1–9 a step, 0 what is not attributed, n p next and previous region, / search, arrows move. The pointer on a word: what it means.";
  let step = null, sides = [], ready = false;
  const buttons = STUDY.steps.map((name) => el("button", { type: "button", "data-step": name, "aria-pressed": "false", onclick: () => choose(name === step ? null : name, true) }, chip(name), name === "none" ? "not attributed" : name, el("small", {})));
  const bar = el("div", { class: "steps", role: "toolbar", "aria-label": "Steps of the block" }, ...buttons, el("small", { class: "unit" }, "operations, left | right"));
  place.append(bar, el("p", { class: "soft keys" }, help), panes);

  function choose(name, scroll, except = null) {
    step = name;
    for (const side of sides) side.show(step, scroll && side !== except);
    mark();
  }

  function mark() {
    place.style.setProperty("--step", step && step !== "none" ? stepColour(step) : "var(--odd)");
    for (const button of buttons) {
      const name = button.dataset.step, said = sides.map(({ counted }) => counted?.counts ? counted.counts[name]?.[1] ?? 0 : "–"); // a stage that is not read has no 0
      button.setAttribute("aria-pressed", String(name === step));
      button.lastChild.textContent = ` ${said.join(" | ")}`;
      button.title = `${said[0]} operations left, ${said[1]} right`;
    }
    if (!ready) return;
    state.write({ step, ...Object.fromEntries(sides.flatMap((side) => [[side.key, `${side.cell.id}.${side.stage.dialect}`], [`${side.key}v`, side.view === "text" ? null : side.view]])) });
  }

  sides = ["l", "r"].map((key) => new Side(key, panes, (side, chose, name) => { if (chose) { choose(name, true, side); state.write({ [`${key}n`]: side.rows.cursor + 1 }); } else mark(); }));

  async function restore() {
    const asked = state.read();
    step = STUDY.steps.includes(asked.get("step")) ? asked.get("step") : asked.has("l") ? null : USUAL_STEP;
    const usual = beginning(step ?? USUAL_STEP);
    await Promise.all(sides.map((side, n) => {
      const [, id, dialect] = /^(\d+)\.(.*)$/.exec(asked.get(side.key) ?? "") ?? [];
      side.cells.value = String(STUDY.cells[id] ? Number(id) : usual[n][0].id);
      side.step = step;
      side.view = asked.get(`${side.key}v`) ?? "text";
      side.fill(STUDY.cells[id] ? dialect : usual[n][1]);
      const line = Number(asked.get(`${side.key}n`));
      return side.open(line > 0 ? line - 1 : null);
    }));
    mark();
    if (asked.has("l")) place.scrollIntoView({ behavior: "instant" });
    ready = true;
    place.dataset.ready = "yes";
  }

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, select, textarea")) return;
    if (!place.contains(event.target) && event.target !== document.body) return;
    const side = sides.find((one) => one.root.contains(event.target)) ?? sides[0];
    const digit = /^[0-9]$/.test(event.key) ? Number(event.key) : -1;
    if (event.key === "n" || event.key === "p") side.region(event.key === "n" ? 1 : -1);
    else if (event.key === "/") { place.scrollIntoView({ block: "nearest" }); side.search.focus(); }
    else if (digit >= 0 && digit < STUDY.steps.length) { const name = digit ? STUDY.steps[digit - 1] : "none"; choose(name === step ? null : name, true); }
    else return;
    event.preventDefault();
  });
  addEventListener("hashchange", (event) => { if (/#.*=/.test(event.newURL) && state.read().has("l")) restore(); }); // not after a link to a part
  restore();
}

explorer();
