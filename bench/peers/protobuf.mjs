// The few messages of ONNX that a graph needs, as protobuf's bytes: a field is its number and wire
// type, then a varint, four bytes, or a length and what lies in it.
// Does not know: what the graph computes.

const VARINT = 0;
const LENGTH = 2;
const FOUR_BYTES = 5;

/** ONNX's numbers for element types. */
export const TYPE = { float: 1, uint8: 2, int32: 6, int64: 7 };

/** Operators that are onnxruntime's own; all others are ONNX's. */
const MICROSOFT = ["MatMulNBits", "GatherBlockQuantized", "GroupQueryAttention"];
const IR_VERSION = 10;
const OPSET = 21;

/** Protobuf writes 64 bits of two's complement, seven at a time. */
function varint(number) {
  let rest = BigInt.asUintN(64, BigInt(number));
  const bytes = [];
  do {
    bytes.push(Number(rest & 127n) | (rest > 127n ? 128 : 0));
    rest >>= 7n;
  } while (rest > 0n);
  return Uint8Array.from(bytes);
}

const integer = (field, number) => [varint((field << 3) | VARINT), varint(number)];

/** A field whose content is pieces: large ones are never copied. */
function inside(field, pieces) {
  const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
  return [varint((field << 3) | LENGTH), varint(length), ...pieces];
}

const text = (field, letters) => inside(field, [new TextEncoder().encode(letters)]);

const float = (field, number) =>
  [varint((field << 3) | FOUR_BYTES), new Uint8Array(Float32Array.of(number).buffer)];

/** TensorProto, as an initializer. */
export function tensor(name, type, dimensions, values) {
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  return [...dimensions.flatMap((size) => integer(1, size)), ...integer(2, type),
    ...text(8, name), ...inside(9, [bytes])];
}

/** ValueInfoProto: an input or output; a dimension is a number or a name. */
export function value(name, type, dimensions) {
  const shape = dimensions.flatMap((size) =>
    inside(1, typeof size === "number" ? integer(1, size) : text(2, size)));
  const ofTensor = [...integer(1, type), ...inside(2, shape)];
  return [...text(1, name), ...inside(2, inside(1, ofTensor))];
}

/** NodeProto. */
export function node(operator, inputs, outputs, attributes = {}) {
  return [
    ...inputs.flatMap((name) => text(1, name)), ...outputs.flatMap((name) => text(2, name)),
    ...text(3, outputs[0]), ...text(4, operator),
    ...Object.entries(attributes).flatMap((entry) => inside(5, attribute(...entry))),
    ...(MICROSOFT.includes(operator) ? text(7, "com.microsoft") : []),
  ];
}

/** AttributeProto: a whole number or, where the name says so, a float. */
function attribute(name, number) {
  const [FLOAT, INT] = [1, 2];
  return name === "epsilon"
    ? [...text(1, name), ...float(2, number), ...integer(20, FLOAT)]
    : [...text(1, name), ...integer(3, number), ...integer(20, INT)];
}

/** ModelProto, as pieces in order. */
export function graphModel(name, { nodes, tensors, inputs, outputs }) {
  const graph = [
    ...nodes.flatMap((pieces) => inside(1, pieces)), ...text(2, name),
    ...tensors.flatMap((pieces) => inside(5, pieces)),
    ...inputs.flatMap((pieces) => inside(11, pieces)),
    ...outputs.flatMap((pieces) => inside(12, pieces)),
  ];
  const opset = (domain, version) => inside(8, [...text(1, domain), ...integer(2, version)]);
  return [...integer(1, IR_VERSION), ...text(2, "nibble bench"), ...inside(7, graph),
    ...opset("", OPSET), ...opset("com.microsoft", 1)];
}
