// Colours for the languages of compilers: one expression a family, line by line. What it does not know stays plain.
const NUMBER = String.raw`(?<![\w.%$])-?(?:0x[\da-fA-F]+|\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)(?![\w.])`;
const STRING = String.raw`"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'`;
const SCALAR = String.raw`\b(?:[usfi]\d{1,3}|bf16|pred|f8\w+|index|none|float(?:16|32|64)?|double|half|bfloat(?:16)?|u?int(?:8|16|32|64)?|bool|void|ptr|b(?:8|16|32|64))\b`;
const FAMILIES = {
  mlir: { c: "//.*", s: STRING, v: String.raw`%[\w.$#:-]+`, t: String.raw`!?\b(?:tensor|vector|memref)<[^>]*>|![\w.]+(?:<[^>]*>)?|${SCALAR}`,
    k: String.raw`\b(?:module|func(?:\.func)?|return|loc|dense|true|false|scf\.\w+|cf\.\w+)\b|#[\w.]+|@[\w.$-]+`, n: NUMBER },
  hlo: { c: String.raw`/\*.*?\*/|//.*`, s: STRING, v: String.raw`%[\w.$-]+`, t: String.raw`\b(?:[usf]\d{1,3}|bf16|pred|f8\w+|token)\[[^\]]*\](?:\{[^}]*\})?|${SCALAR}`,
    k: String.raw`\b(?:HloModule|ENTRY|ROOT|FileNames|FunctionNames|FileLocations|StackFrames|let|in|lambda)\b|\b[\w-]+(?==)`, n: NUMBER },
  python: { c: "#.*", s: `"""|'''|${STRING}`, t: `${SCALAR}|\\b[RTI]\\.[A-Z]\\w*|\\bat::vec::\\w+`,
    k: String.raw`\b(?:def|class|return|for|while|if|elif|else|in|is|not|and|or|with|as|import|from|None|True|False|lambda|pass|yield|const|auto|static|constexpr|template|using|extern|inline)\b|@[\w.]+|#pragma`, v: String.raw`\b(?:v_|tmp|buf|arg)\w*\b`, n: NUMBER },
  llvm: { c: ";.*", s: STRING, v: String.raw`[%][\w.$-]+`, t: String.raw`<\d+ x [^>]*>|\[\d+ x [^\]]*\]|${SCALAR}`,
    k: String.raw`\b(?:define|declare|call|ret|br|load|store|getelementptr|phi|select|icmp|fcmp|fadd|fmul|fsub|fdiv|add|mul|sub|shl|or|and|xor|bitcast|zext|sext|trunc|fpext|fptrunc|alloca|switch|target|source_filename|inbounds|nuw|nsw|fast|align|to|label)\b|@[\w.$-]+|![\w.]+|#\w+`, n: NUMBER },
  ptx: { c: String.raw`//.*|/\*.*?\*/`, s: STRING, v: String.raw`%[\w.]+|\$[\w.]+`, t: String.raw`\.(?:[usfb]\d+(?:x\d)?|bf16(?:x2)?|pred)\b`, k: String.raw`(?<=\s|^)(?:@!?)?[a-z][\w]*(?:\.[\w:]+)*(?=\s)|\.[a-z]\w+`, n: NUMBER },
  asm: { c: String.raw`//.*|(?<=\s|^)[#;].*`, s: STRING, v: String.raw`%?\b(?:[xyz]mm\d+|k\d|[re]?[abcd]x|[re]?[sd]i|[re]?[sb]p|r\d+[dwb]?|R\d+|UR\d+|[svu]\d+(?:_v\d+)?|[sv]\[[\d:]+\]|[re]ip|rip)\b|%\d+`, t: String.raw`\b(?:PTR|[XYZ]MMWORD|[DQ]?WORD|BYTE|vmem|smem|sflag|allocation\w*)\b`,
    k: String.raw`(?<=^\s*(?:[\da-f]+:\s+|/\*[\da-f]+\*/\s+)?)[A-Za-z_][\w.]*(?=\s|$)|(?<==\s)v[a-z][\w.]*|^\s*\.\w+`, n: NUMBER },
  plain: { c: "^#.*", s: STRING, n: NUMBER },
};
FAMILIES.mixed = { ...FAMILIES.python, c: String.raw`#(?!include|pragma|define|if|endif).*|(?<=^\s*|;\s*)//.*` }; // Python that holds C++
const OF = {
  stablehlo: "mlir", ttir: "mlir", ttgir: "mlir", mlir: "mlir", hlo: "hlo", "hlo-before": "hlo", jaxpr: "hlo", fx: "python", inductor: "mixed",
  triton: "python", relax: "python", tir: "python", "tir-scheduled": "python", tvm: "python", traces: "python", nki: "python", llvm: "llvm", llir: "llvm",
  ptx: "ptx", sass: "asm", asm: "asm", amdgcn: "asm", bundles: "asm", aten: "python",
};
const EXPRESSIONS = Object.fromEntries(Object.entries(FAMILIES).map(([family, kinds]) =>
  [family, new RegExp(Object.entries(kinds).map(([kind, expression]) => `(?<${kind}>${expression})`).join("|"), "g")]));
const familyOf = (dialect) => OF[dialect.split(":")[0]] ?? "plain";

function coloured(text, family) {
  const parts = [];
  let end = 0;
  for (const match of text.matchAll(EXPRESSIONS[family])) {
    if (!match[0]) continue;
    if (match.index > end) parts.push(text.slice(end, match.index));
    const kind = Object.keys(match.groups).find((name) => match.groups[name] !== undefined);
    parts.push(el("span", { class: `t-${kind}` }, match[0]));
    end = match.index + match[0].length;
  }
  if (end < text.length) parts.push(text.slice(end));
  return parts;
}
