"""A GGUF file of a shape, with random weights: to time a shape before anything is trained, or to
compare implementations.

    python3 untrained.py OUT.gguf [--config bytepool-tiny] [--set NAME=VALUE] [--type q4_0|f32]

Gains are random too, so that an implementation that forgets one is found out, and embeddings ten
times what training begins with, so that logits are as large as a trained model's. Knows nothing of
training.
"""

import argparse
import os

import torch

import config as configs
from errors import one_sentence
from export import export
from model import build


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out")
    parser.add_argument("--config", default="bytepool-tiny", choices=configs.CONFIGS)
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--type", choices=("q4_0", "f32"), default="f32")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    model = build(configs.override(configs.CONFIGS[options.config], options.set))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() == 1:
                parameter.uniform_(0.5, 1.5)
            elif "embd" in name:
                parameter.mul_(10)
    export(model, options.out, f"{options.config} untrained", options.type)
    print(f"{options.out}: {os.path.getsize(options.out)} bytes")


if __name__ == "__main__":
    with one_sentence("untrained.py"):
        main()
