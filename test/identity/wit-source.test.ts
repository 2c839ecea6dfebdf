/** WIT-SVIDs from a real agent to a verifier: the token, its key, and the keys that verify it. */
import { generateKeyPairSync, sign, verify } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { WITSVIDResponseSchema } from "../../src/spiffe/generated/spiffe/workload_pb.ts";
import { parseTrustDomain } from "../../src/spiffe/spiffe-id.ts";
import { verifyWitSvid } from "../../src/spiffe/wit-svid.ts";
import { systemPacing, WorkloadApiClient, WorkloadTrustSource, WorkloadWitSource } from "../../src/spiffe/workload-api/index.ts";
import { readWitUpdate } from "../../src/spiffe/workload-api/wit-update.ts";
import { type Fixture, next, OWN_UID, startAgent } from "./agent-fixture.ts";

/** However slow the machine is. */
const PATIENCE = { timeout: 20_000 };

const WEB = { id: "web", spiffeId: "spiffe://test.example/web", selectors: [OWN_UID], hint: "main" };

let fixture: Fixture;
let client: WorkloadApiClient;
beforeEach(async () => {
  fixture = await startAgent({ prepare: (authority) => authority.register(WEB) });
  client = new WorkloadApiClient({ kind: "unix", path: fixture.path });
});
afterEach(async () => {
  await client.close();
  await fixture.close();
});

test("a process proves its identity with the token and the key that it got, until the agent takes them back", async () => {
  const [source, trust] = [
    new WorkloadWitSource({ client, pacing: systemPacing }),
    new WorkloadTrustSource({ client, pacing: systemPacing }),
  ];
  await Promise.all([source.ready(AbortSignal.timeout(20_000)), trust.ready(AbortSignal.timeout(20_000))]);
  const domain = parseTrustDomain("test.example");
  if (!domain.ok) throw domain.error;
  await expect.poll(() => trust.bundleOf(domain.value)?.witKeys.size, PATIENCE).toBe(1);
  await expect.poll(() => trust.bundleOf(domain.value)?.x509Authorities.length, PATIENCE).toBe(1);
  const held = source.witSvid();
  if (held === undefined) throw new Error("no WIT-SVID");
  expect(held).toMatchObject({ hint: "main", svid: { id: WEB.spiffeId } });
  const request = Buffer.from("GET /orders");
  const signature = sign("sha256", request, held.privateKey);
  const provesPossession = ({ publicKey }: { publicKey: Parameters<typeof verify>[2] }): boolean =>
    verify("sha256", request, publicKey, signature);
  expect(verifyWitSvid(held.svid.token, trust, { nowMs: Date.now(), provesPossession })).toMatchObject({
    ok: true,
    value: { id: WEB.spiffeId },
  });
  fixture.authority.rotateSvid("web");
  await expect.poll(() => source.witSvid()?.svid.token, PATIENCE).not.toBe(held.svid.token);
  fixture.authority.remove("web");
  await expect.poll(() => source.witSvids(), PATIENCE).toEqual([]);
  source.close();
  trust.close();
});

describe("an answer is refused as a whole", () => {
  test.each<[string, (svid: { spiffeId: string; witSvid: string; witSvidKey: string; hint: string }) => object[], string]>([
    ["without anything", () => [], "workload-api-mandatory"],
    ["without its token", (svid) => [{ ...svid, witSvid: "" }], "workload-api-mandatory"],
    ["with another ID than the token's", (svid) => [{ ...svid, spiffeId: "spiffe://test.example/other" }], "workload-api-id"],
    ["with a key that is none", (svid) => [{ ...svid, witSvidKey: '{"kty":"EC","crv":"P-256","x":1}' }], "wit-confirmation"],
    [
      "with another key than the token's",
      (svid) => [
        { ...svid, witSvidKey: JSON.stringify(generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey.export({ format: "jwk" })) },
      ],
      "wit-confirmation",
    ],
  ])("%s", async (_, change, rule) => {
    const { svids } = await next(client.witSvids());
    const [svid] = svids;
    if (svid === undefined) throw new Error("no WIT-SVID");
    expect(readWitUpdate(create(WITSVIDResponseSchema, { svids: [svid] }), { nowMs: Date.now() }).ok).toBe(true);
    const { spiffeId, witSvid, witSvidKey, hint } = svid;
    const changed = create(WITSVIDResponseSchema, { svids: change({ spiffeId, witSvid, witSvidKey, hint }) });
    expect(readWitUpdate(changed, { nowMs: Date.now() })).toMatchObject({ ok: false, error: { rule } });
  });
});
