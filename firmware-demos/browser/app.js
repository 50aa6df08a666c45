// A page that writes with a model of the visitor's choice, and shows how: bytes as they form
// patches, and what each next byte might have been.

import { loadInWorker } from "nibble-lm";

const $ = (id) => document.getElementById(id);
let model;
let stop;

function say(text, isBad = false) {
  $("status").textContent = text;
  $("status").classList.toggle("bad", isBad);
}

const element = (name, text, properties) =>
  Object.assign(document.createElement(name), { textContent: text, ...properties });

/** A byte as a reader knows it. */
const glyph = (byte) => (byte === 32 ? "␣" : byte === 10 ? "↵" : byte > 255 ? "end"
  : byte > 32 && byte < 127 ? String.fromCharCode(byte) : byte.toString(16));

function showToken({ token, bytes, patch = 0, likeliest }) {
  if ($("patches").lastElementChild?.title !== `patch ${patch}`) {
    $("patches").append(element("span", "", { title: `patch ${patch}` }));
  }
  $("patches").lastElementChild.append(...Array.from(bytes, (b) => element("i", glyph(b))));
  if ($("patches").children.length > 60) $("patches").firstElementChild.remove();
  $("odds").replaceChildren(...likeliest.flatMap(({ token: other, logProbability }) => [
    element("kbd", glyph(other), { className: other === token ? "picked" : "" }),
    element("meter", "", { value: Math.exp(logProbability) }),
    element("output", `${(100 * Math.exp(logProbability)).toFixed(1)} %`),
  ]));
}

/** Runs a form's work with its buttons in the right state; failures are shown, not thrown. */
async function during(event, isWriting, work) {
  event.preventDefault();
  $("load").disabled = $("go").disabled = true;
  $("stop").disabled = !isWriting;
  await work().catch((error) => error.name === "AbortError" || say(error.message, true));
  $("load").disabled = false;
  $("stop").disabled = true;
  $("go").disabled = !model;
}

$("source").onchange = () => ["url", "file"].forEach((id) => {
  $(id).hidden = $("source").value !== id;
});
$("stop").onclick = () => stop.abort();

$("pick").onsubmit = (event) => during(event, false, async () => {
  const chosen = { url: $("url").value, file: $("file").files[0] }[$("source").value];
  await model?.dispose();
  model = undefined;
  const onProgress = ({ loadedBytes, totalBytes }) => {
    $("progress").value = loadedBytes / totalBytes;
  };
  model = await loadInWorker(chosen || undefined, { onProgress });
  say(`${(model.info.parameters / 1e6).toFixed(1)} million parameters, ready to write.`);
});

$("write").onsubmit = (event) => during(event, true, async () => {
  stop = new AbortController();
  $("story").replaceChildren(element("b", $("prompt").value));
  $("patches").replaceChildren();
  const [began, temperature] = [performance.now(), Number($("temperature").value)];
  let count = 0;
  const onToken = (step) => showToken(step, count++);
  const options = { maxTokens: 600, temperature, onToken, signal: stop.signal };
  for await (const text of model.generate($("prompt").value, options)) {
    $("story").append(text);
    say(`${count} tokens, ${Math.round(count / (performance.now() - began) * 1000)} a second`);
  }
});
