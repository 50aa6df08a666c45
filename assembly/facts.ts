// Numbers about the model for hosts that ask. Knows nothing of what is asked for why.

import { contextMax, isPooled, tokenStack, trunk, vocabulary } from "./config";
import { entriesRead, tensorCount, version } from "./gguf";
import { parameters } from "./model";
import { context, isInt8Cache, sessionCount } from "./session";
import { addsBos, bos, eos, kind } from "./tokenizer/settings";

/** A number about the model; which: see FACT in host/engine.ts. -1 for an unknown number. */
export function fact(which: i32): i64 {
  switch (which) {
    case 0: return vocabulary;
    case 1: return contextMax;
    case 2: return context;
    case 3: return sessionCount;
    case 4: return trunk.layers;
    case 5: return trunk.width;
    case 6: return trunk.heads;
    case 7: return trunk.kvHeads;
    case 8: return trunk.headSize;
    case 9: return trunk.feedForward;
    case 10: return parameters;
    case 11: return isInt8Cache ? 1 : 0;
    case 12: return bos;
    case 13: return eos;
    case 14: return addsBos ? 1 : 0;
    case 15: return kind;
    case 16: return version;
    case 17: return tensorCount;
    case 18: return entriesRead();
    case 19: return trunk.blocks;
    case 20: return tokenStack.width;
    case 21: return tokenStack.layers;
    case 22: return isPooled ? trunk.positions : 0;
    default: return -1;
  }
}
