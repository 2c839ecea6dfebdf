import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { type ClientHttp2Session, type ClientHttp2Stream, connect as connectHttp2, constants } from "node:http2";
import { Agent, request as httpsRequest, type RequestOptions } from "node:https";
import { connect as connectTcp } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { createAdmissionMetrics } from "./admission-metrics.ts";
import type { CertificateSource, ServingCertificate } from "./certificate-source.ts";
import { CertificateStore } from "./certificate-store.ts";
import { type ServerOptions, startWebhookServer, type WebhookServer } from "./server.ts";
import { type AnswerReview, createWebhook } from "./webhook.ts";

let directory = "";
let store: CertificateStore;
beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "vigil-server-"));
  store = await openStore();
});
const openStore = (): Promise<CertificateStore> =>
  CertificateStore.open({ directory, names: [{ kind: "ip", value: "127.0.0.1" }], nowMs: Date.now });
afterAll(() => rmSync(directory, { recursive: true }));

const metrics = createAdmissionMetrics();
const allowAll = createWebhook({
  decide: () => ({
    allowed: true,
    code: 200,
    message: "",
    reason: "",
    verdicts: [],
    warnings: [],
    auditAnnotations: {},
    patch: [],
    snapshotId: "s",
    durationUs: 1,
  }),
  excluded: new Set(),
  breakGlass: () => undefined,
  onFailure: "deny",
  emit: () => undefined,
  metrics,
  steadyMs: () => 0,
});

const stops: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

interface Started extends WebhookServer {
  readonly stop: () => Promise<number>;
  readonly port: number;
}
async function start(options: Partial<ServerOptions> = {}): Promise<Started> {
  const controller = new AbortController();
  const readings = { snapshotId: () => "s", isBreakGlassOpen: () => false, eventsQueued: () => 0, eventsLost: () => 0 };
  const server = await startWebhookServer(
    { host: "127.0.0.1", port: 0, certificate: store, answer: allowAll, metrics, readings, unreadyReasons: () => [], ...options },
    controller.signal,
  );
  const stop = (): Promise<number> => {
    controller.abort();
    return server.stopped;
  };
  stops.push(stop);
  return { ...server, stop, port: server.address.port };
}

const BODY = JSON.stringify({
  apiVersion: "admission.k8s.io/v1",
  kind: "AdmissionReview",
  request: {
    uid: "u",
    operation: "CREATE",
    kind: { group: "", version: "v1", kind: "Pod" },
    resource: { group: "", version: "v1", resource: "pods" },
    namespace: "shop",
    name: "web",
    object: {},
  },
});
const POST = { method: "POST", path: "/validate", headers: { "content-type": "application/json" } };

interface Answer {
  readonly status: number | undefined;
  readonly headers: NodeJS.Dict<string | string[]>;
  readonly body: string;
}

/** One request over HTTP/1.1. `send` writes the body; by default all of it. */
async function ask1(port: number, options: RequestOptions = {}, body: string | Uint8Array = BODY): Promise<Answer> {
  const request = httpsRequest({ host: "127.0.0.1", port, ca: store.current().caBundlePem, ...POST, ...options });
  request.end(body);
  const [response] = await once(request, "response");
  return { status: response.statusCode, headers: response.headers, body: await text(response) };
}

const session2 = (port: number): ClientHttp2Session => connectHttp2(`https://127.0.0.1:${port}`, { ca: store.current().caBundlePem });

/** One request over HTTP/2. */
async function ask2(session: ClientHttp2Session, headers: Record<string, string> = {}, body: string | Uint8Array = BODY): Promise<Answer> {
  const stream: ClientHttp2Stream = session.request({
    ":method": "POST",
    ":path": "/validate",
    "content-type": "application/json",
    ...headers,
  });
  if (headers[":method"] !== "GET") stream.end(body);
  const [response] = await once(stream, "response");
  return { status: Number(response[":status"]), headers: response, body: await text(stream) };
}

async function tlsSocket(port: number): Promise<TLSSocket> {
  const socket = connectTls({ host: "127.0.0.1", port, ca: store.current().caBundlePem, ALPNProtocols: ["http/1.1"] });
  await once(socket, "secureConnect");
  return socket;
}

const codeOf = ({ body }: Answer): unknown => JSON.parse(body).details.causes[0].reason;
const isAllowed = ({ status, body }: Answer): boolean => status === 200 && JSON.parse(body).response.allowed === true;

