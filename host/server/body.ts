// The JSON of a request's body, as much of it as is allowed. Knows nothing of what it means.

import { repeatedName } from "../repeated";
import { Refusal } from "./refusal";

/**
 * Throws 415 for a type that is not JSON's, since other types are what any page may send to any
 * server; 413 for more than `most` bytes, whether they are announced or not; and 400
 * for what is no JSON, and for a name that comes twice in one object, as a keyword of a schema may:
 * only the last would count, and what the other says would be passed over.
 */
export async function readJson(request: Request, most: number): Promise<unknown> {
  if (!/^application\/json *(;|$)/i.test(request.headers.get("content-type") ?? "")) {
    throw new Refusal(415, "The content-type must be application/json.");
  }
  const text = await readText(request, most);
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    throw new Refusal(400, "The body is not JSON.");
  }
  const name = repeatedName(text);
  if (name === undefined) return body;
  throw new Refusal(400, `The body has the name ${JSON.stringify(name.slice(0, 64))} twice in one `
    + "object, of which only the last would count; send it once.");
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
