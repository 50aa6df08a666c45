// tokenizer.model, SentencePiece's own file: a protocol buffer with pieces, their scores and kinds.
// Knows nothing of GGUF.
//
//   ModelProto       1: pieces (repeated)   2: trainer   3: normalizer
//   piece            1: text   2: f32 score   3: kind (absent: 1, normal)
//   trainer          3: model type (2 is byte pairs; absent: 1, unigram)
//   normalizer       3: whether a space goes before the first word (absent: yes)

import { NibbleError } from "../errors";
import { badCheckpoint } from "./files";
import { KIND, Vocabulary } from "./words";

const FILE = "tokenizer.model";
const BYTE_PAIRS = 2;

/** A field of a message: a number, or the bytes of whatever it holds. */
interface Field {
  number: number;
  value: number;
  bytes: Uint8Array;
}

/** Throws UNSUPPORTED_TOKENIZER, TOKENIZER_MISMATCH or BAD_CHECKPOINT. */
export function sentencePiecesOf(file: Uint8Array, rows: number): Vocabulary {
  const vocabulary = new Vocabulary("llama", "default");
  vocabulary.hasSpacePrefix = true;
  const scores: number[] = [];
  vocabulary.scores = scores;
  const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });
  let modelType = 1;
  let id = 0;
  for (const { number, bytes } of fieldsOf(file)) {
    const fields = new Map([...fieldsOf(number <= 3 ? bytes : new Uint8Array(0))]
      .map((field) => [field.number, field]));
    if (number === 1) {
      vocabulary.add(id, utf8.decode(fields.get(1)?.bytes), rows,
        fields.get(3)?.value ?? KIND.normal);
      scores[id] = floatOf(fields.get(2)?.bytes);
      id++;
    }
    if (number === 2) modelType = fields.get(3)?.value ?? modelType;
    if (number === 3) vocabulary.hasSpacePrefix = fields.get(3)?.value !== 0;
  }
  if (id === 0) throw damaged("it holds no pieces");
  if (modelType !== BYTE_PAIRS) {
    throw new NibbleError("UNSUPPORTED_TOKENIZER", `${FILE} has model type ${modelType}; `
      + "SentencePiece vocabularies of byte pairs (2) can be converted.");
  }
  return vocabulary;
}

function damaged(what: string): NibbleError {
  return badCheckpoint(FILE, `${what}; download it again`);
}

function floatOf(bytes: Uint8Array | undefined): number {
  if (bytes?.length !== 4) return 0;
  return new DataView(bytes.buffer, bytes.byteOffset).getFloat32(0, true);
}

/** The fields of a message, in order. */
function* fieldsOf(message: Uint8Array): Generator<Field> {
  let at = 0;
  const none = new Uint8Array(0);

  function varint(): number {
    let value = 0;
    for (let power = 1; at < message.length; power *= 128) {
      const byte = message[at] as number;
      at++;
      value += (byte & 127) * power;
      if (byte < 128) return value;
      if (power > 2 ** 56) break;
    }
    throw damaged("it is cut off or is something else");
  }

  function take(count: number): Uint8Array {
    if (count > message.length - at) throw damaged("it is cut off or is something else");
    at += count;
    return message.subarray(at - count, at);
  }

  while (at < message.length) {
    const tag = varint();
    const number = Math.floor(tag / 8);
    switch (tag % 8) {
      case 0: yield { number, value: varint(), bytes: none }; break;
      case 1: yield { number, value: 0, bytes: take(8) }; break;
      case 2: yield { number, value: 0, bytes: take(varint()) }; break;
      case 5: yield { number, value: 0, bytes: take(4) }; break;
      default: throw damaged("it has a field of an unknown kind");
    }
  }
}
