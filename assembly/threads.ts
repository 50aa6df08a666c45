// Work shared among threads: a job is a function and a number of units, cut into chunks that every
// thread takes in turn until none is left: of a short job large ones first, in which memory is read
// on and on, then small ones, with which those that are done earlier help the others. A thread that
// the machine does not let run takes none, and nobody waits for it: only for chunks that have
// been begun. Knows nothing of what is computed, and what is computed must not depend on who
// computes it.
//
// All threads run this program on one memory, each with variables of its own: what a job reads must
// lie in memory. The first thread is the one that hosts call; the others stay in `serve`. Without
// the `threads` feature all of it comes down to one call.

/** A part of a job: units `from` to before `to`. `thread` says whose scratch to use. */
export type Work = (thread: i32, from: i32, to: i32) => void;

/** Most threads: more gain nothing on models of this size. */
export const THREADS_MAX: i32 = 16;
/**
 * Turns of looking before sleeping: some 30 us, longer than what one thread does alone between two
 * jobs. To wake a processor that sleeps takes as long again on virtual machines.
 */
const TURNS: i32 = 50_000;
/** Quarters of a short job that go in large chunks, one for each thread. */
const LARGE_QUARTERS: i32 = 3;
/** Small chunks for each thread. */
const SMALL_EACH: i32 = 2;
/** Cost of a job that is no longer short: that of several rows, whose weights stay in the cache. */
const LONG: i64 = 1 << 23;
/** Most small chunks, and the cost from which a long job has more than its threads ask for. */
const SMALL_MAX: i32 = 64;
const SMALL_COST: i64 = 1 << 18;
/** Below this cost of all units together, in bytes touched, sharing takes longer. */
const SMALLEST_COST: i64 = 1 << 17;
/** Nanoseconds of one sleep, and sleeps after which what another thread has begun is lost. */
const SLEEP: i64 = 50_000_000;
const SLEEPS_MAX: i32 = 1200;

// Each word that threads write lies on a cache line of its own.
const TICKET: usize = memory.data(64, 16); //  u64: chunks << 16 | the next one
const DONE: usize = memory.data(64, 16); //    i32: chunks that are finished
const JOBS: usize = memory.data(64, 16); //    i32: jobs so far, the end among them
const SLEEPERS: usize = memory.data(64, 16); // i32: how many others sleep
const JOB: Job = changetype<Job>(memory.data(64, 16));

// @ts-ignore: decorator
@unmanaged class Job {
  work: usize;
  units: i32;
  /** Large chunks, which come first, and the units of a large and of a small one. */
  largeChunks: i32;
  large: i32;
  small: i32;
  chunks: i32;
  /** Chunks that were done when the first thread looked last, and how often it has slept since. */
  done: i32;
  sleeps: i32;
  isEnd: i32;
}

/** Threads that take part; set once, by the first. */
let threads: i32 = 1;

/** Tells the first thread how many there are, itself included. */
export function startThreads(count: i32): void {
  threads = count;
}

/** Lets the others return from `serve`. */
export function endThreads(): void {
  if (!ASC_FEATURE_THREADS) return;
  threads = 1;
  JOB.isEnd = 1;
  atomic.add<i32>(JOBS, 1);
  atomic.notify(JOBS, -1);
}

/** Has units 0 to before `units` done; `cost` is about how many bytes one of them touches. */
export function share(work: Work, units: i32, cost: i32): void {
  const total = <i64>units * <i64>cost;
  if (!ASC_FEATURE_THREADS || threads == 1 || units < 2 || total < SMALLEST_COST) {
    work(0, 0, units);
    return;
  }
  JOB.work = changetype<usize>(work);
  JOB.units = units;
  cut(units, total);
  JOB.sleeps = 0;
  atomic.store<i32>(DONE, 0);
  atomic.store<u64>(TICKET, <u64>JOB.chunks << 16);
  atomic.add<i32>(JOBS, 1);
  if (atomic.load<i32>(SLEEPERS) > 0) atomic.notify(JOBS, -1);
  takeChunks(0);
  awaitChunks();
}

/** Into chunks; `cost` is that of the whole job. */
function cut(units: i32, cost: i64): void {
  const isLong = cost >= LONG;
  const large = isLong ? 0 : (units * LARGE_QUARTERS) / (4 * threads);
  const rest = units - large * threads;
  const wanted = isLong ? <i32>min<i64>(cost / SMALL_COST, SMALL_MAX) : 0;
  const parts = max<i32>(threads * SMALL_EACH, wanted);
  const small = max<i32>(1, (rest + parts - 1) / parts);
  JOB.largeChunks = large > 0 ? threads : 0;
  JOB.large = large;
  JOB.small = small;
  JOB.chunks = JOB.largeChunks + (rest + small - 1) / small;
}

/** The first unit of a chunk. */
function startOf(chunk: i32): i32 {
  if (chunk < JOB.largeChunks) return chunk * JOB.large;
  return JOB.largeChunks * JOB.large + (chunk - JOB.largeChunks) * JOB.small;
}

/** Chunk after chunk, until all are taken. */
function takeChunks(thread: i32): void {
  while (true) {
    // Who gets a chunk that is to be done knows that the job lasts until it is.
    const ticket = atomic.add<u64>(TICKET, 1);
    const chunks = <i32>(ticket >> 16);
    const chunk = <i32>(ticket & 0xffff);
    if (chunk >= chunks) return;
    const work = changetype<Work>(JOB.work);
    work(thread, startOf(chunk), min<i32>(startOf(chunk + 1), JOB.units));
    const done = atomic.add<i32>(DONE, 1) + 1;
    if (done == chunks && thread > 0) atomic.notify(DONE, 1);
  }
}

/**
 * Until the chunks that others have begun are finished, too. What it counts lies in memory: V8's
 * first tier loses variables across a wait (seen in 11.3 and 13.6).
 */
function awaitChunks(): void {
  for (let turn: i32 = 0; turn < TURNS; turn++) {
    if (atomic.load<i32>(DONE) == JOB.chunks) return;
  }
  while (true) {
    JOB.done = atomic.load<i32>(DONE);
    if (JOB.done == JOB.chunks) return;
    // A thread that has been ended from outside would be waited for without end.
    if (JOB.sleeps == SLEEPS_MAX) unreachable();
    JOB.sleeps++;
    atomic.wait<i32>(DONE, JOB.done, SLEEP);
  }
}

/** The life of every thread but the first. Returns at `endThreads`. */
export function serve(thread: i32): void {
  if (!ASC_FEATURE_THREADS) return;
  let seen: i32 = 0;
  while (true) {
    seen = awaitJob(seen);
    if (JOB.isEnd != 0) return;
    takeChunks(thread);
  }
}

/** Until there is another job than `seen`; which one. */
function awaitJob(seen: i32): i32 {
  for (let turn: i32 = 0; turn < TURNS; turn++) {
    const jobs = atomic.load<i32>(JOBS);
    if (jobs != seen) return jobs;
  }
  atomic.add<i32>(SLEEPERS, 1);
  // Once is enough: who is woken for nothing finds nothing to do, and comes back.
  atomic.wait<i32>(JOBS, seen, -1);
  atomic.sub<i32>(SLEEPERS, 1);
  return atomic.load<i32>(JOBS);
}
