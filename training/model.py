"""The models: `BytePool` and the plain `ByteLlama`, in PyTorch.

    byte t ──► E[b] + Σ G_n[hash] ──► local encoder (width d, window W) ──► h_t ──────────┐
                                        patch closes? mean of h over the patch            │ +
                                        └► rmsnorm ► Up (d→D) ► global blocks ► g_k       │
                                             ► rmsnorm ► Down (D→d) ► c ──────────────────┤
    z_t = h_t + c(last closed patch) ──► local decoder (width d, window W) ──► rmsnorm ──► E·z

A byte-level model spends a whole forward pass on every byte. Here only the small local blocks do;
the large global blocks run once a patch (about a word). A patch closes after its last byte, and
what the global blocks make of it informs the very next prediction, never an earlier one.

Everything is causal, so training reads all positions of a window at once. Knows nothing of data,
optimizers or files.
"""

import math

import torch
import torch.nn.functional as F
from torch import nn

from config import HEAD_SIZE, VOCABULARY

#: What stands for the tokens before the first one, in n-grams.
BEFORE_START = 256


def rmsnorm(x, gain, epsilon):
    """x / sqrt(mean(x²) + ε) · gain over the last dimension (Zhang & Sennrich, 2019)."""
    x32 = x.float()
    return (x32 * torch.rsqrt(x32.pow(2).mean(-1, keepdim=True) + epsilon) * gain).to(x.dtype)


def product_dtype(x):
    """The type of matrix products here, which activations have too: autocast's, or that of x."""
    one = x.new_zeros(1, 1)
    return (one @ one).dtype


def rope_tables(length, base, dtype, device):
    """cos and sin [length, HEAD_SIZE], halves repeated."""
    half = HEAD_SIZE // 2
    frequencies = base ** (-torch.arange(half, dtype=torch.float64) / half)
    angles = torch.outer(torch.arange(length, dtype=torch.float64), frequencies)
    angles = torch.cat((angles, angles), 1)
    return angles.cos().to(device, dtype), angles.sin().to(device, dtype)


def rope(x, cos, sin):
    """Rotates pairs (i, i + half) of x [batch, length, heads, HEAD_SIZE] by their position."""
    low, high = x.chunk(2, -1)
    turned = torch.cat((-high, low), -1)
    return x * cos[:, None, :] + turned * sin[:, None, :]


def attention(q, k, v, mask):
    """softmax(q·kᵀ/√n + mask)·v: q [n, heads·rows, size], k and v [n, keys, size], query heads
    that share a key head stacked along the rows; mask is added, and broadcasts."""
    scores = torch.matmul(q * (1 / math.sqrt(HEAD_SIZE)), k.transpose(-2, -1))
    return torch.matmul(torch.softmax(scores.add_(mask), -1), v)


