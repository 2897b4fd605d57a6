"""The block's operations in NKI, for AWS's chips; imported when a module `nki` is there."""
