/** The Workload API client and its sources, with an agent that says what each test wants. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Pacing } from "../../src/grpc/back-off.ts";
import type { CallContext } from "../../src/grpc/call-context.ts";
import { GrpcError } from "../../src/grpc/grpc-error.ts";
import { GrpcServer } from "../../src/grpc/server.ts";
import { implementService } from "../../src/grpc/service.ts";
import type { GrpcFailure } from "../../src/grpc/status.ts";
import { jsonOfJwtBundle } from "../../src/spiffe/bundle.ts";
import { SpiffeWorkloadAPI } from "../../src/spiffe/generated/spiffe/workload_pb.ts";
import { signJwtSvid, verifyJwtSvid } from "../../src/spiffe/jwt-svid.ts";
import { WorkloadApiClient, type WorkloadApiProblem } from "../../src/spiffe/workload-api/client.ts";
import { WorkloadJwtSource } from "../../src/spiffe/workload-api/jwt-source.ts";
import { WorkloadTrustSource } from "../../src/spiffe/workload-api/trust-source.ts";
import { WorkloadX509Source } from "../../src/spiffe/workload-api/x509-source.ts";
import { verifyX509Svid } from "../../src/spiffe/x509-svid.ts";
import { buildLeaf, leafKeys, NOW_MS, pkcs8Of } from "./certificate-builder.ts";
import { a, b, domainOf, idOf, jsonBytes } from "./trust-fixture.ts";

const folder = mkdtempSync(join(tmpdir(), "vigil-workload-api-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** An SVID as the API sends it. */
const web = {
  spiffeId: "spiffe://a.test/web",
  x509Svid: buildLeaf(a.authority),
  x509SvidKey: pkcs8Of(leafKeys),
  bundle: a.authority.der,
  hint: "",
};

/** What a stream does: messages, then an end; without an end it stays open. */
interface Script {
  readonly messages: readonly object[];
  readonly end?: GrpcFailure | "well";
}

/** Time passes when the test says so. */
class TestPacing implements Pacing {
  now = NOW_MS;
  readonly waits: { readonly ms: number; readonly go: () => void }[] = [];
  nowMs(): number {
    return this.now;
  }
  random(): number {
    return 0.5;
  }
  sleep(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      this.waits.push({ ms, go: resolve });
      signal.addEventListener("abort", () => resolve());
    });
  }
  /** Waits until somebody waits, and lets them go on. Resolves with how long they wanted to wait. */
  async pass(): Promise<number> {
    await expect.poll(() => this.waits.length).toBeGreaterThan(0);
    const wait = this.waits.shift();
    wait?.go();
    return wait?.ms ?? 0;
  }
}

class TestAgent {
  readonly x509: Script[] = [];
  readonly x509Bundles: Script[] = [];
  readonly jwtBundles: Script[] = [];
  jwt: (audience: readonly string[]) => object = () => ({});
  jwtCalls = 0;
  readonly #server: GrpcServer;
  readonly #wakers = new Set<() => void>();

  constructor() {
    const play = async function* (this: TestAgent, scripts: Script[], { signal }: CallContext): AsyncGenerator<object> {
      const script = scripts.shift();
      for (const message of script?.messages ?? []) yield message;
      if (script?.end === "well") return;
      if (script?.end !== undefined) throw new GrpcError(script.end, "as the test wants");
      while (!signal.aborted) {
        await new Promise<void>((resolve) => {
          this.#wakers.add(resolve);
          signal.addEventListener("abort", () => resolve());
        });
        const next = signal.aborted ? undefined : scripts.shift();
        for (const message of next?.messages ?? []) yield message;
        if (next?.end === "well") return;
        if (next?.end !== undefined) throw new GrpcError(next.end, "as the test wants");
      }
    }.bind(this);
    this.#server = new GrpcServer({
      services: [
        implementService(
          SpiffeWorkloadAPI,
          {
            fetchX509SVID: (_, context) => play(this.x509, context),
            fetchX509Bundles: (_, context) => play(this.x509Bundles, context),
            fetchJWTBundles: (_, context) => play(this.jwtBundles, context),
            fetchJWTSVID: ({ audience }) => {
              this.jwtCalls++;
              return this.jwt(audience);
            },
          },
          {
            check: ({ headers }) => {
              if (headers["workload.spiffe.io"] !== "true") throw new GrpcError("INVALID_ARGUMENT", "the security header is missing");
            },
          },
        ),
      ],
    });
  }

  /** Lets open streams go on with the next script. */
  wake(): void {
    for (const waker of this.#wakers) waker();
    this.#wakers.clear();
  }
  listen = (path: string): Promise<unknown> => this.#server.listen({ kind: "unix", path });
  close = (): Promise<unknown> => this.#server.close(0);
}

