"""Self-play preference tuning (SPIN, Chen et al., 2024, https://arxiv.org/abs/2401.01335).

    python3 prefer.py MODEL.gguf|CHECKPOINT --data PACKED --out PREFERRED.pt [--rounds 1]

The model plays against what it was at the beginning of a round, its opponent, frozen. Both see a
prompt from the training text; the opponent goes on with it, and so does the text. The model learns
to raise the likelihood of the text's continuation, relative to the opponent's own estimate, and to
lower that of the opponent's: the loss of direct preference optimization (Rafailov et al., 2023,
https://arxiv.org/abs/2305.18290), with preferences that nobody had to write down. When the two
continuations cannot be told apart any more there is nothing left to learn.

Meant for a few steps after training. All weights are those that int4 leaves, the model's with
gradients straight through. PREFERRED.pt is a checkpoint for export.py; a run cannot be resumed.
Knows nothing of how models are trained before.
"""

import argparse
import copy
import math
import os
import time

import torch
import torch.nn.functional as F

from config import to_dict
from data import END, SUBSETS, Windows, open_tokens, parse_mixture
from device import autocast, device
from errors import TrainingError, check_limits, one_sentence
from evaluate import validation_scores
from load import load_model
from quantize import Int4Weights, dequantize, is_quantized, quantize
from sample import continuations


def arguments():
    """The parser of the command's arguments."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("model", help="where to start")
    add("--data", required=True, help="folder that data.py wrote")
    add("--out", required=True, help="checkpoint to write")
    add("--mixture", default="stories_simple=76,stories_classic=8,expository=8,dialogue=8")
    add("--prompt", type=int, default=128, help="tokens of a prompt")
    add("--continuation", type=int, default=128, help="tokens that follow it")
    add("--batch", type=int, default=16, help="prompts of a step")
    add("--steps", type=int, default=100, help="of a round")
    add("--rounds", type=int, default=1, help="after each, the model is its next opponent")
    add("--rate", type=float, default=2e-5, help="learning rate (AdamW)")
    add("--beta", type=float, default=0.1, help="how much a change of likelihood counts")
    add("--temperature", type=float, default=1.0, help="of the opponent's samples")
    add("--report", type=int, default=10, help="steps between reports")
    add("--seed", type=int, default=1)
    add("--threads", type=int, default=os.cpu_count())
    return parser


def log_likelihood(model, tokens, prompt):
    """Log-probability [batch], in nats, of what follows the first `prompt` of tokens [batch, time],
    up to and with its first end: beyond lies another document."""
    logits = model(tokens[:, :-1])[:, prompt - 1:].float()
    targets = tokens[:, prompt:]
    each = -F.cross_entropy(logits.transpose(1, 2), targets, reduction="none")
    is_end = (targets == END).long()
    return each.masked_fill(is_end.cumsum(1) > is_end, 0).sum(1)


def margins(model, opponent, chosen, rejected, prompt):
    """How much more [batch], in nats, the model prefers the chosen to the rejected tokens than its
    opponent does. Both are [batch, time], with the same prompt."""
    both = torch.cat((chosen, rejected))
    with torch.no_grad():
        before = log_likelihood(opponent, both, prompt)
    gained_chosen, gained_rejected = (log_likelihood(model, both, prompt) - before).chunk(2)
    return gained_chosen - gained_rejected


def preference_loss(margin, beta):
    """Mean -log σ(β · margin): log 2 where model and opponent are the same."""
    return F.softplus(-beta * margin).mean()


def frozen(model):
    """A copy with the weights that int4 leaves, which no longer learns."""
    copied = copy.deepcopy(model).eval().requires_grad_(False)
    for parameter in copied.parameters():
        if is_quantized(parameter):
            parameter.copy_(dequantize(*quantize(parameter)))
    return copied


class Play:
    """A model, its optimizer and the text that it learns to prefer."""

    def __init__(self, args):
        self.args = args
        self.device = device()
        self.model = load_model(args.model).to(self.device).train()
        length = args.prompt + args.continuation
        if length > self.model.config.context:
            raise TrainingError(f"--prompt and --continuation make {length} tokens; the model's "
                                f"context holds {self.model.config.context}")
        self.windows = Windows(args.data, parse_mixture(args.mixture), length - 1, args.batch,
                               args.seed)
        self.validation = {name: open_tokens(args.data, name, "val") for name in SUBSETS}
        self.optimizer = torch.optim.AdamW(self.model.parameters(), args.rate, (0.9, 0.95),
                                           weight_decay=0.0)
        self.generator = torch.Generator(self.device).manual_seed(args.seed)

    def step(self, opponent, number):
        """One optimizer step: (loss, share of pairs in which the text is preferred)."""
        args = self.args
        chosen = torch.from_numpy(self.windows.at(number)).to(self.device)
        prompts = chosen[:, :args.prompt]
        with autocast(self.device):
            samples = continuations(opponent, prompts, args.continuation, args.temperature,
                                    self.generator)
        rejected = torch.cat((prompts, samples), 1)
        with Int4Weights(self.model):
            with autocast(self.device):
                margin = margins(self.model, opponent, chosen, rejected, args.prompt)
            loss = preference_loss(margin, args.beta)
            loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return loss.item(), (margin > 0).float().mean().item()

    def validate(self):
        """Bits per byte of the validation text under the int4 weights, in one line."""
        with Int4Weights(self.model), autocast(self.device):
            scores = validation_scores(self.model, self.validation,
                                       min(2048, self.model.config.context))
        return "  ".join(f"{name} {bits:.3f}" for name, bits in scores.items())

    def save(self):
        """Writes the checkpoint beside its name first."""
        torch.save({"config": to_dict(self.model.config), "model": self.model.state_dict(),
                    "arguments": vars(self.args)}, self.args.out + ".part")
        os.replace(self.args.out + ".part", self.args.out)


def prefer(args):
    """All rounds, with reports."""
    check_limits(args, {
        "prompt": (1, 65536), "continuation": (1, 65536), "batch": (1, 65536), "steps": (1, 1e6),
        "rounds": (1, 1000), "rate": (0, 1), "beta": (1e-4, 100), "temperature": (0.05, 10),
        "report": (1, 1e6), "seed": (0, 1 << 62), "threads": (1, 1024)})
    torch.set_num_threads(args.threads)
    play = Play(args)
    print(f"before  {play.validate()}", flush=True)
    began = time.monotonic()
    for number in range(args.rounds * args.steps):
        if number % args.steps == 0:
            opponent = frozen(play.model)
        loss, share = play.step(opponent, number)
        if not math.isfinite(loss):
            raise TrainingError(f"the loss is {loss} at step {number + 1}: begin again with a "
                                f"lower --rate")
        if (number + 1) % args.report == 0:
            print(f"step {number + 1}  loss {loss:.4f}  preferred {share:.0%}  "
                  f"{(time.monotonic() - began) / (number + 1):.2f} s/step", flush=True)
    play.save()
    print(f"after   {play.validate()}\n{args.out}")


if __name__ == "__main__":
    with one_sentence("prefer.py"):
        prefer(arguments().parse_args())
