/** On whose behalf: made once at each entry, there in all that follows, and never that of another call. */
import { createServer } from "node:http";
import { connect as connectHttp2, createServer as createHttp2 } from "node:http2";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import fastify from "fastify";
import { describe, expect, onTestFinished, test } from "vitest";
import {
  AccessGate,
  authorizationOf,
  currentAuthorization,
  currentTenant,
  expressAccess,
  fastifyAccess,
  guardListener,
  mayCurrently,
  parseAccessPolicies,
  protectServer,
  runAuthorized,
} from "../../src/service/access/index.ts";
import { portOf } from "./listening.ts";

const SELF = "spiffe://shop.test/shop";
const policies = parseAccessPolicies(`
apiVersion: vigil.dev/v1alpha1
kind: AccessPolicy
metadata: { name: all }
spec:
  to: [{ spiffeId: "${SELF}" }]
  from: [{ entity: any }]
  when: "'orders:read' in permissions"
`);

/** Each call is of another tenant. */
function newGate(): AccessGate {
  let calls = 0;
  const authorize = (): { tenant: string; permissions: string[] } => ({ tenant: `tenant-${++calls}`, permissions: ["orders:read"] });
  return new AccessGate({ self: SELF, policies, routes: ["/orders"], authorize });
}

const tenantLater = async (): Promise<string> => {
  const before = currentTenant();
  await sleep(5);
  return before === currentTenant() && mayCurrently("orders:read") && !mayCurrently("orders:write") ? before : "mixed up";
};

const answering = (response: { end(body: string): unknown }): void => void tenantLater().then((tenant) => response.end(tenant));

const OPENERS: Record<string, () => Promise<number>> = {
  "a listener of node:http": () => portOf(createServer(guardListener(newGate(), (_, response) => answering(response)))),
  "a server of node:http": () =>
    portOf(
      protectServer(
        createServer((_, response) => answering(response)),
        newGate(),
      ),
    ),
  "middleware of Express": () => {
    const middleware = expressAccess(newGate());
    return portOf(createServer((request, response) => middleware(request, response, () => answering(response))));
  },
  Fastify: async () => {
    const app = fastify();
    await app.register(fastifyAccess(newGate()));
    app.post("/orders", tenantLater);
    await app.listen({ port: 0, host: "127.0.0.1" });
    onTestFinished(() => app.close());
    return (app.addresses()[0] as AddressInfo).port;
  },
};

describe.each(Object.entries(OPENERS))("%s", (_, open) => {
  test("each of many calls at once sees its own tenant to the end", async () => {
    const url = `http://127.0.0.1:${await open()}/orders`;
    const call = async (): Promise<string> =>
      (await fetch(url, { method: "POST", body: "{}", headers: { "content-type": "application/json" } })).text();
    const tenants = await Promise.all(Array.from({ length: 20 }, call));
    expect(new Set(tenants)).toEqual(new Set(Array.from({ length: 20 }, (__, index) => `tenant-${index + 1}`)));
  });
});

test("over HTTP/2 both the stream and the request have it", async () => {
  const server = protectServer(
    createHttp2((request, response) => response.end(`${currentTenant()} ${authorizationOf(request)?.tenant}`)),
    newGate(),
  );
  const client = connectHttp2(`http://127.0.0.1:${await portOf(server)}`);
  onTestFinished(() => client.destroy());
  expect(await text(client.request({ ":path": "/orders" }))).toBe("tenant-1 tenant-1");
});

test("inside a listener to the body the request knows it", async () => {
  const server = createServer((request, response) => {
    request.on("end", () => response.end(authorizationOf(request)?.tenant)).resume();
  });
  const port = await portOf(protectServer(server, newGate()));
  expect(await (await fetch(`http://127.0.0.1:${port}/orders`, { method: "POST", body: "x".repeat(1_000) })).text()).toBe("tenant-1");
});

test("queues and jobs begin with one of their own, which nobody changes", async () => {
  const permissions = ["orders:read"];
  const work = runAuthorized({ tenant: "blue", subject: "job", permissions, caller: "" }, async () => {
    await sleep(1);
    return currentAuthorization();
  });
  permissions.push("orders:delete");
  const context = await work;
  expect(context).toEqual({ tenant: "blue", subject: "job", permissions: ["orders:read"], caller: "" });
  expect(Object.isFrozen(context) && Object.isFrozen(context.permissions)).toBe(true);
});

test("outside of any entry there is none, and without a tenant no tenant", () => {
  expect(() => currentAuthorization()).toThrow(expect.objectContaining({ code: "SERVICE_NO_CONTEXT" }));
  expect(() => runAuthorized({ tenant: "", subject: "", permissions: [], caller: "" }, currentTenant)).toThrow(
    expect.objectContaining({ code: "SERVICE_NO_TENANT" }),
  );
});
