import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { assemble } from "./assembler/assemble.ts";
import * as form from "./assembler/instructions.ts";
import type { Line } from "./assembler/line.ts";
import { decodeInstructions, encodeInstructions } from "./encoding.ts";
import { u32 } from "./layout.ts";
import { instructionText, listing } from "./listing.ts";
import { hashMap } from "./map-spec.ts";

const map = hashMap("counts", { key: u32, value: u32, maxEntries: 1 });
const encode = (lines: readonly Line[]): string => Buffer.from(encodeInstructions(assemble(lines), () => 9)).toString("hex");

/** Text and bytes as LLVM 14's assembler has them (`llvm-mc -triple=bpfel -show-encoding`). */
const AS_LLVM: readonly (readonly [string, Line, string])[] = [
  ["r1 += r2", form.arithmetic("add", 1, { register: 2 }), "0f21000000000000"],
  ["w1 += 5", form.arithmetic("add", 1, 5, 32), "0401000005000000"],
  ["r3 -= -7", form.arithmetic("sub", 3, -7), "17030000f9ffffff"],
  ["r4 *= 3", form.arithmetic("mul", 4, 3), "2704000003000000"],
  ["r5 /= r6", form.arithmetic("div", 5, { register: 6 }), "3f65000000000000"],
  ["w5 /= 9", form.arithmetic("div", 5, 9, 32), "3405000009000000"],
  ["r1 |= 16", form.arithmetic("or", 1, 16), "4701000010000000"],
  ["r1 &= r2", form.arithmetic("and", 1, { register: 2 }), "5f21000000000000"],
  ["r1 <<= 3", form.arithmetic("lsh", 1, 3), "6701000003000000"],
  ["w1 >>= 3", form.arithmetic("rsh", 1, 3, 32), "7401000003000000"],
  ["r1 s>>= 63", form.arithmetic("arsh", 1, 63), "c70100003f000000"],
  ["r1 = -r1", form.negate(1), "8701000000000000"],
  ["w1 = -w1", form.negate(1, 32), "8401000000000000"],
  ["r1 ^= r2", form.arithmetic("xor", 1, { register: 2 }), "af21000000000000"],
  ["r1 = 0", form.move(1, 0), "b701000000000000"],
  ["r1 = r10", form.move(1, { register: 10 }), "bfa1000000000000"],
  ["w1 = w2", form.move(1, { register: 2 }, 32), "bc21000000000000"],
  ["r1 = be16 r1", form.endian("big", 1, 16), "dc01000010000000"],
  ["r1 = be32 r1", form.endian("big", 1, 32), "dc01000020000000"],
  ["r1 = be64 r1", form.endian("big", 1, 64), "dc01000040000000"],
  ["r1 = le16 r1", form.endian("little", 1, 16), "d401000010000000"],
  ["r1 = *(u8 *)(r2 + 3)", form.load(1, 1, 2, 3), "7121030000000000"],
  ["r1 = *(u16 *)(r2 - 4)", form.load(2, 1, 2, -4), "6921fcff00000000"],
  ["r1 = *(u32 *)(r2 + 8)", form.load(4, 1, 2, 8), "6121080000000000"],
  ["r1 = *(u64 *)(r10 - 16)", form.load(8, 1, 10, -16), "79a1f0ff00000000"],
  ["*(u8 *)(r1 + 1) = r2", form.store(1, 1, 1, { register: 2 }), "7321010000000000"],
  ["*(u64 *)(r10 - 8) = r1", form.store(8, 10, -8, { register: 1 }), "7b1af8ff00000000"],
  ["lock *(u64 *)(r1 + 8) += r2", form.atomic("add", 8, 1, 8, 2), "db21080000000000"],
  ["exit", form.exit(), "9500000000000000"],
];

