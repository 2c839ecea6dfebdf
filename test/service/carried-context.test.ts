/** On whose behalf, from service to service: believed from who may say it, for whom it was said, while it holds; from nobody else. */
import { createHash, createHmac } from "node:crypto";
import { createServer } from "node:http";
import { request as httpsRequest } from "node:https";
import { text } from "node:stream/consumers";
import * as grpc from "@grpc/grpc-js";
import * as undici from "undici";
import { describe, expect, onTestFinished, test } from "vitest";
import type { JsonObject } from "../../src/lib/json.ts";
import {
  type AccessDecision,
  AccessGate,
  type AuthorizationContext,
  CONTEXT_HEADER,
  ContextSigner,
  ContextVerifier,
  currentAuthorization,
  grpcAccess,
  guardListener,
  parseAccessPolicies,
  protectServer,
  runAuthorized,
  runCarried,
  runJob,
} from "../../src/service/access/index.ts";
import {
  createGrpcChannelFactory,
  createGrpcListener,
  createHttp2Server,
  createHttpsAgent,
  createServiceIdentity,
  createUndiciDispatcher,
  Http2Client,
  type RequestHeaders,
  type ServiceIdentity,
} from "../../src/service/index.ts";
import { signCompactJws } from "../../src/spiffe/compact-jws.ts";
import type { X509Svid } from "../../src/spiffe/x509-svid.ts";
import { newKeys } from "../spiffe/certificate-builder.ts";
import { expectOk, signedToken } from "../spiffe/trust-fixture.ts";
import { ask } from "./access-doors.ts";
import { ECHO, type EchoClient, EchoClientConstructor } from "./echo-service.ts";
import { portOf } from "./listening.ts";
import { issueSvid, newAuthority, storeOf } from "./trust-domain.ts";

const authority = newAuthority("a.test");
const FRONT = "spiffe://a.test/front";
const ORDERS = "spiffe://a.test/orders";
const PAYMENTS = "spiffe://a.test/payments";

function identityOf(id: string, svid: X509Svid = issueSvid(id, authority), clock?: () => number): ServiceIdentity {
  const identity = createServiceIdentity({ source: storeOf(svid, [authority]), ...(clock === undefined ? {} : { clock }) });
  onTestFinished(() => identity.close());
  return identity;
}

const CONTEXT: AuthorizationContext = { tenant: "blue", subject: "ada", permissions: ["orders:read"], caller: "" };
const policies = parseAccessPolicies(`
apiVersion: vigil.dev/v1alpha1
kind: AccessPolicy
metadata: { name: for-tenants }
spec:
  to: [{ spiffeId: "spiffe://a.test/**" }]
  from: [{ spiffeId: "spiffe://a.test/**" }]
  when: tenant == "blue" && "orders:read" in permissions
`);

/** A gate that believes what these services sign. */
const gateOf = (identity: ServiceIdentity, self: string, from: readonly string[], decisions: AccessDecision[] = []): AccessGate =>
  new AccessGate({
    self,
    policies,
    routes: ["/", "POST /test.Echo/Echo"],
    context: new ContextVerifier(identity, { self, from }),
    isTenantRequired: true,
    onDecision: (decision) => decisions.push(decision),
  });

const shownContext = (): string => JSON.stringify(currentAuthorization());

interface Client {
  readonly name: string;
  /** What the service at the port answers. Its server speaks HTTP/1.1 and 2, or gRPC. */
  ask(identity: ServiceIdentity, port: number, headers: RequestHeaders): Promise<string>;
}

