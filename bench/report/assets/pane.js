// A list of lines of which only those in sight are in the document: 20,000 lines scroll as 20 do.
const LINE_HEIGHT = 19, LONGEST_SHOWN = 3000;

class Rows {
  constructor(box, onpick) {
    Object.assign(this, { box, onpick, count: 0, cursor: 0, draw: () => [] });
    this.space = el("div", { class: "space", role: "presentation" });
    box.append(this.space);
    box.addEventListener("scroll", () => this.later(), { passive: true });
    box.addEventListener("keydown", (event) => this.key(event));
    new ResizeObserver(() => this.later()).observe(box);
    this.space.addEventListener("click", (event) => {
      const row = event.target.closest(".line");
      if (row && getSelection().isCollapsed) { this.cursor = Number(row.dataset.line); this.later(); this.onpick(this.cursor); }
    });
  }

  // `draw(line)` gives {nodes, css, bar, selected}; `widest` is the length of the longest line.
  set(count, widest, draw) {
    Object.assign(this, { count, draw, cursor: Math.min(this.cursor, Math.max(0, count - 1)) });
    this.space.style.height = `${count * LINE_HEIGHT + 4}px`;
    this.space.style.minWidth = `calc(${Math.min(widest, LONGEST_SHOWN) + 8}ch + 1rem)`;
    this.paint();
  }

  later() {
    if (this.waits) return;
    this.waits = true;
    requestAnimationFrame(() => { this.waits = false; this.paint(); });
  }

  paint() {
    const { box } = this, first = Math.max(0, Math.floor(box.scrollTop / LINE_HEIGHT) - 12);
    const last = Math.min(this.count, Math.ceil((box.scrollTop + box.clientHeight) / LINE_HEIGHT) + 12);
    const rows = [];
    for (let line = first; line < last; line++) rows.push(this.row(line));
    this.space.replaceChildren(...rows);
    if (this.count && this.cursor >= first && this.cursor < last) box.setAttribute("aria-activedescendant", `${box.id}-${this.cursor}`);
    else box.removeAttribute("aria-activedescendant");
  }

  row(line) {
    const { nodes, css = "", bar, selected, number } = this.draw(line);
    const row = el("div", { id: `${this.box.id}-${line}`, class: `line ${css}${line === this.cursor ? " cursor" : ""}`, role: "option", "aria-selected": selected ? "true" : "false",
      "aria-posinset": line + 1, "aria-setsize": this.count, "data-line": line },
    el("span", { class: "bar", "aria-hidden": "true" }), el("span", { class: "number", "aria-hidden": "true" }, String(number ?? line + 1)), el("code", {}, ...nodes));
    row.style.top = `${line * LINE_HEIGHT}px`;
    if (bar) row.firstChild.style.background = bar;
    return row;
  }

  // The cursor at a line, in sight; `top` puts the line near the top whether it was in sight or not.
  go(line, top = false) {
    if (!this.count) return;
    this.cursor = Math.max(0, Math.min(this.count - 1, line));
    const at = this.cursor * LINE_HEIGHT, { box } = this;
    if (top) box.scrollTop = Math.max(0, at - 3 * LINE_HEIGHT);
    else if (at < box.scrollTop) box.scrollTop = at;
    else if (at + 2 * LINE_HEIGHT > box.scrollTop + box.clientHeight) box.scrollTop = at + 2 * LINE_HEIGHT - box.clientHeight;
    this.paint();
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const page = Math.max(1, Math.floor(this.box.clientHeight / LINE_HEIGHT) - 2);
    const to = { ArrowDown: this.cursor + 1, ArrowUp: this.cursor - 1, PageDown: this.cursor + page, PageUp: this.cursor - page, Home: 0, End: this.count - 1 }[event.key];
    if (to !== undefined) this.go(to);
    else if (event.key === "ArrowLeft" || event.key === "ArrowRight") this.box.scrollLeft += event.key === "ArrowLeft" ? -80 : 80;
    else if (event.key === "Enter" && this.count) this.onpick(this.cursor);
    else return;
    event.preventDefault();
  }
}

// A line's text with colours; one that was searched and found shows where instead.
function shownLine(text, lexer, wanted) {
  const cut = text.length > LONGEST_SHOWN ? text.slice(0, LONGEST_SHOWN) : text;
  const rest = cut.length < text.length ? [el("em", {}, ` … ${text.length - cut.length} more characters`)] : [];
  if (!wanted || !cut.toLowerCase().includes(wanted)) return [...coloured(cut, lexer), ...rest];
  const parts = [], low = cut.toLowerCase();
  let end = 0;
  for (let at = low.indexOf(wanted); at >= 0; at = low.indexOf(wanted, end)) {
    parts.push(cut.slice(end, at), el("mark", {}, cut.slice(at, at + wanted.length)));
    end = at + wanted.length;
  }
  return [...parts, cut.slice(end), ...rest];
}
