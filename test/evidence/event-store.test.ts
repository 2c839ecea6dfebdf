import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { VigilEvent } from "../../src/event/event.ts";
import { dayOf } from "../../src/event/timestamp.ts";
import { DayFile, dayFilePath, FORMAT_VERSION } from "../../src/evidence/day-file.ts";
import { followEvents, readEvent, readEvents } from "../../src/evidence/event-reader.ts";
import { EventStore } from "../../src/evidence/event-store.ts";
import { removeExpired } from "../../src/evidence/retention.ts";
import { sampleDecision, sampleProducer } from "./sample-producer.ts";
import { sampleRuntimeEvents } from "./sample-runtime-event.ts";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "vigil-evidence-"));
});
const mounted: string[] = [];
afterEach(() => {
  for (const path of mounted.splice(0)) execFileSync("umount", ["--lazy", path]);
  rmSync(directory, { recursive: true, force: true });
});

const today = (): string => dayOf(BigInt(Date.now()) * 1_000_000n);

async function stored(...events: readonly VigilEvent[]): Promise<void> {
  const store = new EventStore({ directory, producer: sampleProducer() });
  for (const event of events) store.append(event);
  expect(await store.close()).toBe(0);
}

describe("what was appended", () => {
  test("comes back as it was, every kind of event", async () => {
    const producer = sampleProducer();
    const events = [
      sampleDecision(producer, { verdict: "deny", severity: 3, auditId: "audit-1" }),
      producer.action({
        severity: 2,
        subject: "root",
        action: "break-glass.open",
        object: "admission",
        outcome: "done",
        message: "for the outage",
      }),
      producer.gap({ severity: 4, subject: "vigil", fromSeq: 1, toSeq: 4, count: 3, reason: "queue_full" }),
      ...Object.values(sampleRuntimeEvents(producer)),
    ];
    await stored(...events);
    expect(readEvents(directory, {}, 10)).toEqual(events);
    for (const event of events) expect(readEvent(directory, event.id)).toEqual(event);
  });

  test("is found by its filters, newest kept when limited, oldest first", async () => {
    const producer = sampleProducer();
    const events = ["a", "b", "c"].map((name, i) =>
      sampleDecision(producer, { object: `Pod ${name}/x`, verdict: i === 1 ? "deny" : "allow", policy: `p${i}` }),
    );
    await stored(...events);
    expect(readEvents(directory, { verdict: "deny" }, 10)).toEqual([events[1]]);
    expect(readEvents(directory, { policy: "p2" }, 10)).toEqual([events[2]]);
    expect(readEvents(directory, { object: "a/" }, 10)).toEqual([events[0]]);
    expect(readEvents(directory, {}, 2)).toEqual(events.slice(1));
    expect(readEvents(directory, { kind: "gap" }, 2)).toEqual([]);
  });

  test("of the host is found by process, rule and severity", async () => {
    const { process, file, network, flow, finding } = sampleRuntimeEvents(sampleProducer());
    await stored(process, file, network, flow, finding);
    expect(readEvents(directory, { kind: "process" }, 10)).toEqual([process]);
    expect(readEvents(directory, { pid: 4711 }, 10)).toEqual([process, file, network, finding]);
    expect(readEvents(directory, { execId: finding.execId }, 10)).toHaveLength(5);
    expect(readEvents(directory, { rule: "Read sensitive file untrusted" }, 10)).toEqual([finding]);
    expect(readEvents(directory, { severity: 3 }, 10)).toEqual([flow, finding]);
  });

  test("is stored once, though it is sent twice", async () => {
    const event = sampleDecision(sampleProducer());
    await stored(event, event);
    expect(readEvents(directory, {}, 10)).toHaveLength(1);
  });

  test("goes into the file of its day", async () => {
    const days = [Date.UTC(2026, 0, 1, 23, 59, 59, 999), Date.UTC(2026, 0, 2)];
    await stored(...days.map((ms) => sampleDecision(sampleProducer("boot", () => ms))));
    expect(readdirSync(directory).sort()).toEqual(["events-2026-01-01.sqlite", "events-2026-01-02.sqlite"]);
    expect(readEvents(directory, {}, 10)).toHaveLength(2);
    expect(removeExpired(directory, { days: 1, maxBytes: 2 ** 40 }, Date.UTC(2026, 0, 3))).toEqual(["2026-01-01"]);
  });

  test("is seen by one who follows", async () => {
    const stop = new AbortController();
    const producer = sampleProducer();
    const store = new EventStore({ directory, producer });
    await store.appended(sampleDecision(producer));
    const seen = followEvents(directory, { verdict: "deny" }, stop.signal);
    const next = seen.next();
    const denial = sampleDecision(producer, { verdict: "deny" });
    await store.appended(sampleDecision(producer));
    await store.appended(denial);
    expect((await next).value).toEqual(denial);
    stop.abort();
    await store.close();
  });
});

test("a store of format 1 from before events of the host is read, and written to", () => {
  cpSync(join(import.meta.dirname, "../data/state/format-1/events"), directory, { recursive: true });
  const old = readEvents(directory, {}, 10);
  expect(old.map((event) => event.kind)).toEqual(["decision", "action", "gap"]);
  expect(old[0]).toMatchObject({ verdict: "deny", auditId: "audit-1", evidence: [{ value: "true" }] });
  const { finding } = sampleRuntimeEvents(sampleProducer("boot-2", () => Date.UTC(2026, 10, 22, 13)));
  // Not through the store, which would remove a file of so long ago.
  const file = DayFile.open(directory, "2026-11-22", 0);
  file.append([finding], false);
  file.close();
  expect(readEvents(directory, {}, 10)).toEqual([...old, finding]);
});

