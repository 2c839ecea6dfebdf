import { execFileSync, spawnSync } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ROOT } from "../source-tree.ts";
import { type Service, startVigil, vigil } from "./run-vigil.ts";

const isRoot = process.getuid?.() === 0;

let folder: string;
let state: string;
let service: Service;

/** `vigil` with the state directory of the service. */
const ask = (...words: readonly string[]) => vigil([...words, "--state", state]);
const pidOf = (process: string): number => statusOf().processes.find(({ name }: { readonly name: string }) => name === process)?.pid ?? 0;
const statusOf = () => JSON.parse(ask("status", "-o", "json").stdout);

async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await new Promise((resolve) => setTimeout(resolve, 100));
}

/** Runs the `curl` that the screen shows, as it stands there. */
function runShownCurl(): { readonly allowed: boolean; readonly status: { readonly code: number; readonly message: string } } {
  const command = /^ {2}(curl [\s\S]*?\/validate)$/m.exec(service.stdout())?.[1] ?? "";
  return JSON.parse(execFileSync("sh", ["-c", command], { cwd: folder, encoding: "utf8" })).response;
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "vigil up "));
  state = join(folder, "state");
  mkdirSync(join(folder, "policies"));
  service = startVigil(["up", "--state", state, "--listen", "127.0.0.1:0", "--policy", "builtin", "--policy", join(folder, "policies")]);
  await service.until(/Ctrl-C/);
}, 120_000);

afterAll(async () => {
  await service.stop("SIGTERM");
  rmSync(folder, { recursive: true, force: true });
}, 60_000);

