/** How servers and connections begin and end. */
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { connect as connectHttp2 } from "node:http2";
import { connect, createServer, type Socket } from "node:net";
import { connect as connectTls, createServer as createTlsServer, type TLSSocket } from "node:tls";
import { afterEach, describe, expect, test } from "vitest";
import type { CallContext, GrpcSession } from "../../src/grpc/call-context.ts";
import { GrpcChannel } from "../../src/grpc/channel.ts";
import type { ChannelAddress } from "../../src/grpc/client-connection.ts";
import { encodeMessage } from "../../src/grpc/encoded-message.ts";
import { Health } from "../../src/grpc/generated/grpc/health/v1/health_pb.ts";
import { HealthStatus } from "../../src/grpc/health.ts";
import { GrpcServer, type GrpcServerOptions } from "../../src/grpc/server.ts";
import { implementService } from "../../src/grpc/service.ts";
import { Toy, ToyResponseSchema } from "./generated/test/toy_pb.ts";
import { collect } from "./iterables.ts";
import { socketPaths } from "./socket-directory.ts";
import { pemOfKey, selfSigned } from "./tls-fixture.ts";
import { toyService } from "./toy-service.ts";

const newPath = socketPaths();
const ending: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ending.splice(0).reverse()) await end();
});

function serverOf(options: Partial<GrpcServerOptions> = {}): GrpcServer {
  const server = new GrpcServer({ services: [toyService()], ...options });
  ending.push(() => server.close(0));
  return server;
}

function channelOf(address: ChannelAddress, options: object = {}): GrpcChannel {
  const channel = new GrpcChannel({ address, ...options });
  ending.push(() => channel.close({ cut: true }));
  return channel;
}

async function start(options: Partial<GrpcServerOptions> = {}): Promise<{ server: GrpcServer; channel: GrpcChannel; path: string }> {
  const path = newPath();
  const server = serverOf(options);
  await server.listen({ kind: "unix", path });
  return { server, channel: channelOf({ kind: "unix", path }), path };
}

describe("addresses", () => {
  test("TCP, with and without TLS; the handler sees the peer's certificate", async () => {
    const peers: (string | undefined)[] = [];
    const server = serverOf({
      check: ({ session }) => {
        peers.push((session.socket as Partial<TLSSocket>).getPeerX509Certificate?.()?.subject);
      },
    });
    const [own, client] = [selfSigned("server"), selfSigned("client")];
    const tls = { key: pemOfKey(own), cert: own.certificatePem, requestCert: true, rejectUnauthorized: false };
    const secure = await server.listen({ kind: "tcp", host: "127.0.0.1", port: 0, tls });
    const plain = await server.listen({ kind: "tcp", host: "127.0.0.1", port: 0 });
    if (secure.kind !== "tcp" || plain.kind !== "tcp") throw new Error("expected TCP");
    const trust = { ca: own.certificatePem, key: pemOfKey(client), cert: client.certificatePem, checkServerIdentity: () => undefined };
    const overTls = channelOf({ kind: "tcp", host: "127.0.0.1", port: secure.port, tls: trust });
    expect((await overTls.unary(Toy.method.echo, { text: "a" })).text).toBe("a");
    expect((await channelOf({ kind: "tcp", host: "127.0.0.1", port: plain.port }).unary(Toy.method.echo, { text: "b" })).text).toBe("b");
    expect(peers).toEqual(["CN=client", undefined]);
    const untrusting = channelOf({ kind: "tcp", host: "127.0.0.1", port: secure.port, tls: {} });
    await expect(untrusting.unary(Toy.method.echo, {})).rejects.toMatchObject({ status: "UNAVAILABLE" });
  });

  test("TLS servers and sockets of somebody else, by injection; what does not speak HTTP/2 is cut", async () => {
    const own = selfSigned("server");
    const tlsServer = createTlsServer({ key: pemOfKey(own), cert: own.certificatePem, ALPNProtocols: ["h2", "http/1.1"] });
    const server = serverOf();
    server.attach(tlsServer);
    tlsServer.listen(0, "127.0.0.1");
    await once(tlsServer, "listening");
    const { port } = tlsServer.address() as { port: number };
    const connectVerified = async (): Promise<Socket> => {
      const socket = connectTls({
        host: "127.0.0.1",
        port,
        ca: own.certificatePem,
        checkServerIdentity: () => undefined,
        ALPNProtocols: ["h2"],
      });
      await once(socket, "secureConnect");
      return socket;
    };
    const channel = channelOf({ kind: "socket", authority: "server.test", isTls: true, connect: connectVerified });
    expect((await channel.unary(Toy.method.echo, { text: "a" })).text).toBe("a");
    const other = connectTls({ host: "127.0.0.1", port, rejectUnauthorized: false, ALPNProtocols: ["http/1.1"] });
    other.on("error", () => undefined);
    other.resume();
    await once(other, "close");

    const listener = createServer((socket) => server.accept(socket));
    const path = newPath();
    listener.listen(path);
    await once(listener, "listening");
    expect((await channelOf({ kind: "unix", path }).unary(Toy.method.echo, { text: "b" })).text).toBe("b");
    listener.close();
  });

  test("a socket that is left over is replaced; one that is served, a file and a missing directory are refused", async () => {
    const { path } = await start();
    await expect(serverOf().listen({ kind: "unix", path })).rejects.toMatchObject({ code: "GRPC_ADDRESS_IN_USE" });
    const file = newPath();
    writeFileSync(file, "precious");
    await expect(serverOf().listen({ kind: "unix", path: file })).rejects.toMatchObject({ code: "GRPC_ADDRESS_IN_USE" });
    await expect(serverOf().listen({ kind: "unix", path: "/nowhere/at/all.sock" })).rejects.toMatchObject({ code: "GRPC_ADDRESS" });
    const stale = newPath();
    const script = `require("node:net").createServer().listen(${JSON.stringify(stale)}, () => process.kill(process.pid, "SIGKILL"))`;
    spawnSync(process.execPath, ["-e", script]);
    await serverOf().listen({ kind: "unix", path: stale, mode: 0o600 });
    expect((await channelOf({ kind: "unix", path: stale }).unary(Toy.method.echo, { text: "a" })).text).toBe("a");
  });
});

