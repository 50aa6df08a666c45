"""Optimizers, schedules, objectives, whole runs, and what the commands say when something is wrong.
"""

import glob
import math
import os
import subprocess
import sys
import tempfile
import time
import unittest

import torch
import torch.nn.functional as F

import data
import device
import prefer
import train
from config import BytePool, Stack
from data import BEGIN, END, USER
from errors import TrainingError
from evaluate import bits_per_byte
from load import load_checkpoint, load_model
from model import build
from export import export
from objectives import NextBytes, Objective, Teacher, nats
from optimizer import Muon, optimizers, orthogonalize
from sample import continuations, next_tokens, prompt_tokens

HERE = os.path.dirname(os.path.abspath(__file__))
TEXT = ("Once there was a fox who could count to ten. He counted hens (7), eggs (12) and stars; "
        "of stars, he said, there were more than ten. \"How many more?\" asked the owl. ")
SMALL = BytePool(Stack(64, 1, 1, 64), 1, 1, 16, Stack(64, 1, 1, 64), 1, ngram_rows=64, context=512)


def pack_corpus(folder):
    """Some 2 KB a subset, packed, the same to train and to validate on."""
    for subset in data.SUBSETS:
        for split in data.SPLITS:
            text = "".join(TEXT.replace("fox", f"fox number {i}") for i in range(12))
            tokens = data.text_tokens(text[:2000].encode() + b"\0", False)
            tokens.tofile(data.packed_path(folder, subset, split))


class WithFolder(unittest.TestCase):
    """Tests with a packed corpus, and a folder to write into."""

    @classmethod
    def setUpClass(cls):
        torch.set_num_threads(1)
        cls.temporary = tempfile.TemporaryDirectory()
        cls.packed = cls.temporary.name
        pack_corpus(cls.packed)

    @classmethod
    def tearDownClass(cls):
        cls.temporary.cleanup()

    def run_of(self, name, *more):
        """A run of a tiny model, in a folder of the name."""
        args = train.arguments().parse_args([
            "--config", "bytepool-tiny", "--data", self.packed, "--length", "64", "--batch", "4",
            "--out", os.path.join(self.packed, name), "--megabytes", "0.0025", "--warmup", "0.001",
            *more])
        train.check(args)
        os.makedirs(args.out, exist_ok=True)
        return train.Run(args)


class Optimizers(unittest.TestCase):
    def test_orthogonalize_leaves_all_directions_of_one_size(self):
        torch.manual_seed(1)
        for rows, columns in ((64, 64), (64, 192), (192, 64)):
            left, _ = torch.linalg.qr(torch.randn(3, rows, 64))
            right, _ = torch.linalg.qr(torch.randn(3, columns, 64))
            matrices = 7 * left @ torch.diag(torch.linspace(0.05, 1, 64)) @ right.transpose(1, 2)
            found = orthogonalize(matrices, torch.float32)
            sizes = torch.linalg.svdvals(found)
            self.assertTrue(((sizes > 0.5) & (sizes < 1.3)).all(), (rows, columns))
            # The directions stay: between them nothing is mixed.
            turned = left.transpose(1, 2) @ found @ right
            mixed = turned - torch.diag_embed(turned.diagonal(dim1=1, dim2=2))
            self.assertLess(mixed.abs().max().item(), 1e-3)

    def test_muon_lowers_a_loss(self):
        torch.manual_seed(1)
        weights = torch.nn.Parameter(torch.zeros(8, 16))
        wanted = torch.linalg.qr(torch.randn(16, 8))[0].T
        muon = Muon([weights], 0.05)
        for _ in range(60):
            (weights - wanted).square().sum().backward()
            muon.step()
            muon.zero_grad()
        self.assertLess((weights - wanted).norm().item(), 0.6)  # it was 2.8

    def test_every_parameter_is_with_one_optimizer(self):
        model, heads = build(SMALL), NextBytes(64, 3)
        named = [*model.named_parameters(), *heads.named_parameters(prefix="heads")]
        for kind in ("muon", "adamw"):
            made = optimizers(named, kind, 0.02, 0.003, 0.0)
            groups = [group["params"] for each in made for group in each.param_groups]
            held = [id(parameter) for group in groups for parameter in group]
            self.assertEqual(sorted(held), sorted(id(parameter) for _, parameter in named))
            # Heads are matrices like those of blocks; tables are not.
            names = {id(parameter): name for name, parameter in named}
            last = {names[id(parameter)] for parameter in groups[-1]}
            self.assertLessEqual({"heads.turns.0.weight", "blk.0.attn_q.weight"}, last)
            self.assertFalse({"token_embd.weight", "ngram.2.weight"} & last)

    def test_the_rate_warms_up_stays_and_falls_to_zero(self):
        found = [train.rate_factor(at, warmup=2, done=at / 40, decay=0.25)
                 for at in (0, 1, 2, 20, 30, 35, 40, 41)]
        self.assertEqual(found, [0, 0.5, 1, 1, 1, 0.5, 0, 0])
        self.assertEqual(train.rate_factor(5, warmup=0, done=0.5, decay=0), 1)


