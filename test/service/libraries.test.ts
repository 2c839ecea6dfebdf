/** One call for each library, on both sides: the peer is who it is, and nobody else gets in. */

import { get } from "node:https";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import * as grpc from "@grpc/grpc-js";
import fastify from "fastify";
import * as undici from "undici";
import { describe, expect, onTestFinished, test } from "vitest";
import {
  createGrpcChannelFactory,
  createGrpcListener,
  createHttp2Server,
  createHttpsAgent,
  createHttpsServer,
  createServiceIdentity,
  createUndiciDispatcher,
  fastifyHttp2ServerFactory,
  fastifyServerFactory,
  Http2Client,
  type PeerRule,
  peerOf,
  type ServiceError,
  type ServiceIdentity,
} from "../../src/service/index.ts";
import { ECHO, type EchoClient, EchoClientConstructor } from "./echo-service.ts";
import { portOf } from "./listening.ts";
import { issueSvid, newAuthority, storeOf } from "./trust-domain.ts";

const authority = newAuthority("a.test");
const WEB = "spiffe://a.test/web";
const ORDERS = "spiffe://a.test/orders";

function identityOf(id: string, refusals: ServiceError[] = []): ServiceIdentity {
  const identity = createServiceIdentity({
    source: storeOf(issueSvid(id, authority), [authority]),
    onRefusal: (error) => refusals.push(error),
  });
  onTestFinished(() => identity.close());
  return identity;
}

const portIn = ([address]: readonly (AddressInfo | string)[]): number => (typeof address === "object" ? address.port : 0);

interface ServerOfTest {
  readonly name: string;
  readonly speaks: readonly ("http1" | "http2" | "grpc")[];
  start(identity: ServiceIdentity, allow: PeerRule): Promise<number>;
}

const SERVERS: readonly ServerOfTest[] = [
  {
    name: "https",
    speaks: ["http1"],
    start: (identity, allow) => portOf(createHttpsServer(identity, { allow }, (request, response) => response.end(peerOf(request).id))),
  },
  {
    name: "http2",
    speaks: ["http1", "http2"],
    start: (identity, allow) => portOf(createHttp2Server(identity, { allow }, (request, response) => response.end(peerOf(request).id))),
  },
  {
    name: "fastify",
    speaks: ["http1"],
    start: async (identity, allow) => {
      const app = fastify({ serverFactory: fastifyServerFactory(identity, { allow }) });
      app.get("/", (request) => peerOf(request).id);
      await app.listen({ port: 0, host: "127.0.0.1" });
      onTestFinished(() => app.close());
      return portIn(app.addresses());
    },
  },
  {
    name: "fastify over HTTP/2",
    speaks: ["http1", "http2"],
    start: async (identity, allow) => {
      const app = fastify({ http2: true, serverFactory: fastifyHttp2ServerFactory(identity, { allow }) });
      app.get("/", (request) => peerOf(request.raw).id);
      await app.listen({ port: 0, host: "127.0.0.1" });
      onTestFinished(() => app.close());
      return portIn(app.addresses());
    },
  },
  {
    name: "grpc-js",
    speaks: ["grpc"],
    start: async (identity, allow) => {
      const server = new grpc.Server();
      const listener = createGrpcListener(identity, grpc, server, { allow });
      server.addService(ECHO, {
        echo: (call: grpc.ServerUnaryCall<string, string>, callback: grpc.sendUnaryData<string>) =>
          callback(null, listener.peerOf(call).id),
      });
      onTestFinished(() => server.forceShutdown());
      return portOf(listener.server);
    },
  },
];

interface ClientOfTest {
  readonly name: string;
  readonly speaks: "http1" | "http2" | "grpc";
  /** What the server answers. */
  ask(identity: ServiceIdentity, allow: PeerRule, port: number): Promise<string>;
}

const CLIENTS: readonly ClientOfTest[] = [
  {
    name: "https",
    speaks: "http1",
    ask: (identity, allow, port) =>
      new Promise((resolve, reject) => {
        const agent = createHttpsAgent(identity, { allow });
        onTestFinished(() => agent.destroy());
        get({ host: "127.0.0.1", port, agent }, (response) => void text(response).then(resolve, reject)).on("error", reject);
      }),
  },
  {
    name: "http2",
    speaks: "http2",
    ask: async (identity, allow, port) => {
      const client = new Http2Client(identity, `https://127.0.0.1:${port}`, { allow });
      onTestFinished(() => client.close());
      return text(await client.request({ ":path": "/" }));
    },
  },
  {
    name: "undici",
    speaks: "http1",
    ask: async (identity, allow, port) => {
      const dispatcher = createUndiciDispatcher(identity, undici, { allow });
      onTestFinished(() => dispatcher.destroy());
      return (await undici.fetch(`https://127.0.0.1:${port}/`, { dispatcher })).text();
    },
  },
  {
    name: "undici over HTTP/2",
    speaks: "http2",
    ask: async (identity, allow, port) => {
      const dispatcher = createUndiciDispatcher(identity, undici, { allow, allowH2: true });
      onTestFinished(() => dispatcher.destroy());
      return (await undici.request(`https://127.0.0.1:${port}/`, { dispatcher })).body.text();
    },
  },
  {
    name: "grpc-js",
    speaks: "grpc",
    ask: (identity, allow, port) => {
      const channelFactoryOverride = createGrpcChannelFactory(identity, grpc, { allow });
      const client: EchoClient = new EchoClientConstructor(`127.0.0.1:${port}`, grpc.credentials.createInsecure(), {
        channelFactoryOverride,
      });
      onTestFinished(() => client.close());
      return new Promise((resolve, reject) => {
        client.echo("hello", { deadline: Date.now() + 20_000 }, (error, answer) =>
          error === null ? resolve(answer ?? "") : reject(error),
        );
      });
    },
  },
];

const PAIRS = SERVERS.flatMap((server) =>
  CLIENTS.filter(({ speaks }) => server.speaks.includes(speaks)).map((client) => ({
    client,
    server,
    pair: `${client.name} → ${server.name}`,
  })),
);

describe.each(PAIRS)("$pair", ({ client, server }) => {
  test("each side knows the other", async () => {
    const port = await server.start(identityOf(ORDERS), [WEB]);
    expect(await client.ask(identityOf(WEB), [ORDERS], port)).toBe(WEB);
  });

  test("a client that is not allowed is refused before its request is read", async () => {
    const refusals: ServiceError[] = [];
    const port = await server.start(identityOf(ORDERS, refusals), ["spiffe://a.test/ns/*/sa/web"]);
    await expect(client.ask(identityOf(WEB), [ORDERS], port)).rejects.toThrow();
    expect(refusals[0]?.code).toBe("SERVICE_PEER_REFUSED");
  });

  test("a server that is not the one that is meant gets no request", async () => {
    const peers: string[] = [];
    const port = await server.start(identityOf("spiffe://a.test/other"), (peer) => peers.push(peer.id) > 0);
    await expect(client.ask(identityOf(WEB), [ORDERS], port)).rejects.toThrow();
  });
});
