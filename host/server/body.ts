// The JSON of a request's body, as much of it as is allowed. Knows nothing of what it means.

import { Refusal } from "./refusal";

/**
 * Throws 415 for a type that is not JSON's, since other types are what any page may send to any
 * server; 413 for more than `most` bytes, whether they are announced or not; and 400.
 */
export async function readJson(request: Request, most: number): Promise<unknown> {
  if (!/^application\/json *(;|$)/i.test(request.headers.get("content-type") ?? "")) {
    throw new Refusal(415, "The content-type must be application/json.");
  }
  const text = await readText(request, most);
  try {
    return JSON.parse(text);
  } catch {
    throw new Refusal(400, "The body is not JSON.");
  }
}

async function readText(request: Request, most: number): Promise<string> {
  const tooLarge = new Refusal(413, `The body is larger than ${most} bytes.`);
  if (Number(request.headers.get("content-length") ?? 0) > most) throw tooLarge;
  const reader = request.body?.getReader();
  const decoder = new TextDecoder();
  let text = "";
  for (let bytes = 0; reader;) {
    const { done, value } = await reader.read();
    if (done) break;
    bytes += value.length;
    if (bytes > most) {
      await reader.cancel().catch(() => undefined);
      throw tooLarge;
    }
    text += decoder.decode(value, { stream: true });
  }
  return text + decoder.decode();
}