class Devices(WithFolder):
    def test_products_are_in_bf16_where_a_processor_has_it(self):
        path = os.path.join(self.packed, "cpuinfo")
        for line, expected in (("flags: avx2 avx512_bf16 sse", True), ("flags : amx_bf16", True),
                               ("Features: fp asimd bf16 sve", True), ("flags: avx512f", False)):
            with open(path, "w", encoding="utf8") as file:
                file.write(f"processor: 0\n{line}\n")
            device.has_bf16.cache_clear()
            self.assertEqual(device.has_bf16("cpu", path), expected, line)
        self.assertFalse(device.has_bf16("cpu", path + ".none"))
        self.assertTrue(device.has_bf16("cuda", path))
        with device.autocast("cpu"):
            one = torch.ones(1, 1)
            self.assertEqual((one @ one).dtype, device.product_type("cpu"))


class Objectives(unittest.TestCase):
    def setUp(self):
        torch.manual_seed(1)
        self.model = build(SMALL)
        self.batch = torch.randint(97, 120, (2, 21))
        self.states = self.model.states(self.batch[:, :-1])
        self.embedding = self.model.token_embd.weight

    def test_alone_it_is_cross_entropy(self):
        total, text = Objective()(self.states, self.embedding, self.batch)
        logits = self.model(self.batch[:, :-1])
        expected = -F.log_softmax(logits, -1).gather(2, self.batch[:, 1:, None]).mean()
        torch.testing.assert_close(total, expected)
        torch.testing.assert_close(text, expected.detach())

    def test_heads_predict_the_bytes_further_on(self):
        heads = NextBytes(64, 3)
        targets = self.batch[:, 1:]
        logits = F.linear(self.states, self.embedding)  # what heads say to begin with
        expected = (nats(logits[:, :-1], targets[:, 1:]) + nats(logits[:, :-2], targets[:, 2:])) / 2
        torch.testing.assert_close(heads(self.states, self.embedding, targets), expected)
        total, text = Objective(heads, 0.5)(self.states, self.embedding, self.batch)
        torch.testing.assert_close(total, text + 0.5 * expected)
        total.backward()
        self.assertTrue(all(p.grad.abs().sum() > 0 for p in heads.parameters()))

    def test_a_teacher_like_the_student_has_nothing_to_say(self):
        teacher = Teacher(build(SMALL), 2.0)
        teacher.model.load_state_dict(self.model.state_dict())
        logits = F.linear(self.states, self.embedding)
        divergence = teacher.divergence(logits, self.batch[:, :-1])
        self.assertAlmostEqual(divergence.item(), 0, 5)
        other = Teacher(build(SMALL), 1.0)
        wanted = F.softmax(other.model(self.batch[:, :-1]), -1)
        expected = (wanted * (wanted.log() - F.log_softmax(logits, -1))).sum(-1).mean()
        torch.testing.assert_close(other.divergence(logits, self.batch[:, :-1]), expected)
        total, text = Objective(teacher=other, teacher_weight=0.25)(
            self.states, self.embedding, self.batch)
        torch.testing.assert_close(total, 0.75 * text + 0.25 * expected)


