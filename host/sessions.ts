// Sessions that outlive their process, kept by id in a store: what the store has of one is put into
// a free session of the model, and what became of it goes back. The same bits as if it had never
// left. Knows nothing of requests, or of what stores are made of.

import type { ChatMessage } from "./chat";
import type { GenerateResult, Writing } from "./completion";
import { NibbleError } from "./errors";
import type { Model } from "./model";
import type { GenerateOptions } from "./options";
import type { Prompt, Session } from "./session";
import { answerOf } from "./shapes";

/** Where saved sessions are kept. */
export interface SessionStore {
  /** What was written last under this id; undefined where there is nothing. */
  read(id: string): Promise<Uint8Array | undefined>;
  /** All of it or nothing: a reader never sees a half. */
  write(id: string, saved: Uint8Array): Promise<void>;
  /** Whether there was anything. */
  delete(id: string): Promise<boolean>;
}

/** A saved session that another model, another version or a smaller context cannot take. */
const UNUSABLE = ["NOT_SNAPSHOT", "SNAPSHOT_MISMATCH", "SNAPSHOT_DAMAGED", "SNAPSHOT_TOO_LONG"];

export class KeptSessions {
  readonly #model: Model;
  readonly #store: SessionStore;
  readonly #busy = new Set<string>();

  constructor(model: Model, store: SessionStore) {
    this.#model = model;
    this.#store = store;
  }

  /**
   * Writes on from `prompt`, which is all of the text, as `model.generate` does; what the session
   * has of it is not read again. Throws SESSION_BUSY while another call has the same id.
   */
  async *generate(id: string, prompt: Prompt, options: GenerateOptions): Writing {
    const tokens = this.#model.tokensOf(prompt);
    return yield* this.#with(id, options.signal, (session) => goOn(session, tokens, options));
  }

  /** Answers the last message, as `model.chat` does. */
  async *chat(id: string, messages: readonly ChatMessage[], options: GenerateOptions): Writing {
    const { tokens, endings } = this.#model.chatPrompt(messages);
    return yield* answerOf(this.#with(id, options.signal,
      (session) => goOn(session, tokens, options, endings)), options);
  }

  /**
   * Takes up the text that was not ended. Its tokens so far count as the prompt's, since they have
   * been told of. Throws NOTHING_TO_RESUME.
   */
  async *resume(id: string, options: GenerateOptions): Writing {
    return yield* this.#with(id, options.signal, (session) => takeUp(session, options));
  }

  /** The same of an answer, whose messages say which tokens end it. */
  async *resumeChat(
    id: string, messages: readonly ChatMessage[], options: GenerateOptions,
  ): Writing {
    const { endings } = this.#model.chatPrompt(messages);
    return yield* answerOf(this.#with(id, options.signal,
      (session) => takeUp(session, options, endings)), options);
  }

  /** Forgets it; whether there was anything. Throws SESSION_BUSY. */
  async delete(id: string): Promise<boolean> {
    this.#take(id);
    try {
      return await this.#store.delete(id);
    } finally {
      this.#busy.delete(id);
    }
  }

  #take(id: string): void {
    if (this.#busy.has(id)) {
      throw new NibbleError("SESSION_BUSY",
        "This session is writing already; wait for it, or use another id.");
    }
    this.#busy.add(id);
  }

  /** Writes in the session of this id; it is kept before anybody hears of the end. */
  async *#with(
    id: string, signal: AbortSignal | undefined, begin: (session: Session) => Writing,
  ): Writing {
    this.#take(id);
    try {
      const session = await this.#model.freeSession({ signal });
      try {
        await this.#restore(id, session);
        return yield* this.#keeping(id, session, begin(session));
      } finally {
        session.close();
      }
    } finally {
      this.#busy.delete(id);
    }
  }

  async *#keeping(id: string, session: Session, writing: Writing): Writing {
    const before = stateOf(session);
    try {
      return yield* writing;
    } finally {
      // Of a reader that has gone, too. Where nothing was read or written, as of a request that was
      // refused, what was kept before stays.
      if (stateOf(session) !== before) await this.#store.write(id, session.save());
    }
  }

  /** What is of no use any more is an empty session. */
  async #restore(id: string, session: Session): Promise<void> {
    const saved = await this.#store.read(id);
    if (!saved) return;
    try {
      session.restore(saved);
    } catch (error) {
      // By its code: the model may come from another bundle, with a class of its own.
      if (!UNUSABLE.includes((error as { code?: string }).code ?? "")) throw error;
    }
  }
}

/** Differs once anything has been read or written, or a text has ended. */
function stateOf({ position, unfinished }: Session): string {
  return `${position} ${unfinished?.completionTokens}`;
}

/** Forgets what is not of these tokens, so as to read the rest and write on. */
function goOn(
  session: Session, tokens: readonly number[], options: GenerateOptions,
  endings?: ReadonlySet<number>,
): Writing {
  const reusedTokens = session.keepShared(tokens);
  return told(session.generate(tokens.slice(reusedTokens), options, { endings }), (result) => (
    { ...result, reusedTokens, promptTokens: reusedTokens + result.promptTokens }));
}

function takeUp(
  session: Session, options: GenerateOptions, endings?: ReadonlySet<number>,
): Writing {
  const { completionTokens = 0 } = session.unfinished ?? {};
  return told(session.resume(options, { endings }), (result) => {
    const before = result.promptTokens + completionTokens;
    return { ...result, promptTokens: before, reusedTokens: before,
      completionTokens: result.completionTokens - completionTokens };
  });
}

/** A text, and of its end what `tell` makes of it. */
async function* told(
  writing: Writing, tell: (result: GenerateResult) => GenerateResult,
): Writing {
  return tell(yield* writing);
}
