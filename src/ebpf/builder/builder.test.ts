/** Programs are generated and run by the interpreter; `test/ebpf/` gives the same ones to the kernel. */
import { describe, expect, test } from "vitest";
import { EbpfError } from "../ebpf-error.ts";
import { Machine } from "../interpreter/machine.ts";
import { array, bytes, type Layout, struct, text, u8, u16be, u32, u64 } from "../layout.ts";
import { encodeValue } from "../layout-codec.ts";
import { listing } from "../listing.ts";
import { arrayMap, hashMap, mapOfMaps, programArray, ringBuffer } from "../map-spec.ts";
import type { ProgramSpec } from "../program-spec.ts";
import type { Code } from "./code.ts";
import type { Scalar } from "./expression.ts";
import type { Memory } from "./memory.ts";
import { rawTracepointProgram, socketAddressProgram, subprogram, XDP_ACTION, xdpProgram } from "./program.ts";
import type { RingRecord } from "./ring-record.ts";

interface Args {
  readonly a: bigint;
  readonly b: bigint;
}

const ARGS = struct("args", { a: u64, b: u64 });

const program = (body: (code: Code, args: Memory<Args>) => void): ProgramSpec => rawTracepointProgram("test", { args: ARGS }, body);

const run = (spec: ProgramSpec, a = 0n, b = 0n, machine = new Machine()): bigint =>
  machine.run(spec, encodeValue(ARGS, { a: BigInt.asUintN(64, a), b: BigInt.asUintN(64, b) })).result;

/** What is refused when the program is generated, and the line of this file that the refusal names. */
function refusal(body: (code: Code, args: Memory<Args>) => void): EbpfError {
  try {
    program(body);
  } catch (error) {
    if (error instanceof EbpfError) return error;
    throw error;
  }
  return expect.fail("expected the program to be refused");
}

describe("values", () => {
  test.each([
    ["add", (a: Scalar, b: Scalar) => a.add(b), 7n, 5n, 12n],
    ["nested to the right", (a: Scalar, b: Scalar) => a.sub(b.sub(a.sub(b.sub(a.sub(b.sub(a.sub(b))))))), 100n, 7n, 372n],
    ["wide constants", (a: Scalar) => a.add(0x1_0000_0001n), 1n, 0n, 0x1_0000_0002n],
    ["unsigned constants of 32 bits", (a: Scalar) => a.and(0xffff_ffffn), -1n, 0n, 0xffff_ffffn],
    ["shifts", (a: Scalar, b: Scalar) => a.shl(b).shr(4), 0xf1n, 8n, 0xf10n],
    ["sign", (a: Scalar) => a.signed(8).sar(1), 0xfen, 0n, 0xffff_ffff_ffff_ffffn],
    ["order of bytes", (a: Scalar) => a.bigEndian(16), 0x1_2345n, 0n, 0x4523n],
    ["negation", (a: Scalar) => a.negated(), 1n, 0n, 0xffff_ffff_ffff_ffffn],
    ["the lower half", (a: Scalar) => a.low32(), -1n, 0n, 0xffff_ffffn],
  ] as readonly (readonly [string, (a: Scalar, b: Scalar) => Scalar, bigint, bigint, bigint])[])(
    "compute %s",
    (_, compute, a, b, result) => {
      const spec = program((code, args) => code.return(compute(args.get("a"), args.get("b"))));
      expect(run(spec, a, b)).toBe(result);
    },
  );

  test("stay where `let` has put them, and change where they are variables", () => {
    const spec = program((code, args) => {
      const values = Array.from({ length: 6 }, (_, index) => code.let(args.get("a").add(index)));
      const sum = code.variable(0);
      for (const value of values) code.assign(sum, sum.add(value));
      code.return(sum);
    });
    expect(run(spec, 10n)).toBe(75n);
  });

  test("cannot be used after the end of their block", () => {
    const refused = refusal((code, args) => {
      let inner: Scalar | undefined;
      code.if(args.get("a").eq(1), () => {
        inner = code.let(args.get("b"));
      });
      code.return(inner ?? 0);
    });
    expect(refused.code).toBe("EBPF_UNINITIALISED");
  });
});

