"""Q4_0, as the shipped file has it, and its differentiable stand-in for training.

A group is 32 neighbouring weights of a row. Its scale d is the number of largest magnitude,
divided by -8 and kept as f16; a weight becomes an integer q from 0 to 15 and reads as (q - 8)·d.
The rounding is ggml's `quantize_row_q4_0_ref`, and so the engine's: what training has seen is bit
for bit what the file holds. Knows nothing of models or files.
"""

import torch

GROUP = 32


def quantize(weights):
    """(q [..., groups, 32] in 0..15 as f32, d [..., groups, 1] rounded to f16) of f32 rows."""
    groups = weights.reshape(*weights.shape[:-1], -1, GROUP)
    at = groups.abs().argmax(-1, keepdim=True)
    d = groups.gather(-1, at) / -8
    inverse = torch.where(d == 0, torch.zeros_like(d), 1 / d)
    # Truncation after + 8.5, as in C; the sum is never negative.
    q = (groups * inverse + 8.5).clamp(0, 15).floor()
    return q, d.half().float()


def dequantize(q, d):
    """The f32 weights [..., columns] that a file with these numbers reads as."""
    return ((q - 8) * d).flatten(-2)


class FakeQuantize(torch.autograd.Function):
    """Forward: the weights that int4 leaves. Backward: straight through."""

    @staticmethod
    def forward(ctx, weights):
        return dequantize(*quantize(weights.detach().float()))

    @staticmethod
    def backward(ctx, gradient):
        return gradient


def is_quantized(parameter):
    """Matrices are; norm gains stay F32."""
    return parameter.dim() == 2


class Int4Weights:
    """While `with` is on, a model computes with what int4 leaves of its matrices, and gradients go
    to the weights behind it."""

    def __init__(self, model):
        self.model = model

    def __enter__(self):
        self.kept = []
        for module in self.model.modules():
            for name, parameter in list(module._parameters.items()):
                if parameter is not None and is_quantized(parameter):
                    self.kept.append((module, name, parameter))
                    del module._parameters[name]
                    setattr(module, name, FakeQuantize.apply(parameter))

    def __exit__(self, *_):
        for module, name, parameter in self.kept:
            delattr(module, name)
            module._parameters[name] = parameter
