/** `net.IP` and `net.CIDR`: the values of the network functions of Kubernetes and of cel-go. */
import { parseIpAddress } from "../../lib/ip-address.ts";
import { formatIpAddress, formatIpPrefix, type IpPrefix, isIpv4Mapped, parseIpPrefix, sameAddress } from "../../lib/ip-network.ts";
import { quote } from "../runtime/failure.ts";
import { typeName } from "../runtime/type-of.ts";
import { type CelType, opaqueType } from "../type.ts";
import { type CelError, CelOpaque, CelTypeValue } from "../value.ts";
import { fail } from "./define.ts";

export const IP: CelType = opaqueType("net.IP");
export const CIDR: CelType = opaqueType("net.CIDR");

/** `net.IP` and `net.CIDR` as names of types. */
export const networkTypes: ReadonlyMap<string, { readonly type: CelType; readonly value: CelTypeValue }> = new Map(
  [IP, CIDR].map((of) => [typeName(of), { type: { kind: "type", of }, value: new CelTypeValue(of) }]),
);

export class IpValue extends CelOpaque {
  readonly celType: CelType = IP;
  /** 4 or 16 octets. */
  readonly address: Uint8Array;

  constructor(address: Uint8Array) {
    super();
    this.address = address;
  }

  override equals(other: CelOpaque): boolean {
    return other instanceof IpValue && sameAddress(this.address, other.address);
  }

  override toString(): string {
    return formatIpAddress(this.address);
  }

  override toCelJson(): string {
    return this.toString();
  }
}

export class CidrValue extends CelOpaque {
  readonly celType: CelType = CIDR;
  readonly prefix: IpPrefix;

  constructor(prefix: IpPrefix) {
    super();
    this.prefix = prefix;
  }

  override equals(other: CelOpaque): boolean {
    return other instanceof CidrValue && this.prefix.bits === other.prefix.bits && sameAddress(this.prefix.address, other.prefix.address);
  }

  override toString(): string {
    return formatIpPrefix(this.prefix);
  }

  override toCelJson(): string {
    return this.toString();
  }
}

/** The address, or why the text is none: zones and IPv4-mapped IPv6 addresses are refused. */
export function ipOf(text: string): IpValue | CelError {
  const address = parseIpAddress(text);
  if (address === undefined) return fail(`${quote(text)} is not an IP address`);
  return isIpv4Mapped(address) ? fail(`an IPv4-mapped IPv6 address is not allowed: ${quote(text)}`) : new IpValue(address);
}

export function cidrOf(text: string): CidrValue | CelError {
  const prefix = parseIpPrefix(text);
  if (prefix === undefined) return fail(`${quote(text)} is not a network address, expected \`address/bits\``);
  return isIpv4Mapped(prefix.address) ? fail(`an IPv4-mapped IPv6 address is not allowed: ${quote(text)}`) : new CidrValue(prefix);
}