const CLIENTS: readonly Client[] = [
  {
    name: "https",
    ask: (identity, port, headers) =>
      new Promise((resolve, reject) => {
        const agent = createHttpsAgent(identity, { allow: ["spiffe://a.test/**"], headers });
        onTestFinished(() => agent.destroy());
        // As a service that passes on all headers that it got.
        const got = { "Vigil-Context": "of-the-hop-before" };
        httpsRequest({ host: "127.0.0.1", port, agent, headers: got }, (response) => void text(response).then(resolve, reject))
          .on("error", reject)
          .end();
      }),
  },
  {
    name: "http2",
    ask: async (identity, port, headers) => {
      const client = new Http2Client(identity, `https://127.0.0.1:${port}`, { allow: ["spiffe://a.test/**"], headers });
      onTestFinished(() => client.close());
      return text(await client.request({ ":path": "/", "Vigil-Context": "of-the-hop-before" }));
    },
  },
  {
    name: "fetch of undici",
    ask: async (identity, port, headers) => {
      const dispatcher = createUndiciDispatcher(identity, undici, { allow: ["spiffe://a.test/**"], headers });
      onTestFinished(() => dispatcher.destroy());
      const response = await undici.fetch(`https://127.0.0.1:${port}/`, { dispatcher, headers: { [CONTEXT_HEADER]: "of-the-hop-before" } });
      return response.text();
    },
  },
  {
    name: "request of undici, headers as a list",
    ask: async (identity, port, headers) => {
      const dispatcher = createUndiciDispatcher(identity, undici, { allow: ["spiffe://a.test/**"], headers });
      onTestFinished(() => dispatcher.destroy());
      const { body } = await undici.request(`https://127.0.0.1:${port}/`, { dispatcher, headers: ["Vigil-Context", "x", "accept", "*/*"] });
      return body.text();
    },
  },
];

async function listen(identity: ServiceIdentity, gate: AccessGate, work: () => Promise<string> | string): Promise<number> {
  const server = createHttp2Server(identity, { allow: ["spiffe://a.test/**"] }, (_, response) => {
    void Promise.resolve(work()).then(
      (answer) => response.end(answer),
      (error: Error) => response.end(`failed: ${error.message}`),
    );
  });
  return portOf(protectServer(server, gate));
}

describe.each(CLIENTS)("with $name", (client) => {
  test("it arrives at the second service and the third, with the way that it took", async () => {
    const [front, orders, payments] = [identityOf(FRONT), identityOf(ORDERS), identityOf(PAYMENTS)];
    const last = await listen(payments, gateOf(payments, PAYMENTS, [ORDERS]), shownContext);
    const signer = new ContextSigner(orders);
    const middle = await listen(orders, gateOf(orders, ORDERS, [FRONT]), () => client.ask(orders, last, signer.to(PAYMENTS)));
    const to = new ContextSigner(front).to(ORDERS);
    const answer = await runAuthorized(CONTEXT, () => client.ask(front, middle, to));
    expect(JSON.parse(answer)).toEqual({ ...CONTEXT, caller: ORDERS, hops: [FRONT] });
  });

  test("work that is nobody's sends nothing", async () => {
    const [front, orders] = [identityOf(FRONT), identityOf(ORDERS)];
    const decisions: AccessDecision[] = [];
    const port = await listen(orders, gateOf(orders, ORDERS, [FRONT], decisions), shownContext);
    const to = new ContextSigner(front).to(ORDERS);
    await expect(client.ask(front, port, to)).rejects.toThrow(/nobody is known|fetch failed/);
    await expect(runAuthorized({ ...CONTEXT, tenant: "" }, () => client.ask(front, port, to))).rejects.toThrow(/no tenant|fetch failed/);
    expect(decisions).toEqual([]);
  });
});

test("with gRPC it arrives too, and work that is nobody's sends nothing", async () => {
  const [front, orders] = [identityOf(FRONT), identityOf(ORDERS)];
  const server = new grpc.Server({ interceptors: [grpcAccess(gateOf(orders, ORDERS, [FRONT]), grpc)] });
  onTestFinished(() => server.forceShutdown());
  server.addService(ECHO, {
    echo: (_: unknown, callback: grpc.sendUnaryData<string>) => callback(null, shownContext()),
  });
  const port = await portOf(createGrpcListener(orders, grpc, server, { allow: [FRONT] }).server);
  const channelFactoryOverride = createGrpcChannelFactory(front, grpc, { allow: [ORDERS], headers: new ContextSigner(front).to(ORDERS) });
  const client: EchoClient = new EchoClientConstructor(`127.0.0.1:${port}`, grpc.credentials.createInsecure(), { channelFactoryOverride });
  onTestFinished(() => client.close());
  const call = (): Promise<string> =>
    new Promise((resolve, reject) => {
      client.echo("hello", { deadline: Date.now() + 20_000 }, (error, answer) => (error === null ? resolve(answer ?? "") : reject(error)));
    });
  expect(JSON.parse(await runAuthorized(CONTEXT, call))).toEqual({ ...CONTEXT, caller: FRONT });
  await expect(call()).rejects.toThrow("nobody is known");
});