class Runs(WithFolder):
    def test_a_resumed_run_goes_on_as_if_it_had_never_stopped(self):
        for name, more in (("plain", ()), ("adamw", ("--optimizer", "adamw", "--rate", "0.002")),
                           ("heads", ("--next-bytes", "3"))):
            whole = self.run_of(name, *more)
            losses = [whole.advance() for _ in range(3)]
            whole.save()
            losses += [whole.advance() for _ in range(7)]  # the last ones with int4 weights
            self.assertTrue(whole.is_int4)
            resumed = self.run_of(name, *more)
            self.assertTrue(resumed.resume())
            self.assertEqual([resumed.advance() for _ in range(7)], losses[3:], name)

    def test_a_run_of_some_minutes_has_its_parts_in_this_time(self):
        run = self.run_of("timed", "--minutes", "10", "--megabytes", "1000", "--int4", "0.2")
        for minutes, done, is_int4 in ((0, 0, False), (7.9, 0.79, False), (8.1, 0.81, True),
                                       (10, 1, True)):
            run.before, run.began = minutes * 60, time.monotonic()
            self.assertAlmostEqual(run.done, done, places=3)
            self.assertEqual(run.is_int4, is_int4)
        run.tokens, run.before = int(9e8), 0  # text that is nearer its end counts
        self.assertAlmostEqual(run.done, 0.9)

    def test_room_for_patches_changes_no_loss(self):
        run = self.run_of("room")
        batch, _ = run.batch()
        room = run.model.patch_room(batch[:, :-1])
        with torch.no_grad():
            self.assertEqual(run.loss(batch, room)[1], run.loss(batch, None)[1])
            self.assertEqual(run.loss(batch, 4 * room)[1], run.loss(batch, None)[1])

    def test_heads_are_not_exported(self):
        run = self.run_of("export", "--next-bytes", "4")
        run.advance()
        run.save()
        path = os.path.join(self.packed, "heads.gguf")
        export(load_checkpoint(run.checkpoint), path, "test", "f32")
        for name, parameter in load_model(path).named_parameters():
            self.assertTrue(torch.equal(parameter, dict(run.model.named_parameters())[name]), name)

    def test_a_run_warm_starts_from_a_file(self):
        first = self.run_of("first")
        path = os.path.join(self.packed, "first.gguf")
        export(first.model, path, "test", "q4_0")
        second = self.run_of("second", "--init", path, "--seed", "2")
        for (name, ours), read in zip(second.model.named_parameters(),
                                      load_model(path).parameters()):
            self.assertTrue(torch.equal(ours, read), name)

    def test_a_teacher_is_loaded_and_stays_as_it_is(self):
        path = os.path.join(self.packed, "teacher.gguf")
        export(build(SMALL), path, "test", "f32")
        run = self.run_of("taught", "--teacher", path, "--teacher-temperature", "2")
        before = [p.clone() for p in run.objective.teacher.model.parameters()]
        self.assertTrue(math.isfinite(run.advance()))
        self.assertTrue(all(map(torch.equal, before, run.objective.teacher.model.parameters())))

    def test_validation_of_the_int4_part_has_int4_weights(self):
        run = self.run_of("validated", "--length", "128")
        plain = run.validate()
        run.tokens = 2500
        path = os.path.join(self.packed, "validated.gguf")
        export(run.model, path, "test", "q4_0")
        tokens = data.open_tokens(self.packed, "dialogue", "val")
        expected = bits_per_byte(load_model(path), tokens, 128)
        self.assertAlmostEqual(run.validate()["dialogue"], expected, delta=0.02)  # bf16
        self.assertNotEqual(run.validate(), plain)

    def test_a_small_text_is_learned_by_heart(self):
        run = self.run_of("overfit", "--length", "128", "--batch", "2", "--megabytes", "0.025",
                          "--warmup", "0.002", "--table-rate", "0.01", "--mixture", "dialogue=1")
        bits = [run.advance() / math.log(2) for _ in range(97)]
        self.assertGreater(bits[0], 5)
        self.assertLess(sum(bits[-10:]) / 10, 0.5)

    def test_a_run_of_another_kind_is_not_resumed(self):
        self.run_of("kinds", "--next-bytes", "3").save()
        for more, sentence in (((), "begun with --next-bytes 3"),
                               (("--next-bytes", "3", "--optimizer", "adamw"), "--optimizer muon"),
                               (("--next-bytes", "3", "--set", "ngram_rows=0"), "another model")):
            with self.assertRaisesRegex(TrainingError, sentence):
                self.run_of("kinds", *more).resume()

    def test_arguments_have_limits(self):
        for more in (("--batch", "0"), ("--rate", "nan"), ("--decay", "2"), ("--next-bytes", "9"),
                     ("--config", "bytepool"), ("--teacher-weight", "1.1")):
            with self.assertRaisesRegex(TrainingError, more[0]):
                self.run_of("limits", *more)


class Samples(unittest.TestCase):
    def test_prompts(self):
        self.assertEqual(prompt_tokens("é"), [BEGIN, 0xc3, 0xa9])
        self.assertEqual(prompt_tokens("<|user|>a<|end|>"), [BEGIN, USER, 97, END])
        self.assertEqual(prompt_tokens("<|begin|>a"), [BEGIN, 97])

    def test_cold_samples_are_the_likeliest_and_seeds_repeat_warm_ones(self):
        torch.manual_seed(1)
        model = build(SMALL)
        prompts = torch.randint(0, 256, (3, 9))
        cold = continuations(model, prompts, 4, 0, None)
        logits = model(torch.cat((prompts, cold), 1))[:, 8:-1, :260]
        self.assertTrue(torch.equal(cold, logits.argmax(-1)))
        warm = [next_tokens(model, prompts, 1.0, torch.Generator().manual_seed(seed)).tolist()
                for seed in (1, 1, 2, 3)]
        self.assertEqual(warm[0], warm[1])
        self.assertTrue(warm[0] != warm[2] or warm[0] != warm[3])


