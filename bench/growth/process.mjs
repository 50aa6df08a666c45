// One measurement of the engine in a process of its own; the task as JSON, the result as JSON.
//
//   context   decoding when the cache holds so many positions
//   batch     decoding of several sessions, a row of each in every pass
//   size      loading, reading, writing, and the processor's seconds for it
//   threads   decoding through the package, which may have several threads
//   read      how fast one thread reads memory
//
// Does not know: which shapes there are, or what is made of the numbers.

import { openBench } from "../compile.mjs";
import { joules } from "../machine.mjs";
import { median } from "../statistics.mjs";
import { WORD_BYTES } from "./cost.mjs";
import { check, openEngine, ROWS_MAX } from "./engine.mjs";

/** Steps of a piece: whole words, so that every piece closes as many patches. */
const PIECE_STEPS = 2 * WORD_BYTES;
const PIECES = 5;
const STEPS = PIECES * PIECE_STEPS;
const WARM_STEPS = 24;
const PROMPT_TOKENS = 256;
const READ_ROUNDS = 12;
const CONTEXT_LIMIT_MS = 180_000;
/** The engine's memory is mapped in pages of this size. */
const PAGE_BYTES = 65536;

/** Words of five letters, as tokens. */
function word(task, at) {
  const letter = (at * 7 + 3) % 26;
  const byte = at % WORD_BYTES === WORD_BYTES - 1 ? 32 : 97 + letter;
  return task.firstByteToken + byte;
}

class Writer {
  constructor(task, sessions, context) {
    this.task = task;
    this.sessions = sessions;
    this.engine = openEngine(task.file, task.model, { context, sessions });
    this.at = 0;
  }

  /**
   * Reads words up to a position, in passes as large as they may be, all sessions alike. Whether
   * it got there before `until`, a time of the clock.
   */
  fill(position, until = Infinity) {
    const { engine, sessions } = this;
    const rows = Math.floor(ROWS_MAX / sessions);
    while (this.at < position) {
      if (performance.now() > until) return false;
      const count = Math.min(rows, position - this.at);
      for (let session = 0; session < sessions; session++) {
        for (let i = 0; i < count; i++) {
          const isLast = i === count - 1 ? 1 : 0;
          check(engine, engine.push(session, word(this.task, this.at + i), isLast));
        }
      }
      check(engine, engine.run(-1));
      this.at += count;
    }
    return true;
  }

  /** One token of every session: a pass, and a choice that is not used. */
  step() {
    const { engine, sessions } = this;
    for (let session = 0; session < sessions; session++) {
      check(engine, engine.push(session, word(this.task, this.at), 1));
    }
    check(engine, engine.run(-1));
    for (let session = 0; session < sessions; session++) check(engine, engine.sample(session));
    this.at++;
  }

  /** The same, a pass for every session. */
  stepAlone() {
    const { engine, sessions } = this;
    for (let session = 0; session < sessions; session++) {
      check(engine, engine.push(session, word(this.task, this.at), 1));
      check(engine, engine.run(-1));
      check(engine, engine.sample(session));
    }
    this.at++;
  }

  warm() {
    this.fill(2 * ROWS_MAX);
    for (let i = 0; i < WARM_STEPS; i++) this.step();
  }

  /** Milliseconds of a step: the median of pieces. */
  measure() {
    return median(Array.from({ length: PIECES }, () => this.piece(() => this.step())));
  }

  /** The same, and how many times as long passes for single sessions take, in turns with it. */
  compare() {
    const pieces = Array.from({ length: PIECES }, () => [
      this.piece(() => this.step()), this.piece(() => this.stepAlone())]);
    return { ms: median(pieces.map(([ms]) => ms)),
      ratio: median(pieces.map(([together, alone]) => alone / together)) };
  }

  piece(step) {
    const started = performance.now();
    for (let i = 0; i < PIECE_STEPS; i++) step();
    return (performance.now() - started) / PIECE_STEPS;
  }
}

