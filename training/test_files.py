"""int4 weights and files: what training computes with is what the file holds, bit for bit."""

import os
import tempfile
import unittest

import numpy as np
import torch

import gguf
from config import BytePool, ByteLlama, Stack
from export import export
from layout import byte_symbols, config_of, interleave, metadata, separate, tensors
from load import CheckpointError, load_gguf, load_gguf_weights, load_model, read_checkpoint
from model import build
from quantize import GROUP, Int4Weights, dequantize, quantize

MODELS = (BytePool(Stack(64, 1, 1, 64), 1, 1, 16, Stack(128, 2, 1, 64), 2, ngram_rows=64),
          BytePool(Stack(64, 1, 1, 64), 1, 1, 16, Stack(64, 1, 1, 32), 1, 2, "fixed", 4,
                   ngram_rows=0, ngram_orders=()),
          ByteLlama(Stack(128, 2, 1, 64), 2))


def slow_q4_0(row):
    """ggml's quantize_row_q4_0_ref, number by number: the bytes of a row's blocks."""
    out = bytearray()
    for block in np.float32(row).reshape(-1, GROUP):
        largest, value = np.float32(0), np.float32(0)
        for x in block:
            if largest < abs(x):
                largest, value = abs(x), x
        d = value / np.float32(-8)
        inverse = np.float32(1) / d if d else np.float32(0)
        codes = [min(15, int(x * inverse + np.float32(8.5))) for x in block]
        out += np.float16(d).tobytes()
        out += bytes(codes[i] | codes[i + 16] << 4 for i in range(16))
    return bytes(out)


def hard_rows():
    """Rows of all sizes, with ties, zeros and numbers between two codes."""
    torch.manual_seed(1)
    rows = torch.randn(64, 4 * GROUP) * 10.0 ** torch.arange(-6, 2).repeat(8)[:, None]
    rows[0] = 0
    rows[1, :GROUP] = torch.tensor([1.0, -1.0]).repeat(16)  # the first of equals decides
    rows[2, :GROUP] = torch.tensor([-1.0, 1.0]).repeat(16)
    rows[3, :GROUP] = (torch.arange(GROUP) - 16) / 16  # halves
    rows[4, 5:] = 0
    return rows


class Quantizing(unittest.TestCase):
    def test_is_that_of_ggml(self):
        rows = hard_rows()
        expected = b"".join(slow_q4_0(row) for row in rows.numpy())
        self.assertEqual(gguf.q4_0_bytes(rows), expected)

    def test_again_changes_nothing(self):
        rows = hard_rows()
        once = dequantize(*quantize(rows))
        torch.testing.assert_close(dequantize(*quantize(once)), once, rtol=0, atol=0)

    def test_is_within_a_step(self):
        rows = torch.randn(8, 256)
        steps = rows.view(8, -1, GROUP).abs().amax(-1) / 8
        errors = (dequantize(*quantize(rows)) - rows).view(8, -1, GROUP).abs().amax(-1)
        self.assertTrue((errors <= steps * 1.01).all())

    def test_gradients_pass_straight_through(self):
        model = torch.nn.Linear(64, 4, bias=False)
        before = model.weight.detach().clone()
        with Int4Weights(model):
            model.weight.square().sum().backward()
        torch.testing.assert_close(model.weight.grad, 2 * dequantize(*quantize(before)))
        self.assertTrue(torch.equal(model.weight, before))

    def test_a_model_has_its_own_weights_back_afterwards(self):
        for config in MODELS:
            model = build(config)
            before = {name: (id(p), p.detach().clone()) for name, p in model.named_parameters()}
            tokens = torch.randint(0, 256, (1, 20))
            plain = model(tokens)
            with Int4Weights(model):
                self.assertFalse(torch.equal(model(tokens), plain))
            self.assertEqual(list(before), [name for name, _ in model.named_parameters()])
            for name, parameter in model.named_parameters():
                self.assertEqual(id(parameter), before[name][0])
                self.assertTrue(torch.equal(parameter, before[name][1]))


