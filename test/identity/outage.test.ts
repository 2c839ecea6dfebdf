/** What the agent does while its authority is away, when it comes back, and after the machine slept. Time is the test's. */
import { afterEach, describe, expect, test } from "vitest";
import { SpiffeWorkloadAPI, type X509SVIDResponse } from "../../src/spiffe/generated/spiffe/workload_pb.ts";
import { parseX509Svid } from "../../src/spiffe/x509-svid.ts";
import { type Fixture, next, OWN_UID, startAgent } from "./agent-fixture.ts";
import type { TestEntry } from "./scripted-authority.ts";

const MINUTE_MS = 60_000;
const TTL_MS = 60 * MINUTE_MS;
const WEB: TestEntry = { id: "web", spiffeId: "spiffe://test.example/web", selectors: [OWN_UID], x509TtlMs: TTL_MS };
const METHODS = SpiffeWorkloadAPI.method;

let fixture: Fixture | undefined;
let nowMs = Date.now();
const clock = (): number => nowMs;

afterEach(async () => {
  await fixture?.close();
  fixture = undefined;
  nowMs = Date.now();
});

async function start(entry: TestEntry = WEB, random: () => number = () => 0): Promise<Fixture> {
  fixture = await startAgent({ clock, agent: { random }, prepare: (authority) => authority.register(entry) });
  return fixture;
}

const stream = ({ channel }: Fixture): AsyncIterator<X509SVIDResponse, unknown> => channel().serverStreaming(METHODS.fetchX509SVID, {});

function expiryOf(message: X509SVIDResponse): number {
  const svid = message.svids[0];
  const parsed = parseX509Svid(svid?.x509Svid ?? Buffer.alloc(0), svid?.x509SvidKey ?? Buffer.alloc(0));
  if (!parsed.ok) throw parsed.error;
  return parsed.value.certificates[0].notAfterMs;
}

const kinds = ({ events }: Fixture): readonly string[] => events.map(({ kind }) => kind);

describe("the watchdog", () => {
  test("renews at half of the lifetime, with another key, while the old one is still good", async () => {
    const running = await start();
    const subscriber = stream(running);
    const first = await next(subscriber);
    nowMs += TTL_MS / 2 - MINUTE_MS;
    running.agent.x509.renewDue();
    expect(running.authority.calls.x509).toBe(1);
    nowMs += 2 * MINUTE_MS;
    running.agent.x509.renewDue();
    const second = await next(subscriber);
    expect(second.svids[0]?.x509SvidKey).not.toEqual(first.svids[0]?.x509SvidKey);
    expect(expiryOf(second)).toBeGreaterThan(expiryOf(first));
    expect(running.authority.calls.x509).toBe(2);
  });
});

describe("an outage that begins just before the renewal and lasts 40 % of the lifetime", () => {
  test("fails no call, is an alarm once for each step, and renewal follows the return", async () => {
    const running = await start();
    const { authority, agent, channel, metrics } = running;
    const subscriber = stream(running);
    const first = await next(subscriber);
    nowMs += TTL_MS / 2 - 1_000;
    await authority.stop();
    await expect.poll(() => agent.link.state).toBe("waiting");
    expect(kinds(running)).toContain("authority lost");
    // Twelve times two minutes are 40 % of the lifetime.
    for (let step = 0; step < 12; step++) {
      nowMs += 2 * MINUTE_MS;
      agent.x509.renewDue();
      const fresh = await next(stream(running));
      expect(fresh).toEqual(first);
      expect(expiryOf(fresh)).toBeGreaterThan(nowMs);
      await channel()
        .unary(METHODS.fetchJWTSVID, { audience: ["a"] })
        .then(
          () => expect.unreachable(),
          (error) => expect(error).toMatchObject({ status: "UNAVAILABLE" }),
        );
    }
    await expect.poll(() => running.events.filter(({ kind }) => kind === "time left").length).toBeGreaterThan(0);
    expect(metrics.expose()).toMatch(/^vigil_agent_authority_connected 0$/m);
    expect(metrics.expose()).toMatch(/^vigil_agent_identity_minutes_left (?:[5-6](?:\.\d+)?)$/m);
    expect(kinds(running)).not.toContain("identity expired");
    await authority.start();
    // The pause between attempts is at most min(30 s, 5 % of the lifetime) by the agent's own timers; hurrying it is what a jump does.
    nowMs += 10_000;
    const renewed = await next(subscriber);
    expect(expiryOf(renewed)).toBeGreaterThan(expiryOf(first));
    await expect.poll(() => kinds(running)).toContain("authority back");
  });
});

test("what has expired is withdrawn rather than served, and comes back without a restart", async () => {
  const running = await start();
  const { authority, agent } = running;
  await next(stream(running));
  await authority.stop();
  await expect.poll(() => agent.link.state).toBe("waiting");
  nowMs += TTL_MS + MINUTE_MS;
  await expect(next(stream(running))).rejects.toMatchObject({ status: "UNAVAILABLE" });
  await expect.poll(() => kinds(running)).toContain("identity expired");
  await authority.start();
  await expect.poll(async () => next(stream(running)).then(expiryOf, () => 0), { timeout: 10_000 }).toBeGreaterThan(nowMs);
});

test("a machine that slept for a week recovers by itself, its authority with another key meanwhile", async () => {
  const running = await start();
  const { authority } = running;
  const subscriber = stream(running);
  await next(subscriber);
  await authority.stop();
  authority.rotateCa({ taint: false });
  nowMs += 7 * 24 * 60 * MINUTE_MS;
  await expect.poll(() => kinds(running)).toContain("clock jumped");
  await authority.start();
  await expect.poll(async () => next(stream(running)).then(expiryOf, () => 0), { timeout: 10_000 }).toBeGreaterThan(nowMs);
});

test("a clock that is set back does not keep identities beyond their time", async () => {
  const running = await start();
  await next(stream(running));
  nowMs -= 3 * 60 * MINUTE_MS;
  await expect.poll(() => kinds(running)).toContain("clock jumped");
  nowMs += 3 * 60 * MINUTE_MS + TTL_MS / 2 + MINUTE_MS;
  await expect.poll(() => running.authority.calls.x509).toBeGreaterThan(1);
});
