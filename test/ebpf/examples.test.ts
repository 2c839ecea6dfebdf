/** The examples of `examples/ebpf/` and those of docs/ebpf.md, run as they are written. Needs root. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { cgroup2Path } from "../../src/linux/mounts.ts";
import { ROOT, readText } from "../source-tree.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "vigil-ebpf-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** The code with the published name replaced by the sources. */
function file(name: string, code: string): string {
  const path = join(folder, name);
  writeFileSync(path, code.replaceAll('"@vigil-dev/vigil/ebpf"', JSON.stringify(join(ROOT, "src/ebpf/index.ts"))));
  return path;
}

const example = (name: string): string => file(`${name}.ts`, readText(`examples/ebpf/${name}.ts`));

/** Starts an example and goes on once it has said that it runs. */
async function started(
  path: string,
  args: readonly string[],
  ready: string,
): Promise<{ readonly output: () => string; readonly ended: Promise<unknown> }> {
  const child = spawn(process.execPath, [path, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  const ended = once(child, "close");
  const isReady = new Promise<void>((resolve, reject) => {
    const collect = (chunk: Buffer): void => {
      output += chunk.toString();
      if (output.includes(ready)) resolve();
    };
    child.stdout.on("data", collect);
    child.stderr.on("data", collect);
    child.on("close", () => reject(new Error(`it ended early: ${output}`)));
  });
  await isReady;
  return { output: () => output, ended };
}

test("count-system-calls counts what runs meanwhile", () => {
  const { stdout, stderr } = spawnSync(process.execPath, [example("count-system-calls")], { encoding: "utf8" });
  expect(stderr).toBe("");
  expect(stdout).toMatch(/^(system call \d+: \d+\n){2,10}$/);
});

test("watch-exec shows a program that starts, with its parent", async () => {
  const { output, ended } = await started(example("watch-exec"), ["2"], "watching");
  const { pid } = spawnSync("/bin/true");
  await ended;
  expect(output()).toMatch(new RegExp(`^${process.pid} started ${pid} "true" "/bin/true"$`, "m"));
});

test("block-port refuses connections of a cgroup to a port, and to no other", async () => {
  const servers = await Promise.all(
    [1, 2].map(async () => {
      const server = createServer((socket) => socket.end()).listen(0, "127.0.0.1");
      await once(server, "listening");
      return server;
    }),
  );
  const [blocked = 0, open = 0] = servers.map((server) => (server.address() as { readonly port: number }).port);
  const cgroup = join(cgroup2Path() ?? expect.fail("no cgroup v2"), `vigil-example-${process.pid}`);
  mkdirSync(cgroup);
  try {
    const { output, ended } = await started(example("block-port"), [cgroup, String(blocked), "3"], "blocking");
    const connect = (port: number): number | null =>
      spawnSync("/bin/bash", ["-c", `echo $$ > ${cgroup}/cgroup.procs && exec 3<>/dev/tcp/127.0.0.1/${port}`]).status;
    expect([connect(blocked), connect(open)]).toEqual([1, 0]);
    expect(spawnSync("/bin/bash", ["-c", `exec 3<>/dev/tcp/127.0.0.1/${blocked}`]).status).toBe(0);
    await ended;
    expect(output()).toContain("refused 1");
  } finally {
    for (const server of servers) server.close();
    rmdirSync(cgroup);
  }
});

describe("docs/ebpf.md", () => {
  const guide = readFileSync(join(ROOT, "docs/ebpf.md"), "utf8");
  const examples = [...guide.matchAll(/^## (.+)|^```ts\n([\s\S]*?)^```/gm)].reduce<{
    title: string;
    found: { title: string; code: string }[];
  }>(
    ({ title, found }, [, heading, code]) =>
      heading === undefined ? { title, found: [...found, { title, code: code ?? "" }] } : { title: heading, found },
    { title: "", found: [] },
  ).found;

  test("has examples", () => expect(examples.length).toBeGreaterThanOrEqual(5));

  test.each(examples)("$title: the example prints what it says", ({ code }) => {
    const { stdout, stderr } = spawnSync(process.execPath, [file("guide.ts", code)], { encoding: "utf8" });
    const expected = [...code.matchAll(/\/\/ → (.*)$/gm)].map(([, line]) => line);
    expect(stderr).toBe("");
    expect(expected.length).toBeGreaterThan(0);
    expect(stdout.trimEnd().split("\n")).toEqual(expected);
  });
});
