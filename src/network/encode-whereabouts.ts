/** Who is where, as entries of the kernel's maps. */
import { parseIpAddress } from "../lib/ip-address.ts";
import { isLoopback, maskAddress } from "../lib/ip-network.ts";
import { EXTERNAL_IDENTITY, type KernelArtifact } from "../target/kernel/kernel-artifact.ts";
import { nodeOf } from "../target/kernel/network-node.ts";
import type { AddressFacts, AddressKey } from "./kernel-maps.ts";

/** Who has a cgroup or an address, by the numbers of the artifact. */
export interface Whereabouts {
  readonly cgroups: readonly { readonly id: bigint; readonly identity: number }[];
  /** 4 or 16 octets. A later entry takes an address from an earlier one. */
  readonly addresses: readonly { readonly address: Uint8Array; readonly identity: number; readonly isLocal: boolean }[];
  /** Of this host itself, which has every loopback address. */
  readonly host: number;
}

/** An entry with a name that no other one has. */
export type NamedEntry<K, V> = readonly [string | bigint, readonly [K, V]];

/** By id of the cgroup. */
export const encodeWorkloads = ({ cgroups }: Whereabouts): readonly NamedEntry<bigint, number>[] => [
  ...new Map(cgroups.map(({ id, identity }) => [id, [id, [id, identity]] as const])).values(),
];

const IPV4_BITS = 96;

interface Prefix {
  readonly address: Uint8Array;
  readonly bits: number;
}

export function encodeAddresses(
  artifact: KernelArtifact,
  { addresses, host }: Whereabouts,
): readonly NamedEntry<AddressKey, AddressFacts>[] {
  const entries = new Map<string, readonly [AddressKey, AddressFacts]>();
  const owners = new Map(addresses.map((entry) => [Buffer.from(entry.address).toString("hex"), entry]));
  const add = ({ address, bits }: Prefix, facts: AddressFacts): void => {
    const key = addressKey(address, bits);
    entries.set(addressName(key), [key, facts]);
  };
  for (const [node, { prefix, patterns }] of artifact.nodes.entries()) {
    // Those that have names are found by their addresses alone.
    if (patterns.length > 0) continue;
    // Of IPv4, which stands for itself.
    if (prefix.address.length === 16 && prefix.bits >= IPV4_BITS && isMapped(prefix.address)) continue;
    const isHost = isLoopback(prefix.address) && prefix.bits >= (prefix.address.length === 4 ? 8 : 128);
    add(prefix, { node, identity: isHost ? host : EXTERNAL_IDENTITY, isLocal: isHost ? 1 : 0 });
  }
  for (const loopback of LOOPBACKS) {
    if (artifact.nodes.some(({ prefix }) => prefix.bits === loopback.bits && samePrefix(prefix, loopback))) continue;
    add(loopback, { node: Math.max(0, nodeOfPrefix(artifact, loopback)), identity: host, isLocal: 1 });
  }
  for (const [text, node] of artifact.learned) {
    const address = parseIpAddress(text);
    if (address !== undefined) add({ address, bits: address.length * 8 }, { node, identity: EXTERNAL_IDENTITY, isLocal: 0 });
  }
  for (const { address, identity, isLocal } of owners.values())
    add({ address, bits: address.length * 8 }, { node: Math.max(0, nodeOf(artifact, address)), identity, isLocal: isLocal ? 1 : 0 });
  return [...entries];
}

const LOOPBACKS: readonly Prefix[] = [
  { address: Uint8Array.of(127, 0, 0, 0), bits: 8 },
  { address: Uint8Array.of(...new Array<number>(15).fill(0), 1), bits: 128 },
];

const samePrefix = (a: Prefix, b: Prefix): boolean =>
  a.address.length === b.address.length && Buffer.compare(maskAddress(a.address, a.bits), maskAddress(b.address, b.bits)) === 0;

/** The longest node that holds the whole prefix: longer ones inside of it are entries of their own. */
const nodeOfPrefix = ({ nodes }: KernelArtifact, { address, bits }: Prefix): number =>
  nodeOf({ nodes: nodes.map((node) => (node.prefix.bits <= bits ? node : { ...node, prefix: NOWHERE })), learned: new Map() }, address);
const NOWHERE: Prefix = { address: new Uint8Array(), bits: 0 };

const isMapped = (address: Uint8Array): boolean =>
  address.every((octet, index) => (index < 10 ? octet === 0 : index > 11 || octet === 255));

export const addressName = ({ bits, a, b, c, d }: AddressKey): string => `${bits} ${a} ${b} ${c} ${d}`;

/** IPv4 addresses are those of `::ffff:0:0/96`. */
export function addressKey(address: Uint8Array, bits: number): AddressKey {
  const whole = mappedAddress(address);
  const view = new DataView(whole.buffer);
  const word = (index: number): number => view.getUint32(index * 4, true);
  return { bits: address.length === 4 ? IPV4_BITS + bits : bits, a: word(0), b: word(1), c: word(2), d: word(3) };
}

export function mappedAddress(address: Uint8Array): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(16);
  if (address.length === 4) whole.set([255, 255], 10);
  whole.set(address, 16 - address.length);
  return whole;
}
