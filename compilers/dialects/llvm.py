"""Lines of LLVM IR and of assembly: a kernel of its own is of its call's steps, a function of a module of its own's."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

from oneblock.compilers.dialects._lines import Context, Lines, Steps

_DEFINE = re.compile(r'^define .*?@"?([\w.$\-]+)"?\(')
_SYMBOL = re.compile(r'@"?([\w.$\-]+)')
_LLVM = re.compile(
    r"^  (?![ \]}])(?!ret\b|unreachable\b|#dbg_|(?:tail )?call void @llvm\.(?:dbg|experimental|lifetime|assume)\b)"
)
_TYPE = re.compile(r"^\s*\.type\s+([\w.$\-]+),\s*@function")
_ENTRY = re.compile(r"^\s*(?:\.visible\s+)?\.entry\s+([\w.$]+)\(")
_LABEL = re.compile(r"^([\w.$\-]+):")
_WORD = re.compile(r"[\w.$\-]+")
_AT_AND_T = re.compile(r"^\t(?![.#])(?!ret|nop|int3)[a-z]")
_OBJDUMP = re.compile(r"^\s*[0-9a-f]+:\s+(?!ret|nop|int3|data16|cs nop|\.\.\.)[a-z]")
_AROUND = re.compile(r"^(?:__compute_module_|__tvm_ffi_)|(?:_compute_|_kernel(?:_\d+)?|_elemental)$")


def steps_of(symbol: str, kernels: Mapping[str, Steps]) -> Steps | None:
    """The steps of a kernel by the name that a toolchain made of it; None for a function that is no kernel."""
    plain = _AROUND.sub("", _AROUND.sub("", symbol))
    return next((tuple(kernels[name]) for name in (symbol, plain) if name in kernels), None)


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
        return _whole(name, context, operations)
    mentioned = [_SYMBOL.findall(line) if "@" in line else [] for line in every]
    return _by_function(of, mentioned, operations, context)


def assembly(name: str, text: str, context: Context) -> Lines:
    """XLA's kernels, as objdump prints them; TVM's module, as LLVM does."""
    if name:
        return _whole(name, context, [_OBJDUMP.match(line) is not None for line in text.splitlines()])
    return machine_module(text, context, lambda line: _AT_AND_T.match(line) is not None)


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


def _whole(name: str, context: Context, operations: Sequence[bool]) -> Lines:
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


READERS = {"llvm": llvm, "asm": assembly, "amdgpu-llvm": llvm}
