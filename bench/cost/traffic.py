"""What is asked of a service: how long prompts and answers are, how often they come, and how soon tokens must."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from oneblock.bench.format.errors import Refused

_SIZE = re.compile(r"[0-9]{1,7}")
_NUMBER = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")
_TIME = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(us|µs|ms|s)")
_PER_SECOND = {"us": 1e6, "µs": 1e6, "ms": 1e3, "s": 1.0}


@dataclass(frozen=True)
class Traffic:
    """Requests of one sort: tokens of a prompt and of its answer, and how many requests come in a second."""

    prompt: int
    answer: int
    rate: float | None = None  #: requests a second; None: as many as the devices serve

    @classmethod
    def parse(cls, text: str) -> Traffic:
        """Of "IN:OUT" or "IN:OUT:RATE"; Refused says what is wrong."""
        parts = text.split(":")
        whole = len(parts) in (2, 3) and all(map(_SIZE.fullmatch, parts[:2])) and all(map(_NUMBER.fullmatch, parts[2:]))
        if not whole:
            raise Refused(f"--traffic: expected IN:OUT or IN:OUT:RATE, as 1024:256:2.5, got {text!r:.60}")
        prompt, answer, rate = int(parts[0]), int(parts[1]), float(parts[2]) if len(parts) == 3 else None
        if not (prompt and answer) or rate == 0:
            raise Refused(f"--traffic: expected one token or more in and out, and a rate above 0, got {text!r}")
        return cls(prompt, answer, rate)

    def __str__(self) -> str:
        rate = "" if self.rate is None else f", {self.rate:g} requests/s"
        return f"{self.prompt} tokens in, {self.answer} out{rate}"


@dataclass(frozen=True)
class Objective:
    """How long a first token, and each further one on average, may take; None: as long as it does."""

    ttft_s: float | None = None
    itl_s: float | None = None

    @classmethod
    def parse(cls, text: str) -> Objective:
        """Of "ttft=500ms,itl=30ms" or one of them; Refused says what is wrong."""
        found: dict[str, float] = {}
        for part in text.split(","):
            key, _, value = part.partition("=")
            time = _TIME.fullmatch(value)
            if key not in ("ttft", "itl") or time is None or float(time[1]) == 0:
                expected = "ttft=TIME, itl=TIME or both with a comma, as ttft=500ms,itl=30ms"
                raise Refused(f"--slo: expected {expected}, got {text!r:.60}")
            if key in found:
                raise Refused(f"--slo: {key} is given twice in {text!r:.60}")
            found[key] = float(time[1]) / _PER_SECOND[time[2]]
        return cls(found.get("ttft"), found.get("itl"))

    def allows(self, ttft_s: np.ndarray, itl_s: np.ndarray) -> np.ndarray:
        """Whether both times (batches,) are short enough."""
        asked = [(ttft_s, self.ttft_s), (itl_s, self.itl_s)]
        return np.asarray(np.all([times <= (np.inf if most is None else most) for times, most in asked], axis=0))
