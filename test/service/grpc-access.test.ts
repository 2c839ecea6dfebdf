/** The gate in front of gRPC: every method is closed unless a policy opens it, and handlers know on whose behalf they work. */
import { setTimeout as sleep } from "node:timers/promises";
import * as grpc from "@grpc/grpc-js";
import { describe, expect, onTestFinished, test } from "vitest";
import {
  type AccessDecision,
  AccessGate,
  type AccessGateOptions,
  currentTenant,
  grpcAccess,
  jwtSvidVerifier,
  parseAccessPolicies,
} from "../../src/service/access/index.ts";
import { createGrpcChannelFactory, createGrpcListener, createServiceIdentity, type ServiceIdentity } from "../../src/service/index.ts";
import { createBundleMap } from "../../src/spiffe/bundle-map.ts";
import { portOf } from "./listening.ts";
import { bundleOf, issueSvid, newAuthority, storeOf } from "./trust-domain.ts";

const authority = newAuthority("a.test");
const FRONT = "spiffe://a.test/front";
const BACK = "spiffe://a.test/back";
const SELF = "spiffe://a.test/payments";

const policies = parseAccessPolicies(`
apiVersion: vigil.dev/v1alpha1
kind: AccessPolicy
metadata: { name: payments }
spec:
  to: [{ spiffeId: "${SELF}" }]
  from: [{ spiffeId: "${FRONT}" }]
  when: request.path in ["/shop.Payments/Pay", "/shop.Payments/Watch", "/shop.Payments/Collect", "/shop.Payments/Talk"] && request.method == "POST"
---
apiVersion: vigil.dev/v1alpha1
kind: AccessPolicy
metadata: { name: refund-by-header }
spec:
  to: [{ spiffeId: "${SELF}" }]
  from: [{ spiffeId: "${FRONT}" }]
  when: request.path == "/shop.Payments/Refund" && request.headers["x-reason"] == "broken"
`);

const plain = (name: string, requestStream = false, responseStream = false) => ({
  path: `/shop.Payments/${name}`,
  requestStream,
  responseStream,
  requestSerialize: (message: string): Buffer => Buffer.from(message),
  requestDeserialize: (bytes: Buffer): string => bytes.toString(),
  responseSerialize: (message: string): Buffer => Buffer.from(message),
  responseDeserialize: (bytes: Buffer): string => bytes.toString(),
});

const METHODS = {
  pay: plain("Pay"),
  refund: plain("Refund"),
  audit: plain("Audit"),
  watch: plain("Watch", false, true),
  collect: plain("Collect", true, false),
  talk: plain("Talk", true, true),
} as const;

function identityOf(id: string): ServiceIdentity {
  const identity = createServiceIdentity({ source: storeOf(issueSvid(id, authority), [authority]) });
  onTestFinished(() => identity.close());
  return identity;
}

interface Opened {
  readonly port: number;
  readonly handled: string[];
  readonly decisions: AccessDecision[];
}

async function open(options: Partial<AccessGateOptions> = {}): Promise<Opened> {
  const identity = identityOf(SELF);
  const handled: string[] = [];
  const decisions: AccessDecision[] = [];
  let calls = 0;
  const gate = new AccessGate({
    self: SELF,
    policies,
    authorize: () => ({ tenant: `tenant-${++calls}`, permissions: [] }),
    onDecision: (decision) => decisions.push(decision),
    ...options,
  });
  const server = new grpc.Server({ interceptors: [grpcAccess(gate, grpc)] });
  const answer = async (name: string, callback: grpc.sendUnaryData<string>): Promise<void> => {
    handled.push(name);
    const before = currentTenant();
    await sleep(5);
    callback(null, before === currentTenant() ? before : "mixed up");
  };
  const unary = (name: string) => (_: unknown, callback: grpc.sendUnaryData<string>) => void answer(name, callback);
  server.addService(METHODS, {
    pay: unary("pay"),
    refund: unary("refund"),
    audit: unary("audit"),
    watch: (call: grpc.ServerWritableStream<string, string>) => {
      handled.push("watch");
      call.write(currentTenant());
      setTimeout(() => {
        call.write(currentTenant());
        call.end();
      }, 5);
    },
    collect: (call: grpc.ServerReadableStream<string, string>, callback: grpc.sendUnaryData<string>) => {
      handled.push("collect");
      const tenants = new Set([currentTenant()]);
      call.on("data", () => tenants.add(currentTenant()));
      call.on("end", () => callback(null, [...tenants, currentTenant()].join(" ")));
    },
    talk: (call: grpc.ServerDuplexStream<string, string>) => {
      handled.push("talk");
      call.on("data", (message: string) => call.write(`${message} ${currentTenant()}`));
      call.on("end", () => call.end());
    },
  });
  onTestFinished(() => server.forceShutdown());
  const port = await portOf(createGrpcListener(identity, grpc, server, { allow: ["spiffe://a.test/**"] }).server);
  return { port, handled, decisions };
}

