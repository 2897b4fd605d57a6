"""Rewriting a binary HLO module, an HloModuleProto: calls inlined, ids from 1 up, nothing of where it was made.

XLA builds ids of 64 bits, the computation's in the upper half, and readers older than that take them as 32 bits. The
numbers of the fields are those of xla/service/hlo.proto.
"""

from __future__ import annotations

from oneblock.compilers.hlo.protobuf import Message

COMPUTATIONS, ENTRY_NAME, ENTRY_ID = 3, 2, 6  # of HloModuleProto
INSTRUCTIONS, COMPUTATION_ID, ROOT_ID = 2, 5, 6  # of HloComputationProto
OPCODE, METADATA, PARAMETER_NUMBER = 2, 7, 9  # of HloInstructionProto
INSTRUCTION_ID, OPERANDS, PREDECESSORS, CALLED = 35, 36, 37, 38
NAME = 1  # of each of the three
_MODULE_ID, _SCHEDULE, _STACK_FRAMES, _PJRT_ID = 5, 7, 17, 23
_OP_NAME = 2  # of OpMetadata


class HloProtoError(ValueError):
    """A module that this rewriting does not cover; says what it met."""


def rewritten(module: bytes) -> bytes:
    """The same program with calls inlined, computations and instructions numbered densely from 1 and named anew.

    Of the metadata the operations' names stay, which tell the step. Source files and the module's own number go: they
    are of the process that made it, and the same program shall give the same bytes.
    """
    source = Message(module)
    if source.raw(_SCHEDULE):
        raise HloProtoError("expected a module before scheduling, got one with a schedule, which names instructions")
    rewriting = _Rewriting(source)
    entry = rewriting.computation(source.integer(ENTRY_ID))
    source.put(COMPUTATIONS, *rewriting.written)
    source.put(ENTRY_ID, entry)
    source.put(ENTRY_NAME, Message(rewriting.written[entry - 1]).text(NAME))
    for number in (_MODULE_ID, _PJRT_ID, _STACK_FRAMES):
        source.put(number)
    return source.encode()


class _Rewriting:
    """The computations written so far, each after those that it uses, as XLA reads them."""

    def __init__(self, module: Message) -> None:
        read = [Message(encoded) for encoded in module.all(COMPUTATIONS)]
        self.sources = {computation.integer(COMPUTATION_ID): computation for computation in read}
        self.numbers: dict[int, int] = {}  # of computations, old to new
        self.written: list[bytes] = []
        self.instructions = 0

    def computation(self, old: int) -> int:
        """Write a computation, unless it is; its new number."""
        if old not in self.numbers:
            self._used_by(self.sources[old])  # first, so that numbers go up as one reads
            body: list[bytes] = []
            root = self._body(self.sources[old], None, "", body)
            new = Message(self.sources[old].encode())
            self.numbers[old] = len(self.written) + 1
            new.put(NAME, _renamed(new.text(NAME), self.numbers[old]))
            new.put(INSTRUCTIONS, *body)
            new.put(COMPUTATION_ID, self.numbers[old])
            new.put(ROOT_ID, root)
            self.written.append(new.encode())
        return self.numbers[old]

    def _used_by(self, source: Message) -> None:
        """Write the computations that a computation applies, say the sum of a reduction."""
        for instruction in map(Message, source.all(INSTRUCTIONS)):
            for called in instruction.integers(CALLED):
                if instruction.text(OPCODE) == "call":
                    self._used_by(self.sources[called])
                else:
                    self.computation(called)

    def _body(self, source: Message, arguments: list[int] | None, scope: str, body: list[bytes]) -> int:
        """Append a computation's instructions to a body, with `arguments` for its parameters; the root's new id."""
        new: dict[int, int] = {}  # ids, old to new
        for encoded in source.all(INSTRUCTIONS):
            instruction = Message(encoded)
            operands = [new[old] for old in instruction.integers(OPERANDS)]
            opcode, old = instruction.text(OPCODE), instruction.integer(INSTRUCTION_ID)
            if opcode == "parameter" and arguments is not None:
                new[old] = arguments[instruction.integer(PARAMETER_NUMBER)]
            elif opcode == "call":
                if instruction.integers(PREDECESSORS):
                    raise HloProtoError(f"{instruction.text(NAME)}: a call that waits for others cannot be inlined")
                (callee,) = instruction.integers(CALLED)
                within = _scoped(scope, Message(instruction.raw(METADATA)).text(_OP_NAME))
                new[old] = self._body(self.sources[callee], operands, within, body)
            else:
                body.append(self._instruction(instruction, operands, new, scope))
                new[old] = self.instructions
        return new[source.integer(ROOT_ID)]

    def _instruction(self, instruction: Message, operands: list[int], new: dict[int, int], scope: str) -> bytes:
        self.instructions += 1
        instruction.put(NAME, _renamed(instruction.text(NAME), self.instructions))
        instruction.put(INSTRUCTION_ID, self.instructions)
        instruction.put_packed(OPERANDS, operands)
        instruction.put_packed(PREDECESSORS, [new[old] for old in instruction.integers(PREDECESSORS)])
        instruction.put_packed(CALLED, [self.numbers[old] for old in instruction.integers(CALLED)])
        name, metadata = _scoped(scope, Message(instruction.raw(METADATA)).text(_OP_NAME)), Message()
        metadata.put(_OP_NAME, *([name] if name else []))
        instruction.put(METADATA, *([metadata.encode()] if name else []))
        return instruction.encode()


def _renamed(name: str, number: int) -> str:
    """A name that no other has: "dot.7" as number 3 is "dot.3"."""
    stem, dot, suffix = name.rpartition(".")
    return f"{stem if dot and suffix.isdecimal() else name}.{number}"


def _scoped(scope: str, name: str) -> str:
    """An operation's name within the call that it was inlined for, unless it says so itself."""
    return name if not scope or name.startswith(scope) else f"{scope}/{name}".rstrip("/")
