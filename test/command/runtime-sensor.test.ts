/** The sensor as `vigil up` runs it: what is stored of processes, who they are, and what policies do to them. */
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { findHolders, objectKey } from "../../src/ebpf/kernel/holders.ts";
import { listPrograms } from "../../src/ebpf/kernel/object-info.ts";
import { PretendedContainer } from "../sensor/sensor-fixture.ts";
import { type Service, startVigil, vigil } from "./run-vigil.ts";

const PATIENCE_MS = 60_000;

let folder: string;
let rules: string;
let state: string;
let config: string;
let service: Service;

const ask = (...words: readonly string[]) => vigil([...words, "--state", state]);
const eventsOf = (...words: readonly string[]) =>
  ask("events", "-o", "jsonl", "-n", "2000", ...words)
    .stdout.split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line));

async function until<T>(what: string, find: () => T | undefined | false): Promise<T> {
  for (const startMs = performance.now(); performance.now() - startMs < PATIENCE_MS; ) {
    const found = find();
    if (found !== undefined && found !== false) return found;
    await pause(200);
  }
  throw new Error(`expected ${what}; the log says:\n${service.stderr()}`);
}

const policy = (name: string, spec: string): string =>
  `apiVersion: vigil.dev/v1alpha1\nkind: RuntimePolicy\nmetadata: {name: ${name}}\nspec: ${spec}\n`;

/** A copy of a program of the system, where only this test starts it. */
function program(name: string, of = "/bin/sleep"): string {
  const path = join(folder, name);
  copyFileSync(of, path);
  chmodSync(path, 0o755);
  return path;
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "vigil-sensor-"));
  [rules, state] = [join(folder, "rules"), join(folder, "state")];
  mkdirSync(rules);
  mkdirSync(join(folder, "forbidden"));
  writeFileSync(join(rules, "first.yaml"), policy("first", `{match: {events: [process.exec], paths: [${join(folder, "first")}]}}`));
  config = join(folder, "vigil.yaml");
  writeFileSync(config, `runtime: {rules: [${rules}], store: [process.exec, network, file.create], storePerSecond: 1000}\n`);
  service = startVigil(["up", "--config", config, "--state", state, "--listen", "127.0.0.1:0"]);
  await service.until(/Ctrl-C/);
}, 3 * PATIENCE_MS);
afterAll(async () => {
  await service.stop("SIGTERM");
  rmSync(folder, { recursive: true, force: true });
}, 60_000);

test("the ready screen says that it judges, and what it costs", () => {
  expect(service.stdout()).toMatch(/runtime sensor +1 rules judge what processes do, each system call of this host costs 0\.1 µs more/);
});

