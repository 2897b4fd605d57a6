"""The job that puts a model's chat template around a prompt: a stranger's program, run apart and for a bounded time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from oneblock.backends.api.backend import Unsupported
from oneblock.bench.records.record import Status
from oneblock.bench.worker.channel import emit
from oneblock.bench.worker.events import Phase
from oneblock.bench.worker.jobs import Job, Outcome

_LONGEST = 2**20  # characters


@dataclass(frozen=True)
class TemplateJob(Job[str]):
    """Render a template in Jinja2's sandbox, as transformers does: one message of a user, and the answer begun."""

    template: str
    prompt: str
    names: Mapping[str, str]  # "bos_token" and the like

    def do(self) -> Outcome[str]:
        """The text; Unsupported says what is wrong with the template."""
        from jinja2 import TemplateError
        from jinja2.sandbox import ImmutableSandboxedEnvironment

        emit(Phase("rendering the chat template"))
        around: Any = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
        around.globals["raise_exception"] = _raise
        told = {"messages": [{"role": "user", "content": self.prompt}], "add_generation_prompt": True}
        try:
            text, parts = "", around.from_string(self.template).generate(**{**self.names, **told})
            for part in parts:
                text += part
                if len(text) > _LONGEST:
                    raise Unsupported(f"the chat template writes more than {_LONGEST:,} characters")
        except (TemplateError, ArithmeticError, LookupError, TypeError, ValueError, RecursionError) as error:
            raise Unsupported(f"the chat template fails: {type(error).__name__}: {str(error)[:200]}") from None
        return Outcome(Status.PASSED, result=text)


def _raise(message: object) -> NoReturn:
    """What templates call where they do not take a message."""
    raise ValueError(str(message))
