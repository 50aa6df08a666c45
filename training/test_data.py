"""Packing text into ids, and drawing windows and scores from them."""

import contextlib
import io
import lzma
import math
import os
import tempfile
import unittest

import numpy as np
import torch

import data
from data import ASSISTANT, BEGIN, END, USER
from evaluate import bits_per_byte, text_bytes


class Packing(unittest.TestCase):
    def test_documents_begin_and_end(self):
        tokens = data.text_tokens("één\0two\0".encode(), dialogue=False)
        self.assertEqual(tokens.tolist(), [BEGIN, *"één".encode(), END, BEGIN, *b"two", END])

    def test_a_last_document_may_lack_its_end(self):
        tokens = data.text_tokens(b"a\0b", dialogue=False)
        self.assertEqual(tokens.tolist(), [BEGIN, 97, END, BEGIN, 98, END])
        self.assertEqual(len(data.text_tokens(b"", False)), 0)

    def test_roles_are_tokens_where_lines_of_a_dialogue_start(self):
        text = b"User: hi\nAssistant: I say User: no\nUser:\n\0"
        tokens = data.text_tokens(text, dialogue=True)
        self.assertEqual(tokens.tolist(), [
            BEGIN, USER, *b"hi\n", ASSISTANT, *b"I say User: no\nUser:\n", END])
        plain = data.text_tokens(text, dialogue=False)
        self.assertEqual(plain.tolist(), [BEGIN, *text[:-1], END])

    def test_ids_stand_for_as_many_bytes_as_the_source_has(self):
        text = b"User: hi\nAssistant: ho\n\0"
        self.assertEqual(text_bytes(data.text_tokens(text, True)), len(text))

    def test_a_folder_is_packed_and_opened(self):
        with tempfile.TemporaryDirectory() as source, tempfile.TemporaryDirectory() as packed:
            os.mkdir(os.path.join(source, "val"))
            for subset in data.SUBSETS:
                for split in data.SPLITS:
                    with lzma.open(data.source_path(source, subset, split), "w") as file:
                        file.write(f"{subset} {split}\0".encode())
            with contextlib.redirect_stdout(io.StringIO()):
                data.pack(source, packed)
            tokens = data.open_tokens(packed, "expository", "val")
            self.assertEqual(tokens.tolist(), [BEGIN, *b"expository val", END])
            with open(data.source_path(source, "dialogue", "val"), "r+b") as file:
                file.truncate(40)
            with contextlib.redirect_stdout(io.StringIO()), \
                    self.assertRaisesRegex(data.DataError, "damaged"):
                data.pack(source, packed)

    def test_mixtures(self):
        mixture = data.parse_mixture("stories_simple=8,dialogue=2")
        self.assertEqual(mixture, {"stories_simple": 0.8, "dialogue": 0.2})
        for wrong in ("", "poems=1", "dialogue", "dialogue=0", "dialogue=nan", "dialogue=x"):
            with self.assertRaises(data.DataError, msg=wrong):
                data.parse_mixture(wrong)


class Drawing(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        for index, subset in enumerate(("expository", "dialogue")):
            ids = np.arange(100, dtype=np.uint16) + 100 * index
            ids.tofile(data.packed_path(self.folder.name, subset, "train"))

    def windows(self, length=10, seed=1):
        mixture = {"expository": 0.5, "dialogue": 0.5}
        return data.Windows(self.folder.name, mixture, length, 64, seed)

    def test_a_seed_and_a_step_decide_the_batch(self):
        first = self.windows().at(7)
        self.assertEqual(first.shape, (64, 11))
        self.assertTrue((first == self.windows().at(7)).all())
        self.assertFalse((first == self.windows().at(8)).all())
        self.assertFalse((first == self.windows(seed=2).at(7)).all())

    def test_rows_are_stretches_of_one_subset(self):
        rows = self.windows().at(0)
        self.assertTrue((np.diff(rows) == 1).all())
        self.assertTrue((rows[:, 0] // 100 == rows[:, -1] // 100).all())
        self.assertEqual(set(rows[:, 0] // 100), {0, 1})

    def test_every_window_that_fits_is_drawn(self):
        self.assertEqual(set(self.windows(length=98).at(0)[:, 0] % 100), {0, 1})
        with self.assertRaisesRegex(data.DataError, "fewer than"):
            self.windows(length=100)


class Indifferent(torch.nn.Module):
    """Thinks that all 272 tokens are equally likely."""

    def __init__(self):
        super().__init__()
        self.gain = torch.nn.Parameter(torch.ones(1))

    def forward(self, tokens):
        return torch.zeros(*tokens.shape, 272)


class Scoring(unittest.TestCase):
    def test_every_byte_is_scored_once(self):
        for count in (2, 7, 8, 9, 40, 41, 63, 64, 65):
            for length in (8, 9, 16, 64):
                bits = bits_per_byte(Indifferent(), np.full(count, 97), length)
                self.assertAlmostEqual(bits, math.log2(272), 5, (count, length))

    def test_a_beginning_is_given_and_a_role_counts_its_bytes(self):
        tokens = np.array([BEGIN, USER, 97, END, BEGIN, 98, END])
        bits = bits_per_byte(Indifferent(), tokens, 16)
        self.assertAlmostEqual(bits, 5 * math.log2(272) / (6 + 4), 5)


if __name__ == "__main__":
    unittest.main()
