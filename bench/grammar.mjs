// What it costs to keep a text to a grammar: node bench/grammar.mjs MODEL [write]. Prints the time
// to build the vocabulary's tree, to compile a grammar of JSON and one of a form, and of the masks
// of a text of each, token by token, in a first text and in a second under the same constraint.
// `write` compares texts that the model writes: free, under the form, and without the tokens that
// the form forces. A vocabulary without weights does for the rest.

const { load } = await import(new URL("../dist/index.js", import.meta.url).href);
const [path, write] = process.argv.slice(2);
if (!path) {
  process.stderr.write("usage: node bench/grammar.mjs MODEL [write]\n");
  process.exit(2);
}

// The parts of a grammar, as host/grammar/syntax.ts has them.
const set = (...ranges) => {
  const words = new Uint32Array(8);
  for (const [first, last] of ranges) {
    for (let byte = first; byte <= last; byte++) words[byte >> 5] |= 1 << (byte & 31);
  }
  return { kind: "bytes", set: words };
};
const sequence = (...parts) => ({ kind: "sequence", parts });
const choice = (...options) => ({ kind: "choice", options });
const repeat = (part, least, most) => ({ kind: "repeat", part, least, most });
const rule = (index) => ({ kind: "rule", index });
const literal = (text) => sequence(...[...Buffer.from(text)].map((byte) => set([byte, byte])));
const list = (part) => repeat(sequence(part, repeat(sequence(literal(","), part), 0, Infinity)), 0, 1);

const tail = set([0x80, 0xbf]);
const letter = choice(
  set([0x20, 0x21], [0x23, 0x5b], [0x5d, 0x7f]),
  sequence(set([0xc2, 0xdf]), tail),
  sequence(set([0xe0, 0xe0]), set([0xa0, 0xbf]), tail),
  sequence(set([0xe1, 0xec], [0xee, 0xef]), tail, tail),
  sequence(set([0xed, 0xed]), set([0x80, 0x9f]), tail),
  sequence(set([0xf0, 0xf0]), set([0x90, 0xbf]), tail, tail),
  sequence(set([0xf1, 0xf3]), tail, tail, tail),
  sequence(set([0xf4, 0xf4]), set([0x80, 0x8f]), tail, tail),
  sequence(literal("\\"), set([0x22, 0x22], [0x5c, 0x5c], [0x62, 0x62], [0x6e, 0x6e])),
);
const text = (most) => sequence(literal('"'), repeat(letter, 0, most), literal('"'));
const space = repeat(set([0x20, 0x20], [0x0a, 0x0a]), 0, Infinity);
const digit = set([0x30, 0x39]);
const number = sequence(repeat(literal("-"), 0, 1), repeat(digit, 1, 16),
  repeat(sequence(literal("."), repeat(digit, 1, 16)), 0, 1));
const spaced = (part) => sequence(space, part, space);

/** Any JSON object. */
const json = { rules: [
  spaced(rule(1)),
  sequence(literal("{"), list(sequence(spaced(rule(4)), literal(":"), rule(3))), space, literal("}")),
  sequence(literal("["), list(rule(3)), space, literal("]")),
  spaced(choice(rule(1), rule(2), rule(4), number, literal("true"), literal("false"), literal("null"))),
  text(Infinity),
] };
/** Five members, texts of bounded length, as a schema would have them. */
const form = { rules: [sequence(
  literal('{"name": '), text(40), literal(', "city": '), text(40), literal(', "age": '),
  repeat(digit, 1, 3), literal(', "is_married": '), choice(literal("true"), literal("false")),
  literal(', "about": '), text(200), literal("}"),
)] };

const ABOUT = "Was born in the north, where winters are long; moved south with her sister and two cats, "
  + "learned to bake, and opened a shop that sells bread, jam and old books.";
const texts = {
  json: JSON.stringify({ people: [{ name: "Ada Lovelace", born: 1815, tags: ["math", "poetry"] },
    { name: "Zoë Müller", note: ABOUT, scores: [1.5, 2, 30.25], next: null, ok: true }] }, null, 2),
  form: `{"name": "Ada Lovelace", "city": "London and later Paris", "age": 36, "is_married": true, `
    + `"about": "${ABOUT}"}`,
};