class Files(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = os.path.join(folder.name, "model.gguf")

    def test_metadata_and_tensors_come_back(self):
        entries = {"a.text": "é", "a.yes": True, "a.number": 7, "a.real": 0.5, "a.list": [3, 1],
                   "a.names": ["x", "<|end|>"], "a.nothing": []}
        written = [("gain", torch.randn(7)), ("matrix", hard_rows()), ("odd", torch.randn(3, 5))]
        gguf.write(self.path, entries, written, quantized=False)
        found, read = gguf.read(self.path)
        self.assertEqual(found, entries)
        self.assertEqual(list(read), ["gain", "matrix", "odd"])
        for name, tensor in written:
            self.assertTrue(torch.equal(read[name], tensor), name)

    def test_q4_0_comes_back_bit_by_bit(self):
        # Without zero groups, whose scale may be either zero.
        written = [("gain", torch.randn(7)), ("matrix", hard_rows()[[1, 2, 3, *range(5, 64)]])]
        gguf.write(self.path, {}, written, quantized=True)
        _, read = gguf.read(self.path)
        self.assertTrue(torch.equal(read["matrix"], dequantize(*quantize(written[1][1]))))
        self.assertTrue(torch.equal(read["gain"], written[0][1]))
        with open(self.path, "rb") as file:
            data = file.read()
        gguf.write(self.path, {}, list(read.items()), quantized=True)
        with open(self.path, "rb") as file:
            self.assertEqual(file.read(), data)

    def test_broken_files_are_refused_in_a_sentence(self):
        gguf.write(self.path, {"a": "b", "c": [1, 2]}, [("m", torch.randn(2, 64))], quantized=True)
        with open(self.path, "rb") as file:
            data = file.read()
        broken = [data[:size] for size in range(0, len(data) - 24, 3)]  # 24: padding
        broken += [b"GGML" + data[4:], data[:4] + b"\x02" + data[5:], data[:8] + b"\xff" * 8]
        for piece in broken:
            with open(self.path, "wb") as file:
                file.write(piece)
            with self.assertRaises(gguf.GGUFError):
                gguf.read(self.path)

    def test_an_exported_model_has_what_int4_weights_computed_with(self):
        for config in MODELS:
            torch.manual_seed(1)
            model = build(config)
            export(model, self.path, "test")
            read = load_gguf(self.path)
            with Int4Weights(model):
                used = {name: p.detach().clone() for name, p in model.named_parameters()
                        if p.dim() == 2}
            matrices = {name: p for name, p in read.named_parameters() if p.dim() == 2}
            self.assertEqual(set(used), set(matrices))
            for name, parameter in matrices.items():
                self.assertTrue(torch.equal(parameter, used[name]), name)

    def test_a_run_starts_from_what_an_exported_file_reads_as(self):
        for config in MODELS:
            torch.manual_seed(1)
            model, other = build(config), build(config)
            export(model, self.path, "test", "q4_0")
            load_gguf_weights(other, self.path)
            expected = dict(gguf.read(self.path)[1])
            self.assertEqual({name: tensor.sum().item() for name, tensor in tensors(other)},
                             {name: tensor.sum().item() for name, tensor in expected.items()})
            for name, tensor in tensors(other):
                self.assertTrue(torch.equal(tensor, expected[name]), name)
            # Nothing is lost on the way back.
            export(other, self.path, "test", "q4_0")
            for name, tensor in gguf.read(self.path)[1].items():
                self.assertTrue(torch.equal(tensor, expected[name]), name)

    def test_f32_files_with_int4_values_read_as_q4_0_files_do(self):
        torch.manual_seed(1)
        model = build(MODELS[2])
        export(model, self.path, "test", "q4_0")
        expected = gguf.read(self.path)[1]
        export(model, self.path, "test", "f32", int4_values=True)
        for name, tensor in gguf.read(self.path)[1].items():
            self.assertTrue(torch.equal(tensor, expected[name]), name)

    def test_a_file_of_another_shape_is_refused(self):
        export(build(MODELS[0]), self.path, "test")
        with self.assertRaisesRegex(gguf.GGUFError, "--config and --set"):
            load_gguf_weights(build(MODELS[1]), self.path)
        export(build(MODELS[2]), self.path, "test")
        with self.assertRaisesRegex(gguf.GGUFError, "--config and --set"):
            load_gguf_weights(build(ByteLlama(Stack(64, 1, 1, 64), 2)), self.path)

    def test_metadata_says_the_configuration(self):
        for config in MODELS:
            gguf.write(self.path, metadata(config, "test"), [], False)
            found = config_of(gguf.read(self.path)[0], self.path)
            self.assertAlmostEqual(found.epsilon, config.epsilon, 10)  # an f32 in the file
            self.assertEqual(str(found).replace(str(found.epsilon), str(config.epsilon)),
                             str(config))

    def test_foreign_files_are_refused_in_a_sentence(self):
        gguf.write(self.path, {"general.architecture": "mamba"}, [], False)
        with self.assertRaisesRegex(gguf.GGUFError, "metadata"):
            load_model(self.path)
        whole = metadata(MODELS[0], "test")
        for name in whole:
            if name.startswith("bytepool.") and not name.endswith("ngram.orders"):
                for value in ([], "x"):
                    gguf.write(self.path, {**whole, name: value}, [], False)
                    with self.assertRaises(gguf.GGUFError, msg=name):
                        load_model(self.path)
        for piece in (b"", b"none", b"PK\3\4" * 40, b"\x80\x02}q\x00."):
            with open(self.path, "wb") as file:
                file.write(piece)
            with self.assertRaisesRegex(CheckpointError, r"^[^\n]+$"):
                read_checkpoint(self.path)


class Layout(unittest.TestCase):
    def test_separate_undoes_interleave(self):
        weights = torch.randn(3 * 64, 5)
        self.assertTrue(torch.equal(separate(interleave(weights)), weights))
        rows = interleave(torch.arange(128.0)[:, None]).flatten().tolist()
        self.assertEqual(rows[:4] + rows[64:68], [0, 32, 1, 33, 64, 96, 65, 97])

    def test_byte_symbols_are_256_characters(self):
        symbols = byte_symbols()
        self.assertEqual((len(set(symbols)), symbols[ord("a")], symbols[ord(" ")]),
                         (256, "a", "\u0120"))


if __name__ == "__main__":
    unittest.main()
