// Beside the text: a step's numbers, the passes with the difference of two neighbours, and the graph of a stage.
// Without a stage, such as beside a pass, only what the whole program has.
function numbers(cell, stage, step) {
  const counts = stage?.counts ?? {}, table = cell.table;
  const rows = STUDY.steps.filter((name) => counts[name] || table?.rows.some((row) => row[0] === name));
  for (const row of table?.rows ?? []) // fused functions of several steps: after the steps, before what is of none
    if (!rows.includes(row[0])) rows.splice(rows.includes("none") ? rows.indexOf("none") : rows.length, 0, row[0]);
  if (!rows.length) return el("p", { class: "soft" }, `No figures by step: this record's compiler tells none${stage ? ", and there is no step attribution for this dialect" : ""}.`);
  const kind = cell.table ? cell.table.columns[0][2] : "";
  const heads = [...stage ? [["lines", "", "this stage"], ["operations", "", "this stage"]] : [], ...(table?.columns ?? [])];
  const number = (value) => value === null || value === undefined ? "–" : value.toLocaleString("en", { maximumSignificantDigits: 4 });
  const body = rows.map((name) => {
    const facts = table?.rows.find((row) => row[0] === name)?.slice(1) ?? (table?.columns ?? []).map(() => null);
    return el("tr", { class: step && name.split(" + ").includes(step) ? "on" : "", "data-step": name }, el("th", { scope: "row" }, chip(name), name),
      ...[...stage ? counts[name] ?? [null, null] : [], ...facts].map((value) => el("td", {}, number(value))));
  });
  const said = [table ? `${stage ? "Right of this stage's own counts: the" : "The"} whole program, ${kind}.` : "", table?.how.length ? ` Cycles and times are of ${table.how.join(", ")}; none is measured.` : ""];
  return el("div", {}, el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `Figures by step: ${named(cell)}` },
    el("table", { class: "numbers" }, el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "step"),
      ...heads.map(([name, unit, of]) => el("th", { scope: "col" }, unit ? `${name}, ${unit}` : name, el("br"), el("small", {}, of))))), el("tbody", {}, ...body))),
  el("p", { class: "soft" }, said.join("")));
}

function chip(step) {
  const made = el("span", { class: "chip", "aria-hidden": "true" });
  made.style.background = stepColour(step.split(" + ")[0]);
  return made;
}

// The passes of a cell with, of each, the one before it in its own pipeline and whether it changed anything.
function passList(cell) {
  const before = new Map();
  return cell.passes.map((pass) => {
    const group = `${pass.family}:${pass.of}`, last = before.get(group);
    before.set(group, pass);
    return { pass, last, name: `${pass.of} ${pass.after}`.trim(), changed: !last || last.sha !== pass.sha };
  });
}

// The same stage of a cell with other releases of its toolchain, each as what came before; of no stage, whether there are any.
function releaseList(cell, stage = null) {
  const others = STUDY.cells.filter((other) => cell.release !== undefined && other !== cell && other.alike === cell.alike);
  return others.map((other) => ({ pass: stage ?? cell.stages[0], last: other.stages.find(({ dialect }) => !stage || dialect === stage.dialect), name: other.release }))
    .filter(({ last }) => last).map((entry) => ({ ...entry, changed: entry.last.sha !== entry.pass.sha }));
}

// The rows of the difference that a pass made, for a Rows; a pass without one before it shows its whole text.
async function passRows(entry) {
  const after = await opened(entry.pass), before = entry.last ? await opened(entry.last) : null;
  const absent = entry.pass.absent ?? entry.last?.absent;
  if (absent) return { rows: [["note", absent]], after, before };
  const rows = before ? hunks(before.lines, after.lines) : after.lines.map((_, line) => [" ", line, line]), { replaced } = rows;
  return { rows: rows.length && (!before || rows.some(([kind]) => kind === "+" || kind === "-")) ? rows : [["note", "Nothing changed."]], after, before, replaced };
}

