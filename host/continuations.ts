// How likely each of many continuations of a text is, in as few passes as the sessions allow. The
// continuations of a text are a tree, of which each token is read once:
//
//   text - " " +- g - o - o - d       two branches; " " belongs to the trunk, as the text does, and
//              +- b - a - d           the last token of each is only predicted, never read
//
// One session reads the trunk, and then the branches one after the other, going back to where they
// part. Where others are free, they get a copy of it behind the trunk, and their branches are rows
// of the same passes: a row's result does not depend on its neighbours, so these are the same bits.
// Knows nothing of what the texts are, nor of what is done with the numbers.

import type { Engine } from "./engine";
import { ROWS_MAX } from "./options";
import type { Session } from "./session";
import { copySession } from "./snapshot";

/** A text in tokens, one at least, and what may come behind it. */
export interface Fork {
  readonly head: readonly number[];
  readonly tails: readonly (readonly number[])[];
}

/** Where a text is read. */
export interface Readers {
  /** The session for a text that begins with these tokens, whose own it may still have. */
  take(tokens: readonly number[]): Promise<Session>;
  /** At most so many sessions more, if they are free; what they held is lost. */
  spare(count: number): Session[];
}

/** A token that is predicted, and, unless none comes behind it, read. */
interface Node {
  readonly token: number;
  readonly next: Map<number, Node>;
  /** Natural logarithm, behind all before it. */
  logProbability: number;
  /** Whether what comes next has its probability. */
  isRead: boolean;
}

interface Tree {
  /** The text but for its last token, which is the root. */
  readonly head: readonly number[];
  /** From the root to where the tails part. */
  readonly trunk: readonly Node[];
  /** What is to be read behind the trunk, in the order of a walk through the tree. */
  readonly branches: readonly (readonly Node[])[];
  /** The nodes of each tail. */
  readonly tails: readonly (readonly Node[])[];
}

/** A shorter common beginning is read by each: it would not save a pass. */
const COPIED_LEAST = ROWS_MAX;

/** Natural logarithm of the probability of each tail of each fork. */
export async function logLikelihoods(
  readers: Readers, forks: readonly Fork[], signal: AbortSignal | undefined,
): Promise<number[][]> {
  const trees = forks.map(treeOf);
  const sessions = [await readers.take(forks[0]?.head ?? [])];
  sessions.push(...readers.spare(Math.min(forks.length, ROWS_MAX) - 1));
  for (let at = 0; at < trees.length; at += sessions.length) {
    const group = trees.slice(at, at + sessions.length);
    await readTrunks(sessions, group, signal);
    await readBranches(sessions, group, (count) => readers.spare(count), signal);
  }
  return trees.map(({ tails }) => tails.map((nodes) => (nodes.length === 0 ? -Infinity
    : nodes.reduce((sum, { logProbability }) => sum + logProbability, 0))));
}

function treeOf({ head, tails }: Fork): Tree {
  const root = nodeOf(head.at(-1) as number);
  const paths = tails.map((tail) => {
    let node = root;
    return tail.map((token) => {
      const next = node.next.get(token) ?? nodeOf(token);
      node.next.set(token, next);
      node = next;
      return next;
    });
  });
  const trunk = [root];
  for (let inner = innerOf(root); inner.length === 1; inner = innerOf(inner[0] as Node)) {
    trunk.push(inner[0] as Node);
  }
  return { head: head.slice(0, -1), trunk, branches: branchesOf(trunk.at(-1) as Node),
    tails: paths };
}

function nodeOf(token: number): Node {
  return { token, next: new Map(), logProbability: 0, isRead: false };
}

/** Those behind a node that are to be read themselves. */
function innerOf({ next }: Node): Node[] {
  return [...next.values()].filter((node) => node.next.size > 0);
}

/** The ways from a node to the last ones that are to be read. */
function branchesOf(start: Node): Node[][] {
  const branches: Node[][] = [];
  // What is found last is walked first, so that neighbours share the most.
  const open = innerOf(start).reverse().map((node) => [node]);
  for (let path = open.pop(); path; path = open.pop()) {
    let inner = innerOf(path.at(-1) as Node);
    for (; inner.length > 0; inner = innerOf(path.at(-1) as Node)) {
      for (const other of inner.slice(1).reverse()) open.push([...path, other]);
      path.push(inner[0] as Node);
    }
    branches.push(path);
  }
  return branches;
}

/** Reads each tree's text and trunk in the session of its number, all in the same passes. */
async function readTrunks(
  sessions: readonly Session[], trees: readonly Tree[], signal: AbortSignal | undefined,
): Promise<void> {
  const texts = trees.map(({ head, trunk }) => [...head, ...trunk.map(({ token }) => token)]);
  const [first, ...others] = texts;
  const parts = trees.map((tree, i) => ({
    session: sessions[i] as Session, text: texts[i] as number[], tree,
  }));
  if (first && others.length > 0) {
    const differs = first.findIndex((token, i) => others.some((text) => text[i] !== token));
    const least = Math.min(...trees.map(({ head }) => head.length));
    const shared = first.slice(0, differs < 0 ? least : Math.min(differs, least));
    if (shared.length >= COPIED_LEAST) await spread(parts, shared, signal);
  }
  await together(parts, async ({ session, text, tree: { head, trunk } }) => {
    // The root is read in any case, since what comes behind it is asked.
    const kept = session.keepShared(text.slice(0, head.length + 1));
    await read(session, text.slice(kept), trunk, signal);
  });
}

