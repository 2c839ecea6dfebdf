/** `vigil up --demo`, as root and as an ordinary user: what it shows, how it ends, and that it leaves nothing. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chownSync, mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { afterEach, describe, expect, test } from "vitest";
import { instanceOf } from "../../src/cmd/installation-instance.ts";
import { cgroup2Path } from "../../src/linux/mounts.ts";
import { vigil } from "../command/run-vigil.ts";
import { ROOT } from "../source-tree.ts";

const NOBODY = 65_534;
/** The next network process believes for ten seconds that who enforced still does. */
const FORGOTTEN_AFTER_MS = 11_000;
const SCENES = [
  "allowed calls flow",
  "a direct call is refused",
  "the right caller with the wrong method is refused",
  "… with the wrong path",
  "… with the wrong claim",
  "… for the wrong tenant",
  "a stolen certificate of another trust domain is refused",
  "a policy edit takes effect with no dropped request",
];

interface Demo {
  readonly process: ChildProcess;
  /** Where it keeps everything while it runs. */
  readonly folder: string;
  stdout(): string;
  stderr(): string;
  readonly ended: Promise<number | null>;
}

const folders: string[] = [];

function start(words: readonly string[], uid?: number): Demo {
  const folder = mkdtempSync(join(tmpdir(), "vigil-demo-test-"));
  folders.push(folder);
  if (uid !== undefined) chownSync(folder, uid, uid);
  const child = spawn(process.execPath, [join(ROOT, "src/cmd/main.ts"), "up", "--demo", ...words], {
    cwd: "/",
    env: { PATH: `${dirname(process.execPath)}:${process.env["PATH"]}`, HOME: "/nonexistent", TMPDIR: folder },
    stdio: ["ignore", "pipe", "pipe"],
    ...(uid !== undefined && { uid, gid: uid }),
  });
  let [stdout, stderr] = ["", ""];
  child.stdout.on("data", (chunk) => {
    stdout += chunk;
  });
  child.stderr.on("data", (chunk) => {
    stderr += chunk;
  });
  const ended = once(child, "exit").then(([code]) => code as number | null);
  return { process: child, folder, stdout: () => stdout, stderr: () => stderr, ended };
}

afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

/** The installation that it makes, in the names of cgroups and pins. */
async function instanceOfDemo({ folder, process: child }: Demo): Promise<string> {
  for (;;) {
    const made = readdirSync(folder).find((name) => name.startsWith("vigil-demo-"));
    if (made !== undefined) return instanceOf(join(folder, made, "state"));
    if (child.exitCode !== null) throw new Error("the demonstration ended before it began");
    await pause(20);
  }
}

function expectNothingLeft({ folder }: Demo, instance: string): void {
  expect(readdirSync(folder)).toEqual([]);
  const left = [`/sys/fs/bpf/vigil-${instance}`, join(cgroup2Path() ?? "/nonexistent", "vigil", instance)];
  expect(left.filter((path) => statSync(path, { throwIfNoEntry: false }) !== undefined)).toEqual([]);
}

const shown = ({ stdout }: Demo): readonly string[] => [...stdout().matchAll(/^(?:✓|✗) .*\n(?: {4}.*\n)+/gm)].map(([text]) => text);

describe("vigil up --demo --once", () => {
  test("as root shows every layer, the kernel's with nothing sent, and ends with 0", { timeout: 300_000 }, async () => {
    const demo = start(["--once"]);
    const instance = await instanceOfDemo(demo);
    const code = await demo.ended;
    const scenes = shown(demo);
    expect({ code, scenes, stderr: demo.stderr() }).toMatchObject({
      code: 0,
      scenes: SCENES.map((what) => expect.stringContaining(`✓ ${what}`)),
    });
    expect(scenes[1]).toMatch(
      /before a SYN leaves\n {4}DENY {3}front → payments {2}payments-callers {2}kernel {2}EPERM after [^,]+, 0 SYN of it, \d+ of orders/,
    );
    for (const scene of scenes.slice(2, 6))
      expect(scene).toMatch(/DENY {3}orders → payments .* payments-callers {2}process {2}decided in /);
    expect(scenes[7]).toMatch(/kernel {2}refused [^,]+ after the edit, [1-9]\d* checkouts meanwhile, 0 failed/);
    expect(demo.stdout()).toMatch(/8 of 8 as expected\n/);
    expectNothingLeft(demo, instance);
  });

  test("as an ordinary user says what the kernel's part would need, and passes the rest", { timeout: 300_000 }, async () => {
    const demo = start(["--once"], NOBODY);
    const instance = await instanceOfDemo(demo);
    const code = await demo.ended;
    const scenes = shown(demo);
    expect({ code, scenes, stderr: demo.stderr() }).toMatchObject({
      code: 0,
      scenes: SCENES.map((what) => expect.stringContaining(`✓ ${what}`)),
    });
    expect(demo.stdout()).toMatch(/off: kernel .*root[\s\S]*run `vigil up` as root on Linux 6\.1 or later/);
    expect(scenes[1]).toMatch(/DENY {3}front → payments {2}payments-callers {2}process/);
    expect(demo.stdout()).toContain("8 of 8 as expected, without the kernel's part");
    expectNothingLeft(demo, instance);
  });
});

test("without --once the shop stays open, also through kill -9 of the network process, until Ctrl-C, which ends everything", {
  timeout: 300_000,
}, async () => {
  const demo = start([]);
  const instance = await instanceOfDemo(demo);
  while (!demo.stdout().includes("Ctrl-C ends everything") && demo.process.exitCode === null) await pause(100);
  expect({ stderr: demo.stderr(), code: demo.process.exitCode }).toMatchObject({ code: null });
  const state = / --state (\S+)/.exec(demo.stdout())?.[1] ?? "";
  expect(state).toContain(demo.folder);

  // What the kernel lets through because a service enforces goes on when the process dies that knew it, and when its next one has asked all again.
  const statusOf = (): { readonly pid: number; readonly state: string } =>
    JSON.parse(vigil(["status", "--state", state, "-o", "json"]).stdout).processes.find(
      ({ name }: { readonly name: string }) => name === "network",
    );
  const { pid } = statusOf();
  const killedAt = new Date().toISOString();
  process.kill(pid, "SIGKILL");
  while (statusOf().pid === pid || statusOf().state !== "ready") await pause(200);
  await pause(FORGOTTEN_AFTER_MS);
  const flows = (...words: readonly string[]): readonly unknown[] =>
    JSON.parse(vigil(["flows", "--state", state, "--since", killedAt, "-o", "json", ...words]).stdout);
  const since = new Date().toISOString();
  while (flows("--since", since, "--from", "orders", "--to", "payments", "--layer", "process", "--verdict", "allow").length === 0)
    await pause(500);
  expect(flows("--verdict", "deny")).toEqual([]);

  demo.process.kill("SIGINT");
  expect(await demo.ended).toBe(130);
  expect(demo.stderr()).toMatch(/draining …\nstopped\n$/);
  expectNothingLeft(demo, instance);
});
