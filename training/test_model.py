"""The models: patches, n-grams, attention, and that nothing looks ahead."""

import math
import unittest
from unittest import mock

import torch
import torch.nn.functional as F

import config as configs
from config import BytePool, ByteLlama, CONFIGS, HEAD_SIZE, Stack
from model import (
    build, causal_mask, full_attention, fused_full_attention, fused_window_attention, ngram_rows,
    patch_ends, spacelike_table, window_attention, window_mask)

TEXT = "The quick (brown) fox -- naïve, 日本語! -- jumped 12.5 m.\n\nÉt voilà…".encode()


def slow_patch_ends(tokens, rule, length):
    """The definition, token by token."""
    table, ends, size, before = spacelike_table(), [], 0, True
    for token in tokens:
        size += 1
        space = bool(table[token])
        word = rule == "space" and ((space and not before) or token >= 256)
        ends.append(word or size == length)
        size, before = 0 if ends[-1] else size, space
    return ends


def slow_ngram_row(tokens, at, order, rows):
    """The definition, in whole numbers of Python."""
    h = 2166136261
    for position in range(at - order + 1, at + 1):
        token = tokens[position] if position >= 0 else 256
        h = ((h ^ token) * 16777619) % 2 ** 32
    return (((h ^ (h >> 15)) * 2654435761) % 2 ** 32) >> (32 - int(math.log2(rows)))


class Patches(unittest.TestCase):
    def check_ends(self, tokens, rule, length):
        found = patch_ends(torch.tensor([tokens]), rule, length, spacelike_table())[0].tolist()
        self.assertEqual(found, slow_patch_ends(tokens, rule, length), (rule, length))

    def test_are_those_of_the_definition(self):
        generator = torch.Generator().manual_seed(1)
        choices = torch.tensor([32, 32, 10, 44, 97, 98, 65, 48, 0xc3, 0xa9, 0xe6, 256, 257, 259])
        mixed = choices[torch.randint(len(choices), (400,), generator=generator)].tolist()
        anything = torch.randint(272, (400,), generator=generator).tolist()
        for tokens in (list(TEXT), [256, *TEXT, 257, 256, 258, *TEXT], mixed, anything,
                       list(b"a" * 100), list(b" " * 100), [257] * 20, [97]):
            for rule in ("space", "fixed"):
                for length in (1, 2, 5, 16):
                    self.check_ends(tokens, rule, length)

    def test_words_end_with_the_space_after_them(self):
        ends = patch_ends(torch.tensor([list("one, two".encode())]), "space", 16, spacelike_table())
        self.assertEqual(ends[0].nonzero().flatten().tolist(), [3])
        characters = "né日本 ".encode()  # UTF-8 continuation bytes end nothing
        ends = patch_ends(torch.tensor([list(characters)]), "space", 16, spacelike_table())
        self.assertEqual(ends[0].nonzero().flatten().tolist(), [1, 3, 6, 9])

    def test_rows_of_a_batch_do_not_meet(self):
        rows = torch.tensor([list(b"abcdefgh"), list(b"a b c d ")])
        together = patch_ends(rows, "space", 4, spacelike_table())
        for row, ends in zip(rows, together):
            self.assertEqual(ends.tolist(), slow_patch_ends(row.tolist(), "space", 4))


class Ngrams(unittest.TestCase):
    def test_are_those_of_the_definition(self):
        tokens = [256, *TEXT, 271, 0, 255]
        for order in (2, 3, 4, 8):
            for rows in (1, 256, 4096, 1 << 20):
                found = ngram_rows(torch.tensor([tokens]), order, rows)[0].tolist()
                self.assertEqual(found, [slow_ngram_row(tokens, at, order, rows)
                                         for at in range(len(tokens))])


