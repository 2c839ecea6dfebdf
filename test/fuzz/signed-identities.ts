/**
 * Fuzzes what a verifier looks at after signatures: certificates and tokens whose structure was changed and which were signed again by their
 * authority, and bundles with members that stand twice or that nobody knows. Without the signature a verifier would see almost none of it.
 */
import { sign, X509Certificate } from "node:crypto";
import { encodeBitString, encodeElement, encodeObjectIdentifier, encodeSequence, TAG } from "../../src/lib/der.ts";
import { type DerReader, readDer } from "../../src/lib/der-reader.ts";
import { messageOf } from "../../src/lib/error.ts";
import type { JsonObject, JsonValue } from "../../src/lib/json.ts";
import { jsonOfTrustBundle, parseTrustBundle } from "../../src/spiffe/bundle.ts";
import { verifyJwtSvid } from "../../src/spiffe/jwt-svid.ts";
import { SpiffeError } from "../../src/spiffe/spiffe-error.ts";
import { parseSpiffeId } from "../../src/spiffe/spiffe-id.ts";
import { verifyX509Svid } from "../../src/spiffe/x509-svid.ts";
import { buildLeaf, NOW_MS } from "../spiffe/certificate-builder.ts";
import { a, bundles, EXPECTED, JWT_CLAIMS } from "../spiffe/trust-fixture.ts";
import { mutatedBytes, mutatedText, type UpTo } from "./mutation.ts";
import { type FuzzTarget, threadMs } from "./target.ts";

const MAX_MS = 500;
const CONSTRUCTED = 0x20;
const ECDSA_SHA256 = encodeSequence(encodeObjectIdentifier("1.2.840.10045.4.3.2"));

/** An element with its parts: those of a constructed one, or of an OCTET STRING that holds an element, as extensions do. */
interface Node {
  tag: number;
  content: Uint8Array;
  parts: Node[] | undefined;
}

function readNode(reader: DerReader): Node {
  const { tag, content } = reader.element();
  const isNested = (tag & CONSTRUCTED) !== 0 || tag === TAG.octetString;
  const inner = isNested ? readDer(content, (nested) => [...nested.rest(readNode)]) : undefined;
  return { tag, content, parts: inner?.ok === true && inner.value.length > 0 ? inner.value : undefined };
}

const encodeNode = ({ tag, content, parts }: Node): Uint8Array =>
  parts === undefined ? encodeElement(tag, content) : encodeElement(tag, ...parts.map(encodeNode));

const allNodes = (node: Node): readonly Node[] => [node, ...(node.parts ?? []).flatMap(allNodes)];

/** The element with some of its parts left out, repeated, moved, retagged or changed; still an element all through. */
function mutatedElement(der: Uint8Array, upTo: UpTo): Uint8Array {
  const read = readDer(der, readNode);
  if (!read.ok) throw read.error;
  for (let changes = 1 + upTo(2); changes > 0; changes--) changeOne(allNodes(read.value), upTo);
  return encodeNode(read.value);
}

function changeOne(nodes: readonly Node[], upTo: UpTo): void {
  const node = nodes[upTo(nodes.length)];
  if (node === undefined) return;
  const { parts } = node;
  const [at, other] = [upTo(parts?.length ?? 1), upTo(parts?.length ?? 1)];
  const part = parts?.[at];
  switch (upTo(6)) {
    case 0:
      parts?.splice(at, 1);
      break;
    case 1:
      if (part !== undefined) parts?.splice(other, 0, part);
      break;
    case 2:
      node.parts = parts?.toReversed();
      break;
    case 3:
      node.tag = upTo(4) === 0 ? upTo(31) : node.tag ^ (1 << upTo(8));
      if ((node.tag & 0x1f) === 0x1f) node.tag ^= 1;
      break;
    case 4:
      if (parts === undefined) node.content = mutatedBytes(node.content, upTo);
      else if (part !== undefined) parts[other] = nodes[upTo(nodes.length)] ?? part;
      break;
    default:
      if (parts === undefined) node.content = Buffer.from(mutatedText(Buffer.from(node.content).toString("latin1"), upTo), "latin1");
  }
}

/** What stands in the middle: the part of a certificate that is signed. */
function bodyOf(der: Uint8Array): Uint8Array {
  const read = readDer(der, (reader) => reader.sequence((outer) => outer.rest((part) => part.element().bytes)));
  if (!read.ok || read.value[0] === undefined) throw new Error("no certificate");
  return read.value[0];
}

