"""Bits per byte of packed text under a model. Every token is scored once, with at least half a
window before it. Knows nothing of training.

    python3 evaluate.py MODEL.gguf|CHECKPOINT PACKED [--int4] [--bytes 65536] [--length 2048]
"""

import argparse
import math

import numpy as np
import torch
import torch.nn.functional as F

from data import ASSISTANT, BEGIN, SUBSETS, USER, open_tokens
from errors import TrainingError, one_sentence
from load import load_model
from quantize import Int4Weights

#: Bytes of text that a role token stands for: "User: " and "Assistant: ".
ROLE_BYTES = {USER: 6, ASSISTANT: 11}
#: Tokens of each subset's validation text that are scored unless more are asked for.
TOKENS_EACH = 65536


def text_bytes(tokens):
    """Bytes of the source text that these tokens stand for (an end is its 0x00)."""
    count = int((tokens != BEGIN).sum())
    return count + sum(int((tokens == role).sum()) * (size - 1)
                       for role, size in ROLE_BYTES.items())


@torch.no_grad()
def bits_per_byte(model, tokens, length, batch=4):
    """Bits over bytes of a 1-d array of ids. `length` is the window, half of it overlap."""
    tokens = torch.from_numpy(np.asarray(tokens).astype(np.int64))
    device = next(model.parameters()).device
    starts = list(range(0, max(1, len(tokens) - length // 2 - 1), length // 2))
    total = 0.0
    for first in range(0, len(starts), batch):
        rows, targets = [], []
        for start in starts[first:first + batch]:
            piece = tokens[start:start + length + 1]
            padded = F.pad(piece, (0, length + 1 - len(piece)), value=-1)
            target = padded[1:].clone()
            # Scored before: what the window shares with the one before it.
            target[:0 if start == 0 else length - length // 2] = -1
            target[target == BEGIN] = -1  # never predicted from an end
            rows.append(padded[:-1].clamp(min=0))
            targets.append(target)
        logits = model(torch.stack(rows).to(device)).float()
        total += F.cross_entropy(logits.flatten(0, 1), torch.stack(targets).flatten().to(device),
                                 ignore_index=-1, reduction="sum").item()
    return total / math.log(2) / text_bytes(tokens[1:])


def validation_scores(model, texts, length, tokens_each=TOKENS_EACH):
    """Bits per byte on the start of each text: {subset: array of ids} -> {subset: bits}."""
    training = model.training
    model.eval()
    scores = {name: bits_per_byte(model, tokens[:tokens_each], length)
              for name, tokens in texts.items()}
    model.train(training)
    return scores


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("packed", help="folder that data.py wrote")
    parser.add_argument("--int4", action="store_true", help="with what int4 leaves of a "
                        "checkpoint's weights; a Q4_0 file has no others")
    parser.add_argument("--bytes", type=int, default=TOKENS_EACH, help="of each subset")
    parser.add_argument("--length", type=int, default=2048, help="tokens of a window")
    options = parser.parse_args()
    if options.bytes < 2 or options.length < 2:
        raise TrainingError("--bytes and --length must be at least 2")
    model = load_model(options.model)
    texts = {name: open_tokens(options.packed, name, "val") for name in SUBSETS}
    if options.int4:
        with Int4Weights(model):
            scores = validation_scores(model, texts, options.length, options.bytes)
    else:
        scores = validation_scores(model, texts, options.length, options.bytes)
    print("  ".join(f"{name} {bits:.4f}" for name, bits in scores.items()))


if __name__ == "__main__":
    with one_sentence("evaluate.py"):
        main()