describe("vigil up", () => {
  test("says on one line that it is ready, what runs where, what is off, and what to try", () => {
    const screen = service.stdout();
    expect(screen.split("\n").filter((line) => /\bready\b/.test(line))).toHaveLength(1);
    expect(screen).toMatch(/webhook +https:\/\/127\.0\.0\.1:\d+\/validate and \/mutate/);
    expect(screen).toMatch(/policies +\d+ from builtin/);
    expect(screen).toContain(state);
    expect(screen).toContain("off: cluster");
    expect(screen).toContain("off: network");
    expect(screen).toContain(isRoot ? "16 rules judge what processes do, nothing is attached to system calls" : "off: runtime sensor");
  });

  test("keeps its state private", () => expect(statSync(state).mode & 0o777).toBe(0o700));

  test("refuses the review that it shows, and can say why", async () => {
    const { allowed, status } = runShownCurl();
    expect({ allowed, code: status.code }).toEqual({ allowed: false, code: 403 });
    expect(status.message).toContain("privileged containers are not allowed");
    await until(() => ask("events", "--verdict", "deny").stdout.includes("Pod shop/debug"));
    const why = ask("events", "why", "last");
    expect(why).toMatchObject({ status: 0, stderr: "" });
    expect(why.stdout).toMatch(/^DENY create Pod shop\/debug\n {2}because +privileged containers/);
    expect(why.stdout).toMatch(/written in +\S*packs\/pod-security\/baseline\.yaml:\d+/);
  });

  test("writes events that programs can read, and that can be found again by their ids", () => {
    const lines = ask("events", "-o", "jsonl", "--verdict", "deny").stdout.trim().split("\n");
    const event = JSON.parse(lines[0] ?? "");
    expect(event).toMatchObject({ kind: "decision", verdict: "deny", object: "Pod shop/debug", policy: "pod-security-baseline" });
    expect(JSON.parse(ask("events", "why", event.id, "-o", "json").stdout)).toEqual(event);
    expect(ask("events", "why", event.id.slice(-8)).stdout).toContain(event.id);
    expect(JSON.parse(ask("events", "-o", "json", "--verdict", "deny").stdout)[0]).toEqual(event);
    expect(ask("events", "--since", "2000-01-01", "--until", "2000-01-02")).toEqual({ status: 0, stdout: "", stderr: "no events\n" });
  });

  test("shows its status", () => {
    expect(ask("status").status).toBe(0);
    expect(statusOf()).toMatchObject({
      processes: [
        { name: "authority", state: "ready" },
        { name: "agent", state: "ready" },
        { name: "control", state: "ready" },
        { name: "network", state: "ready" },
        ...(isRoot ? [{ name: "sensor", state: "ready" }] : []),
      ],
      admission: { breakGlass: null },
      events: { state: "ok", lost: 0 },
    });
  });

  test("puts a changed policy in force, and keeps the last good ones when a change has a mistake", async () => {
    const before = statusOf().policies;
    copyFileSync(join(ROOT, "examples/policies/replicas.yaml"), join(folder, "policies/replicas.yaml"));
    await until(() => statusOf().policies.count === before.count + 1);
    writeFileSync(join(folder, "policies/broken.yaml"), "kind: [");
    await until(() => statusOf().policies.refused !== undefined);
    expect(ask("status").status).toBe(1);
    expect(statusOf().policies.count).toBe(before.count + 1);
    await until(() => service.stderr().includes("broken.yaml:1:"));
    expect(ask("policy", "reload")).toMatchObject({ status: 1, stderr: expect.stringContaining("broken.yaml:1:7") });
    rmSync(join(folder, "policies/broken.yaml"));
    expect(ask("policy", "reload").status).toBe(0);
    expect(statusOf().policies.refused).toBeUndefined();
  });

  test("lets everything pass while break-glass is open, for a while, and notes it", async () => {
    expect(ask("admission", "break-glass")).toMatchObject({ status: 0, stdout: expect.stringContaining("closed") });
    expect(ask("admission", "break-glass", "--reason", "drill", "--for", "5h").status).toBe(2);
    expect(ask("admission", "break-glass", "--reason", "drill", "--for", "2m").stdout).toContain("OPEN");
    expect(runShownCurl().allowed).toBe(true);
    expect(ask("admission", "break-glass", "--close").stdout).toContain("closed");
    expect(runShownCurl().allowed).toBe(false);
    await until(() => ask("events", "--kind", "action").stdout.includes("close break-glass"));
  });

  test("is alone with its state, and says who uses it", () => {
    const second = vigil(["up", "--state", state]);
    expect(second).toMatchObject({ status: 2, stdout: "" });
    expect(second.stderr).toContain(`process ${service.process.pid}`);
  });

  test("starts what has died again", async () => {
    const pid = pidOf("control");
    process.kill(pid, "SIGKILL");
    await until(() => ask("status").status !== 2 && pidOf("control") !== pid);
    expect(runShownCurlAgain()).toBe(false);
  });

  test("presents its SVID to who asks for the trust domain, as the shown command checks", () => {
    const printed = /^ {2}(openssl [\s\S]*?<\/dev\/null)$/m.exec(service.stdout())?.[1] ?? "";
    // The webhook that took the place of the one before has taken another free port.
    const command = printed.replace(/-connect \S+/, `-connect ${new URL(statusOf().admission.url).host}`);
    const shown = spawnSync("sh", ["-c", `${command} 2>&1`], { encoding: "utf8" }).stdout;
    expect(shown).toContain("Verify return code: 0 (ok)");
    const certificate = execFileSync("openssl", ["x509", "-noout", "-text"], { encoding: "utf8", input: shown });
    expect(certificate).toContain("URI:spiffe://vigil.local/vigil/admission");
  });

  test("gives the webhook's SVID to the webhook's process alone, and not to whatever its user runs", () => {
    const registered = JSON.parse(ask("identity", "list", "-o", "json").stdout);
    expect(registered.map(({ id }: { readonly id: string }) => id)).toContain("spiffe://vigil.local/vigil/admission");
    // The same user and the same program: only the supervisor's word makes the difference.
    const { identities } = JSON.parse(ask("identity", "show", "-o", "json").stdout);
    expect(identities.map(({ spiffeId }: { readonly spiffeId: string }) => spiffeId)).toEqual([
      expect.stringMatching(/^spiffe:\/\/vigil\.local\/user\//),
    ]);
  });

  test("gives whoever runs it an identity, also after the authority and then the agent have died", async () => {
    const show = (): { readonly spiffeId: string; readonly verified: boolean } =>
      JSON.parse(ask("identity", "show", "-o", "json").stdout || "{}").identities?.[0];
    const first = show();
    expect(first).toMatchObject({ spiffeId: expect.stringMatching(/^spiffe:\/\/vigil\.local\/user\//), verified: true });
    const authority = pidOf("authority");
    process.kill(authority, "SIGKILL");
    // What is held is served on, and what is issued by the next authority is verified by the same bundle.
    expect(show()).toEqual(first);
    await until(() => pidOf("authority") !== authority && ask("identity", "doctor").status === 0);
    expect(show()).toEqual(first);
    const agent = pidOf("agent");
    process.kill(agent, "SIGKILL");
    await until(() => ask("identity", "doctor").status === 0);
    expect(show()).toMatchObject({ spiffeId: first.spiffeId, verified: true });
  });
});

/** The port is another one after a restart, since the test asks for any. */
function runShownCurlAgain(): boolean {
  const command = /^ {2}(curl [\s\S]*?) https:\S+\/validate$/m.exec(service.stdout())?.[1] ?? "";
  return JSON.parse(execFileSync("sh", ["-c", `${command} ${statusOf().admission.url}/validate`], { encoding: "utf8" })).response.allowed;
}

describe("vigil up that cannot run", () => {
  test("says which address is taken, and ends with 2", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    const port = typeof address === "object" ? address?.port : 0;
    const { status, stderr } = vigil(["up", "--state", join(folder, "other"), "--listen", `127.0.0.1:${port}`]);
    server.close();
    expect(status).toBe(2);
    expect(stderr).toContain(`\`127.0.0.1:${port}\` is in use`);
  });

  test("does not start with a part of the policies: without the rest, more would be allowed", () => {
    const broken = join(folder, "broken.yaml");
    writeFileSync(broken, "kind: [");
    const words = ["--listen", "127.0.0.1:0", "--policy", "builtin", "--policy", broken];
    const { status, stdout, stderr } = vigil(["up", "--state", join(folder, "other"), ...words]);
    expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
    expect(stderr).toContain(`${broken}:1:`);
  });

  test.each([
    [["--listen", "here"], "HOST:PORT"],
    [["--state", "/dev/null/vigil"], "/dev/null/vigil"],
    [["--config", "no-such-file.yaml"], "no-such-file.yaml"],
    [["--listen", "127.0.0.1:0", "--policy", "no-such-policies"], "no-such-policies"],
  ])("says what is wrong with %j", (words, part) => {
    const { status, stdout, stderr } = vigil(["up", "--state", join(folder, "other"), ...words]);
    expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
    expect(stderr).toContain(part);
    expect(stderr).not.toContain("internal error");
  });

  test.each([
    ["SIGINT", 130],
    ["SIGTERM", 0],
  ] as const)(
    "drains on %s, says so, and leaves nothing behind",
    async (signal, code) => {
      const directory = join(folder, signal);
      const other = startVigil(["up", "--state", directory, "--listen", "127.0.0.1:0", "-o", "json"]);
      await other.until(/\n/);
      expect(JSON.parse(other.stdout())).toMatchObject({ ready: true, state: directory });
      const pid = Number(readFileSync(join(directory, "lock.pid"), "utf8"));
      expect(await other.stop(signal)).toBe(code);
      expect(other.stderr()).toMatch(/draining …\nstopped\n$/);
      expect(() => process.kill(pid, 0)).toThrow("ESRCH");
      expect(vigil(["status", "--state", directory]).status).toBe(2);
      expect(vigil(["events", "--state", directory, "--kind", "action"]).stdout).toContain("stop control");
    },
    180_000,
  );
});