// What an operation is called: "dot" of "f32[8]{0} dot(%a, %b)", "matmul" of "R.matmul(x, y)", "*" of "x * y".
function opName(right) {
  const text = right.replace(/^\(?(?:[usf]\d+|bf16|pred|f8\w*|token)\[[^\]]*\](?:\{[^}]*\})?,?\s*/, "").trim();
  const infix = /^[\w.]+ (\*\*|\/\/|[-+*\/@<>&|]=?) /.exec(text);
  if (infix) return infix[1];
  const [, name = "?", next = ""] = /^"?([A-Za-z_][\w.$-]*)"?(.?)/.exec(text) ?? [];
  return next === "[" && /^\w+\[\(?(?:slice|None|\d|\.\.\.)/.test(text) ? "index" : name.split(".").at(-1);
}

// Operations in order with the names they define and use, as far as "name = operation(names)" tells.
function graphOf(data) {
  const nodes = [], made = new Map();
  for (let line = 0; line < data.lines.length; line++) {
    if (!data.operation[line]) continue;
    let text = data.lines[line];
    for (let next = line + 1; next < data.lines.length && next < line + 12 && !data.operation[next]; next++) text += ` ${data.lines[next].trim()}`;
    const at = text.indexOf(" = "), left = at < 0 ? "" : text.slice(0, at), right = at < 0 ? text : text.slice(at + 3);
    const name = /(?:ROOT\s+)?([%\w.$-]+)/.exec(left.trim())?.[1] ?? "";
    const from = new Set();
    for (const [word] of right.split(/, metadata=|\bloc\(|;\s/)[0].matchAll(/%?[\w$][\w$.-]*/g)) {
      const known = made.get(word) ?? made.get(word.split(".")[0]);
      if (known !== undefined) from.add(known);
    }
    nodes.push({ line, name, op: opName(right), step: data.of(line)[0] ?? "none", from: [...from] });
    if (name) made.set(name, nodes.length - 1);
  }
  return nodes;
}

const svg = (tag, attributes = {}, ...children) => {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
};
const GRAPH_MOST = 300;

function byStepOnly(nodes) { // one node a run of a step, for programs too large to draw
  const runs = [], place = [];
  for (const node of nodes) {
    if (runs.at(-1)?.step !== node.step) runs.push({ step: node.step, line: node.line, name: "", count: 0, from: [] });
    runs.at(-1).count++;
    place.push(runs.length - 1);
    for (const source of node.from) {
      const from = place[source], { from: known } = runs.at(-1);
      if (from !== undefined && from !== runs.length - 1 && !known.includes(from)) known.push(from);
    }
  }
  const merged = runs.length > GRAPH_MOST ? runs.slice(0, GRAPH_MOST) : runs;
  for (const run of merged) run.op = `${run.count} operations`;
  return merged;
}

function graphView(data, step, width, pick) {
  const all = graphOf(data);
  if (!all.length) return el("p", { class: "soft" }, "No operation of this stage is known, so there is no graph to draw.");
  const nodes = all.length > GRAPH_MOST ? byStepOnly(all) : all;
  const W = 128, H = 34, GAP = 12, LEFT = 74, across = Math.max(1, Math.floor((Math.max(width, 300) - LEFT - 8) / (W + GAP)));
  let y = 10, bands = [];
  for (let at = 0; at < nodes.length;) {
    const from = at, name = nodes[at].step;
    while (at < nodes.length && nodes[at].step === name) { nodes[at].x = LEFT + ((at - from) % across) * (W + GAP); nodes[at].y = y + 8 + Math.floor((at - from) / across) * (H + GAP + 6); at++; }
    const height = Math.ceil((at - from) / across) * (H + GAP + 6) + 8;
    bands.push({ name, y, height, count: at - from });
    y += height + 12;
  }
  const total = LEFT + across * (W + GAP);
  const drawing = svg("svg", { viewBox: `0 0 ${total} ${y}`, width: total, height: y, role: "img", "aria-label": `Graph: ${all.length} operations in ${bands.length} runs of steps; the text view has them as lines` });
  for (const band of bands) {
    const box = svg("rect", { x: 2, y: band.y, width: total - 6, height: band.height, rx: 6, class: "band" });
    box.style.stroke = stepColour(band.name);
    drawing.append(box, svg("text", { x: 10, y: band.y + 20, class: "bandname" }, band.name), svg("text", { x: 10, y: band.y + 35, class: "small" }, String(band.count)));
  }
  nodes.forEach((node, at) => node.from.filter((from) => nodes[from] && from !== at).forEach((from) => {
    const a = nodes[from], x1 = a.x + W / 2, y1 = a.y + H, x2 = node.x + W / 2, y2 = node.y, side = a.y + H / 2;
    const next = a.y === node.y && Math.abs(a.x - node.x) < 1.5 * W, [left, right] = a.x < node.x ? [a.x + W, node.x] : [a.x, node.x + W];
    const edge = svg("path", { d: next ? `M${left} ${side} L${right} ${side}` : `M${x1} ${y1} C${x1} ${y1 + 16} ${x2} ${y2 - 16} ${x2} ${y2}`, class: "edge-line", "data-from": from, "data-to": at });
    edge.style.stroke = stepColour(a.step);
    drawing.append(edge);
  }));
  nodes.forEach((node, at) => drawing.append(graphNode(node, at, W, H, step, pick, drawing)));
  return el("div", { class: "graph" }, drawing);
}

function graphNode(node, at, W, H, step, pick, drawing) {
  const fits = (text) => text.length > 17 ? `${text.slice(0, 16)}…` : text;
  const box = svg("rect", { x: node.x, y: node.y, width: W, height: H, rx: 4 });
  box.style.stroke = stepColour(node.step);
  const made = svg("g", { class: `node${node.step === step ? " on" : ""}` }, svg("title", {}, `${node.op} ${node.name} (${node.step}), line ${node.line + 1}`), box,
    svg("text", { x: node.x + 7, y: node.y + 14 }, fits(node.op)), svg("text", { x: node.x + 7, y: node.y + 27, class: "small" }, fits(node.name)));
  const light = (on) => { for (const edge of drawing.querySelectorAll(`[data-from="${at}"], [data-to="${at}"]`)) edge.classList.toggle("lit", on); };
  made.addEventListener("mouseenter", () => light(true));
  made.addEventListener("mouseleave", () => light(false));
  made.addEventListener("click", () => pick(node.line));
  return made;
}
