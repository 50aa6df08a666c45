// The key that clients must send. Knows nothing of what they ask for.

import { Refusal } from "./refusal";

/** Throws 401 unless the header is `Bearer KEY`; without a key, everybody may ask. */
export async function checkKey(
  header: string | null | undefined, apiKey: string | undefined,
): Promise<void> {
  if (apiKey === undefined) return;
  const [, key = ""] = /^Bearer +(.+)$/i.exec(header ?? "") ?? [];
  if (await isSame(key, apiKey)) return;
  throw new Refusal(401, key === "" ? "No API key was given: send it as Authorization: Bearer KEY."
    : "The API key is wrong.", null, "invalid_api_key");
}

/** Whether two keys are the same, in a time that says nothing of where they differ. */
async function isSame(a: string, b: string): Promise<boolean> {
  const [first, second] = await Promise.all([a, b].map(async (key) => (
    new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(key))))));
  let difference = 0;
  first?.forEach((byte, i) => {
    difference |= byte ^ (second?.[i] ?? 0);
  });
  return difference === 0;
}
