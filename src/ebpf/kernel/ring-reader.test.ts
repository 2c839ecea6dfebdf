import { setImmediate as turn } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { assemble } from "../assembler/assemble.ts";
import * as asm from "../assembler/instructions.ts";
import { type MapSpec, ringBuffer } from "../map-spec.ts";
import { mapsOf, type ProgramSpec } from "../program-spec.ts";
import { type Collection, loadCollection } from "./collection.ts";
import { testRun } from "./program.ts";
import { lossCounter, RingReader, type RingSource } from "./ring-reader.ts";

const HELPER = { mapLookup: 1, ringReserve: 131, ringSubmit: 132, ringDiscard: 133 } as const;

/** Sends records of `size` bytes that begin with the two arguments of the raw tracepoint; counts those for which there is no room. */
function sender(ring: MapSpec, losses: MapSpec, size: number, end: keyof typeof HELPER = "ringSubmit"): ProgramSpec {
  const instructions = assemble([
    asm.move(6, { register: 1 }),
    asm.loadMap(1, ring),
    asm.move(2, size),
    asm.move(3, 0),
    asm.call(HELPER.ringReserve),
    asm.jumpIf("eq", 0, 0, "full"),
    asm.load(8, 1, 6, 0),
    asm.store(8, 0, 0, { register: 1 }),
    asm.load(8, 1, 6, 8),
    asm.store(8, 0, 8, { register: 1 }),
    asm.move(1, { register: 0 }),
    asm.move(2, 0),
    asm.call(HELPER[end]),
    asm.move(0, 0),
    asm.exit(),
    { kind: "label", name: "full" },
    asm.store(4, 10, -4, 0),
    asm.loadMap(1, losses),
    asm.move(2, { register: 10 }),
    asm.arithmetic("add", 2, -4),
    asm.call(HELPER.mapLookup),
    asm.jumpIf("eq", 0, 0, "end"),
    asm.move(1, 1),
    asm.atomic("add", 8, 0, 0, 1),
    { kind: "label", name: "end" },
    asm.move(0, 1),
    asm.exit(),
  ]);
  return { name: end, type: "raw_tracepoint", license: "GPL", instructions, maps: mapsOf(instructions) };
}

const ring = ringBuffer("ring", { sizeBytes: 4096 });
const losses = lossCounter("losses");
const send = sender(ring, losses, 16);
const discard = sender(ring, losses, 16, "ringDiscard");
/** Records of 24 bytes, with their header, that a ring of 4096 bytes has room for. */
const CAPACITY = 170;

function run(collection: Collection, spec: ProgramSpec, first: number, second = 0): boolean {
  const context = new Uint8Array(16);
  new DataView(context.buffer).setBigUint64(0, BigInt(first), true);
  new DataView(context.buffer).setBigUint64(8, BigInt(second), true);
  return testRun(collection.program(spec), { context }).returned === 0;
}

