/** A compiled policy set and an inventory, as entries of the kernel's maps. */
import { parseIpAddress } from "../lib/ip-address.ts";
import { isLoopback, maskAddress } from "../lib/ip-network.ts";
import type { Ground } from "../policy/access/decide-access.ts";
import { EXTERNAL_IDENTITY, type KernelArtifact, type KernelPolicy, type PortVerdict } from "../target/kernel/kernel-artifact.ts";
import { nodeOf } from "../target/kernel/network-node.ts";
import {
  type AddressFacts,
  type AddressKey,
  type ClassKey,
  DIRECTION_NUMBER,
  type PolicyFacts,
  type PolicyKey,
  PROTOCOL_NUMBER,
  type Verdict,
  type VerdictKey,
} from "./kernel-maps.ts";
import { portPrefixes } from "./port-prefixes.ts";

/** Who has a cgroup or an address, by the numbers of the artifact. */
export interface Whereabouts {
  readonly cgroups: readonly { readonly id: bigint; readonly identity: number }[];
  /** 4 or 16 octets. A later entry takes an address from an earlier one. */
  readonly addresses: readonly { readonly address: Uint8Array; readonly identity: number; readonly isLocal: boolean }[];
  /** Of this host itself, which has every loopback address. */
  readonly host: number;
}

export interface EncodedSet {
  readonly workloads: readonly (readonly [bigint, number])[];
  readonly addresses: readonly (readonly [AddressKey, AddressFacts])[];
  readonly policies: readonly (readonly [PolicyKey, PolicyFacts])[];
  readonly peers: readonly (readonly [ClassKey, number])[];
  readonly networks: readonly (readonly [ClassKey, number])[];
  readonly cells: readonly (readonly [number, number])[];
  readonly verdicts: readonly (readonly [VerdictKey, Verdict])[];
  /** By number; 0 is none. What is audited has the ground that would have denied. */
  readonly grounds: readonly (Ground | undefined)[];
}

export function encodeSet(artifact: KernelArtifact, whereabouts: Whereabouts): EncodedSet {
  const policies: (readonly [PolicyKey, PolicyFacts])[] = [];
  const peers: (readonly [ClassKey, number])[] = [];
  const networks: (readonly [ClassKey, number])[] = [];
  const cells: (readonly [number, number])[] = [];
  const tables = new VerdictTables();
  for (const direction of ["egress", "ingress"] as const) {
    for (const [identity, own] of artifact[direction]) {
      const policy = policies.length;
      const { otherPeers, networkClassCount } = own;
      policies.push([
        { identity, direction: DIRECTION_NUMBER[direction] },
        { policy, otherPeers, networkClasses: networkClassCount, firstCell: cells.length },
      ]);
      for (const [member, peerClass] of own.peerClasses) if (peerClass !== otherPeers) peers.push([{ policy, member }, peerClass]);
      for (const [member, networkClass] of own.networkClasses) networks.push([{ policy, member }, networkClass]);
      for (const verdicts of own.verdicts satisfies KernelPolicy["verdicts"]) cells.push([cells.length, tables.numberOf(verdicts)]);
    }
  }
  return {
    workloads: whereabouts.cgroups.map(({ id, identity }) => [id, identity] as const),
    addresses: encodeAddresses(artifact, whereabouts),
    policies,
    peers,
    networks,
    cells,
    verdicts: tables.entries,
    grounds: tables.grounds,
  };
}

const TABLE_AND_PROTOCOL_BITS = 48;
const IPV4_BITS = 96;

/** Tables that say the same are one. */
class VerdictTables {
  readonly entries: (readonly [VerdictKey, Verdict])[] = [];
  readonly grounds: (Ground | undefined)[] = [undefined];
  readonly #tables = new Map<string, number>();
  readonly #grounds = new Map<string, number>();

  numberOf(verdicts: readonly PortVerdict[]): number {
    const content = JSON.stringify(verdicts);
    const known = this.#tables.get(content);
    if (known !== undefined) return known;
    const table = this.#tables.size;
    this.#tables.set(content, table);
    for (const { protocol, first, last, verdict, ground, audited, isProvisional } of verdicts) {
      const value: Verdict = {
        isAllowed: verdict === "allow" ? 1 : 0,
        isAudited: audited === undefined ? 0 : 1,
        isProvisional: isProvisional ? 1 : 0,
        ground: this.#groundOf(audited ?? ground),
      };
      for (const { port, bits } of wholeOf(protocol, first, last))
        this.entries.push([{ bits: TABLE_AND_PROTOCOL_BITS + bits, table, protocol: PROTOCOL_NUMBER[protocol], port }, value]);
    }
    return table;
  }

  #groundOf(ground: Ground): number {
    const content = JSON.stringify(ground);
    const known = this.#grounds.get(content);
    if (known !== undefined) return known;
    this.#grounds.set(content, this.grounds.length);
    return this.grounds.push(ground) - 1;
  }
}

/** All types of ICMP are all ports, so that one prefix says it. */
const wholeOf = (protocol: PortVerdict["protocol"], first: number, last: number): ReturnType<typeof portPrefixes> =>
  protocol.startsWith("icmp") && first === 0 && last === 255 ? [{ port: 0, bits: 0 }] : portPrefixes(first, last);

interface Prefix {
  readonly address: Uint8Array;
  readonly bits: number;
}

function encodeAddresses(artifact: KernelArtifact, { addresses, host }: Whereabouts): readonly (readonly [AddressKey, AddressFacts])[] {
  const entries = new Map<string, readonly [AddressKey, AddressFacts]>();
  const owners = new Map(addresses.map((entry) => [Buffer.from(entry.address).toString("hex"), entry]));
  const add = ({ address, bits }: Prefix, facts: AddressFacts): void => {
    const key = addressKey(address, bits);
    entries.set(`${key.bits} ${key.a} ${key.b} ${key.c} ${key.d}`, [key, facts]);
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
  return [...entries.values()];
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
