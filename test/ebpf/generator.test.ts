/** Generated programs in the kernel: what the generator takes is what the verifier takes, and both compute the same. Needs root. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { assemble } from "../../src/ebpf/assembler/assemble.ts";
import * as form from "../../src/ebpf/assembler/instructions.ts";
import type { Line } from "../../src/ebpf/assembler/line.ts";
import type { Scalar } from "../../src/ebpf/builder/expression.ts";
import {
  cgroupPacketProgram,
  iteratorProgram,
  rawTracepointProgram,
  socketAddressProgram,
  subprogram,
  tracepointProgram,
  XDP_ACTION,
  xdpProgram,
} from "../../src/ebpf/builder/program.ts";
import type { Register } from "../../src/ebpf/instruction.ts";
import { Machine } from "../../src/ebpf/interpreter/machine.ts";
import { loadCollection } from "../../src/ebpf/kernel/collection.ts";
import { readKernelBtf } from "../../src/ebpf/kernel/kernel-btf.ts";
import { VerifierError } from "../../src/ebpf/kernel/kernel-error.ts";
import { testRun } from "../../src/ebpf/kernel/program.ts";
import { bytes, struct, text, u8, u16be, u32, u64 } from "../../src/ebpf/layout.ts";
import { encodeValue } from "../../src/ebpf/layout-codec.ts";
import { arrayMap, hashMap, localStorage, mapOfMaps, programArray, ringBuffer } from "../../src/ebpf/map-spec.ts";
import type { Comparison } from "../../src/ebpf/opcode.ts";
import type { ProgramSpec } from "../../src/ebpf/program-spec.ts";

const btf = readKernelBtf();

const EVENT = struct("event", { ts: u64, pid: u32, parent: u32, comm: text(16), file: text(64), cgroup: u64 });
const events = ringBuffer("events", { record: EVENT, sizeBytes: 1 << 16 });
const lost = arrayMap("lost", { value: u64, maxEntries: 1 });
const counts = hashMap("counts", { key: u32, value: u64, maxEntries: 1024 });
const STATE = struct("state", { sum: u64 });
const ETHERNET = struct("ethernet", { to: bytes(6), from: bytes(6), type: u16be });
const IP = struct("ip", {
  version: u8,
  service: u8,
  length: u16be,
  id: u16be,
  fragment: u16be,
  ttl: u8,
  protocol: u8,
  sum: u16be,
  from: u32,
  to: u32,
});
const TCP = struct("tcp", { from: u16be, to: u16be });

const square = subprogram("square", 1, (code, x) => code.return((x ?? expect.fail()).mul(x ?? 0)));
const inner = hashMap("inner", { key: u32, value: u64, maxEntries: 10 });
const outer = mapOfMaps("outer", { inner, maxEntries: 2 });
const storage = localStorage("state", { of: "task", value: STATE });
const jumps = programArray("jumps", 4);

const PROGRAMS: readonly ProgramSpec[] = [
  tracepointProgram("on_exec", { btf, tracepoint: "sched_process_exec" }, (code, args) => {
    const task = args.pointer<"task_struct">("p");
    code.reserve(
      events,
      (record) => {
        record.set("ts", code.call("ktime_get_ns"));
        record.set("pid", task.field("tgid"));
        record.set("parent", task.field("real_parent.tgid"));
        code.run("probe_read_kernel", record.at("comm"), task.address("comm"));
        code.run("probe_read_kernel_str", record.at("file"), args.pointer("bprm").field("filename"));
        record.set("cgroup", task.field("cgroups.dfl_cgrp.kn.id"));
        record.submit();
      },
      () => code.globalValue(lost).incrementValue(),
    );
  }),
  socketAddressProgram("connect", { hook: "connect4" }, (code, context) => {
    const port = code.let(context.get("user_port").bigEndian(16), "port");
    code.ifNonNull(code.lookup(counts, port), (value) => {
      value.incrementValue();
      code.return(0);
    });
    code.if(port.eq(25).or(port.ge(6000).and(port.lt(6010))), () => code.return(0));
    code.return(1);
  }),
  xdpProgram("guard", {}, (code, context) => {
    code.packet(context, ETHERNET, (ethernet) => {
      code.if(ethernet.get("type").ne(0x800), () => code.return(XDP_ACTION.pass));
      code.packet(
        context,
        IP,
        (ip) => {
          const headerSize = code.let(ip.get("version").and(15).shl(2));
          code.if(ip.get("protocol").ne(6), () => code.return(XDP_ACTION.pass));
          code.packet(
            context,
            TCP,
            (tcp) => code.if(tcp.get("to").eq(81), () => code.return(XDP_ACTION.drop)),
            undefined,
            headerSize.add(14),
          );
        },
        undefined,
        14,
      );
    });
    code.return(XDP_ACTION.pass);
  }),
  cgroupPacketProgram("egress", { direction: "egress" }, (code, context) => {
    const ip = code.buffer(IP);
    code.if(code.call("skb_load_bytes", context, 0, ip).ne(0), () => code.return(0));
    code.if(ip.get("protocol").eq(17).and(ip.get("to").eq(0x0100007f)), () => code.return(0));
    code.return(1);
  }),
  iteratorProgram("tasks", { btf, iterator: "task" }, (code, args) => {
    const task = code.orElse(args.nullable<"task_struct">("task"), () => code.return(0));
    const row = code.stack(struct("row", { pid: u32, tgid: u32 }), { pid: task.field("pid"), tgid: task.field("tgid") });
    code.run("seq_write", args.pointer("meta").pointer("seq"), row);
  }),
  tracepointProgram("loops", { btf, tracepoint: "sys_enter" }, (code) => {
    const sum = code.variable(0);
    code.repeat(4, (index) => code.assign(sum, sum.add(index)));
    code.repeat(100, (index, loop) => {
      code.if(index.eq(50), () => loop.break());
      code.assign(sum, sum.add(index));
    });
    code.repeat(
      10_000,
      (index, loop) => {
        code.if(index.eq(50), () => loop.continue());
        code.assign(sum, sum.add(index));
      },
      { guard: "may_goto" },
    );
    code.return(code.callSubprogram(square, sum));
  }),
  tracepointProgram("called_back", { btf, tracepoint: "sys_enter" }, (code) => {
    const state = code.stack(STATE);
    code.loop(1000, state, (body, index, shared) => {
      shared.set("sum", shared.get("sum").add(index));
      body.if(index.gt(500), () => body.return(1));
    });
    code.return(state.get("sum"));
  }),
  tracepointProgram("storage", { btf, tracepoint: "sys_enter" }, (code) => {
    code.ifNonNull(code.storage(storage, code.currentTask(), { create: true }), (value) => value.increment("sum"));
  }),
  tracepointProgram("nested_maps", { btf, tracepoint: "sys_enter" }, (code) => {
    code.lookupIn(
      outer,
      0,
      inner,
      5,
      (value) => value.incrementValue(),
      () => code.return(1),
    );
  }),
  tracepointProgram("reads_user", { btf, tracepoint: "sys_enter" }, (code, args) => {
    const registers = code.cast(args.scalar("regs"), "pt_regs");
    const path = code.buffer(text(64));
    code.run("probe_read_user_str", path, registers.field("si"));
    code.if(path.as(u8).value().eq(47), () => code.tailCall(args.context, jumps, args.scalar("id")));
  }),
];

test.each(PROGRAMS.map((program) => [program.name, program] as const))("the kernel takes `%s`", (_, program) => {
  using collection = loadCollection({ programs: [program] });
  expect(collection.program(program).fd).toBeGreaterThan(0);
});

describe("what the verifier refuses", () => {
  test("is said with the line of this file, the instruction and a hint", () => {
    const list = arrayMap("list", { value: struct("page", { list: bytes(64) }), maxEntries: 1 });
    const unbounded = tracepointProgram("unbounded", { btf, tracepoint: "sys_enter" }, (code, args) => {
      const memory = code.globalValue(list);
      const index = code.let(args.scalar("id"), "index");
      code.run("probe_read_kernel", { memory, size: index }, args.scalar("regs"));
    });
    let refused: unknown;
    try {
      loadCollection({ programs: [unbounded] });
    } catch (error) {
      refused = error;
    }
    if (!(refused instanceof VerifierError)) expect.fail("expected the verifier to refuse it");
    expect(refused.message).toMatch(/R2 .*(?:unbounded|negative)/);
    expect(refused.source?.file).toMatch(/generator\.test\.ts$/);
    expect(refused.hint).toContain("and(mask)");
  });
});

/** A random program over r0–r5: its registers begin as constants, and its jumps go forward. */
type Step = (next: string) => Line;

