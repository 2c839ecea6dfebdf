import { setTimeout } from "node:timers/promises";
import { expect, test } from "vitest";
import { type Watcher, Watchers } from "./watchers.ts";

const never = new AbortController().signal;
/** Whether a watcher was woken since it was last asked. */
const wasWoken = async (watcher: Watcher): Promise<boolean> => (await watcher.next(never, 0)) === "change";

test("credentials wake those who show them, and those of whom it is not known yet", async () => {
  const watchers = new Watchers(() => 0);
  const [shows, showsOthers, unknown, nobody] = [watchers.add(), watchers.add(), watchers.add(), watchers.add()];
  shows.entries = [{ id: "a" }, { id: "b" }];
  showsOthers.entries = [{ id: "c" }];
  nobody.entries = [];
  watchers.wake(new Set(["b"]));
  expect(await Promise.all([shows, showsOthers, unknown, nobody].map(wasWoken))).toEqual([true, false, true, false]);
  watchers.wake();
  expect(await Promise.all([shows, showsOthers, unknown, nobody].map(wasWoken))).toEqual([true, true, true, true]);
});

test("of many, all are woken, in waves and in another order", async () => {
  const watchers = new Watchers(Math.random);
  const all = Array.from({ length: 950 }, () => watchers.add());
  const woken: number[] = [];
  const waits = all.map(async (watcher, index) => {
    await watcher.next(never);
    woken.push(index);
  });
  await setTimeout(0);
  watchers.wake();
  await setTimeout(0);
  expect(woken.length).toBeGreaterThan(0);
  await Promise.all(waits);
  expect(woken).not.toEqual(all.map((_, index) => index));
  expect([...woken].sort((a, b) => a - b)).toEqual(all.map((_, index) => index));
});
