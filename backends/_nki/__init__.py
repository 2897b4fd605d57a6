"""Our NKI kernels: the same files by the interpreter, by AWS's simulator, and on the device.

They import `nki`, so that this package is imported only after somebody has said which one that is.
"""
