/** Identities verified, and handed out end to end by servers of their own process, beside go-spiffe, jose and SPIRE. */
import { spawn } from "node:child_process";
import { generateKeyPairSync, sign, verify, webcrypto } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import "../../test/identity/reflect-metadata.ts";
import { create, toBinary } from "@bufbuild/protobuf";
import { Pkcs10CertificateRequestGenerator, SubjectAlternativeNameExtension } from "@peculiar/x509";
import { importJWK, jwtVerify } from "jose";
import { encodeMessage } from "../../src/grpc/encoded-message.ts";
import { SignX509SvidsRequestSchema } from "../../src/identity/generated/vigil/authority/v1/authority_pb.ts";
import { VerifiedChains } from "../../src/service/verified-chains.ts";
import { createBundleMap } from "../../src/spiffe/bundle-map.ts";
import { JWTSVIDResponseSchema } from "../../src/spiffe/generated/spiffe/workload_pb.ts";
import { signJwtSvid, verifyJwtSvid } from "../../src/spiffe/jwt-svid.ts";
import { parseSpiffeId, type SpiffeId } from "../../src/spiffe/spiffe-id.ts";
import { verifyX509Svid } from "../../src/spiffe/x509-svid.ts";
import { testAuthority, workloadYaml } from "../../test/identity/authority-in-process.ts";
import { prepareInstallation } from "../../test/identity/real-processes.ts";
import { peerProgram } from "../../test/interop/peer-program.ts";
import { RunningSpire } from "../../test/interop/running-spire.ts";
import { cpuNsPerOperation, measureGo } from "../engine/go-spiffe.ts";
import { type Contestant, compete, cpuNs } from "../measure.ts";
import { cpuSecondsOf } from "../process-time.ts";
import type { Section } from "../report.ts";

const AT_ONCE = 16;
const CALLS = 3_000;
const WARM_UP = 5_000;
const OWN_UID = `unix:uid:${process.getuid?.()}`;
const GOAL_TOKENS = 10_000;
const GOAL_VERIFY_NS = 200_000;

const timed = (name: string, one: () => unknown): Contestant => ({
  name,
  run: async (iterations) => {
    const start = cpuNs();
    for (let i = 0; i < iterations; i++) await one();
    return cpuNs() - start;
  },
});

const newKeyInfo = (): Uint8Array => generateKeyPairSync("ec", { namedCurve: "P-256" }).publicKey.export({ type: "spki", format: "der" });

/** CPU nanoseconds of verifications. */
interface Verifying {
  readonly chain: number;
  /** One that was verified before. */
  readonly chainAgain: number;
  readonly token: number;
  readonly jose: number;
  /** The signature alone, by `node:crypto`. */
  readonly signature: number;
}

async function verifying(): Promise<Verifying> {
  const { authority } = await testAuthority({ resources: workloadYaml("web", "{selectors: ['unix:uid:1']}"), nowMs: Date.now });
  const nowMs = Date.now();
  const id = authority.agentIdOf("x");
  const issued = await authority.signAgent(id, newKeyInfo());
  if (!issued.ok) throw issued.error;
  const { certificates } = issued.value;
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const content = { id, audience: ["shop"], issuedAtMs: nowMs, expiresAtMs: nowMs + 3_600_000 };
  const token = signJwtSvid(content, { keyId: "k", algorithm: "ES256", privateKey });
  const jwtKeys = new Map([["k", { keyId: "k", publicKey, algorithm: "ES256" as const }]]);
  const bundles = createBundleMap([{ ...authority.authorities.bundle, jwtKeys }]);
  const jwk = await importJWK({ ...publicKey.export({ format: "jwk" }), alg: "ES256" });
  const known = new VerifiedChains(bundles);
  const signed = Buffer.alloc(400);
  const signature = sign("sha256", signed, privateKey);
  // Batches of operations this slow are few: without it half of them would be of code that is not optimised yet.
  for (let count = 0; count < WARM_UP; count++) {
    must(verifyX509Svid(certificates, bundles, { nowMs }));
    must(verifyJwtSvid(token, bundles, { audiences: ["shop"], nowMs }));
    await jwtVerify(token, jwk, { audience: "shop" });
  }
  const measured = await compete([
    timed("chain", () => must(verifyX509Svid(certificates, bundles, { nowMs }))),
    timed("chain again", () => must(known.verify(certificates, nowMs))),
    timed("token", () => must(verifyJwtSvid(token, bundles, { audiences: ["shop"], nowMs }))),
    timed("jose", () => jwtVerify(token, jwk, { audience: "shop" })),
    timed("signature", () => must({ ok: verify("sha256", signed, publicKey, signature) })),
  ]);
  const [chain = Number.NaN, chainAgain = Number.NaN, ours = Number.NaN, jose = Number.NaN, alone = Number.NaN] = measured.map(
    ({ median }) => median,
  );
  return { chain, chainAgain, token: ours, jose, signature: alone };
}

