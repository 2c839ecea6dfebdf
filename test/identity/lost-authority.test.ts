/**
 * Acceptance 5 of workload identity, with the real processes: the authority is away for 40 % of a lifetime, beginning just before a renewal,
 * while a service and its clients are busy.
 */
import { once } from "node:events";
import { type Agent, get } from "node:https";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { setTimeout as pause } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import { BACKDATE_MS } from "../../src/identity/authority/make-authority.ts";
import { createHttpsAgent, createHttpsServer, openWorkloadIdentity, type ServiceIdentity } from "../../src/service/index.ts";
import type { X509Svid } from "../../src/spiffe/x509-svid.ts";
import { expectOk } from "../spiffe/trust-fixture.ts";
import { OWN_UID } from "./agent-fixture.ts";
import { prepareInstallation } from "./real-processes.ts";

const ID = "spiffe://vigil.local/a";
const TTL_MS = 60_000;
/** Earlier than usual, so that a slow machine has time to start the authority again. */
const ROTATE_AFTER_MS = 15_000;
const OUTAGE_MS = 0.4 * TTL_MS;
/** Its jitter can bring the renewal forward by a tenth. */
const BEFORE_RENEWAL_MS = 0.1 * (ROTATE_AFTER_MS + BACKDATE_MS) + 500;
const CLIENTS = 8;

test("no request fails, the alarm is seen, and renewal follows the return", { timeout: 180_000 }, async () => {
  const installation = prepareInstallation(
    `{apiVersion: vigil.dev/v1alpha1, kind: Workload, metadata: {name: a}, spec: {selectors: ["${OWN_UID}"], id: "${ID}", x509Ttl: ${TTL_MS / 1000}s, rotateAfter: ${ROTATE_AFTER_MS / 1000}s}}`,
  );
  onTestFinished(() => installation.remove());
  const { authority, agent, agentSocket } = installation;
  for (const process of [authority, agent]) process.start();
  await Promise.all([authority.ready(), agent.ready()]);
  const open = (): Promise<ServiceIdentity> => openWorkloadIdentity({ address: `unix://${agentSocket}` });
  const [served, calling] = [await open(), await open()];
  const server = createHttpsServer(served, { allow: [ID] }, (_, response) => response.end("hello"));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  let isOver = false;
  let answers = 0;
  const failures: unknown[] = [];
  const busy = Array.from({ length: CLIENTS }, async (_, number) => {
    while (!isOver) {
      // Kept connections, and for every other client a new one for each request.
      const pool = createHttpsAgent(calling, { allow: [ID] });
      for (let request = 0; request < (number % 2 === 0 ? 20 : 1) && !isOver; request++) {
        try {
          expect(await ask(port, pool)).toBe("hello");
          answers++;
        } catch (thrown) {
          failures.push(thrown);
        }
        await pause(20);
      }
      pool.destroy();
    }
  });

  const svidOf = (): X509Svid => expectOk(served.svid());
  const first = svidOf();
  const { notAfterMs } = first.certificates[0];
  await pause(notAfterMs - TTL_MS + ROTATE_AFTER_MS - BEFORE_RENEWAL_MS - Date.now());
  expect(svidOf()).toBe(first);
  await authority.kill();
  await pause(OUTAGE_MS);
  expect(svidOf()).toBe(first);
  expect(agent.log).toMatch(/the authority is out of reach: .*the first at/);
  const answersBefore = answers;
  authority.start();
  await expect.poll(() => svidOf() !== first, { timeout: 30_000 }).toBe(true);
  expect(agent.log).toMatch(/the authority is back after/);
  await expect.poll(() => answers, { timeout: 30_000 }).toBeGreaterThan(answersBefore + CLIENTS);
  isOver = true;
  await Promise.all(busy);
  for (const one of [served, calling, server]) one.close();
  expect(failures).toEqual([]);
});

const ask = (port: number, agent: Agent): Promise<string> =>
  new Promise((resolve, reject) => {
    get({ host: "127.0.0.1", port, agent }, (response) => void text(response).then(resolve, reject)).on("error", reject);
  });