function clientOf(port: number, id: string): grpc.Client {
  const channelFactoryOverride = createGrpcChannelFactory(identityOf(id), grpc, { allow: [SELF] });
  const client = new grpc.Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure(), { channelFactoryOverride });
  onTestFinished(() => client.close());
  return client;
}

const DEADLINE = (): { readonly deadline: number } => ({ deadline: Date.now() + 20_000 });
const metadataOf = (...pairs: readonly (readonly [string, string])[]): grpc.Metadata => {
  const metadata = new grpc.Metadata();
  for (const [name, value] of pairs) metadata.add(name, value);
  return metadata;
};

/** The answer to a unary call, or its status. */
const call = (
  client: grpc.Client,
  path: string,
  metadata: grpc.Metadata = new grpc.Metadata(),
): Promise<string | grpc.status | undefined> =>
  new Promise((resolve) => {
    const { requestSerialize, responseDeserialize } = METHODS.pay;
    client.makeUnaryRequest(path, requestSerialize, responseDeserialize, "hello", metadata, DEADLINE(), (error, answer) =>
      resolve(error === null ? answer : error.code),
    );
  });

describe("a method", () => {
  test("opens to whom its policy names, and to nobody else", async () => {
    const { port, handled, decisions } = await open();
    expect(await call(clientOf(port, FRONT), "/shop.Payments/Pay")).toBe("tenant-1");
    expect(await call(clientOf(port, BACK), "/shop.Payments/Pay")).toBe(grpc.status.PERMISSION_DENIED);
    expect(handled).toEqual(["pay"]);
    expect(decisions.map(({ verdict, caller, path, policy }) => [verdict, caller, path, policy])).toEqual([
      ["allow", FRONT, "/shop.Payments/Pay", "AccessPolicy payments"],
      ["deny", BACK, "/shop.Payments/Pay", "AccessPolicy payments"],
    ]);
  });

  test.each([
    ["that no policy names", "/shop.Payments/Audit", grpc.status.PERMISSION_DENIED],
    ["that the server does not have", "/shop.Payments/Nothing", grpc.status.UNIMPLEMENTED],
    ["of a service that it does not have", "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", grpc.status.UNIMPLEMENTED],
    ["in another case", "/shop.Payments/pay", grpc.status.UNIMPLEMENTED],
    ["with a slash at the end", "/shop.Payments/Pay/", grpc.status.UNIMPLEMENTED],
    ["with an encoded letter", "/shop.Payments/P%61y", grpc.status.UNIMPLEMENTED],
  ])("%s runs nothing", async (_, path, status) => {
    const { port, handled } = await open();
    expect(await call(clientOf(port, FRONT), path)).toBe(status);
    expect(handled).toEqual([]);
  });

  test("is judged by its metadata, of which several values are one", async () => {
    const { port } = await open();
    const client = clientOf(port, FRONT);
    expect(await call(client, "/shop.Payments/Refund")).toBe(grpc.status.PERMISSION_DENIED);
    expect(await call(client, "/shop.Payments/Refund", metadataOf(["x-reason", "broken"]))).toMatch(/^tenant-/);
    const twice = metadataOf(["x-reason", "whim"], ["x-reason", "broken"]);
    expect(await call(client, "/shop.Payments/Refund", twice)).toBe(grpc.status.PERMISSION_DENIED);
  });

  test("has no caller when its connection has none, and no tenant is no tenant", async () => {
    const { port } = await open({ authorize: () => ({ tenant: "", permissions: [] }), isTenantRequired: true });
    expect(await call(clientOf(port, FRONT), "/shop.Payments/Pay")).toBe(grpc.status.PERMISSION_DENIED);
  });

  test("asks for a token, and refuses one that is broken", async () => {
    const { port } = await open({ tokens: [jwtSvidVerifier(createBundleMap([bundleOf("a.test", [authority])]), [SELF])] });
    expect(await call(clientOf(port, BACK), "/shop.Payments/Pay")).toBe(grpc.status.UNAUTHENTICATED);
    expect(await call(clientOf(port, FRONT), "/shop.Payments/Pay", metadataOf(["authorization", "Bearer a.b.c"]))).toBe(
      grpc.status.UNAUTHENTICATED,
    );
  });

  test("in audit mode runs, and the decision says what would have been", async () => {
    const { port, decisions } = await open({ mode: "audit" });
    expect(await call(clientOf(port, BACK), "/shop.Payments/Pay")).toMatch(/^tenant-/);
    expect(decisions.at(-1)?.verdict).toBe("audited");
  });
});