class Attention(unittest.TestCase):
    def inputs(self, length, heads=4, kv_heads=2):
        torch.manual_seed(1)
        return [torch.randn(2, length, count, HEAD_SIZE) for count in (heads, kv_heads, kv_heads)]

    def plain(self, q, k, v, window):
        """Every head alone, with a band of the whole matrix of scores."""
        length, heads, group = q.shape[1], q.shape[2], q.shape[2] // k.shape[2]
        query, key = torch.arange(length)[:, None], torch.arange(length)[None]
        seen = (key <= query) & (key > query - window)
        outs = []
        for head in range(heads):
            scores = q[:, :, head] @ k[:, :, head // group].transpose(1, 2) / math.sqrt(HEAD_SIZE)
            outs.append(scores.masked_fill(~seen, -math.inf).softmax(-1) @ v[:, :, head // group])
        return torch.cat(outs, -1)

    def test_window_is_a_band_of_the_full_one(self):
        for window, chunks in ((1, 6), (8, 1), (8, 2), (8, 5)):
            q, k, v = self.inputs(window * chunks)
            found = window_attention(q, k, v, window_mask(chunks, window, torch.float32, "cpu"))
            torch.testing.assert_close(found, self.plain(q, k, v, window))

    def test_kernels_of_a_gpu_compute_the_same(self):
        def defined(q, k, v, mask=None, is_causal=False):  # PyTorch 1 has no such kernels
            mask = causal_mask(q.shape[2], q.dtype, "cpu") if is_causal else mask
            return (q @ k.transpose(2, 3) / math.sqrt(HEAD_SIZE) + mask).softmax(-1) @ v

        name = "scaled_dot_product_attention"
        with mock.patch.object(F, name, getattr(F, name, defined), create=True):
            for window, chunks in ((1, 6), (8, 1), (8, 5)):
                q, k, v = self.inputs(window * chunks)
                mask = window_mask(chunks, window, torch.float32, "cpu")
                found = fused_window_attention(q, k, v, mask)
                torch.testing.assert_close(found, self.plain(q, k, v, window))
            found = fused_full_attention(q, k, v)
            torch.testing.assert_close(found, self.plain(q, k, v, q.shape[1]))

    def test_full(self):
        q, k, v = self.inputs(13)
        found = full_attention(q, k, v, causal_mask(13, torch.float32, "cpu"))
        torch.testing.assert_close(found, self.plain(q, k, v, 13))


MODELS = {
    "space": BytePool(Stack(64, 1, 1, 64), 1, 1, 16, Stack(128, 2, 1, 64), 2, ngram_rows=64),
    "fixed": BytePool(Stack(64, 1, 1, 64), 1, 1, 16, Stack(128, 2, 1, 64), 1, 2, "fixed", 4,
                      ngram_rows=0),
    "fixed 1": BytePool(Stack(64, 1, 1, 64), 1, 1, 16, Stack(64, 1, 1, 64), 1, 1, "fixed", 1,
                        ngram_rows=0),
    "llama": ByteLlama(Stack(128, 2, 1, 64), 2),
}


class Causality(unittest.TestCase):
    def test_a_byte_changes_no_logits_before_it(self):
        for name, config in MODELS.items():
            torch.manual_seed(1)
            model = build(config.check()).double()
            tokens = torch.tensor([[256, *b"It was a dark, stormy night; rain fell."]])
            with torch.no_grad():
                before = model(tokens)
                for at in (0, 1, 7, 14, 15, 16, tokens.shape[1] - 1):
                    for byte in b"z .":
                        changed = tokens.clone()
                        changed[0, at] = byte
                        same = (model(changed) - before).abs().amax(-1)[0] < 1e-9
                        self.assertTrue(same[:at].all(), (name, at))
                        if byte != tokens[0, at]:
                            self.assertFalse(same[at], (name, at))

    def test_a_closed_patch_informs_what_follows_it_and_nothing_sooner(self):
        # A window of one byte and no n-grams: whatever else a position knows, patches told it.
        torch.manual_seed(1)
        config = BytePool(Stack(64, 1, 1, 64), 1, 1, 1, Stack(64, 1, 1, 64), 1, ngram_rows=0)
        model = build(config.check()).double()
        tokens = torch.tensor([list(b"abcd efgh ijkl ")])
        with torch.no_grad():
            before = model(tokens)
            for at, closes in ((1, 4), (6, 9), (9, 9)):
                changed = tokens.clone()
                changed[0, at] = ord("x") if at < closes else ord(",")
                differs = (model(changed) - before).abs().amax(-1)[0] > 1e-9
                expected = [at == t or t >= closes for t in range(tokens.shape[1])]
                self.assertEqual(differs.tolist(), expected, at)

    def test_a_window_may_have_any_length(self):
        for name, config in MODELS.items():
            torch.manual_seed(1)
            model = build(config).double()
            tokens = torch.tensor([[256, *TEXT[:40]], [256, *reversed(TEXT[:40])]])
            with torch.no_grad():
                whole = model(tokens)
                for length in (1, 15, 16, 17, 33):
                    torch.testing.assert_close(model(tokens[:, :length]), whole[:, :length])
                torch.testing.assert_close(model(tokens[1:]), whole[1:])

    def test_as_many_patches_as_tokens(self):
        model = build(MODELS["space"])
        self.assertEqual(model(torch.full((2, 50), 257)).shape, (2, 50, configs.VOCABULARY))


class Configurations(unittest.TestCase):
    def test_all_hold_and_come_back_from_a_dictionary(self):
        for name, config in CONFIGS.items():
            self.assertEqual(configs.from_dict(configs.to_dict(config.check())), config, name)

    def test_settings(self):
        changed = configs.override(CONFIGS["bytepool-tiny"], [
            "local.width=128", "local.heads=2", "ngram_orders=2+5", "patch_rule=fixed", "repeat=2"])
        self.assertEqual(changed.local, Stack(128, 2, 1, 128))
        self.assertEqual((changed.ngram_orders, changed.patch_rule, changed.repeat),
                         ((2, 5), "fixed", 2))

    def test_wrong_settings_are_refused_in_a_sentence(self):
        for setting in ("patch_length=0", "widht=3", "local=3", "local.width=100", "local.heads=0",
                        "ngram_rows=3", "ngram_orders=1", "ngram_orders=x", "blocks=", "blocks",
                        "blocks=9999999", "check=1", "architecture=llama", "local.check=1",
                        "rope_base=nan", "patch_rule=word", "local.width=999936"):
            with self.assertRaisesRegex(configs.ConfigError, r"^[^\n]+$", msg=setting):
                configs.override(CONFIGS["bytepool-tiny"], [setting])


if __name__ == "__main__":
    unittest.main()
