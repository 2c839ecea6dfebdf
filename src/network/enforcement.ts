/**
 * Access policies enforced by the kernel of this host: programs at a cgroup judge what its workloads connect to, send and receive. They need
 * root, cgroup v2 and BTF of the kernel; where those are not, `openNetworkEnforcement` says so, and what the process layer enforces remains.
 */
import {
  attachCgroup,
  type Collection,
  cgroup2Path,
  type KernelProgram,
  KeyedMap,
  type Link,
  type LoadedMap,
  loadCollection,
  type MapSpec,
  type PinDirectory,
  type ProgramSpec,
  RingReader,
  type RingSource,
} from "../ebpf/index.ts";
import { messageOf, VigilError } from "../lib/error.ts";
import { formatIpAddress, isLoopback, sameAddress } from "../lib/ip-network.ts";
import type { AccessSet } from "../policy/access/access-set.ts";
import { asksForNames } from "../policy/access/decide-lookup.ts";
import { type Endpoint, EXTERNAL, endpoint } from "../policy/access/endpoint.ts";
import { KernelCompiler, type KernelSubject } from "../target/kernel/compile-kernel.ts";
import { EXTERNAL_IDENTITY, type KernelArtifact } from "../target/kernel/kernel-artifact.ts";
import { type LearnedAddress, nodeOfNames } from "../target/kernel/network-node.ts";
import { addressOfHalves } from "./dns/address-halves.ts";
import { DEFAULT_NAME_LIMITS, type NameLimits } from "./dns/learned-names.ts";
import { NameLearning } from "./dns/name-learning.ts";
import { QuestionGate } from "./dns/question-gate.ts";
import { restoreProgram } from "./dns/redirect-programs.ts";
import { addressKey, type Whereabouts } from "./encode-whereabouts.ts";
import { type FlowNames, flowHandler, type NetworkFlow } from "./flow.ts";
import {
  type AddressFacts,
  type AddressKey,
  DEFAULT_SIZES,
  DIRECTION_NUMBER,
  type NetworkMaps,
  type NetworkSizes,
  networkMaps,
  PROTOCOL_NUMBER,
} from "./kernel-maps.ts";
import { lookups } from "./lookups.ts";
import type { NetworkErrorCode } from "./network-error.ts";
import { NetworkPins } from "./network-pins.ts";
import { type NetworkWorkload, WorkloadLocator } from "./network-workload.ts";
import { packetProgram } from "./packet-program.ts";
import { PolicyBanks } from "./policy-banks.ts";
import { SetEncoder } from "./set-encoder.ts";
import { bindProgram, connectProgram, createProgram, releaseProgram, sendProgram } from "./socket-programs.ts";

export interface NetworkOptions {
  /** All workloads are in cgroups below it. Default: the root of the hierarchy of version 2, so that no process is missed. */
  readonly cgroupRoot?: string;
  /** Who has this host's addresses where no workload listens or sends. Default: a host without labels. */
  readonly host?: Endpoint;
  /** Told of each step of a flow. Keeps the process alive. */
  readonly onFlow?: (flow: NetworkFlow) => void;
  /** Told how many steps were lost because they came faster than they were read. */
  readonly onLoss?: (count: number) => void;
  /** Reports what would be denied, and drops nothing. Default: false. */
  readonly isAudit?: boolean;
  readonly sizes?: Partial<NetworkSizes>;
  /** Where programs and maps are pinned, so that they enforce on when this process dies, and the next one takes over without a gap. */
  readonly pins?: PinDirectory;
  /** How many names are learned. */
  readonly nameLimits?: Partial<NameLimits>;
  /** Milliseconds since the epoch. */
  readonly now?: () => number;
}

/** After a switch. */
const SETTLE_MS = 50;
/** Generations whose numbers are still understood: records of the one before may come after a swap. */
const KEPT_GENERATIONS = 4;
/** Without connections, a flow is in use so long after its last packet. */
const IN_USE_NS = 60_000_000_000;

export type { NetworkWorkload } from "./network-workload.ts";

