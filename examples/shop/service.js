// What every service of the shop has: an identity that renews itself, a gate before its routes, and calls to the others.
import { request } from "node:https";
import { text } from "node:stream/consumers";
import { createHttpsAgent, createHttpsServer, openWorkloadIdentity } from "@vigil-dev/vigil/node";
import { AccessGate, OidcIssuer, openAccessPolicies, openEnforcementLink, protectServer } from "@vigil-dev/vigil/node/access";

const env = process.env;
const PORTS = JSON.parse(env.SHOP_PORTS);
const NAME = env.VIGIL_SPIFFE_ID.split("/").at(-1);
const OURS = ["spiffe://shop.test/shop/*"];
const onProblem = (problem) => console.error(problem.message);

/** Tells Vigil that this process enforces, and what it decides. */
const link = openEnforcementLink({ socket: env.VIGIL_ENFORCEMENT_SOCKET, onProblem });
const identity = await openWorkloadIdentity({
  address: env.SPIFFE_ENDPOINT_SOCKET,
  onRefusal: (error) => link.reportRefusal(error, PORTS[NAME]),
});
const agent = createHttpsAgent(identity, { allow: OURS });

/** The gate of this service: the same policies that the kernel enforces, with the parts that only the process can see. */
export async function openGate(routes) {
  const policies = await openAccessPolicies([env.SHOP_POLICIES, env.SHOP_WORKLOADS], { signal: new AbortController().signal, onProblem });
  const login = new OidcIssuer({ issuer: env.SHOP_LOGIN, audiences: ["shop"], algorithms: ["ES256"], authorities: env.SHOP_LOGIN_CA });
  return new AccessGate({
    self: env.VIGIL_SPIFFE_ID,
    policies,
    routes,
    tokens: [login],
    authorize: ({ claims }) => ({ tenant: String(claims.tenant ?? ""), permissions: [] }),
    onDecision: link.report,
  });
}

/** Listens at the port of this service. It is ready when Vigil relies on it. */
export function listen(server) {
  server.listen(PORTS[NAME], "127.0.0.1", async () => {
    await link.ready;
    console.log("ready");
  });
}

/** Serves `routes` (`"GET /stock/{item}"` and what it answers) to peers of the shop whom the policies allow. */
export async function serve(routes) {
  const gate = await openGate(Object.keys(routes));
  listen(
    protectServer(
      createHttpsServer(identity, { allow: OURS }, (incoming, response) => answer(routes, incoming, response)),
      gate,
    ),
  );
}

/** Answers by the route that fits: the gate has let nothing else through. */
export async function answer(routes, incoming, response) {
  const [, handle] = Object.entries(routes).find(([route]) => fits(route, incoming)) ?? [];
  try {
    const body = await text(incoming);
    const result = await handle({
      path: incoming.url,
      body: body === "" ? {} : JSON.parse(body),
      authorization: incoming.headers.authorization,
    });
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(result));
  } catch (error) {
    response.writeHead(error.status ?? 500, { "content-type": "application/json" }).end(JSON.stringify({ error: error.message }));
  }
}

function fits(route, { method, url }) {
  const [wanted, pattern] = route.split(" ");
  const parts = pattern.split("/");
  const given = url.split("/");
  return wanted === method && parts.length === given.length && parts.every((part, index) => part.startsWith("{") || part === given[index]);
}

/** Calls another service, for the customer of this call. */
export function call(name, method, path, { body, authorization } = {}) {
  return new Promise((resolve, reject) => {
    const headers = { ...(authorization && { authorization }) };
    const sent = request({ host: "127.0.0.1", port: PORTS[name], method, path, headers, agent }, async (response) => {
      const answered = await text(response);
      if (response.statusCode === 200) resolve(JSON.parse(answered));
      else reject(Object.assign(new Error(`${name} answered ${response.statusCode}`), { status: 502 }));
    });
    sent.on("error", reject);
    sent.end(body === undefined ? undefined : JSON.stringify(body));
  });
}
