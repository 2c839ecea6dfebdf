/** cel-go's network extension (ext/network.go), which Kubernetes has as two libraries without `isMask`. Costs are Kubernetes'. */
import {
  isGlobalUnicast,
  isLinkLocalMulticast,
  isLinkLocalUnicast,
  isLoopback,
  isUnspecified,
  maskAddress,
  prefixContains,
  sameAddress,
} from "../../lib/ip-network.ts";
import type { CallCost, CostRange, FunctionDeclaration, Library } from "../declaration.ts";
import { costSize } from "../runtime/cost.ts";
import { BOOL, INT, STRING } from "../type.ts";
import { CelError, type CelValue } from "../value.ts";
import { fixedCost, plus, range, scaled, TRAVERSAL_FACTOR, traversal, UNBOUNDED } from "./cost.ts";
import { declare, func, method, opaque, type Parameter, string } from "./define.ts";
import { CIDR, CidrValue, cidrOf, IP, IpValue, ipOf, networkTypes } from "./ip-values.ts";

const ip: Parameter<IpValue> = opaque(IP);
const cidr: Parameter<CidrValue> = opaque(CIDR);

const UNIT = fixedCost(1);
const PARSE = traversal();

const ipTest = (name: string, id: string, description: string, test: (address: Uint8Array) => boolean): FunctionDeclaration =>
  declare(
    name,
    description,
    method(id, [ip], BOOL, (value) => test(value.address), UNIT),
  );

function isCanonical(text: string): CelValue {
  const value = ipOf(text);
  return value instanceof CelError ? value : value.toString() === text;
}

const containsIp = (network: CidrValue, address: IpValue): boolean => prefixContains(network.prefix, address.address);

const containsCidr = ({ prefix }: CidrValue, other: CidrValue): boolean =>
  prefix.bits <= other.prefix.bits && prefixContains(prefix, other.prefix.address);

/** An address is as many bytes as it has, a network as many as its prefix touches. */
const networkSize = (value: CelValue | undefined): number =>
  value instanceof CidrValue ? Math.ceil(value.prefix.bits / 8) : value instanceof IpValue ? value.address.length : costSize(value ?? null);

const ADDRESS_SIZE: CostRange = range(4, 16);

/** Two prefixes are compared, `extra` units on top, and a text is read before where `parses`. */
function containmentCost(extra: (size: CostRange) => CostRange, parses: boolean): CallCost {
  return {
    actual: ([network, other]) => {
      const size = range(networkSize(network));
      const parsing = parses ? Math.ceil(networkSize(other) * TRAVERSAL_FACTOR) : 0;
      return scaled(plus(size, size), TRAVERSAL_FACTOR).min + extra(size).min + parsing;
    },
    estimate: ([, other = UNBOUNDED]) => {
      const compared = plus(scaled(plus(ADDRESS_SIZE, ADDRESS_SIZE), TRAVERSAL_FACTOR), extra(ADDRESS_SIZE));
      return { cost: parses ? plus(compared, scaled(other, TRAVERSAL_FACTOR)) : compared };
    },
  };
}

const noExtra = (): CostRange => range(0);
const maskCost = (size: CostRange): CostRange => plus(scaled(size, TRAVERSAL_FACTOR), range(1));

const toStringDescription = "The canonical text of an address or a network.";

