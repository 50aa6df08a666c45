// What the bench compares the engine with: the memory's own speed, and a matrix times a vector as
// anybody would write it. Compiled by compile.mjs, never shipped.

export { matvecPlain } from "./plain";
export { readBytes } from "./read";
