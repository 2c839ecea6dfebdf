/** Clients that mean no good, on raw sockets and raw HTTP/2. After each the server serves on, and holds nothing of it. */
import { type EventEmitter, once } from "node:events";
import { type ClientHttp2Session, type ClientHttp2Stream, connect, type OutgoingHttpHeaders } from "node:http2";
import * as net from "node:net";
import { afterEach, beforeEach, expect, test } from "vitest";
import { GrpcChannel } from "../../src/grpc/channel.ts";
import { GrpcServer } from "../../src/grpc/server.ts";
import { Toy } from "./generated/test/toy_pb.ts";
import { socketPaths } from "./socket-directory.ts";
import { toyService } from "./toy-service.ts";

const newPath = socketPaths();
const REQUEST = { ":method": "POST", ":path": "/vigil.test.Toy/Echo", "content-type": "application/grpc", te: "trailers" };
const LIMITS = {
  maxMessageBytes: 10_000,
  maxHeldBytes: 30_000,
  handshakeTimeoutMs: 100,
  stallTimeoutMs: 150,
  idleTimeoutMs: 60_000,
  maxConnections: 20,
};
const STALL = { timeout: 20_000 };

let path: string;
let server: GrpcServer;
let failures: unknown[];
let open: { destroy(): unknown }[];

beforeEach(async () => {
  path = newPath();
  failures = [];
  open = [];
  server = new GrpcServer({ services: [toyService()], limits: LIMITS, onFailure: (thrown) => failures.push(thrown) });
  await server.listen({ kind: "unix", path });
});

afterEach(async () => {
  const channel = new GrpcChannel({ address: { kind: "unix", path } });
  // Whatever happened, the next client is served, and the server holds nothing of the last.
  await expect.poll(async () => (await channel.unary(Toy.method.echo, { text: "still here" })).text, STALL).toBe("still here");
  await channel.close();
  for (const client of open) client.destroy();
  await expect.poll(() => [server.connectionCount, server.callCount, server.heldBytes], STALL).toEqual([0, 0, 0]);
  await server.close(0);
  expect(failures).toEqual([]);
});

function raw(): net.Socket {
  const socket = net.connect({ path });
  socket.on("error", () => undefined);
  socket.resume();
  open.push(socket);
  return socket;
}

function http2(): ClientHttp2Session {
  const session = connect("http://localhost", { createConnection: () => net.connect({ path }) });
  session.on("error", () => undefined);
  open.push(session);
  return session;
}

interface Answer {
  readonly status: string | undefined;
  readonly http: number | undefined;
  readonly resetCode: number | undefined;
}

/** `once` would reject when there is an error before. */
const closeOf = (emitter: EventEmitter & { readonly destroyed: boolean }): Promise<void> =>
  new Promise((resolve) => (emitter.destroyed ? resolve() : emitter.once("close", () => resolve())));

/** How a stream ended, however it did. */
async function answerOf(stream: ClientHttp2Stream): Promise<Answer> {
  let status: string | undefined;
  let http: number | undefined;
  stream.on("error", () => undefined);
  stream.on("response", (headers) => {
    http = Number(headers[":status"]);
    if (headers["grpc-status"] !== undefined) status = String(headers["grpc-status"]);
  });
  stream.on("trailers", (trailers) => {
    status = String(trailers["grpc-status"]);
  });
  stream.resume();
  await closeOf(stream);
  return { status, http, resetCode: stream.rstCode };
}

const send = (body: Uint8Array, headers: OutgoingHttpHeaders = {}): Promise<Answer> => {
  const stream = http2().request({ ...REQUEST, ...headers });
  stream.on("error", () => undefined);
  stream.end(body);
  return answerOf(stream);
};

const frame = (flag: number, length: number, message: Uint8Array = Buffer.alloc(0)): Buffer => {
  const prefix = Buffer.alloc(5);
  prefix[0] = flag;
  prefix.writeUInt32BE(length, 1);
  return Buffer.concat([prefix, message]);
};

