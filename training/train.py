"""Trains a model of config.py on packed text.

    python3 train.py --config bytepool-10m --data PACKED --out RUN --megabytes 60

RUN/checkpoint.pt is everything needed to go on: the same command resumes. Ctrl-C or SIGTERM saves
and stops. RUN/log.jsonl has a line a report, RUN/loss.png the curve.

The learning rate warms up, stays, and in the last `--decay` of the run falls to zero; while it
stays, `--megabytes` and `--minutes` may be changed at every resume. In the last `--int4` of the run
the model computes with the int4 weights that the file will hold (quantize.py). Extras to the loss,
off by default, are those of objectives.py. Knows nothing of how a model is built or a file is
written.
"""

import argparse
import math
import os
import signal
import time
from contextlib import nullcontext

import torch

import config as configs
from data import SUBSETS, Windows, open_tokens, parse_mixture
from device import autocast, device
from errors import TrainingError, check_limits, one_sentence
from evaluate import validation_scores
from load import CheckpointError, load_gguf_weights, load_model, load_weights, read_checkpoint
from model import build, compile_blocks
from objectives import NextBytes, Objective, Teacher
from optimizer import optimizers
from quantize import Int4Weights
from report import Log

#: Bytes ahead that auxiliary heads may predict.
NEXT_BYTES_MAX = 8