const register = fc.constantFrom<Register>(0, 1, 2, 3, 4, 5);
const bits = fc.constantFrom<32 | 64>(32, 64);
const number = fc.oneof(fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }), fc.integer({ min: -3, max: 70 }));
const operand = fc.oneof(
  number,
  register.map((name) => ({ register: name })),
);
const operation = fc.constantFrom("add", "sub", "mul", "div", "mod", "sdiv", "smod", "or", "and", "xor", "mov", "lsh", "rsh", "arsh");
const comparison = fc.constantFrom<Comparison>("eq", "ne", "gt", "ge", "lt", "le", "sgt", "sge", "slt", "sle", "set");

const arithmetic = fc.tuple(operation, register, operand, bits).map(([name, dst, by, width]): Step => {
  const isShift = name === "lsh" || name === "rsh" || name === "arsh";
  const isDivision = name.endsWith("div") || name.endsWith("mod");
  // The verifier refuses constants that make no sense; registers may hold anything.
  const fitting = typeof by !== "number" ? by : isShift ? by & (width - 1) : isDivision && by === 0 ? 1 : by;
  return () => form.arithmetic(name as Parameters<typeof form.arithmetic>[0], dst, fitting, width);
});

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: arithmetic },
  fc.tuple(register, bits).map(
    ([dst, width]): Step =>
      () =>
        form.negate(dst, width),
  ),
  fc.tuple(fc.constantFrom("big", "little", "swap"), register, fc.constantFrom(16, 32, 64)).map(
    ([order, dst, width]): Step =>
      () =>
        form.endian(order as "big", dst, width as 16),
  ),
  fc.tuple(register, register, fc.constantFrom(8, 16, 32)).map(
    ([dst, src, from]): Step =>
      () =>
        form.moveSigned(dst, src, from as 8),
  ),
  {
    weight: 2,
    arbitrary: fc.tuple(comparison, register, operand, bits).map(
      ([name, dst, by, width]): Step =>
        (next) =>
          form.jumpIf(name, dst, by, next, width),
    ),
  },
);

