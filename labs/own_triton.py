"""RMSNorm as a kernel of your own, in Triton: one program a row, where ours takes several.

`oneblock run norm --preset tiny --backend triton_kernels --replace rms_norm=labs/own_triton.py:rms_norm` puts it in the
place of ours, by Triton's interpreter; `--target cuda:sm_90` besides compiles it for that GPU.
"""

import triton
import triton.language as tl

from oneblock.backends.kernels.triton.launch import KernelCall, Work, config


@triton.jit
def rows_kernel(x_ptr, weight_ptr, y_ptr, width, eps, WIDTH: tl.constexpr):
    """A row of x (rows, width) a program."""
    row = tl.program_id(0).to(tl.int64)
    column = tl.arange(0, WIDTH)
    inside = column < width
    x = tl.load(x_ptr + row * width + column, mask=inside, other=0.0).to(tl.float32)
    weight = tl.load(weight_ptr + column, mask=inside, other=0.0).to(tl.float32)
    y = x * tl.rsqrt(tl.sum(x * x, axis=0) / width + eps) * weight
    tl.store(y_ptr + row * width + column, y.to(y_ptr.dtype.element_ty), mask=inside)


def rms_norm(runner, x, weight, eps):
    """x (..., C), weight (C,) -> (..., C). Whoever runs kernels is the runner: an interpreter, a compiler or a GPU."""
    width = x.shape[-1]
    flat = x.reshape(-1, width).contiguous()
    rows, y = flat.shape[0], runner.empty(flat.shape, flat)
    moved = 2.0 * rows * width * x.element_size()
    runner.launch(
        KernelCall(
            rows_kernel,
            (config(num_warps=1, num_stages=1), config(num_warps=4, num_stages=1)),  # the ways that it may be built
            args=lambda config: (flat, weight, y, width, eps),
            grid=lambda config: (rows,),
            work=lambda config: Work(flops=4.0 * rows * width, asked_bytes=moved, in_flight_bytes=moved / rows / 2),
            constants={"WIDTH": triton.next_power_of_2(width)},
        )
    )
    return y.reshape(x.shape)