def arguments():
    """The parser of the command's arguments."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--config", default="bytepool-10m", help=f"one of {', '.join(configs.CONFIGS)}")
    add("--set", action="append", default=[], metavar="NAME=VALUE", help="change a dimension, "
        "e.g. ngram_rows=0, local.width=128, ngram_orders=2+3")
    add("--data", required=True, help="folder that data.py wrote")
    add("--out", required=True, help="folder of the run")
    add("--init", help="GGUF to start from instead of random weights")
    add("--megabytes", type=float, default=60, help="text to read in all, in 10^6 tokens")
    add("--minutes", type=float, default=0, help="time for the run, if that is over sooner than "
        "--megabytes; its parts are then shares of this time (0: as long as it takes)")
    add("--mixture", default="stories_simple=76,stories_classic=8,expository=8,dialogue=8")
    add("--length", type=int, default=2048, help="tokens of a window")
    add("--batch", type=int, default=4, help="windows of a step")
    add("--optimizer", choices=("muon", "adamw"), default="muon")
    add("--rate", type=float, default=0.02, help="learning rate of the blocks' matrices")
    add("--table-rate", type=float, default=3e-3, help="of embeddings, tables and gains")
    add("--weight-decay", type=float, default=0.0)
    add("--warmup", type=float, default=1.0, help="megabytes until the full learning rate")
    add("--decay", type=float, default=0.25, help="share of the run in which it falls to zero")
    add("--int4", type=float, default=0.15, help="share of the run with int4 weights; 0: none")
    add("--report", type=int, default=50, help="steps between reports")
    add("--save", type=int, default=250, help="steps between checkpoints")
    add("--validate", type=int, default=500, help="steps between validations; 0: at the end only")
    add("--seed", type=int, default=1)
    add("--threads", type=int, default=os.cpu_count())
    extra = parser.add_argument_group("extras to the loss (objectives.py)").add_argument
    extra("--next-bytes", type=int, default=1, metavar="N",
          help="predict the bytes 2 to N ahead too, by heads that the exported file lacks")
    extra("--next-bytes-weight", type=float, default=0.3)
    extra("--teacher", metavar="MODEL", help="imitate a larger model: a GGUF file or a checkpoint")
    extra("--teacher-weight", type=float, default=0.5, help="0 to 1: the text counts for the rest")
    extra("--teacher-temperature", type=float, default=1.0)
    return parser


def check(args):
    """A TrainingError for the first argument that cannot be."""
    check_limits(args, {
        "megabytes": (1e-6, 1e7), "minutes": (0, 1e6), "length": (2, 1 << 17),
        "batch": (1, 1 << 16), "rate": (0, 10), "table_rate": (0, 10), "weight_decay": (0, 10),
        "warmup": (0, 1e7), "decay": (0, 1), "int4": (0, 1), "report": (1, 1e9), "save": (1, 1e9),
        "validate": (0, 1e9), "seed": (0, 1 << 62), "threads": (1, 1024),
        "next_bytes": (1, NEXT_BYTES_MAX), "next_bytes_weight": (0, 10), "teacher_weight": (0, 1),
        "teacher_temperature": (0.1, 10)})
    if args.config not in configs.CONFIGS:
        raise configs.ConfigError(f"--config {args.config}: no such model; there are "
                                  f"{', '.join(configs.CONFIGS)}")


def rate_factor(megabytes, warmup, done, decay):
    """Trapezoid: warm-up over the first `warmup` megabytes, constant, then linear decay to zero in
    the last `decay` of the run, of which the share `done` is over."""
    rising = min(1.0, megabytes / warmup) if warmup else 1.0
    falling = (1 - done) / decay if decay else 1.0
    return max(0.0, min(rising, falling))


class Run:
    """A model, its optimizers, its data, and how far it has come."""

    def __init__(self, args):
        self.args = args
        self.device = device()
        torch.manual_seed(args.seed)
        self.config = configs.override(configs.CONFIGS[args.config], args.set)
        self.windows = Windows(args.data, parse_mixture(args.mixture), args.length, args.batch,
                               args.seed)
        self.validation = {name: open_tokens(args.data, name, "val") for name in SUBSETS}
        self.model = build(self.config).to(self.device)
        if args.init:
            load_gguf_weights(self.model, args.init)
        self.objective = self.build_objective()
        named = list(self.model.named_parameters())
        if self.objective.heads:
            named += self.objective.heads.named_parameters(prefix="heads")
        self.parameters = [parameter for _, parameter in named]
        self.optimizers = optimizers(named, args.optimizer, args.rate, args.table_rate,
                                     args.weight_decay)
        self.step, self.tokens = 0, 0
        self.before, self.began = 0.0, time.monotonic()
        self.step_tokens = args.batch * args.length
        if self.device == "cuda":
            compile_blocks(self.model)
        self.checkpoint = os.path.join(args.out, "checkpoint.pt")

    def build_objective(self):
        """The loss, with the extras that the arguments ask for."""
        args, heads, teacher = self.args, None, None
        if args.next_bytes > 1:
            width = self.model.token_embd.weight.shape[1]
            heads = NextBytes(width, args.next_bytes).to(self.device)
        if args.teacher:
            teacher = Teacher(load_model(args.teacher).to(self.device), args.teacher_temperature)
        return Objective(heads, args.next_bytes_weight, teacher, args.teacher_weight)

    @property
    def megabytes(self):
        return self.tokens / 1e6

    @property
    def seconds(self):
        """How long the run has been at work, with what came before its checkpoint."""
        return self.before + time.monotonic() - self.began

    @property
    def done(self):
        """The share of the run that is over, by its text or by its time, 0 to 1 and a little more."""
        text = self.megabytes / self.args.megabytes
        return max(text, self.seconds / 60 / self.args.minutes) if self.args.minutes else text

    @property
    def is_int4(self):
        return self.args.int4 > 0 and self.done >= 1 - self.args.int4

    def weights(self):
        """A context in which the model has the weights of this part of the run."""
        return Int4Weights(self.model) if self.is_int4 else nullcontext()

    def check_same(self, state):
        """An error, if a checkpoint is not of a run like this one."""
        if "optimizers" not in state:
            raise CheckpointError(f"{self.checkpoint} holds only a model, with which no run can go "
                                  f"on: export it, and start from the file with --init")
        kept, ours = state["config"], configs.to_dict(self.config)
        for name in sorted(set(kept) | set(ours)):
            if kept.get(name) != ours.get(name):
                raise configs.ConfigError(
                    f"{self.checkpoint} is of another model ({name} is {kept.get(name)}, not "
                    f"{ours.get(name)}): choose another --out, or the --config and --set that it "
                    f"was begun with")
        for name, value in (("optimizer", state["optimizer"]),
                            ("next_bytes", state.get("next_bytes", 1))):
            if value != getattr(self.args, name):
                raise configs.ConfigError(
                    f"{self.checkpoint} was begun with --{name.replace('_', '-')} {value}: go on "
                    f"with it, or choose another --out")

    def resume(self):
        """Goes on from the run's checkpoint; false when it has none."""
        if not os.path.exists(self.checkpoint):
            return False
        state = read_checkpoint(self.checkpoint, self.device)
        self.check_same(state)
        load_weights(self.model, state, self.checkpoint)
        if self.objective.heads:
            self.objective.heads.load_state_dict(state["heads"])
        for optimizer, kept in zip(self.optimizers, state["optimizers"]):
            bases = [group["base"] for group in optimizer.param_groups]
            optimizer.load_state_dict(kept)
            for group, base in zip(optimizer.param_groups, bases):
                group["base"] = base  # a learning rate may be changed when resuming
        self.step, self.tokens, self.before = state["step"], state["tokens"], state["seconds"]
        return True

    def save(self):
        """Writes the checkpoint beside its name first: there is always a whole one."""
        state = {"config": configs.to_dict(self.config), "optimizer": self.args.optimizer,
                 "model": self.model.state_dict(), "step": self.step, "tokens": self.tokens,
                 "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
                 "seconds": self.seconds, "arguments": vars(self.args)}
        if self.objective.heads:
            state.update(next_bytes=self.args.next_bytes, heads=self.objective.heads.state_dict())
        torch.save(state, self.checkpoint + ".part")
        os.replace(self.checkpoint + ".part", self.checkpoint)

    def batch(self):
        """(ids [rows, length + 1], room for their patches) of the next step. Nothing here waits for
        a GPU, which is still at work on the steps before."""
        rows = torch.from_numpy(self.windows.at(self.step))
        if self.device == "cpu":
            return rows, None
        return (rows.pin_memory().to(self.device, non_blocking=True),
                self.model.patch_room(rows[:, :-1]))

    def loss(self, batch, room):
        """(what to minimize, nats a token of the text) of a batch."""
        with autocast(self.device):
            states = self.model.states(batch[:, :-1], room)
            return self.objective(states, self.model.token_embd.weight, batch)

    def advance(self):
        """One optimizer step; nats a token of its text before it, as a tensor: to read it is to
        wait for the step."""
        args = self.args
        with self.weights():
            loss, text = self.loss(*self.batch())
            loss.backward()
        torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
        half = self.step_tokens / 2 / 1e6  # a step is in the middle of its text
        factor = rate_factor(self.megabytes + half, args.warmup,
                             self.done + half / args.megabytes, args.decay)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["base"] * factor
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        self.step += 1
        self.tokens += self.step_tokens
        return text

    def validate(self):
        """Bits per byte on the start of each subset's validation text, with the weights of this
        part of the run."""
        # Other shapes, and no gradients: not worth compiling for.
        eager = torch.compiler.set_stance("force_eager") if self.device == "cuda" else nullcontext()
        with self.weights(), autocast(self.device), eager:
            return validation_scores(self.model, self.validation, self.args.length)