def split_heads(q, k, v, chunks):
    """Cuts [batch, length, heads, size] into chunks of the length, query heads of one key head
    one below the other: q [batch, chunks, kv, group·rows, size], k and v [.., rows, size]."""
    batch, length, heads, size = q.shape
    kv = k.shape[2]
    rows = length // chunks
    q = q.reshape(batch, chunks, rows, kv, heads // kv, size).permute(0, 1, 3, 4, 2, 5)
    k, v = (t.reshape(batch, chunks, rows, kv, size).transpose(2, 3) for t in (k, v))
    return q.reshape(batch, chunks, kv, heads // kv * rows, size), k, v


def join_heads(out, group):
    """The inverse, for the result: [batch, length, heads · size]."""
    batch, chunks, kv, rows, size = out.shape
    out = out.reshape(batch, chunks, kv, group, rows // group, size).permute(0, 1, 4, 2, 3, 5)
    return out.reshape(batch, chunks * rows // group, kv * group * size)


def full_attention(q, k, v, mask):
    """Every position sees itself and all before. mask [length, length]."""
    if q.is_cuda:
        return fused_full_attention(q, k, v)
    group, length = q.shape[2] // k.shape[2], q.shape[1]
    q, k, v = split_heads(q, k, v, 1)
    return join_heads(attention(q, k, v, mask.repeat(group, 1)[:, :length]), group)


def fused_full_attention(q, k, v):
    """The same by the kernels of a GPU, which never write the scores to memory. They want a key
    head for every query head."""
    k, v = (t.repeat_interleave(q.shape[2] // t.shape[2], 2).transpose(1, 2) for t in (k, v))
    out = F.scaled_dot_product_attention(q.transpose(1, 2), k, v, is_causal=True)
    return out.transpose(1, 2).flatten(2)


def window_attention(q, k, v, mask):
    """Every position sees itself and the window - 1 before. Works in blocks of one window, each
    with its own and the block before. mask [chunks, window, 2 · window]."""
    if q.is_cuda:
        return fused_window_attention(q, k, v, mask)
    group = q.shape[2] // k.shape[2]
    q, k, v = split_heads(q, k, v, len(mask))
    k, v = (torch.cat((F.pad(t, (0, 0, 0, 0, 0, 0, 1, 0))[:, :-1], t), 3) for t in (k, v))
    return join_heads(attention(q, k, v, mask.repeat(1, group, 1)[:, None]), group)


def fused_window_attention(q, k, v, mask):
    """The same by the kernels of a GPU. These know four dimensions: blocks of all rows of the batch
    are rows to them."""
    batch, length, heads, size = q.shape
    chunks, window, _ = mask.shape
    q = q.reshape(batch * chunks, window, heads, size).transpose(1, 2)
    k, v = (t.reshape(batch, chunks, window, t.shape[2], size) for t in (k, v))
    k, v = (torch.cat((F.pad(t, (0, 0, 0, 0, 0, 0, 1, 0))[:, :-1], t), 2).flatten(0, 1)
            .repeat_interleave(heads // t.shape[3], 2).transpose(1, 2) for t in (k, v))
    mask = mask.to(q.dtype).repeat(batch, 1, 1)[:, None]
    out = F.scaled_dot_product_attention(q, k, v, mask)
    return out.transpose(1, 2).reshape(batch, length, heads * size)


def causal_mask(length, dtype, device):
    """0 where query i may see key j, else -inf: [length, length]."""
    full = torch.full((length, length), float("-inf"), dtype=dtype, device=device)
    return full.triu(1)


def window_mask(chunks, window, dtype, device):
    """0 where query i of a block may see key j of (block before, own block), else -inf."""
    query = torch.arange(window)[:, None] + window
    key = torch.arange(2 * window)[None, :]
    seen = (key <= query) & (key > query - window)
    first = seen & (key >= window)  # there is no block before the first
    seen = torch.cat((first[None], seen[None].expand(chunks - 1, -1, -1)))
    return torch.zeros(seen.shape).masked_fill(~seen, float("-inf")).to(device, dtype)


def swiglu(gate, up):
    """silu(gate) ⊙ up (Shazeer, 2020)."""
    return F.silu(gate) * up if gate.is_cuda else SwiGLU.apply(gate, up)


class SwiGLU(torch.autograd.Function):
    """The same with its own backward: PyTorch's for bf16 silu on CPU is slow, and nothing but the
    inputs need be kept."""

    @staticmethod
    def forward(ctx, gate, up):
        ctx.save_for_backward(gate, up)
        return torch.sigmoid(gate).mul_(gate).mul_(up)

    @staticmethod
    def backward(ctx, gradient):
        gate, up = ctx.saved_tensors
        sigmoid = torch.sigmoid(gate)
        silu = sigmoid * gate
        # d silu / d gate = sigmoid + silu · (1 - sigmoid)
        slope = torch.addcmul(sigmoid + silu, silu, sigmoid, value=-1)
        return slope.mul_(up).mul_(gradient), silu.mul_(gradient)


class Block(nn.Module):
    """x += Wo·attention(rope(Wq·n), rope(Wk·n), Wv·n); x += Wdown·(silu(Wgate·m) ⊙ Wup·m)."""

    def __init__(self, stack, epsilon):
        super().__init__()
        self.heads, self.kv_heads, self.epsilon = stack.heads, stack.kv_heads, epsilon
        width, kv_width = stack.width, stack.kv_heads * HEAD_SIZE
        self.attn_norm = nn.Parameter(torch.ones(width))
        self.attn_q = nn.Linear(width, width, bias=False)
        self.attn_k = nn.Linear(width, kv_width, bias=False)
        self.attn_v = nn.Linear(width, kv_width, bias=False)
        self.attn_output = nn.Linear(width, width, bias=False)
        self.ffn_norm = nn.Parameter(torch.ones(width))
        self.ffn_gate = nn.Linear(width, stack.feed_forward, bias=False)
        self.ffn_up = nn.Linear(width, stack.feed_forward, bias=False)
        self.ffn_down = nn.Linear(stack.feed_forward, width, bias=False)

    def forward(self, x, tables, attend, mask):
        batch, length, _ = x.shape
        n = rmsnorm(x, self.attn_norm, self.epsilon)
        q = rope(self.attn_q(n).view(batch, length, self.heads, HEAD_SIZE), *tables)
        k = rope(self.attn_k(n).view(batch, length, self.kv_heads, HEAD_SIZE), *tables)
        v = self.attn_v(n).view(batch, length, self.kv_heads, HEAD_SIZE)
        x = x + self.attn_output(attend(q, k, v, mask))
        m = rmsnorm(x, self.ffn_norm, self.epsilon)
        return x + self.ffn_down(swiglu(self.ffn_gate(m), self.ffn_up(m)))


def initialize(model, residuals):
    """Normal weights; what joins the residual stream is smaller the deeper the stack (GPT-2)."""
    for name, parameter in model.named_parameters():
        if parameter.dim() < 2:
            continue
        deviation = 0.02 if "embd" in name or "ngram" in name else parameter.shape[1] ** -0.5
        if name.endswith(("attn_output.weight", "ffn_down.weight")):
            deviation /= math.sqrt(residuals)
        nn.init.normal_(parameter, 0, deviation)


def spacelike_table():
    """True for tokens that end words: not a letter or digit, not inside a UTF-8 character."""
    table = torch.ones(VOCABULARY, dtype=torch.bool)
    for first, last in (("0", "9"), ("A", "Z"), ("a", "z")):
        table[ord(first):ord(last) + 1] = False
    table[0x80:0xc0] = False
    return table


def patch_ends(tokens, rule, length, spacelike):
    """bool [batch, time]: whether a patch closes after each token."""
    time = torch.arange(tokens.shape[1], device=tokens.device).expand_as(tokens)
    if rule == "fixed":
        return time % length == length - 1
    space = spacelike[tokens]
    before = F.pad(space, (1, 0), value=True)[:, :-1]
    ends = (space & ~before) | (tokens >= 256)
    # Between such ends, every `length` tokens: count from where the last one closed.
    start = F.pad(torch.where(ends, time + 1, torch.zeros_like(time)), (1, 0))[:, :-1]
    return ends | ((time - start.cummax(1).values) % length == length - 1)


def ngram_rows(tokens, order, rows):
    """int64 [batch, time]: the row of G_order that each position looks up (FNV-1a, then a
    multiplicative hash), all in unsigned 32 bits."""
    padded = F.pad(tokens, (order - 1, 0), value=BEFORE_START)
    h = torch.full_like(tokens, 2166136261)
    for back in range(order):
        h = ((h ^ padded[:, back:back + tokens.shape[1]]) * 16777619) & 0xffffffff
    h = ((h ^ (h >> 15)) * 2654435761) & 0xffffffff
    return h >> (32 - (rows.bit_length() - 1))


class BytePool(nn.Module):
    """See the top of the file."""

    def __init__(self, config):
        super().__init__()
        self.config = config
        local, wide, epsilon = config.local, config.globals, config.epsilon
        self.token_embd = nn.Embedding(VOCABULARY, local.width)
        orders = config.ngram_orders if config.ngram_rows else ()
        self.ngram = nn.ModuleDict({
            str(order): nn.Embedding(config.ngram_rows, local.width) for order in orders})
        self.enc = nn.ModuleList(Block(local, epsilon) for _ in range(config.encoders))
        self.pool_norm = nn.Parameter(torch.ones(local.width))
        self.pool_up = nn.Linear(local.width, wide.width, bias=False)
        self.blk = nn.ModuleList(Block(wide, epsilon) for _ in range(config.blocks))
        self.unpool_norm = nn.Parameter(torch.ones(wide.width))
        self.unpool_down = nn.Linear(wide.width, local.width, bias=False)
        self.dec = nn.ModuleList(Block(local, epsilon) for _ in range(config.decoders))
        self.output_norm = nn.Parameter(torch.ones(local.width))
        self.register_buffer("spacelike", spacelike_table(), persistent=False)
        self.cached = {}
        initialize(self, 2 * config.blocks * config.repeat)

    def constants(self, length, dtype, device):
        """Rope tables and masks of a window length, kept."""
        key = (length, dtype, device)
        if key not in self.cached:
            tables = rope_tables(length, self.config.rope_base, dtype, device)
            chunks = length // self.config.window
            self.cached[key] = (tables, window_mask(chunks, self.config.window, dtype, device),
                                causal_mask(length, dtype, device))
        return self.cached[key]

    def whole_windows(self, tokens):
        """`tokens` [batch, time] and more at the end, which is causally invisible, so that windows
        of the local attention are whole."""
        return F.pad(tokens, (0, -tokens.shape[1] % self.config.window))

    def patch_room(self, tokens):
        """A number of patches that no row of `tokens` [batch, time], on the CPU, closes more of:
        whole quarters of a window, so that a compiled model nearly always meets one shape."""
        config, tokens = self.config, self.whole_windows(tokens)
        ends = patch_ends(tokens, config.patch_rule, config.patch_length, spacelike_table())
        quarter = -(-tokens.shape[1] // 4)
        return max(1, -(-int(ends.sum(1).max()) // quarter)) * quarter

    def states(self, tokens, room=None):
        """Final hidden states [batch, time, d], normalized; logits are these times E. `room` is
        patch_room's; without it patches are counted here, for which a GPU must be waited for."""
        config, time = self.config, tokens.shape[1]
        tokens = self.whole_windows(tokens)
        batch, length = tokens.shape
        x = self.token_embd(tokens)
        for order, table in self.ngram.items():
            x = x + table(ngram_rows(tokens, int(order), config.ngram_rows))
        dtype = product_dtype(x)
        x = x.to(dtype)
        tables, local_mask, global_mask = self.constants(length, dtype, tokens.device)
        for block in self.enc:
            x = block(x, tables, window_attention, local_mask)

        ends = patch_ends(tokens, config.patch_rule, config.patch_length, self.spacelike)
        closed = ends.cumsum(1)  # patches closed up to and with each byte
        patch = closed - ends.long()  # the patch that each byte belongs to
        # Bytes that close no patch go to one more, which is never read.
        count = room or max(1, int(closed.max()))
        offset = torch.arange(batch, device=tokens.device)[:, None] * (count + 1)
        pooled = self.pool(x, patch, offset, batch, count)
        g = self.pool_up(rmsnorm(pooled, self.pool_norm, config.epsilon))
        global_tables = tuple(table[:count] for table in tables)
        for block in self.blk:
            for _ in range(config.repeat):
                g = block(g, global_tables, full_attention, global_mask[:count, :count])
        c = self.unpool_down(rmsnorm(g, self.unpool_norm, config.epsilon))
        c = F.pad(c, (0, 0, 1, 0))  # zeros before the first closed patch
        z = x + c.flatten(0, 1).index_select(0, (closed + offset).flatten()).view_as(x)

        for block in self.dec:
            z = block(z, tables, window_attention, local_mask)
        return rmsnorm(z, self.output_norm, config.epsilon)[:, :time]

    @staticmethod
    def pool(x, patch, offset, batch, count):
        """Means of x [batch, time, d] over patches: [batch, count, d]."""
        index = (patch + offset).flatten()
        sums = x.new_zeros(batch * (count + 1), x.shape[2], dtype=torch.float32)
        sums = sums.index_add(0, index, x.flatten(0, 1).float())
        sizes = sums.new_zeros(len(sums)).index_add(0, index, sums.new_ones(len(index)))
        means = (sums / sizes.clamp(min=1)[:, None]).view(batch, count + 1, -1)[:, :count]
        return means.to(x.dtype)

    def forward(self, tokens):
        """Logits [batch, time, VOCABULARY] of the token after each."""
        return F.linear(self.states(tokens), self.token_embd.weight)


class ByteLlama(nn.Module):
    """The plain decoder on bytes: every block sees every byte."""

    def __init__(self, config):
        super().__init__()
        self.config = config
        self.token_embd = nn.Embedding(VOCABULARY, config.stack.width)
        self.blk = nn.ModuleList(
            Block(config.stack, config.epsilon) for _ in range(config.blocks))
        self.output_norm = nn.Parameter(torch.ones(config.stack.width))
        self.cached = {}
        initialize(self, 2 * config.blocks)

    def patch_room(self, tokens):
        """None: there are no patches."""

    def states(self, tokens, room=None):
        """Final hidden states [batch, time, width], normalized; logits are these times E."""
        x = self.token_embd(tokens)
        dtype = product_dtype(x)
        x = x.to(dtype)
        key = (tokens.shape[1], dtype)
        if key not in self.cached:
            self.cached[key] = (
                rope_tables(tokens.shape[1], self.config.rope_base, dtype, tokens.device),
                causal_mask(tokens.shape[1], dtype, tokens.device))
        tables, mask = self.cached[key]
        for block in self.blk:
            x = block(x, tables, full_attention, mask)
        return rmsnorm(x, self.output_norm, self.config.epsilon)

    def forward(self, tokens):
        """Logits [batch, time, VOCABULARY] of the token after each."""
        return F.linear(self.states(tokens), self.token_embd.weight)


def compile_blocks(model):
    """Lets PyTorch 2 compile the blocks of a model, which are nearly all of its work. Blocks of one
    shape share a compilation, so that it takes seconds, where whole models take minutes."""
    for module in model.modules():
        if isinstance(module, Block):
            module.compile(dynamic=False)


def build(config):
    """The model of a configuration."""
    return (BytePool if config.architecture == "bytepool" else ByteLlama)(config)
