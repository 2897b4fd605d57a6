// The stages of the page: inflated when they are opened, with the steps of each line.
const STUDY = JSON.parse(document.getElementById("stages")?.textContent ?? "null");
const NONE_STEP = STUDY ? STUDY.steps.length - 1 : 0;

async function inflated(number) {
  STUDY.open ??= new Map();
  if (!STUDY.open.has(number)) {
    const bytes = Uint8Array.from(atob(STUDY.blobs[number]), (letter) => letter.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    STUDY.open.set(number, new Response(stream).text());
  }
  return STUDY.open.get(number);
}

// A stage as {lines, set, operation}: of each line its set of steps by number, and whether it is an operation.
async function opened(stage) {
  if (stage.text === undefined) return { lines: [], set: [], operation: [], of: () => [] };
  if (!stage.ready) {
    const [text, runs] = await Promise.all([inflated(stage.text), inflated(stage.runs)]);
    const lines = text.split("\n"), set = new Uint32Array(lines.length), operation = new Uint8Array(lines.length);
    const flat = JSON.parse(runs);
    for (let at = 0, pair = 0; pair < flat.length; pair += 2) {
      set.fill(flat[pair + 1] >> 1, at, at + flat[pair]);
      operation.fill(flat[pair + 1] & 1, at, at + flat[pair]);
      at += flat[pair];
    }
    stage.ready = { lines, set, operation, known: flat.length > 0, of: (line) => STUDY.sets[set[line]] ?? [] };
  }
  return stage.ready;
}

// Whether a line belongs to a step; "none" are the operations that no step claims.
const belongs = (data, line, step) =>
  step === "none" ? data.operation[line] === 1 && data.of(line).length === 0 : data.of(line).includes(step);

function regions(data, step) {
  const found = [];
  if (!step || !data.known) return found;
  for (let line = 0, before = false; line < data.lines.length; line++) {
    const now = belongs(data, line, step);
    if (now && !before) found.push(line);
    before = now;
  }
  return found;
}

const stepColour = (step) => { const at = STUDY.steps.indexOf(step); return at < 0 || at === NONE_STEP ? "var(--faint)" : `var(--c${at % 8 + 1})`; };
const strip = (steps) => steps.length < 2 ? stepColour(steps[0]) :
  `linear-gradient(${steps.map((step, n) => `${stepColour(step)} ${100 * n / steps.length}% ${100 * (n + 1) / steps.length}%`).join(",")})`;
const size = (bytes) => bytes < 1e3 ? `${bytes} B` : bytes < 1e6 ? `${(bytes / 1e3).toFixed(bytes < 1e4 ? 1 : 0)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
const percent = (share) => share === null || share === undefined ? "not known" : `${(100 * share).toFixed(share === 1 ? 0 : 1)} %`;
const byKernel = (stage) => stage.by === "kernel" ? " (by kernel)" : ""; // its lines have the steps of the kernel's calls
const named = (cell) => `${cell.size} · ${cell.label}`;
