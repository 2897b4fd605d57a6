"""What interpreted kernels show of a program: calls, sources, instructions by line, and their counts."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from oneblock.compilers.api.call import steps_of
from oneblock.compilers.api.calls import NeuronCall
from oneblock.compilers.api.facts import Estimate, Facts, StepFacts
from oneblock.compilers.api.kind import Kind
from oneblock.compilers.api.stages import Artifact, Detail, Lowering, Stage
from oneblock.compilers.api.traffic import Traffic
from oneblock.compilers.nki.dma import transfers
from oneblock.compilers.nki.kernel import Kernel, Run
from oneblock.compilers.nki.rules import Place
from oneblock.compilers.nki.timeline import Timeline, perfetto, timeline

HOW = (
    "the calls' modelled timelines one after the other: engines in order and beside each other, by the costs that "
    "AWS's documents state; starting a kernel and the host's work between kernels are not in it"
)
CAVEATS = (
    "DMA has the full rate of its 16 queues whatever the size of a piece; on a device pieces under 2 KiB do not",
    "what the program does between kernels (residual additions, the cache's update, reshaping) is the host's: NumPy's",
    "functions of ScalarE are exact here; the engine's are piece-wise polynomials of an error that is not documented",
)


@dataclass(frozen=True)
class Call:
    """One call of a kernel within a program, its elements let go."""

    step: str | None
    kernel: Kernel
    shapes: tuple[str, ...]
    run: Run
    timeline: Timeline

    @staticmethod
    def of(step: str | None, kernel: Kernel, args: Sequence[object], run: Run) -> Call:
        """Keep what was issued, and let go of the arrays."""
        shapes = tuple(f"{a.dtype.name}{list(a.shape)}" for a in args if isinstance(a, np.ndarray))
        found = Call(step, kernel, shapes, Run((), run.machine, run.occupancy), timeline(run.machine))
        run.machine.forget()
        return found

    def facts(self) -> NeuronCall:
        """Its counts."""
        events = self.run.machine.events
        return NeuronCall(
            name=self.kernel.__name__,
            steps=steps_of(self.step),
            shapes=self.shapes,
            instructions=dict(Counter(event.engine for event in events)),
            flops=float(sum(event.flops for event in events)),
            hbm_bytes=float(sum(event.dma_bytes for event in events)),
            dma_runs=sum(event.dma_runs for event in events),
            sbuf_bytes=self.run.occupancy.sbuf_bytes,
            sbuf_limit_bytes=self.run.machine.generation.sbuf_bytes,
            psum_banks=self.run.occupancy.psum_banks,
            busy_s=self.timeline.busy_s(),
            modelled_s={"timeline": self.timeline.seconds},
        )


def lowering(calls: Sequence[Call], detail: Detail) -> Lowering:
    """The stages of a program of such calls: what it calls, the kernels' sources, the instructions by source line."""
    stages = [Artifact(Stage.GRAPH, "nki-calls", _listing(calls))]
    files = dict.fromkeys(path for call in calls for path in _files(call))
    stages += [Artifact(Stage.KERNEL, f"nki:{path.stem}", path.read_text()) for path in files]
    if detail is not Detail.BRIEF:
        stages.append(Artifact(Stage.MACHINE, "nki-trace", "\n".join(by_line(i, call) for i, call in enumerate(calls))))
    if detail is Detail.ALL:
        for i, call in enumerate(calls):
            name = f"{i:02d}-{call.kernel.__name__}"
            stages.append(Artifact(Stage.MACHINE, f"instructions:{name}", _instructions(call)))
            text = json.dumps(perfetto(call.timeline, f"{call.step}: {call.kernel.__name__}"))
            stages.append(Artifact(Stage.MACHINE, f"perfetto:{name}", text))
    return Lowering(tuple(stages), facts(calls))


