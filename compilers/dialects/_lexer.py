"""Colours as data: for each kind of token one expression, which Python at the terminal and the page's script share."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

KINDS = ("comment", "string", "type", "keyword", "operation", "variable", "number")
# Python's and JavaScript's expressions agree on the rest: groups may be only "(", "(?:", lookahead, lookbehind.
_PYTHON_ONLY = re.compile(r"\(\?(?!:|=|!|<=|<!)|(?<!\\)[*+?}]\+")


@dataclass(frozen=True)
class Lexer:
    """Tokens of one line by kind, the earlier rule first; what no rule finds stays plain.

    An expression is one that Python and JavaScript read alike, without names and flags; lookbehind is of one width.
    """

    rules: tuple[tuple[str, str], ...]  # (one of KINDS, expression), a kind once

    def __post_init__(self) -> None:
        kinds = [kind for kind, _ in self.rules]
        if not kinds or len(set(kinds)) < len(kinds) or not set(kinds) <= set(KINDS):
            raise ValueError(f"expected kinds of tokens among {', '.join(KINDS)}, each once, got {kinds}")
        for kind, expression in self.rules:
            try:
                empty = re.compile(expression, re.ASCII).match("") is not None
            except re.error as error:
                raise ValueError(f"the lexer's {kind} {expression!r} is no expression: {error}") from error
            if empty or _PYTHON_ONLY.search(expression):
                raise ValueError(
                    f"the lexer's {kind} {expression!r} must find one character at least, and be an expression that "
                    "JavaScript reads as Python does: no named group, no flag, no possessive quantifier"
                )

    @cached_property
    def _expression(self) -> re.Pattern[str]:
        return re.compile("|".join(f"(?P<{kind}>{expression})" for kind, expression in self.rules), re.ASCII)

    def tokens(self, line: str) -> Iterator[tuple[str | None, str]]:
        """The line in pieces, (kind of token, text); the kind is None for what stays plain."""
        end = 0
        for found in self._expression.finditer(line):
            if found.start() > end:
                yield None, line[end : found.start()]
            yield found.lastgroup, found[0]
            end = found.end()
        if end < len(line):
            yield None, line[end:]


_NUMBER = r"(?<![\w.%$])-?(?:0x[\da-fA-F]+|\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)(?![\w.])"
_STRING = r'"(?:[^"\\]|\\.)*"|' + r"'(?:[^'\\]|\\.)*'"
_SCALAR = (
    r"\b(?:[usfi]\d{1,3}|bf16|pred|f8\w+|index|none|float(?:16|32|64)?|double|half|bfloat(?:16)?|u?int(?:8|16|32|64)?"
    r"|bool|void|ptr|b(?:8|16|32|64))\b"
)
_PYTHON_WORDS = (
    r"\b(?:def|class|return|for|while|if|elif|else|in|is|not|and|or|with|as|import|from|None|True|False|lambda|pass"
    r"|yield|const|auto|static|constexpr|template|using|extern|inline)\b|@[\w.]+|#pragma"
)
_PYTHON = (
    ("string", r'"{3}|' + r"'{3}|" + _STRING),
    ("type", rf"{_SCALAR}|\b[RTI]\.[A-Z]\w*|\bat::vec::\w+"),
    ("keyword", _PYTHON_WORDS),
    ("variable", r"\b(?:v_|tmp|buf|arg)\w*\b"),
    ("number", _NUMBER),
)

PLAIN = Lexer((("comment", "^#.*"), ("string", _STRING), ("number", _NUMBER)))
PYTHON = Lexer((("comment", "#.*"), *_PYTHON))
PYTHON_WITH_C = Lexer((("comment", r"#(?!include|pragma|define|if|endif).*|^\s*//.*|(?<=;)\s*//.*"), *_PYTHON))
JSON = Lexer((("string", _STRING), ("keyword", r"\b(?:true|false|null)\b"), ("number", _NUMBER)))
MLIR = Lexer(
    (
        ("comment", "//.*"),
        ("string", _STRING),
        ("variable", r"%[\w.$#:-]+"),
        ("type", rf"!?\b(?:tensor|vector|memref)<[^>]*>|![\w.]+(?:<[^>]*>)?|{_SCALAR}"),
        ("keyword", r"\b(?:module|func(?:\.func)?|return|loc|dense|true|false|scf\.\w+|cf\.\w+)\b|#[\w.]+|@[\w.$-]+"),
        ("operation", r"\b[a-z]\w*(?:\.[a-z_]\w*)+"),
        ("number", _NUMBER),
    )
)
HLO = Lexer(  # and jaxpr, whose operations stand before "[" too
    (
        ("comment", r"/\*.*?\*/|//.*"),
        ("string", _STRING),
        ("variable", r"%[\w.$-]+"),
        ("type", rf"\b(?:[usf]\d{{1,3}}|bf16|pred|f8\w+|token)\[[^\]]*\](?:\{{[^}}]*\}})?|{_SCALAR}"),
        (
            "keyword",
            r"\b(?:HloModule|ENTRY|ROOT|FileNames|FunctionNames|FileLocations|StackFrames|let|in|lambda)\b"
            r"|\b[\w-]+(?==)",
        ),
        ("operation", r"\b[a-z][\w-]*(?=[(\[])"),
        ("number", _NUMBER),
    )
)
LLVM = Lexer(
    (
        ("comment", ";.*"),
        ("string", _STRING),
        ("variable", r"%[\w.$-]+"),
        ("type", rf"<\d+ x [^>]*>|\[\d+ x [^\]]*\]|{_SCALAR}"),
        (
            "keyword",
            r"\b(?:define|declare|call|ret|br|load|store|getelementptr|phi|select|icmp|fcmp|fadd|fmul|fsub|fdiv|add|mul"
            r"|sub|shl|or|and|xor|bitcast|zext|sext|trunc|fpext|fptrunc|alloca|switch|target|source_filename|inbounds"
            r"|nuw|nsw|fast|align|to|label)\b|@[\w.$-]+|![\w.]+|#\w+",
        ),
        ("number", _NUMBER),
    )
)
PTX = Lexer(
    (
        ("comment", r"//.*|/\*.*?\*/"),
        ("string", _STRING),
        ("variable", r"%[\w.]+|\$[\w.]+"),
        ("type", r"\.(?:[usfb]\d+(?:x\d)?|bf16(?:x2)?|pred)\b"),
        ("keyword", r"(?<!\S)(?:@!?)?[a-z]\w*(?:\.[\w:]+)*(?=\s)|\.[a-z]\w+"),
        ("number", _NUMBER),
    )
)
ASSEMBLY = (
    Lexer(  # of x86, AMD and NVIDIA, and a TPU's bundles; an opcode has its indentation, an address before it not
        (
            ("comment", r"//.*|(?<!\S)[#;].+"),  # and no ";" at the end of a line, which SASS has everywhere
            ("string", _STRING),
            (
                "variable",
                r"%?\b(?:[xyz]mm\d+|k\d|[re]?[abcd]x|[re]?[sd]i|[re]?[sb]p|r\d+[dwb]?|R\d+|UR\d+|[svu]\d+(?:_v\d+)?"
                r"|[sv]\[[\d:]+\]|[re]ip|rip)\b|%\d+",
            ),
            ("type", r"\b(?:PTR|[XYZ]MMWORD|[DQ]?WORD|BYTE|vmem|smem|sflag|allocation\w*)\b"),
            (
                "keyword",
                r"(?:^\s*|(?<=[\da-f]:)\s+|(?<=[\da-f]\*/)\s+)[A-Za-z_][\w.]*(?=\s|$)|(?<==\s)v[a-z][\w.]*|^\s*\.\w+",
            ),
            ("number", _NUMBER),
        )
    )
)
