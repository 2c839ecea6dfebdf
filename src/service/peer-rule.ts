/** Who may be at the other end: SPIFFE IDs, patterns of them, or a function. What no rule names is refused. */
import { err, ok, type Result } from "../lib/result.ts";
import { shown } from "../spiffe/spiffe-error.ts";
import { parseSpiffeId, pathOf, trustDomainOf } from "../spiffe/spiffe-id.ts";
import type { Peer } from "./peer.ts";
import { ServiceError } from "./service-error.ts";

/**
 * Either patterns, any of which must fit, or a function that decides, such as a policy. A pattern is
 * - a SPIFFE ID: `spiffe://shop.test/ns/shop/sa/web`;
 * - one with `*` for whole segments: `spiffe://shop.test/ns/shop/sa/*`;
 * - one that ends in `/**` for everything below: `spiffe://shop.test/**` is the whole trust domain.
 *
 * The trust domain is always written out. A function that throws refuses.
 */
export type PeerRule = readonly string[] | ((peer: Peer) => boolean);

const PLACEHOLDER = "any-segment";
const MAX_PATTERNS = 1_000;

/** The test that a rule stands for. Throws a ServiceError with `SERVICE_PEER_PATTERN` for a pattern that is none. */
export function compilePeerRule(rule: PeerRule): (peer: Peer) => boolean {
  if (typeof rule === "function") return rule;
  if (rule.length > MAX_PATTERNS) throw new RangeError(`expected at most ${MAX_PATTERNS} patterns, got ${rule.length}`);
  const exact = new Set<string>();
  const patterns: ((peer: Peer) => boolean)[] = [];
  for (const text of rule) {
    const pattern = parsePeerPattern(text);
    if (!pattern.ok) throw pattern.error;
    if (text.includes("*")) patterns.push(pattern.value);
    else exact.add(text);
  }
  return (peer) => exact.has(peer.id) || patterns.some((fits) => fits(peer));
}

/** What a pattern is about. */
export type NamedPeer = Pick<Peer, "id" | "trustDomain" | "path">;

/** The test of one pattern. */
export function parsePeerPattern(text: string): Result<(peer: NamedPeer) => boolean, ServiceError> {
  const isOpen = text.endsWith("/**");
  const written = isOpen ? text.slice(0, -"/**".length) : text;
  const filled = written.replaceAll(/(?<=\/)\*(?=\/|$)/g, PLACEHOLDER);
  const id = parseSpiffeId(filled);
  if (!id.ok || (!isOpen && pathOf(id.value) === "") || written.startsWith("spiffe://*"))
    return err(
      new ServiceError("SERVICE_PEER_PATTERN", `expected a SPIFFE ID or a pattern of one, got ${shown(text)}`, {
        hint: "such as `spiffe://shop.test/ns/*/sa/web`, or `spiffe://shop.test/**` for the whole trust domain",
        cause: id.ok ? undefined : id.error,
      }),
    );
  const domain = trustDomainOf(id.value);
  const segments = written.slice("spiffe://".length + domain.length).split("/");
  return ok(({ trustDomain, path }) => {
    if (trustDomain !== domain) return false;
    const found = path.split("/");
    const hasLength = isOpen ? found.length > segments.length : found.length === segments.length;
    return hasLength && segments.every((segment, index) => segment === "*" || segment === found[index]);
  });
}