const MEASUREMENTS = {
  context(task) {
    const until = performance.now() + CONTEXT_LIMIT_MS;
    const writer = new Writer(task, 1, Math.max(...task.positions) + STEPS);
    writer.warm();
    const points = [];
    // A large model takes long to read so much: what it did not reach is left out.
    for (const position of task.positions) {
      if (!writer.fill(position - STEPS / 2, until)) break;
      points.push({ position, ms: writer.measure() });
    }
    return { points };
  },

  batch(task) {
    return { points: task.sessions.map((sessions) => {
      const writer = new Writer(task, sessions, 512);
      writer.warm();
      writer.stepAlone();
      const { ms, ratio } = writer.compare();
      return { sessions, ms, perSecond: (sessions / ms) * 1000, ratio };
    }) };
  },

  size(task) {
    const started = performance.now();
    const writer = new Writer(task, 1, 1024);
    const loadMs = performance.now() - started;
    writer.warm();
    const beforePrompt = performance.now();
    writer.fill(writer.at + PROMPT_TOKENS);
    const promptPerSecond = (PROMPT_TOKENS / (performance.now() - beforePrompt)) * 1000;
    const [cpu, energy] = [process.cpuUsage(), joules()];
    const ms = writer.measure();
    const { user, system } = process.cpuUsage(cpu);
    const thousands = (STEPS * task.tokenBytes) / 1000;
    const used = energy === undefined ? undefined : joules() - energy;
    return {
      loadMs, promptPerSecond, ms, position: writer.at - STEPS / 2,
      cpuSecondsPerThousand: (user + system) / 1e6 / thousands,
      // The counter starts over now and then; such a sample has no joules.
      ...(used >= 0 ? { joulesPerThousand: used / thousands } : {}),
      memoryBytes: Number(writer.engine.planBytes(5)),
    };
  },

  async threads(task) {
    const { load } = await import("../../dist/index.js");
    const { threads } = task;
    const options = { context: 1024, ...(threads > 1 ? { threads } : {}) };
    const model = await load(task.model, options).catch((error) => {
      throw error.code === "BAD_OPTION" ? new Error("this build has no threads") : error;
    });
    const session = model.session();
    await session.feed(Array.from({ length: 2 * ROWS_MAX }, (_, at) => word(task, at)));
    let at = 2 * ROWS_MAX;
    const steps = async (count) => {
      const started = performance.now();
      for (let i = 0; i < count; i++) {
        await session.feed([word(task, at++)]);
        session.sample({ temperature: 0, seed: 1 });
      }
      return (performance.now() - started) / count;
    };
    await steps(WARM_STEPS);
    const pieces = [];
    for (let i = 0; i < PIECES; i++) pieces.push(await steps(PIECE_STEPS));
    return { threads, ms: median(pieces) };
  },

  read(task) {
    const { memory, readBytes } = openBench();
    const bytes = Math.ceil(task.bytes / 256) * 256;
    memory.grow(Math.ceil(bytes / PAGE_BYTES));
    const start = memory.buffer.byteLength - Math.ceil(bytes / PAGE_BYTES) * PAGE_BYTES;
    // A page that was never written is one and the same page of zeros.
    new Uint8Array(memory.buffer, start, bytes).fill(1);
    const repeat = Math.max(1, Math.round(5e7 / bytes));
    const times = Array.from({ length: READ_ROUNDS }, () => {
      const started = performance.now();
      for (let i = 0; i < repeat; i++) readBytes(start, bytes);
      return (performance.now() - started) / repeat;
    });
    // The limit is the best that was ever seen.
    return { gigabytesPerSecond: bytes / Math.min(...times) / 1e6 };
  },
};

const task = JSON.parse(process.argv[2]);
try {
  console.log(JSON.stringify(await MEASUREMENTS[task.kind](task)));
} catch (error) {
  console.error(error.message);
  process.exit(1);
}
