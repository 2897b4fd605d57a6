# place: loose
"""As an allocator does that knows nothing of what comes."""


def place(buffers):
    """In the order of the program, to the lowest gap."""
    offsets = []
    for size, first, last in buffers:
        at = 0
        alive = [n for n in range(len(offsets)) if buffers[n][1] <= last and first <= buffers[n][2]]
        for low, high in sorted((offsets[n], offsets[n] + buffers[n][0]) for n in alive):
            if at + size <= low:
                break
            at = max(at, high)
        offsets.append(at)
    return offsets
