"""Q4_0, as the shipped file has it, and training with the weights that it leaves.

A group is 32 neighbouring weights of a row. Its scale d is the number of largest magnitude,
divided by -8 and kept as f16; a weight becomes an integer q from 0 to 15 and reads as (q - 8)·d.
The rounding is ggml's `quantize_row_q4_0_ref`, and so the engine's: what training has seen is bit
for bit what the file holds. Rows are whole groups, so a matrix may be read as one row. Knows
nothing of models or files.
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


def is_quantized(parameter):
    """Matrices are; norm gains stay F32."""
    return parameter.dim() == 2


class Int4Weights:
    """While `with` is on, a model's matrices are what int4 leaves of them. Gradients are those at
    these weights, and pass straight through to the ones behind (Bengio et al., 2013,
    https://arxiv.org/abs/1308.3432): step the optimizer outside.

    Weights are overwritten in their place, so that a compiled model need not be compiled again,
    and all in one row, which on a GPU takes a dozen kernels instead of a dozen for each matrix."""

    def __init__(self, model):
        self.matrices = [p for p in model.parameters() if is_quantized(p)]

    @torch.no_grad()
    def __enter__(self):
        self.behind = torch.cat([matrix.flatten() for matrix in self.matrices])
        self.write(dequantize(*quantize(self.behind)))

    @torch.no_grad()
    def __exit__(self, *_):
        self.write(self.behind)
        del self.behind

    def write(self, row):
        """The weights of `row`, one matrix behind the other, into the model."""
        sizes = [matrix.numel() for matrix in self.matrices]
        for matrix, values in zip(self.matrices, row.split(sizes)):
            matrix.copy_(values.view_as(matrix))
