/** Acceptance 3 of workload identity: leaves and authorities rotate under load, and no request fails. */
import { get } from "node:https";
import { text } from "node:stream/consumers";
import { setImmediate as nextTurn } from "node:timers/promises";
import * as grpc from "@grpc/grpc-js";
import * as undici from "undici";
import { expect, onTestFinished, test } from "vitest";
import {
  createGrpcChannelFactory,
  createGrpcListener,
  createHttp2Server,
  createHttpsAgent,
  createHttpsServer,
  createServiceIdentity,
  createUndiciDispatcher,
  Http2Client,
  type IdentityStore,
  peerOf,
  type ServiceIdentity,
} from "../../src/service/index.ts";
import { newKeys } from "../spiffe/certificate-builder.ts";
import { ECHO, type EchoClient, EchoClientConstructor } from "./echo-service.ts";
import { portOf } from "./listening.ts";
import { bundleOf, bundlesOf, issueSvid, newAuthority, storeOf } from "./trust-domain.ts";

const CLIENTS = 50;
const LEAF_ROTATIONS = 1_000;
const AUTHORITY_ROTATIONS = 10;
/** Of the leaves, between two authorities. */
const PERIOD = LEAF_ROTATIONS / AUTHORITY_ROTATIONS;
/** The steps of a period at which the next authority is published, signs, and is the only one. */
const PREPARE_AT = 10;
const ACTIVATE_AT = 30;
const RETIRE_AT = 90;
/** The next rotation waits for so many answers, so that load and rotation meet on any machine. */
const ANSWERS_PER_ROTATION = 2;

const SERVER_ID = "spiffe://a.test/server";
const KINDS = ["https", "http2", "grpc", "undici"] as const;
type Kind = (typeof KINDS)[number];

interface Workload {
  readonly id: string;
  readonly store: IdentityStore;
  readonly identity: ServiceIdentity;
}

test(`${LEAF_ROTATIONS} rotations of leaves and ${AUTHORITY_ROTATIONS} of authorities under ${CLIENTS} clients: no request fails`, async () => {
  let authority = newAuthority("a.test");
  const keys = newKeys();
  const workloads = ["server", ...KINDS].map((name): Workload => {
    const id = `spiffe://a.test/${name}`;
    const store = storeOf(issueSvid(id, authority, { keys }), [authority]);
    const identity = createServiceIdentity({ source: store });
    onTestFinished(() => identity.close());
    return { id, store, identity };
  });
  const identityOf = (name: string): ServiceIdentity => {
    const workload = workloads.find(({ id }) => id.endsWith(`/${name}`));
    if (workload === undefined) throw new Error(`no workload ${name}`);
    return workload.identity;
  };
  /** The server and one kind of client at each step: all of them together would measure handshakes alone. */
  const renewLeaves = (step: number): void => {
    for (const [index, { id, store }] of workloads.entries())
      if (index === 0 || index - 1 === step % KINDS.length) store.set({ svid: issueSvid(id, authority, { keys }) });
  };
  const trust = (...authorities: readonly (typeof authority)[]): void => {
    for (const { store } of workloads) store.set({ bundles: bundlesOf(bundleOf("a.test", authorities)) });
  };

  const ports = await startServers(identityOf("server"));
  const answers = new Map<Kind, number>(KINDS.map((kind) => [kind, 0]));
  const connections = new Set<string>();
  const failures: unknown[] = [];
  let answered = 0;
  let isOver = false;
  const clients = Array.from({ length: CLIENTS }, async (_, number) => {
    const kind = KINDS[number % KINDS.length] ?? "https";
    const ask = createClient(kind, identityOf(kind), ports[kind]);
    while (!isOver && failures.length === 0) {
      try {
        const [peer = "", connection = ""] = (await ask()).split(" ");
        connections.add(connection);
        if (peer !== `spiffe://a.test/${kind}`) throw new Error(`answered as ${peer}`);
        answers.set(kind, (answers.get(kind) ?? 0) + 1);
        answered++;
      } catch (thrown) {
        failures.push(kind, thrown);
      }
    }
  });

  let next = authority;
  for (let step = 0; step < LEAF_ROTATIONS && failures.length === 0; step++) {
    switch (step % PERIOD) {
      case PREPARE_AT:
        next = newAuthority("a.test");
        trust(authority, next);
        break;
      case ACTIVATE_AT:
        authority = next;
        break;
      case RETIRE_AT:
        trust(authority);
        break;
    }
    renewLeaves(step);
    for (const target = answered + ANSWERS_PER_ROTATION; answered < target && failures.length === 0; ) await nextTurn();
  }
  isOver = true;
  await Promise.all(clients);

  expect(failures).toEqual([]);
  expect(answered).toBeGreaterThanOrEqual(LEAF_ROTATIONS * ANSWERS_PER_ROTATION);
  // Each kind was there all the time, on connections that followed the rotations.
  for (const kind of KINDS) expect(answers.get(kind)).toBeGreaterThan(CLIENTS);
  expect(connections.size).toBeGreaterThan(LEAF_ROTATIONS / KINDS.length);
}, 300_000);

