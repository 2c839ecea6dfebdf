/** The agent is killed at random moments, and its authority too: subscribers go on, and nobody holds what does not verify. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { WorkloadApiClient } from "../../src/spiffe/workload-api/client.ts";
import { WorkloadX509Source } from "../../src/spiffe/workload-api/x509-source.ts";
import { verifyX509Svid } from "../../src/spiffe/x509-svid.ts";
import { OWN_UID } from "./agent-fixture.ts";
import { ScriptedAuthority } from "./scripted-authority.ts";

const KILLS = 24;
const MAX_MOMENT_MS = 400;

let directory: string;
let authority: ScriptedAuthority;
let child: ChildProcess | undefined;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), "vigil-crash-"));
  authority = new ScriptedAuthority(join(directory, "authority.sock"));
  authority.register({ id: "web", spiffeId: "spiffe://test.example/web", selectors: [OWN_UID], x509TtlMs: 60_000 });
  await authority.start();
});

afterEach(async () => {
  child?.kill("SIGKILL");
  await authority.stop();
  rmSync(directory, { recursive: true });
});

const path = (): string => join(directory, "agent.sock");

function startAgent(): ChildProcess {
  const entry = join(import.meta.dirname, "agent-process.ts");
  child = spawn(process.execPath, [entry, authority.path, path()], { stdio: ["ignore", "pipe", "inherit"] });
  return child;
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

test("subscribers hold a valid identity all the time, and get the next one from whatever agent is there", async () => {
  await once(startAgent().stdout ?? process.stdin, "data");
  const client = new WorkloadApiClient({ kind: "unix", path: path() });
  const pacing = { nowMs: Date.now, random: () => 0, sleep: () => pause(20) };
  const source = new WorkloadX509Source({ client, pacing });
  await source.ready();
  for (let kill = 0; kill < KILLS; kill++) {
    // Every other agent is killed after it worked; the rest while they start, renew, or have lost their authority.
    if (kill > 0 && kill % 2 === 0) await once(child?.stdout ?? process.stdin, "data");
    await pause(Math.random() * MAX_MOMENT_MS);
    if (kill % 3 === 1) authority.rotateSvid("web");
    if (kill % 6 === 5) authority.rotateCa({ taint: true });
    if (kill % 4 === 3) await authority.stop();
    const killed = child;
    killed?.kill("SIGKILL");
    if (killed?.exitCode === null && killed.signalCode === null) await once(killed, "exit");
    if (kill % 4 === 3) await authority.start();
    const svid = source.x509Svid();
    if (svid === undefined) throw new Error(`no identity after kill ${kill}`);
    const chain = svid.certificates.map(({ der }) => der);
    expect(verifyX509Svid(chain, source, { nowMs: Date.now() })).toMatchObject({ ok: true });
    expect(authority.signedSerials).toContain(svid.certificates[0].serial.toString(16).padStart(32, "0"));
    startAgent();
  }
  const last = source.x509Svid();
  // A killed agent has no key left: the next one issues anew, and the subscriber follows it.
  await expect.poll(() => source.x509Svid() !== last, { timeout: 20_000 }).toBe(true);
  const before = source.x509Svid();
  authority.rotateSvid("web");
  await expect.poll(() => source.x509Svid() !== before, { timeout: 20_000 }).toBe(true);
  source.close();
  await client.close();
}, 120_000);
