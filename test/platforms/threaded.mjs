// A task in a Web Worker, where a page may have threads: an address and the task come as a message,
// and so goes the answer.

import { load } from "/node_modules/nibble-lm/dist/browser.js";
import { answer } from "./program.mjs";

globalThis.addEventListener("message", async ({ data: [address, task] }) => {
  try {
    globalThis.postMessage({ answer: await answer(load, new URL(address), task) });
  } catch (error) {
    globalThis.postMessage({ failure: String(error) });
  }
});
