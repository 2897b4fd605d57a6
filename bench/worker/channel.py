"""What a worker tells its parent while it works: JSON lines on descriptor 3."""

from __future__ import annotations

import json
from typing import Any

_ANSWERS = 3


def say(event: str, **fields: Any) -> None:
    """One line to the parent; a parent that is gone is not waited for."""
    line = json.dumps({"event": event, **fields}) + "\n"
    with open(_ANSWERS, "w", encoding="utf-8", closefd=False) as answers:
        answers.write(line)
