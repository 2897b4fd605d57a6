// Colours of the compilers' languages, line by line, by the expressions that came with the stages. What no rule finds stays plain.
const LEXERS = (STUDY?.lexers ?? []).map((rules) => new RegExp(rules.map(([kind, expression]) => `(?<${kind}>${expression})`).join("|"), "g"));

function coloured(text, lexer) {
  const parts = [];
  let end = 0;
  for (const match of text.matchAll(LEXERS[lexer])) {
    if (match.index > end) parts.push(text.slice(end, match.index));
    const kind = Object.keys(match.groups).find((name) => match.groups[name] !== undefined);
    parts.push(el("span", { class: `t-${kind}` }, match[0]));
    end = match.index + match[0].length;
  }
  if (end < text.length) parts.push(text.slice(end));
  return parts;
}
