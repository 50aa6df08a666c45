// Reads and writes whole GGUF files held in memory.
// Duty: the container format, version 2 and 3, little-endian, every metadata type.
// Does not know: what any key or tensor means, beyond general.alignment.

import { bytesFor } from "./quantize";

const scalarTypes = [
  "uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "bool", "string", "array",
  "uint64", "int64", "float64",
] as const;

const arrayCode = scalarTypes.indexOf("array");
const magic = 0x46554747;

type ScalarType = Exclude<(typeof scalarTypes)[number], "array">;

/** The type of a metadata value: "uint32", "string[]", "float32[][]", ... */
export type MetadataType = `${ScalarType}${"" | "[]" | "[][]"}`;

/** One metadata entry as the writer takes it. 64-bit integers may be number or bigint. */
export type MetadataEntry = [key: string, type: MetadataType, value: unknown];

/** One tensor as the writer takes it; dims[0] is the row length. */
export type TensorEntry = [name: string, dims: number[], type: number, bytes: Uint8Array];

/** One tensor of a file. */
export interface GgufTensor {
  name: string;
  /** dims[0] is the row length (columns), dims[1] the number of rows. */
  dims: number[];
  /** ggml's type number. */
  type: number;
  /** As stored: counted from the start of the data section. */
  offset: number;
  /** A view into the file. */
  bytes: Uint8Array;
}

/** A parsed file. */
export interface GgufFile {
  version: number;
  /** 64-bit integers are numbers where those are exact, else bigint. */
  metadata: Map<string, unknown>;
  /** The written type of every metadata value, for whoever writes the file again. */
  metadataTypes: Map<string, MetadataType>;
  tensors: Map<string, GgufTensor>;
  /** Where the data section starts in the file. */
  dataOffset: number;
}

/** A GGUF file to be. */
export interface GgufParts {
  metadata: MetadataEntry[];
  tensors: TensorEntry[];
  /** Default: general.alignment of the metadata, else 32; a given one is also written as key. */
  alignment?: number;
  /** 2 or 3; default 3. */
  version?: number;
}

/** Walks over the bytes of a header. */
class Reader {
  position = 0;
  private readonly view: DataView;

  constructor(private readonly bytes: Uint8Array) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  private advance(size: number): number {
    this.position += size;
    return this.position - size;
  }

  uint32(): number {
    return this.view.getUint32(this.advance(4), true);
  }

  count(): number {
    const value = this.scalar("uint64");
    if (typeof value !== "number") throw new Error("a count in the header is absurdly large");
    return value;
  }

  string(): string {
    const length = this.count();
    const start = this.advance(length);
    // ignoreBOM: a vocabulary may hold U+FEFF, which a plain decoder would swallow.
    const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
    return decoder.decode(this.bytes.subarray(start, start + length));
  }

  private scalar(type: ScalarType): number | bigint | boolean | string {
    const { view } = this;
    switch (type) {
      case "uint8": return view.getUint8(this.advance(1));
      case "int8": return view.getInt8(this.advance(1));
      case "uint16": return view.getUint16(this.advance(2), true);
      case "int16": return view.getInt16(this.advance(2), true);
      case "uint32": return this.uint32();
      case "int32": return view.getInt32(this.advance(4), true);
      case "float32": return view.getFloat32(this.advance(4), true);
      case "float64": return view.getFloat64(this.advance(8), true);
      case "bool": return view.getUint8(this.advance(1)) !== 0;
      case "string": return this.string();
      case "uint64": return plainInteger(view.getBigUint64(this.advance(8), true));
      case "int64": return plainInteger(view.getBigInt64(this.advance(8), true));
    }
  }

  /** A metadata value of the given type code, with the type as a name. */
  value(code: number): { type: MetadataType; value: unknown } {
    const type = scalarTypes[code];
    if (type === undefined) throw new Error(`unknown metadata type ${code}`);
    if (type !== "array") return { type, value: this.scalar(type) };
    const itemCode = this.uint32();
    const length = this.count();
    const items: unknown[] = [];
    // An empty array of arrays does not say what the inner ones hold.
    let itemType: MetadataType = itemCode === arrayCode ? "uint8[]" : scalarName(itemCode);
    for (let index = 0; index < length; index++) {
      const item = this.value(itemCode);
      itemType = item.type;
      items.push(item.value);
    }
    return { type: `${itemType}[]` as MetadataType, value: items };
  }
}

function scalarName(code: number): ScalarType {
  const type = scalarTypes[code];
  if (type === undefined || type === "array") throw new Error(`unknown metadata type ${code}`);
  return type;
}

function plainInteger(value: bigint): number | bigint {
  return Number.isSafeInteger(Number(value)) ? Number(value) : value;
}

function alignUp(position: number, alignment: number): number {
  return Math.ceil(position / alignment) * alignment;
}

function product(dims: number[]): number {
  return dims.reduce((total, size) => total * size, 1);
}

