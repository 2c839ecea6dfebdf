/** Connections that live: they end when trust ends, and before that they let requests finish. */
import { once } from "node:events";
import { request as requestHttps } from "node:https";
import { text } from "node:stream/consumers";
import type { TLSSocket } from "node:tls";
import * as grpc from "@grpc/grpc-js";
import { describe, expect, onTestFinished, test } from "vitest";
import {
  type Connection,
  createGrpcChannelFactory,
  createGrpcListener,
  createHttp2Server,
  createHttpsAgent,
  createHttpsServer,
  createServiceIdentity,
  createTlsServer,
  Http2Client,
  type IdentityStore,
  peerOf,
  type ServiceIdentity,
} from "../../src/service/index.ts";
import type { RevocationSource } from "../../src/spiffe/bundle-source.ts";
import type { VerifiedX509Svid } from "../../src/spiffe/x509-svid.ts";
import { ECHO, type EchoClient, EchoClientConstructor } from "./echo-service.ts";
import { portOf } from "./listening.ts";
import { bundleOf, bundlesOf, issueSvid, newAuthority, storeOf } from "./trust-domain.ts";

const root = newAuthority("a.test");
const WEB = "spiffe://a.test/web";
const ORDERS = "spiffe://a.test/orders";
const HOUR_MS = 3_600_000;

