"""GGUF files (version 3, https://github.com/ggml-org/ggml/blob/master/docs/gguf.md): writing, and
reading back what was written. Matrices are F32 or Q4_0. Knows nothing of models."""

import os
import struct

import numpy as np
import torch

from errors import TrainingError
from quantize import GROUP, dequantize, quantize

U32, I32, F32, BOOL, STRING, ARRAY, U64 = 4, 5, 6, 7, 8, 9, 10
TENSOR_F32, TENSOR_Q4_0 = 0, 2
ALIGNMENT = 32
HEADER_BYTES_MAX = 32 << 20  # the engine's limit too
TENSORS_MAX = 65536
ENTRIES_MAX = 65536


class GGUFError(TrainingError):
    """A sentence about a file: what is wrong with it, what to do."""


def string_bytes(text):
    """Length and UTF-8."""
    data = text.encode("utf8")
    return struct.pack("<Q", len(data)) + data


def value_bytes(value):
    """Type and value of a metadata entry: bool, int, float, str, or lists of int or str."""
    if isinstance(value, bool):
        return struct.pack("<IB", BOOL, value)
    if isinstance(value, int):
        return struct.pack("<II", U32, value)
    if isinstance(value, float):
        return struct.pack("<If", F32, value)
    if isinstance(value, str):
        return struct.pack("<I", STRING) + string_bytes(value)
    if all(isinstance(item, str) for item in value):
        items = b"".join(map(string_bytes, value))
        return struct.pack("<IIQ", ARRAY, STRING, len(value)) + items
    return struct.pack(f"<IIQ{len(value)}i", ARRAY, I32, len(value), *value)


def q4_0_bytes(weights):
    """Blocks of f16 scale and 16 bytes; element i in the low nibble of byte i, i + 16 in the high
    one."""
    q, d = quantize(weights)
    q = q.to(torch.uint8).reshape(-1, GROUP)
    nibbles = q[:, :16] | (q[:, 16:] << 4)
    scales = d.reshape(-1, 1).half().numpy().view(np.uint8)
    return np.concatenate((scales, nibbles.numpy()), 1).tobytes()


def write(path, metadata, tensors, quantized):
    """tensors: (name, f32 tensor of one or two dimensions) in file order. With `quantized`,
    matrices are written as Q4_0."""
    header = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(metadata))
    header += b"".join(string_bytes(key) + value_bytes(value) for key, value in metadata.items())
    data, offset = [], 0
    for name, tensor in tensors:
        tensor = tensor.detach().cpu().float().contiguous()
        int4 = quantized and tensor.dim() == 2
        piece = q4_0_bytes(tensor) if int4 else tensor.numpy().tobytes()
        shape = tuple(reversed(tensor.shape))
        header += string_bytes(name) + struct.pack(
            f"<I{len(shape)}QIQ", len(shape), *shape, TENSOR_Q4_0 if int4 else TENSOR_F32, offset)
        data += [piece, b"\0" * (-len(piece) % ALIGNMENT)]
        offset += len(piece) + len(data[-1])
    with open(path, "wb") as file:
        file.write(header + b"\0" * (-len(header) % ALIGNMENT))
        for piece in data:
            file.write(piece)


class Reader:
    """Walks the bytes of a header; running off its end is an error in words."""

    def __init__(self, data, path):
        self.data, self.at, self.path = data, 0, path

    def take(self, form):
        """The next value, or values, of a struct format."""
        size = struct.calcsize("<" + form)
        if self.at + size > len(self.data):
            raise GGUFError(f"{self.path}: the header is cut off")
        values = struct.unpack_from("<" + form, self.data, self.at)
        self.at += size
        return values[0] if len(values) == 1 else values

    def string(self):
        length = self.take("Q")
        if self.at + length > len(self.data):
            raise GGUFError(f"{self.path}: the header is cut off")
        self.at += length
        return bytes(self.data[self.at - length:self.at]).decode("utf8", "replace")

    def value(self, kind):
        """The next metadata value of a type."""
        if kind == STRING:
            return self.string()
        if kind == ARRAY:
            kind, count = self.take("I"), self.take("Q")
            if kind == ARRAY or count > HEADER_BYTES_MAX:
                raise GGUFError(f"{self.path}: an array that is not understood")
            return [self.value(kind) for _ in range(count)]
        form = {U32: "I", I32: "i", F32: "f", BOOL: "?", U64: "Q"}.get(kind)
        if form is None:
            raise GGUFError(f"{self.path}: metadata of type {kind} is not understood")
        return self.take(form)


def read(path):
    """(metadata, {name: f32 tensor}) of a file with F32 and Q4_0 tensors; GGUFError for any
    other."""
    if os.path.getsize(path) < 24:
        raise GGUFError(f"{path} is too short for a GGUF file")
    data = np.memmap(path, np.uint8, "r")
    reader = Reader(memoryview(data), path)
    if bytes(data[:4]) != b"GGUF":
        raise GGUFError(f"{path} is not a GGUF file")
    reader.at = 4
    version, tensor_count, entry_count = reader.take("IQQ")
    if version != 3 or tensor_count > TENSORS_MAX or entry_count > ENTRIES_MAX:
        raise GGUFError(f"{path}: version {version} with {tensor_count} tensors and "
                        f"{entry_count} entries; 3 with at most {TENSORS_MAX} each are read")
    metadata = {}
    for _ in range(entry_count):
        key = reader.string()
        metadata[key] = reader.value(reader.take("I"))
    directory = []
    for _ in range(tensor_count):
        name, dimensions = reader.string(), reader.take("I")
        if not 1 <= dimensions <= 2:
            raise GGUFError(f"{path}: {name} has {dimensions} dimensions, not 1 or 2")
        shape = tuple(reversed([reader.take("Q") for _ in range(dimensions)]))
        directory.append((name, shape, reader.take("I"), reader.take("Q")))
    start = reader.at + -reader.at % ALIGNMENT
    return metadata, {name: read_tensor(data, path, name, shape, kind, start + offset)
                      for name, shape, kind, offset in directory}


def read_tensor(data, path, name, shape, kind, start):
    """The f32 tensor at `start` of a mapped file."""
    count = int(np.prod(shape, dtype=object))
    size = {TENSOR_F32: count * 4, TENSOR_Q4_0: count // GROUP * 18}.get(kind)
    if kind == TENSOR_Q4_0 and shape[-1] % GROUP:
        raise GGUFError(f"{path}: rows of {name} have {shape[-1]} weights, no multiple of {GROUP}")
    if size is None:
        raise GGUFError(f"{path}: {name} has type {kind}; only F32 and Q4_0 are read")
    if start + size > len(data):
        raise GGUFError(f"{path}: {name} goes beyond the end of the file")
    raw = np.array(data[start:start + size])
    if kind == TENSOR_F32:
        return torch.from_numpy(raw.view(np.float32).reshape(shape))
    blocks = raw.reshape(-1, 18)
    d = torch.from_numpy(blocks[:, :2].copy().view(np.float16).astype(np.float32))
    nibbles = torch.from_numpy(blocks[:, 2:].copy())
    q = torch.cat((nibbles & 15, nibbles >> 4), 1).float()
    return dequantize(q, d).reshape(shape)
