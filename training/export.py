"""A checkpoint -> the GGUF file that the engine runs.

    python3 export.py RUN/checkpoint.pt OUT.gguf [--type q4_0|f32]

`q4_0` writes the int4 weights that training computed with, bit for bit; `f32` the weights behind
them. `--int4-values` with f32 writes what Q4_0 reads as, to compare the two files' kernels. What
only training had (auxiliary heads, optimizers) is left out. Knows nothing of training.
"""

import argparse
import os

import gguf
from errors import one_sentence
from layout import metadata, tensors
from load import load_checkpoint


def export(model, path, name, kind="q4_0", int4_values=False):
    """Writes beside the final name first, so that there is never half a file under it."""
    gguf.write(path + ".part", metadata(model.config, name), list(tensors(model, int4_values)),
               kind == "q4_0")
    os.replace(path + ".part", path)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint")
    parser.add_argument("out")
    parser.add_argument("--type", choices=("q4_0", "f32"), default="q4_0")
    parser.add_argument("--int4-values", action="store_true")
    parser.add_argument("--name", help="general.name; the file's name by default")
    options = parser.parse_args()
    title = options.name or os.path.splitext(os.path.basename(options.out))[0]
    export(load_checkpoint(options.checkpoint), options.out, title, options.type,
           options.int4_values)
    print(f"{options.out}: {os.path.getsize(options.out)} bytes")


if __name__ == "__main__":
    with one_sentence("export.py"):
        main()