/** A context that FRONT signs for ORDERS as it is told to, and what ORDERS says of it. */
interface Forgery {
  readonly name: string;
  readonly detail: RegExp;
  readonly header?: JsonObject;
  readonly claims?: JsonObject;
  readonly svid?: X509Svid;
  readonly caller?: string;
  readonly from?: readonly string[];
  readonly token?: (honest: string) => string;
  readonly signedAtMs?: number;
}

const NOW_MS = Date.now();
const seconds = (ms: number): number => Math.floor(ms / 1000);
const foreign = newAuthority("b.test");
const parts = (token: string): readonly string[] => token.split(".");
const encoded = (value: JsonObject): string => Buffer.from(JSON.stringify(value)).toString("base64url");

const FORGERIES: readonly Forgery[] = [
  { name: "expired", detail: /expired/, signedAtMs: NOW_MS - 61_000 },
  { name: "of the future", detail: /future/, signedAtMs: NOW_MS + 60_000 },
  { name: "that lives for a day", detail: /lives longer/, claims: { exp: seconds(NOW_MS) + 86_400 } },
  { name: "without an end", detail: /exp/, claims: { exp: "never" } },
  { name: "for another service", detail: /another service/, claims: { aud: PAYMENTS } },
  { name: "for several", detail: /another service/, claims: { aud: [ORDERS, PAYMENTS] } },
  { name: "without a tenant", detail: /tenant/, claims: { tenant: "" } },
  { name: "with a tenant that is no text", detail: /tenant/, claims: { tenant: ["blue"] } },
  { name: "with a claim that nobody knows", detail: /form/, claims: { admin: true } },
  { name: "with permissions that are no list", detail: /form/, claims: { permissions: "orders:read" } },
  { name: "with too many hops", detail: /form/, claims: { hops: Array.from({ length: 17 }, () => FRONT) } },
  { name: "with a line break in it", detail: /form/, claims: { sub: "ada\nadmin" } },
  { name: "of another workload by its own key", detail: /another workload/, svid: issueSvid(PAYMENTS, authority) },
  { name: "that somebody else brings", detail: /another service/, caller: PAYMENTS },
  { name: "of a service that may not say it", detail: /may not say/, from: [PAYMENTS] },
  {
    name: "of a trust domain that nobody knows",
    detail: /b\.test/,
    svid: issueSvid("spiffe://b.test/front", foreign),
    claims: { iss: "spiffe://b.test/front" },
  },
  { name: "signed by an authority that is not trusted", detail: /./, svid: issueSvid(FRONT, foreign) },
  { name: "with an SVID that is over", detail: /./, svid: issueSvid(FRONT, authority, { notAfterMs: NOW_MS - 1_000 }) },
  {
    name: "with another type",
    detail: /type/,
    token: (honest) => `${encoded({ ...headerOf(honest), typ: "JWT" })}.${parts(honest)[1]}.${parts(honest)[2]}`,
  },
  { name: "with a header member that nobody knows", detail: /header members/, header: { jku: "https://a.test/keys" } },
  {
    name: "without a signature",
    detail: /expected RS, ES or PS/,
    token: (honest) => `${encoded({ ...headerOf(honest), alg: "none" })}.${parts(honest)[1]}.`,
  },
  {
    name: "with a signature by the public key as a secret",
    detail: /expected RS, ES or PS/,
    token: (honest) => {
      const input = `${encoded({ ...headerOf(honest), alg: "HS256" })}.${parts(honest)[1]}`;
      return `${input}.${createHmac("sha256", Buffer.from(frontSvid.certificates[0].publicKeyInfo)).update(input).digest("base64url")}`;
    },
  },
  {
    name: "whose claims were changed",
    detail: /signature/,
    token: (honest) => `${parts(honest)[0]}.${encoded({ ...claimsOf(honest), tenant: "red" })}.${parts(honest)[2]}`,
  },
  {
    name: "with another key than the certificate's",
    detail: /signature/,
    token: (honest) =>
      signedToken(headerOf(honest), claimsOf(honest), { keyId: "x", algorithm: "ES256", privateKey: newKeys().privateKey }),
  },
  { name: "without certificates", detail: /x5c/, header: { x5c: [] } },
  { name: "with certificates that are none", detail: /./, header: { x5c: ["AAAA"] } },
  { name: "too long", detail: /more than 8192/, token: (honest) => honest + "A".repeat(8_192) },
  { name: "that is none", detail: /./, token: () => "blue" },
  { name: "that is empty", detail: /./, token: () => "" },
];

