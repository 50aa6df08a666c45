"""What is wrong, in one sentence. Knows nothing of what can be.

Every module has its own kind of `TrainingError`; every command ends with the sentence on standard
error and exit code 1. Whatever else is raised is a mistake in this folder, and shows its trace.
"""

import sys
from contextlib import contextmanager


class TrainingError(Exception):
    """One sentence: what is wrong, where, the limit, what to do."""


def check_limits(args, limits):
    """A TrainingError for the first argument of a command that lies outside its (least, most)."""
    for name, (least, most) in limits.items():
        if not least <= getattr(args, name) <= most:
            raise TrainingError(f"--{name.replace('_', '-')} is {getattr(args, name)}; it must "
                                f"lie from {least:g} to {most:g}")


@contextmanager
def one_sentence(command):
    """Around a command: failures that were foreseen end it in one line, Ctrl-C in none."""
    try:
        yield
    except (TrainingError, OSError) as error:
        sys.exit(f"{command}: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
