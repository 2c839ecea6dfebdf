/** Values of SPIFFE and of certificates inside resources. */
import { parseIpAddress } from "../lib/ip-address.ts";
import type { Result } from "../lib/result.ts";
import type { SpiffeError } from "../spiffe/spiffe-error.ts";
import { parseSpiffeId, parseTrustDomain, pathOf, type SpiffeId, type TrustDomain } from "../spiffe/spiffe-id.ts";
import { checked, nonEmptyText, type Shape, text } from "./shape.ts";

const parsed =
  <T>(parse: (read: string) => Result<T, SpiffeError>): Shape<T> =>
  (value, spot) => {
    const read = text(value, spot);
    if (read === undefined) return undefined;
    const result = parse(read);
    if (result.ok) return result.value;
    spot.report("RESOURCE_INVALID_VALUE", `\`${spot.name}\`: ${result.error.message}`, result.error.hint);
    return undefined;
  };

/** The name of a trust domain: `example.org`. */
export const trustDomainName: Shape<TrustDomain> = parsed(parseTrustDomain);

const anyId = parsed(parseSpiffeId);

/** The SPIFFE ID of a workload: one with a path. */
export const workloadId: Shape<SpiffeId> = (value, spot) => {
  const id = anyId(value, spot);
  if (id === undefined || pathOf(id) !== "") return id;
  spot.report("RESOURCE_INVALID_VALUE", `expected \`${spot.name}\` to have a path, got \`${id}\``);
  return undefined;
};

/** SPIFFE IDs by one text: `spiffe://example.org/web` is that one, `spiffe://example.org/shop/*` are all that begin so. */
export const idPattern: Shape<string> = checked(nonEmptyText, (read, spot) => {
  if (/^spiffe:\/\/[^*]+\*?$/.test(read)) return;
  spot.report("RESOURCE_INVALID_VALUE", `expected \`${spot.name}\` to be a SPIFFE ID, or the beginning of one and \`*\`, got \`${read}\``);
});

const SERIAL = /^(?!00)[0-9a-f]{2}(?:[0-9a-f]{2}){0,19}$/;
const AUTHORITY_ID = /^[A-Za-z0-9._-]{1,128}$/;
const DNS_NAME = /^(?=.{1,253}$)(?:\*\.)?(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

const matching =
  (pattern: RegExp, what: string, hint: string): Shape<string> =>
  (value, spot) => {
    const read = text(value, spot);
    if (read === undefined || pattern.test(read)) return read;
    spot.report("RESOURCE_INVALID_VALUE", `expected \`${spot.name}\` to be ${what}, got \`${read}\``, hint);
    return undefined;
  };

/** The serial number of a certificate: lower-case hexadecimal of its octets, no zero octet first. */
export const serialNumber: Shape<string> = matching(SERIAL, "a serial number", "lower-case hexadecimal, two digits for each octet");

/** What `vigil trust show` calls an authority. */
export const authorityId: Shape<string> = matching(AUTHORITY_ID, "the ID of an authority", "`vigil trust show` lists them");

/** A DNS name in lower case; a wildcard stands alone in the first label. */
export const dnsName: Shape<string> = matching(DNS_NAME, "a DNS name", "lower-case letters, digits and `-`, in labels of at most 63");

/** An IPv4 or IPv6 address without a zone. */
export const ipAddress: Shape<string> = checked(text, (read, spot) => {
  if (parseIpAddress(read) !== undefined) return;
  spot.report("RESOURCE_INVALID_VALUE", `expected \`${spot.name}\` to be an IP address, got \`${read}\``);
});