test("it answers reviews over HTTP/1.1 and HTTP/2, query and all", async () => {
  const { port } = await start();
  expect(isAllowed(await ask1(port, { path: "/validate?timeout=10s" }))).toBe(true);
  const session = session2(port);
  const answers = await Promise.all(Array.from({ length: 20 }, () => ask2(session, { ":path": "/mutate?timeout=10s" })));
  expect(answers.every(isAllowed)).toBe(true);
  session.close();
});

test("probes tell health, readiness with reasons, and metrics", async () => {
  let reasons: readonly string[] = ["no policies are in force yet"];
  const { port } = await start({ unreadyReasons: () => reasons });
  const get = (path: string, method = "GET"): Promise<Answer> => ask1(port, { path, method }, "");
  expect(await get("/healthz")).toMatchObject({ status: 200, body: "ok\n" });
  expect(await get("/readyz")).toMatchObject({ status: 503, body: "no policies are in force yet\n" });
  reasons = [];
  expect(await get("/readyz?verbose")).toMatchObject({ status: 200 });
  expect(await get("/readyz", "HEAD")).toMatchObject({ status: 200, body: "" });
  const { body, headers } = await get("/metrics");
  expect(headers["content-type"]).toContain("version=0.0.4");
  expect(body).toMatch(/^vigil_admission_certificate_expiry_timestamp_seconds \d{10}/m);
  expect(body).toContain('vigil_snapshot_info{id="s"} 1');
});

test("a probe that fails is an answer, and the server goes on", async () => {
  const unreadyReasons = (): never => {
    throw new Error("broken");
  };
  const { port } = await start({ unreadyReasons });
  const answer = await ask1(port, { path: "/readyz", method: "GET" }, "");
  expect([answer.status, codeOf(answer)]).toEqual([500, "ADMISSION_FAILED"]);
  expect(isAllowed(await ask1(port))).toBe(true);
});

describe("a wrong request is refused with its status, and the next one is answered", () => {
  const limits = { maxBytes: 4096 };
  const long = "x".repeat(5000);
  const wrong: readonly [string, Record<string, string>, string | Uint8Array, number, string][] = [
    ["an unknown path", { ":path": "/validation" }, BODY, 404, "ADMISSION_NOT_FOUND"],
    ["a GET", { ":method": "GET" }, "", 405, "ADMISSION_METHOD"],
    ["a POST to a probe", { ":path": "/healthz" }, BODY, 405, "ADMISSION_METHOD"],
    ["another content type", { "content-type": "application/yaml" }, BODY, 415, "ADMISSION_CONTENT_TYPE"],
    ["a compressed body", { "content-encoding": "gzip" }, BODY, 415, "ADMISSION_CONTENT_TYPE"],
    ["an announced length beyond the limit", { "content-length": "5000" }, long, 413, "ADMISSION_BODY_TOO_LARGE"],
    ["a body beyond the limit", {}, long, 413, "ADMISSION_BODY_TOO_LARGE"],
    ["an empty body", {}, "", 400, "JSON_SYNTAX"],
    ["half a review", {}, BODY.slice(0, 100), 400, "JSON_SYNTAX"],
  ];
  test.each(wrong)(
    "%s, over HTTP/1.1",
    async (_, { ":path": path = "/validate", ":method": method = "POST", ...headers }, body, status, code) => {
      const { port } = await start({ limits });
      const chunked: Record<string, string> = "content-length" in headers || method === "GET" ? {} : { "transfer-encoding": "chunked" };
      const answer = await ask1(port, { path, method, headers: { ...POST.headers, ...chunked, ...headers } }, body);
      expect([answer.status, codeOf(answer)]).toEqual([status, code]);
      expect(isAllowed(await ask1(port))).toBe(true);
    },
  );
  test.each(wrong)("%s, over HTTP/2", async (_, headers, body, status, code) => {
    const { port } = await start({ limits });
    const session = session2(port);
    const answer = await ask2(session, headers, body);
    expect([answer.status, codeOf(answer)]).toEqual([status, code]);
    expect(isAllowed(await ask2(session))).toBe(true);
    session.close();
  });
});

