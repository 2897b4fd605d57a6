// A line diff by Myers' shortest edit script, after what both share at the start and at the end.
const MOST_EDITS = 3000; // beyond it, the middle is shown as replaced: memory grows with the square

function edits(a, b) { // [" " | "-" | "+", line of a, line of b]
  let start = 0, ends = 0;
  while (start < a.length && start < b.length && a[start] === b[start]) start++;
  while (ends < a.length - start && ends < b.length - start && a[a.length - 1 - ends] === b[b.length - 1 - ends]) ends++;
  const middle = between(a.slice(start, a.length - ends), b.slice(start, b.length - ends));
  const same = (count, x, y) => Array.from({ length: count }, (_, n) => [" ", x + n, y + n]);
  return [...same(start, 0, 0), ...middle.map(([kind, x, y]) => [kind, x + start, y + start]), ...same(ends, a.length - ends, b.length - ends)];
}

function between(a, b) {
  const n = a.length, m = b.length, most = Math.min(n + m, MOST_EDITS), trace = [];
  let v = new Map([[1, 0]]);
  for (let d = 0; d <= most; d++) {
    trace.push(v);
    const next = new Map(v);
    for (let k = -d; k <= d; k += 2) {
      let x = k === -d || (k !== d && (v.get(k - 1) ?? -1) < (v.get(k + 1) ?? -1)) ? v.get(k + 1) ?? 0 : (v.get(k - 1) ?? -1) + 1;
      while (x < n && x - k < m && a[x] === b[x - k]) x++;
      next.set(k, x);
      if (x >= n && x - k >= m) return walked(trace, next, n, m, d);
    }
    v = prune(next, d);
  }
  return [...a.map((_, x) => ["-", x, 0]), ...b.map((_, y) => ["+", n, y])];
}

function prune(v, d) { // a copy that holds only the diagonals that the next round reads
  const kept = new Map();
  for (let k = -d; k <= d; k += 2) kept.set(k, v.get(k));
  return kept;
}

function walked(trace, last, n, m, d) {
  const found = [];
  let x = n, y = m;
  for (let depth = d; depth > 0; depth--) {
    const v = trace[depth], k = x - y;
    const down = k === -depth || (k !== depth && (v.get(k - 1) ?? -1) < (v.get(k + 1) ?? -1));
    const from = down ? k + 1 : k - 1, px = v.get(from) ?? 0, py = px - from;
    const edge = down ? [px, py + 1] : [px + 1, py];
    while (x > edge[0] && y > edge[1]) found.push([" ", --x, --y]);
    found.push(down ? ["+", px, py] : ["-", px, py]);
    [x, y] = [px, py];
  }
  while (x > 0 && y > 0) found.push([" ", --x, --y]);
  return found.reverse();
}

function hunks(a, b, around = 3) { // rows for reading: lines near an edit; [null, count] where lines are left out
  const all = edits(a, b), keep = new Uint8Array(all.length);
  all.forEach(([kind], at) => { if (kind !== " ") keep.fill(1, Math.max(0, at - around), at + around + 1); });
  const rows = [];
  for (let at = 0; at < all.length;) {
    if (keep[at]) { rows.push(all[at++]); continue; }
    const from = at;
    while (at < all.length && !keep[at]) at++;
    rows.push([null, at - from, 0]);
  }
  return rows;
}
