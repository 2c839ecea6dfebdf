/** The identity of a process from its agent: one call, renewed by pushes, gone when it is withdrawn. */

import { once } from "node:events";
import { request } from "node:https";
import { text } from "node:stream/consumers";
import type { TLSSocket } from "node:tls";
import { expect, onTestFinished, test } from "vitest";
import { encodeOctetString } from "../../src/lib/der.ts";
import {
  createHttpsAgent,
  createHttpsServer,
  createTlsServer,
  openWorkloadIdentity,
  peerOf,
  type ServiceIdentity,
  type WorkloadIdentityOptions,
} from "../../src/service/index.ts";
import { basicConstraints, buildAuthority, KEY_CERT_SIGN, keyUsage } from "../spiffe/certificate-builder.ts";
import { portOf } from "./listening.ts";
import { TestAgent } from "./test-agent.ts";
import { ANY_MOMENT, bundleOf, issueSvid, newAuthority } from "./trust-domain.ts";

const root = newAuthority("a.test");
const WEB = "spiffe://a.test/web";
const ORDERS = "spiffe://a.test/orders";
const bundles = [bundleOf("a.test", [root])];

async function open(agent: TestAgent, options: Partial<WorkloadIdentityOptions> = {}): Promise<ServiceIdentity> {
  const identity = await openWorkloadIdentity({ address: await agent.listen(), ...options });
  onTestFinished(() => identity.close());
  return identity;
}

test("two workloads talk with what their agents gave them, and follow renewals", async () => {
  const [web, orders] = [WEB, ORDERS].map((id) => new TestAgent({ svids: [issueSvid(id, root)], bundles }));
  if (web === undefined || orders === undefined) throw new Error("two agents");
  const [client, service] = [await open(web), await open(orders)];
  const server = createHttpsServer(service, { allow: [WEB] }, (incoming, response) => response.end(peerOf(incoming).id));
  const port = await portOf(server);
  const agent = createHttpsAgent(client, { allow: [ORDERS] });
  onTestFinished(() => agent.destroy());
  const ask = async (): Promise<string> => {
    const [response] = await once(request({ host: "127.0.0.1", port, agent }).end(), "response");
    return text(response);
  };
  expect(await ask()).toBe(WEB);
  const [before] = client.connections;
  web.set({ svids: [issueSvid(WEB, root)] });
  await expect.poll(() => before?.isDraining).toBe(true);
  expect(await ask()).toBe(WEB);
  expect([...client.connections]).not.toContain(before);
});

test("a withdrawn identity is presented no more", async () => {
  const agent = new TestAgent({ svids: [issueSvid(WEB, root)], bundles });
  const identity = await open(agent);
  expect(identity.svid().ok).toBe(true);
  agent.set({ svids: [] });
  await expect.poll(() => identity.svid().ok).toBe(false);
});

test("of several identities the one with the hint is taken", async () => {
  const hinted = { ...issueSvid(ORDERS, root), hint: "orders" };
  const agent = new TestAgent({ svids: [issueSvid(WEB, root), hinted], bundles });
  const svid = (await open(agent, { hint: "orders" })).svid();
  expect(svid.ok && svid.value.id).toBe(ORDERS);
});

test.each([
  { what: "no address", address: undefined },
  { what: "an empty address", address: "" },
  { what: "an address that is none", address: "unix:agent.sock" },
  { what: "a socket where nobody listens", address: "unix:///nonexistent/agent.sock" },
])("$what: it says so", async ({ address }) => {
  await expect(openWorkloadIdentity({ address, timeoutMs: 100 })).rejects.toMatchObject({ code: "SERVICE_NO_IDENTITY" });
});

test("an identity that the process does not expect is refused at the start, and not presented later", async () => {
  const agent = new TestAgent({ svids: [issueSvid(WEB, root)], bundles });
  await expect(open(agent, { expect: [ORDERS, "spiffe://a.test/ns/*"] })).rejects.toMatchObject({
    code: "SERVICE_UNEXPECTED_IDENTITY",
    message: expect.stringContaining(WEB),
  });
  await expect(open(new TestAgent({ svids: [], bundles }), { expect: ["web"] })).rejects.toMatchObject({ code: "SERVICE_PEER_PATTERN" });
  const other = new TestAgent({ svids: [issueSvid(WEB, root)], bundles });
  const identity = await open(other, { expect: ["spiffe://a.test/**"] });
  expect(identity.svid().ok).toBe(true);
  const exact = new TestAgent({ svids: [issueSvid(WEB, root)], bundles });
  const strict = await open(exact, { expect: [WEB] });
  exact.set({ svids: [issueSvid(ORDERS, root)] });
  await expect.poll(() => strict.svid().ok).toBe(false);
});

test("revocations that are too old: nobody is trusted, and connections are cut", async () => {
  const agent = new TestAgent({ svids: [issueSvid(ORDERS, root)], bundles });
  agent.revoke({});
  const service = await open(agent, { maxRevocationAgeMs: 200 });
  const client = await open(new TestAgent({ svids: [issueSvid(WEB, root)], bundles }));
  const server = createTlsServer(service, { allow: [WEB] }, (socket) => socket.on("error", () => {}).resume());
  const port = await portOf(server);
  const { socket } = await client.connect({ host: "127.0.0.1", port }, ({ id }) => id === ORDERS);
  socket.on("error", () => {}).resume();
  const cut = once(socket, "close");
  await agent.end();
  await cut;
  await expect.poll(() => service.connections.size).toBe(0);
});

test("an agent that has no identity for this workload: its words are in the message", async () => {
  const agent = new TestAgent({ svids: [], bundles });
  await expect(open(agent, { timeoutMs: 300 })).rejects.toMatchObject({
    code: "SERVICE_NO_IDENTITY",
    message: expect.stringContaining("no identity"),
  });
});

test.each([
  { what: "identity", of: () => ({ spiffeIds: [WEB] }) },
  { what: "serial", of: () => ({ serials: ["1267"] }) },
  { what: "authority", of: () => ({ authorityIds: ["0a0b"] }) },
])("what the agent revokes is cut and refused: an $what", async ({ of }) => {
  const named = buildAuthority("named", "spiffe://a.test", {
    ...ANY_MOMENT,
    extensions: [
      basicConstraints(true),
      keyUsage([KEY_CERT_SIGN]),
      { oid: "2.5.29.14", value: encodeOctetString(Buffer.from("0a0b", "hex")) },
    ],
  });
  const trusted = [bundleOf("a.test", [named])];
  const orders = new TestAgent({ svids: [issueSvid(ORDERS, named)], bundles: trusted });
  orders.revoke({});
  const service = await open(orders);
  const client = await open(new TestAgent({ svids: [issueSvid(WEB, named)], bundles: trusted }));
  const server = createTlsServer(service, { allow: [WEB] }, (socket) => socket.on("error", () => {}).resume());
  const port = await portOf(server);
  const connect = async (): Promise<TLSSocket> => {
    const { socket } = await client.connect({ host: "127.0.0.1", port }, ({ id }) => id === ORDERS);
    return socket.on("error", () => {}).resume();
  };
  const socket = await connect();
  const cut = once(socket, "close");
  orders.revoke(of());
  await cut;
  const again = await connect();
  await new Promise((resolve) => again.once("close", resolve));
  expect(service.connections.size).toBe(0);
});
