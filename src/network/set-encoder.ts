/**
 * Encodes policy sets one after the other, each only as far as it differs from the one before. Numbers that are written into the kernel (of
 * policies, their cells, tables of verdicts, grounds) stay what they are as long as what they stand for is there.
 */
import { type EncodedEntries, encodeEntries, type MapSpec } from "../ebpf/index.ts";
import type { Direction } from "../policy/access/access-rule.ts";
import type { Ground } from "../policy/access/decide-access.ts";
import type { KernelArtifact, KernelPolicy } from "../target/kernel/kernel-artifact.ts";
import { encodeAddresses, encodeWorkloads, type Whereabouts } from "./encode-whereabouts.ts";
import { type Banks, DIRECTION_NUMBER, networkBanks } from "./kernel-maps.ts";
import { NumberRanges } from "./number-ranges.ts";
import { VerdictTables } from "./verdict-tables.ts";

/** What a map holds, as blocks of entries that come and go together; a block that is the same object has the same entries. */
export interface EncodedMap {
  readonly blocks: ReadonlyMap<string | number | bigint, EncodedEntries>;
  /** Of arrays, how long it has to be. */
  readonly entryCount: number;
  /** Two that say the same version are the same. */
  readonly version: number;
}

/** A whole set. It is valid until its encoder encodes the next one. */
export interface EncodedSet {
  readonly maps: { readonly [M in keyof Banks]: EncodedMap };
  /** By number; 0 is none. What is audited has the ground that would have denied. */
  readonly grounds: readonly (Ground | undefined)[];
}

/** Where a policy is. */
interface Placed {
  readonly policy: KernelPolicy;
  readonly firstCell: number;
  readonly tables: readonly number[];
}

const SPECS = networkBanks();

/** Blocks of one map, with its version. */
class Blocks<K, V> {
  readonly #spec: MapSpec<K, V>;
  #blocks = new Map<string | number | bigint, EncodedEntries>();
  #count = 0;
  #version = 0;

  constructor(spec: MapSpec<K, V>) {
    this.#spec = spec;
  }

  /** Puts entries in the place of those of that name; none: takes them away. */
  set(name: string | number | bigint, entries: readonly (readonly [K, V])[]): void {
    const before = this.#blocks.get(name);
    if (entries.length === 0) {
      if (before === undefined) return;
      this.#blocks.delete(name);
    } else {
      const next = encodeEntries(this.#spec, entries);
      if (before !== undefined && Buffer.compare(before.keys, next.keys) === 0 && Buffer.compare(before.values, next.values) === 0) return;
      this.#blocks.set(name, next);
    }
    this.#count += entries.length - (before?.count ?? 0);
    this.#version++;
  }

  /** Makes the blocks those of the list, one for each entry. */
  replace(entries: readonly (readonly [string | number | bigint, readonly [K, V]])[]): void {
    const names = new Set(entries.map(([name]) => name));
    for (const name of this.#blocks.keys()) if (!names.has(name)) this.set(name, []);
    for (const [name, entry] of entries) this.set(name, [entry]);
  }

  encoded(entryCount: number = this.#count): EncodedMap {
    return { blocks: this.#blocks, entryCount, version: this.#version };
  }
}

/** Cells that nobody uses, above which all are placed anew. */
const TOLERATED_WASTE = 1 << 16;

export class SetEncoder {
  readonly #workloads = new Blocks(SPECS.workloads.inner);
  readonly #addresses = new Blocks(SPECS.addresses.inner);
  readonly #policies = new Blocks(SPECS.policies.inner);
  readonly #peers = new Blocks(SPECS.peers.inner);
  readonly #networks = new Blocks(SPECS.networks.inner);
  readonly #cells = new Blocks(SPECS.cells.inner);
  readonly #verdicts = new Blocks(SPECS.verdicts.inner);
  readonly #tables = new VerdictTables((table, entries) => this.#verdicts.set(table, entries));
  readonly #ranges = new NumberRanges();
  readonly #placed = new Map<number, Placed>();
  #located: Pick<KernelArtifact, "nodes" | "learned"> | undefined;
  #whereabouts: Whereabouts | undefined;

  encode(artifact: KernelArtifact, whereabouts: Whereabouts): EncodedSet {
    this.#placePolicies(artifact);
    if (this.#ranges.wasteCount > TOLERATED_WASTE) {
      for (const number of this.#placed.keys()) this.#remove(number);
      this.#ranges.clear();
      this.#placePolicies(artifact);
    }
    const isElsewhere = this.#whereabouts !== whereabouts;
    if (isElsewhere) this.#workloads.replace(encodeWorkloads(whereabouts));
    if (isElsewhere || this.#located?.nodes !== artifact.nodes || this.#located.learned !== artifact.learned)
      this.#addresses.replace(encodeAddresses(artifact, whereabouts));
    this.#located = artifact;
    this.#whereabouts = whereabouts;
    return {
      maps: {
        workloads: this.#workloads.encoded(),
        addresses: this.#addresses.encoded(),
        policies: this.#policies.encoded(),
        peers: this.#peers.encoded(),
        networks: this.#networks.encoded(),
        cells: this.#cells.encoded(this.#ranges.end),
        verdicts: this.#verdicts.encoded(),
      },
      grounds: this.#tables.grounds(),
    };
  }

  #placePolicies(artifact: KernelArtifact): void {
    const gone = new Set(this.#placed.keys());
    for (const direction of ["egress", "ingress"] as const) {
      for (const [identity, policy] of artifact[direction]) {
        const number = identity * 2 + DIRECTION_NUMBER[direction];
        gone.delete(number);
        if (this.#placed.get(number)?.policy !== policy) this.#place(number, { identity, direction, policy });
      }
    }
    for (const number of gone) this.#remove(number);
  }

  #place(
    number: number,
    { identity, direction, policy }: { readonly identity: number; readonly direction: Direction; readonly policy: KernelPolicy },
  ): void {
    const before = this.#placed.get(number);
    // The new tables first: what both have in common stays where it is.
    const tables = policy.verdicts.map((verdicts) => this.#tables.take(verdicts));
    for (const table of before?.tables ?? []) this.#tables.giveBack(table);
    const isAsLong = before?.tables.length === tables.length;
    if (before !== undefined && !isAsLong) this.#ranges.giveBack(before.firstCell, before.tables.length);
    const firstCell = before !== undefined && isAsLong ? before.firstCell : this.#ranges.take(tables.length);
    this.#placed.set(number, { policy, firstCell, tables });

    const { otherPeers, networkClassCount: networkClasses, peerClasses } = policy;
    this.#policies.set(number, [
      [
        { identity, direction: DIRECTION_NUMBER[direction] },
        { policy: number, otherPeers, networkClasses, firstCell },
      ],
    ]);
    const entries = (classes: ReadonlyMap<number, number>, except: number): (readonly [{ policy: number; member: number }, number])[] =>
      [...classes].flatMap(([member, own]) => (own === except ? [] : [[{ policy: number, member }, own] as const]));
    this.#peers.set(number, entries(peerClasses, otherPeers));
    this.#networks.set(number, entries(policy.networkClasses, 0));
    this.#cells.set(
      number,
      tables.map((table, index) => [firstCell + index, table] as const),
    );
  }

  #remove(number: number): void {
    const { firstCell, tables } = this.#placed.get(number) ?? { firstCell: 0, tables: [] };
    for (const table of tables) this.#tables.giveBack(table);
    this.#ranges.giveBack(firstCell, tables.length);
    this.#placed.delete(number);
    for (const blocks of [this.#policies, this.#peers, this.#networks, this.#cells]) blocks.set(number, []);
  }
}
