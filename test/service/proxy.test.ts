/** `vigil identity proxy`: what the service behind it sees, and what never reaches it. */
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type IncomingHttpHeaders, type IncomingMessage } from "node:http";
import { connect as connectHttp2 } from "node:http2";
import { request as requestHttps } from "node:https";
import { type AddressInfo, connect as connectTcp, createServer as createTcpServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { expect, onTestFinished, test } from "vitest";
import { IdentityDirectory } from "../../src/cmd/identity/identity-directory.ts";
import { createHttpsAgent, createServiceIdentity, createTlsServer, type ServiceIdentity } from "../../src/service/index.ts";
import { startVigil, vigil } from "../command/run-vigil.ts";
import { portOf } from "./listening.ts";
import { bundleOf, issueSvid, newAuthority, storeOf } from "./trust-domain.ts";

const root = newAuthority("a.test");
const PROXY = "spiffe://a.test/proxy";
const WEB = "spiffe://a.test/web";

function identityOf(id: string): ServiceIdentity {
  const identity = createServiceIdentity({ source: storeOf(issueSvid(id, root), [root]) });
  onTestFinished(() => identity.close());
  return identity;
}

async function identityFolder(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "vigil-proxy-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  await new IdentityDirectory(folder).write({ svid: issueSvid(PROXY, root), bundles: [bundleOf("a.test", [root])], tokens: new Map() });
  return folder;
}

/** The port of a running proxy. */
async function startProxy(to: number, ...words: readonly string[]): Promise<number> {
  const folder = await identityFolder();
  const proxy = startVigil(["identity", "proxy", "--identity", folder, "--listen", "127.0.0.1:0", "--to", `127.0.0.1:${to}`, ...words]);
  onTestFinished(async () => {
    await proxy.stop("SIGTERM");
  });
  await proxy.until(/→/);
  return Number(/:(\d+) →/.exec(proxy.stdout())?.[1]);
}

interface Seen {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** A plain service that answers what it sees. */
const service = (): Promise<number> =>
  portOf(
    createServer(async (request, response) => {
      const seen: Seen = { method: request.method ?? "", url: request.url ?? "", headers: request.headers, body: await text(request) };
      response.setHeader("x-answer", "yes").end(JSON.stringify(seen));
    }),
  );

async function ask(port: number, options: Parameters<typeof requestHttps>[1], body?: string): Promise<Seen> {
  const agent = createHttpsAgent(identityOf(WEB), { allow: [PROXY] });
  onTestFinished(() => agent.destroy());
  const request = requestHttps(`https://127.0.0.1:${port}`, { agent, ...options }).end(body);
  const [response] = await once(request, "response");
  return JSON.parse(await text(response));
}

test("a plain HTTP service knows who asks, and cannot be lied to", async () => {
  const port = await startProxy(await service(), "--http", "--allow", WEB);
  const lies = {
    "x-spiffe-id": "spiffe://a.test/admin",
    X_Spiffe_Id: "spiffe://a.test/admin",
    "X-Forwarded-Client-Cert": "URI=spiffe://a.test/admin",
    connection: "x-hop",
    "x-hop": "1",
    "x-kept": "2",
  };
  const { headers, method, url, body } = await ask(port, { method: "POST", path: "/orders?id=1", headers: lies }, "hello");
  expect({ method, url, body }).toEqual({ method: "POST", url: "/orders?id=1", body: "hello" });
  expect(headers["x-spiffe-id"]).toBe(WEB);
  expect(headers["x-forwarded-client-cert"]).toMatch(new RegExp(`^By=${PROXY};Hash=[0-9a-f]{64};URI=${WEB}$`));
  expect(headers["x_spiffe_id"]).toBeUndefined();
  expect(headers["x-hop"]).toBeUndefined();
  expect(headers["x-kept"]).toBe("2");
});

test.each([
  { what: "GET with a body in chunks", method: "GET", headers: { "transfer-encoding": "chunked" }, body: "GET /admin HTTP/1.1\r\n\r\n" },
  { what: "GET with a length", method: "GET", headers: { "content-length": "3" }, body: "abc" },
  { what: "DELETE with a body in chunks", method: "DELETE", headers: { "transfer-encoding": "chunked" }, body: "x" },
])("a body stays a body: $what", async ({ method, headers, body }) => {
  const port = await startProxy(await service(), "--http", "--allow", WEB);
  expect(await ask(port, { method, headers }, body)).toMatchObject({ method, body });
  expect(await ask(port, { method: "GET" })).toMatchObject({ method: "GET", body: "" });
});

test("clients of HTTP/2 are served too", async () => {
  const port = await startProxy(await service(), "--http", "--allow", "spiffe://a.test/**");
  const { socket } = await identityOf(WEB).connect({ host: "127.0.0.1", port, alpnProtocols: ["h2"] }, ({ id }) => id === PROXY);
  const session = connectHttp2("https://orders.a.test", { createConnection: () => socket });
  onTestFinished(() => session.destroy());
  const stream = session.request({ ":method": "POST", ":path": "/x", "x-spiffe-id": "spiffe://a.test/admin" }).end("hello");
  const [answered] = await once(stream, "response");
  expect(answered).toMatchObject({ ":status": 200, "x-answer": "yes" });
  const seen: Seen = JSON.parse(await text(stream));
  expect(seen).toMatchObject({ method: "POST", url: "/x", body: "hello" });
  expect(seen.headers).toMatchObject({ host: "orders.a.test:443", "x-spiffe-id": WEB });
});

test("half of a request does not become a whole one", async () => {
  const ends: string[] = [];
  const ended = Promise.withResolvers<void>();
  const half = createServer((request) => {
    request.on("data", () => socket.destroy());
    request.once("end", () => ends.push("whole"));
    request.on("error", () => {});
    request.once("close", () => ended.resolve());
  });
  const port = await startProxy(await portOf(half), "--http", "--allow", WEB);
  const { socket } = await identityOf(WEB).connect({ host: "127.0.0.1", port, alpnProtocols: ["h2"] }, ({ id }) => id === PROXY);
  const session = connectHttp2("https://orders.a.test", { createConnection: () => socket });
  session.on("error", () => {});
  onTestFinished(() => session.destroy());
  const stream = session.request({ ":method": "POST", ":path": "/" });
  stream.on("error", () => {});
  stream.write("half");
  await ended.promise;
  expect(ends).toEqual([]);
});

test("a service that is not there is answered for with 502", async () => {
  const gone = createTcpServer();
  gone.listen(0, "127.0.0.1");
  await once(gone, "listening");
  const { port: free } = gone.address() as AddressInfo;
  await new Promise((resolve) => gone.close(resolve));
  const port = await startProxy(free, "--http", "--allow", WEB);
  const agent = createHttpsAgent(identityOf(WEB), { allow: [PROXY] });
  onTestFinished(() => agent.destroy());
  for (const [method, body] of [
    ["GET", ""],
    ["POST", "x".repeat(1_000_000)],
  ]) {
    const request = requestHttps({ host: "127.0.0.1", port, agent, method }).end(body);
    const [response]: IncomingMessage[] = await once(request, "response");
    response?.resume();
    expect(response?.statusCode).toBe(502);
  }
});

test("a plain TCP service gets the bytes of allowed peers, and of nobody else", async () => {
  const connections: string[] = [];
  const echo = createTcpServer({ allowHalfOpen: true }, (socket) => {
    connections.push("one");
    socket.on("error", () => {}).pipe(socket);
  });
  const port = await startProxy(await portOf(echo), "--allow", WEB);
  const { socket } = await identityOf(WEB).connect({ host: "127.0.0.1", port }, ({ id }) => id === PROXY);
  socket.end("hello");
  expect(await text(socket)).toBe("hello");
  const other = await identityOf("spiffe://a.test/other").connect({ host: "127.0.0.1", port }, ({ id }) => id === PROXY);
  other.socket.on("error", () => {}).write("hello");
  await new Promise((resolve) => other.socket.resume().once("close", resolve));
  expect(connections).toEqual(["one"]);
});

test("with --connect a plain client reaches a service with mutual TLS", async () => {
  const peers: string[] = [];
  const server = createTlsServer(identityOf("spiffe://a.test/db"), { allow: (peer) => peers.push(peer.id) > 0 }, (socket) =>
    socket.on("error", () => {}).pipe(socket),
  );
  const to = await portOf(server);
  const port = await startProxy(to, "--connect", "--allow", "spiffe://a.test/db");
  const client = connectTcp(port, "127.0.0.1");
  client.end("hello");
  expect(await text(client)).toBe("hello");
  expect(peers).toEqual([PROXY]);
  const strict = await startProxy(to, "--connect", "--allow", "spiffe://a.test/other");
  const refused = connectTcp(strict, "127.0.0.1");
  refused.on("error", () => {}).write("hello");
  expect(await text(refused).catch(() => "")).toBe("");
});

test.each([
  { what: "without --allow", words: ["--listen", "127.0.0.1:0", "--to", "127.0.0.1:1"], says: "`--allow` is missing" },
  { what: "without --to", words: ["--listen", "127.0.0.1:0", "--allow", WEB], says: "`--to` is missing" },
  {
    what: "with a pattern that is none",
    words: ["--listen", "127.0.0.1:0", "--to", "127.0.0.1:1", "--allow", "web"],
    says: "expected a SPIFFE ID",
  },
  {
    what: "with --connect on an address that others reach",
    words: ["--connect", "--listen", "0.0.0.0:0", "--to", "127.0.0.1:1", "--allow", WEB],
    says: "is not an address of this machine alone",
  },
])("$what it does not start", async ({ words, says }) => {
  const { status, stderr } = vigil(["identity", "proxy", "--identity", await identityFolder(), ...words]);
  expect({ status, says: stderr.includes(says) }).toEqual({ status: 2, says: true });
});

test("files that are no identity stop it at once", () => {
  const { status, stderr } = vigil([
    "identity",
    "proxy",
    "--identity",
    "/nonexistent",
    "--listen",
    "127.0.0.1:0",
    "--to",
    "127.0.0.1:1",
    "--allow",
    WEB,
  ]);
  expect({ status, says: stderr.includes("the files of an identity cannot be read") }).toEqual({ status: 2, says: true });
});