describe("draining", () => {
  test("calls under way are finished, new ones refused, and clients go to the next server", async () => {
    const { server, channel, path } = await start();
    await channel.unary(Toy.method.echo, {});
    const slow = channel.unary(Toy.method.echo, { text: "slow", delayMs: 200 });
    await expect.poll(() => server.callCount).toBe(1);
    const cut = server.close();
    expect((await slow).text).toBe("slow");
    expect(await cut).toBe(0);
    await expect(channel.unary(Toy.method.echo, {})).rejects.toMatchObject({ status: "UNAVAILABLE" });
    await serverOf().listen({ kind: "unix", path });
    expect((await channel.unary(Toy.method.echo, { text: "next" })).text).toBe("next");
  });

  test("what takes longer than the drain time is cut, and counted", async () => {
    const { server, channel } = await start();
    const slow = channel.unary(Toy.method.echo, { delayMs: 60_000 });
    const outcome = expect(slow).rejects.toMatchObject({ status: "UNAVAILABLE" });
    await expect.poll(() => server.callCount).toBe(1);
    expect(await server.close(50)).toBe(1);
    await outcome;
  });

  test("long streams end by themselves", async () => {
    const health = new HealthStatus();
    const { server, channel } = await start({ services: [health.service] });
    const watched = channel.serverStreaming(Health.method.watch, { service: "" });
    expect((await watched.next()).value).toMatchObject({ status: 1 });
    health.set("", false);
    expect((await watched.next()).value).toMatchObject({ status: 2 });
    const closed = server.close(60_000);
    expect(await watched.next()).toMatchObject({ done: true });
    expect(await closed).toBe(0);
  });
});

