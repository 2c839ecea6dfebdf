/** An agent that is away for too long is denied, with what it alone serves, until an administrator says otherwise. */
import { expect, onTestFinished, test } from "vitest";
import { ConnectedAgents } from "../../src/identity/authority/connected-agents.ts";
import { denyLostAgents } from "../../src/identity/authority/lost-agents.ts";
import { TestClock, testAuthority, workloadYaml } from "./authority-in-process.ts";

/** However slow the machine is. */
const PATIENCE = { timeout: 20_000 };

const EDGE = "spiffe://example.org/vigil/agent/edge";
const OTHER = "spiffe://example.org/vigil/agent/other";
const LOCAL = "spiffe://example.org/vigil/agent/local";
const AFTER_MS = 60_000;

test("denied are the agent and what nobody else serves; who came back in time is not, nor the agent of this machine", async () => {
  const clock = new TestClock();
  const resources =
    workloadYaml("edge-only", `{selectors: ['a:b'], agents: ['${EDGE}']}`) +
    workloadYaml("both", `{selectors: ['a:b'], agents: ['${EDGE}', '${OTHER}']}`) +
    workloadYaml("all", "{selectors: ['a:b']}");
  const { authority } = await testAuthority({ nowMs: clock.read, resources });
  const connected = new ConnectedAgents(clock.read);
  const lost: string[] = [];
  const ending = new AbortController();
  onTestFinished(() => ending.abort());
  const options = { authority, connected, afterMs: AFTER_MS, nowMs: clock.read };
  const leave = [EDGE, OTHER, LOCAL].map((id) => connected.join(id));
  for (const end of leave) end();
  clock.nowMs += AFTER_MS / 2;
  connected.join(OTHER);
  clock.nowMs += AFTER_MS / 2;
  denyLostAgents({ ...options, everyMs: 20, onLost: (id) => lost.push(id) }, ending.signal);
  await expect.poll(() => lost, PATIENCE).toEqual([EDGE]);
  expect([...authority.shared.denials.spiffeIds].sort()).toEqual(["spiffe://example.org/default/edge-only", EDGE]);
  await authority.deny({ spiffeIds: [EDGE], serials: [], reason: "", remove: true });
  connected.join(EDGE);
  expect(authority.shared.denials.spiffeIds.has(EDGE)).toBe(false);
});