class Revocations implements RevocationSource {
  isRevoked: (peer: VerifiedX509Svid) => boolean = () => false;
  readonly #listeners = new Set<() => void>();

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  revoke(isRevoked: (peer: VerifiedX509Svid) => boolean): void {
    this.isRevoked = isRevoked;
    for (const listener of this.#listeners) listener();
  }
}

interface Side {
  readonly identity: ServiceIdentity;
  readonly source: IdentityStore;
  readonly revocations: Revocations;
  nowMs: number;
}

function sideOf(id: string, source: IdentityStore = storeOf(issueSvid(id, root), [root])): Side {
  const revocations = new Revocations();
  const side: Side = {
    source,
    revocations,
    nowMs: Date.now(),
    identity: createServiceIdentity({ source, revocations, clock: () => side.nowMs }),
  };
  onTestFinished(() => side.identity.close());
  return side;
}

const closed = (socket: TLSSocket): Promise<void> => new Promise((resolve) => socket.once("close", () => resolve()));

/** A connection of web to a server of orders, both of which wait. */
async function connectBoth(web: Side, orders: Side): Promise<{ readonly client: Connection; readonly server: Connection }> {
  const server = createTlsServer(orders.identity, { allow: [WEB] }, (socket) => socket.on("error", () => {}).resume());
  const port = await portOf(server);
  const admitted = once(server, "secureConnection");
  const client = await web.identity.connect({ host: "127.0.0.1", port }, ({ id }) => id === ORDERS);
  client.socket.on("error", () => {}).resume();
  await admitted;
  const connection = [...orders.identity.connections].at(-1);
  if (connection === undefined) throw new Error("no connection");
  return { client, server: connection };
}

describe("a connection is cut", () => {
  test.each([
    ["the identity", ({ id }: VerifiedX509Svid): boolean => id === WEB],
    ["the certificate", ({ path }: VerifiedX509Svid): boolean => path[0]?.serial === 4711n],
    ["the authority", ({ path }: VerifiedX509Svid): boolean => path.at(-1)?.isAuthority === true],
  ])("by the server when %s of its client is revoked", async (_, isRevoked) => {
    const [web, orders] = [sideOf(WEB), sideOf(ORDERS)];
    const { client, server } = await connectBoth(web, orders);
    orders.revocations.revoke(isRevoked);
    expect(server.socket.destroyed).toBe(true);
    await closed(client.socket);
    expect(orders.identity.connections.size).toBe(0);
  });

  test("by the client when the server is revoked", async () => {
    const [web, orders] = [sideOf(WEB), sideOf(ORDERS)];
    const { client } = await connectBoth(web, orders);
    web.revocations.revoke(({ id }) => id === ORDERS);
    expect(client.socket.destroyed).toBe(true);
  });

  test("when the authority of the peer leaves the bundle, and is not when another one joins", async () => {
    const [web, orders] = [sideOf(WEB), sideOf(ORDERS)];
    const { server } = await connectBoth(web, orders);
    const next = newAuthority("a.test");
    orders.source.set({ bundles: bundlesOf(bundleOf("a.test", [root, next])) });
    expect(server.socket.destroyed).toBe(false);
    orders.source.set({ bundles: bundlesOf(bundleOf("a.test", [next])) });
    expect(server.socket.destroyed).toBe(true);
  });

  test("when the trust domain is trusted no more", async () => {
    const [web, orders] = [sideOf(WEB), sideOf(ORDERS)];
    const { server } = await connectBoth(web, orders);
    orders.source.set({ bundles: new Map() });
    expect(server.socket.destroyed).toBe(true);
  });

  test("when the peer's certificate expires, without any notice of the sources", async () => {
    const [web, orders] = [sideOf(WEB), sideOf(ORDERS)];
    const { server } = await connectBoth(web, orders);
    orders.nowMs = server.endsAtMs + 1;
    await closed(server.socket);
    expect(server.endsAtMs).toBe(server.peer.validUntilMs);
  });

  test("when a source without notices has changed", async () => {
    const source = storeOf(issueSvid(ORDERS, root), [root]);
    const quiet = {
      x509Svid: () => source.x509Svid(),
      bundleOf: (domain: Parameters<IdentityStore["bundleOf"]>[0]) => source.bundleOf(domain),
    };
    const identity = createServiceIdentity({ source: quiet });
    onTestFinished(() => identity.close());
    const { server } = await connectBoth(sideOf(WEB), { ...sideOf(ORDERS), identity });
    source.set({ bundles: new Map() });
    await closed(server.socket);
  });

  test("when the identity of this process is closed", async () => {
    const [web, orders] = [sideOf(WEB), sideOf(ORDERS)];
    const { server } = await connectBoth(web, orders);
    orders.identity.close();
    expect(server.socket.destroyed).toBe(true);
  });
});

describe("before the end of a certificate, and when a client has a newer one, a connection drains", () => {
  const almost = ({ drainAtMs, endsAtMs }: Connection): number => (drainAtMs + endsAtMs) / 2;

  test("at most half a minute or a tenth of its life before", async () => {
    const [web, orders] = [sideOf(WEB), sideOf(ORDERS)];
    const { client, server } = await connectBoth(web, orders);
    expect(server.endsAtMs - server.drainAtMs).toBe(30_000);
    const short = issueSvid(WEB, root, { notAfterMs: web.nowMs + 60_000 });
    web.source.set({ svid: short });
    expect(client.isDraining).toBe(true);
    const again = await connectBoth(web, orders);
    expect(again.server.endsAtMs - again.server.drainAtMs).toBeLessThanOrEqual(6_000);
  });

  test("HTTP/1.1: the next answer is the last one", async () => {
    const orders = sideOf(ORDERS);
    const server = createHttpsServer(orders.identity, { allow: [WEB] }, (request, response) => response.end(peerOf(request).id));
    const port = await portOf(server);
    const agent = createHttpsAgent(sideOf(WEB).identity, { allow: [ORDERS], maxSockets: 1 });
    onTestFinished(() => agent.destroy());
    const connections = new Set<unknown>();
    const ask = async (): Promise<string | undefined> => {
      const request = requestHttps({ host: "127.0.0.1", port, agent }).end();
      const [response] = await once(request, "response");
      connections.add(request.socket);
      await text(response);
      return response.headers.connection;
    };
    expect(await ask()).toBe("keep-alive");
    const [connection] = orders.identity.connections;
    orders.nowMs = connection === undefined ? 0 : almost(connection);
    orders.source.set({});
    expect(await ask()).toBe("close");
    expect(connections.size).toBe(1);
    await ask();
    expect(connections.size).toBe(2);
  });

  test("HTTP/2: a goodbye, after which streams finish", async () => {
    const orders = sideOf(ORDERS);
    let finish = (): void => {};
    const server = createHttp2Server(orders.identity, { allow: [WEB] }, (request, response) => {
      response.write("begun ");
      finish = () => response.end(peerOf(request).id);
    });
    const client = new Http2Client(sideOf(WEB).identity, `https://127.0.0.1:${await portOf(server)}`, { allow: [ORDERS] });
    onTestFinished(() => client.close());
    const stream = await client.request({ ":path": "/" });
    const farewell = new Promise((resolve) => stream.session?.once("goaway", resolve));
    await once(stream, "response");
    const [connection] = orders.identity.connections;
    orders.nowMs = connection === undefined ? 0 : almost(connection);
    orders.source.set({});
    await farewell;
    finish();
    expect(await text(stream)).toBe(`begun ${WEB}`);
  });

  test("HTTP/2: a request whose connection is cut fails, rather than seeming complete", async () => {
    const orders = sideOf(ORDERS);
    const server = createHttp2Server(orders.identity, { allow: [WEB] }, (_, response) => response.write("half"));
    const client = new Http2Client(sideOf(WEB).identity, `https://127.0.0.1:${await portOf(server)}`, { allow: [ORDERS] });
    const stream = await client.request({ ":path": "/" });
    await once(stream, "response");
    orders.revocations.revoke(() => true);
    await expect(text(stream)).rejects.toMatchObject({ code: "SERVICE_CONNECTION_LOST" });
  });

  test("gRPC: calls under way finish on both sides' renewal, later ones take a new connection", async () => {
    const [web, orders] = [sideOf(WEB), sideOf(ORDERS)];
    const server = new grpc.Server();
    const listener = createGrpcListener(orders.identity, grpc, server, { allow: [WEB] });
    const waiting: (() => void)[] = [];
    server.addService(ECHO, {
      echo: (call: grpc.ServerUnaryCall<string, string>, callback: grpc.sendUnaryData<string>) => {
        const answer = (): void => callback(null, `${call.request} ${listener.peerOf(call).id}`);
        if (call.request === "wait") waiting.push(answer);
        else answer();
      },
    });
    onTestFinished(() => server.forceShutdown());
    const port = await portOf(listener.server);
    const channelFactoryOverride = createGrpcChannelFactory(web.identity, grpc, { allow: [ORDERS] });
    const client: EchoClient = new EchoClientConstructor(`127.0.0.1:${port}`, grpc.credentials.createInsecure(), {
      channelFactoryOverride,
    });
    onTestFinished(() => client.close());
    const ask = (message: string): Promise<string> =>
      new Promise((resolve, reject) => {
        client.echo(message, {}, (error, answer) => (error === null ? resolve(answer ?? "") : reject(error)));
      });
    const begun = async (count: number): Promise<void> => {
      while (waiting.length < count) await new Promise(setImmediate);
    };
    const first = ask("wait");
    await begun(1);
    web.source.set({ svid: issueSvid(WEB, root) });
    expect(await ask("now")).toBe(`now ${WEB}`);
    expect(orders.identity.connections.size).toBe(2);
    const second = ask("wait");
    await begun(2);
    const draining = [...orders.identity.connections];
    orders.nowMs = Math.max(...draining.map(almost));
    orders.source.set({});
    expect(draining.map(({ isDraining }) => isDraining)).toEqual([true, true]);
    for (const answer of waiting) answer();
    expect(await Promise.all([first, second])).toEqual([`wait ${WEB}`, `wait ${WEB}`]);
    expect(await ask("now")).toBe(`now ${WEB}`);
  });
});

test("a request on a connection whose proof has ended is not answered", async () => {
  const orders = sideOf(ORDERS, storeOf(issueSvid(ORDERS, root, { notAfterMs: Date.now() + 2 * HOUR_MS }), [root]));
  const seen: string[] = [];
  const server = createHttpsServer(orders.identity, { allow: [WEB] }, (request, response) => {
    seen.push(peerOf(request).id);
    response.end();
  });
  const port = await portOf(server);
  const agent = createHttpsAgent(sideOf(WEB).identity, { allow: [ORDERS] });
  onTestFinished(() => agent.destroy());
  const ask = async (): Promise<void> => {
    const request = requestHttps({ host: "127.0.0.1", port, agent }).end();
    const [response] = await once(request, "response");
    await text(response);
  };
  await ask();
  // Nobody has looked yet: the request itself does.
  orders.nowMs = Date.now() + HOUR_MS + 60_000;
  await expect(ask()).rejects.toThrow();
  expect(seen).toEqual([WEB]);
});

test("a hundred connections under one SVID share one context, and leave nothing behind", async () => {
  const [web, orders] = [sideOf(WEB), sideOf(ORDERS)];
  const server = createTlsServer(orders.identity, { allow: [WEB] }, (socket) => socket.on("error", () => {}).resume());
  let contexts = 0;
  const setSecureContext = server.setSecureContext.bind(server);
  Object.defineProperty(server, "setSecureContext", {
    value: (options: Parameters<typeof setSecureContext>[0]) => {
      contexts++;
      setSecureContext(options);
    },
  });
  const port = await portOf(server);
  for (let number = 0; number < 100; number++) {
    const { socket } = await web.identity.connect({ host: "127.0.0.1", port }, ({ id }) => id === ORDERS);
    socket.on("error", () => {}).destroy();
    await closed(socket);
  }
  while (orders.identity.connections.size > 0) await new Promise(setImmediate);
  expect(contexts).toBe(1);
  expect(web.identity.connections.size).toBe(0);
});

test("a source that makes another object of the same SVID has renewed nothing", async () => {
  const [web, orders] = [sideOf(WEB), sideOf(ORDERS)];
  const { client } = await connectBoth(web, orders);
  const held = web.source.x509Svid();
  web.source.set({ svid: held && { ...held } });
  expect(client.isDraining).toBe(false);
  web.source.set({ svid: issueSvid(WEB, root) });
  expect(client.isDraining).toBe(true);
});

test("a handler knows its peer although the client has gone", async () => {
  const orders = sideOf(ORDERS);
  const peers = Promise.withResolvers<string>();
  const server = createHttp2Server(orders.identity, { allow: [WEB] }, (request) => {
    request.stream.once("close", () => {
      try {
        peers.resolve(peerOf(request).id);
      } catch (thrown) {
        peers.reject(thrown);
      }
    });
  });
  const client = new Http2Client(sideOf(WEB).identity, `https://127.0.0.1:${await portOf(server)}`, { allow: [ORDERS] });
  const stream = await client.request({ ":path": "/" });
  stream.on("error", () => {});
  await once(server, "request");
  stream.session?.destroy();
  expect(await peers.promise).toBe(WEB);
});
