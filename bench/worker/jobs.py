"""A job and its outcome: what a worker process is asked and how it ended, as plain data that crosses a pipe.

A file `*_job.py` beside this one defines a job, the type of its result, and how it is done: the folder is the table.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, Generic, Protocol, TypeVar, runtime_checkable

from pydantic import AfterValidator

from oneblock.bench.records.record import Status
from oneblock.compilers.api.kind import Kind

Result = TypeVar("Result")


def _own(kind: Kind) -> Kind:
    if kind is Kind.REPORTED:
        raise ValueError("expected evidence of this run's own, got a number that others measured")
    return kind


Own = Annotated[Kind, AfterValidator(_own)]


@dataclass(frozen=True)
class Outcome(Generic[Result]):
    """How a job ended, and what came of it."""

    __pydantic_config__: ClassVar[Any] = {"extra": "forbid"}
    status: Status
    kind: Own | None = None
    device: str | None = None
    reason: str | None = None
    hint: str | None = None
    log_tail: tuple[str, ...] = ()
    result: Result | None = None  # None where it ended before it had any

    def ending(self) -> Outcome[Any]:
        """The same for a job that could not begin because this one ended so."""
        return replace(self, result=None)

    def named(self, name: str) -> dict[str, Any]:
        """As data for people, with the result under a name that says what it is."""
        return {key if key != "result" else name: value for key, value in vars(self).items()}


class Job(ABC, Generic[Result]):
    """What a worker is asked: a frozen dataclass, whose fields are JSON."""

    @abstractmethod
    def do(self) -> Outcome[Result]:
        """Do it, in the worker; Unavailable, Unsupported and what else is raised become a status there."""


@runtime_checkable
class Checked(Protocol):
    """What a job also has whose outcome may be of the right type, and still not what was asked for."""

    def fault(self, outcome: Outcome[Any]) -> str | None:
        """What of it does not go together, or was not asked for, as the end of a sentence; None if all does."""