test("each of many calls at once sees its own tenant to the end", async () => {
  const { port } = await open();
  const client = clientOf(port, FRONT);
  const tenants = await Promise.all(Array.from({ length: 20 }, () => call(client, "/shop.Payments/Pay")));
  expect(new Set(tenants)).toEqual(new Set(Array.from({ length: 20 }, (_, index) => `tenant-${index + 1}`)));
});

async function collected(stream: AsyncIterable<unknown>): Promise<unknown[]> {
  const items: unknown[] = [];
  for await (const item of stream) items.push(item);
  return items;
}

describe("a stream", () => {
  const { requestSerialize, responseDeserialize } = METHODS.pay;

  test("of answers has its tenant all along", async () => {
    const { port } = await open();
    const stream = clientOf(port, FRONT).makeServerStreamRequest(
      "/shop.Payments/Watch",
      requestSerialize,
      responseDeserialize,
      "x",
      DEADLINE(),
    );
    expect(await collected(stream)).toEqual(["tenant-1", "tenant-1"]);
  });

  test("of messages has it at each of them", async () => {
    const { port } = await open();
    const answer = await new Promise((resolve, reject) => {
      const stream = clientOf(port, FRONT).makeClientStreamRequest(
        "/shop.Payments/Collect",
        requestSerialize,
        responseDeserialize,
        DEADLINE(),
        (error, value) => (error === null ? resolve(value) : reject(error)),
      );
      for (const message of ["a", "b", "c"]) stream.write(message);
      stream.end();
    });
    expect(answer).toBe("tenant-1 tenant-1");
  });

  test("in both directions too; and no message of a refused one is handled", async () => {
    const { port, handled } = await open();
    const talk = async (id: string): Promise<unknown> => {
      const stream = clientOf(port, id).makeBidiStreamRequest("/shop.Payments/Talk", requestSerialize, responseDeserialize, DEADLINE());
      stream.write("a");
      stream.write("b");
      stream.end();
      return collected(stream);
    };
    expect(await talk(FRONT)).toEqual(["a tenant-1", "b tenant-1"]);
    await expect(talk(BACK)).rejects.toMatchObject({ code: grpc.status.PERMISSION_DENIED });
    expect(handled).toEqual(["talk"]);
  });
});

test("a door without a verified peer opens nothing that names one", async () => {
  const gate = new AccessGate({ self: SELF, policies });
  const server = new grpc.Server({ interceptors: [grpcAccess(gate, grpc)] });
  let isHandled = false;
  server.addService({ pay: METHODS.pay }, { pay: () => (isHandled = true) });
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    ),
  );
  onTestFinished(() => server.forceShutdown());
  const client = new grpc.Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure());
  onTestFinished(() => client.close());
  expect(await call(client, "/shop.Payments/Pay")).toBe(grpc.status.PERMISSION_DENIED);
  expect(isHandled).toBe(false);
});
