"""Our NKI kernels: the same files by the interpreter, by AWS's simulator, and on the device.

The kernels import `nki`, so that all here but `script` is imported only after somebody has said which one that is.
"""
