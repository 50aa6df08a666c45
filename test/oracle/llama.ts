// Duty: the outside judge. Evaluates a GGUF file with llama.cpp (the npm package node-llama-cpp,
// its prebuilt binary for the processor) and gives token ids, raw logits, greedy continuations.
// Does not know: Nibble, its formats or kernels, what a test expects, or where models lie.
//
// What the rows are. `generateNext.logits` at temperature 0 gives llama.cpp's own float32 logits of
// the whole vocabulary, sorted; the sampler chain is then the greedy choice alone, so top-k, top-p
// and temperature (the package's defaults are 40, 0.95 and 0) touch nothing. With a temperature
// above 0 they would cut and scale the row. No softmax is involved, so nothing underflows.
// What the rows are not. For quantized weights llama.cpp rounds each activation block of 32 to
// int8 (Q8_0) before a product: such rows are near the exact ones, not equal to them.

import { getLlama, LlamaLogLevel } from 'node-llama-cpp';
import type {
  ControlledEvaluateInputItem, Llama, LlamaContextSequence, Token,
} from 'node-llama-cpp';

export interface OracleOptions {
  /** Positions that one call may fill; llama.cpp rounds it up to a multiple of 256. */
  readonly contextSize: number;
  /** Number type of cached keys and values. F32 unless told: the better judge. */
  readonly cacheType?: 'F32' | 'F16';
  /** Threads of one evaluation; 1 unless told: on a busy machine two wait for each other. */
  readonly threads?: number;
  /** Positions given to llama.cpp at once in `logits`; 32 unless told. */
  readonly positionsAtOnce?: number;
}

export interface Oracle {
  readonly vocabularySize: number;
  /**
   * Ids of a text, no BOS or EOS put around them, with the prefix space that the file asks for.
   * `special`: text such as `<|im_start|>` becomes its control token (false unless told).
   */
  tokenize(text: string, special?: boolean): number[];
  /** Text of ids; control tokens give no text. */
  detokenize(tokens: readonly number[]): string;
  /** For each position, the raw float32 logits of the token after it, in token-id order. */
  logits(tokens: readonly number[]): Promise<Float32Array[]>;
  /** The `count` most likely next tokens (lowest id on a tie); end tokens do not stop it. */
  greedy(tokens: readonly number[], count: number): Promise<number[]>;
  dispose(): Promise<void>;
}

const maximumThreads = 2;
const defaultPositionsAtOnce = 32;

let sharedLlama: Promise<Llama> | undefined;

/** One llama.cpp per process: loading it starts a process that tries the binary first. */
function loadLlama(): Promise<Llama> {
  sharedLlama ??= getLlama({
    gpu: false,
    build: 'never',
    skipDownload: true,
    progressLogs: false,
    logLevel: LlamaLogLevel.error,
    maxThreads: maximumThreads,
  });
  return sharedLlama;
}

function rowOf(values: ReadonlyMap<number, number>, vocabularySize: number): Float32Array {
  const row = new Float32Array(vocabularySize).fill(Number.NaN);
  for (const [token, value] of values) {
    if (!(token >= 0 && token < vocabularySize)) {
      throw new Error(`llama.cpp gave a logit of token ${token}, outside the vocabulary`);
    }
    row[token] = value;
  }
  if (values.size !== vocabularySize) {
    throw new Error(`llama.cpp gave ${values.size} logits of ${vocabularySize}`);
  }
  return row;
}

/** Logits of every position of `tokens`, which come first in the sequence. */
async function evaluateLogits(
  sequence: LlamaContextSequence, tokens: readonly number[], positionsAtOnce: number,
  vocabularySize: number,
): Promise<Float32Array[]> {
  const rows: Float32Array[] = [];
  for (let start = 0; start < tokens.length; start += positionsAtOnce) {
    const part = tokens.slice(start, start + positionsAtOnce);
    const items = part.map((token): ControlledEvaluateInputItem => [
      token as Token,
      { generateNext: { logits: true, options: { temperature: 0 } } },
    ]);
    const outputs = await sequence.controlledEvaluate(items);
    for (let index = 0; index < part.length; index++) {
      const values = outputs[index]?.next.logits;
      if (values === undefined) throw new Error(`no logits at position ${start + index}`);
      rows.push(rowOf(values, vocabularySize));
    }
  }
  return rows;
}

/** The likeliest token after `tokens`, `count` times. */
async function evaluateGreedy(
  sequence: LlamaContextSequence, tokens: readonly number[], count: number,
): Promise<number[]> {
  const chosen: number[] = [];
  let pending = tokens;
  while (chosen.length < count) {
    const last = pending.length - 1;
    const items = pending.map((token, index): ControlledEvaluateInputItem =>
      index < last
        ? (token as Token)
        : [token as Token, { generateNext: { token: true, options: { temperature: 0 } } }],
    );
    const outputs = await sequence.controlledEvaluate(items);
    const next = outputs[last]?.next.token;
    if (next === undefined || next === null) throw new Error('llama.cpp chose no token');
    chosen.push(next);
    pending = [next];
  }
  return chosen;
}

export async function openLlama(path: string, options: OracleOptions): Promise<Oracle> {
  const { contextSize, cacheType = 'F32', threads = 1 } = options;
  const positionsAtOnce = options.positionsAtOnce ?? defaultPositionsAtOnce;
  const llama = await loadLlama();
  const model = await llama.loadModel({ modelPath: path, gpuLayers: 0 });
  const vocabularySize = model.fileInfo.metadata.tokenizer.ggml.tokens.length;
  const context = await model.createContext({
    contextSize,
    sequences: 1,
    batchSize: Math.min(contextSize, 512),
    flashAttention: false,
    threads,
    experimentalKvCacheKeyType: cacheType,
    experimentalKvCacheValueType: cacheType,
  });
  const sequence = context.getSequence({ contextShift: { strategy: refuseShift } });

  function begin(tokens: readonly number[], positions: number): Promise<void> {
    if (tokens.length === 0) throw new Error('the oracle needs one token at least');
    if (positions > contextSize) {
      throw new Error(`${positions} positions do not fit a context of ${contextSize}`);
    }
    return sequence.clearHistory();
  }

  return {
    vocabularySize,
    tokenize: (text, special = false) => model.tokenize(text, special),
    detokenize: (tokens) => model.detokenize(tokens as readonly Token[]),
    async logits(tokens) {
      await begin(tokens, tokens.length);
      return evaluateLogits(sequence, tokens, positionsAtOnce, vocabularySize);
    },
    async greedy(tokens, count) {
      await begin(tokens, tokens.length + Math.max(0, count - 1));
      return evaluateGreedy(sequence, tokens, count);
    },
    async dispose() {
      await context.dispose();
      await model.dispose();
    },
  };
}

/** A file's vocabulary alone, which needs no weights. */
export async function openVocabulary(
  path: string,
): Promise<Pick<Oracle, 'tokenize' | 'detokenize' | 'dispose'>> {
  const llama = await loadLlama();
  const model = await llama.loadModel({ modelPath: path, gpuLayers: 0, vocabOnly: true });
  return {
    tokenize: (text, special = false) => model.tokenize(text, special),
    detokenize: (tokens) => model.detokenize(tokens as readonly Token[]),
    dispose: () => model.dispose(),
  };
}

function refuseShift(): never {
  throw new Error('the oracle does not shift its context');
}
