"""Estimates of a program's time: by which method, of what kind, and what a method's words are. None is measured."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from oneblock.bench.judge.roofline import bound
from oneblock.bench.records.record import Record
from oneblock.compilers.api.facts import Estimate
from oneblock.compilers.api.kind import Kind


class Method(NamedTuple):
    """A way to estimate and what sort of evidence it gives; two kinds under one name are two methods."""

    name: str
    kind: Kind

    @property
    def words(self) -> str:
        """What it does; one that this version does not know is explained by its `how`."""
        return METHODS.get(self, "as its record says")

    @property
    def label(self) -> str:
        """Its name, with the kind where the name alone does not tell it."""
        return self.name if self in METHODS else f"{self.name} ({self.kind})"


ROOFLINE = Method("roofline", Kind.MODELLED)
TRIED = Method("tried", Kind.MODELLED)
# In the order in which they are shown.
METHODS = {
    ROOFLINE: "the larger of FLOPs / peak and compulsory bytes / bandwidth, of the chip's specification",
    TRIED: "the sum over the launches that a block's formula has, each by the model that was held against reported "
    "silicon, in the range that nine tenths of held-out launches lie in; of a chip without rows that of chips left out",
    Method("xla", Kind.COMPILED): "XLA's optimal_seconds: the sum over operations of the larger of FLOPs / peak and "
    "bytes / bandwidth, with VMEM counted as HBM; repaired where operations without an estimate counted as −1 s",
    Method("hlo", Kind.COMPILED): "the cycles that XLA's cost model writes on each scheduled operation, at the clock "
    "that the peak implies",
    Method("llo", Kind.COMPILED): "the larger of the cycles of a static simulation of the instructions and the time of "
    "the HBM traffic",
    Method("xla-triton", Kind.COMPILED): "the sum of XLA's models of its own kernels, with the tiles it starts from: "
    "no device, no autotuner",
    Method("xla-cublas", Kind.COMPILED): "the same sum with the products left to cuBLAS, as XLA models those",
    Method("static", Kind.MODELLED): "the sum over all launches: of our kernels by the formula that ranks their "
    "configurations (roofline, wave tails, L2 port, bytes in flight), of PyTorch's own by the memory that they move",
    Method("timeline", Kind.MODELLED): "the modelled timelines of the NKI kernels' calls, one after the other; "
    "starting them and the host's work between them are left out",
}


def estimates(record: Record) -> dict[Method, Estimate]:
    """In order: the roofline of the limits that are known, and those that came of the compiler; not the tried model's.

    No roofline of several devices, since its formula knows no exchange.
    """
    found = {Method(one.name, one.kind): one for one in record.facts.estimates} if record.facts else {}
    least = bound(record.costs, record.limits)
    if least is not None and record.limits is not None and record.cell.target.devices == 1:
        how = f"max(FLOPs / peak, compulsory bytes / bandwidth), by {least.by}; {record.limits.flops_by}"
        by = Method(ROOFLINE.name, record.limits.kind)
        found[by] = Estimate(by.name, least.seconds, how, by.kind)
    return {method: found[method] for method in in_order(found)}


def in_order(methods: Iterable[Method]) -> list[Method]:
    """Each once: those that are known, then the others by name."""
    found = set(methods)
    return [*(method for method in METHODS if method in found), *sorted(found - set(METHODS))]