test.each([
  { what: "no message", body: Buffer.alloc(0), status: "13" },
  { what: "half a prefix", body: Buffer.from([0, 0, 0]), status: "13" },
  { what: "a length that is more than what comes", body: frame(0, 100, Buffer.alloc(99)), status: "13" },
  { what: "a length that is less than what comes", body: frame(0, 0, Buffer.alloc(3)), status: "13" },
  { what: "two messages where there is one", body: Buffer.concat([frame(0, 0), frame(0, 0)]), status: "13" },
  { what: "a length of 4 GiB", body: frame(0, 0xffffffff, Buffer.alloc(100)), status: "8" },
  { what: "an oversized message", body: frame(0, 10_001, Buffer.alloc(10_001)), status: "8" },
  { what: "a compressed message", body: frame(1, 2, Buffer.alloc(2)), status: "12" },
  { what: "a flag that does not exist", body: frame(7, 2, Buffer.alloc(2)), status: "13" },
  { what: "a message that is none", body: frame(0, 3, Buffer.from([0xff, 0xff, 0xff])), status: "13" },
  { what: "text of a field that is not UTF-8", body: frame(0, 4, Buffer.from([0x0a, 2, 0xc3, 0x28])), status: "13" },
])("$what is refused with a status", async ({ body, status }) => {
  expect(await send(body)).toMatchObject({ http: 200, status });
});

test.each([
  { what: "another media type", headers: { "content-type": "application/json" }, expected: { http: 415 } },
  { what: "another verb", headers: { ":method": "PUT" }, expected: { http: 405 } },
  { what: "a path that does not exist", headers: { ":path": "/vigil.test.Toy/__proto__" }, expected: { http: 200, status: "12" } },
  { what: "a timeout that is none", headers: { "grpc-timeout": "9999999999S" }, expected: { http: 200, status: "13" } },
  { what: "a timeout that has passed", headers: { "grpc-timeout": "0n" }, expected: { http: 200 } },
])("$what is answered", async ({ headers, expected }) => {
  expect(await send(frame(0, 0), headers)).toMatchObject(expected);
});

test("headers beyond the limit are refused", async () => {
  const bomb = Object.fromEntries(Array.from({ length: 20 }, (_, index) => [`x-${index}`, "a".repeat(2000)]));
  // Before the client was told the limit, and after.
  expect(await send(frame(0, 0), bomb)).toMatchObject({ status: "8" });
  const session = http2();
  await once(session, "remoteSettings");
  await new Promise((resolve) => session.ping(resolve));
  const told = session.request({ ...REQUEST, ...bomb });
  told.on("error", () => undefined);
  told.end(frame(0, 0));
  expect((await answerOf(told)).http).not.toBe(200);
  const many = Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`x-${index}`, "a"]));
  expect((await send(frame(0, 0), many)).http).not.toBe(200);
});

test("streams that are aborted in the middle of a message leave nothing", async () => {
  const session = http2();
  for (let count = 0; count < 50; count++) {
    const stream = session.request(REQUEST);
    stream.on("error", () => undefined);
    stream.write(frame(0, 1000, Buffer.alloc(count * 10)));
    setImmediate(() => stream.close(8));
    if (count % 10 === 0) await once(stream, "close");
  }
  const last = session.request(REQUEST);
  last.on("error", () => undefined);
  last.write(frame(0, 1000, Buffer.alloc(10)));
  await expect.poll(() => server.callCount, STALL).toBeGreaterThan(0);
  session.destroy();
});

test("a connection that is cut in the middle of a call leaves nothing", async () => {
  const session = http2();
  const stream = session.request({ ...REQUEST, ":path": "/vigil.test.Toy/Count" });
  stream.on("error", () => undefined);
  // A million answers.
  stream.end(frame(0, 4, Buffer.from([0x10, 0xc0, 0x84, 0x3d])));
  await once(stream, "data");
  session.destroy();
});

test.each([
  { what: "says nothing", octets: "" },
  { what: "stops in the preface", octets: "PRI * HTTP/2.0\r\n" },
  { what: "stops before its settings", octets: "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" },
])("a connection that $what is cut", async ({ octets }) => {
  const socket = raw();
  if (octets !== "") socket.write(octets);
  await once(socket, "close");
});

test.each([
  { what: "HTTP/1.1", octets: Buffer.from("GET / HTTP/1.1\r\nhost: x\r\n\r\n") },
  { what: "TLS", octets: Buffer.from("16030100050100000100", "hex") },
  { what: "zeroes", octets: Buffer.alloc(100_000) },
  { what: "a broken frame", octets: Buffer.concat([Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), Buffer.alloc(5000, 0xee)]) },
])("a connection that speaks $what is cut", async ({ octets }) => {
  const socket = raw();
  socket.write(octets);
  await once(socket, "close");
});

test("a message that stops half-way gets a status in the end, however slowly it came", async () => {
  const stream = http2().request(REQUEST);
  const dripping = setInterval(() => stream.writable && stream.write(Buffer.alloc(1)), 20);
  stream.write(frame(0, 9000));
  const answer = await answerOf(stream);
  clearInterval(dripping);
  expect(answer.status).toBe("4");
});