def train(args):
    """A run from its beginning, or from its checkpoint, to its end or to a signal."""
    check(args)
    torch.set_num_threads(args.threads)
    run = Run(args)
    os.makedirs(args.out, exist_ok=True)
    count = sum(parameter.numel() for parameter in run.model.parameters())
    state = "resumed" if run.resume() else "new"
    print(f"{args.config}: {count / 1e6:.2f} M parameters, {state}, {run.megabytes:.1f} of "
          f"{args.megabytes:g} MB read, on {run.device}", flush=True)
    log = Log(args.out, run.step)
    stop = []
    for which in (signal.SIGINT, signal.SIGTERM):
        signal.signal(which, lambda *_: stop.append(True))
    sums, steps, since = 0.0, 0, time.monotonic()

    def mean_bits():
        """Of the steps since the last report. Waits for a GPU, so not for every step."""
        bits = float(sums) / steps / math.log(2)
        if not math.isfinite(bits):
            raise TrainingError(f"the loss is {bits} at step {run.step} or before: go on with a "
                                f"lower --rate from the last checkpoint, {run.checkpoint}")
        return bits

    def save():
        if steps:
            mean_bits()  # a checkpoint holds numbers
        run.save()

    def validate():
        scores = {name: round(value, 4) for name, value in run.validate().items()}
        log.note(run.step, run.megabytes, {"validation": scores})
        print("  validation " + "  ".join(f"{k} {v:.3f}" for k, v in scores.items()), flush=True)

    while run.done < 1 and not stop:
        sums, steps = sums + run.advance(), steps + 1
        if run.step % args.report == 0:
            bits = mean_bits()
            pace = steps * run.step_tokens / (time.monotonic() - since)
            left = max(0.0, args.megabytes - run.megabytes) * 1e6 / pace
            if args.minutes:
                left = min(left, args.minutes * 60 - run.seconds)
            log.note(run.step, run.megabytes,
                     {"bits": round(bits, 4), "bytes_per_s": round(pace),
                      "minutes": round(run.seconds / 60, 2)})
            print(f"step {run.step}  {run.megabytes:.2f} MB  {bits:.3f} bits/byte  "
                  f"{pace / 1000:.1f} KB/s  {'int4  ' if run.is_int4 else ''}"
                  f"ETA {left / 60:.0f} min", flush=True)
            sums, steps, since = 0.0, 0, time.monotonic()
        if run.step % args.save == 0:
            save()
            log.draw()
        if args.validate and run.step % args.validate == 0:
            validate()
            since, sums, steps = time.monotonic(), 0.0, 0
    save()
    if not stop:
        validate()
    log.draw()
    print(f"{'stopped' if stop else 'done'} at {run.megabytes:.1f} MB: {run.checkpoint}")


if __name__ == "__main__":
    with one_sentence("train.py"):
        train(arguments().parse_args())
