"""Waiting until nobody else uses the cores, for a while that is in proportion to what was done."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic, sleep

from oneblock.bench.records.disturbance import ignored
from oneblock.bench.worker.contention import Shares, Window

_LOOK_S = 0.25
_QUIET_CORES = 0.1  # that others may have
_AT_FIRST_S = 3.0
_SHARE = 0.1  # of the time since: a machine that is always busy would else be waited for without end
_MOST_S = 30.0


class Quiet:
    """How long a run has waited for quiet, and may still."""

    def __init__(self) -> None:
        self._start, self._waited_s = monotonic(), 0.0

    def wait(self, tell: Callable[[str], None]) -> None:
        """Until the cores are free, or as long as the run may; not where nothing tells, or nobody is to look."""
        while not ignored() and self._may():
            window = Window()
            sleep(_LOOK_S)
            shares = window.shares()
            if shares is None or shares.others + shares.stolen < _QUIET_CORES:
                return
            self._waited_s += _LOOK_S
            tell(f"waiting for quiet: {said(shares)}")

    def _may(self) -> bool:
        return self._waited_s < min(_MOST_S, _AT_FIRST_S + _SHARE * (monotonic() - self._start))


def said(shares: Shares) -> str:
    """Who has the cores: "other processes have 1.0 cores"."""
    stolen = f", the hypervisor keeps {shares.stolen:.1f}" if shares.stolen >= _QUIET_CORES else ""
    return f"other processes have {shares.others:.1f} cores{stolen}"
