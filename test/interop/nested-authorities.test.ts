/** Authorities of one trust domain above and below each other: ours below a SPIRE server, a SPIRE server below ours. */

import { once } from "node:events";
import { createServer } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createBundleMap } from "../../src/spiffe/bundle-map.ts";
import { parseEndpointAddress } from "../../src/spiffe/endpoint-address.ts";
import { verifyJwtSvid } from "../../src/spiffe/jwt-svid.ts";
import { parseTrustDomain } from "../../src/spiffe/spiffe-id.ts";
import {
  systemPacing,
  WorkloadApiClient,
  WorkloadJwtSource,
  WorkloadTrustSource,
  WorkloadX509Source,
} from "../../src/spiffe/workload-api/index.ts";
import { verifyX509Svid } from "../../src/spiffe/x509-svid.ts";
import { expectOk } from "../spiffe/trust-fixture.ts";
import { BUILD_MS, peersProblem } from "./peer-program.ts";
import { RunningSpire } from "./running-spire.ts";
import { type RunningVigil, runVigil, workloadOf } from "./running-vigil.ts";

const DOMAIN = "nested.test";
const WAIT = { timeout: 60_000, interval: 250 };

/** What a workload at one agent holds, and what a workload at the other makes of it. */
class Workload {
  readonly client: WorkloadApiClient;
  readonly x509: WorkloadX509Source;
  readonly trust: WorkloadTrustSource;

  constructor(socket: string) {
    this.client = new WorkloadApiClient(expectOk(parseEndpointAddress(`unix://${socket}`)));
    this.x509 = new WorkloadX509Source({ client: this.client, pacing: systemPacing });
    this.trust = new WorkloadTrustSource({ client: this.client, pacing: systemPacing });
  }

  ready(): Promise<unknown> {
    const signal = AbortSignal.timeout(60_000);
    return Promise.all([this.x509.ready(signal), this.trust.ready(signal)]);
  }

  get chain(): readonly Uint8Array[] {
    return (this.x509.x509Svid()?.certificates ?? []).map(({ der }) => der);
  }

  /** The ID that this workload reads in the other's certificate; why it does not, otherwise. */
  verifies(other: Workload): string {
    const verified = verifyX509Svid(other.chain, this.x509, { nowMs: Date.now() });
    return verified.ok ? verified.value.id : verified.error.message;
  }

  async verifiesToken(other: Workload): Promise<string> {
    const { token } = await new WorkloadJwtSource({ client: other.client, pacing: systemPacing }).jwtSvid(["shop"]);
    const bundles = [this.trust.bundleOf(expectOk(parseTrustDomain(DOMAIN)))].flatMap((bundle) => bundle ?? []);
    const verified = verifyJwtSvid(token, createBundleMap(bundles), { audiences: ["shop"], nowMs: Date.now() });
    return verified.ok ? verified.value.id : verified.error.message;
  }

  async close(): Promise<void> {
    this.x509.close();
    this.trust.close();
    await this.client.close();
  }
}

