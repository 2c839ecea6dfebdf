/** SPIRE beside us: our client with its agent, bundles that federate both ways, and workloads of the two that talk. */
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createHttpsServer, openWorkloadIdentity, peerOf, type ServiceIdentity } from "../../src/service/index.ts";
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
import { GoSpiffe } from "./go-spiffe.ts";
import { BUILD_MS, peersProblem } from "./peer-program.ts";
import { RunningSpire } from "./running-spire.ts";
import { type RunningVigil, runVigil, workloadOf } from "./running-vigil.ts";

const OURS = "vigil.test";
const THEIRS = "spire.test";
const ENDPOINT = `spiffe://${OURS}/vigil/bundle-endpoint`;

describe.skipIf(peersProblem !== undefined)(`SPIRE (${peersProblem ?? "built from its module"})`, () => {
  let spire: RunningSpire;
  let vigil: RunningVigil;
  let client: WorkloadApiClient;

  beforeAll(async () => {
    spire = await RunningSpire.start({ trustDomain: THEIRS });
    await spire.startAgent();
    vigil = await runVigil({
      trustDomain: OURS,
      settings: { "identity.bundleListen": "127.0.0.1:0" },
      registrations: workloadOf("node", process.execPath, { id: `spiffe://${OURS}/node`, federatesWith: [THEIRS] }),
    });
    client = new WorkloadApiClient(expectOk(parseEndpointAddress(`unix://${spire.socket}`)));
  }, BUILD_MS);

  afterAll(async () => {
    await client?.close();
    await vigil?.stop();
    await spire?.stop();
  }, 60_000);

  test("an unregistered workload waits at its agent until it is registered", async () => {
    const problems: unknown[] = [];
    const source = new WorkloadX509Source({ client, pacing: systemPacing, onProblem: (problem) => problems.push(problem) });
    await expect.poll(() => problems).not.toEqual([]);
    expect(problems[0]).toMatchObject({ status: "PERMISSION_DENIED" });
    spire.register("/node", process.execPath, "-hint", "main");
    await source.ready(AbortSignal.timeout(60_000));
    expect(source.x509Svid()).toMatchObject({ id: spire.id("/node"), hint: "main" });
    expect(source.trustDomains()).toEqual([THEIRS]);
    const chain = (source.x509Svid()?.certificates ?? []).map(({ der }) => der);
    expect(expectOk(verifyX509Svid(chain, source, { nowMs: Date.now() })).id).toBe(spire.id("/node"));
    source.close();
  }, 90_000);

  test("its agent gives us tokens that we and it validate", async () => {
    const trust = new WorkloadTrustSource({ client, pacing: systemPacing });
    await trust.ready(AbortSignal.timeout(30_000));
    const domain = expectOk(parseTrustDomain(THEIRS));
    await expect.poll(() => trust.bundleOf(domain)?.jwtKeys.size).toBe(1);
    const token = await new WorkloadJwtSource({ client, pacing: systemPacing }).jwtSvid(["shop"]);
    const bundles = createBundleMap([trust.bundleOf(domain)].flatMap((bundle) => bundle ?? []));
    expect(expectOk(verifyJwtSvid(token.token, bundles, { audiences: ["shop"], nowMs: Date.now() })).id).toBe(spire.id("/node"));
    expect(expectOk(await client.validateJwtSvid("shop", token.token)).id).toBe(spire.id("/node"));
    await expect(client.validateJwtSvid("bank", token.token)).rejects.toMatchObject({ status: "INVALID_ARGUMENT" });
    trust.close();
  });

  test("bundles federate both ways, proved by SVIDs, and follow changes", async () => {
    const [theirs, ours] = [join(spire.directory, "theirs.json"), join(spire.directory, "ours.json")];
    writeFileSync(theirs, spire.ask("bundle", "show", "-format", "spiffe"));
    writeFileSync(ours, vigil.ask("trust", "show", "--bundle").stdout);
    const trustTheirs = ["trust", "federate", THEIRS, "--url", spire.bundleUrl, "--server-id", spire.id("/spire/server")];
    expect(vigil.ask(...trustTheirs, "--bundle", theirs)).toMatchObject({ status: 0, stdout: expect.stringContaining("is trusted") });
    const endpoint = ["-bundleEndpointProfile", "https_spiffe", "-bundleEndpointURL", vigil.bundleUrl, "-endpointSpiffeID", ENDPOINT];
    spire.ask(
      "federation",
      "create",
      "-trustDomain",
      OURS,
      ...endpoint,
      "-trustDomainBundleFormat",
      "spiffe",
      "-trustDomainBundlePath",
      ours,
    );
    const theirView = (): readonly { readonly use: string; readonly kid?: string }[] => {
      spire.ask("federation", "refresh", "-id", OURS);
      return JSON.parse(spire.ask("bundle", "list", "-id", `spiffe://${OURS}`, "-format", "spiffe")).keys;
    };
    expect(theirView().filter(({ use }) => use === "x509-svid")).toHaveLength(1);
    for (const kind of ["x509", "jwt"]) expect(vigil.ask("trust", "prepare", kind)).toMatchObject({ status: 0 });
    for (const use of ["x509-svid", "jwt-svid"]) expect(theirView().filter((key) => key.use === use)).toHaveLength(2);
    spire.ask("localauthority", "x509", "prepare");
    expect(vigil.ask(...trustTheirs)).toMatchObject({ status: 0 });
    const federated = JSON.parse(vigil.ask("trust", "show", "-o", "json").stdout);
    expect(JSON.stringify(federated)).toContain(spire.bundleUrl);
  }, 120_000);

  test("a workload of SPIRE gets in at a server of ours, once the two trust each other", async () => {
    spire.register("/go", GoSpiffe.program(), "-federatesWith", `spiffe://${OURS}`);
    const identity: ServiceIdentity = await openWorkloadIdentity({ address: `unix://${vigil.socket}` });
    const allow = [spire.id("/go")];
    const server = createHttpsServer(identity, { allow }, (request, response) => response.end(`hello ${peerOf(request).id}`));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    const go = new GoSpiffe(spire.socket);
    const answer = { status: 200, body: `hello ${spire.id("/go")}` };
    await expect
      .poll(() => go.ask("client", url, `spiffe://${OURS}/node`).catch(String), { timeout: 60_000, interval: 1000 })
      .toEqual(answer);
    server.close();
    identity.close();
  }, 120_000);
});
