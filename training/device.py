"""What a run computes with: the device, and the type of its matrix products. Knows nothing of models
or training.
"""

import functools
import re

import torch

#: Where Linux says what a processor can.
PROCESSOR = "/proc/cpuinfo"


def device():
    """The first CUDA device, or else the processor: "cuda" or "cpu"."""
    return "cuda" if torch.cuda.is_available() else "cpu"


@functools.lru_cache(maxsize=None)
def has_bf16(device, processor=PROCESSOR):
    """Whether products in bf16 are fast: on a processor only with instructions for them. Without,
    PyTorch computes them one number at a time, some twenty times slower than in f32."""
    if device == "cuda":
        return True
    try:
        with open(processor, encoding="utf8") as file:
            return re.search(r"\b(amx_bf16|avx512_bf16|bf16)\b", file.read()) is not None
    except OSError:
        return False


def product_type(device):
    """bf16 where that is fast, or else f32."""
    return torch.bfloat16 if has_bf16(device) else torch.float32


def autocast(device):
    """A context in which matrix products have this type; weights, sums and optimizers stay f32."""
    return torch.autocast(device, dtype=torch.bfloat16, enabled=has_bf16(device))