/** What is younger than that assembler: bytes after RFC 9669 and Documentation/bpf/standardization. */
const AS_SPECIFIED: readonly (readonly [string, Line, string])[] = [
  ["r1 %= 5", form.arithmetic("mod", 1, 5), "9701000005000000"],
  ["r5 s/= r6", form.arithmetic("sdiv", 5, { register: 6 }), "3f65010000000000"],
  ["w5 s%= 4", form.arithmetic("smod", 5, 4, 32), "9405010004000000"],
  ["r1 = (s8)r2", form.moveSigned(1, 2, 8), "bf21080000000000"],
  ["r1 = (s16)r2", form.moveSigned(1, 2, 16), "bf21100000000000"],
  ["r1 = (s32)r2", form.moveSigned(1, 2, 32), "bf21200000000000"],
  ["r1 = bswap16 r1", form.endian("swap", 1, 16), "d701000010000000"],
  ["r1 = bswap64 r1", form.endian("swap", 1, 64), "d701000040000000"],
  ["r1 = *(s8 *)(r2 + 3)", form.loadSigned(1, 1, 2, 3), "9121030000000000"],
  ["r1 = *(s16 *)(r2 + 4)", form.loadSigned(2, 1, 2, 4), "8921040000000000"],
  ["r1 = *(s32 *)(r2 + 8)", form.loadSigned(4, 1, 2, 8), "8121080000000000"],
  ["*(u32 *)(r10 - 8) = 7", form.store(4, 10, -8, 7), "620af8ff07000000"],
  ["*(u64 *)(r10 - 8) = -1", form.store(8, 10, -8, -1), "7a0af8ffffffffff"],
  ["lock *(u32 *)(r1 + 8) |= w2", form.atomic("or", 4, 1, 8, 2), "c321080040000000"],
  ["r2 = atomic_fetch_add((u64 *)(r1 + 0), r2)", form.atomic("fetchAdd", 8, 1, 0, 2), "db21000001000000"],
  ["r2 = atomic_fetch_and((u64 *)(r1 + 0), r2)", form.atomic("fetchAnd", 8, 1, 0, 2), "db21000051000000"],
  ["w2 = atomic_fetch_xor((u32 *)(r1 + 0), w2)", form.atomic("fetchXor", 4, 1, 0, 2), "c3210000a1000000"],
  ["r2 = xchg_64(r1 + 8, r2)", form.atomic("exchange", 8, 1, 8, 2), "db210800e1000000"],
  ["r0 = cmpxchg_64(r1 + 8, r0, r2)", form.atomic("compareExchange", 8, 1, 8, 2), "db210800f1000000"],
  ["call 14", form.call(14), "850000000e000000"],
  ["r1 = 1234605616436508552 ll", form.loadImmediate(1, 0x1122334455667788n), "18010000887766550000000044332211"],
  ["r1 = -1 ll", form.loadImmediate(1, -1), "18010000ffffffff00000000ffffffff"],
  ["r1 = map[counts]", form.loadMap(1, map), "18110000090000000000000000000000"],
  ["r1 = map[counts][0]+4", form.loadMapValue(1, map, 4), "18210000090000000000000004000000"],
  ["call bpf_rdonly_cast", form.callKernel("bpf_rdonly_cast", 0x102), "8520000002010000"],
];

