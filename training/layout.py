"""How a model lies in a GGUF file, in both directions: metadata <-> configuration, tensors <->
parameters. Tensors have llama.cpp's names. Knows nothing of bytes (gguf.py) or training.
"""

import torch

import config as configs
import gguf
from data import ASSISTANT, BEGIN, END, USER
from quantize import dequantize, quantize

SPECIALS = {BEGIN: "<|begin|>", END: "<|end|>", USER: "<|user|>", ASSISTANT: "<|assistant|>"}
CHAT_TEMPLATE = ("{% for message in messages %}{{ '<|' + message['role'] + '|>' + "
                 "message['content'] + '\n' }}{% endfor %}"
                 "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}")


def byte_symbols():
    """GPT-2's alphabet: printable Latin-1 stands for itself, other bytes for U+0100 and on."""
    printable = [*range(0x21, 0x7f), *range(0xa1, 0xad), *range(0xae, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return [chr(byte) if byte in printable else chr(0x100 + others.index(byte))
            for byte in range(256)]


def vocabulary():
    """Tokens and their kinds (1 normal, 3 control)."""
    tokens = byte_symbols() + [SPECIALS.get(i, f"<|reserved_{i}|>")
                               for i in range(256, configs.VOCABULARY)]
    return tokens, [1] * 256 + [3] * (configs.VOCABULARY - 256)


def stack_metadata(prefix, stack):
    """The dimensions of a stack's blocks."""
    return {f"{prefix}embedding_length": stack.width,
            f"{prefix}feed_forward_length": stack.feed_forward,
            f"{prefix}attention.head_count": stack.heads,
            f"{prefix}attention.head_count_kv": stack.kv_heads}


def metadata(config, name):
    """Every key of the file. The model's own are named after its architecture."""
    tokens, kinds = vocabulary()
    own = {"context_length": config.context, "block_count": config.blocks,
           "attention.layer_norm_rms_epsilon": config.epsilon,
           "rope.freq_base": config.rope_base}
    if config.architecture == "bytepool":
        own.update(stack_metadata("", config.globals))
        own.update(stack_metadata("local.", config.local))
        own.update({"block_repeat": config.repeat, "patch.rule": config.patch_rule,
                    "patch.length": config.patch_length,
                    "local.encoder_count": config.encoders,
                    "local.decoder_count": config.decoders,
                    "local.attention.sliding_window": config.window,
                    "ngram.rows": config.ngram_rows})
        if config.ngram_rows:
            own["ngram.orders"] = list(config.ngram_orders)
    else:
        own.update(stack_metadata("", config.stack))
    return {"general.architecture": config.architecture, "general.name": name,
            **{f"{config.architecture}.{key}": value for key, value in own.items()},
            "tokenizer.ggml.model": "gpt2", "tokenizer.ggml.tokens": tokens,
            "tokenizer.ggml.token_type": kinds, "tokenizer.ggml.merges": [],
            "tokenizer.ggml.bos_token_id": BEGIN, "tokenizer.ggml.eos_token_id": END,
            "tokenizer.ggml.eot_token_id": USER, "tokenizer.ggml.add_bos_token": True,
            "tokenizer.chat_template": CHAT_TEMPLATE}


def stack_of(own, prefix):
    """The inverse of `stack_metadata`."""
    return configs.Stack(own[f"{prefix}embedding_length"], own[f"{prefix}attention.head_count"],
                         own[f"{prefix}attention.head_count_kv"],
                         own[f"{prefix}feed_forward_length"])


def config_of(entries, path):
    """The inverse of `metadata`; GGUFError for a file of another kind."""
    architecture = entries.get("general.architecture")
    own = {key[len(architecture) + 1:]: value for key, value in entries.items()
           if isinstance(architecture, str) and key.startswith(f"{architecture}.")}
    try:
        values = {"architecture": architecture, "blocks": own["block_count"],
                  "context": own["context_length"], "rope_base": own["rope.freq_base"],
                  "epsilon": own["attention.layer_norm_rms_epsilon"]}
        if architecture == "llama":
            return configs.from_dict({**values, "stack": vars(stack_of(own, ""))})
        return configs.from_dict({
            **values, "globals": vars(stack_of(own, "")), "local": vars(stack_of(own, "local.")),
            "encoders": own["local.encoder_count"], "decoders": own["local.decoder_count"],
            "window": own["local.attention.sliding_window"], "repeat": own["block_repeat"],
            "patch_rule": own["patch.rule"], "patch_length": own["patch.length"],
            "ngram_rows": own["ngram.rows"], "ngram_orders": own.get("ngram.orders", [])})
    except (KeyError, TypeError) as error:
        raise gguf.GGUFError(f"{path}: its metadata has no usable {error}: name a file that "
                             f"export.py wrote") from None
    except configs.ConfigError as error:
        raise gguf.GGUFError(f"{path}: {error}") from None


def file_name(name):
    """Of a parameter of model.py."""
    return name if name.endswith(".weight") else name + ".weight"


def is_rotated(model, name):
    """Whether a parameter is one whose rows `llama` files have in another order."""
    return (model.config.architecture == "llama"
            and name.endswith(("attn_q.weight", "attn_k.weight")))


def interleave(weights):
    """`llama` files pair neighbouring rows of a head for RoPE where ours pair (i, i + half):
    reorders the rows of attn_q and attn_k."""
    half = configs.HEAD_SIZE // 2
    rows = weights.view(-1, 2, half, weights.shape[1])
    return rows.transpose(1, 2).reshape(weights.shape)


def separate(weights):
    """The inverse of `interleave`."""
    half = configs.HEAD_SIZE // 2
    rows = weights.view(-1, half, 2, weights.shape[1])
    return rows.transpose(1, 2).reshape(weights.shape)


def tensors(model, int4_values=False):
    """(name, f32 tensor) of every parameter, as the file has them; with `int4_values`, matrices
    are what Q4_0 leaves of them."""
    for name, parameter in model.named_parameters():
        weights = parameter.detach().float()
        if int4_values and weights.dim() == 2:
            weights = dequantize(*quantize(weights))
        if is_rotated(model, name):
            weights = interleave(weights)
        yield file_name(name), weights


def copy_tensors(model, found, path):
    """Copies a file's tensors, by their names there, into a model of its shape."""
    wanted = {file_name(name): (name, parameter) for name, parameter in model.named_parameters()}
    for name in sorted(set(found) ^ set(wanted)):
        where = "the model" if name in found else "the file"
        raise gguf.GGUFError(f"{path}: {name} is not in {where}: --config and --set must be "
                             f"those that it was trained with")
    for name, (own, parameter) in wanted.items():
        weights = found[name]
        if weights.shape != parameter.shape:
            raise gguf.GGUFError(f"{path}: {name} is {tuple(weights.shape)}, the model's "
                                 f"{tuple(parameter.shape)}: choose its --config and --set")
        if is_rotated(model, own):
            weights = separate(weights)
        with torch.no_grad():
            parameter.copy_(weights)
