/** Each cause that `vigil identity doctor` can name is provoked, and named. */
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Cause, diagnose, type Finding } from "../../src/cmd/identity/diagnosis.ts";
import { gatherFacts } from "../../src/cmd/identity/doctor.ts";
import { GrpcError } from "../../src/grpc/grpc-error.ts";
import { GrpcServer } from "../../src/grpc/server.ts";
import type { WorkloadAttestor } from "../../src/identity/attestation/attestor.ts";
import { type Fixture, type FixtureOptions, OWN_UID, startAgent } from "./agent-fixture.ts";
import { makeCa, type ScriptedAuthority, type TestEntry } from "./scripted-authority.ts";

const WEB: TestEntry = { id: "web", spiffeId: "spiffe://test.example/web", selectors: [OWN_UID] };
const TIMEOUT_MS = 2_000;

let directory: string;
let fixture: Fixture | undefined;
const servers: Server[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "vigil-doctor-"));
});
afterEach(async () => {
  await fixture?.close();
  fixture = undefined;
  for (const server of servers.splice(0)) server.close();
  rmSync(directory, { recursive: true });
});

const examine = async (path: string, timeoutMs = TIMEOUT_MS): Promise<readonly Finding[]> => diagnose(await gatherFacts(path, timeoutMs));
const causesOf = (findings: readonly Finding[]): readonly Cause[] =>
  findings.flatMap((finding) => (finding.state === "well" ? [] : [finding.cause]));

async function start(options: FixtureOptions = {}): Promise<string> {
  fixture = await startAgent({ prepare: (authority) => authority.register(WEB), ...options });
  return fixture.path;
}

/** Looks until the causes are those expected: some take the agent a moment to notice. */
async function expectCauses(path: string, causes: readonly Cause[]): Promise<readonly Finding[]> {
  let findings: readonly Finding[] = [];
  await expect
    .poll(
      async () => {
        findings = await examine(path);
        return causesOf(findings);
      },
      { timeout: 15_000 },
    )
    .toEqual(causes);
  for (const finding of findings) if (finding.state !== "well") expect(finding.remedy).not.toBe("");
  return findings;
}

async function listen(path: string): Promise<Server> {
  const server = createServer(() => {});
  servers.push(server);
  server.listen(path);
  await once(server, "listening");
  return server;
}

describe("the socket", () => {
  test("is not there", async () => expect(causesOf(await examine(join(directory, "x.sock")))).toEqual(["socket-absent"]));

  test("is something else", async () => {
    writeFileSync(join(directory, "x.sock"), "");
    expect(causesOf(await examine(join(directory, "x.sock")))).toEqual(["socket-foreign"]);
  });

  test("is left over from an agent that has ended", async () => {
    const path = join(directory, "x.sock");
    const server = await listen(join(directory, "y.sock"));
    renameSync(join(directory, "y.sock"), path);
    server.close();
    await once(server, "close");
    expect(causesOf(await examine(path))).toEqual(["socket-stale"]);
  });

  test("may not be opened by this user; the command says so and answers 1", async () => {
    chmodSync(directory, 0o755);
    const closed = join(directory, "closed");
    spawnSync("/bin/mkdir", ["-m", "0700", closed]);
    await listen(join(closed, "x.sock"));
    const words = [
      "--reuid",
      "65534",
      "--regid",
      "65534",
      "--clear-groups",
      process.execPath,
      "src/cmd/main.ts",
      "identity",
      "doctor",
      "--format",
      "json",
      "--socket",
      join(closed, "x.sock"),
    ];
    const { status, stdout, stderr } = spawnSync("/usr/bin/setpriv", words, { encoding: "utf8", env: { HOME: directory } });
    expect(stderr).toBe("");
    expect(JSON.parse(stdout).findings).toEqual([expect.objectContaining({ check: "socket", cause: "socket-forbidden" })]);
    expect(status).toBe(1);
  });
});

describe("the agent", () => {
  test("takes the connection and does not answer", async () => {
    await listen(join(directory, "x.sock"));
    expect(causesOf(await examine(join(directory, "x.sock"), 200))).toEqual(["agent-timeout"]);
  });

  test("is none of Vigil's", async () => {
    const server = new GrpcServer({ services: [] });
    await server.listen({ kind: "unix", path: join(directory, "x.sock") });
    expect(causesOf(await examine(join(directory, "x.sock")))).toEqual(["agent-unknown"]);
    await server.close(0);
  });

  test("refuses the process", async () => {
    const lying: WorkloadAttestor = { name: "container", attest: () => ({ kind: "contradiction", message: "two containers" }) };
    const findings = await examine(await start({ server: { attestors: [lying] } }));
    expect(causesOf(findings)).toContain("attestation-refused");
    expect(findings.find(({ check }) => check === "attestation")?.message).toMatch(/`container`.*two containers/);
  });
});

