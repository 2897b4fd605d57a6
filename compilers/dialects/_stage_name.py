"""What an artifact's dialect says by how it is spelled: "hlo", "ptx:KERNEL", "mlir:KERNEL:012.after.Pass"."""

from __future__ import annotations

import re
from dataclasses import dataclass

_PASS = re.compile(r"(?:([^:]+):)?(\d{3,4})\.(?:.*\.)?(?:after[._])?((?!before_).*?)(?:\.before_.*)?")
_CALL = re.compile(r"(\d+)-")


@dataclass(frozen=True)
class StageName:
    """The parts of a stage's dialect as its artifact spells it.

    hlo                          family "hlo"
    ptx:norm_kernel              family "ptx", of "norm_kernel"
    perfetto:07-linear           family "perfetto", of "07-linear", number 7
    tvm:003.after.FuseOps        family "tvm", number 3, after_pass "FuseOps"
    mlir:norm:012.after.CSE      family "mlir", of "norm", number 12, after_pass "CSE"
    hlo:0016.PIPELINE.after_dce.before_cse       family "hlo", number 16, after_pass "dce"
    """

    family: str  # a name of a Dialect
    of: str = ""  # the kernel, call or file that the text is of; empty for the whole program
    number: int | None = None  # of the call, or of the pass in its pipeline
    after_pass: str | None = None  # for the program as it is at one pass; None for a stage of its own

    @classmethod
    def parse(cls, dialect: str) -> StageName:
        """The parts of an artifact's dialect; every text has some."""
        family, _, rest = dialect.partition(":")
        if found := _PASS.fullmatch(rest):
            return cls(family, found[1] or "", int(found[2]), found[3])
        call = _CALL.match(rest)
        return cls(family, rest, int(call[1]) if call else None)

    @property
    def is_pass(self) -> bool:
        """Whether the text is the program at one of a pipeline's passes: it is read as a difference, and of no step."""
        return self.after_pass is not None