describe("a body that does not come whole", () => {
  const countOf = (code: string): number => Number(new RegExp(`code="${code}"} (\\d+)`).exec(metrics.refusals.expose())?.[1] ?? 0);
  const answered: string[] = [];
  const answer: AnswerReview = (body, phase) => {
    answered.push(Buffer.from(body).toString());
    return allowAll(body, phase);
  };
  test("over HTTP/1.1, cut by the client, is counted and never judged", async () => {
    const { port } = await start({ answer });
    const before = countOf("ADMISSION_BODY_TRUNCATED");
    const socket = await tlsSocket(port);
    socket.write(
      `POST /validate HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: ${BODY.length + 10}\r\n\r\n${BODY}`,
    );
    socket.end();
    await once(socket.resume(), "close");
    await expect.poll(() => countOf("ADMISSION_BODY_TRUNCATED")).toBe(before + 1);
    expect(isAllowed(await ask1(port))).toBe(true);
    expect(answered).toEqual([BODY]);
  });
  test.each([
    ["reset by the client", (stream: ClientHttp2Stream) => stream.close(constants.NGHTTP2_CANCEL)],
    ["with its session", (stream: ClientHttp2Stream) => stream.session?.destroy()],
  ])("over HTTP/2, %s, is counted and never judged", async (_, end) => {
    answered.length = 0;
    const { port } = await start({ answer });
    const before = countOf("ADMISSION_BODY_TRUNCATED");
    const session = session2(port);
    const stream = session.request({ ":method": "POST", ":path": "/validate", "content-type": "application/json" });
    stream.on("error", () => undefined);
    stream.write(BODY);
    await expect.poll(() => inFlightOf(port)).toBe(1);
    end(stream);
    await expect.poll(() => countOf("ADMISSION_BODY_TRUNCATED")).toBe(before + 1);
    session.destroy();
    expect(isAllowed(await ask1(port))).toBe(true);
    expect(answered).toEqual([BODY]);
  });
  test("is refused when it takes too long, however it trickles", async () => {
    const { port } = await start({ limits: { timeoutMs: 300 } });
    const request = httpsRequest({ host: "127.0.0.1", port, ca: store.current().caBundlePem, ...POST });
    const trickle = setInterval(() => request.write(" "), 20);
    const [response] = await once(request, "response");
    clearInterval(trickle);
    expect(response.statusCode).toBe(408);
    request.destroy();
  });
});

/** A gauge as `/metrics` tells it; the connection that asks is one. */
const readingOf = async (port: number, name: string): Promise<number> => {
  const { body } = await ask1(port, { path: "/metrics", method: "GET", agent: false }, "");
  return Number(new RegExp(`^vigil_admission_${name} (\\d+)`, "m").exec(body)?.[1]);
};
const inFlightOf = (port: number): Promise<number> => readingOf(port, "requests_in_flight");

test("a client may end its connection by a reset: that is no error", async () => {
  const { port } = await start();
  const before = metrics.connectionErrors.expose();
  const tcp = connectTcp(port, "127.0.0.1");
  const socket = connectTls({ socket: tcp, host: "127.0.0.1", ca: store.current().caBundlePem, ALPNProtocols: ["h2"] });
  await once(socket, "secureConnect");
  const session = connectHttp2(`https://127.0.0.1:${port}`, { createConnection: () => socket });
  session.on("error", () => {});
  expect(await text(session.request({ ":path": "/healthz" }))).toBe("ok\n");
  tcp.resetAndDestroy();
  await expect.poll(() => readingOf(port, "connections")).toBe(1);
  expect(metrics.connectionErrors.expose()).toBe(before);
});

test("a header beyond the limit is answered 431", async () => {
  const { port } = await start();
  const socket = await tlsSocket(port);
  socket.write(`POST /validate HTTP/1.1\r\nhost: x\r\nx: ${"x".repeat(20_000)}\r\n\r\n`);
  expect(await text(socket)).toMatch(/^HTTP\/1\.1 431 /);
});

test("an expired certificate makes it unready", async () => {
  const expired = { ...store.current(), expiresAtMs: Date.now() - 1 };
  const { port } = await start({ certificate: { current: () => expired, onChange: () => () => undefined } });
  expect(await ask1(port, { path: "/readyz", method: "GET" }, "")).toMatchObject({ status: 503, body: "the certificate has expired\n" });
});

