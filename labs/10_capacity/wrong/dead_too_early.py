# place: overlaps
"""An operation is done with its operands before it writes."""


def place(buffers):
    """The lowest gap, where a buffer is free from its last operation on."""
    offsets = {}
    for n in sorted(range(len(buffers)), key=lambda n: -buffers[n][0]):
        size, first, last = buffers[n]
        at = 0
        alive = [i for i in offsets if buffers[i][1] < last and first < buffers[i][2]]
        for low, high in sorted((offsets[i], offsets[i] + buffers[i][0]) for i in alive):
            if at + size <= low:
                break
            at = max(at, high)
        offsets[n] = at
    return [offsets[n] for n in range(len(buffers))]
