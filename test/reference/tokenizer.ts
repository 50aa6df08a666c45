// Text to token ids and back, slowly: SentencePiece BPE as llama.cpp's llm_tokenizer_spm does it,
// byte-level BPE behind the regular expressions of its llm_tokenizer_bpe, and the byte tokenizer
// (tokenizer.ggml.model = gpt2 with an empty merge list).
// Duty: reads the tokenizer.ggml.* keys and follows them to the letter.
// Does not know: chat templates.

const tokenType = { normal: 1, unknown: 2, control: 3, userDefined: 4, byte: 6 } as const;

/** U+2581, which stands for a space inside SentencePiece vocabularies. */
const spaceMark = "\u2581";

/** White_Space is what \s is in the regular expressions of llama.cpp and Hugging Face's Rust. */
const contractions = "'s|'t|'re|'ve|'m|'ll|'d";
const spaces = "\\p{White_Space}+(?!\\P{White_Space})|\\p{White_Space}+";
const gpt2 = new RegExp(`${contractions}| ?\\p{L}+| ?\\p{N}+`
  + `| ?[^\\p{White_Space}\\p{L}\\p{N}]+|${spaces}`, "gu");
const llama3 = new RegExp("'[sSdDmMtT]|'[rRvV][eE]|'[lL][lL]"
  + "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}"
  + "| ?[^\\p{White_Space}\\p{L}\\p{N}]+[\\r\\n]*"
  + `|\\p{White_Space}*[\\r\\n]+|${spaces}`, "gu");

/** The regular expressions of each tokenizer.ggml.pre; each cuts what the one before has left. */
const pretokenRules: Record<string, readonly RegExp[]> = {
  smollm: [/\p{N}/gu, gpt2],
  "gpt-2": [gpt2],
  "llama-bpe": [llama3],
  default: [/[\p{P}$+<=>^~|]+/gu, gpt2, /\p{N}+/gu, /[0-9][0-9][0-9]/gu],
};

/** Cuts a text into what an expression matches and what lies between. */
function cut(text: string, pattern: RegExp): string[] {
  const pieces: string[] = [];
  let end = 0;
  for (const match of text.matchAll(pattern)) {
    pieces.push(text.slice(end, match.index), match[0]);
    end = match.index + match[0].length;
  }
  return [...pieces, text.slice(end)].filter((piece) => piece !== "");
}