const middle = (values) => [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0;
const micro = (milliseconds) => `${(milliseconds * 1000).toFixed(1)} us`;
const print = (line) => process.stdout.write(`${line}\n`);

const model = await load(path, { context: 512 });
let begin = performance.now();
model.constrain({ rules: [literal("a")] });
print(`tree of the vocabulary: ${(performance.now() - begin).toFixed(1)} ms`);

for (const [name, grammar] of [["json", json], ["form", form]]) {
  begin = performance.now();
  const constraint = model.constrain(grammar);
  print(`${name}: compiled in ${(performance.now() - begin).toFixed(1)} ms`);
  const tokens = model.tokenize(texts[name], { special: false });
  if (model.detokenize(tokens) !== texts[name]) {
    // As of the random models of bench/models, which have no piece for a space.
    print(`  masks not measured: this vocabulary does not spell the text, and writes `
      + `${JSON.stringify(model.detokenize(tokens).slice(0, 20))} ...; for them, give a file with the `
      + "vocabulary of a trained model (one without weights will do)");
    continue;
  }
  const mask = new Uint8Array(Math.ceil(constraint.vocabulary.size / 8));
  for (const round of ["first text", "second text", "third text"]) {
    const guide = constraint.guide();
    const times = tokens.map((token, i) => {
      const from = performance.now();
      guide.mask(mask, i === 0);
      guide.forced(1024);
      guide.advance(i === 0 ? Buffer.from(model.detokenize([token])) : model.tokenBytes(token));
      return performance.now() - from;
    });
    const mean = times.reduce((sum, time) => sum + time, 0) / times.length;
    print(`  ${round}: ${tokens.length} tokens; mean ${micro(mean)}, median `
      + `${micro(middle(times))}, most ${micro(Math.max(...times))}`);
  }
}

/** The same constraint, whose guides add the time that they take to `spent`. */
function timed(constraint, spent, changes = {}) {
  const guide = (endings) => {
    const own = constraint.guide(endings);
    for (const name of ["mask", "advance", "forced"]) {
      const call = (changes[name] ?? own[name]).bind(own);
      own[name] = (...values) => {
        const before = performance.now();
        const from = performance.now();
        const result = call(...values);
        // Less what it takes to look at the clock, which some of these calls hardly exceed.
        spent.time += performance.now() - from - (from - before);
        return result;
      };
    }
    return own;
  };
  return Object.create(constraint, { guide: { value: guide } });
}

/** One text, after a prompt that has been read. */
async function writeText(session, constraint) {
  session.rewind(0);
  await session.feed("Ada was born in London.");
  const spent = { time: 0 };
  const form = constraint ? { constraint: constraint(spent) } : {};
  const from = performance.now();
  const options = { maxTokens: 300, seed: 1, temperature: 0.8, likeliest: 0 };
  const pieces = session.generate(" ", options, form);
  for (;;) {
    const { done, value } = await pieces.next();
    if (!done) continue;
    const time = performance.now() - from;
    return { tokens: value.completionTokens, time, share: spent.time / time };
  }
}

if (write) {
  const session = model.session();
  const [any, filled] = [model.constrain(json), model.constrain(form)];
  const sampled = { forced: () => ({ bytes: new Uint8Array(0), isComplete: false }) };
  const ways = {
    "free": undefined,
    "any JSON": (spent) => timed(any, spent),
    "form": (spent) => timed(filled, spent),
    "form, nothing forced": (spent) => timed(filled, spent, sampled),
  };
  for (const [name, constraint] of Object.entries(ways)) {
    const runs = [];
    for (let i = 0; i < 5; i++) runs.push(await writeText(session, constraint));
    const [{ tokens, share: first }] = runs;
    const time = Math.min(...runs.map((run) => run.time));
    const share = middle(runs.map((run) => run.share));
    print(`${name}: ${tokens} tokens in ${time.toFixed(1)} ms, ${(time / tokens).toFixed(3)} ms a `
      + `token; in the constraint ${(share * 100).toFixed(1)} %, in the first text `
      + `${(first * 100).toFixed(1)} %`);
  }
}
model.dispose();
