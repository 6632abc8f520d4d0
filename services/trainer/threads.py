"""Threads that compute: an operation in one takes as many processors as in the thread that made it."""

from concurrent.futures import ThreadPoolExecutor

import torch


def compute_threads(count: int, name: str) -> ThreadPoolExecutor:
    """Torch tells MKL in a new thread how many processors it may use only once it splits work there. A
    Fourier transform before that takes all of them, and gives other bits."""
    return ThreadPoolExecutor(count, name, torch.set_num_threads, (torch.get_num_threads(),))
