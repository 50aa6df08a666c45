// What every runtime is asked for: the hash of a prompt's logits, a sampled text that is saved in
// its middle and taken up again, or the rest of a text that another runtime saved. Plain JavaScript
// with nothing of any platform. Does not know: where it runs, and where the model comes from.

const asText = (bytes) => btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
const asBytes = (text) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0));

/** Answers a task; `load` is the library's, `input` what it takes. */
export async function answer(load, input, task) {
  const model = await load(input, { context: 512, ...task.build });
  try {
    const { simd, threads } = model.info;
    const texts = await (task.saved === undefined ? write(model, task) : resume(model, task));
    return { build: { simd, threads }, ...texts };
  } finally {
    model.dispose();
  }
}

async function write(model, { prompt, options }) {
  const session = model.session();
  const logits = await session.hashLogits(model.tokenize(prompt));
  session.rewind(0);
  let first = "";
  let count = 0;
  for await (const piece of session.generate(prompt, options)) {
    first += piece;
    // What has a form ends by itself, so nobody knows how many tokens a third of it are.
    if (++count >= (options.schema ? 12 : options.maxTokens / 3)) break;
  }
  const saved = asText(session.save());
  return { logits, first, saved, rest: await all(session.resume(options)) };
}

async function resume(model, { saved, options }) {
  const session = model.session();
  session.restore(asBytes(saved));
  return { rest: await all(session.resume(options)), saved: asText(session.save()) };
}

async function all(pieces) {
  let text = "";
  for await (const piece of pieces) text += piece;
  return text;
}