test("a program is stored with who it is, and traced: file, package, identity, policies, events", { timeout: PATIENCE_MS }, async () => {
  const child = spawn("/usr/bin/perl", ["-e", "sleep 600", "\u001b[31mred", "--token=hush"]);
  try {
    const event = await until("the program", () => eventsOf("--kind", "process", "--pid", String(child.pid))[0]);
    expect(event).toMatchObject({ action: "exec", object: "/usr/bin/perl", args: ["-e", "sleep 600", "\u001b[31mred", "--token=***"] });
    expect(event.subject).toBe("spiffe://vigil.local/user/root");
    // They are many, and shown to who asks for them.
    expect(eventsOf().filter(({ kind }) => kind === "process" || kind === "network")).toEqual([]);
    const traced = JSON.parse(ask("runtime", "trace", String(child.pid), "--config", config, "-o", "json").stdout);
    expect(traced.executable).toBe("/usr/bin/perl");
    expect(traced.digest).toBe(`sha256:${execFileSync("sha256sum", ["/usr/bin/perl"], { encoding: "utf8" }).slice(0, 64)}`);
    expect(traced.package).toMatch(/^perl-base \d/);
    expect(traced.identities[0]).toBe("spiffe://vigil.local/user/root");
    expect(traced.policies).toEqual(["first"]);
    expect(traced.events.map(({ id }: { readonly id: string }) => id)).toEqual([event.id]);
    const shown = ask("runtime", "trace", String(child.pid)).stdout;
    expect(shown).toContain("\\u001b[31mred --token=***");
    expect(shown).not.toContain("\u001b");
    expect(shown).toMatch(/identity +spiffe:\/\/vigil\.local\/user\/root \(/);
  } finally {
    child.kill("SIGKILL");
  }
});

test("a Go program is traced to its module and commit, a script of Node to its package", { timeout: PATIENCE_MS }, async () => {
  const source = join(folder, "go-program");
  mkdirSync(source);
  writeFileSync(join(source, "go.mod"), "module example.org/traced\n\ngo 1.18\n");
  writeFileSync(join(source, "main.go"), 'package main\n\nimport "time"\n\nfunc main() { time.Sleep(time.Hour) }\n');
  const git = (...words: readonly string[]): string => execFileSync("git", ["-C", source, ...words], { encoding: "utf8" }).trim();
  git("init", "-q");
  git("add", ".");
  git("-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "-qm", "first");
  execFileSync("go", ["build", "-buildvcs=true", "-o", "traced", "."], {
    cwd: source,
    env: { ...process.env, GOFLAGS: "-mod=mod" },
  });
  const script = join(folder, "node-package");
  mkdirSync(script);
  writeFileSync(join(script, "package.json"), '{"name": "traced-script", "version": "4.5.6", "gitHead": "0123abc"}');
  writeFileSync(join(script, "main.js"), "setTimeout(() => {}, 3600000)");
  const children = [spawn(join(source, "traced")), spawn(process.execPath, [join(script, "main.js")])];
  try {
    const [go, node] = children.map(({ pid }) => JSON.parse(ask("runtime", "trace", String(pid), "-o", "json").stdout).build);
    expect(go).toMatchObject({ kind: "go", module: "example.org/traced", commit: git("rev-parse", "HEAD") });
    expect(go.runtime).toMatch(/^go1\./);
    expect(node).toMatchObject({ kind: "node", module: "traced-script", version: "4.5.6", commit: "0123abc" });
  } finally {
    for (const child of children) child.kill("SIGKILL");
  }
});

test("rules that change take effect at once, and what has a mistake does not", { timeout: 2 * PATIENCE_MS }, async () => {
  spawnSync(program("first"), ["0"]);
  await until("the finding of the first rule", () => eventsOf("--kind", "finding").find(({ policy: name }) => name === "first"));
  const each = "deduplicate: {key: string(process.pid), within: 1m}";
  const spec = `{match: {events: [process.exec], paths: [${join(folder, "second")}]}, ${each}}`;
  writeFileSync(join(rules, "second.yaml"), policy("second", spec));
  await until("the second rule", () => service.stderr().includes("2 rules judge"));
  spawnSync(program("second"), ["0"]);
  const finding = await until("its finding", () => eventsOf("--kind", "finding").find(({ policy: name }) => name === "second"));
  expect(finding.binary).toBe(join(folder, "second"));
  writeFileSync(join(rules, "third.yaml"), policy("third", "{match: {events: [process.dance]}}"));
  await until("a note of the mistake", () => /third\.yaml:4:\d+/.test(service.stderr()));
  expect(eventsOf("--kind", "action").at(-1)).toMatchObject({ action: "activate rules", outcome: "refused" });
  const before = finding.pid;
  spawnSync(join(folder, "second"), ["0"]);
  await until("that those before still judge", () =>
    eventsOf("--kind", "finding").find(({ policy: name, pid }) => name === "second" && pid !== before),
  );
  rmSync(join(rules, "third.yaml"));
  await until("the rules before", () => service.stderr().split("2 rules judge").length === 3);
});

test("a program that a policy refuses writes nothing, and one that it kills or freezes is", { timeout: 2 * PATIENCE_MS }, async () => {
  const marker = join(folder, "marker");
  const forbidden = join(folder, "forbidden");
  const spec = (action: string, path: string): string => `{match: {events: [process.exec], paths: [${path}]}, action: ${action}}`;
  writeFileSync(join(rules, "refuse.yaml"), policy("refuse", spec("Refuse", forbidden)));
  writeFileSync(join(rules, "kill.yaml"), policy("kill", spec("Kill", join(folder, "killed"))));
  writeFileSync(join(rules, "freeze.yaml"), policy("freeze", spec("Freeze", join(folder, "frozen"))));
  await until("the rules", () => service.stderr().includes("5 rules judge"));
  const touch = join(forbidden, "touch");
  copyFileSync("/usr/bin/touch", touch);
  expect(spawnSync(touch, [marker])).toMatchObject({ signal: "SIGKILL" });
  expect(existsSync(marker)).toBe(false);
  const refused = await until("that it was refused", () =>
    eventsOf("--kind", "action").find(({ action, object }) => action === "refuse" && object === touch),
  );
  expect(refused).toMatchObject({ outcome: "done", message: expect.stringContaining("before its first instruction") });

  const killed = spawn(program("killed"), ["600"]);
  expect(await once(killed, "exit")).toEqual([null, "SIGKILL"]);

  using container = new PretendedContainer("cafe".padEnd(64, "0"));
  const enter = ["-c", 'echo $$ > "$0/cgroup.procs"; exec "$@"', container.path, program("frozen"), "600"];
  const frozen = spawn("/bin/sh", enter);
  const isFrozen = (): boolean => /^frozen 1$/m.test(readFileSync(join(container.path, "cgroup.events"), "utf8"));
  await until("a frozen cgroup", isFrozen);
  writeFileSync(join(container.path, "cgroup.freeze"), "0");
  frozen.kill("SIGKILL");
  await once(frozen, "exit");
});

test("what files and the network are used for is stored, and not what storing it needs", { timeout: PATIENCE_MS }, async () => {
  const written = join(folder, "written");
  const code = `open(F, '>', '${written}'); use Socket; socket(S, AF_INET, SOCK_STREAM, 0); connect(S, sockaddr_in(9, inet_aton('127.0.0.7')))`;
  spawnSync("/usr/bin/perl", ["-e", code]);
  const file = await until("the file", () => eventsOf("--object", written)[0]);
  expect(file).toMatchObject({ kind: "file", action: "create", binary: "/usr/bin/perl", result: 0 });
  const peer = await until("the peer", () => eventsOf("--object", "127.0.0.7:9").find(({ binary }) => binary === "/usr/bin/perl"));
  expect(peer).toMatchObject({ kind: "network", action: "connect", proto: "tcp", dstIp: "127.0.0.7", dstPort: 9 });
  const own = JSON.parse(ask("status", "-o", "json").stdout).processes.map(({ pid }: { readonly pid: number }) => pid);
  const looped = [...eventsOf("--kind", "file"), ...eventsOf("--kind", "network")].filter(({ pid }) => own.includes(pid));
  expect(looped).toEqual([]);
});

test("nothing stays in the kernel when it ends", { timeout: PATIENCE_MS }, async () => {
  await service.stop("SIGTERM");
  // The kernel frees programs a moment after their last holder; sensors of other tests come and go meanwhile.
  const left = (): readonly unknown[] => {
    const programs = listPrograms().filter(({ name }) => name.startsWith("sense_"));
    const holders = findHolders();
    return programs.filter(({ id }) => (holders.get(objectKey("program", id)) ?? []).length === 0);
  };
  await expect.poll(left, { timeout: 20_000 }).toEqual([]);
});