export class NetworkEnforcement implements Disposable {
  readonly #maps: NetworkMaps;
  readonly #loaded: Collection;
  readonly #banks: PolicyBanks;
  readonly #pins: NetworkPins | undefined;
  readonly #owned: DisposableStack;
  readonly #options: NetworkOptions;
  readonly #host: Endpoint;
  readonly #compiler = new KernelCompiler();
  readonly #encoder = new SetEncoder();
  readonly #locator = new WorkloadLocator();
  readonly #names: Map<number, FlowNames>;
  #subjects: readonly KernelSubject[];
  #workloads: readonly NetworkWorkload[] | undefined;
  /** What DNS answers have said; the DNS proxy fills it. */
  readonly names: NameLearning;
  /** Whose questions are read, and by whom; the DNS proxy opens it. */
  readonly questions: QuestionGate;
  /** By the text of the address. */
  #learned: ReadonlyMap<string, LearnedAddress> = new Map();
  #inForce: { readonly artifact: KernelArtifact; readonly whereabouts: Whereabouts } | undefined;
  #set: AccessSet | undefined;
  #settling: NodeJS.Timeout | undefined;

  /** `openNetworkEnforcement` makes it. */
  constructor(
    options: NetworkOptions,
    parts: {
      readonly maps: NetworkMaps;
      readonly loaded: Collection;
      readonly names: Map<number, FlowNames>;
      readonly pins: NetworkPins | undefined;
      readonly owned: DisposableStack;
    },
  ) {
    this.#options = options;
    this.#maps = parts.maps;
    this.#loaded = parts.loaded;
    this.#names = parts.names;
    this.#pins = parts.pins;
    this.#owned = parts.owned;
    this.#banks = this.#owned.use(new PolicyBanks(parts.maps, parts.loaded, options.sizes?.setEntries));
    this.#host = options.host ?? endpoint("host");
    this.#subjects = [{ endpoint: this.#host, hasUpperLayer: false }];
    this.questions = this.#owned.use(new QuestionGate(parts.maps.dns, parts.loaded));
    this.questions.close();
    this.names = new NameLearning({
      maps: parts.maps.dns,
      loaded: parts.loaded,
      limits: { ...DEFAULT_NAME_LIMITS, ...options.nameLimits },
      apply: (changes) => this.#setNames(changes),
      inUse: () => this.#peersInUse(),
      now: options.now ?? Date.now,
    });
    this.names.restore();
  }

  /** The policies in force, once the inventory is known too. */
  get policies(): AccessSet | undefined {
    return this.#inForce === undefined ? undefined : this.#set;
  }

  /** The workload that has a cgroup; undefined when it is none of the inventory. */
  workloadOf(cgroupId: bigint): Endpoint | undefined {
    const { artifact, whereabouts } = this.#inForce ?? {};
    const found = whereabouts?.cgroups.find(({ id }) => id === cgroupId);
    return found === undefined ? undefined : artifact?.identities[found.identity];
  }

  /** Who has an address: somebody of the inventory, this host, or whatever is not known. */
  ownerOf(address: Uint8Array): Endpoint {
    if (isLoopback(address)) return this.#host;
    const { artifact, whereabouts } = this.#inForce ?? {};
    const found = whereabouts?.addresses.findLast((entry) => sameAddress(entry.address, address));
    return (found === undefined ? undefined : artifact?.identities[found.identity]) ?? EXTERNAL;
  }

  /** Texts of addresses to which workloads have connections, or were sending until a minute ago. */
  #peersInUse(): ReadonlySet<string> {
    const used = new Set<string>();
    const nowNs = Number(process.hrtime.bigint());
    for (const [key, entry] of new KeyedMap(this.#loaded.map(this.#maps.connections)).entries()) {
      const isOpen = key.protocol === PROTOCOL_NUMBER.tcp ? entry.condition === 0 : nowNs - entry.lastSeenNs < IN_USE_NS;
      if (isOpen && entry.direction === DIRECTION_NUMBER.egress)
        used.add(formatIpAddress(addressOfHalves({ high: key.peerHigh, low: key.peerLow })));
    }
    return used;
  }

  /** Counts the sets that were put in force; 0 before the first. */
  get generation(): number {
    return this.#banks.generation;
  }

