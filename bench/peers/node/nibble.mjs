// Nibble under Node. Does not know: what is timed.

import { load } from "../../../dist/index.js";
import { openNibble } from "../adapters/nibble.mjs";

export const open = (task) => openNibble(load, task);
