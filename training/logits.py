"""A model's logits for given tokens, to compare other implementations with.

    python3 logits.py MODEL.gguf|CHECKPOINT TOKENS.i32 OUT.f32

TOKENS.i32 holds ids, i32 little-endian; OUT.f32 gets f32 [tokens, vocabulary], little-endian: the
logits of what follows each. Computed in f32 with the weights that the file reads as. Knows nothing
of training.
"""

import argparse
import os

import numpy as np
import torch

from config import VOCABULARY
from errors import TrainingError, one_sentence
from load import load_model


def read_tokens(path, most):
    """int64 [1, count] of a file, of which there may be `most`."""
    size = os.path.getsize(path)
    if size % 4 or not 0 < size <= 4 * most:
        raise TrainingError(f"{path} has {size} bytes; 4 for each of 1 to {most} tokens are needed")
    tokens = np.fromfile(path, "<i4").astype(np.int64)
    if tokens.min() < 0 or tokens.max() >= VOCABULARY:
        raise TrainingError(f"{path} has an id outside 0 to {VOCABULARY - 1}")
    return torch.from_numpy(tokens)[None]


@torch.no_grad()
def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("tokens")
    parser.add_argument("out")
    options = parser.parse_args()
    model = load_model(options.model)
    logits = model(read_tokens(options.tokens, model.config.context))
    logits[0].numpy().astype("<f4").tofile(options.out)


if __name__ == "__main__":
    with one_sentence("logits.py"):
        main()
