// The page's tables: what a filter hides, sorting by a column, and commands that copy themselves.
const el = (tag, attributes = {}, ...children) => {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "class") made.className = value;
    else if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children);
  return made;
};

// The state of the page is in its address, so that a view can be sent: "#l=0.hlo&step=attention&f.dtype=float32".
const state = {
  last: location.hash.includes("=") ? location.hash.slice(1) : "",
  read: () => new URLSearchParams(location.hash.includes("=") ? location.hash.slice(1) : ""),
  write(values) {
    const now = state.read();
    for (const [name, value] of Object.entries(values)) value === null || value === "" ? now.delete(name) : now.set(name, value);
    const text = this.last = now.toString();
    try { history.replaceState(null, "", text ? `#${text}` : location.pathname + location.search); } catch { location.hash = text; }
  },
};

// A link to a part of the page goes there, and the address keeps the state.
addEventListener("hashchange", () => {
  if (location.hash.includes("=")) state.last = location.hash.slice(1);
  else if (state.last) try { history.replaceState(null, "", `#${state.last}`); } catch { /* the part's own address stays */ }
});

// What a link leads to is seen, though it be folded away.
function unfold(id) {
  for (let at = id && document.getElementById(id)?.parentElement; at; at = at.parentElement) if (at.matches("details")) at.open = true;
}
document.addEventListener("click", (event) => unfold(event.target.closest?.("a[href^='#']")?.hash.slice(1)));
unfold(location.hash.slice(1));

// The index says where one is, and that stands in sight where the index is wider than the window.
const index = document.querySelector(".index"), links = [...index?.querySelectorAll("a") ?? []];
function here() {
  const at = links.findLast((link) => document.getElementById(link.hash.slice(1)).getBoundingClientRect().top < innerHeight / 3);
  if (at?.ariaCurrent || !index) return;
  for (const link of links) link.ariaCurrent = link === at ? "true" : null;
  index.scrollTo({ left: (at?.offsetLeft ?? 0) - index.clientWidth / 3 });
}
addEventListener("scroll", here, { passive: true });
here();

const FACETS = ["workload", "preset", "phase", "dtype", "backend", "kind"];

function filters() {
  const bar = document.getElementById("filters");
  if (!bar) return;
  const marked = [...document.querySelectorAll("[data-workload], [data-backend], [data-kind]")];
  const selects = FACETS.map((facet) => {
    const values = [...new Set(marked.map((one) => one.dataset[facet]).filter(Boolean))].sort();
    const select = el("select", { name: facet, onchange: apply }, el("option", { value: "" }, "all"), ...values.map((v) => el("option", { value: v }, v)));
    const label = el("label", {}, el("span", {}, facet), select);
    if (values.length < 2) select.disabled = true;
    select.value = values.includes(state.read().get(`f.${facet}`)) ? state.read().get(`f.${facet}`) : "";
    bar.append(label);
    return select;
  });
  const said = el("span", { class: "soft", role: "status" });
  bar.append(el("button", { type: "button", onclick: () => { for (const one of selects) one.value = ""; apply(); } }, "show all"), said);
  bar.hidden = false;
  const wrong = (one, facets) => facets.some((select) => select.value && one.dataset[select.name] && one.dataset[select.name] !== select.value);

  function apply() {
    for (const one of marked) {
      if (one.matches("td, th")) { // of a matrix: a column goes as a whole, a cell alone only fades
        one.hidden = wrong(one, selects.filter((select) => select.name === "backend"));
        one.classList.toggle("out", wrong(one, selects.filter((select) => select.name === "kind")));
      } else one.hidden = wrong(one, selects);
    }
    for (const group of document.querySelectorAll("article[data-workload]")) {
      const rows = [...group.querySelectorAll("tbody > tr[data-backend]")];
      if (!group.hidden && rows.length && rows.every((row) => row.hidden)) group.hidden = true;
    }
    for (const part of document.querySelectorAll(".part")) { // a table without a column or a row that is asked for
      const any = (what) => [...part.querySelectorAll(what)].some((one) => !one.hidden);
      part.hidden = !any("thead th[data-backend]") || !any("tbody tr");
    }
    for (const answer of document.querySelectorAll(".answer")) { // the fastest of those that are asked for
      const asked = [...answer.querySelectorAll(".way")], first = asked.find((way) => !wrong(way, selects));
      for (const way of asked) way.hidden = way !== first;
      if (!first) answer.hidden = true;
    }
    const rows = marked.filter((one) => one.matches("tr[data-backend]"));
    const shown = rows.filter((one) => !one.hidden && !one.closest("[hidden]")).length;
    said.textContent = shown < rows.length ? `${shown} of ${rows.length} rows; doubts and failures are never hidden` : "";
    state.write(Object.fromEntries(selects.map((select) => [`f.${select.name}`, select.value])));
    document.dispatchEvent(new Event("filtered")); // the plots
  }
  if (selects.some((select) => select.value)) apply();
}

function cellAt(row, column) {
  let at = 0;
  for (const cell of row.cells) { if (column < at + cell.colSpan) return cell; at += cell.colSpan; }
  return null;
}

function keyOf(row, column) {
  const text = cellAt(row, column)?.textContent.trim() ?? "";
  const number = /^[<~]?\s*(-?[\d,]+(?:\.\d+)?(?:e[+-]?\d+)?)/i.exec(text);
  return number ? Number(number[1].replaceAll(",", "")) : text === "–" || text === "" ? null : text.toLowerCase();
}

function order(a, b) { // what is not known comes last, whichever way; words after numbers
  if (a === null || b === null) return a === b ? 0 : a === null ? Infinity : -Infinity;
  if (typeof a !== typeof b) return typeof a === "string" ? Infinity : -Infinity;
  return a < b ? -1 : a > b ? 1 : 0;
}

function sortable(table) {
  const heads = [...table.tHead.rows].at(-1), body = table.tBodies[0];
  if (body.rows.length < 2) return;
  [...heads.cells].forEach((head, column) => {
    const button = el("button", { type: "button", class: "sort", onclick: sort }, ...head.childNodes);
    head.append(button);
    head.setAttribute("aria-sort", "none");
    function sort() {
      const down = head.getAttribute("aria-sort") === "ascending";
      for (const other of heads.cells) other.setAttribute("aria-sort", "none");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const keyed = [...body.rows].map((row) => [keyOf(row, column), row]);
      keyed.sort(([a], [b]) => { const by = order(a, b); return Math.abs(by) === Infinity ? Math.sign(by) : down ? -by : by; });
      body.append(...keyed.map(([, row]) => row));
    }
  });
}

async function copy(text, button) {
  const said = button.textContent;
  try { await navigator.clipboard.writeText(text); }
  catch { // a page from a file may not be trusted with the clipboard
    const area = el("textarea", {});
    area.value = text;
    document.body.append(area); area.select(); document.execCommand("copy"); area.remove(); button.focus();
  }
  button.textContent = "copied";
  setTimeout(() => { button.textContent = said; }, 1200);
}

filters();
document.querySelectorAll("table.wide").forEach(sortable);
for (const code of document.querySelectorAll(".commands code"))
  code.after(" ", el("button", { type: "button", class: "copy", "aria-label": `copy: ${code.textContent}`, onclick: (event) => copy(code.textContent, event.currentTarget) }, "copy"));