function must(result: { readonly ok: boolean }): void {
  if (!result.ok) throw new Error("what is measured must be accepted");
}

/** How often a process answers in one second of its processor time. */
async function answersPerCpuSecond(pid: number, work: () => Promise<number>): Promise<number> {
  const before = cpuSecondsOf(pid);
  const count = await work();
  return count / (cpuSecondsOf(pid) - before);
}

/** One unary call again and again, by Go's gRPC over a unix socket. Resolves with how many there were. */
async function repeat(socket: string, method: string, request: Uint8Array): Promise<number> {
  const child = spawn(peerProgram("grpc", "grpc-peer"), ["client", socket], { stdio: ["pipe", "pipe", "inherit"] });
  child.stdin.end(`${JSON.stringify({ method, requests: [Buffer.from(request).toString("hex")] })}\n`.repeat(CALLS));
  let count = 0;
  for await (const answer of createInterface({ input: child.stdout })) {
    const { code, message } = JSON.parse(answer);
    if (code !== "OK") throw new Error(`${method}: ${code} ${message}`);
    count++;
  }
  return count;
}

interface Served {
  readonly issued: number;
  readonly tokens: number;
  readonly svids: number;
}

/** Answers per CPU second of an agent and of the server behind it, after a warm-up. */
async function serving(
  agent: { readonly pid: number; readonly socket: string },
  server: number,
  issue: () => Promise<number>,
): Promise<Served> {
  const fetch = async (what: "token" | "svid"): Promise<number> => (await measureGo(what, agent.socket, AT_ONCE)).count;
  await issue();
  await fetch("token");
  return {
    issued: await answersPerCpuSecond(server, issue),
    tokens: await answersPerCpuSecond(agent.pid, () => fetch("token")),
    svids: await answersPerCpuSecond(agent.pid, () => fetch("svid")),
  };
}

async function servingOurs(): Promise<Served> {
  const installation = prepareInstallation(workloadYaml("web", `{selectors: ["${OWN_UID}"], id: "spiffe://vigil.local/web"}`));
  const { authority, agent, authoritySocket, agentSocket } = installation;
  try {
    for (const process of [authority, agent]) process.start();
    await Promise.all([authority.ready(), agent.ready()]);
    const requests = [{ entryId: "default/web", subject: { case: "publicKey" as const, value: newKeyInfo() } }];
    const request = toBinary(SignX509SvidsRequestSchema, create(SignX509SvidsRequestSchema, { requests }));
    const issue = (): Promise<number> => repeat(authoritySocket, "/vigil.authority.v1.Authority/SignX509Svids", request);
    return await serving({ pid: agent.pid, socket: agentSocket }, authority.pid, issue);
  } finally {
    await installation.remove();
  }
}

/** How many calls a second of CPU `node:http2` answers when nothing is done for them. */
async function servingNothing(): Promise<number> {
  const directory = mkdtempSync(join(tmpdir(), "vigil-bench-"));
  const path = join(directory, "socket");
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const nowMs = Date.now();
  const id = trustedId("spiffe://example.org/web");
  const content = { id, audience: ["measured"], issuedAtMs: nowMs, expiresAtMs: nowMs + 3_600_000 };
  const svid = signJwtSvid(content, { keyId: "k", algorithm: "ES256", privateKey });
  const { framed } = encodeMessage(JWTSVIDResponseSchema, { svids: [{ spiffeId: id, svid, hint: "" }] });
  const program = join(import.meta.dirname, "../engine/bare-http2.ts");
  const child = spawn(process.execPath, [program, path, Buffer.from(framed).toString("hex")], { stdio: ["ignore", "pipe", "inherit"] });
  try {
    await once(child.stdout, "data");
    const work = async (): Promise<number> => (await measureGo("token", path, AT_ONCE)).count;
    await work();
    return await answersPerCpuSecond(child.pid ?? 0, work);
  } finally {
    child.kill();
    rmSync(directory, { recursive: true });
  }
}

function trustedId(text: string): SpiffeId {
  const id = parseSpiffeId(text);
  if (!id.ok) throw id.error;
  return id.value;
}

