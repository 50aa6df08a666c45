"""A trained model from a file: a checkpoint of train.py, or a GGUF file of export.py.

A checkpoint is a pickle, which may run what it likes when it is opened: open only your own. A GGUF
file is read by gguf.py and cannot. Knows nothing of training.
"""

import torch

import gguf
from config import from_dict
from errors import TrainingError
from layout import config_of, copy_tensors
from model import build


class CheckpointError(TrainingError):
    """A sentence about a checkpoint: what is wrong with it, what to do."""


def read_checkpoint(path, device="cpu"):
    """The dictionary that a checkpoint holds: at least its `config` and `model`."""
    try:
        state = torch.load(path, map_location=device)
    except OSError:
        raise
    except Exception as error:  # a damaged pickle fails in any way it likes
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise CheckpointError(f"{path} is damaged, or no checkpoint ({reason}): go on from another "
                              f"one, or remove it to begin anew") from None
    if not isinstance(state, dict) or not {"config", "model"} <= set(state):
        raise CheckpointError(f"{path} is not a checkpoint of this trainer: name one that train.py "
                              f"or prefer.py wrote")
    return state


def load_weights(model, state, path):
    """Copies the weights of a checkpoint into a model of the same configuration."""
    try:
        model.load_state_dict(state["model"])
    except (RuntimeError, TypeError) as error:
        raise CheckpointError(f"{path}: its weights are not those of its configuration "
                              f"({str(error).splitlines()[0]})") from None


def load_checkpoint(path):
    """The model of a checkpoint, on the CPU. What only training had is left out."""
    state = read_checkpoint(path)
    try:
        config = from_dict(state["config"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CheckpointError(f"{path}: its configuration is not understood ({error})") from None
    model = build(config)
    load_weights(model, state, path)
    return model


def load_gguf_weights(model, path):
    """Copies the weights that a GGUF file reads as into a model of its shape."""
    copy_tensors(model, gguf.read(path)[1], path)


def load_gguf(path):
    """The model of a GGUF file of export.py, on the CPU, with the weights that it reads as."""
    metadata, found = gguf.read(path)
    model = build(config_of(metadata, path))
    copy_tensors(model, found, path)
    return model


def load_model(path):
    """The model of a GGUF file or a checkpoint, whichever it is, on the CPU, for evaluation."""
    with open(path, "rb") as file:
        is_gguf = file.read(4) == b"GGUF"
    return (load_gguf if is_gguf else load_checkpoint)(path).eval()