/** The pre-tokens of a text. */
export function pretokens(text: string, pre: string): string[] {
  const rules = pretokenRules[pre];
  if (rules === undefined) throw new Error(`the reference has no rules ${pre}`);
  return rules.reduce((pieces, rule) => pieces.flatMap((piece) => cut(piece, rule)), [text]);
}

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
  /** Tokens that a text may become. */
  private readonly ids = new Map<string, number>();
  /** `left right` -> its place in the list of merges. */
  private readonly ranks = new Map<string, number>();

  /** metadata: what readGguf returns. */
  constructor(private readonly metadata: ReadonlyMap<string, unknown>) {
    const model = metadata.get("tokenizer.ggml.model");
    this.sentencePiece = model === "llama";
    if (!this.sentencePiece && model !== "gpt2") throw new Error(`no tokenizer ${String(model)}`);
    this.tokens = metadata.get("tokenizer.ggml.tokens") as string[];
    this.scores = (metadata.get("tokenizer.ggml.scores") ?? []) as number[];
    this.types = (metadata.get("tokenizer.ggml.token_type") ?? []) as number[];
    const merges = (metadata.get("tokenizer.ggml.merges") ?? []) as string[];
    // Of equal merges the first counts, of equal texts the last, as in llama.cpp.
    [...merges.entries()].reverse().forEach(([rank, merge]) => this.ranks.set(merge, rank));
    const { userDefined } = tokenType;
    this.tokens.forEach((text, id) => {
      if (this.isReachable(id)) this.ids.set(text, id);
    });
    // Names of user-defined tokens are spelled as text is, not in GPT-2's alphabet.
    this.tokens.forEach((text, id) => {
      const isName = this.sentencePiece && this.types[id] === userDefined;
      if (isName && !this.ids.has(text)) this.ids.set(text, id);
    });
  }

  /** No text forms a control token, nor a byte token by its name; SentencePiece's own rule. */
  private isReachable(id: number): boolean {
    const type = this.types[id] ?? tokenType.normal;
    const unreachable: number[] = [tokenType.unknown, tokenType.control, tokenType.userDefined];
    return !unreachable.includes(type) && !(this.sentencePiece && type === tokenType.byte);
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

  /**
   * Text -> ids, with begin and end tokens as the metadata asks. Names of user-defined tokens are
   * found first, those of control tokens only in a text that is trusted.
   */
  encode(text: string, trusted = false): number[] {
    // Through UTF-8 and back: half a surrogate pair becomes U+FFFD, as in any encoder's input.
    const clean = new TextDecoder("utf-8", { ignoreBOM: true })
      .decode(new TextEncoder().encode(text));
    const ids: number[] = [];
    for (let at = 0; at < clean.length;) {
      const { start, id } = this.nextSpecial(clean, at, trusted);
      if (start > at) ids.push(...this.encodePlain(clean.slice(at, start)));
      if (id >= 0) ids.push(id);
      at = id < 0 ? clean.length : start + (this.tokens[id] as string).length;
    }
    if (this.flag("add_bos_token", this.sentencePiece || this.pre === "llama-bpe")) {
      ids.unshift(this.specialId("bos_token_id"));
    }
    if (this.flag("add_eos_token", false)) ids.push(this.specialId("eos_token_id"));
    return ids;
  }

  private get pre(): string {
    return (this.metadata.get("tokenizer.ggml.pre") ?? "default") as string;
  }

  /** The leftmost special token, of several there the longest; or the end, and -1. */
  private nextSpecial(text: string, from: number, trusted: boolean): { start: number; id: number } {
    const wanted: number[] = [tokenType.userDefined];
    if (trusted) wanted.push(tokenType.control, tokenType.unknown);
    let best = { start: text.length, id: -1 };
    this.tokens.forEach((name, id) => {
      if (name === "" || !wanted.includes(this.types[id] ?? tokenType.normal)) return;
      const start = text.indexOf(name, from);
      const length = best.id < 0 ? 0 : (this.tokens[best.id] as string).length;
      if (start < 0 || start > best.start) return;
      if (start < best.start || name.length >= length) best = { start, id };
    });
    return best;
  }

  /** Text without special tokens. */
  private encodePlain(text: string): number[] {
    if (this.sentencePiece) return this.encodePieces(text);
    if (this.ranks.size === 0) return this.encodeBytes(text);
    return pretokens(text, this.pre).flatMap((piece) => this.encodePretoken(piece));
  }

  private encodeBytes(text: string): number[] {
    const alphabet = byteAlphabet();
    return Array.from(new TextEncoder().encode(text), (byte) => this.idOf(alphabet[byte]));
  }

  /** Byte-level BPE: the pair that comes first in the list of merges, the leftmost of these. */
  private encodePretoken(text: string): number[] {
    const alphabet = byteAlphabet();
    const symbols = Array.from(new TextEncoder().encode(text), (byte) => alphabet[byte]);
    const whole = this.ids.get(symbols.join(""));
    if (this.pre === "llama-bpe" && whole !== undefined) return [whole];
    for (;;) {
      const ranks = symbols.slice(1).map((right, left) => (
        this.ranks.get(`${symbols[left]} ${right}`) ?? Infinity));
      const best = Math.min(...ranks);
      if (best === Infinity) break;
      const left = ranks.indexOf(best);
      symbols.splice(left, 2, `${symbols[left]}${symbols[left + 1]}`);
    }
    const unknown = this.metadata.get("tokenizer.ggml.unknown_token_id");
    const ids = symbols.map((symbol) => this.ids.get(symbol) ?? unknown);
    return ids.filter((id) => typeof id === "number");
  }

  private encodePieces(text: string): number[] {
    const spaced = this.flag("add_space_prefix", true) ? ` ${text}` : text;
    const symbols = Array.from(spaced.replaceAll(" ", spaceMark));
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
    return Array.from(new TextEncoder().encode(symbol), (byte) => (
      this.tokens.lastIndexOf(byteTokenName(byte))));
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