/** Reads the beginning that all texts have in common once, and copies it. */
async function spread(
  parts: readonly { session: Session }[], text: readonly number[], signal: AbortSignal | undefined,
): Promise<void> {
  const [first, ...others] = parts.map(({ session }) => session);
  if (!first) return;
  await together(parts.slice(0, 1), () => (
    read(first, text.slice(first.keepShared(text)), [], signal)));
  copy(first, others);
}

function copy(from: Session, others: readonly Session[]): void {
  for (const other of others) other.rewind(0);
  copySession(from.host.engine, from.index, others.map(({ index }) => index));
}

/** Reads the branches behind the trunks that the first sessions have read. */
async function readBranches(
  sessions: readonly Session[], trees: readonly Tree[], spare: Readers["spare"],
  signal: AbortSignal | undefined,
): Promise<void> {
  const own = trees.map((_, i) => [sessions[i] as Session]);
  const free = [...sessions.slice(trees.length)];
  const wanted = trees.map(sessionsFor);
  const most = wanted.reduce((sum, count) => sum + count, 0) - trees.length;
  free.push(...spare(most - free.length));
  // One more for each tree in turn, as long as it has a use for it.
  for (let round = 1; free.length > 0 && wanted.some((count) => count > round); round++) {
    trees.forEach((_, i) => {
      const more = (wanted[i] as number) > round ? free.shift() : undefined;
      if (more) own[i]?.push(more);
    });
  }
  const parts = trees.flatMap((tree, i) => {
    const [first, ...others] = own[i] as Session[];
    if (first) copy(first, others);
    const size = Math.ceil(tree.branches.length / (others.length + 1));
    return (own[i] as Session[]).map((session, part) => (
      { tree, session, branches: tree.branches.slice(part * size, (part + 1) * size) }));
  });
  await together(parts, async ({ tree, session, branches }) => {
    const start = tree.head.length + tree.trunk.length;
    let before: readonly Node[] = [];
    for (const branch of branches) {
      const shared = branch.findIndex((node, i) => node !== before[i]);
      session.rewind(start + shared);
      const rest = branch.slice(shared);
      await read(session, rest.map(({ token }) => token), rest, signal);
      before = branch;
    }
  });
}

/** As many sessions as make passes fewer: no pass has more than its rows. */
function sessionsFor({ branches }: Tree): number {
  const rows = new Set(branches.flat()).size;
  return Math.max(1, Math.ceil(branches.length / Math.max(1, Math.ceil(rows / ROWS_MAX))));
}

/**
 * Work in several sessions at the same time, whose passes are shared. When some of it fails, so
 * does the whole, once all else has ended.
 */
async function together<T extends { session: Session }>(
  parts: readonly T[], work: (part: T) => Promise<void>,
): Promise<void> {
  // First of all: the first one would not wait for others that nobody knows of.
  for (const { session } of parts) session.host.passes.enter();
  const results = await Promise.allSettled(parts.map(async (part) => {
    const { passes } = part.session.host;
    try {
      await work(part);
    } finally {
      passes.leave();
    }
  }));
  const failed = results.find(({ status }) => status === "rejected");
  if (failed?.status === "rejected") throw failed.reason;
}

/** Reads tokens in passes that may be shared; the last of them are those of the nodes. */
async function read(
  session: Session, tokens: readonly number[], nodes: readonly Node[],
  signal: AbortSignal | undefined,
): Promise<void> {
  const { engine, passes } = session.host;
  const first = tokens.length - nodes.length;
  await passes.read(session.index, tokens, nodes.length > 0, () => {
    signal?.throwIfAborted();
    // Throws where the session or its model is gone.
    void session.position;
  }, {
    // The last one's logits are there already, so it comes first.
    heard: (row, at, count) => {
      for (let i = count - 1; i >= 0; i--) {
        const node = nodes[at + i - first];
        if (!node || node.isRead) continue;
        if (at + i < tokens.length - 1) engine.call((e) => e.logitsOf(row + i));
        predict(engine, session.index, node);
      }
    },
  });
}

/** By the session's logits, how likely each node is that comes behind this one. */
function predict(engine: Engine, index: number, node: Node): void {
  node.isRead = true;
  const logProbability = (token: number): number => engine.exports.logProbability(index, token);
  if (node.next.size < 2) {
    for (const next of node.next.values()) next.logProbability = logProbability(next.token);
    return;
  }
  // The sum over the vocabulary is the same for all, and what the likeliest has of it: its own
  // logit, minus itself, minus the logarithm of the sum.
  const address = engine.call((e) => e.logitsAddress(index));
  const bytes = engine.bytes(address, engine.fact("vocabulary") * 4);
  const logits = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
  let likeliest = 0;
  for (let i = 1; i < logits.length; i++) {
    if ((logits[i] as number) > (logits[likeliest] as number)) likeliest = i;
  }
  const most = logits[likeliest] as number;
  const rest = logProbability(likeliest);
  for (const next of node.next.values()) {
    next.logProbability = (logits[next.token] as number) - most + rest;
  }
}