/** A whole GGUF file -> its metadata and its tensors. */
export function readGguf(bytes: Uint8Array): GgufFile {
  const reader = new Reader(bytes);
  if (reader.uint32() !== magic) throw new Error("not a GGUF file");
  const version = reader.uint32();
  if (version !== 2 && version !== 3) throw new Error(`GGUF version ${version} is not known`);
  const tensorCount = reader.count();
  const metadataCount = reader.count();

  const metadata = new Map<string, unknown>();
  const metadataTypes = new Map<string, MetadataType>();
  for (let index = 0; index < metadataCount; index++) {
    const key = reader.string();
    const { type, value } = reader.value(reader.uint32());
    metadata.set(key, value);
    metadataTypes.set(key, type);
  }

  const headers: Omit<GgufTensor, "bytes">[] = [];
  for (let index = 0; index < tensorCount; index++) {
    const name = reader.string();
    const dims: number[] = [];
    const rank = reader.uint32();
    while (dims.length < rank) dims.push(reader.count());
    headers.push({ name, dims, type: reader.uint32(), offset: reader.count() });
  }

  const dataOffset = alignUp(reader.position, Number(metadata.get("general.alignment") ?? 32));
  const tensors = new Map<string, GgufTensor>();
  for (const header of headers) {
    const start = dataOffset + header.offset;
    const end = start + bytesFor(header.type, product(header.dims));
    if (end > bytes.length) throw new Error(`the file ends inside tensor ${header.name}`);
    tensors.set(header.name, { ...header, bytes: bytes.subarray(start, end) });
  }
  return { version, metadata, metadataTypes, tensors, dataOffset };
}

/** Collects the bytes of a header. */
class Writer {
  private readonly pieces: Uint8Array[] = [];
  position = 0;

  bytes(piece: Uint8Array): void {
    this.pieces.push(piece);
    this.position += piece.length;
  }

  padTo(position: number): void {
    this.bytes(new Uint8Array(position - this.position));
  }

  private fixed(size: number, put: (view: DataView) => void): void {
    const view = new DataView(new ArrayBuffer(size));
    put(view);
    this.bytes(new Uint8Array(view.buffer));
  }

  uint32(value: number): void {
    this.fixed(4, (view) => view.setUint32(0, value, true));
  }

  count(value: number): void {
    this.fixed(8, (view) => view.setBigUint64(0, BigInt(value), true));
  }

  string(text: string): void {
    const encoded = new TextEncoder().encode(text);
    this.count(encoded.length);
    this.bytes(encoded);
  }

  /** The type code of a metadata value, before the value itself. */
  typeCode(type: MetadataType): void {
    this.uint32(type.endsWith("[]") ? arrayCode : scalarTypes.indexOf(type as ScalarType));
  }

  value(type: MetadataType, value: unknown): void {
    if (type.endsWith("[]")) {
      if (!Array.isArray(value)) throw new Error(`a value of type ${type} must be an array`);
      const itemType = type.slice(0, -2) as MetadataType;
      this.typeCode(itemType);
      this.count(value.length);
      for (const item of value) this.value(itemType, item);
    } else if (type === "string") this.string(String(value));
    else if (type === "uint64" || type === "int64") {
      const whole = BigInt.asUintN(64, BigInt(value as number | bigint));
      this.fixed(8, (view) => view.setBigUint64(0, whole, true));
    } else this.smallScalar(type as ScalarType, Number(value));
  }

  private smallScalar(type: ScalarType, value: number): void {
    switch (type) {
      case "uint8":
      case "bool": return this.fixed(1, (view) => view.setUint8(0, value));
      case "int8": return this.fixed(1, (view) => view.setInt8(0, value));
      case "uint16": return this.fixed(2, (view) => view.setUint16(0, value, true));
      case "int16": return this.fixed(2, (view) => view.setInt16(0, value, true));
      case "uint32": return this.uint32(value);
      case "int32": return this.fixed(4, (view) => view.setInt32(0, value, true));
      case "float32": return this.fixed(4, (view) => view.setFloat32(0, value, true));
      case "float64": return this.fixed(8, (view) => view.setFloat64(0, value, true));
      default: throw new Error(`${type} is not a small scalar`);
    }
  }

  /** Everything so far as one array. */
  joined(): Uint8Array {
    const whole = new Uint8Array(this.position);
    let at = 0;
    for (const piece of this.pieces) {
      whole.set(piece, at);
      at += piece.length;
    }
    return whole;
  }
}

/** Writes a GGUF file; tensors keep their order, each padded to the alignment. */
export function writeGguf(parts: GgufParts): Uint8Array {
  const metadata = [...parts.metadata];
  const named = metadata.find(([key]) => key === "general.alignment");
  const alignment = parts.alignment ?? Number(named?.[2] ?? 32);
  if (parts.alignment !== undefined && named === undefined) {
    metadata.push(["general.alignment", "uint32", alignment]);
  }

  const writer = new Writer();
  writer.uint32(magic);
  writer.uint32(parts.version ?? 3);
  writer.count(parts.tensors.length);
  writer.count(metadata.length);
  for (const [key, type, value] of metadata) {
    writer.string(key);
    writer.typeCode(type);
    writer.value(type, value);
  }
  let offset = 0;
  for (const [name, dims, type, bytes] of parts.tensors) {
    writer.string(name);
    writer.uint32(dims.length);
    for (const size of dims) writer.count(size);
    writer.uint32(type);
    writer.count(offset);
    offset = alignUp(offset + bytes.length, alignment);
  }
  for (const [, , , bytes] of parts.tensors) {
    writer.padTo(alignUp(writer.position, alignment));
    writer.bytes(bytes);
  }
  writer.padTo(alignUp(writer.position, alignment));
  return writer.joined();
}