test("a request without its message gets a status in the end", async () => {
  expect((await answerOf(http2().request(REQUEST))).status).toBe("4");
});

test.each([
  ["another HTTP method", { ":method": "PUT" }, 405, undefined],
  ["another content type", { "content-type": "text/plain" }, 415, undefined],
  ["a method that there is not", { ":path": "/vigil.test.Toy/Nothing" }, 200, "12"],
  ["a timeout that is none", { "grpc-timeout": "soon" }, 200, "13"],
])("a request with %s is refused and closed, though its sender never ends it", async (_, headers, http, status) => {
  const answer = await answerOf(http2().request({ ...REQUEST, ...headers }, { endStream: false }));
  expect([answer.http, answer.status]).toEqual([http, status]);
});

test("a client that reads none of its answers is cut off", async () => {
  const session = http2();
  const stream = session.request({ ...REQUEST, ":path": "/vigil.test.Toy/Count" });
  stream.on("error", () => undefined);
  // The answers have 9,000 bytes each, of which nobody reads any.
  stream.end(frame(0, 9007, Buffer.concat([Buffer.from([0x10, 0xc0, 0x84, 0x3d, 0x1a, 0xa8, 0x46]), Buffer.alloc(9000)])));
  await once(stream, "response");
  stream.pause();
  await expect.poll(() => server.callCount, STALL).toBe(0);
});

test("a client that keeps sending and reads nothing is cut off too", async () => {
  const stream = http2().request({ ...REQUEST, ":path": "/vigil.test.Toy/Converse" });
  stream.on("error", () => undefined);
  const message = frame(0, 8003, Buffer.concat([Buffer.from([0x1a, 0xc0, 0x3e]), Buffer.alloc(8000)]));
  const sending = setInterval(() => stream.writable && stream.write(message), 5);
  await once(stream, "response");
  stream.pause();
  await expect.poll(() => server.callCount, STALL).toBe(0);
  clearInterval(sending);
});

test("messages that are not complete are bounded over all connections", async () => {
  const streams = Array.from({ length: 8 }, () => {
    const stream = http2().request(REQUEST);
    stream.write(frame(0, 9999, Buffer.alloc(9000)));
    return answerOf(stream);
  });
  const answers = await Promise.all(streams);
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set(["4", "8"]));
});

test("connections beyond the limit are refused, and the others served", async () => {
  const sockets = Array.from({ length: 40 }, () => raw());
  await Promise.all(sockets.map((socket) => once(socket, "close")));
});

test("a flood of resets ends its connection", async () => {
  const session = http2();
  await once(session, "remoteSettings");
  const isGone = closeOf(session);
  for (let round = 0; round < 100 && !session.destroyed && !session.closed; round++) {
    for (let count = 0; count < 100 && !session.closed; count++) {
      const stream = session.request(REQUEST);
      stream.on("error", () => undefined);
      stream.close(8);
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
  await isGone;
});

test("more calls at once than allowed are refused so that they may be sent again", async () => {
  const small = new GrpcServer({ services: [toyService()], limits: { maxConcurrentCalls: 5 } });
  const other = newPath();
  await small.listen({ kind: "unix", path: other });
  const session = connect("http://localhost", { createConnection: () => net.connect({ path: other }) });
  session.on("error", () => undefined);
  const answers = Array.from({ length: 20 }, () => {
    const stream = session.request(REQUEST);
    // Takes a while, 100 ms.
    stream.end(frame(0, 2, Buffer.from([0x28, 0x64])));
    return answerOf(stream);
  });
  const kinds = new Set((await Promise.all(answers)).map(({ status, resetCode }) => status ?? `reset ${resetCode}`));
  expect([...kinds].sort()).toEqual(["0", "reset 7"]);
  session.destroy();
  await small.close(0);
});

test("handlers and checks that fail tell the caller nothing, and us everything", async () => {
  const told: unknown[] = [];
  const check = (): void => {
    throw new Error("the password is hunter2");
  };
  const failing = new GrpcServer({ services: [toyService()], check, onFailure: (thrown) => told.push(thrown) });
  const other = newPath();
  await failing.listen({ kind: "unix", path: other });
  const channel = new GrpcChannel({ address: { kind: "unix", path: other } });
  await expect(channel.unary(Toy.method.echo, {})).rejects.toMatchObject({ status: "INTERNAL", message: "the server failed to answer" });
  expect(told).toMatchObject([{ message: "the password is hunter2" }]);
  await channel.close();
  await failing.close(0);
});