def facts(calls: Sequence[Call]) -> Facts:
    """What the calls come to, each counted once."""
    counted = [call.facts() for call in calls]
    names = Counter(event.instruction.removeprefix("nisa.") for call in calls for event in call.run.machine.events)
    steps = []
    for step in dict.fromkeys(call.step for call in calls):
        own = [one for one, call in zip(counted, calls, strict=True) if call.step == step]
        steps.append(StepFacts(step, sum(one.operations or 0 for one in own), *_work(own), None))
    claimed = sum(step.operations for step in steps if step.step is not None)
    total, (flops, nbytes) = sum(names.values()), _work(counted)
    return Facts(
        flops=flops,
        hbm_bytes=nbytes,
        traffic=_traffic(calls),
        operations=dict(names.most_common()),
        attributed=claimed / total if total else None,
        attributed_by_name=claimed / total if total else None,
        steps=tuple(steps),
        calls=tuple(counted),
        estimates=(Estimate("timeline", sum(one.timeline_s for one in counted), HOW, Kind.MODELLED),),
        caveats=CAVEATS,
        kind=Kind.INTERPRETED,
    )


def _traffic(calls: Sequence[Call]) -> Traffic:
    """What the kernels' DMA moves; an array has its name in its kernel, and the kernel's number among the calls."""
    found = [
        one
        for i, call in enumerate(calls)
        for one in transfers(call.run.machine, f"{i:02d}-{call.kernel.__name__}", call.step)
    ]
    return Traffic("DMA of NKI's instructions", tuple(found))


def _work(calls: Sequence[NeuronCall]) -> tuple[float, float]:
    """FLOPs and bytes of DMA of several calls."""
    return sum(one.flops or 0.0 for one in calls), sum(one.hbm_bytes or 0.0 for one in calls)


def _files(call: Call) -> list[Path]:
    """The kernel's file, and those of the functions that it calls, by the lines that issued something."""
    own = Path(call.kernel.function.__code__.co_filename)
    return [own, *(Path(event.place.file) for event in call.run.machine.events)]


def _listing(calls: Sequence[Call]) -> str:
    lines = ["call  step        kernel               arrays"]
    for i, call in enumerate(calls):
        lines.append(f"{i:4d}  {call.step or '-':<10}  {call.kernel.__name__:<19}  {', '.join(call.shapes)}")
    return "\n".join(lines) + "\n"


def by_line(number: int, call: Call) -> str:
    """Counts and busy time by source line, in the order in which the lines were first reached."""
    rows: dict[tuple[Place, str, str], list[float]] = defaultdict(lambda: [0, 0, 0, 0])
    for slot in call.timeline.slots:
        event = slot.event
        row = rows[event.place, event.instruction, event.engine]
        for i, value in enumerate((1, slot.busy_s, event.flops, event.dma_bytes)):
            row[i] += value
    title = (
        f"# call {number}, step {call.step or '-'}: {call.kernel.__name__} ({', '.join(call.shapes)}) on NeuronCore-"
        f"{call.run.machine.generation.name}: {call.timeline.seconds * 1e6:.1f} us (modelled)"
    )
    lines = [
        title,
        "line                        instruction               engine    times    busy us        MFLOP  DMA KiB",
    ]
    for (place, instruction, engine), (times, busy_s, flops, nbytes) in rows.items():
        lines.append(
            f"{place!s:<27} {instruction:<25} {engine:<7} {times:7.0f} {busy_s * 1e6:10.2f} {flops / 1e6:12.3f} "
            f"{nbytes / 1024:8.0f}"
        )
    return "\n".join(lines) + "\n"


def _instructions(call: Call) -> str:
    lines = ["   no.    start us     busy us   result us  engine   instruction              line"]
    for slot in call.timeline.slots:
        event = slot.event
        lines.append(
            f"{event.index:6d} {slot.start_s * 1e6:11.3f} {slot.busy_s * 1e6:11.3f} {slot.end_s * 1e6:11.3f}  "
            f"{event.engine:<7}  {event.instruction:<24} {event.place}"
        )
    return "\n".join(lines) + "\n"