describe("a ring buffer", () => {
  test("gives its records in order, over its end and back to its beginning, and leaves out what was discarded", () => {
    using collection = loadCollection({ programs: [send, discard] });
    const seen: number[] = [];
    using reader = new RingReader([
      { map: collection.map(ring), onRecord: (data, offset, size) => seen.push(data.getUint32(offset, true) * 100 + size) },
    ]);
    for (let round = 0; round < 20; round++) {
      for (let index = 0; index < 100; index++) {
        run(collection, send, round * 100 + index);
        if (index % 3 === 0) run(collection, discard, 0);
      }
      expect(reader.drain()).toBe(100);
    }
    expect(seen).toEqual(Array.from({ length: 2000 }, (_, index) => index * 100 + 16));
    expect(reader.drain()).toBe(0);
  });

  test("loses exactly what it has no room for, counts it, and goes on", () => {
    using collection = loadCollection({ programs: [send] });
    let received = 0;
    const told: number[] = [];
    const reader = new RingReader([{ map: collection.map(ring), losses: collection.perCpu(losses), onRecord: () => received++ }], {
      onLoss: (count) => told.push(count),
    });
    let refused = 0;
    for (let round = 0; round < 3; round++) {
      for (let index = 0; index < 500; index++) if (!run(collection, send, index)) refused++;
      reader.drain();
    }
    expect(received).toBe(3 * CAPACITY);
    expect(refused).toBe(1500 - received);
    expect(reader.lossesOf(collection.map(ring))).toBe(refused);
    reader[Symbol.dispose]();
    expect(told).toEqual([refused]);
  });

  test("wakes this process for each record that comes while it sleeps", async () => {
    using collection = loadCollection({ programs: [send] });
    let received = 0;
    using reader = new RingReader([{ map: collection.map(ring), onRecord: () => received++ }]);
    reader.resume();
    for (let round = 1; round <= 100; round++) {
      run(collection, send, round);
      while (received < round) await turn();
    }
    expect(received).toBe(100);
  });

  test("takes turns with other rings, and stops where it is paused", async () => {
    using collection = loadCollection({ programs: [send] });
    const sizes: number[] = [];
    using reader = new RingReader([{ map: collection.map(ring), onRecord: () => sizes.push(1) }], { maxRecordsPerTurn: 10 });
    for (let index = 0; index < 100; index++) run(collection, send, index);
    reader.resume();
    let turns = 0;
    while (sizes.length < 100) {
      await turn();
      expect(sizes.length % 10).toBe(0);
      turns++;
    }
    expect(turns).toBeGreaterThanOrEqual(10);
    reader.pause();
    run(collection, send, 0);
    for (let round = 0; round < 10; round++) await turn();
    expect(sizes).toHaveLength(100);
    reader.resume();
    while (sizes.length < 101) await turn();
  });

  test("goes on after a handler that throws, with the next record", () => {
    using collection = loadCollection({ programs: [send] });
    const seen: number[] = [];
    using reader = new RingReader([
      {
        map: collection.map(ring),
        onRecord: (data, offset) => {
          const value = data.getUint32(offset, true);
          if (value === 1) throw new Error("no");
          seen.push(value);
        },
      },
    ]);
    for (let index = 0; index < 3; index++) run(collection, send, index);
    expect(() => reader.drain()).toThrow("no");
    expect(reader.drain()).toBe(1);
    expect(seen).toEqual([0, 2]);
  });

  test("reads rings as one by a number in each record, and only while they are added", () => {
    const other = ringBuffer("other", { sizeBytes: 4096 });
    const [toOne, toOther] = [send, sender(other, losses, 16)];
    using collection = loadCollection({ programs: [toOne, toOther, discard] });
    const seen: string[] = [];
    const source = (name: string, map: MapSpec): RingSource => ({
      map: collection.map(map),
      onRecord: (data, offset) => seen.push(`${name}${data.getUint32(offset + 8, true)}`),
    });
    using reader = new RingReader([source("a", ring)], { orderedBy: 8 });
    const added = reader.add([source("b", other)]);
    const order = [1, 2, 3, 5, 8, 13, 21];
    for (const [index, number] of order.entries()) {
      run(collection, index % 3 === 1 ? toOther : toOne, 0, number);
      run(collection, discard, 0, 0);
    }
    expect(reader.drain()).toBe(order.length);
    expect(seen).toEqual(["a1", "b2", "a3", "a5", "b8", "a13", "a21"]);
    run(collection, toOther, 0, 34);
    added[Symbol.dispose]();
    run(collection, toOther, 0, 55);
    run(collection, toOne, 0, 56);
    expect(reader.drain()).toBe(1);
    expect(seen.slice(order.length)).toEqual(["b34", "a56"]);
  });

  test("goes around in rings that it reads as one, and is woken by each of them", async () => {
    const other = ringBuffer("other", { sizeBytes: 4096 });
    const toOther = sender(other, losses, 16);
    using collection = loadCollection({ programs: [send, toOther] });
    const seen: number[] = [];
    const onRecord: RingSource["onRecord"] = (data, offset) => seen.push(data.getUint32(offset + 8, true));
    using reader = new RingReader(
      [
        { map: collection.map(ring), onRecord },
        { map: collection.map(other), onRecord },
      ],
      { orderedBy: 8, maxRecordsPerTurn: 7 },
    );
    reader.resume();
    const count = 3_000;
    for (let index = 0; index < count; index++) {
      run(collection, index % 5 === 0 ? toOther : send, 0, index);
      while (index % 100 === 99 && seen.length <= index) await turn();
    }
    expect(seen).toEqual(Array.from({ length: count }, (_, index) => index));
  });
});