describe("the authority", () => {
  test("is out of reach", async () => {
    await expectCauses(await start({ isAuthorityUp: false }), ["authority-unreachable"]);
  });

  test("goes away, and what is left is told", async () => {
    const path = await start();
    await expectCauses(path, []);
    await fixture?.authority.stop();
    const findings = await expectCauses(path, ["authority-unreachable"]);
    expect(findings.find(({ check }) => check === "authority")?.message).toMatch(/served on, the first for \d/);
    expect(findings.find(({ check }) => check === "chain")?.state).toBe("well");
  });

  test("takes the connection and does not answer", async () => {
    const path = await start({ isAuthorityUp: false, agent: { authorityTimeoutMs: 100 } });
    await listen(fixture?.authority.path ?? "");
    await expectCauses(path, ["authority-timeout"]);
  });

  test("refuses the agent", async () => {
    const path = await start({
      prepare: (authority) => {
        authority.syncFailure = new GrpcError("PERMISSION_DENIED", "the user 7 may not use the authority");
      },
    });
    await expectCauses(path, ["authority-refuses-agent"]);
  });

  test("has another time", async () => {
    const path = await start({ authorityClock: () => Date.now() + 60_000 });
    const findings = await expectCauses(path, ["clock-skew", "clock-skew"]);
    expect(findings.find(({ check }) => check === "clock")?.message).toMatch(/authority is (1m|60 s|59\.\d s).* ahead/);
  });

  test("signs with a key that has expired", async () => {
    const hourMs = 3_600_000;
    const path = await start({
      prepare: (authority: ScriptedAuthority) => {
        authority.ca = makeCa(() => Date.now() - 2 * hourMs, hourMs);
        authority.authorities = [authority.ca];
        authority.register(WEB);
      },
    });
    await expectCauses(path, ["ca-expired", "unknown-authority"]);
  });

  test("signs with a key that its bundle lacks", async () => {
    const path = await start({
      prepare: (authority: ScriptedAuthority) => {
        authority.ca = makeCa(Date.now);
        authority.register(WEB);
      },
    });
    const findings = await expectCauses(path, ["unknown-authority"]);
    expect(findings.find(({ check }) => check === "chain")?.message).toMatch(/x509-issuer/);
  });

  test("signs with a key that is tainted", async () => {
    const path = await start({
      prepare: (authority: ScriptedAuthority) => {
        authority.tainted = [authority.ca.id];
        authority.register(WEB);
      },
    });
    await expectCauses(path, ["ca-tainted"]);
  });
});

describe("the workload", () => {
  test("is not registered, and its selectors are told", async () => {
    const path = await start({ prepare: (authority) => authority.register({ ...WEB, selectors: ["unix:uid:4711"] }) });
    const findings = await expectCauses(path, ["not-registered"]);
    expect(findings.find(({ check }) => check === "registration")?.message).toContain(OWN_UID);
  });

  test("is revoked", async () => {
    const path = await start();
    fixture?.authority.deny({ spiffeIds: [WEB.spiffeId] });
    await expectCauses(path, ["revoked"]);
  });

  test("is refused by policy", async () => {
    const path = await start({
      prepare: (authority: ScriptedAuthority) => {
        authority.refusal = { code: 7, message: "the rule `no-root` refuses it" };
        authority.register(WEB);
      },
    });
    const findings = await expectCauses(path, ["policy-refused"]);
    expect(findings.find(({ check }) => check === "policy")?.message).toContain("no-root");
  });

  test("gets nothing because the authority fails", async () => {
    const path = await start({
      prepare: (authority: ScriptedAuthority) => {
        authority.refusal = { code: 13, message: "the journal cannot be written" };
        authority.register(WEB);
      },
    });
    await expectCauses(path, ["issue-failed"]);
  });

  test("has lifetimes that leave no time to try again", async () => {
    await expectCauses(await start({ prepare: (authority) => authority.register({ ...WEB, x509TtlMs: 20_000 }) }), ["ttl-too-short"]);
  });

  test("has an SVID that expired, as where the agent's clock stands", async () => {
    const path = await start({ clock: () => Date.now() - 7_200_000 });
    expect(causesOf(await examine(path))).toEqual(["clock-skew", "svid-expired"]);
  });

  test("has nothing wrong", async () => {
    const findings = await expectCauses(await start(), []);
    expect(findings.map(({ check }) => check)).toEqual([
      "socket",
      "agent",
      "attestation",
      "authority",
      "clock",
      "trust",
      "registration",
      "chain",
    ]);
  });
});
