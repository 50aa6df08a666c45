// Nibble in a page. Does not know: what is timed.

import { load } from "/dist/browser.js";
import { openNibble } from "../adapters/nibble.mjs";

export const open = (task) => openNibble(
  (address, options) => load(address, { ...options, keep: false }), task);
