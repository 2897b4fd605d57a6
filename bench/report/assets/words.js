// What the word under the pointer means, looked up when the pointer moves: no line is searched before.
const WORDS = (STUDY?.words ?? []).map((told) => ({ told, forms: new Map(Object.keys(told).reverse().map((name) => [formOf(name), name])),
  fitting: Object.keys(told).filter((name) => name.includes("*")).sort((a, b) => b.length - a.length).map((name) => [name, new RegExp(`^${name.split("*").map((part) => part.replace(/[^\w]/g, "\\$&")).join(".+")}$`)]) }));

// A word without what its numbers are: mxu# of mxu0, T() of T(8,128)(2,1).
function formOf(word) { return word.replace(/\(.*/, "()").replace(/\d+/g, "#"); }

// The name and the meaning of a word; as Words.find of compilers/dialects/_words.py has it.
function meaning(word, { told, forms, fitting }) {
  for (const one of [word, word.replace(/[.\d]+$/, ""), word.split(".")[0], word.replace(/^(.*\d)?x(?=[a-z]+\d)/, "")]) {
    const name = Object.hasOwn(told, one) ? one : forms.get(formOf(one));
    if (name !== undefined) return [name, told[name]];
  }
  const [name] = fitting.find(([, expression]) => expression.test(word)) ?? [];
  return name === undefined ? null : [name, told[name]];
}

// The word of a line at a place, or of one with dots the part that is there, or else what stands around it.
function wordAt(line, at, of) {
  for (const match of line.matchAll(/[A-Za-z_][\w.-]*(?:\([\d,]+\))*/g)) {
    if (match.index > at) return null;
    const word = match[0].replace(/[.-]+$/, "");
    if (at >= match.index + word.length) continue;
    const start = word.lastIndexOf(".", at - match.index) + 1;
    const whole = Object.hasOwn(of.told, word) ? [word, of.told[word]] : null;
    return whole ?? meaning(word.slice(start).split(".")[0], of) ?? meaning(word, of);
  }
  return null;
}

function meant(event, number) {
  const row = event.target.closest?.(".line"), code = row?.querySelector("code"), of = WORDS[number];
  if (!code || !of) return;
  const caret = document.caretPositionFromPoint?.(event.clientX, event.clientY), range = caret ? null : document.caretRangeFromPoint?.(event.clientX, event.clientY);
  const node = caret?.offsetNode ?? range?.startContainer;
  let said = null;
  if (node && code.contains(node) && event.clientX < code.getBoundingClientRect().right) {
    const before = document.createRange();
    before.setStart(code, 0);
    before.setEnd(node, caret?.offset ?? range.startOffset);
    said = wordAt(code.textContent, Math.max(0, before.toString().length - (onTheRight(event, before) ? 1 : 0)), of);
  }
  row.title = said ? `${said[0]}: ${said[1]}` : "";
}

// Whether the caret, which stands between two letters, has gone past the letter that the pointer is on.
function onTheRight({ clientX }, before) {
  const at = before.getBoundingClientRect();
  return at.width > 0 && clientX < at.right;
}
