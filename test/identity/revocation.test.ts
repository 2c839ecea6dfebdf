/** What the agent pushes as revoked cuts the connections of services that took their identity from it in one call. */
import { once } from "node:events";
import type { ClientRequest } from "node:http";
import { request } from "node:https";
import { beforeEach, expect, onTestFinished, test } from "vitest";
import {
  type Connection,
  createHttpsAgent,
  createHttpsServer,
  createServiceIdentity,
  IdentityStore,
  openWorkloadIdentity,
  type ServiceIdentity,
} from "../../src/service/index.ts";
import { portOf } from "../service/listening.ts";
import { type Fixture, OWN_UID, startAgent } from "./agent-fixture.ts";

const WEB = "spiffe://test.example/web";
const ORDERS = "spiffe://test.example/orders";
/** Far more than it takes: these tests are about whether, not about how fast. */
const PATIENCE = { timeout: 10_000 };

let fixture: Fixture;
let orders: ServiceIdentity;
let web: ServiceIdentity;
let port: number;

const open = async (hint: string): Promise<ServiceIdentity> => {
  const identity = await openWorkloadIdentity({ address: `unix://${fixture.path}`, hint });
  onTestFinished(() => identity.close());
  return identity;
};

beforeEach(async () => {
  fixture = await startAgent({
    prepare: (authority) =>
      authority.register(
        { id: "web", spiffeId: WEB, selectors: [OWN_UID], hint: "web" },
        { id: "orders", spiffeId: ORDERS, selectors: [OWN_UID], hint: "orders" },
      ),
  });
  onTestFinished(() => fixture.close());
  [orders, web] = await Promise.all([open("orders"), open("web")]);
  const server = createHttpsServer(orders, { allow: [WEB] }, (_request, response) => response.write("begun"));
  port = await portOf(server);
});

/** A request whose answer has begun and does not end. */
async function begin(): Promise<ClientRequest> {
  const agent = createHttpsAgent(web, { allow: [ORDERS] });
  onTestFinished(() => agent.destroy());
  const asked = request({ host: "127.0.0.1", port, agent });
  asked.on("error", () => {});
  asked.end();
  const [response] = await once(asked, "response");
  response.on("error", () => {});
  response.resume();
  return asked;
}

const serialOf = (identity: ServiceIdentity): string => {
  const svid = identity.svid();
  if (!svid.ok) throw svid.error;
  return svid.value.certificates[0].serial.toString(16).padStart(32, "0");
};

test.each([
  { what: "an identity", deny: () => fixture.authority.deny({ spiffeIds: [WEB] }) },
  { what: "a serial number", deny: () => fixture.authority.deny({ serials: [serialOf(web)] }) },
  { what: "an authority", deny: () => fixture.authority.deny({ authorityIds: [fixture.authority.ca.id] }) },
])("$what that is denied: its open connection is cut, with the request under way", async ({ deny }) => {
  const asked = await begin();
  expect(orders.connections.size).toBe(1);
  const cut = once(asked, "close");
  deny();
  await expect.poll(() => orders.connections.size, PATIENCE).toBe(0);
  await cut;
});

test("other identities, serial numbers and authorities: the connection lives", async () => {
  await begin();
  fixture.authority.deny({ spiffeIds: ["spiffe://test.example/other"], serials: ["0a"], authorityIds: ["0b"] });
  await expect.poll(() => fixture.agent.state.denials.serials.has("0a"), PATIENCE).toBe(true);
  // What comes later on the same stream has arrived: so has what was pushed before it.
  fixture.authority.deny({ spiffeIds: ["spiffe://test.example/other", ORDERS] });
  await expect.poll(() => web.connections.size, PATIENCE).toBe(0);
});

test("who is denied gets no connection, also while the agent is away", async () => {
  const refusals: string[] = [];
  const strict = await openWorkloadIdentity({
    address: `unix://${fixture.path}`,
    hint: "orders",
    onRefusal: ({ code }) => refusals.push(code),
  });
  onTestFinished(() => strict.close());
  const strictPort = await portOf(createHttpsServer(strict, { allow: [WEB] }, (_request, response) => response.end("answered")));
  // Holds on to its SVID, as a thief would.
  const svid = web.svid();
  const bundle = fixture.agent.state.bundleOf(fixture.authority.domain);
  if (!svid.ok || bundle === undefined) throw new Error("no identity");
  const source = new IdentityStore({ svid: svid.value, bundles: new Map([[bundle.trustDomain, bundle]]) });
  const thief = createServiceIdentity({ source });
  onTestFinished(() => thief.close());
  const connect = (): Promise<Connection> => thief.connect({ host: "127.0.0.1", port: strictPort }, () => true);
  await connect();
  await expect.poll(() => strict.connections.size, PATIENCE).toBe(1);
  fixture.authority.deny({ spiffeIds: [WEB] });
  await expect.poll(() => strict.connections.size, PATIENCE).toBe(0);
  await fixture.server.close(0);
  const { socket } = await connect();
  await once(socket.resume(), "close");
  expect(refusals).toEqual(["SERVICE_PEER_REVOKED"]);
});