describe.skipIf(peersProblem !== undefined)(`Vigil below SPIRE (${peersProblem ?? "built from its module"})`, () => {
  let spire: RunningSpire;
  let vigil: RunningVigil;
  const workloads: Workload[] = [];

  beforeAll(async () => {
    spire = await RunningSpire.start({ trustDomain: DOMAIN });
    await spire.startAgent();
    spire.register("/vigil", process.execPath, "-downstream");
    vigil = await runVigil({
      trustDomain: DOMAIN,
      settings: { "identity.upstreamServer": spire.serverAddress, "identity.upstreamSocket": spire.socket },
      registrations: workloadOf("node", process.execPath, { id: `spiffe://${DOMAIN}/below` }),
    });
    workloads.push(new Workload(vigil.socket), new Workload(spire.socket));
    await Promise.all(workloads.map((workload) => workload.ready()));
  }, BUILD_MS);

  afterAll(async () => {
    for (const workload of workloads) await workload.close();
    await vigil?.stop();
    await spire?.stop();
  }, 60_000);

  test("SVIDs and tokens of both are good for both, and the chain ends at SPIRE's root", async () => {
    const [below, above] = workloads as [Workload, Workload];
    expect(below.chain).toHaveLength(2);
    expect(above.verifies(below)).toBe(`spiffe://${DOMAIN}/below`);
    expect(below.verifies(above)).toBe(spire.id("/vigil"));
    await expect.poll(() => above.verifiesToken(below), WAIT).toBe(`spiffe://${DOMAIN}/below`);
    await expect.poll(() => below.verifiesToken(above), WAIT).toBe(spire.id("/vigil"));
    expect(vigil.ask("trust", "show").stdout).toContain(`SPIRE server ${spire.serverAddress}`);
  }, 90_000);

  test("a root that SPIRE taints is followed: another certificate is made, workloads get new SVIDs, and the old root goes with its revocation", async () => {
    const [below, above] = workloads as [Workload, Workload];
    const before = below.chain[1];
    const old = JSON.parse(spire.ask("localauthority", "x509", "show", "-output", "json")).active.authority_id;
    const prepared = JSON.parse(spire.ask("localauthority", "x509", "prepare", "-output", "json")).prepared_authority.authority_id;
    spire.ask("localauthority", "x509", "activate", "-authorityID", prepared);
    spire.ask("localauthority", "x509", "taint", "-authorityID", old);
    await expect.poll(() => Buffer.from(below.chain[1] ?? []).equals(before ?? new Uint8Array()), WAIT).toBe(false);
    await expect.poll(() => above.verifies(below), WAIT).toBe(`spiffe://${DOMAIN}/below`);
    spire.ask("localauthority", "x509", "revoke", "-authorityID", old);
    await expect.poll(() => below.x509.bundleOf(expectOk(parseTrustDomain(DOMAIN)))?.x509Authorities.length, WAIT).toBe(1);
    expect(above.verifies(below)).toBe(`spiffe://${DOMAIN}/below`);
  }, 180_000);
});

describe.skipIf(peersProblem !== undefined)(`SPIRE below Vigil (${peersProblem ?? "built from its module"})`, () => {
  let spire: RunningSpire;
  let vigil: RunningVigil;
  const workloads: Workload[] = [];

  beforeAll(async () => {
    const port = await freePort();
    const server = RunningSpire.program("spire-server");
    vigil = await runVigil({
      trustDomain: DOMAIN,
      settings: { "identity.downstreamListen": `127.0.0.1:${port}` },
      registrations:
        workloadOf("spire", server, { id: `spiffe://${DOMAIN}/spire-below`, downstream: true }) +
        workloadOf("node", process.execPath, { id: `spiffe://${DOMAIN}/above` }),
    });
    spire = await RunningSpire.start({ trustDomain: DOMAIN, upstream: { port, workloadApi: vigil.socket } });
    await spire.startAgent();
    spire.register("/below", process.execPath);
    workloads.push(new Workload(vigil.socket), new Workload(spire.socket));
    await Promise.all(workloads.map((workload) => workload.ready()));
  }, BUILD_MS);

  afterAll(async () => {
    for (const workload of workloads) await workload.close();
    await spire?.stop();
    await vigil?.stop();
  }, 60_000);

  test("SVIDs and tokens of both are good for both, and the chain ends at our root", async () => {
    const [above, below] = workloads as [Workload, Workload];
    expect(below.chain).toHaveLength(2);
    expect(above.verifies(below)).toBe(spire.id("/below"));
    expect(below.verifies(above)).toBe(`spiffe://${DOMAIN}/above`);
    await expect.poll(() => above.verifiesToken(below), WAIT).toBe(spire.id("/below"));
    await expect.poll(() => below.verifiesToken(above), WAIT).toBe(`spiffe://${DOMAIN}/above`);
    const events = vigil.ask("events", "--limit", "1000", "-o", "json").stdout;
    expect(events).toContain("issue ca");
  }, 90_000);
});

/** A port that nobody has at the moment. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  return typeof address === "object" && address !== null ? address.port : 0;
}
