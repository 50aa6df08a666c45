"""Continues a text, byte by byte: to hear what a model has learned.

    python3 sample.py MODEL.gguf|CHECKPOINT "Once upon a time" [-n 300] [--temperature 0.7]

There is no cache: every byte costs a pass over the whole text before it, so at most 512 are
written. The engine, which runs an exported file, is the fast way. Knows nothing of training.
"""

import argparse
import re
import sys

import torch
import torch.nn.functional as F

from data import BEGIN, END, USER
from errors import TrainingError, one_sentence
from layout import SPECIALS
from load import load_model

BYTES_MAX = 512
#: Tokens from here on are reserved, and mean nothing.
RESERVED = max(SPECIALS) + 1


def prompt_tokens(text):
    """Ids of a document that begins with `text`, in which names like <|user|> are tokens."""
    ids = {name: token for token, name in SPECIALS.items()}
    pieces = re.split("(" + "|".join(map(re.escape, ids)) + ")", text)
    tokens = [token for piece in pieces
              for token in ([ids[piece]] if piece in ids else piece.encode("utf8"))]
    return tokens if tokens[:1] == [BEGIN] else [BEGIN, *tokens]


@torch.no_grad()
def next_tokens(model, tokens, temperature, generator):
    """The tokens [batch, 1] that follow tokens [batch, time]; temperature 0 takes the likeliest.
    The generator must be on the model's device."""
    logits = F.linear(model.states(tokens)[:, -1], model.token_embd.weight)
    logits = logits.float()[:, :RESERVED]
    if temperature == 0:
        return logits.argmax(-1, keepdim=True)
    return torch.multinomial(torch.softmax(logits / temperature, -1), 1, generator=generator)


def continuations(model, prompts, count, temperature, generator):
    """`count` sampled tokens [batch, count] after prompts [batch, time]; what follows an end is
    another document."""
    tokens = prompts
    for _ in range(count):
        tokens = torch.cat((tokens, next_tokens(model, tokens, temperature, generator)), 1)
    return tokens[:, prompts.shape[1]:]


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("prompt")
    parser.add_argument("-n", type=int, default=300, help=f"bytes to write, at most {BYTES_MAX}")
    parser.add_argument("--temperature", type=float, default=0.7, help="0: always the likeliest")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    if not (0 <= options.n <= BYTES_MAX and 0 <= options.temperature <= 10):
        raise TrainingError(f"-n must lie from 0 to {BYTES_MAX}, --temperature from 0 to 10")
    model = load_model(options.model)
    tokens = torch.tensor([prompt_tokens(options.prompt)])
    if tokens.shape[1] + options.n > model.config.context:
        raise TrainingError(f"the prompt has {tokens.shape[1]} tokens, to be continued by "
                            f"{options.n}: the model's context holds {model.config.context}")
    generator = torch.Generator().manual_seed(options.seed)
    sys.stdout.write(options.prompt)
    for _ in range(options.n):
        token = next_tokens(model, tokens, options.temperature, generator)
        if token.item() in (END, USER):
            break
        if token.item() < 256:
            sys.stdout.flush()
            sys.stdout.buffer.write(bytes([token.item()]))
            sys.stdout.buffer.flush()
        tokens = torch.cat((tokens, token), 1)
    print()


if __name__ == "__main__":
    with one_sentence("sample.py"):
        main()
