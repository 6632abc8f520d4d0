"""voxloom: the kernel that the five services share. It imports no service and never torch."""

__version__ = "0.1.0"