class Preferences(WithFolder):
    def test_likelihood_ends_with_the_document(self):
        torch.manual_seed(1)
        model = build(SMALL)
        tokens = torch.tensor([[BEGIN, 97, 98, END, BEGIN, 99], [BEGIN, 97, 98, 99, 100, END]])
        each = F.log_softmax(model(tokens[:, :-1]), -1).gather(2, tokens[:, 1:, None])[..., 0]
        expected = torch.stack((each[0, 1:3].sum(), each[1, 1:].sum()))
        torch.testing.assert_close(prefer.log_likelihood(model, tokens, 2), expected)

    def test_a_model_learns_to_prefer_the_text(self):
        source = os.path.join(self.packed, "start.gguf")
        torch.manual_seed(1)
        export(build(SMALL), source, "test", "q4_0")
        args = prefer.arguments().parse_args([
            source, "--data", self.packed, "--out", os.path.join(self.packed, "preferred.pt"),
            "--prompt", "16", "--continuation", "16", "--batch", "8", "--rate", "1e-3"])
        play = prefer.Play(args)
        opponent = prefer.frozen(play.model)
        before = [parameter.clone() for parameter in opponent.parameters()]
        first, _ = play.step(opponent, 0)
        self.assertAlmostEqual(first, math.log(2), 5)  # the same model: no preference yet
        for number in range(1, 12):
            last, share = play.step(opponent, number)
        self.assertLess(last, 0.5)
        self.assertGreater(share, 0.9)
        self.assertTrue(all(map(torch.equal, before, opponent.parameters())))
        play.save()
        for ours, saved in zip(play.model.parameters(), load_model(args.out).parameters()):
            self.assertTrue(torch.equal(ours, saved))


class Commands(WithFolder):
    """What is wrong is said in one line, and the exit code is 1."""

    def begin(self, command, *args):
        """A command as a process of its own."""
        return subprocess.Popen([sys.executable, os.path.join(HERE, command), *args], text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                env={**os.environ, "OMP_NUM_THREADS": "1"})

    def begin_training(self, name, *args):
        return self.begin("train.py", "--config", "bytepool-tiny", "--data", self.packed, "--out",
                          os.path.join(self.packed, name), "--length", "64", "--megabytes",
                          "0.001", "--threads", "1", *args)

    def test_say_what_is_wrong_in_one_line(self):
        self.run_of("other", "--set", "blocks=1").save()
        self.run_of("damaged").save()
        damaged = os.path.join(self.packed, "damaged", "checkpoint.pt")
        with open(damaged, "r+b") as file:
            file.truncate(os.path.getsize(damaged) // 2)
        lacking = os.path.join(self.packed, "lacking")
        os.mkdir(lacking)
        for path in glob.glob(os.path.join(self.packed, "*.u16")):
            os.symlink(path, os.path.join(lacking, os.path.basename(path)))
        os.remove(data.packed_path(lacking, "expository", "val"))
        none = os.path.join(self.packed, "none")
        cases = [
            (self.begin_training("a", "--data", lacking), "expository.val.u16 is missing"),
            (self.begin_training("other"), "is of another model .blocks is 1, not 2."),
            (self.begin_training("damaged"), "is damaged, or no checkpoint"),
            (self.begin_training("a", "--set", "widht=3"), "no setting of that name"),
            (self.begin_training("a", "--set", "patch_length=0"), "patch_length must be 1 to 1024"),
            (self.begin_training("c", "--set", "epsilon=1e-300", "--rate", "10", "--table-rate",
                                 "10", "--warmup", "0"), "the loss is nan at step"),
            (self.begin("export.py", damaged, none), "is damaged, or no checkpoint"),
            (self.begin("sample.py", none, "x"), "No such file"),
        ]
        for process, sentence in cases:
            _, stderr = process.communicate()
            self.assertEqual((process.returncode, stderr.count("\n")), (1, 1), stderr)
            self.assertRegex(stderr, rf"^\w+\.py: .*{sentence}")
        self.assertFalse(os.path.exists(os.path.join(self.packed, "a")))

    def test_train_and_export(self):
        process = self.begin_training("whole")
        stdout, stderr = process.communicate()
        self.assertEqual((process.returncode, stderr), (0, ""))
        self.assertRegex(stdout, "validation stories_simple [4-9]")
        again, _ = self.begin_training("whole", "--megabytes", "0.002").communicate()
        self.assertIn("resumed, 0.0 of 0.002 MB", again)


if __name__ == "__main__":
    unittest.main()
