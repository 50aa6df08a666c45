// The built server around a small model, and what its tests ask of it. Does not know: sockets.

import type * as Library from "../../host/server";
import { CHATML, chatModel, load, type Model } from "../host/library";

// By address, so that types come from the source and the code from dist/.
const address = new URL("../../dist/server.js", import.meta.url).href;
export const { createServer } = await import(/* @vite-ignore */ address) as typeof Library;
export type { LogEntry, NibbleServer, ServerOptions } from "../../host/server";

/** A talker that hardly ever ends by itself. */
export const file = chatModel(CHATML, ["<|im_start|>", "<|im_end|>"]);

export const openModel = (options: object = {}): Promise<Model> => load(file, options);

/** A request with JSON. */
export function post(path: string, body: unknown, init: RequestInit = {}): Request {
  return new Request(`http://localhost${path}`, {
    method: "POST", body: typeof body === "string" ? body : JSON.stringify(body),
    ...init, headers: { "content-type": "application/json", ...init.headers },
  });
}

/** A chunk or a reply, as loosely as tests look at it. */
export interface Reply {
  object: string;
  model: string;
  choices: {
    index: number;
    text?: string;
    delta?: { role?: string; content?: string };
    message?: { role: string; content: string };
    finish_reason: string | null;
    logprobs: { content?: { token: string; logprob: number; bytes: number[];
      top_logprobs: { token: string; logprob: number }[] }[];
    tokens?: string[]; token_logprobs?: number[]; text_offset?: number[];
    top_logprobs?: Record<string, number>[]; } | null;
  }[];
  usage?: null | { prompt_tokens: number; completion_tokens: number; total_tokens: number;
    prompt_tokens_details: { cached_tokens: number } };
  data?: { id?: string; index: number; embedding: number[] | string }[];
  error?: { message: string; type: string; param: string | null; code: string | null };
  tokens?: number[];
  content?: string;
}

export const jsonOf = async (response: Response): Promise<Reply> => (
  await response.json() as Reply);

/** The data of every event of a stream. */
export async function eventsOf(response: Response): Promise<string[]> {
  return (await response.text()).split("\n\n").filter(Boolean).map((event) => {
    if (!event.startsWith("data: ")) throw new Error(`no event: ${event}`);
    return event.slice(6);
  });
}
