"""One lexer for what Pygments has none for: HLO, MLIR's dialects and jaxpr, which look alike."""

from __future__ import annotations

from typing import ClassVar

from pygments.lexer import RegexLexer  # type: ignore[import-untyped]
from pygments.token import Comment, Keyword, Name, Number, Operator, Punctuation, String, Text  # type: ignore[import-untyped]


class IrLexer(RegexLexer):  # type: ignore[misc]
    """Names, types, operations, strings and locations; what it does not know stays plain."""

    name = "Compilers' IR"
    aliases: ClassVar[list[str]] = ["oneblock-ir"]
    tokens: ClassVar = {
        "root": [
            (r"//[^\n]*|/\*.*?\*/|^#loc\d*[^\n]*|\bloc\((?:#loc\d*|unknown)\)|metadata=\{[^{}\n]*\}", Comment),
            (r'"(?:\\.|[^"\\\n])*"', String),
            (r"[%@^#!][\w.$-]+(?::\d+)?", Name.Tag),
            (r"\b(?:tensor|memref|vector)<[^\n<>]*>", Keyword.Type),
            (r"\b(?:bf16|pred|[fsui]\d{1,2}(?:e\dm\d\w*)?)(?:\[[\d,]*\](?:\{[^{}\n]*\})?)?(?![\w.])", Keyword.Type),
            (r"\b(?:ENTRY|ROOT|HloModule|module|func|let|in|lambda|return|attributes)\b", Keyword),
            (r"\b[a-z]\w*(?:\.[a-z_]\w*)+", Name.Function),
            (r"\b[a-z][\w-]*(?=[(\[])", Name.Function),
            (r"(?<![\w.])-?\d+(?:\.\d+)?(?:e[+-]?\d+)?(?![\w])", Number),
            (r"[=:,;|<>-]+", Operator),
            (r"[()\[\]{}]", Punctuation),
            (r"[\w.$-]+|\s+|.", Text),
        ]
    }