/** Servers that answer with the peer and the connection. */
async function startServers(identity: ServiceIdentity): Promise<Readonly<Record<Kind, number>>> {
  const serials = new WeakMap<object, number>();
  let last = 0;
  const serialOf = (peer: object): number => {
    const serial = serials.get(peer) ?? ++last;
    serials.set(peer, serial);
    return serial;
  };
  const described = (peer: { readonly id: string }): string => `${peer.id} ${serialOf(peer)}`;
  const allow = KINDS.map((kind) => `spiffe://a.test/${kind}`);
  const https = createHttpsServer(identity, { allow }, (request, response) => response.end(described(peerOf(request))));
  const http2 = createHttp2Server(identity, { allow }, (request, response) => response.end(described(peerOf(request))));
  const server = new grpc.Server();
  const listener = createGrpcListener(identity, grpc, server, { allow });
  server.addService(ECHO, {
    echo: (call: grpc.ServerUnaryCall<string, string>, callback: grpc.sendUnaryData<string>) =>
      callback(null, described(listener.peerOf(call))),
  });
  onTestFinished(() => server.forceShutdown());
  const [one, two, three] = [await portOf(https), await portOf(http2), await portOf(listener.server)];
  return { https: one, undici: one, http2: two, grpc: three };
}

function createClient(kind: Kind, identity: ServiceIdentity, port: number): () => Promise<string> {
  const allow = [SERVER_ID];
  const origin = `https://127.0.0.1:${port}`;
  switch (kind) {
    case "https": {
      const agent = createHttpsAgent(identity, { allow });
      onTestFinished(() => agent.destroy());
      return () =>
        new Promise((resolve, reject) => {
          get({ host: "127.0.0.1", port, agent }, (response) => void text(response).then(resolve, reject)).on("error", reject);
        });
    }
    case "http2": {
      const client = new Http2Client(identity, origin, { allow });
      onTestFinished(() => client.close());
      return async () => text(await client.request({ ":path": "/" }));
    }
    case "undici": {
      const dispatcher = createUndiciDispatcher(identity, undici, { allow });
      onTestFinished(() => dispatcher.destroy());
      return async () => (await undici.fetch(origin, { dispatcher })).text();
    }
    case "grpc": {
      const channelFactoryOverride = createGrpcChannelFactory(identity, grpc, { allow });
      const client: EchoClient = new EchoClientConstructor(`127.0.0.1:${port}`, grpc.credentials.createInsecure(), {
        channelFactoryOverride,
      });
      onTestFinished(() => client.close());
      return () =>
        new Promise((resolve, reject) => {
          client.echo("hello", {}, (error, answer) => (error === null ? resolve(answer ?? "") : reject(error)));
        });
    }
    default:
      return kind satisfies never;
  }
}
