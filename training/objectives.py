"""What training minimizes: nats of the next byte, and two extras that are off unless asked for.

- `NextBytes`: heads that also predict the bytes further on (Gloeckle et al., 2024,
  https://arxiv.org/abs/2404.19737), so that states look ahead. Only training has them.
- `Teacher`: a larger model's distribution to imitate (Hinton et al., 2015,
  https://arxiv.org/abs/1503.02531).

Knows models only by their states and logits; nothing of optimizers or files.
"""

import torch
import torch.nn.functional as F
from torch import nn


def nats(logits, targets):
    """Mean cross entropy of logits [batch, time, vocabulary] and ids [batch, time]."""
    return F.cross_entropy(logits.float().flatten(0, 1), targets.flatten())


class NextBytes(nn.Module):
    """A head for each of the bytes 2 to `count` ahead: a matrix that turns the final state, then
    the embedding that all share. (The paper's heads are whole blocks over one trunk; for models of
    this size a matrix each keeps a step's cost nearly as it was.)"""

    def __init__(self, width, count):
        super().__init__()
        self.turns = nn.ModuleList(nn.Linear(width, width, bias=False) for _ in range(count - 1))
        for turn in self.turns:
            nn.init.eye_(turn.weight)  # to begin with: what the next byte is likely to be

    def forward(self, states, embedding, targets):
        """Mean nats over the heads. states [batch, time, width] predict targets [batch, time]; head
        n predicts the targets n further on."""
        losses = [nats(F.linear(turn(states[:, :-further]), embedding), targets[:, further:])
                  for further, turn in enumerate(self.turns, 1)]
        return torch.stack(losses).mean()


class Teacher:
    """A trained model, whose distribution at every position is the target."""

    def __init__(self, model, temperature):
        self.model, self.temperature = model.eval().requires_grad_(False), temperature

    def divergence(self, logits, inputs):
        """KL(teacher || student) in nats a token, both softened by the temperature T, times T² so
        that gradients stay as large as those of the text itself. logits are the student's."""
        with torch.no_grad():
            wanted = self.model(inputs).float() / self.temperature
        given = logits.float() / self.temperature
        divergence = F.kl_div(F.log_softmax(given, -1).flatten(0, 1),
                              F.log_softmax(wanted, -1).flatten(0, 1),
                              log_target=True, reduction="batchmean")
        return divergence * self.temperature ** 2


class Objective:
    """The loss of a batch: (1 - teacher_weight) · text + teacher_weight · divergence
    + heads_weight · next bytes."""

    def __init__(self, heads=None, heads_weight=0.0, teacher=None, teacher_weight=0.0):
        self.heads, self.heads_weight = heads, heads_weight
        self.teacher, self.teacher_weight = teacher, teacher_weight

    def __call__(self, states, embedding, batch):
        """(what to minimize, nats a token of the text alone). states [rows, length, width] of
        batch[:, :-1], whose targets are batch[:, 1:]; embedding [vocabulary, width]."""
        logits = F.linear(states, embedding)
        text = total = nats(logits, batch[:, 1:])
        if self.teacher:
            divergence = self.teacher.divergence(logits, batch[:, :-1])
            total = total + self.teacher_weight * (divergence - text)
        if self.heads:
            total = total + self.heads_weight * self.heads(states, embedding, batch[:, 1:])
        return total, text.detach()
