// Nibble on Bun, which has Node's files and Node's turns and needs nothing of its own; an entry all
// the same, so that what Bun does otherwise one day has its place.

export * from "./node";