test.each([
  ["reviews", { maxInFlight: 1 }],
  ["bytes", { maxInFlightBytes: BODY.length + 100 }],
])("more %s at once than the limit are refused clearly, to be tried again", async (_, limits) => {
  const { port } = await start({ limits });
  const slow = httpsRequest({
    host: "127.0.0.1",
    port,
    ca: store.current().caBundlePem,
    ...POST,
    headers: { ...POST.headers, "content-length": BODY.length },
  });
  slow.write(BODY.slice(0, 10));
  await expect.poll(() => inFlightOf(port)).toBe(1);
  const answer = await ask1(port);
  expect([answer.status, codeOf(answer), answer.headers["retry-after"]]).toEqual([429, "ADMISSION_OVERLOADED", "1"]);
  slow.end(BODY.slice(10));
  const [response] = await once(slow, "response");
  expect(response.statusCode).toBe(200);
  response.resume();
  await expect.poll(() => inFlightOf(port)).toBe(0);
  expect(isAllowed(await ask1(port))).toBe(true);
});

describe("draining", () => {
  test("answers what is under way, over both protocols, and takes nothing new", async () => {
    const { port, stop } = await start();
    const first = httpsRequest({
      host: "127.0.0.1",
      port,
      ca: store.current().caBundlePem,
      ...POST,
      agent: new Agent({ keepAlive: true }),
    });
    first.write(BODY.slice(0, 10));
    const session = session2(port);
    const stream = session.request({ ":method": "POST", ":path": "/validate", "content-type": "application/json" });
    stream.write(BODY.slice(0, 10));
    await expect.poll(() => inFlightOf(port)).toBe(2);
    const goaway = once(session, "goaway");
    const stopped = stop();
    await goaway;
    await expect(ask1(port)).rejects.toMatchObject({ code: "ECONNREFUSED" });
    first.end(BODY.slice(10));
    stream.end(BODY.slice(10));
    const [[response], streamText] = await Promise.all([once(first, "response"), text(stream)]);
    expect(response.headers.connection).toBe("close");
    expect(JSON.parse(await text(response)).response.allowed).toBe(true);
    expect(JSON.parse(streamText).response.allowed).toBe(true);
    expect(await stopped).toBe(0);
  });
  test("ends idle connections at once", async () => {
    const { port, stop } = await start();
    const agent = new Agent({ keepAlive: true });
    await ask1(port, { agent });
    const session = session2(port);
    await ask2(session);
    expect(await stop()).toBe(0);
  });
  test("cuts what has not ended after the drain time", async () => {
    const { port, stop } = await start({ limits: { drainMs: 100 } });
    const request = httpsRequest({ host: "127.0.0.1", port, ca: store.current().caBundlePem, ...POST });
    request.on("error", () => undefined);
    request.write(BODY.slice(0, 10));
    await expect.poll(() => inFlightOf(port)).toBe(1);
    expect(await stop()).toBe(1);
  });
});

test("certificates are rotated while requests go on, and none fails", async () => {
  const listeners = new Set<(certificate: ServingCertificate) => void>();
  const onChange: CertificateSource["onChange"] = (listener) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  };
  const { port } = await start({ certificate: { current: () => store.current(), onChange } });
  const serials = new Set<string>();
  let isRotating = true;
  const rotation = (async () => {
    for (let round = 0; round < 50; round++) {
      rmSync(join(directory, "serving.pem"));
      const renewed = (await openStore()).current();
      for (const listener of listeners) listener(renewed);
    }
    isRotating = false;
  })();
  const kept = new Agent({ keepAlive: true, maxSockets: 1 });
  const session = session2(port);
  let answers = 0;
  while (isRotating) {
    const socket = await tlsSocket(port);
    serials.add(socket.getPeerCertificate().serialNumber);
    socket.destroy();
    const all = await Promise.all([ask1(port, { agent: false }), ask1(port, { agent: kept }), ask2(session)]);
    answers += all.filter(isAllowed).length === 3 ? 1 : Number.NaN;
  }
  await rotation;
  kept.destroy();
  session.close();
  expect(answers).toBeGreaterThan(3);
  expect(serials.size).toBeGreaterThan(3);
});

