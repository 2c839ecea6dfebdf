/** DNS names in policies of Cilium (pkg/policy/api/fqdn.go, pkg/fqdn/matchpattern). */
import { nonEmptyText, optional, record, type Shape } from "./shape.ts";

interface Fqdn {
  readonly matchName: string | undefined;
  readonly matchPattern: string | undefined;
}

const MAX_DNS_NAME = 253;
const NAME = /^[a-z0-9_-]+(?:\.[a-z0-9_-]+)*$/;

const writtenFqdn = record<Fqdn>({ matchName: optional(nonEmptyText), matchPattern: optional(nonEmptyText) });

/** `matchName` or `matchPattern`, as a pattern that `matchesDnsName` takes. */
export const ciliumFqdn: Shape<string> = (value, spot) => {
  const read = writtenFqdn(value, spot);
  if (read === undefined) return undefined;
  const { matchName, matchPattern } = read;
  const written = (matchName ?? matchPattern ?? "").trim().toLowerCase().replace(/\.$/, "");
  if ((matchName === undefined) === (matchPattern === undefined)) {
    spot.report("RESOURCE_INVALID_VALUE", `expected exactly one of \`matchName\`, \`matchPattern\` in \`${spot.name}\``);
    return undefined;
  }
  const pattern = matchName === undefined ? dnsPatternOf(written) : NAME.test(written) ? written : undefined;
  if (pattern !== undefined && written.length <= MAX_DNS_NAME) return pattern;
  spot.report("RESOURCE_INVALID_VALUE", `expected \`${spot.name}\` to be a DNS name, got \`${written}\``);
  return undefined;
};

/** Cilium's `*` is any characters of one label, a leading `**.` one or more labels, `*` alone every name. */
function dnsPatternOf(pattern: string): string | undefined {
  if (pattern === "*") return "*";
  const hasSubdomains = pattern.startsWith("**.");
  const rest = hasSubdomains ? pattern.slice(3) : pattern;
  if (!/^[a-z0-9_*-]+(?:\.[a-z0-9_*-]+)*$/.test(rest) || rest.includes("**")) return undefined;
  // Both kinds of wildcard at once cannot be written.
  if (hasSubdomains) return rest.includes("*") ? undefined : `*.${rest}`;
  return rest.replaceAll("*", "+");
}
