// Who gets a free session: first come, first served, also when some give up waiting.
// Does not know: what is done with a session.

import { expect, it } from "vitest";
import { Pool } from "../../host/pool";

const first = (free: readonly number[]): number => free[0] as number;
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

it("serves in order, whatever happens to those before", async () => {
  for (const pause of [undefined, turn]) {
    const pool = new Pool(1, 10, pause);
    const index = await pool.take(undefined, first);
    const order: string[] = [];
    const stops = new Map<string, AbortController>();
    const waiting = ["a", "b", "c", "d", "e"].map(async (name) => {
      const stop = new AbortController();
      stops.set(name, stop);
      try {
        const own = await pool.take(stop.signal, first);
        order.push(name);
        await turn();
        pool.giveBack(own);
      } catch {
        order.push(`${name} gave up`);
      }
    });
    expect(pool.load).toEqual({ running: 1, waiting: 5 });
    stops.get("a")?.abort();
    stops.get("c")?.abort();
    await turn();
    pool.giveBack(index);
    await Promise.all(waiting);
    expect(order.filter((name) => name.length === 1)).toEqual(["b", "d", "e"]);
    expect(order).toContain("a gave up");
    expect(order).toContain("c gave up");
    expect(pool.load).toEqual({ running: 0, waiting: 0 });
    expect(pool.open()).toBe(index);
  }
});

it("passes on what was given to one that gave up at the same moment", async () => {
  const pool = new Pool(1, 10, turn);
  const index = await pool.take(undefined, first);
  const stop = new AbortController();
  const quitter = pool.take(stop.signal, first).catch(() => "gave up");
  const patient = pool.take(undefined, first);
  pool.giveBack(index); // to the first, who has not looked yet
  stop.abort();
  expect(await quitter).toBe("gave up");
  expect(await patient).toBe(index);
});

it("gives the one that was chosen, and takes back those that were opened", async () => {
  const pool = new Pool(3, 10);
  expect(await pool.take(undefined, () => 1)).toBe(1);
  expect([pool.open(), pool.open()]).toEqual([0, 2]);
  expect(() => pool.open()).toThrow("sessions: 4");
  const waiting = pool.take(undefined, first); // the one text that is written will end
  pool.giveBack(2);
  expect(await waiting).toBe(2);
  pool.giveBack(1);
  pool.giveBack(2);
  expect(await pool.take(undefined, first)).toBe(1); // free the longest
});

it("waits for nobody when conversations hold all sessions", async () => {
  const pool = new Pool(1, 10);
  pool.open();
  await expect(pool.take(undefined, first)).rejects.toMatchObject({ code: "SESSIONS_IN_USE" });
});

it("wakes everybody when it is closed", async () => {
  for (const pause of [undefined, turn]) {
    const pool = new Pool(1, 10, pause);
    await pool.take(undefined, first);
    const waiting = pool.take(undefined, first);
    pool.close();
    await expect(waiting).rejects.toMatchObject({ code: "MODEL_DISPOSED" });
  }
});

it("takes sessions back that stand still where nobody says that a client has gone", async () => {
  const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 1));
  const pool = new Pool(2, 10, pause, 50);
  const closed: string[] = [];
  const hold = async (name: string) => {
    const index = await pool.take(undefined, first);
    return pool.watch(index, { position: 0, close() {
      closed.push(name);
      pool.giveBack(index);
    } });
  };
  const moving = await hold("moving");
  await hold("gone");
  const timer = setInterval(() => moving.position++, 1);
  for (let i = 0; i < 100; i++) await pause();
  expect(closed).toEqual([]); // nobody waits
  await hold("next");
  expect(closed).toEqual(["gone"]);
  expect(pool.load).toEqual({ running: 2, waiting: 0 });
  clearInterval(timer);
});