describe("instructions", () => {
  test.each([...AS_LLVM, ...AS_SPECIFIED])("`%s` has its bytes and its text", (text, line, hex) => {
    expect(encode([line])).toBe(hex);
    expect(assemble([line]).map(instructionText)).toEqual([text]);
  });

  test.each([
    ["goto +1", form.jump("end"), "0500010000000000"],
    ["gotol +1", form.jump("end", "far"), "0600000001000000"],
    ["if r1 == 5 goto +1", form.jumpIf("eq", 1, 5, "end"), "1501010005000000"],
    ["if r1 != r2 goto +1", form.jumpIf("ne", 1, { register: 2 }, "end"), "5d21010000000000"],
    ["if r1 > 5 goto +1", form.jumpIf("gt", 1, 5, "end"), "2501010005000000"],
    ["if r1 >= r2 goto +1", form.jumpIf("ge", 1, { register: 2 }, "end"), "3d21010000000000"],
    ["if r1 & 4 goto +1", form.jumpIf("set", 1, 4, "end"), "4501010004000000"],
    ["if r1 s> -1 goto +1", form.jumpIf("sgt", 1, -1, "end"), "65010100ffffffff"],
    ["if r1 s>= r2 goto +1", form.jumpIf("sge", 1, { register: 2 }, "end"), "7d21010000000000"],
    ["if r1 < 5 goto +1", form.jumpIf("lt", 1, 5, "end"), "a501010005000000"],
    ["if r1 <= 5 goto +1", form.jumpIf("le", 1, 5, "end"), "b501010005000000"],
    ["if r1 s< 5 goto +1", form.jumpIf("slt", 1, 5, "end"), "c501010005000000"],
    ["if w1 s<= w2 goto +1", form.jumpIf("sle", 1, { register: 2 }, "end", 32), "de21010000000000"],
    ["if w1 == 5 goto +1", form.jumpIf("eq", 1, 5, "end", 32), "1601010005000000"],
    ["may_goto +1", form.mayGoto("end"), "e500010000000000"],
    ["call pc+1", form.callSubprogram("end"), "8510000001000000"],
    ["r2 = subprog[+2]", form.loadFunction(2, "end"), "18420000020000000000000000000000"],
  ])("`%s` jumps over one slot", (text, line, hex) => {
    const lines = [line, form.exit(), form.label("end"), form.exit()];
    expect(encode(lines).slice(0, hex.length)).toBe(hex);
    expect(instructionText(assemble(lines)[0] ?? expect.fail())).toBe(text);
  });

  test("jumps back, and over instructions of two slots", () => {
    const lines = [form.label("again"), form.loadImmediate(1, 1n << 40n), form.jumpIf("eq", 1, 0, "again"), form.exit()];
    expect(assemble(lines)[1]?.offset).toBe(-3);
  });

  test.each([
    ["a label that is missing", [form.jump("nowhere"), form.exit()]],
    ["a label that stands twice", [form.label("a"), form.label("a"), form.exit()]],
    ["a label at the end", [form.jump("end"), form.label("end")]],
    ["a jump that is too far", [form.jump("end"), ...Array.from({ length: 40_000 }, () => form.exit()), form.label("end"), form.exit()]],
  ])("refuses %s", (_, lines) => {
    expect(() => assemble(lines)).toThrow(expect.objectContaining({ code: "EBPF_JUMP" }));
  });

  test("refuses numbers that do not fit", () => {
    expect(() => encode([form.move(1, 2 ** 32)])).toThrow(RangeError);
    expect(() => encode([form.load(8, 1, 2, 40_000)])).toThrow(RangeError);
    expect(() => encode([form.loadImmediate(1, 1n << 64n)])).toThrow(RangeError);
    expect(() => encode([form.loadImmediate(1, 0.5)])).toThrow(RangeError);
  });

  test("reads what it writes, and any bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 0, maxLength: 160 }), (bytes) => {
        const whole = bytes.subarray(0, bytes.length - (bytes.length % 8));
        let instructions: ReturnType<typeof decodeInstructions>;
        try {
          instructions = decodeInstructions(whole);
        } catch (error) {
          expect(error).toBeInstanceOf(RangeError);
          return;
        }
        expect(listing(instructions).split("\n").length).toBe(instructions.length + 1);
        const registers = instructions.every(({ dst, src }) => dst <= 10 && src <= 10);
        // The second slot of `lddw` has nothing but its half of the number, and a function's address has no upper half.
        const isPlain = instructions.every(({ opcode, src }) => opcode !== 0x18 || src === 0);
        if (registers && isPlain && instructions.every(({ opcode }) => opcode !== 0x18))
          expect(encodeInstructions(instructions, () => 0)).toEqual(new Uint8Array(whole));
      }),
    );
  });
});
