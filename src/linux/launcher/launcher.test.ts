/** Scripts of system calls, run as the programs that they become. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { architecture } from "../native.ts";
import { launcherImage } from "./launcher-image.ts";
import { machineCode } from "./machine-code.ts";
import { REPORT_BYTES, REPORT_FAILED, SyscallScript } from "./syscall-script.ts";

const CHANNEL = 3;
const FAILED = 99;
const AT_FDCWD = -100;
const SIGCHLD = 17;

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "vigil-script-"));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

interface Ran {
  readonly code: number | null;
  readonly output: string;
  readonly reports: readonly { readonly kind: number; readonly step: string | undefined; readonly value: bigint }[];
}

function run(write: (script: SyscallScript) => void): Ran {
  const script = new SyscallScript(architecture(), CHANNEL);
  write(script);
  const finished = script.finish(FAILED);
  const file = join(directory, "image");
  writeFileSync(file, launcherImage(finished), { mode: 0o700 });
  const { status, stdout, output } = spawnSync(file, [], { stdio: ["ignore", "pipe", "inherit", "pipe"] });
  const channel = Buffer.from(output[CHANNEL] ?? "");
  const reports = Array.from({ length: channel.length / REPORT_BYTES }, (_, index) => {
    const at = index * REPORT_BYTES;
    const kind = channel.readUInt32LE(at);
    const step = kind === REPORT_FAILED ? finished.steps[channel.readUInt32LE(at + 4)]?.what : undefined;
    return { kind, step, value: channel.readBigInt64LE(at + 8) };
  });
  return { code: status, output: stdout.toString(), reports };
}

const say = (script: SyscallScript, text: string): void =>
  script.call("say", "write", [1, script.bytes(Buffer.from(text)), Buffer.byteLength(text)]);

describe("a script", () => {
  test("makes its calls in order, and exits", () => {
    const { code, output } = run((script) => {
      say(script, "one ");
      say(script, "two");
      script.exit(7);
    });
    expect({ code, output }).toEqual({ code: 7, output: "one two" });
  });

  test("keeps results in cells, which later calls take as arguments", () => {
    const { output } = run((script) => {
      const length = script.cell();
      const buffer = script.bytes(new Uint8Array(256));
      script.call("read a link", "readlinkat", [AT_FDCWD, script.text("/proc/self/exe"), buffer, 256], { store: length });
      script.call("say", "write", [1, buffer, length]);
      script.exit(0);
    });
    expect(output).toBe(join(directory, "image"));
  });

  test("tells which step failed and why, and ends", () => {
    const ran = run((script) => {
      script.call("open what is not there", "openat", [AT_FDCWD, script.text("/nowhere"), 0]);
      say(script, "never");
    });
    expect(ran).toEqual({ code: FAILED, output: "", reports: [{ kind: REPORT_FAILED, step: "open what is not there", value: -2n }] });
  });

  test("goes on elsewhere on an error, on zero, and on a result that is equal", () => {
    const { code, output } = run((script) => {
      const [onError, onZero, onEqual, wrong] = [script.label(), script.label(), script.label(), script.label()];
      script.call("fail", "close", [-1], { onError });
      script.goTo(wrong);
      script.mark(onError);
      script.call("return zero", "close", [0], { onError: wrong, onZero });
      script.goTo(wrong);
      script.mark(onZero);
      const five = script.cell(5n);
      script.call("write five", "write", [1, script.text("five "), five], { onEqual: { value: five, goTo: onEqual } });
      script.goTo(wrong);
      script.mark(onEqual);
      say(script, "right");
      script.exit(1);
      script.mark(wrong);
      script.exit(2);
    });
    expect({ code, output }).toEqual({ code: 1, output: "five right" });
  });

  test("forks, waits for the child, and reports how that ended", () => {
    const { reports } = run((script) => {
      const pid = script.cell();
      const status = script.words([0n]);
      const child = script.label();
      script.call("fork", "clone", [SIGCHLD, 0, 0, 0, 0], { store: pid, onZero: child });
      script.call("wait", "wait4", [pid, status, 0, 0]);
      script.report(7, { kind: "cell", address: status });
      script.exit(0);
      script.mark(child);
      script.exit(42);
    });
    expect(reports).toEqual([{ kind: 7, step: undefined, value: BigInt(42 << 8) }]);
  });
});

describe("a script cannot be written", () => {
  test("with a label that is marked nowhere", () => {
    expect(() => run((script) => script.goTo(script.label()))).toThrow("every label of the script to be marked");
  });
  test("with a text that would end early", () => {
    expect(() => run((script) => script.text("a\0b"))).toThrow("without zero bytes");
  });
  test("with a call that the architecture lacks", () => {
    const script = new SyscallScript("arm64", CHANNEL);
    expect(() => script.call("open", "open", [0, 0])).toThrow("arm64 has no system call `open`");
  });
});

test.each([
  ["x64", 184],
  ["arm64", 164],
] as const)("the code for %s has %i bytes, and ends by going back to the loop after its first instruction", (machine, size) => {
  const code = Buffer.from(machineCode(machine));
  expect(code).toHaveLength(size);
  const last = code.readInt32LE(size - 4);
  // A jump of x86-64 counts from its end, a branch of arm64 in words from its beginning.
  const target = machine === "x64" ? size + last : size - 4 + ((last << 6) >> 6) * 4;
  expect(target).toBe(machine === "x64" ? 7 : 4);
});