const frontSvid = issueSvid(FRONT, authority);
const json = (part: string | undefined): JsonObject => JSON.parse(Buffer.from(part ?? "", "base64url").toString()) as JsonObject;
const headerOf = (token: string): JsonObject => json(parts(token)[0]);
const claimsOf = (token: string): JsonObject => json(parts(token)[1]);

function forged({ header = {}, claims = {}, svid = frontSvid, token = (honest) => honest, signedAtMs = NOW_MS }: Partial<Forgery>): string {
  const [leaf] = svid.certificates;
  const keyId = createHash("sha256").update(leaf.der).digest("base64url");
  const honest = {
    iss: FRONT,
    aud: ORDERS,
    sub: "ada",
    tenant: "blue",
    permissions: ["orders:read"],
    hops: [],
    iat: seconds(signedAtMs),
    exp: seconds(signedAtMs) + 60,
  };
  const x5c = svid.certificates.map(({ der }) => Buffer.from(der).toString("base64"));
  return token(
    signCompactJws(
      "vigil-context+jwt",
      { ...honest, ...claims },
      { keyId, algorithm: "ES256", privateKey: svid.privateKey },
      { x5c, ...header },
    ),
  );
}

const verifierOf = (from: readonly string[] = [FRONT], nowMs: number = NOW_MS): ContextVerifier =>
  new ContextVerifier(
    identityOf(ORDERS, issueSvid(ORDERS, authority), () => nowMs),
    { self: ORDERS, from },
  );

describe("a context", () => {
  test("that is honest counts, again and until it ends", () => {
    const verifier = verifierOf();
    const token = forged({});
    const context = { ...CONTEXT, caller: FRONT, hops: [] };
    expect(expectOk(verifier.verifyFrom(FRONT, token) as never)).toEqual(context);
    expect(expectOk(verifier.verifyFrom(FRONT, token) as never)).toEqual(context);
    // Known of its own signer, it is still not that of another.
    expect(verifier.verifyFrom(PAYMENTS, token)).toMatchObject({ ok: false, error: { kind: "context", status: 403 } });
    expect(verifierOf([FRONT], NOW_MS + 62_000).verifyFrom(FRONT, token)).toMatchObject({ ok: false });
  });

  test.each(FORGERIES)("$name is refused", ({ detail, caller = FRONT, from, ...forgery }) => {
    const verifier = verifierOf(from);
    const verified = verifier.verifyFrom(caller, forged(forgery));
    expect(verified).toEqual({ ok: false, error: { kind: "context", status: 403, detail: expect.stringMatching(detail) } });
  });

  test("with every octet of it changed is refused", () => {
    const verifier = verifierOf();
    const token = forged({});
    for (let index = 0; index < token.length; index += 7) {
      const other = token[index] === "A" ? "B" : "A";
      expect(verifier.verifyFrom(FRONT, token.slice(0, index) + other + token.slice(index + 1)).ok).toBe(false);
    }
  });
});