describe("what is not HTTP", () => {
  const garbage: readonly [string, (port: number) => Promise<unknown>][] = [
    ["noise on TCP", (port) => writeTo(connectTcp(port, "127.0.0.1"), "\u0016\u0003\u0001\u0000\u0005noise")],
    ["a connection that closes before the handshake", (port) => writeTo(connectTcp(port, "127.0.0.1"), "")],
    ["noise on TLS", async (port) => writeTo(await tlsSocket(port), "noise\r\n\r\n")],
    ["a header that is too large", async (port) => writeTo(await tlsSocket(port), `POST / HTTP/1.1\r\nx: ${"x".repeat(20_000)}\r\n\r\n`)],
    [
      "two lengths",
      async (port) =>
        writeTo(await tlsSocket(port), "POST /validate HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nxx"),
    ],
    [
      "length and chunks",
      async (port) =>
        writeTo(
          await tlsSocket(port),
          "POST /validate HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        ),
    ],
    [
      "an HTTP/2 preface and noise",
      async (port) => {
        const socket = connectTls({ host: "127.0.0.1", port, ca: store.current().caBundlePem, ALPNProtocols: ["h2"] });
        await once(socket, "secureConnect");
        await writeTo(socket, `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n${"\u00ff".repeat(100)}`);
      },
    ],
  ];
  test.each(garbage)("%s does not disturb others", async (_, send) => {
    const { port } = await start();
    await send(port);
    expect(isAllowed(await ask1(port))).toBe(true);
  });
});

test("a client that says goodbye in the middle of a body, breaks the protocol and goes leaves no connection behind", async () => {
  const { port } = await start({ limits: { timeoutMs: 200 } });
  const frame = (type: number, flags: number, stream: number, payload: Uint8Array): Buffer => {
    const head = Buffer.alloc(9);
    head.writeUIntBE(payload.length, 0, 3);
    head.writeUInt8(type, 3);
    head.writeUInt8(flags, 4);
    head.writeUInt32BE(stream, 5);
    return Buffer.concat([head, payload]);
  };
  const literal = (index: number, value: string): Buffer => Buffer.concat([Buffer.of(0x40 | index, value.length), Buffer.from(value)]);
  // HPACK: `:method: POST` and `:scheme: https` by index, the others as literals with an indexed name.
  const headers = Buffer.concat([Buffer.of(0x83, 0x87), literal(4, "/validate"), literal(1, "x"), literal(31, "application/json")]);
  const [SETTINGS, HEADERS, DATA, GOAWAY, END_HEADERS] = [4, 1, 0, 7, 4];
  const socket = connectTls({ host: "127.0.0.1", port, ca: store.current().caBundlePem, ALPNProtocols: ["h2"] });
  await once(socket, "secureConnect");
  socket.resume();
  socket.write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
  socket.write(frame(SETTINGS, 0, 0, Buffer.alloc(0)));
  socket.write(frame(HEADERS, END_HEADERS, 1, headers));
  socket.write(frame(DATA, 0, 1, Buffer.from(BODY.slice(0, 10))));
  await expect.poll(() => inFlightOf(port)).toBe(1);
  // A SETTINGS frame of seven octets is none. The server must have read it before the connection ends.
  socket.write(Buffer.concat([frame(GOAWAY, 0, 0, Buffer.alloc(8)), frame(SETTINGS, 0, 0, Buffer.alloc(7))]));
  setTimeout(() => socket.end(), 50);
  await once(socket, "finish");
  await expect.poll(() => readingOf(port, "connections"), { timeout: 5000 }).toBe(1);
  expect(await inFlightOf(port)).toBe(0);
});

async function writeTo(socket: ReturnType<typeof connectTcp>, bytes: string): Promise<void> {
  socket.on("error", () => undefined);
  socket.end(Buffer.from(bytes, "latin1"));
  if (!socket.closed) await once(socket.resume(), "close");
}

test("an address that is taken, or is none, is an error with its code", async () => {
  const { port } = await start();
  await expect(start({ port })).rejects.toMatchObject({ code: "ADMISSION_ADDRESS_IN_USE" });
  await expect(start({ host: "192.0.2.1" })).rejects.toMatchObject({ code: "ADMISSION_ADDRESS" });
});

test("a client that does not trust the authority, or asks for another name, does not connect", async () => {
  const { port } = await start();
  await expect(ask1(port, { ca: undefined })).rejects.toMatchObject({ code: expect.stringMatching(/SELF_SIGNED|UNABLE_TO/) });
  const certificate: ServingCertificate = store.current();
  await expect(ask1(port, { servername: "vigil.example", ca: certificate.caBundlePem })).rejects.toMatchObject({
    code: "ERR_TLS_CERT_ALTNAME_INVALID",
  });
});