describe("control flow", () => {
  test.each([
    [0n, 0n, 3n],
    [1n, 0n, 1n],
    [1n, 1n, 2n],
    [5n, 9n, 1n],
    [7n, 3n, 0n],
  ])("chooses for %s and %s", (a, b, result) => {
    const spec = program((code, args) => {
      const [x, y] = [code.let(args.get("a")), code.let(args.get("b"))];
      code.if(x.eq(y).and(x.ne(0)), () => code.return(2));
      code.if(x.isOneOf(1, 5).or(x.gt(10).and(y.hasAny(4))), () => code.return(1));
      code.if(
        x.lt(y).or(y.eq(0)).not(),
        () => code.return(0),
        () => code.return(3),
      );
    });
    expect(run(spec, a, b)).toBe(result);
  });

  test("leaves out what cannot be reached", () => {
    const spec = program((code) => {
      code.return(1);
      code.return(2);
    });
    expect(listing(spec.instructions)).not.toContain("= 2");
  });

  test.each([{}, { unroll: false }, { unroll: false, guard: "may_goto" as const }])("repeats with %o", (options) => {
    const spec = program((code, args) => {
      const sum = code.variable(0);
      code.repeat(
        10,
        (index, loop) => {
          code.if(index.eq(2), () => loop.continue());
          code.if(index.eq(args.get("a")), () => loop.break());
          code.assign(sum, sum.add(index));
        },
        options,
      );
      code.return(sum);
    });
    expect([run(spec, 5n), run(spec, 100n)]).toEqual([8n, 43n]);
  });

  test("calls subprograms, once generated, and functions back", () => {
    const square = subprogram("square", 1, (code, x) => code.return((x ?? expect.fail()).mul(x ?? 0)));
    const STATE = struct("state", { sum: u64 });
    const spec = program((code, args) => {
      const state = code.stack(STATE, { sum: code.callSubprogram(square, args.get("a")) });
      code.loop(100, state, (inner, index, shared) => {
        inner.if(index.ge(3), () => inner.return(1));
        shared.set("sum", shared.get("sum").add(inner.callSubprogram(square, index)));
      });
      code.return(state.get("sum"));
    });
    expect(run(spec, 6n)).toBe(41n);
    expect(listing(spec.instructions).match(/^square/gm)).toHaveLength(1);
  });

  test("refuses a subprogram that calls itself", () => {
    const forever = subprogram("forever", 0, (code) => code.return(code.callSubprogram(forever)));
    expect(refusal((code) => code.return(code.callSubprogram(forever))).code).toBe("EBPF_JUMP");
  });

  test("asks programs that decide for a result on each path", () => {
    expect(() =>
      socketAddressProgram("c4", { hook: "connect4" }, (code, context) => {
        code.if(context.get("user_ip4").eq(1), () => code.return(1));
      }),
    ).toThrow(expect.objectContaining({ code: "EBPF_RETURN" }));
  });

  test("goes on as another program", () => {
    const programs = programArray("jumps", 4);
    const second = program((code, args) => code.return(args.get("b").add(1000)));
    const first = program((code, args) => {
      code.tailCall(args, programs, args.get("a"));
      code.return(1);
    });
    const machine = new Machine();
    machine.setProgram(programs, 2, second);
    expect([run(first, 2n, 5n, machine), run(first, 3n, 5n, machine)]).toEqual([1005n, 1n]);
  });
});

const KEY = struct("key", { ip: u32, port: u16be });
const ports = hashMap("ports", { key: KEY, value: u64, maxEntries: 2 });

describe("maps", () => {
  test("are looked up, updated and deleted with keys of the program's own", () => {
    const spec = program((code, args) => {
      const key = { ip: args.get("a"), port: 80 };
      code.ifNonNull(
        code.lookup(ports, key),
        (value) => {
          value.incrementValue(5);
          code.if(value.value().gt(10), () => code.return(code.delete(ports, key)));
        },
        () => code.return(code.update(ports, key, 1, "absent")),
      );
      code.return(7);
    });
    const machine = new Machine();
    expect([run(spec, 1n, 0n, machine), run(spec, 1n, 0n, machine), machine.map(ports).get({ ip: 1, port: 80 })]).toEqual([0n, 7n, 6n]);
    expect([run(spec, 1n, 0n, machine), machine.map(ports).size]).toEqual([0n, 0]);
    expect([run(spec, 2n, 0n, machine), run(spec, 3n, 0n, machine), run(spec, 4n, 0n, machine)]).toEqual([0n, 0n, BigInt.asUintN(64, -7n)]);
  });

  test("hold maps, and one value without a lookup", () => {
    const inner = hashMap("inner", { key: u32, value: u64, maxEntries: 4 });
    const outer = mapOfMaps("outer", { inner, maxEntries: 2 });
    const total = arrayMap("total", { value: struct("total", { hits: u64, misses: u64 }), maxEntries: 1 });
    const spec = program((code, args) => {
      const sums = code.globalValue(total);
      code.lookupIn(
        outer,
        args.get("a"),
        inner,
        args.get("b"),
        (value) => {
          sums.increment("hits");
          code.return(value.value());
        },
        () => sums.increment("misses"),
      );
    });
    const machine = new Machine();
    machine.map(inner).set(9, 99n);
    machine.setInner(outer, Uint8Array.of(1, 0, 0, 0), inner);
    expect([run(spec, 1n, 9n, machine), run(spec, 1n, 8n, machine), run(spec, 0n, 9n, machine)]).toEqual([99n, 0n, 0n]);
    expect(machine.map(total).get(0)).toEqual({ hits: 1n, misses: 2n });
  });

  test("give values that may be absent, which nothing can be done with before they are checked", () => {
    program((code) => {
      const value = code.lookup(ports, { ip: 1, port: 2 });
      // @ts-expect-error it may be null
      expect(value.value).toBeUndefined();
      // @ts-expect-error it may be null
      expect(value.incrementValue).toBeUndefined();
      // @ts-expect-error the key is a struct
      expect(() => code.lookup(ports, 1)).toThrow();
      // @ts-expect-error the struct has another field
      expect(() => code.lookup(ports, { ip: 1, prt: 2 })).toThrow();
      expect(code.orElse(value, () => code.return(0)).layout).toBe(u64);
    });
    expect(refusal((code) => code.orElse(code.lookup(ports, { ip: 1, port: 2 }), () => {})).code).toBe("EBPF_RETURN");
  });

  test("know their fields", () => {
    program((_code, args) => {
      // @ts-expect-error there is no such field
      expect(() => args.get("c")).toThrow(TypeError);
      // @ts-expect-error a number is no memory
      expect(() => args.set("a", args)).toThrow();
    });
  });
});