export const ipFunctions: readonly FunctionDeclaration[] = [
  declare("ip", "An IP address from its text, or the address of a network.", func("string_to_ip", [string], IP, ipOf, PARSE)),
  declare(
    "isIP",
    "Whether a string is an IP address: no zone, no leading zeros, no IPv4-mapped IPv6 address.",
    func("is_ip", [string], BOOL, (text) => ipOf(text) instanceof IpValue, PARSE),
  ),
  declare(
    "ip.isCanonical",
    "Whether the text of an IP address is its canonical one.",
    func("ip_is_canonical", [string], BOOL, isCanonical, traversal(2 * TRAVERSAL_FACTOR)),
  ),
  declare(
    "family",
    "4 or 6.",
    method("ip_family", [ip], INT, (value) => (value.address.length === 4 ? 4 : 6), UNIT),
  ),
  ipTest("isUnspecified", "ip_is_unspecified", "Whether the address is 0.0.0.0 or ::.", isUnspecified),
  ipTest("isLoopback", "ip_is_loopback", "Whether the address is in 127.0.0.0/8, or ::1.", isLoopback),
  ipTest(
    "isLinkLocalMulticast",
    "ip_is_link_local_multicast",
    "Whether the address is in 224.0.0.0/24 or ff02::/16.",
    isLinkLocalMulticast,
  ),
  ipTest("isLinkLocalUnicast", "ip_is_link_local_unicast", "Whether the address is in 169.254.0.0/16 or fe80::/10.", isLinkLocalUnicast),
  ipTest(
    "isGlobalUnicast",
    "ip_is_global_unicast",
    "Whether the address is none of unspecified, broadcast, loopback, multicast and link-local.",
    isGlobalUnicast,
  ),
  declare(
    "string",
    toStringDescription,
    func("ip_to_string", [ip], STRING, (value) => value.toString()),
  ),
];

export const cidrFunctions: readonly FunctionDeclaration[] = [
  declare("cidr", "A network from its text, `address/bits`.", func("string_to_cidr", [string], CIDR, cidrOf, PARSE)),
  declare(
    "isCIDR",
    "Whether a string is a network, `address/bits`; bits after the prefix may be set.",
    func("is_cidr", [string], BOOL, (text) => cidrOf(text) instanceof CidrValue, PARSE),
  ),
  declare(
    "ip",
    "An IP address from its text, or the address of a network.",
    method("cidr_ip", [cidr], IP, (value) => new IpValue(value.prefix.address), UNIT),
  ),
  declare(
    "containsIP",
    "Whether the network contains an IP address.",
    method("cidr_contains_ip_ip", [cidr, ip], BOOL, containsIp, containmentCost(noExtra, false)),
    method(
      "cidr_contains_ip_string",
      [cidr, string],
      BOOL,
      (network, text) => {
        const address = ipOf(text);
        return address instanceof CelError ? address : containsIp(network, address);
      },
      containmentCost(noExtra, true),
    ),
  ),
  declare(
    "containsCIDR",
    "Whether the network contains another network.",
    method("cidr_contains_cidr", [cidr, cidr], BOOL, containsCidr, containmentCost(maskCost, false)),
    method(
      "cidr_contains_cidr_string",
      [cidr, string],
      BOOL,
      (network, text) => {
        const other = cidrOf(text);
        return other instanceof CelError ? other : containsCidr(network, other);
      },
      containmentCost(maskCost, true),
    ),
  ),
  declare(
    "prefixLength",
    "The number of bits that name the network.",
    method("cidr_prefix_length", [cidr], INT, ({ prefix }) => prefix.bits, UNIT),
  ),
  declare(
    "masked",
    "The network with all bits after its prefix cleared.",
    method(
      "cidr_masked",
      [cidr],
      CIDR,
      ({ prefix }) => new CidrValue({ ...prefix, address: maskAddress(prefix.address, prefix.bits) }),
      UNIT,
    ),
  ),
  declare(
    "string",
    toStringDescription,
    func("cidr_to_string", [cidr], STRING, (value) => value.toString()),
  ),
];

const isMask = ({ prefix }: CidrValue): boolean => sameAddress(prefix.address, maskAddress(prefix.address, prefix.bits));

/** Version 1. */
export const networkLibrary: Library = {
  name: "network",
  functions: [
    ...ipFunctions,
    ...cidrFunctions,
    declare("isMask", "Whether no bit after the prefix of the network is set.", method("cidr_is_mask", [cidr], BOOL, isMask, UNIT)),
  ],
  constants: networkTypes,
};