  /**
   * Who is where. Takes effect as a whole, and at once when the policies are known. Workloads that start later should be told before they bind
   * sockets: a socket that was bound before counts as the host's. Throws `NETWORK_CGROUP`, `NETWORK_SET`.
   */
  setInventory(workloads: readonly NetworkWorkload[]): void {
    const before = [this.#workloads, this.#subjects] as const;
    this.#workloads = workloads;
    this.#subjects = [
      { endpoint: this.#host, hasUpperLayer: false },
      ...workloads.map(({ endpoint: workload, hasUpperLayer = false }) => ({ endpoint: workload, hasUpperLayer })),
    ];
    try {
      this.#apply();
    } catch (thrown) {
      [this.#workloads, this.#subjects] = before;
      throw thrown;
    }
  }

  /** The policies. Takes effect as a whole before it returns, when the inventory is known. Throws `NETWORK_CGROUP`, `NETWORK_SET`: what was in force stays. */
  setPolicies(set: AccessSet): void {
    const before = this.#set;
    this.#set = set;
    try {
      this.#apply();
    } catch (thrown) {
      this.#set = before;
      throw thrown;
    }
  }

  /** Compiles again: rollouts and expiries depend on the time. */
  refresh(): void {
    this.#apply();
  }

  /** Connections that the kernel remembers now, at most `sizes.connections`. */
  countConnections(): number {
    let count = 0;
    for (const _ of new KeyedMap(this.#loaded.map(this.#maps.connections)).entries()) count++;
    return count;
  }

  /** Ends. With `keepPinned`, what is pinned enforces on, until a next process takes over; otherwise the kernel enforces nothing any more. */
  close({ keepPinned }: { readonly keepPinned: boolean }): void {
    clearTimeout(this.#settling);
    if (!keepPinned) this.#pins?.unpin();
    this.#owned.dispose();
  }

  [Symbol.dispose](): void {
    this.close({ keepPinned: false });
  }

  /** As one write into a map, unless policies never saw such a combination of names. Throws `NETWORK_SET`: nothing is learned then. */
  #setNames(changes: readonly LearnedAddress[]): void {
    const before = this.#learned;
    const learned = new Map(before);
    for (const change of changes) {
      const key = formatIpAddress(change.address);
      if (change.names.length === 0) learned.delete(key);
      else learned.set(key, change);
    }
    this.#learned = learned;
    try {
      if (!this.#patchNames(changes)) this.#apply();
    } catch (thrown) {
      this.#learned = before;
      throw thrown;
    }
  }

  /** False when the policies must be compiled again for it. */
  #patchNames(changes: readonly LearnedAddress[]): boolean {
    const { artifact, whereabouts } = this.#inForce ?? {};
    if (artifact === undefined || whereabouts === undefined) return false;
    const written: (readonly [AddressKey, AddressFacts])[] = [];
    const removed: AddressKey[] = [];
    for (const change of changes) {
      const node = nodeOfNames(artifact, change);
      if (node === undefined) return false;
      const key = addressKey(change.address, change.address.length * 8);
      const owner = whereabouts.addresses.findLast(({ address }) => sameAddress(address, change.address));
      const { prefix, patterns } = artifact.nodes[node] ?? { prefix: undefined, patterns: [] };
      const isEntry = owner !== undefined || patterns.length > 0 || prefix?.bits === change.address.length * 8;
      if (isEntry) written.push([key, { node, identity: owner?.identity ?? EXTERNAL_IDENTITY, isLocal: owner?.isLocal === true ? 1 : 0 }]);
      else removed.push(key);
    }
    return this.#banks.patchAddresses(written, removed);
  }

  #apply(): void {
    // One without the other would take back what an earlier process has put in force.
    if (this.#set === undefined || this.#workloads === undefined) return;
    const { now = Date.now, isAudit = false } = this.#options;
    const artifact = this.#compiler.compile({
      set: this.#set,
      subjects: this.#subjects,
      learned: [...this.#learned.values()],
      nowMs: now(),
    });
    const { whereabouts, levels } = this.#locator.locate(this.#workloads, this.#host, artifact.identities);
    const encoded = this.#encoder.encode(artifact, whereabouts);
    const set = this.#set;
    const clients = new Set(whereabouts.cgroups.flatMap(({ id, identity }) => (asks(set, artifact.identities[identity]) ? [id] : [])));
    // Questions are read before a set needs it, and until none does.
    this.questions.setClients(new Set([...clients, ...this.questions.clients]));
    // Before the switch, since records of the new generation may come during it.
    const next = Math.max(2, this.#banks.generation + 1);
    this.#names.set(next, { identities: artifact.identities, grounds: encoded.grounds });
    this.#banks.swap(encoded, { levels, isAudit });
    this.#inForce = { artifact, whereabouts };
    this.questions.setClients(clients);
    this.#names.delete(next - KEPT_GENERATIONS);
    this.#settleSoon();
  }

  /** So that the next set need not wait for it. */
  #settleSoon(): void {
    clearTimeout(this.#settling);
    this.#settling = setTimeout(() => {
      try {
        this.#banks.settle();
      } catch {
        // The next set waits for it, and says what is wrong.
      }
    }, SETTLE_MS).unref();
  }
}

const asks = (set: AccessSet, endpoint: Endpoint | undefined): boolean => endpoint !== undefined && asksForNames(set, endpoint);

/**
 * Loads the programs and attaches them; they judge nothing before there are policies. Where an earlier process has pinned its own, what that one
 * put in force stays in force meanwhile: its maps are used, and each program is replaced in one step. Throws `NETWORK_UNAVAILABLE` with the
 * reason where this kernel, or this user, cannot.
 */
export function openNetworkEnforcement(options: NetworkOptions = {}): NetworkEnforcement {
  const cgroupRoot = options.cgroupRoot ?? cgroup2Path();
  if (cgroupRoot === undefined)
    throw new VigilError<NetworkErrorCode>(
      "NETWORK_UNAVAILABLE",
      "no cgroup v2 hierarchy is mounted, by which the kernel knows workloads",
      {
        hint: "mount it: mount -t cgroup2 cgroup2 /sys/fs/cgroup; until then only processes enforce",
      },
    );
  const maps = networkMaps({ ...DEFAULT_SIZES, ...options.sizes });
  using opening = new DisposableStack();
  try {
    const programs = networkPrograms(maps);
    const pins = options.pins === undefined ? undefined : new NetworkPins(options.pins);
    const given = pins?.openMaps(lastingMaps(maps), opening) ?? new Map<MapSpec, LoadedMap>();
    const loaded = opening.use(loadCollection({ programs, maps: lastingMaps(maps) }, { given }));
    const names = new Map<number, FlowNames>();
    pins?.pinMaps(lastingMaps(maps).map((spec) => loaded.map(spec)));
    for (const program of programs) opening.use(attachLasting(loaded.program(program), cgroupRoot, pins));
    readFlows(options, { maps, loaded, names, opening });
    return new NetworkEnforcement(options, { maps, loaded, names, pins, owned: opening.move() });
  } catch (cause) {
    throw new VigilError<NetworkErrorCode>("NETWORK_UNAVAILABLE", `the kernel does not enforce access policies: ${messageOf(cause)}`, {
      hint:
        cause instanceof VigilError && cause.hint !== undefined
          ? cause.hint
          : "it takes root (CAP_BPF, CAP_NET_ADMIN) and Linux 6.1 or later; until then only processes enforce",
      cause,
    });
  }
}

/** Maps that outlive a process when they are pinned: all but those inside of banks, which the banks hold. */
const lastingMaps = ({ banks, fence, dns, ...maps }: NetworkMaps): readonly MapSpec[] =>
  [fence.outer, ...Object.values(banks).map(({ outer }) => outer), ...Object.values(maps), ...Object.values(dns)] as readonly MapSpec[];

/** Attaches a program, or puts it in the place of the one that a pinned link holds. */
function attachLasting(program: KernelProgram, cgroupRoot: string, pins: NetworkPins | undefined): Link {
  const { name } = program.spec;
  const before = pins?.link(name);
  if (before?.update(program) === true) return before;
  before?.[Symbol.dispose]();
  const link = attachCgroup(program, cgroupRoot);
  pins?.pinLink(link, name);
  return link;
}

function readFlows(
  { onFlow, onLoss }: NetworkOptions,
  parts: {
    readonly maps: NetworkMaps;
    readonly loaded: Collection;
    readonly names: ReadonlyMap<number, FlowNames>;
    readonly opening: DisposableStack;
  },
): void {
  if (onFlow === undefined) return;
  const { maps, loaded, names, opening } = parts;
  const source: RingSource = {
    map: loaded.map(maps.events),
    losses: loaded.perCpu(maps.losses),
    onRecord: flowHandler(names, onFlow),
  };
  opening.use(new RingReader([source], onLoss === undefined ? {} : { onLoss })).resume();
}

/** All programs that enforce. */
export function networkPrograms(maps: NetworkMaps): readonly ProgramSpec[] {
  const asked = lookups(maps);
  return [
    packetProgram(maps, asked, "egress"),
    packetProgram(maps, asked, "ingress"),
    connectProgram(maps, asked, 4),
    connectProgram(maps, asked, 6),
    sendProgram(maps, asked, 4),
    sendProgram(maps, asked, 6),
    restoreProgram(maps, "recvmsg", 4),
    restoreProgram(maps, "recvmsg", 6),
    restoreProgram(maps, "getpeername", 4),
    restoreProgram(maps, "getpeername", 6),
    createProgram(maps, asked),
    bindProgram(maps, asked, 4),
    bindProgram(maps, asked, 6),
    releaseProgram(maps),
  ];
}
