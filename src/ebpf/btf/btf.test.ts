import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { EbpfError } from "../ebpf-error.ts";
import { array, bool, bytes, i32, struct, text, u16, u32, u64 } from "../layout.ts";
import { hashMap, localStorage } from "../map-spec.ts";
import { type Btf, parseBtf } from "./btf.ts";
import { fieldOf, hasField } from "./field.ts";
import { enumOf, iteratorOf, tracepointOf } from "./kernel-name.ts";
import { mapBtf } from "./spec-btf.ts";
import { BtfWriter } from "./writer.ts";

/** Types by hand, for kinds that the writer does not write: kind, name, flag, size or type, words of the elements. */
function encode(
  types: readonly (readonly [kind: number, name: string, elements: number, sizeOrType: number, words?: readonly (number | string)[]])[],
  flag = 0,
): Uint8Array {
  const names = [""];
  const offsetOf = (name: string): number => {
    if (!names.includes(name)) names.push(name);
    return names.slice(0, names.indexOf(name)).reduce((sum, each) => sum + each.length + 1, 0);
  };
  const body = types.flatMap(([kind, name, elements, sizeOrType, words = []]) => [
    offsetOf(name),
    ((kind << 24) | elements | (kind === 4 ? flag : 0)) >>> 0,
    sizeOrType,
    ...words.map((word) => (typeof word === "string" ? offsetOf(word) : word)),
  ]);
  const strings = Buffer.from(names.map((name) => `${name}\0`).join(""));
  const header = Buffer.alloc(24);
  header.writeUInt16LE(0xeb9f, 0);
  header.writeUInt8(1, 2);
  for (const [index, word] of [24, 0, body.length * 4, body.length * 4, strings.length].entries())
    header.writeUInt32LE(word, 4 + 4 * index);
  return Buffer.concat([header, new Uint8Array(Uint32Array.from(body).buffer), strings]);
}

/** As a small kernel: `struct task { const struct task *parent; union { int a; struct { u8 x; u8 y; }; }; unsigned b:3, c:13; int list[4]; pid_t pid; }`. */
const SMALL = encode(
  [
    [1, "int", 0, 4, [0x0100_0020]],
    [1, "u8", 0, 1, [8]],
    [4, "", 2, 2, ["x", 2, 0, "y", 2, 8]],
    [5, "", 2, 4, ["a", 1, 0, "", 3, 0]],
    [10, "", 0, 8],
    [2, "", 0, 5],
    [3, "", 0, 0, [1, 1, 4]],
    [4, "task", 6, 40, ["parent", 6, 0, "", 4, 64, "b", 11, (3 << 24) | 96, "c", 11, (13 << 24) | 99, "list", 7, 128, "pid", 9, 256]],
    [8, "pid_t", 0, 10],
    [9, "", 0, 1],
    [1, "unsigned", 0, 4, [32]],
  ],
  0x8000_0000,
);

describe("fields", () => {
  const btf = parseBtf(SMALL);
  const task = btf.idOf("task", "struct");
  test.each([
    ["pid", { pointers: [], offset: 32, size: 4, isSigned: true }],
    ["y", { pointers: [], offset: 9, size: 1, isSigned: false }],
    ["a", { pointers: [], offset: 8, size: 4 }],
    ["parent.parent.pid", { pointers: [0, 0], offset: 32, size: 4 }],
    ["parent", { pointers: [], offset: 0, size: 8 }],
    ["list[3]", { pointers: [], offset: 28, size: 4 }],
    ["list", { pointers: [], offset: 16, size: 16 }],
    ["b", { offset: 12, size: 4, bits: { shift: 0, width: 3 } }],
    ["parent.c", { pointers: [0], offset: 12, size: 4, bits: { shift: 3, width: 13 } }],
  ])("%s is found", (path, expected) => {
    expect(fieldOf(btf, task, path)).toMatchObject(expected);
  });

  test.each(["nothing", "pid.x", "list[4]", "pid[0]", "b.x", "parent.parent.x.y"])("%s is refused", (path) => {
    expect(() => fieldOf(btf, task, path)).toThrow(expect.objectContaining({ code: "EBPF_BTF_NAME" }));
    expect(hasField(btf, "task", path)).toBe(false);
  });

  test.each(["", "a..b", "a[", "a b", "1", "__proto__.x[-1]", Array(20).fill("a").join(".")])("`%s` is no path", (path) => {
    expect(() => fieldOf(btf, task, path)).toThrow(RangeError);
  });
});