interface Event {
  readonly pid: number;
  readonly value: bigint;
  readonly comm: string;
}

const EVENT = struct("event", { pid: u32, value: u64, comm: text(16) });
const events = ringBuffer<Event>("events", { record: EVENT, sizeBytes: 4096 });

const fill = (code: Code, record: RingRecord<Event>): void => {
  record.set("pid", code.call("get_current_pid_tgid").shr(32));
  record.set("value", 5);
  code.run("get_current_comm", record.at("comm"));
};

describe("ring buffers", () => {
  test("take records, and say when they are full", () => {
    const spec = program((code, args) =>
      code.reserve(
        events,
        (record) => {
          fill(code, record);
          code.if(
            args.get("a").eq(1),
            () => record.discard(),
            () => record.submit(),
          );
        },
        () => code.return(1),
      ),
    );
    const machine = new Machine({ process: { tgid: 42, comm: "curl" } });
    expect([run(spec, 0n, 0n, machine), run(spec, 1n, 0n, machine)]).toEqual([0n, 0n]);
    expect(machine.ring(events).take()).toEqual([{ pid: 42, value: 5n, comm: "curl" }]);
    const results = Array.from({ length: 200 }, () => run(spec, 0n, 0n, machine));
    expect(results.filter((result) => result === 1n)).toHaveLength(200 - Math.floor(4096 / 40));
  });

  test.each([
    ["kept", (code: Code, record: RingRecord<Event>) => fill(code, record)],
    [
      "submitted on one path",
      (code: Code, record: RingRecord<Event>, args: Memory<Args>) => {
        fill(code, record);
        code.if(args.get("a").eq(1), () => record.submit());
      },
    ],
    [
      "kept on the path that returns",
      (code: Code, record: RingRecord<Event>, args: Memory<Args>) => {
        fill(code, record);
        code.if(args.get("a").eq(1), () => code.return(0));
        record.submit();
      },
    ],
    [
      "written after it was submitted",
      (code: Code, record: RingRecord<Event>) => {
        fill(code, record);
        record.submit();
        record.set("pid", 1);
      },
    ],
    [
      "submitted twice",
      (code: Code, record: RingRecord<Event>) => {
        fill(code, record);
        record.submit();
        record.submit();
      },
    ],
    [
      "submitted in a loop",
      (code: Code, record: RingRecord<Event>) => {
        fill(code, record);
        code.repeat(100, () => record.submit());
      },
    ],
  ] as readonly (readonly [string, (code: Code, record: RingRecord<Event>, args: Memory<Args>) => void])[])(
    "refuse a record that is %s",
    (_, body) => {
      const refused = refusal((code, args) => code.reserve(events, (record) => body(code, record, args)));
      expect(refused.code).toBe("EBPF_RECORD");
      expect(refused.source?.file).toMatch(/builder\.test\.ts$/);
    },
  );

  test("refuse a record with a field that is not set on some path", () => {
    const refused = refusal((code, args) =>
      code.reserve(events, (record) => {
        record.set("pid", 1);
        code.run("get_current_comm", record.at("comm"));
        code.if(args.get("a").eq(1), () => record.set("value", 1));
        record.submit();
      }),
    );
    expect(refused.code).toBe("EBPF_UNINITIALISED");
    expect(refused.message).toContain("`value`");
    expect(refused.message).not.toContain("`comm`");
    program((code) =>
      code.reserve(events, (record) => {
        record.clear();
        record.submit();
      }),
    );
  });
});