describe("a gate", () => {
  const open = async (gate: AccessGate): Promise<number> =>
    portOf(createServer(guardListener(gate, (request, response) => response.end(JSON.stringify([request.headers, request.rawHeaders])))));

  test("that believes nobody takes no notice of a context, and the request loses it, as it loses headers that say who calls", async () => {
    const everybody = parseAccessPolicies(`
apiVersion: vigil.dev/v1alpha1
kind: AccessPolicy
metadata: { name: all }
spec: { to: [{ spiffeId: "${ORDERS}" }], from: [{ entity: any }], when: '!("x-tenant-id" in request.headers || "vigil-context" in request.headers)' }
`);
    const port = await open(new AccessGate({ self: ORDERS, policies: everybody, routes: ["/"] }));
    const headers = ["X-Tenant-Id: blue", "Vigil-Context: anything", "X-Forwarded-Client-Cert: By=x", "X-Other: stays"];
    const { status, body } = await ask(port, "GET", "/", ...headers);
    expect(status).toBe(200);
    expect(body).toContain("x-other");
    expect(body).not.toMatch(/tenant|context|client-cert/i);
  });

  test("that believes somebody refuses a context over a connection without a peer, twice in one request, and for another tenant", async () => {
    const decisions: AccessDecision[] = [];
    const identity = identityOf(ORDERS);
    const port = await open(gateOf(identity, ORDERS, [FRONT], decisions));
    expect((await ask(port, "GET", "/", `Vigil-Context: ${forged({})}`)).status).toBe(403);
    expect(decisions.at(-1)?.refusal).toMatchObject({ kind: "context", detail: expect.stringContaining("without a verified peer") });
    expect((await ask(port, "GET", "/", "Vigil-Context: a", "vigil-context: b")).status).toBe(400);
    const front = identityOf(FRONT);
    const stubborn = new AccessGate({
      self: ORDERS,
      policies,
      routes: ["/"],
      context: new ContextVerifier(identity, { self: ORDERS, from: [FRONT] }),
      authorize: () => ({ tenant: "red", permissions: ["orders:read"] }),
      onDecision: (decision) => decisions.push(decision),
    });
    const guarded = await listen(identity, stubborn, shownContext);
    const client = new Http2Client(front, `https://127.0.0.1:${guarded}`, {
      allow: [ORDERS],
      headers: new ContextSigner(front).to(ORDERS),
    });
    onTestFinished(() => client.close());
    expect(await runAuthorized(CONTEXT, async () => text(await client.request({ ":path": "/" })))).toBe("forbidden\n");
    expect(decisions.at(-1)?.refusal?.detail).toContain("another tenant");
  });
});

describe("entries without a call", () => {
  test("a message brings its context, and nothing is done under one that is not believed", () => {
    const front = identityOf(FRONT);
    const message = runAuthorized(CONTEXT, () => new ContextSigner(front).sign(ORDERS));
    const now = new ContextVerifier(identityOf(ORDERS), { self: ORDERS, from: [FRONT] });
    expect(runCarried(now, message, currentAuthorization)).toEqual({ ...CONTEXT, caller: FRONT });
    let isDone = false;
    const work = (): void => {
      isDone = true;
    };
    expect(() => runCarried(now, `${message}A`, work)).toThrow(expect.objectContaining({ code: "SERVICE_CONTEXT_REFUSED" }));
    const others = new ContextVerifier(identityOf(PAYMENTS), { self: PAYMENTS, from: [FRONT] });
    expect(() => runCarried(others, message, work)).toThrow(/for another service/);
    expect(isDone).toBe(false);
  });

  test("a job has a name and a tenant", () => {
    const job = { name: "nightly", tenant: "blue", permissions: ["orders:read"] };
    expect(runJob(job, currentAuthorization)).toEqual({ tenant: "blue", subject: "job:nightly", permissions: ["orders:read"], caller: "" });
    expect(() => runJob({ ...job, tenant: "" }, currentAuthorization)).toThrow(expect.objectContaining({ code: "SERVICE_NO_TENANT" }));
  });

  test("one context is signed once for each service while it is fresh", () => {
    let nowMs = NOW_MS;
    const signer = new ContextSigner(identityOf(FRONT, frontSvid, () => nowMs));
    runAuthorized(CONTEXT, () => {
      const first = signer.sign(ORDERS);
      expect(signer.sign(ORDERS)).toBe(first);
      expect(signer.sign(PAYMENTS)).not.toBe(first);
      nowMs += 31_000;
      expect(signer.sign(ORDERS)).not.toBe(first);
    });
  });
});
