// Nibble in a page. Does not know: what is timed.

import { load } from "/dist/browser.js";
import { openNibble } from "../adapters/nibble.mjs";

/** A page itself may not wait for threads; its workers may. */
export const wantsWorker = ({ threads }) => threads > 1;

export const open = (task) => openNibble(
  (address, options) => load(address, { ...options, keep: false }), task);