describe("the running kernel", () => {
  const btf: Btf = parseBtf(readFileSync("/sys/kernel/btf/vmlinux"));
  test("has what generators ask for", () => {
    expect(btf.typeCount).toBeGreaterThan(10_000);
    expect(fieldOf(btf, btf.idOf("task_struct", "struct"), "real_parent.tgid")).toMatchObject({ size: 4, isSigned: true });
    expect(fieldOf(btf, btf.idOf("task_struct", "struct"), "comm").size).toBe(16);
    expect(enumOf(btf, "bpf_func_id").get("BPF_FUNC_ringbuf_reserve")).toBe(131n);
    expect(tracepointOf(btf, "sched_process_exec").parameters.map(({ name }) => name)).toEqual(["p", "old_pid", "bprm"]);
    expect(iteratorOf(btf, "task").parameters.map(({ name }) => name)).toEqual(["meta", "task"]);
  });
  test("does not have what it does not have", () => {
    expect(btf.find("no such type")).toEqual([]);
    expect(btf.find("")).toEqual([]);
    expect(() => btf.idOf("task_struct", "function")).toThrow(expect.objectContaining({ code: "EBPF_BTF_NAME" }));
    expect(() => tracepointOf(btf, "no_such")).toThrow(expect.objectContaining({ code: "EBPF_BTF_NAME" }));
  });
});

describe("modules", () => {
  test("go on where the kernel's types end", () => {
    const base = parseBtf(encode([[1, "int", 0, 4, [0x0100_0020]]]));
    const strings = Buffer.from("own\0");
    // `struct own { int own; }`: names count on after the kernel's.
    const offset = base.stringsEnd;
    const body = Uint32Array.from([offset, (4 << 24) | 1, 4, offset, 1, 0]);
    const header = Buffer.alloc(24);
    header.writeUInt16LE(0xeb9f, 0);
    header.writeUInt8(1, 2);
    for (const [index, word] of [24, 0, body.byteLength, body.byteLength, strings.length].entries())
      header.writeUInt32LE(word, 4 + 4 * index);
    const module = parseBtf(Buffer.concat([header, new Uint8Array(body.buffer), strings]), base);
    expect(fieldOf(module, module.idOf("own", "struct"), "own")).toMatchObject({ size: 4, type: 1 });
    expect(module.idOf("int", "int")).toBe(1);
  });
});

describe("what is written", () => {
  test("reads as it was meant", () => {
    const value = struct("value", {
      flag: bool,
      count: u64,
      name: text(16),
      raw: bytes(3),
      list: array(u16, 5),
      inner: struct("inner", { x: i32 }),
    });
    const { data, valueTypeId, keyTypeId } = mapBtf(hashMap("m", { key: u32, value, maxEntries: 1 }));
    const btf = parseBtf(data);
    expect(btf.sizeOf(valueTypeId)).toBe(value.size);
    for (const path of ["flag", "count", "name", "raw", "list", "inner.x"] as const) {
      const [outer = "flag", inner] = path.split(".");
      const field = value.fields[outer as "flag"];
      expect(fieldOf(btf, valueTypeId, path)).toMatchObject({
        offset: field.offset,
        ...(inner === undefined ? { size: field.layout.size } : {}),
      });
    }
    expect(btf.type(keyTypeId)).toMatchObject({ kind: "int", size: 4, isSigned: false });
    expect(parseBtf(mapBtf(localStorage("s", { of: "task", value })).data).type(1)).toMatchObject({
      kind: "int",
      name: "int",
      isSigned: true,
    });
  });
});

describe("data that is damaged", () => {
  const use = (data: Uint8Array): void => {
    const btf = parseBtf(data);
    for (let id = 0; id < btf.typeCount; id++) {
      btf.type(id);
      btf.sizeOf(id);
    }
    hasField(btf, "task", "parent.c");
  };
  test("is refused, or read without harm", () => {
    const bytesOf = fc.uint8Array({ minLength: 0, maxLength: 64 });
    const at = fc.integer({ min: 0, max: SMALL.length - 1 });
    fc.assert(
      fc.property(
        fc.array(fc.tuple(at, fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 6 }),
        bytesOf,
        at,
        (changes, more, cut) => {
          const data = Uint8Array.from(SMALL);
          for (const [place, byte] of changes) data[place] = byte;
          for (const variant of [data, data.subarray(0, cut), Buffer.concat([data, more]), more]) {
            try {
              use(variant);
            } catch (error) {
              expect(error).toBeInstanceOf(EbpfError);
            }
          }
        },
      ),
      { numRuns: 500 },
    );
  });

  test.each([
    ["a typedef of itself", encode([[8, "loop", 0, 1]])],
    ["an array of itself", encode([[3, "", 0, 0, [1, 1, 2]]])],
    ["a type that is not there", encode([[3, "", 0, 0, [7, 1, 2]]])],
  ])("%s ends", (_, data) => {
    expect(() => parseBtf(data).sizeOf(1)).toThrow(expect.objectContaining({ code: "EBPF_BTF" }));
  });

  test("names are not looked up in prototypes", () => {
    const writer = new BtfWriter();
    writer.struct("constructor", 4, [{ name: "__proto__", type: writer.integer("int", 4, "signed"), offset: 0 }]);
    const btf = parseBtf(writer.encode());
    expect(btf.find("toString")).toEqual([]);
    expect(fieldOf(btf, btf.idOf("constructor", "struct"), "__proto__").size).toBe(4);
  });
});
