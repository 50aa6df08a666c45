// The model's end of `loadInWorker` (browser.ts): this file is what the Web Worker runs.

import { answer, type Port } from "../remote";
import { load } from "./browser";

answer(globalThis as unknown as Port, load);
