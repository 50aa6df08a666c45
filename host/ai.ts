// A model for Vercel's AI SDK in the same process, without a server or a port. Has the shape of the
// SDK's interfaces (specification v3) and needs nothing of the SDK itself. Knows nothing of HTTP.

import type { ChatMessage } from "./chat";
import type { GenerateResult } from "./completion";
import type { Model } from "./model";
import type { GenerateOptions } from "./options";
import type { JsonSchema } from "./schema";

/** A message as the SDK gives it; content that is no text is refused by the model's chat. */
interface SdkMessage {
  role: string;
  content: string | readonly { type: string; text?: string }[];
}

/** What the SDK asks of a language model, as far as it is understood here. */
interface CallOptions {
  prompt: readonly SdkMessage[];
  maxOutputTokens?: number | undefined;
  temperature?: number | undefined;
  topP?: number | undefined;
  topK?: number | undefined;
  presencePenalty?: number | undefined;
  frequencyPenalty?: number | undefined;
  stopSequences?: string[] | undefined;
  seed?: number | undefined;
  responseFormat?: { type: "text" } | { type: "json"; schema?: unknown } | undefined;
  tools?: readonly unknown[] | undefined;
  abortSignal?: AbortSignal | undefined;
}

interface Warning {
  type: "unsupported";
  feature: string;
}

/** For `generateText`, `streamText` and everything that is built on them. */
export function languageModel(model: Model) {
  return {
    specificationVersion: "v3" as const,
    provider: "nibble",
    modelId: nameOf(model),
    supportedUrls: {},

    async doGenerate(options: CallOptions) {
      const { text, ...result } = await model.completeChat(messagesOf(options), optionsOf(options));
      return { content: [{ type: "text" as const, text }], ...endOf(result),
        warnings: warningsOf(options) };
    },

    async doStream(options: CallOptions) {
      const stop = new AbortController();
      const signals = options.abortSignal ? [options.abortSignal, stop.signal] : [stop.signal];
      const pieces = model.chat(messagesOf(options),
        { ...optionsOf(options), signal: AbortSignal.any(signals) });
      // Before the stream begins, what is wrong with the request is the call's failure.
      let next = await pieces.next();
      const id = "0";
      return { stream: new ReadableStream({
        start(controller) {
          controller.enqueue({ type: "stream-start" as const, warnings: warningsOf(options) });
          controller.enqueue({ type: "text-start" as const, id });
        },
        async pull(controller) {
          if (!next.done) {
            controller.enqueue({ type: "text-delta" as const, id, delta: next.value });
            next = await pieces.next();
            return;
          }
          controller.enqueue({ type: "text-end" as const, id });
          controller.enqueue({ type: "finish" as const, ...endOf(next.value) });
          controller.close();
        },
        async cancel(reason) {
          stop.abort(reason);
          await pieces.return(undefined as never).catch(() => undefined);
        },
      }) };
    },
  };
}

/** For `embed` and `embedMany`. */
export function embeddingModel(model: Model) {
  return {
    specificationVersion: "v3" as const,
    provider: "nibble",
    modelId: nameOf(model),
    maxEmbeddingsPerCall: undefined,
    supportsParallelCalls: true,

    async doEmbed({ values, abortSignal }: { values: string[]; abortSignal?: AbortSignal }) {
      const found = await Promise.all(values.map((value) => (
        model.embed(value, { signal: abortSignal }))));
      return {
        embeddings: found.map(({ vector }) => [...vector]),
        usage: { tokens: found.reduce((sum, { promptTokens }) => sum + promptTokens, 0) },
        warnings: [] as Warning[],
      };
    },
  };
}

function nameOf(model: Model): string {
  const name = model.info.metadata.find(({ key }) => key === "general.name")?.value;
  return typeof name === "string" ? name : "nibble";
}

function messagesOf({ prompt }: CallOptions): ChatMessage[] {
  return prompt as ChatMessage[];
}

function optionsOf(options: CallOptions): GenerateOptions {
  const { maxOutputTokens, temperature, topP, topK, presencePenalty, frequencyPenalty,
    stopSequences, seed, responseFormat, abortSignal } = options;
  // Without a schema any object is meant.
  const schema = responseFormat?.type === "json"
    ? (responseFormat.schema ?? { type: "object" }) as JsonSchema : undefined;
  return { maxTokens: maxOutputTokens, temperature, topP, topK, presencePenalty,
    frequencyPenalty, stop: stopSequences, seed, schema, signal: abortSignal };
}

/** What was asked for and is not done. */
function warningsOf({ tools }: CallOptions): Warning[] {
  return tools?.length ? [{ type: "unsupported", feature: "tools" }] : [];
}

function endOf(result: GenerateResult) {
  const { finishReason, promptTokens, reusedTokens, completionTokens } = result;
  return {
    // Nobody lays a text aside here, but the SDK's types want to know.
    finishReason: { unified: finishReason === "stop" ? "stop" as const : "length" as const,
      raw: finishReason },
    usage: {
      inputTokens: { total: promptTokens, noCache: promptTokens - reusedTokens,
        cacheRead: reusedTokens, cacheWrite: undefined },
      outputTokens: { total: completionTokens, text: completionTokens, reasoning: undefined },
    },
  };
}