const LEAF_BODY = bodyOf(buildLeaf(a.authority));

function checkCertificate(upTo: UpTo): Attempt {
  let body: Uint8Array;
  try {
    body = mutatedElement(LEAF_BODY, upTo);
  } catch (error) {
    if (error instanceof RangeError) return { input: "", verdict: "certificate: cannot be made" }; // Nothing but itself inside itself.
    throw error;
  }
  const leaf = encodeSequence(body, ECDSA_SHA256, encodeBitString(sign("sha256", body, a.authority.keys.privateKey)));
  const verified = verifyX509Svid([leaf], bundles, { nowMs: NOW_MS });
  const input = Buffer.from(leaf).toString("hex");
  if (!verified.ok) return { input, verdict: `certificate: ${ruleOf(verified.error)}` };
  const seen = asOpenssl(leaf);
  // It looks into names and keys, which are left to TLS here.
  if (seen === undefined) return { input, verdict: "certificate: accepted, though OpenSSL cannot read it" };
  const uris = (seen.subjectAltName ?? "").split(", ").filter((name) => /^"?URI:/.test(name));
  const isRight =
    !seen.ca &&
    uris.length === 1 &&
    uris[0] === `URI:${verified.value.id}` &&
    seen.verify(a.authority.keys.publicKey) &&
    seen.validFromDate.getTime() <= NOW_MS &&
    seen.validToDate.getTime() >= NOW_MS;
  if (!isRight) throw new Error(`OpenSSL sees another certificate: ${seen.subjectAltName}; ${input}`);
  return { input, verdict: "certificate: accepted" };
}

function asOpenssl(der: Uint8Array): X509Certificate | undefined {
  try {
    return new X509Certificate(der);
  } catch {
    return undefined;
  }
}

const HEADERS: readonly JsonObject[] = [
  { alg: "ES256", kid: "jwt-1", typ: "JWT" },
  { alg: "ES256", kid: "jwt-1" },
  { alg: "none", kid: "jwt-1" },
  { alg: "HS256", kid: "jwt-1", typ: "JWT" },
  { alg: "ES384", kid: "jwt-1", typ: "JWT" },
  { alg: "RS256", kid: "jwt-1", typ: "JWT" },
  { alg: "ES256", kid: "jwt-1", typ: "wit+jwt" },
  { alg: "ES256", kid: "jwt-1", typ: "JWT", crit: ["exp"] },
  { alg: "ES256", kid: "jwt-1", jwk: {} },
  { alg: "ES256", kid: "wit-1", typ: "JOSE" },
  { alg: "ES256" },
];
const CLAIMS: readonly JsonObject[] = [
  { ...JWT_CLAIMS },
  { ...JWT_CLAIMS, nbf: NOW_MS / 1000 + 5, iat: 0, jti: "1" },
  { ...JWT_CLAIMS, nbf: NOW_MS / 1000 + 61 },
  { ...JWT_CLAIMS, aud: ["db", "web"] },
  { ...JWT_CLAIMS, aud: [] },
  { sub: "spiffe://a.test/web", exp: NOW_MS / 1000 + 1 },
  { ...JWT_CLAIMS, exp: NOW_MS / 1000 - 61 },
  { ...JWT_CLAIMS, sub: "spiffe://b.test/web" },
];
const HEADER_NAMES: ReadonlySet<string> = new Set(["alg", "kid", "typ"]);
const LEEWAY_SECONDS = 10;

function checkToken(upTo: UpTo): Attempt {
  const parts = [HEADERS[upTo(HEADERS.length)] ?? {}, CLAIMS[upTo(CLAIMS.length)] ?? {}].map((part) => {
    const text = JSON.stringify(part);
    return upTo(3) === 0 ? mutatedText(text, upTo) : upTo(3) === 0 ? writeTwice(part, upTo) : text;
  });
  const input = parts.map((part) => Buffer.from(part).toString("base64url")).join(".");
  const signature = sign("sha256", Buffer.from(input), { key: a.jwtSigner.privateKey, dsaEncoding: "ieee-p1363" });
  const token = `${input}.${upTo(20) === 0 ? "" : signature.toString("base64url")}`;
  const verified = verifyJwtSvid(token, bundles, EXPECTED);
  if (!verified.ok) return { input: token, verdict: `token: ${ruleOf(verified.error)}` };
  const [header, claims] = parts.map((part) => JSON.parse(part));
  const audience: readonly unknown[] = [claims.aud].flat();
  const isRight =
    header.alg === "ES256" &&
    Object.keys(header).every((name) => HEADER_NAMES.has(name)) &&
    parseSpiffeId(claims.sub).ok &&
    claims.sub === verified.value.id &&
    claims.sub.startsWith("spiffe://a.test/") &&
    audience.includes("db") &&
    claims.exp + LEEWAY_SECONDS > NOW_MS / 1000 &&
    (claims.nbf === undefined || claims.nbf <= NOW_MS / 1000 + LEEWAY_SECONDS) &&
    parts.every((part) => !hasNameTwice(part));
  if (!isRight) throw new Error(`accepted: ${parts.join(" ")}`);
  return { input: token, verdict: "token: accepted" };
}

/** An object as text with one of its members written a second time. */
function writeTwice(object: JsonObject, upTo: UpTo): string {
  const members = Object.entries(object).map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`);
  const member = members[upTo(members.length)];
  if (member !== undefined) members.splice(upTo(members.length + 1), 0, member);
  return `{${members.join(",")}}`;
}

/** By the parser's own eyes: a reviver sees each member once, so fewer members than names means that one stood twice. */
function hasNameTwice(text: string): boolean {
  let members = 0;
  JSON.parse(text, function count(this: unknown, name: string, value: unknown) {
    if (!Array.isArray(this) && name !== "") members++;
    return value;
  });
  // Names that are empty, and colons inside of texts, are left to the other checks.
  const names = text.replaceAll(/"(?:[^"\\]|\\.)*"(?!\s*:)/g, "0").match(/"(?:[^"\\]|\\.)+"\s*:/g) ?? [];
  return names.length > members;
}

const BUNDLE = jsonOfTrustBundle(a.bundle);
const ODD_KEYS: readonly JsonObject[] = [
  {},
  { kty: "oct", k: "AA", use: "jwt-svid", kid: "x" },
  { kty: "OKP", crv: "Ed25519", x: "AA", use: "x509-svid" },
  { kty: "EC", crv: "P-256", x: "AA", y: "AA", use: "jwt-svid", kid: "y" },
  { use: "x509-svid", kty: "EC", x5c: [] },
  { use: "x509-svid", kty: "EC", x5c: ["AAAA"] },
  { use: "something else", kty: "RSA" },
];

function checkBundle(upTo: UpTo): Attempt {
  const given = BUNDLE["keys"];
  const keys: JsonValue[] = Array.isArray(given) ? [...given] : [];
  for (let added = upTo(3); added > 0; added--) keys.splice(upTo(keys.length + 1), 0, ODD_KEYS[upTo(ODD_KEYS.length)] ?? {});
  const written = keys.map((key) => (upTo(8) === 0 ? writeTwice(key as JsonObject, upTo) : JSON.stringify(key))); // keys of a JWK Set are objects
  const others = [`"spiffe_sequence":${["1", "18446744073709551615", "-1", "1.5", '"1"'][upTo(5)]}`, '"x_unknown":{"a":[1]}', `"keys":[]`];
  const members = [`"keys":[${written.join(",")}]`, ...others.slice(0, upTo(4) === 0 ? 3 : upTo(3))];
  const text = `{${members.join(",")}}`;
  const input = upTo(4) === 0 ? mutatedText(text, upTo) : text;
  const read = parseTrustBundle(Buffer.from(input), a.domain);
  if (!read.ok) return { input, verdict: `bundle: ${ruleOf(read.error)}` };
  if (hasNameTwice(input)) throw new Error(`a name that stands twice was accepted: ${input}`);
  return { input, verdict: `bundle: accepted with ${read.value.x509Authorities.length + read.value.jwtKeys.size} authorities and keys` };
}

interface Attempt {
  readonly input: string;
  readonly verdict: string;
}

function ruleOf(error: Error): string {
  if (error instanceof SpiffeError && /^[ -~…§]+$/.test(error.message)) return error.rule;
  throw new Error(`not a proper refusal: ${messageOf(error)}`);
}

const KINDS = [checkCertificate, checkToken, checkBundle] as const;

export const signedIdentitiesFuzz: FuzzTarget = {
  name: "signed identities",
  run(random) {
    const upTo: UpTo = (limit) => Math.floor(random() * limit);
    const startMs = threadMs();
    const { input, verdict } = (KINDS[upTo(KINDS.length)] ?? checkToken)(upTo);
    if (threadMs() - startMs > MAX_MS) throw new Error(`too slow: ${input.slice(0, 8000)}`);
    return verdict;
  },
};
