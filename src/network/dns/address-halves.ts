/** Addresses as two numbers of eight octets, as programs hold them: IPv4 behind `::ffff:`. */
import { isIpv4Mapped } from "../../lib/ip-network.ts";
import { mappedAddress } from "../encode-whereabouts.ts";

export interface AddressHalves {
  readonly high: bigint;
  readonly low: bigint;
}

export function halvesOf(address: Uint8Array): AddressHalves {
  const view = new DataView(mappedAddress(address).buffer);
  return { high: view.getBigUint64(0, true), low: view.getBigUint64(8, true) };
}

/** 4 or 16 octets. */
export function addressOfHalves({ high, low }: AddressHalves): Uint8Array {
  const octets = new Uint8Array(16);
  const view = new DataView(octets.buffer);
  view.setBigUint64(0, high, true);
  view.setBigUint64(8, low, true);
  return isIpv4Mapped(octets) ? octets.slice(12) : octets;
}