let count = 0;
let agent: TestAgent;
let client: WorkloadApiClient;
let pacing: TestPacing;
let problems: WorkloadApiProblem[];
let sources: { close(): void }[];

beforeEach(async () => {
  const path = join(folder, `${count++}.sock`);
  agent = new TestAgent();
  await agent.listen(path);
  client = new WorkloadApiClient({ kind: "unix", path });
  pacing = new TestPacing();
  problems = [];
  sources = [];
});
afterEach(async () => {
  for (const source of sources) source.close();
  await client.close();
  await agent.close();
});

const x509Source = (options: object = {}): WorkloadX509Source => {
  const source = new WorkloadX509Source({ client, pacing, onProblem: (problem) => problems.push(problem), ...options });
  sources.push(source);
  return source;
};

describe("X.509", () => {
  test("an identity and bundles arrive, and verify", async () => {
    agent.x509.push({ messages: [{ svids: [web], federatedBundles: { "spiffe://b.test": b.authority.der } }] });
    const source = x509Source();
    expect(source.x509Svid()).toBeUndefined();
    await source.ready();
    expect(source.x509Svid()?.id).toBe("spiffe://a.test/web");
    expect(verifyX509Svid([web.x509Svid], source, { nowMs: NOW_MS })).toMatchObject({ ok: true });
    expect(source.bundleOf(domainOf("b.test"))?.x509Authorities).toHaveLength(1);
    expect(source.bundleOf(domainOf("c.test"))).toBeUndefined();
  });

  test("each message replaces the one before: what is absent is gone, and listeners hear of it", async () => {
    agent.x509.push({ messages: [{ svids: [web], federatedBundles: { "spiffe://b.test": b.authority.der } }] });
    const source = x509Source();
    await source.ready();
    const first = source.x509Svid();
    const change = new Promise<void>((resolve) => source.onChange(resolve));
    agent.x509.push({ messages: [{ svids: [{ ...web, x509Svid: buildLeaf(a.authority) }] }] });
    agent.wake();
    await change;
    expect(source.x509Svid()).not.toBe(first);
    expect(source.bundleOf(domainOf("b.test"))).toBeUndefined();
  });

  test("the first is the default; another one can be picked by its hint; a hint counts once", async () => {
    const svids = [web, { ...web, hint: "internal" }, { ...web, hint: "internal" }, { ...web, hint: "external" }];
    agent.x509.push({ messages: [{ svids }] }, { messages: [{ svids }] });
    const source = x509Source();
    await source.ready();
    expect(source.x509Svids().map(({ hint }) => hint)).toEqual(["", "internal", "external"]);
    const picking = x509Source({ pick: (all: readonly { hint: string }[]) => all.find(({ hint }) => hint === "external") });
    await picking.ready();
    expect(picking.x509Svid()?.hint).toBe("external");
  });

  test("an identity that is taken back is gone at once", async () => {
    agent.x509.push({ messages: [{ svids: [web] }] });
    const source = x509Source();
    await source.ready();
    agent.x509.push({ messages: [], end: "PERMISSION_DENIED" });
    agent.wake();
    await expect.poll(() => source.x509Svid()).toBeUndefined();
    expect(source.bundleOf(domainOf("a.test"))).toBeUndefined();
    agent.x509.push({ messages: [{ svids: [web] }] });
    await pacing.pass();
    await expect.poll(() => source.x509Svid()?.id).toBe("spiffe://a.test/web");
  });

  test("while the agent is away the last identity stays", async () => {
    agent.x509.push({ messages: [{ svids: [web] }], end: "UNAVAILABLE" });
    const source = x509Source();
    await source.ready();
    await expect.poll(() => problems).toMatchObject([{ status: "UNAVAILABLE" }]);
    expect(source.x509Svid()?.id).toBe("spiffe://a.test/web");
  });

  test("a message that breaks a rule is reported and changes nothing", async () => {
    const broken = { svids: [{ ...web, bundle: new Uint8Array(0) }] };
    agent.x509.push({ messages: [{ svids: [web] }, broken] });
    const source = x509Source();
    await expect.poll(() => problems).toMatchObject([{ rule: "workload-api-mandatory" }]);
    expect(source.x509Svid()?.id).toBe("spiffe://a.test/web");
  });
});

