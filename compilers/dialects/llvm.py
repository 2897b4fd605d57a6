"""Lines of LLVM IR and of assembly: a kernel of its own is of its call's steps, a function of a module of its own's."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

from oneblock.compilers.api.stages import Stage
from oneblock.compilers.dialects import _lexer, _opcodes, _words
from oneblock.compilers.dialects._dialect import Dialect
from oneblock.compilers.dialects._kernel_text import steps_of
from oneblock.compilers.dialects._lines import Context, Lines

_DEFINE = re.compile(r'^define .*?@"?([\w.$\-]+)"?\(')
_SYMBOL = re.compile(r'@"?([\w.$\-]+)')
_LLVM = re.compile(
    r"^  (?![ \]}])(?!ret\b|unreachable\b|#dbg_|(?:tail )?call void @llvm\.(?:dbg|experimental|lifetime|assume)\b)"
)
_TYPE = re.compile(r"^\s*\.type\s+([\w.$\-]+),\s*@function")
_ENTRY = re.compile(r"^\s*(?:\.visible\s+)?\.entry\s+([\w.$]+)\(")
_LABEL = re.compile(r"^([\w.$\-]+):")
_WORD = re.compile(r"[\w.$\-]+")


def llvm(name: str, text: str, context: Context) -> Lines:
    """XLA's, whose text is of one kernel, which has a name; or TVM's, a module of all functions."""
    every = text.splitlines()
    of: list[str] = []
    symbol = ""
    for line in every:
        head = _DEFINE.match(line)
        symbol = head[1] if head else symbol
        of.append(symbol)
        symbol = "" if line.startswith("}") else symbol
    operations = [bool(function) and _LLVM.match(line) is not None for function, line in zip(of, every, strict=True)]
    if name:
        return whole(name, context, operations)
    mentioned = [_SYMBOL.findall(line) if "@" in line else [] for line in every]
    return _by_function(of, mentioned, operations, context)


def machine_module(text: str, context: Context, is_operation: Callable[[str], bool]) -> Lines:
    """TVM's assembly or PTX of all functions, of which each begins with its label or as an entry."""
    every = text.splitlines()
    functions = {found[1] for line in every if (found := _TYPE.match(line))}
    of: list[str] = []
    symbol = ""
    for line in every:
        head = _LABEL.match(line)
        entry = _ENTRY.match(line)
        symbol = entry[1] if entry else head[1] if head and head[1] in functions else symbol
        of.append(symbol)
    mentioned = [[word for word in _WORD.findall(line) if word in functions] for line in every]
    return _by_function(of, mentioned, list(map(is_operation, every)), context)


def whole(name: str, context: Context, operations: Sequence[bool]) -> Lines:
    """The text of one kernel, all of whose lines are of its steps."""
    steps = steps_of(name, context.kernels) or ()
    return Lines((steps,) * len(operations), tuple(operations), "kernel")


def _by_function(
    of: Sequence[str], mentioned: Sequence[Iterable[str]], operations: Sequence[bool], context: Context
) -> Lines:
    """A function that is no kernel belongs to the kernel that alone mentions it, such as the body of its loop."""
    users: dict[str, set[str]] = defaultdict(set)
    for function, names in zip(of, mentioned, strict=True):
        for name in names:
            if function not in ("", name):
                users[name].add(function)
    owner = {function: function if steps_of(function, context.kernels) is not None else "" for function in of}
    for _ in range(3):  # a loop within a loop is two functions away from its kernel
        for function in owner:
            owners = {owner.get(user, "") for user in users[function]}
            if not owner[function] and len(owners) == 1:
                owner[function] = owners.pop()
    known = {function: steps_of(kernel, context.kernels) or () for function, kernel in owner.items()}
    return Lines(tuple(known[function] for function in of), tuple(operations), "kernel")


DIALECTS = (
    Dialect(
        ("llvm", "amdgpu-llvm"),
        (Stage.KERNEL,),
        reader=llvm,
        opcode=_opcodes.llvm,
        lexer=_lexer.LLVM,
        words=_words.LLVM,
    ),
)
