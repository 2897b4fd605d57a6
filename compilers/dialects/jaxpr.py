"""jaxpr, what JAX traced: an equation is of its scope's step or of the equation that holds it."""

from __future__ import annotations

import re
from collections import defaultdict

from oneblock.compilers.api.stages import Stage
from oneblock.compilers.dialects import _lexer, _words
from oneblock.compilers.dialects._attribution import LineAttribution, one
from oneblock.compilers.dialects._dialect import Dialect
from oneblock.compilers.dialects._lines import Context, Lines, Steps
from oneblock.compilers.dialects._noise import Names, Noise
from oneblock.compilers.dialects._opcodes import first
from oneblock.compilers.hlo.steps import step_in

_EQUATION = re.compile(r"^\s*(?:\S.*:\S.* )?(?:=|<-|\+=) \S|^\s*\S+\[.*\] (?:<-|\+=) \S")
_SCOPE = re.compile(r" # \[([^#]*)\]$")
_NAMED_JAXPR = re.compile(r"^(?:let )?(\w+) = \{ lambda ")
_USED_JAXPR = re.compile(r"^\s*\w*jaxpr=(\w+)$")
_OPCODE = re.compile(r"=\s*([a-z_][\w-]*)")


def jaxpr(name: str, text: str, context: Context) -> Lines:
    """An equation is of its scope's step or of the equation that holds it; so are the lines over which it goes on."""
    found = LineAttribution()
    open_: list[tuple[int, Steps]] = []  # equations by their indentation, the outermost first
    region = ""  # a jaxpr that is printed once, above those that use it
    regions: list[str] = []
    used: dict[str, set[str]] = defaultdict(set)
    for line in text.splitlines():
        indent = len(line) - len(line.lstrip())
        named = _NAMED_JAXPR.match(line)
        if named or line.startswith(("{ lambda", "in {")):
            region, open_ = (named[1] if named else ""), []
        while open_ and (open_[-1][0] > indent or (open_[-1][0] == indent and line.lstrip()[:1] not in "]})")):
            open_.pop()
        steps = open_[-1][1] if open_ else ()
        operation = _EQUATION.match(line) is not None and not named
        if operation:
            scope = _SCOPE.search(line)
            steps = steps or one(step_in(scope[1] if scope else "", context.steps))
            open_.append((indent, steps))
        elif user := _USED_JAXPR.match(line):
            used[user[1]] |= set(steps)
        found.add(steps, operation)
        regions.append(region)
    users = {name: tuple(s for s in context.steps if s in of) for name, of in used.items()}
    found.steps = [own or users.get(of, ()) for own, of in zip(found.steps, regions, strict=True)]
    return found.lines()


# ---------------------------------------------------------------- noise

_VARIABLE = re.compile(r"(?<![\w=\[])([a-z]+):(?=[A-Za-z]+\d*[\[<{])")
_PRIMITIVE = re.compile(r" = (\w+)")


def _jaxpr_made(line: str) -> list[tuple[str, str]]:
    primitive = _PRIMITIVE.search(line)
    return [(name, primitive[1] if primitive else "argument") for name in _VARIABLE.findall(line)]


_NOISE = Noise(
    dropped=re.compile(r"^\s*$"),
    scrubbed=((re.compile(r" +# \[[^#]*\]$"), ""),),
    names=(
        Names(
            # Not behind "=" or ":", which stand before values and types, and not where a primitive or a word stands.
            token=re.compile(r"(?<![\w.=:'\"<])(?<! = )(?!(?:in|let|lambda)\b)(?P<name>[a-z]+)(?![\w.=('\"])"),
            made=_jaxpr_made,
            base=lambda name: "argument",
            foreign=re.compile(r"[a-z]{1,2}"),
        ),
    ),
)

DIALECTS = (
    Dialect(
        names=("jaxpr",),
        stages=(Stage.GRAPH,),
        reader=jaxpr,
        opcode=first(_OPCODE),
        noise=_NOISE,
        lexer=_lexer.HLO,
        words=_words.HLO,
    ),
)
