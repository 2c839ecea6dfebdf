/** Acceptance 4 of workload identity, with the real processes: both are killed at random moments, and whoever holds an identity goes on. */
import { setTimeout as pause } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import { GrpcChannel } from "../../src/grpc/channel.ts";
import { AuthorityAdmin } from "../../src/identity/generated/vigil/authority/v1/authority_pb.ts";
import { parseTrustBundle, type TrustBundle } from "../../src/spiffe/bundle.ts";
import { createBundleMap } from "../../src/spiffe/bundle-map.ts";
import { parseTrustDomain } from "../../src/spiffe/spiffe-id.ts";
import { WorkloadApiClient } from "../../src/spiffe/workload-api/client.ts";
import { WorkloadX509Source } from "../../src/spiffe/workload-api/x509-source.ts";
import { verifyX509Svid } from "../../src/spiffe/x509-svid.ts";
import { expectOk } from "../spiffe/trust-fixture.ts";
import { OWN_UID } from "./agent-fixture.ts";
import { prepareInstallation } from "./real-processes.ts";

const MOMENTS = 200;
/** A process that starts is killed too: so often only are both let come up. */
const BOTH_WORK_EVERY = 20;
const LONGEST_LIFE_MS = 150;
const CALL_MS = 20_000;

const { method } = AuthorityAdmin;

test(`at ${MOMENTS} random moments`, { timeout: 900_000 }, async () => {
  const installation = prepareInstallation(
    `{apiVersion: vigil.dev/v1alpha1, kind: Workload, metadata: {name: a}, spec: {selectors: ["${OWN_UID}"], id: "spiffe://vigil.local/a"}}`,
  );
  onTestFinished(() => installation.remove());
  const { authority, agent } = installation;
  const channel = new GrpcChannel({ address: { kind: "unix", path: installation.authoritySocket } });
  const client = new WorkloadApiClient({ kind: "unix", path: installation.agentSocket });
  const pacing = {
    nowMs: Date.now,
    random: () => 0,
    sleep: (_: number, signal: AbortSignal) => pause(20, undefined, { signal }).catch(() => {}),
  };
  const source = new WorkloadX509Source({ client, pacing });
  onTestFinished(async () => {
    source.close();
    await Promise.all([client.close(), channel.close({ cut: true })]);
  });

  /** By serial number: every chain that ever came. */
  const chains = new Map<bigint, readonly Uint8Array[]>();
  let withdrawals = 0;
  source.onChange(() => {
    const svid = source.x509Svid();
    if (svid === undefined) withdrawals++;
    else
      chains.set(
        svid.certificates[0].serial,
        svid.certificates.map(({ der }) => der),
      );
  });
  const ownBundle = async (): Promise<TrustBundle> => {
    const { bundle } = await channel.unary(method.showTrust, {}, { timeoutMs: CALL_MS });
    return expectOk(parseTrustBundle(bundle, expectOk(parseTrustDomain("vigil.local"))));
  };
  /** Work of the authority that is under way when it is killed. Whether it is done or not, nothing may be lost by it. */
  const WORK: readonly (() => Promise<unknown>)[] = [
    () => channel.unary(method.prepareAuthority, { kind: "x509" }, { timeoutMs: CALL_MS }),
    () => channel.unary(method.activateAuthority, { kind: "x509", force: true }, { timeoutMs: CALL_MS }),
    () => channel.unary(method.rotateSvids, {}, { timeoutMs: CALL_MS }),
  ];

  for (const process of [authority, agent]) process.start();
  await source.ready(AbortSignal.timeout(60_000));
  for (let moment = 0; moment < MOMENTS; moment++) {
    const bothWork = moment % BOTH_WORK_EVERY === 0;
    if (bothWork) {
      await Promise.all([authority.ready(), agent.ready()]);
      const before = chains.size;
      await channel.unary(method.rotateSvids, {}, { timeoutMs: CALL_MS });
      await expect.poll(() => chains.size, { timeout: 60_000 }).toBeGreaterThan(before);
      const bundles = createBundleMap([await ownBundle()]);
      for (const chain of chains.values()) expect(verifyX509Svid(chain, bundles, { nowMs: Date.now() })).toMatchObject({ ok: true });
    }
    for (const work of bothWork ? WORK : []) work().catch(() => {});
    await pause(Math.random() * LONGEST_LIFE_MS);
    const killed = [[authority], [agent], [authority, agent]][moment % 3] ?? [];
    await Promise.all(killed.map((process) => process.kill()));
    const held = source.x509Svid()?.certificates.map(({ der }) => der) ?? [];
    expect(verifyX509Svid(held, source, { nowMs: Date.now() })).toMatchObject({ ok: true });
    for (const process of killed) process.start();
  }

  await Promise.all([authority.ready(), agent.ready()]);
  const before = chains.size;
  await channel.unary(method.rotateSvids, {}, { timeoutMs: CALL_MS });
  await expect.poll(() => chains.size, { timeout: 60_000 }).toBeGreaterThan(before);
  expect(chains.size).toBeGreaterThan(MOMENTS / BOTH_WORK_EVERY - 1);
  expect(withdrawals).toBe(0);
  const { authorities } = await channel.unary(method.showTrust, {}, { timeoutMs: CALL_MS });
  expect(authorities.filter(({ kind }) => kind === "x509").length).toBeGreaterThan(2);
});
