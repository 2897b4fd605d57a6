# blocked_busiest: most_instructions
"""The engine with the most instructions."""


def answer(shape, artifact):
    """Counted, not timed."""
    counts = artifact[shape["chip"]]["blocked"]["instructions"]
    return max(counts, key=counts.get)