describe("attempts", () => {
  test("waits double from one second to thirty", async () => {
    for (let attempt = 0; attempt < 8; attempt++) agent.x509.push({ messages: [], end: "UNAVAILABLE" });
    x509Source();
    const waits: number[] = [];
    while (waits.length < 7) waits.push(Math.round(await pacing.pass()));
    expect(waits).toEqual([1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
  });

  test("after a stream that lived for long the next is opened at once, and waits begin anew", async () => {
    agent.x509.push({ messages: [], end: "UNAVAILABLE" }, { messages: [], end: "UNAVAILABLE" }, { messages: [{ svids: [web] }] });
    const source = x509Source();
    await pacing.pass();
    await pacing.pass();
    await source.ready();
    pacing.now += 60_000;
    agent.x509.push({ messages: [], end: "well" }, { messages: [], end: "UNAVAILABLE" });
    agent.wake();
    expect(await pacing.pass()).toBeLessThan(300);
    expect(Math.round(await pacing.pass())).toBe(1000);
  });

  test.each(["INVALID_ARGUMENT", "UNIMPLEMENTED"] as const)("%s is final", async (end) => {
    agent.x509.push({ messages: [], end });
    await expect(x509Source().ready()).rejects.toMatchObject({ status: end });
    expect(pacing.waits).toEqual([]);
  });

  test("an agent that is not there yet is waited for, no longer than wanted", async () => {
    const absent = new WorkloadApiClient({ kind: "unix", path: join(folder, "absent.sock") });
    const source = x509Source({ client: absent });
    const waiting = source.ready(AbortSignal.timeout(100));
    await expect(waiting).rejects.toMatchObject({ status: "CANCELLED" });
    expect(problems).toMatchObject([{ status: "UNAVAILABLE" }]);
    await absent.close();
  });

  test("a source that is closed follows no more", async () => {
    agent.x509.push({ messages: [{ svids: [web] }] });
    const source = x509Source();
    await source.ready();
    source.close();
    expect(pacing.waits).toEqual([]);
    await expect(x509Source({ client }).ready(AbortSignal.abort())).rejects.toMatchObject({ status: "CANCELLED" });
  });
});

test("bundles of both kinds come together by trust domain, and go apart", async () => {
  const jwks = jsonBytes(jsonOfJwtBundle(a.bundle));
  agent.x509Bundles.push({ messages: [{ bundles: { "spiffe://a.test": a.authority.der, "spiffe://b.test": b.authority.der } }] });
  agent.jwtBundles.push({ messages: [{ bundles: { "spiffe://a.test": jwks } }] });
  const source = new WorkloadTrustSource({ client, pacing, onProblem: (problem) => problems.push(problem) });
  sources.push(source);
  await expect.poll(() => source.bundleOf(domainOf("a.test"))?.jwtKeys.size).toBe(1);
  await expect.poll(() => source.bundleOf(domainOf("a.test"))?.x509Authorities.length).toBe(1);
  expect(source.trustDomains()).toEqual(["a.test", "b.test"]);
  const token = signJwtSvid(
    { id: idOf("spiffe://a.test/web"), audience: ["db"], issuedAtMs: NOW_MS, expiresAtMs: NOW_MS + 60_000 },
    a.jwtSigner,
  );
  expect(verifyJwtSvid(token, source, { nowMs: NOW_MS, audiences: ["db"] })).toMatchObject({ ok: true });
  agent.x509Bundles.push({ messages: [{ bundles: { "spiffe://b.test": b.authority.der } }] });
  agent.wake();
  await expect.poll(() => source.bundleOf(domainOf("a.test"))?.x509Authorities.length).toBe(0);
  expect(source.bundleOf(domainOf("a.test"))?.jwtKeys.size).toBe(1);
});

describe("tokens", () => {
  let lifeMs: number;
  let failWith: GrpcFailure | undefined;
  let source: WorkloadJwtSource;

  beforeEach(() => {
    lifeMs = 300_000;
    failWith = undefined;
    agent.jwt = (audience) => {
      if (failWith !== undefined) throw new GrpcError(failWith, "as the test wants");
      const id = idOf("spiffe://a.test/web");
      const content = { id, audience, issuedAtMs: pacing.now, expiresAtMs: pacing.now + lifeMs, claims: { jti: String(agent.jwtCalls) } };
      return { svids: [{ spiffeId: id, svid: signJwtSvid(content, a.jwtSigner) }] };
    };
    source = new WorkloadJwtSource({ client, pacing, maxTokens: 3, onProblem: (problem) => problems.push(problem) });
  });

  test("one is fetched once for a set of audiences, in whatever order, and by however many", async () => {
    const [first, second] = await Promise.all([source.jwtSvid(["db", "cache"]), source.jwtSvid(["cache", "db", "db"])]);
    expect(second).toBe(first);
    expect(await source.jwtSvid(["cache", "db"])).toBe(first);
    expect(agent.jwtCalls).toBe(1);
    await source.jwtSvid(["db,cache"]);
    expect(agent.jwtCalls).toBe(2);
  });

  test("it is renewed in the second half of its life, behind the caller's back", async () => {
    const first = await source.jwtSvid(["db"]);
    pacing.now += 149_000;
    expect(await source.jwtSvid(["db"])).toBe(first);
    pacing.now += 2000;
    expect(await source.jwtSvid(["db"])).toBe(first);
    await expect.poll(async () => (await source.jwtSvid(["db"])).token).not.toBe(first.token);
    expect(agent.jwtCalls).toBe(2);
  });

  test("while the agent fails the token is used to its end; then there is none", async () => {
    const first = await source.jwtSvid(["db"]);
    failWith = "UNAVAILABLE";
    pacing.now += 200_000;
    expect(await source.jwtSvid(["db"])).toBe(first);
    await expect.poll(() => problems).toMatchObject([{ status: "UNAVAILABLE" }]);
    expect(await source.jwtSvid(["db"])).toBe(first);
    expect(problems).toHaveLength(1);
    pacing.now += 100_000;
    await expect(source.jwtSvid(["db"])).rejects.toMatchObject({ status: "UNAVAILABLE" });
  });

  test("a token that is taken back is not given from memory", async () => {
    await source.jwtSvid(["db"]);
    failWith = "PERMISSION_DENIED";
    pacing.now += 200_000;
    await source.jwtSvid(["db"]);
    await expect.poll(() => problems).toHaveLength(1);
    await expect(source.jwtSvid(["db"])).rejects.toMatchObject({ status: "PERMISSION_DENIED" });
  });

  test("no more are kept than allowed: the one that was not asked for the longest goes", async () => {
    for (const audience of ["a", "b", "c", "a", "d"]) await source.jwtSvid([audience]);
    expect(source.size).toBe(3);
    expect(agent.jwtCalls).toBe(4);
    await source.jwtSvid(["a"]);
    expect(agent.jwtCalls).toBe(4);
    await source.jwtSvid(["b"]);
    expect(agent.jwtCalls).toBe(5);
  });

  test("an answer that breaks a rule is an error", async () => {
    agent.jwt = () => ({ svids: [] });
    await expect(source.jwtSvid(["db"])).rejects.toMatchObject({ rule: "workload-api-mandatory" });
    const token = signJwtSvid(
      { id: idOf("spiffe://a.test/other"), audience: ["db"], issuedAtMs: pacing.now, expiresAtMs: pacing.now + 1000 },
      a.jwtSigner,
    );
    agent.jwt = () => ({ svids: [{ spiffeId: "spiffe://a.test/web", svid: token }] });
    await expect(source.jwtSvid(["db"])).rejects.toMatchObject({ rule: "workload-api-id" });
  });
});
