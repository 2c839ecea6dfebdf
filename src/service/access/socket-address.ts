/** Addresses as Node tells them of sockets. */
import { parseIpAddress } from "../../lib/ip-address.ts";

const NO_ADDRESS = new Uint8Array();
const MAPPED = "::ffff:";

/** 4 or 16 octets; none for what has no address. IPv4 addresses on sockets of IPv6 are IPv4 addresses. */
export function socketAddress(text: string | undefined): Uint8Array {
  if (text === undefined) return NO_ADDRESS;
  const isMapped = text.startsWith(MAPPED) && text.includes(".");
  return parseIpAddress(isMapped ? text.slice(MAPPED.length) : text) ?? NO_ADDRESS;
}