/** SPIRE, and the CPU nanoseconds in which go-spiffe verifies what it gives. */
async function servingTheirs(): Promise<Served & { readonly chain: number; readonly token: number }> {
  const spire = await RunningSpire.start({ trustDomain: "example.org" });
  try {
    await spire.startAgent();
    spire.register("/go", peerProgram("go-spiffe", "go-spiffe-peer"));
    const keys = await webcrypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, false, ["sign", "verify"]);
    const extensions = [new SubjectAlternativeNameExtension([{ type: "url", value: "spiffe://example.org/web" }])];
    const signingAlgorithm = { name: "ECDSA", hash: "SHA-256" };
    const csr = await Pkcs10CertificateRequestGenerator.create({ keys, signingAlgorithm, extensions });
    const request = mintRequest(new Uint8Array(csr.rawData));
    const issue = (): Promise<number> => repeat(spire.apiSocket, "/spire.api.server.svid.v1.SVID/MintX509SVID", request);
    const served = await serving({ pid: spire.agentPid, socket: spire.socket }, spire.serverPid, issue);
    return {
      ...served,
      chain: cpuNsPerOperation(await measureGo("verify-svid", spire.socket)),
      token: cpuNsPerOperation(await measureGo("verify-token", spire.socket)),
    };
  } finally {
    await spire.stop();
  }
}

/** `MintX509SVIDRequest { bytes csr = 1 }` of SPIRE's API, in protobuf. */
function mintRequest(csr: Uint8Array): Uint8Array {
  const size = csr.length < 128 ? [csr.length] : [(csr.length & 0x7f) | 0x80, csr.length >> 7];
  return Buffer.concat([Buffer.of(0x0a, ...size), csr]);
}

const micro = (ns: number): string => `${(ns / 1000).toFixed(1)} µs`;
const perSecond = (rate: number): string => Math.round(rate).toLocaleString("en");

export async function servingIdentities(): Promise<Section> {
  const { chain, chainAgain, token, jose, signature } = await verifying();
  const [us, them, bare] = [await servingOurs(), await servingTheirs(), await servingNothing()];
  const row = (what: string, rate: number, ...peers: readonly (readonly [string, number])[]): readonly string[] => [
    what,
    micro(1e9 / rate),
    perSecond(rate),
    peers.map(([name, peer]) => `${name}: ${perSecond(peer)} (Vigil ${(rate / peer).toFixed(1)} ×)`).join(", "),
  ];
  const alone = ["the signature alone", 1e9 / signature] as const;
  return {
    title: "Identities, verified and served",
    notes: [
      "EC P-256. CPU time of the process that does the work, all its threads; of peers too.",
      "A chain is a leaf and the authority that is trusted; services remember the verdict of a chain while its bundle and its times hold, which is the second row.",
      "The signature alone is `crypto.verify` of Node.js with the key at hand: nothing that verifies with it can be faster.",
      "The authority, the agent, SPIRE's server and SPIRE's agent are processes with unix sockets, called by Go's gRPC and go-spiffe, 16 calls at once for the agents; SPIRE's rate limits are off, and it hashes no programs.",
      "Each client of an agent is attested. Tokens come from the agents' caches; a first message of X.509 costs a stream. `node:http2` is a server of ten lines that answers every call with the same octets.",
      "SPIRE's server is measured by MintX509SVID, which reads the signing request and signs, and Vigil's authority by SignX509Svids with a registered entry, its rules and its audit.",
    ],
    columns: ["work", "CPU each", "per CPU second", "peers, per CPU second"],
    rows: [
      row("verify an X.509-SVID", 1e9 / chain, alone, ["go-spiffe", 1e9 / them.chain]),
      row("verify an X.509-SVID again", 1e9 / chainAgain),
      row("verify a JWT-SVID, ES256", 1e9 / token, alone, ["jose", 1e9 / jose], ["go-spiffe", 1e9 / them.token]),
      row("authority: an X.509-SVID through its API", us.issued, ["SPIRE", them.issued]),
      row("agent: FetchJWTSVID", us.tokens, ["node:http2", bare], ["SPIRE", them.tokens]),
      row("agent: FetchX509SVID, first message", us.svids, ["SPIRE", them.svids]),
    ],
    targets: [
      { what: "verifying an X.509-SVID, µs", goal: "≤ 200", value: chain / 1000, met: chain <= GOAL_VERIFY_NS },
      { what: "verifying a JWT-SVID, µs", goal: "≤ 200", value: token / 1000, met: token <= GOAL_VERIFY_NS },
      { what: "FetchJWTSVID per CPU second", goal: `≥ ${perSecond(GOAL_TOKENS)}`, value: us.tokens, met: us.tokens >= GOAL_TOKENS },
    ],
    versions: { SPIRE: "1.13.3", "go-spiffe": "2.6.0" },
  };
}
