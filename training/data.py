"""Text on disk -> token ids -> training windows.

Documents end with a 0x00 byte in the source. Each becomes

    <|begin|> bytes ... <|end|>

and in dialogue the line starts "User: " and "Assistant: " become <|user|> and <|assistant|>.
Every subset and split is packed once into a flat file of 16-bit ids, which training maps into
memory. Knows nothing of models.

    python3 data.py SOURCE PACKED          SOURCE holds SUBSET.train.xz and val/SUBSET.val.xz
"""

import lzma
import os
import re
import sys

import numpy as np

from errors import TrainingError, one_sentence

BEGIN, END, USER, ASSISTANT = 256, 257, 258, 259
SUBSETS = ("stories_simple", "stories_classic", "expository", "dialogue")
SPLITS = ("train", "val")
#: A source larger than this is not a text corpus for models of this size.
SOURCE_BYTES_MAX = 4 << 30

ROLE = re.compile(rb"^(User|Assistant): ", re.MULTILINE)


class DataError(TrainingError):
    """A sentence about the data: what, where, what to do."""


def document_tokens(document, dialogue):
    """uint16 ids of one document (bytes), with its begin, end and, in dialogue, role tokens."""
    if not dialogue:
        body = np.frombuffer(document, np.uint8).astype(np.uint16)
        return np.concatenate(([BEGIN], body, [END])).astype(np.uint16)
    pieces, last = [np.array([BEGIN], np.uint16)], 0
    for match in ROLE.finditer(document):
        pieces.append(np.frombuffer(document[last:match.start()], np.uint8).astype(np.uint16))
        pieces.append(np.array([USER if match.group(1) == b"User" else ASSISTANT], np.uint16))
        last = match.end()
    pieces.append(np.frombuffer(document[last:], np.uint8).astype(np.uint16))
    pieces.append(np.array([END], np.uint16))
    return np.concatenate(pieces)


def text_tokens(data, dialogue):
    """uint16 ids of a whole source: documents that each end with 0x00."""
    documents = data.split(b"\0")
    if documents[-1] == b"":
        documents.pop()
    if not documents:
        return np.empty(0, np.uint16)
    return np.concatenate([document_tokens(document, dialogue) for document in documents])


def source_path(source, subset, split):
    """Where the corpus keeps a subset's text: validation text has a folder of its own."""
    name = f"{subset}.{split}.xz"
    return os.path.join(source, "val", name) if split == "val" else os.path.join(source, name)


def packed_path(packed, subset, split):
    """Where `pack` puts its ids."""
    return os.path.join(packed, f"{subset}.{split}.u16")


def pack(source, packed):
    """Packs every subset and split of the folder `source` into files of the folder `packed`;
    DataError when one is missing."""
    os.makedirs(packed, exist_ok=True)
    for subset in SUBSETS:
        for split in SPLITS:
            path = source_path(source, subset, split)
            if not os.path.exists(path):
                raise DataError(f"{path} is missing: point SOURCE at the folder of the corpus")
            try:
                with lzma.open(path) as file:
                    data = file.read(SOURCE_BYTES_MAX + 1)
            except (lzma.LZMAError, EOFError) as error:
                raise DataError(f"{path} is damaged ({error}): fetch it again") from None
            if len(data) > SOURCE_BYTES_MAX:
                raise DataError(f"{path} unpacks to more than {SOURCE_BYTES_MAX} bytes, the most "
                                f"that is packed: divide it")
            tokens = text_tokens(data, subset == "dialogue")
            target = packed_path(packed, subset, split)
            tokens.tofile(target + ".part")
            os.replace(target + ".part", target)
            print(f"{target}: {len(data)} bytes, {len(tokens)} tokens", flush=True)


def open_tokens(packed, subset, split):
    """The packed ids of a subset, mapped into memory."""
    path = packed_path(packed, subset, split)
    if not os.path.exists(path):
        raise DataError(f"{path} is missing: make it with `python3 data.py SOURCE {packed}`")
    if os.path.getsize(path) < 4 or os.path.getsize(path) % 2:
        raise DataError(f"{path} holds no ids of 16 bits: remove it and pack again")
    return np.memmap(path, np.uint16, "r")


def parse_mixture(text):
    """"stories_simple=8,dialogue=1" -> {"stories_simple": 8/9, "dialogue": 1/9}."""
    weights = {}
    for part in text.split(","):
        name, _, weight = part.partition("=")
        try:
            weights[name] = float(weight)
        except ValueError:
            weights[name] = 0.0
        if name not in SUBSETS or not 0 < weights[name] < 1e6:
            raise DataError(f"mixture {part!r}: write SUBSET=WEIGHT with a subset of "
                            f"{', '.join(SUBSETS)} and a weight above 0")
    total = sum(weights.values())
    return {name: weight / total for name, weight in weights.items()}


class Windows:
    """Random windows of a mixture. A seed and a step decide the batch, so a resumed run goes on
    exactly where it stopped."""

    def __init__(self, packed, mixture, length, batch, seed):
        self.names = list(mixture)
        self.shares = [mixture[name] for name in self.names]
        self.sources = [open_tokens(packed, name, "train") for name in self.names]
        for name, source in zip(self.names, self.sources):
            if len(source) <= length:
                raise DataError(f"{name} has {len(source)} tokens, fewer than the {length + 1} of "
                                f"a window: choose a smaller --length, or leave it out of "
                                f"--mixture")
        self.length, self.batch, self.seed = length, batch, seed

    def at(self, step):
        """int64 [batch, length + 1]: inputs are [:, :-1], targets [:, 1:]."""
        random = np.random.default_rng((self.seed, step))
        rows = np.empty((self.batch, self.length + 1), np.int64)
        for row, which in enumerate(random.choice(len(self.names), self.batch, p=self.shares)):
            source = self.sources[which]
            start = random.integers(0, len(source) - self.length)
            rows[row] = source[start:start + self.length + 1]
        return rows


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__.strip().splitlines()[-1].strip())
    with one_sentence("data.py"):
        pack(sys.argv[1], sys.argv[2])
