"""Optimizers: AdamW for tables and gains, and for the matrices of blocks AdamW or Muon.

Muon (Jordan et al., 2024, https://kellerjordan.github.io/posts/muon/) is momentum whose update is
made orthogonal: all directions of a matrix learn at one pace. `param_groups` carry a `base`
learning rate each, which the schedule scales. Knows nothing of models but the names of parameters.
"""

import torch

from device import product_type

#: Newton-Schulz coefficients (Jordan): steep at 0, so that five turns bring singular values near 1.
A, B, C = 3.4445, -4.7750, 2.0315


def orthogonalize(matrices, dtype):
    """The nearest semi-orthogonal matrices to a stack [n, rows, columns], roughly: singular values
    between about 0.7 and 1.2."""
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.transpose(1, 2) if tall else matrices
    x = (x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)).to(dtype)
    for _ in range(5):
        gram = x @ x.transpose(1, 2)
        x = A * x + (B * gram + C * (gram @ gram)) @ x
    return (x.transpose(1, 2) if tall else x).float()


class Muon(torch.optim.Optimizer):
    """For matrices only. weight_decay as in AdamW."""

    def __init__(self, parameters, lr, momentum=0.95, weight_decay=0.0):
        super().__init__(parameters, {"lr": lr, "momentum": momentum,
                                      "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self):
        """One update. Matrices of one shape are made orthogonal together."""
        for group in self.param_groups:
            shapes = {}
            for parameter in group["params"]:
                shapes.setdefault(parameter.shape, []).append(parameter)
            for shape, parameters in shapes.items():
                self.update(group, shape, parameters)

    def update(self, group, shape, parameters):
        directions = []
        for parameter in parameters:
            state = self.state[parameter]
            if "momentum" not in state:
                state["momentum"] = torch.zeros_like(parameter)
            state["momentum"].lerp_(parameter.grad, 1 - group["momentum"])
            directions.append(parameter.grad.lerp(state["momentum"], group["momentum"]))
        scale = max(1.0, shape[0] / shape[1]) ** 0.5
        kind = product_type(parameters[0].device.type)
        for parameter, update in zip(parameters,
                                     orthogonalize(torch.stack(directions), kind)):
            parameter.mul_(1 - group["lr"] * group["weight_decay"])
            parameter.add_(update, alpha=-group["lr"] * scale)


def optimizers(named_parameters, kind, matrix_rate, table_rate, weight_decay):
    """A list of optimizers that together hold every parameter once: embeddings and n-gram tables
    (by their names) and gains with AdamW at `table_rate`, all other matrices with `kind`."""
    matrices, tables, gains = [], [], []
    for name, parameter in named_parameters:
        if parameter.dim() < 2:
            gains.append(parameter)
        elif "embd" in name or "ngram" in name:
            tables.append(parameter)
        else:
            matrices.append(parameter)
    adam = [{"params": tables, "lr": table_rate, "weight_decay": 0.0},
            {"params": gains, "lr": table_rate, "weight_decay": 0.0}]
    if kind == "adamw":
        adam.append({"params": matrices, "lr": matrix_rate, "weight_decay": weight_decay})
    options = {"fused": True} if tables[0].is_cuda else {}
    every = [torch.optim.AdamW(adam, betas=(0.9, 0.95), eps=1e-8, **options)]
    if kind == "muon":
        every.append(Muon(matrices, matrix_rate, weight_decay=weight_decay))
    for optimizer in every:
        for group in optimizer.param_groups:
            group["base"] = group["lr"]
    return every
