"""The shapes of models, by name, and their checks. Knows nothing of tensors or training."""

from dataclasses import asdict, dataclass, field, fields, replace

from errors import TrainingError

VOCABULARY = 272  # 256 bytes, 4 special tokens, the rest reserved
HEAD_SIZE = 64
#: More blocks or wider ones are no small models.
BLOCKS_MAX = 256
WIDTH_MAX = 16384


class ConfigError(TrainingError):
    """A sentence about a configuration: which value, the limit, what to do."""


@dataclass(frozen=True)
class Stack:
    """Decoder blocks of one width."""
    width: int
    heads: int
    kv_heads: int
    feed_forward: int

    def check(self, where):
        """A ConfigError, if these dimensions cannot be."""
        if self.width % 32 or self.feed_forward % 32 or min(self.width, self.feed_forward) < 32:
            raise ConfigError(f"{where}: width and feed_forward must be multiples of 32, "
                              f"so that int4 groups fill rows; not {self}")
        if max(self.width, self.feed_forward) > WIDTH_MAX:
            raise ConfigError(f"{where}: width and feed_forward must be at most {WIDTH_MAX}")
        if self.kv_heads < 1 or self.heads < 1 or self.heads % self.kv_heads:
            raise ConfigError(f"{where}: heads must be a multiple of kv_heads, not {self}")
        if self.heads * HEAD_SIZE != self.width:
            raise ConfigError(f"{where}: heads must be width / {HEAD_SIZE}, not {self}")


@dataclass(frozen=True)
class BytePool:
    """Local blocks see every byte, global blocks one vector a patch."""
    local: Stack = Stack(192, 3, 1, 512)
    encoders: int = 2
    decoders: int = 2
    window: int = 128
    globals: Stack = Stack(384, 6, 2, 1024)
    blocks: int = 5
    repeat: int = 1
    patch_rule: str = "space"
    patch_length: int = 16
    ngram_rows: int = 2048
    ngram_orders: tuple = (2, 3, 4)
    context: int = 2048
    rope_base: float = 10000.0
    epsilon: float = 1e-5
    architecture: str = field(default="bytepool", init=False)

    def check(self):
        """Itself, or a ConfigError."""
        self.local.check("local")
        self.globals.check("globals")
        if self.patch_rule not in ("space", "fixed"):
            raise ConfigError(f"patch_rule must be space or fixed, not {self.patch_rule!r}")
        if not 1 <= self.patch_length <= 1024:
            raise ConfigError(f"patch_length must be 1 to 1024, not {self.patch_length}")
        if self.ngram_rows & (self.ngram_rows - 1) or not 0 <= self.ngram_rows <= 1 << 20:
            raise ConfigError(f"ngram_rows must be 0 or a power of two, not {self.ngram_rows}")
        if any(not 2 <= order <= 8 for order in self.ngram_orders):
            raise ConfigError(f"ngram_orders must lie from 2 to 8, not {self.ngram_orders}")
        if min(self.encoders, self.decoders, self.blocks, self.repeat, self.window) < 1:
            raise ConfigError("encoders, decoders, blocks, repeat and window must be at least 1")
        check_depth(self, max(self.encoders, self.decoders, self.blocks * self.repeat))
        return self


@dataclass(frozen=True)
class ByteLlama:
    """The plain byte-level decoder, for comparison."""
    stack: Stack = Stack(384, 6, 2, 1024)
    blocks: int = 7
    context: int = 2048
    rope_base: float = 10000.0
    epsilon: float = 1e-5
    architecture: str = field(default="llama", init=False)

    def check(self):
        """Itself, or a ConfigError."""
        self.stack.check("stack")
        if self.blocks < 1:
            raise ConfigError("blocks must be at least 1")
        check_depth(self, self.blocks)
        return self


def check_depth(config, blocks):
    """What both kinds of models have limits for."""
    if blocks > BLOCKS_MAX:
        raise ConfigError(f"a token would pass {blocks} blocks; {BLOCKS_MAX} is the most")
    if not 1 <= config.context <= 1 << 20:
        raise ConfigError(f"context must be 1 to {1 << 20}, not {config.context}")
    if not (config.rope_base > 1 and 0 < config.epsilon < 1):
        raise ConfigError("rope_base must be above 1, and epsilon between 0 and 1")


CONFIGS = {
    "bytepool-10m": BytePool(globals=Stack(384, 6, 2, 928), ngram_rows=4096),
    "bytepool-50m": BytePool(Stack(384, 6, 2, 1024), 3, 3, 128, Stack(640, 10, 2, 1728), 9,
                             ngram_rows=8192, context=4096),
    "bytepool-100m": BytePool(Stack(512, 8, 2, 1408), 3, 3, 128, Stack(896, 14, 2, 2432), 10,
                              ngram_rows=8192, context=4096),
    "bytepool-tiny": BytePool(Stack(64, 1, 1, 128), 1, 1, 32, Stack(128, 2, 1, 256), 2,
                              ngram_rows=256, context=512),
    "llama-10m": ByteLlama(),
    "llama-tiny": ByteLlama(Stack(128, 2, 1, 256), 2, 512),
}


def from_dict(values):
    """The configuration that `to_dict` wrote."""
    values = dict(values)
    kind = {"bytepool": BytePool, "llama": ByteLlama}.get(values.pop("architecture", None))
    if kind is None:
        raise ConfigError("not a configuration of this trainer")
    for name in ("local", "globals", "stack"):
        if name in values:
            values[name] = Stack(**values[name])
    if "ngram_orders" in values:
        values["ngram_orders"] = tuple(values["ngram_orders"])
    return kind(**values).check()


def value_of(holder, name):
    """A setting of a configuration or a stack; None when it has none of that name."""
    known = isinstance(holder, (BytePool, ByteLlama, Stack))
    names = [each.name for each in fields(holder) if each.init] if known else []
    return getattr(holder, name) if name in names else None


def override(config, settings):
    """`config` with "name=value" settings; names of a stack are written local.width. ConfigError
    when there is no such name, or the value is not of its kind."""
    for setting in settings:
        name, _, text = setting.partition("=")
        owner, _, part = name.partition(".")
        holder = value_of(config, owner)
        current = value_of(holder, part) if part else holder
        if current is None or isinstance(current, Stack):
            raise ConfigError(f"{setting!r}: this model has no setting of that name")
        try:
            value = (tuple(int(item) for item in text.split("+") if item)
                     if isinstance(current, tuple) else type(current)(text))
        except ValueError:
            raise ConfigError(f"{setting!r}: a value like {current} is needed") from None
        config = replace(config, **{owner: replace(holder, **{part: value}) if part else value})
    return config.check()


def to_dict(config):
    """Plain values, for a checkpoint."""
    return asdict(config)
