/**
 * SPIFFE IDs and trust domains (SPIFFE-ID §2). A value of either type is valid and canonical: two IDs are the same when `===` says so.
 * The text is scanned character by character; `new URL` would lower-case, decode and normalise what must be refused.
 */
import { ok, type Result } from "../lib/result.ts";
import { refuse, SpiffeError, shown } from "./spiffe-error.ts";

declare const spiffeId: unique symbol;
declare const trustDomain: unique symbol;

/** `spiffe://trust-domain/path`, or without a path the ID of the trust domain itself. */
export type SpiffeId = string & { readonly [spiffeId]: true };
/** The name alone: `example.org`. */
export type TrustDomain = string & { readonly [trustDomain]: true };

export const MAX_SPIFFE_ID_BYTES = 2048;
export const MAX_TRUST_DOMAIN_BYTES = 255;

const PREFIX = "spiffe://";
const SLASH = 0x2f;
const DOT = 0x2e;

/** The ID that `text` is, letter by letter. UNTRUSTED. */
export function parseSpiffeId(text: string): Result<SpiffeId, SpiffeError> {
  if (text.length > MAX_SPIFFE_ID_BYTES)
    return refuse("id-length", `expected at most ${MAX_SPIFFE_ID_BYTES} bytes of SPIFFE ID, got ${text.length}`);
  if (!text.startsWith(PREFIX)) return refuse("id-scheme", `expected a SPIFFE ID that begins with \`${PREFIX}\`, got ${shown(text)}`);
  const slash = text.indexOf("/", PREFIX.length);
  const end = slash < 0 ? text.length : slash;
  const broken = trustDomainProblem(text, PREFIX.length, end) ?? pathProblem(text, end);
  // The checks above are what the type stands for.
  return broken === undefined ? ok(text as SpiffeId) : { ok: false, error: broken };
}

/** The trust domain of this name. A SPIFFE ID is not a name: take `trustDomainOf` of one. UNTRUSTED. */
export function parseTrustDomain(name: string): Result<TrustDomain, SpiffeError> {
  const broken = trustDomainProblem(name, 0, name.length);
  // The check above is what the type stands for.
  return broken === undefined ? ok(name as TrustDomain) : { ok: false, error: broken };
}

/** The trust domain that an ID lies in. */
export function trustDomainOf(id: SpiffeId): TrustDomain {
  const slash = id.indexOf("/", PREFIX.length);
  // Part of a valid ID.
  return id.slice(PREFIX.length, slash < 0 ? undefined : slash) as TrustDomain;
}

/** The path of an ID with its leading slash; empty for the ID of a trust domain. */
export function pathOf(id: SpiffeId): string {
  const slash = id.indexOf("/", PREFIX.length);
  return slash < 0 ? "" : id.slice(slash);
}

/** The ID of the trust domain itself, as signing certificates carry it. */
export const idOfTrustDomain = (domain: TrustDomain): SpiffeId => `${PREFIX}${domain}` as SpiffeId;

/** The ID of a path in a trust domain, segment by segment: no segment can escape into another. */
export function spiffeIdOf(domain: TrustDomain, segments: readonly string[]): Result<SpiffeId, SpiffeError> {
  const escaping = segments.find((segment) => segment.includes("/"));
  if (escaping !== undefined) return refuse("path-character", `expected a segment without \`/\`, got ${shown(escaping)}`);
  return parseSpiffeId(idOfTrustDomain(domain) + segments.map((segment) => `/${segment}`).join(""));
}

function trustDomainProblem(text: string, start: number, end: number): SpiffeError | undefined {
  if (end - start > MAX_TRUST_DOMAIN_BYTES)
    return new SpiffeError("id-length", `expected at most ${MAX_TRUST_DOMAIN_BYTES} bytes of trust domain, got ${end - start}`);
  for (let at = start; at < end; at++) {
    const code = text.charCodeAt(at);
    if (isTrustDomainCharacter(code)) continue;
    const found = `${characterAt(text, at)} in the trust domain of ${shown(text)}`;
    if (code === 0x3a || code === 0x40) return new SpiffeError("trust-domain-authority", `expected no port and no user, got ${found}`);
    if (code === 0x3f || code === 0x23) return new SpiffeError("id-query", `expected no query and no fragment, got ${found}`);
    const hint = code >= 0x41 && code <= 0x5a ? "trust domains are in lower case" : undefined;
    return new SpiffeError(
      "trust-domain-character",
      `expected a-z, 0-9, \`.\`, \`-\` or \`_\`, got ${found}`,
      hint === undefined ? {} : { hint },
    );
  }
  return start === end ? new SpiffeError("trust-domain-empty", `expected a trust domain, got none in ${shown(text)}`) : undefined;
}

/** `start` is at the first slash, or at the end of the text. */
function pathProblem(text: string, start: number): SpiffeError | undefined {
  let segmentStart = start + 1;
  for (let at = segmentStart; at <= text.length && start < text.length; at++) {
    const code = at === text.length ? SLASH : text.charCodeAt(at);
    if (code === SLASH) {
      if (isForbiddenSegment(text, segmentStart, at))
        return new SpiffeError("path-segment", `expected no empty, \`.\` or \`..\` segment and no \`/\` at the end, got ${shown(text)}`);
      segmentStart = at + 1;
      continue;
    }
    if (isPathCharacter(code)) continue;
    const found = `${characterAt(text, at)} in the path of ${shown(text)}`;
    if (code === 0x3f || code === 0x23) return new SpiffeError("id-query", `expected no query and no fragment, got ${found}`);
    return new SpiffeError("path-character", `expected letters, digits, \`.\`, \`-\` or \`_\`, got ${found}`);
  }
  return undefined;
}

function isForbiddenSegment(text: string, start: number, end: number): boolean {
  if (end === start) return true;
  if (end - start > 2 || text.charCodeAt(start) !== DOT) return false;
  return end - start === 1 || text.charCodeAt(start + 1) === DOT;
}

const characterAt = (text: string, at: number): string => shown(text.charAt(at));
const isTrustDomainCharacter = (code: number): boolean =>
  (code >= 0x61 && code <= 0x7a) || (code >= 0x30 && code <= 0x39) || code === DOT || code === 0x2d || code === 0x5f;
const isPathCharacter = (code: number): boolean => isTrustDomainCharacter(code) || (code >= 0x41 && code <= 0x5a);