describe("connections", () => {
  test("the session is the same object for all calls of a connection, and says when it is gone", async () => {
    const sessions = new Set<GrpcSession>();
    const check = ({ session }: CallContext): void => void sessions.add(session);
    const { channel, path } = await start({ check });
    await Promise.all([1, 2, 3].map(() => channel.unary(Toy.method.echo, {})));
    await channelOf({ kind: "unix", path }).unary(Toy.method.echo, {});
    expect(sessions.size).toBe(2);
    const [first] = sessions;
    expect(first?.closed.aborted).toBe(false);
    await channel.close();
    await expect.poll(() => first?.closed.aborted).toBe(true);
  });

  test("a session that is cut ends its calls; the client connects again for the next", async () => {
    const { channel } = await start({ check: ({ session, headers }) => (headers["x-cut"] === "1" ? session.cut() : undefined) });
    await expect(channel.unary(Toy.method.echo, {}, { metadata: { "x-cut": "1" } })).rejects.toMatchObject({ status: "UNAVAILABLE" });
    expect((await channel.unary(Toy.method.echo, { text: "a" })).text).toBe("a");
  });

  test("one that does nothing is closed, and made again when needed", async () => {
    const { channel, server } = await start({ limits: { idleTimeoutMs: 50 } });
    await channel.unary(Toy.method.echo, {});
    await expect.poll(() => server.connectionCount).toBe(0);
    expect((await channel.unary(Toy.method.echo, { text: "a" })).text).toBe("a");
  });

  test("calls that the server refused before it said how many it takes are sent again", async () => {
    const { channel } = await start({ limits: { maxConcurrentCalls: 2 } });
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, index) => channel.unary(Toy.method.echo, { text: String(index), delayMs: 5 })),
    );
    expect(answers.map(({ text }) => text)).toEqual(Array.from({ length: 10 }, (_, index) => String(index)));
  });

  test("a server that does not answer pings is given up", async () => {
    const path = newPath();
    const mute = createServer((socket) => socket.resume().on("error", () => undefined));
    mute.listen(path);
    await once(mute, "listening");
    ending.push(() => mute.close());
    const channel = channelOf({ kind: "unix", path }, { keepalive: { intervalMs: 30, timeoutMs: 30 } });
    await expect(channel.unary(Toy.method.echo, {})).rejects.toMatchObject({ status: "UNAVAILABLE" });
  });

  test("many calls that wait for a connection share one, and each waits no longer than it may", async () => {
    let attempts = 0;
    const never = (signal: AbortSignal): Promise<Socket> => {
      attempts++;
      return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
    };
    const channel = channelOf({ kind: "socket", authority: "x", isTls: false, connect: never }, { connectTimeoutMs: 300 });
    const calls = [
      channel.unary(Toy.method.echo, {}, { timeoutMs: 30 }),
      channel.unary(Toy.method.echo, {}),
      channel.unary(Toy.method.echo, {}, { signal: AbortSignal.timeout(20) }),
    ];
    const outcomes = await Promise.allSettled(calls);
    expect(outcomes.map((outcome) => outcome.status === "rejected" && outcome.reason.status)).toEqual([
      "DEADLINE_EXCEEDED",
      "UNAVAILABLE",
      "CANCELLED",
    ]);
    expect(attempts).toBe(1);
    await channel.close();
    await expect(channel.unary(Toy.method.echo, {})).rejects.toMatchObject({ status: "UNAVAILABLE" });
  });
});

test("a message that was encoded once is sent as it is, to one or many", async () => {
  const encoded = encodeMessage(ToyResponseSchema, { text: "ready" });
  const service = implementService(Toy, {
    echo: () => encoded,
    async *count() {
      yield encoded;
      yield { text: "made" };
    },
  });
  const { channel } = await start({ services: [service] });
  expect((await channel.unary(Toy.method.echo, {})).text).toBe("ready");
  expect((await collect(channel.serverStreaming(Toy.method.count, {}))).map(({ text }) => text)).toEqual(["ready", "made"]);
  await expect(channel.clientStreaming(Toy.method.join, (async function* () {})())).rejects.toMatchObject({ status: "UNIMPLEMENTED" });
});

test("a trailer that is set in the middle of a stream goes out beside the status", async () => {
  const service = implementService(Toy, {
    async *count(_, context) {
      yield { text: "a" };
      context.setTrailer("x-late", "1");
      expect(() => context.setHeader("x-late", "1")).toThrow(TypeError);
    },
  });
  const { channel } = await start({ services: [service] });
  let trailers: Readonly<Record<string, unknown>> = {};
  await collect(channel.serverStreaming(Toy.method.count, {}, { onTrailers: (given) => (trailers = given) }));
  expect(trailers).toMatchObject({ "grpc-status": "0", "x-late": "1" });
});

test("an HTTP/2 client that goes away while a check is pending harms nothing", async () => {
  const gate = Promise.withResolvers<void>();
  const ends: string[] = [];
  const { path, server } = await start({ check: () => gate.promise, onEnd: (_, status) => ends.push(status) });
  const session = connectHttp2("http://localhost", { createConnection: () => connect({ path }) });
  session.on("error", () => undefined);
  const stream = session.request({ ":method": "POST", ":path": "/vigil.test.Toy/Echo", "content-type": "application/grpc" });
  stream.on("error", () => undefined);
  stream.end(Buffer.alloc(5));
  await expect.poll(() => server.callCount).toBe(1);
  session.destroy();
  await expect.poll(() => ends).toEqual(["CANCELLED"]);
  gate.resolve();
});