test("kinds of a newer Vigil are left out, not misread", async () => {
  const event = sampleDecision(sampleProducer());
  await stored(event);
  const database = new DatabaseSync(dayFilePath(directory, today()));
  database.exec("UPDATE event SET kind = 99");
  database.close();
  expect(readEvents(directory, {}, 10)).toEqual([]);
});

test("an empty or absent directory has no events", () => {
  expect(readEvents(join(directory, "absent"), {}, 10)).toEqual([]);
  expect(readEvent(directory, "not an id")).toBeUndefined();
});

test("a full queue drops what was merely observed first, and keeps findings", async () => {
  const { file, finding } = sampleRuntimeEvents(sampleProducer());
  const store = new EventStore({ directory, producer: sampleProducer(), queueLimit: 0 });
  expect([file, finding].map((event) => store.append(event))).toEqual([false, false]);
  const roomy = new EventStore({ directory, producer: sampleProducer(), queueLimit: 1 });
  expect([finding, file, finding].map((event) => roomy.append(event))).toEqual([true, false, true]);
  await Promise.all([store.close(), roomy.close()]);
});

test("a full queue drops allowed decisions first and leaves a gap event with their number", async () => {
  const producer = sampleProducer();
  const store = new EventStore({ directory, producer, queueLimit: 3 });
  const kept = [1, 2, 3].map(() => sampleDecision(producer));
  const dropped = [4, 5].map(() => sampleDecision(producer));
  const denial = sampleDecision(producer, { verdict: "deny" });
  expect([...kept, ...dropped, denial].map((event) => store.append(event))).toEqual([true, true, true, false, false, true]);
  await store.close();
  const events = readEvents(directory, {}, 10);
  expect(events.filter((event) => event.kind !== "gap")).toEqual([...kept, denial]);
  expect(events.find((event) => event.kind === "gap")).toMatchObject({ fromSeq: 4, toSeq: 5, count: 2, reason: "queue_full" });
  expect(store.status()).toMatchObject({ state: "closed", lost: 2, queued: 0 });
});

test("a directory that cannot be written is a status; once it can, nothing was lost", async () => {
  const target = join(directory, "events");
  writeFileSync(target, "a file where a directory should be");
  const producer = sampleProducer();
  const told: (string | undefined)[] = [];
  const store = new EventStore({ directory: target, producer, onWriting: (error) => told.push(error) });
  const event = sampleDecision(producer);
  const acknowledged = store.appended(event);
  await expect.poll(() => store.status().state).toBe("failing");
  expect(store.status().error).toContain("EEXIST");
  rmSync(target);
  expect(await acknowledged).toBe(true);
  expect(store.status()).toMatchObject({ state: "ok", committed: 1, lost: 0 });
  expect(told).toEqual([expect.stringContaining("EEXIST"), undefined]);
  await store.close();
});

test("a damaged file is set aside, not deleted, and writing goes on", async () => {
  writeFileSync(dayFilePath(directory, today()), "this is not a database, and long enough to be taken for one".repeat(50));
  await stored(sampleDecision(sampleProducer()));
  expect(readdirSync(directory).filter((name) => name.includes(".damaged-"))).toHaveLength(1);
  expect(readEvents(directory, {}, 10)).toHaveLength(1);
});

test("a file of a newer format is refused, not changed", async () => {
  const path = dayFilePath(directory, today());
  const newer = new DatabaseSync(path);
  newer.exec(`PRAGMA user_version = ${FORMAT_VERSION + 1}`);
  newer.close();
  const producer = sampleProducer();
  const store = new EventStore({ directory, producer });
  store.append(sampleDecision(producer));
  await expect.poll(() => store.status().error).toContain("has format 2");
  expect(await store.close(50)).toBe(1);
});

// Needs root: the full disk is a real file system of its own.
test.skipIf(process.getuid?.() !== 0)("a full disk is a status, and what waited is stored when there is room again", async () => {
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=512k", "vigil-test", directory]);
  mounted.push(directory);
  const producer = sampleProducer();
  const store = new EventStore({ directory, producer });
  await store.appended(sampleDecision(producer));
  const ballast = join(directory, "ballast");
  expect(() => writeFileSync(ballast, Buffer.alloc(1 << 20))).toThrow("ENOSPC");
  const waiting = Array.from({ length: 500 }, (_, i) =>
    store.appended(sampleDecision(producer, { verdict: "deny", message: `${"x".repeat(200)}${i}` })),
  );
  await expect.poll(() => store.status().error).toMatch(/full|I\/O/);
  rmSync(ballast);
  expect((await Promise.all(waiting)).every(Boolean)).toBe(true);
  expect(readEvents(directory, {}, 1000)).toHaveLength(501);
  await store.close();
});

test("every acknowledged event survives kill -9 at any moment", async () => {
  const acknowledged: string[] = [];
  for (let round = 0; round < 8; round++) {
    const child = spawn(process.execPath, [join(import.meta.dirname, "crash-child.ts"), directory], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    let output = "";
    child.stdout.on("data", (chunk) => {
      output += chunk;
    });
    await once(child.stdout, "data");
    await new Promise((resolve) => setTimeout(resolve, 20 + round * 13));
    child.kill("SIGKILL");
    await once(child, "close");
    acknowledged.push(...output.split("\n").filter((id) => id.length === 36));
  }
  const ids = new Set(readEvents(directory, {}, 1e6).map((event) => event.id));
  expect(acknowledged.length).toBeGreaterThan(100);
  expect(acknowledged.filter((id) => !ids.has(id))).toEqual([]);
});
