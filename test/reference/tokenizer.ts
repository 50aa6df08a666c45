// Text to token ids and back, slowly: SentencePiece BPE as llama.cpp's llm_tokenizer_spm does it,
// and the byte tokenizer (tokenizer.ggml.model = gpt2 with an empty merge list).
// Duty: reads the tokenizer.ggml.* keys and follows them to the letter.
// Does not know: merges, chat templates, special tokens typed as text (they stay plain text).

const tokenType = { normal: 1, userDefined: 4, byte: 6 } as const;

/** U+2581, which stands for a space inside SentencePiece vocabularies. */
const spaceMark = "\u2581";

/** GPT-2's byte alphabet: entry b is the one printable character that stands for byte b. */
export function byteAlphabet(): string[] {
  const symbols: string[] = [];
  let replacement = 256;
  for (let byte = 0; byte < 256; byte++) {
    const printable =
      (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
    symbols.push(String.fromCharCode(printable ? byte : replacement++));
  }
  return symbols;
}

/** The SentencePiece name of a byte token. */
export function byteTokenName(byte: number): string {
  return `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`;
}

/** The tokenizer that a GGUF file's metadata describes. */
export class ReferenceTokenizer {
  readonly tokens: readonly string[];
  private readonly sentencePiece: boolean;
  private readonly scores: readonly number[];
  private readonly types: readonly number[];
  private readonly ids = new Map<string, number>();

  /** metadata: what readGguf returns. */
  constructor(private readonly metadata: ReadonlyMap<string, unknown>) {
    const model = metadata.get("tokenizer.ggml.model");
    this.sentencePiece = model === "llama";
    if (!this.sentencePiece && model !== "gpt2") throw new Error(`no tokenizer ${String(model)}`);
    const merges = (metadata.get("tokenizer.ggml.merges") ?? []) as unknown[];
    if (merges.length > 0) throw new Error("the reference has no byte-pair merges");
    this.tokens = metadata.get("tokenizer.ggml.tokens") as string[];
    this.scores = (metadata.get("tokenizer.ggml.scores") ?? []) as number[];
    this.types = (metadata.get("tokenizer.ggml.token_type") ?? []) as number[];
    // Of equal texts the last id wins, as in llama.cpp. Any token can be found by its text,
    // control and byte tokens too.
    this.tokens.forEach((text, id) => this.ids.set(text, id));
  }

  private flag(name: string, fallback: boolean): boolean {
    return Boolean(this.metadata.get(`tokenizer.ggml.${name}`) ?? fallback);
  }

  private specialId(name: string): number {
    const id = this.metadata.get(`tokenizer.ggml.${name}`);
    if (typeof id !== "number") throw new Error(`the metadata has no ${name}`);
    return id;
  }

  private idOf(text: string): number {
    const id = this.ids.get(text);
    if (id === undefined) throw new Error(`the vocabulary has no token ${JSON.stringify(text)}`);
    return id;
  }

  /** Text -> ids, with begin and end tokens as the metadata asks. */
  encode(text: string): number[] {
    const body = this.sentencePiece ? this.encodePieces(text) : this.encodeBytes(text);
    if (this.flag("add_bos_token", this.sentencePiece)) {
      body.unshift(this.specialId("bos_token_id"));
    }
    if (this.flag("add_eos_token", false)) body.push(this.specialId("eos_token_id"));
    return body;
  }

  private encodeBytes(text: string): number[] {
    const alphabet = byteAlphabet();
    return Array.from(new TextEncoder().encode(text), (byte) => this.idOf(alphabet[byte]));
  }

  private encodePieces(text: string): number[] {
    if (text === "") return [];
    const spaced = this.flag("add_space_prefix", true) ? ` ${text}` : text;
    // Through UTF-8 and back: half a surrogate pair becomes U+FFFD, as in any encoder's input.
    const encoded = new TextEncoder().encode(spaced.replaceAll(" ", spaceMark));
    const symbols = Array.from(new TextDecoder("utf-8", { ignoreBOM: true }).decode(encoded));
    while (this.mergeBest(symbols));
    return symbols.flatMap((symbol) => this.idsOfSymbol(symbol));
  }

  /** Joins the adjacent pair that makes the best token (leftmost on ties); false if none. */
  private mergeBest(symbols: string[]): boolean {
    let best = -1;
    let bestScore = -Infinity;
    for (let left = 0; left + 1 < symbols.length; left++) {
      const id = this.ids.get(symbols[left] + symbols[left + 1]);
      if (id === undefined) continue;
      const score = this.scores[id] ?? 0;
      if (best < 0 || score > bestScore) {
        best = left;
        bestScore = score;
      }
    }
    if (best < 0) return false;
    symbols.splice(best, 2, symbols[best] + symbols[best + 1]);
    return true;
  }

  private idsOfSymbol(symbol: string): number[] {
    const id = this.ids.get(symbol);
    if (id !== undefined) return [id];
    return Array.from(new TextEncoder().encode(symbol), (byte) => this.idOf(byteTokenName(byte)));
  }

  /**
   * Ids -> bytes, which need not be valid UTF-8. Control and unknown tokens give nothing. The
   * space that encode put in front comes back.
   */
  decode(ids: readonly number[]): Uint8Array {
    return Uint8Array.from(ids.flatMap((id) => Array.from(this.bytesOf(id))));
  }

  private bytesOf(id: number): Uint8Array {
    const text = this.tokens[id];
    const type = this.types[id] ?? tokenType.normal;
    const encoder = new TextEncoder();
    if (type === tokenType.userDefined) return encoder.encode(text);
    if (type === tokenType.byte) return Uint8Array.of(parseInt(text.slice(3, 5), 16));
    if (type !== tokenType.normal) return new Uint8Array(0);
    if (this.sentencePiece) return encoder.encode(text.replaceAll(spaceMark, " "));
    const alphabet = byteAlphabet();
    return Uint8Array.from(Array.from(text), (symbol) => alphabet.indexOf(symbol));
  }
}