function randomProgram(values: readonly bigint[], steps: readonly Step[]): ProgramSpec {
  const lines: Line[] = values.map((value, index) => form.loadImmediate(index as Register, value));
  // A jump skips one step.
  for (const [index, made] of steps.entries()) lines.push(form.label(`at${index}`), made(`at${Math.min(index + 2, steps.length)}`));
  lines.push(form.label(`at${steps.length}`));
  // All of the result shows in 32 bits.
  lines.push(form.move(1, { register: 0 }), form.arithmetic("rsh", 1, 32), form.arithmetic("xor", 0, { register: 1 }), form.exit());
  return { name: "random", type: "raw_tracepoint", license: "GPL", instructions: assemble(lines), maps: [] };
}

test("random arithmetic and jumps give the same in the interpreter and in the kernel", () => {
  const wide = fc.bigInt({ min: 0n, max: (1n << 64n) - 1n });
  fc.assert(
    fc.property(fc.array(wide, { minLength: 6, maxLength: 6 }), fc.array(step, { minLength: 1, maxLength: 30 }), (values, steps) => {
      const program = randomProgram(values, steps);
      const simulated = Number(new Machine().run(program).result & 0xffff_ffffn);
      using collection = loadCollection({ programs: [program] });
      expect(testRun(collection.program(program)).returned).toBe(simulated);
    }),
    { numRuns: 300 },
  );
});

test("random expressions of the generator give the same in JavaScript, the interpreter and the kernel", () => {
  interface Args {
    readonly a: bigint;
    readonly b: bigint;
  }
  const ARGS = struct("args", { a: u64, b: u64 });
  const { tree } = fc.letrec<{ tree: Formula }>((tie) => ({
    tree: fc.oneof(
      { depthSize: "small" },
      fc.constantFrom<Formula>({ name: "a" }, { name: "b" }),
      fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }).map((value): Formula => ({ value })),
      fc
        .tuple(fc.constantFrom("add", "sub", "mul", "and", "or", "xor"), tie("tree"), tie("tree"))
        .map(([op, left, right]): Formula => ({ op: op as "add", left, right })),
    ),
  }));
  const word = fc.bigInt({ min: 0n, max: (1n << 64n) - 1n });
  fc.assert(
    fc.property(tree, word, word, (formula, a, b) => {
      const program = rawTracepointProgram<Args>("formula", { args: ARGS }, (code, args) => {
        const built = code.let(scalarOf(formula, { a: args.get("a"), b: args.get("b") }));
        code.return(built.xor(built.shr(32)));
      });
      const value = resultOf(formula, { a, b });
      const expected = Number((value ^ (value >> 32n)) & 0xffff_ffffn);
      const context = encodeValue(ARGS, { a, b });
      expect(Number(new Machine().run(program, context).result & 0xffff_ffffn)).toBe(expected);
      using collection = loadCollection({ programs: [program] });
      expect(testRun(collection.program(program), { context }).returned).toBe(expected);
    }),
    { numRuns: 200 },
  );
});

type Formula =
  | { readonly name: "a" | "b" }
  | { readonly value: bigint }
  | { readonly op: "add" | "sub" | "mul" | "and" | "or" | "xor"; readonly left: Formula; readonly right: Formula };

function scalarOf(formula: Formula, names: Readonly<Record<"a" | "b", Scalar>>): Scalar {
  if ("name" in formula) return names[formula.name];
  if ("value" in formula) return names.a.and(0).add(formula.value);
  return scalarOf(formula.left, names)[formula.op](scalarOf(formula.right, names));
}

const OPERATIONS = {
  add: (a: bigint, b: bigint) => a + b,
  sub: (a: bigint, b: bigint) => a - b,
  mul: (a: bigint, b: bigint) => a * b,
  and: (a: bigint, b: bigint) => a & b,
  or: (a: bigint, b: bigint) => a | b,
  xor: (a: bigint, b: bigint) => a ^ b,
};

function resultOf(formula: Formula, names: Readonly<Record<"a" | "b", bigint>>): bigint {
  if ("name" in formula) return names[formula.name];
  if ("value" in formula) return formula.value;
  return BigInt.asUintN(64, OPERATIONS[formula.op](resultOf(formula.left, names), resultOf(formula.right, names)));
}