describe("the stack", () => {
  test("refuses what does not fit, and uses room again", () => {
    const large = array(u64, 30);
    expect(
      refusal((code) => {
        code.stack(large);
        code.stack(large);
        code.stack(large);
      }).code,
    ).toBe("EBPF_STACK");
    program((code, args) => {
      for (let round = 0; round < 5; round++) code.if(args.get("a").eq(round), () => void code.stack(large));
    });
    const deep = subprogram("deep", 0, (code) => void code.stack(large));
    expect(
      refusal((code) => {
        code.stack(array(u64, 40));
        code.callSubprogram(deep);
      }).code,
    ).toBe("EBPF_STACK");
  });

  test("refuses to read what was not written", () => {
    const refused = refusal((code, args) => {
      const buffer = code.buffer(struct("b", { x: u64 }));
      code.if(args.get("a").eq(1), () => buffer.set("x", 1));
      code.return(buffer.get("x"));
    });
    expect(refused.code).toBe("EBPF_UNINITIALISED");
    expect(refusal((code) => void code.lookup(ports, code.buffer(KEY))).code).toBe("EBPF_UNINITIALISED");
  });

  test("has the padding of keys at zero", () => {
    const spec = program((code) => code.return(code.stack(KEY, { ip: -1, port: 0xffff }).as(u64).value()));
    expect(run(spec)).toBe(0xffff_ffff_ffffn);
  });

  test("copies memory of one size", () => {
    const pair = struct("pair", { left: bytes(6), right: bytes(6) });
    const spec = program((code, args) => {
      const from = code.stack(struct("from", { word: u64 }), { word: args.get("a") });
      const to = code.stack(pair);
      to.at("right").copyFrom(from.as(bytes(6)));
      code.return(to.as(u32, 6).value());
    });
    expect(run(spec, 0x1122_3344n)).toBe(0x1122_3344n);
  });

  test("changes memory at once", () => {
    const spec = program((code, args) => {
      const word = code.stack(struct("word", { value: u64, flags: u32 }), { value: args.get("a"), flags: 1 });
      word.setBits("flags", 6);
      const before = word.fetch("exchange", "value", 5);
      const kept = word.compareExchange("value", 5, 8);
      const not = word.compareExchange("value", 5, 9);
      code.return(before.mul(1000).add(kept.mul(100)).add(not.mul(10)).add(word.get("value")).add(word.get("flags").shl(20)));
    });
    expect(run(spec, 3n)).toBe(3000n + 500n + 80n + 8n + (7n << 20n));
  });
});

describe("packets", () => {
  const ETHERNET = struct("ethernet", { to: bytes(6), from: bytes(6), type: u16be });
  const IP = struct("ip", { version: u8, service: u8, length: u16be, id: u16be, fragment: u16be, ttl: u8, protocol: u8, sum: u16be });
  const filter = xdpProgram("filter", {}, (code, context) => {
    code.packet(context, ETHERNET, (ethernet) => {
      code.if(ethernet.get("type").ne(0x800), () => code.return(XDP_ACTION.pass));
      code.packet(
        context,
        IP as Layout<{ readonly protocol: number; readonly version: number }>,
        (ip) => code.if(ip.get("protocol").eq(17), () => code.return(XDP_ACTION.drop)),
        undefined,
        14,
      );
    });
    code.return(XDP_ACTION.pass);
  });
  const packet = (type: number, protocol: number, length: number): Uint8Array => {
    const made = new Uint8Array(length);
    made.set([type >> 8, type & 0xff], 12);
    if (length > 23) made[23] = protocol;
    return made;
  };

  test.each([
    [0x800, 17, 60, XDP_ACTION.drop],
    [0x800, 6, 60, XDP_ACTION.pass],
    [0x86dd, 17, 60, XDP_ACTION.pass],
    [0x800, 17, 25, XDP_ACTION.pass],
    [0x800, 17, 10, XDP_ACTION.pass],
  ])("of type %i and protocol %i with %i bytes have their verdict", (type, protocol, length, verdict) => {
    const bytesOf = packet(type, protocol, Math.max(length, 14)).subarray(0, length);
    expect(new Machine().runPacket(filter, bytesOf).result).toBe(BigInt(verdict));
  });
});

test("each instruction knows the line that it stands for", () => {
  const spec = program((code, args) => {
    code.if(args.get("a").eq(1), () => {
      code.return(5);
    });
  });
  const lines = new Set(spec.instructions.map(({ source }) => source?.line));
  expect(lines.size).toBeGreaterThanOrEqual(3);
  for (const { source } of spec.instructions) expect(source?.file).toMatch(/builder\.test\.ts$/);
});
