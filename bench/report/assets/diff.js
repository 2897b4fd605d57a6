// A line diff by Myers' shortest edit script, after what both share at the start and at the end.
const MOST_EDITS = 800; // beyond it, the middle is shown as replaced: time and memory grow with the square

function edits(a, b) { // [" " | "-" | "+", line of a, line of b]; `replaced` where the middle was not looked into
  let start = 0, ends = 0;
  while (start < a.length && start < b.length && a[start] === b[start]) start++;
  while (ends < a.length - start && ends < b.length - start && a[a.length - 1 - ends] === b[b.length - 1 - ends]) ends++;
  const middle = between(a.slice(start, a.length - ends), b.slice(start, b.length - ends));
  const same = (count, x, y) => Array.from({ length: count }, (_, n) => [" ", x + n, y + n]);
  const all = [...same(start, 0, 0), ...middle.map(([kind, x, y]) => [kind, x + start, y + start]), ...same(ends, a.length - ends, b.length - ends)];
  return Object.assign(all, { replaced: Boolean(middle.replaced) });
}

function between(a, b) {
  const n = a.length, m = b.length, most = Math.min(n + m, MOST_EDITS), trace = [], zero = most + 1;
  const v = new Int32Array(2 * most + 3).fill(-1); // of diagonal k, at zero + k: the furthest line of a
  v[zero + 1] = 0;
  for (let d = 0; d <= most; d++) {
    trace.push(v.slice(zero - d - 1, zero + d + 2)); // the diagonals that this round reads
    for (let k = -d; k <= d; k += 2) {
      const left = v[zero + k - 1], right = v[zero + k + 1];
      let x = k === -d || (k !== d && left < right) ? right : left + 1;
      while (x < n && x - k < m && a[x] === b[x - k]) x++;
      v[zero + k] = x;
      if (x >= n && x - k >= m) return walked(trace, n, m, d);
    }
  }
  return Object.assign([...a.map((_, x) => ["-", x, 0]), ...b.map((_, y) => ["+", n, y])], { replaced: true });
}

function walked(trace, n, m, d) {
  const found = [];
  let x = n, y = m;
  for (let depth = d; depth > 0; depth--) {
    const v = trace[depth], k = x - y, at = k + depth + 1;
    const down = k === -depth || (k !== depth && v[at - 1] < v[at + 1]);
    const from = down ? k + 1 : k - 1, px = v[from + depth + 1], py = px - from;
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
  return Object.assign(rows, { replaced: all.replaced });
}
