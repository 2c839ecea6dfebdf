/** What is seen of a program while it runs, on its way to become a profile. */
import type { Architecture, SyscallName } from "../../linux/syscall-numbers.ts";
import {
  type Alternative,
  alternativeKey,
  MAX_ALTERNATIVES,
  PATH_ACCESSES,
  type PathAccess,
  type Profile,
  type Reason,
  type Recording,
  sortReasons,
} from "./profile.ts";

interface SeenCall {
  readonly reasons: Set<Reason>;
  /** Undefined once there are too many. */
  alternatives: Map<string, Alternative> | undefined;
}

/** A program that touches more files than this is described better by directories, by hand. */
const MAX_PATHS = 20_000;

export class Observation {
  readonly #calls = new Map<SyscallName, SeenCall>();
  readonly #paths = new Map<string, { readonly access: Set<PathAccess>; isDirectory: boolean }>();
  readonly #capabilities = new Set<string>();
  readonly #ports = { connect: new Set<number>(), bind: new Set<number>() };
  #lastNewMs = 0;
  #leftOutPaths = 0;

  /** Notes a call; `alternative` is what its guarded arguments were, if it has any. Returns whether anything about it is new. */
  see(name: SyscallName, reason: Reason, atMs: number, alternative?: Alternative): boolean {
    const call = this.#calls.get(name);
    if (call === undefined) {
      const alternatives = new Map(alternative === undefined ? [] : [[alternativeKey(alternative), alternative]]);
      this.#calls.set(name, { reasons: new Set([reason]), alternatives: alternative === undefined ? undefined : alternatives });
      this.#lastNewMs = Math.max(this.#lastNewMs, atMs);
      return true;
    }
    call.reasons.add(reason);
    if (alternative === undefined || call.alternatives === undefined) return false;
    const key = alternativeKey(alternative);
    if (call.alternatives.has(key)) return false;
    call.alternatives.set(key, alternative);
    this.#lastNewMs = Math.max(this.#lastNewMs, atMs);
    if (call.alternatives.size > MAX_ALTERNATIVES) call.alternatives = undefined;
    return true;
  }

  /** From now on a call counts as made with any arguments: more values were there than could be kept. */
  seeAnyArguments(name: SyscallName): void {
    const call = this.#calls.get(name);
    if (call !== undefined) call.alternatives = undefined;
  }

  seeCapability(name: string): void {
    this.#capabilities.add(name);
  }

  /** UNTRUSTED: `path`. It is absolute and normal; more than 20,000 different ones are counted rather than kept. */
  seePath(path: string, access: PathAccess, isDirectory: boolean): void {
    const use = this.#paths.get(path);
    if (use !== undefined) {
      use.access.add(access);
      use.isDirectory ||= isDirectory;
      return;
    }
    if (this.#paths.size < MAX_PATHS) this.#paths.set(path, { access: new Set([access]), isDirectory });
    else this.#leftOutPaths++;
  }

  seePort(use: "connect" | "bind", port: number): void {
    if (port > 0) this.#ports[use].add(port);
  }

  get callCount(): number {
    return this.#calls.size;
  }

  get lastNewMs(): number {
    return this.#lastNewMs;
  }

  get leftOutPaths(): number {
    return this.#leftOutPaths;
  }

  /** The profile of what was seen. `recording` lacks what the observation itself knows. */
  profile(name: string, architecture: Architecture, recording: Omit<Recording, "lastNewMs" | "calls">): Profile {
    const order = <T>([a]: readonly [string, T], [b]: readonly [string, T]): number => (a < b ? -1 : a > b ? 1 : 0);
    const sortedPorts = (ports: ReadonlySet<number>): readonly number[] => [...ports].sort((a, b) => a - b);
    return {
      name,
      architectures: [architecture],
      calls: [...this.#calls].sort(order).map(([call, { reasons, alternatives }]) => ({
        name: call,
        reasons: sortReasons(reasons),
        alternatives: [...(alternatives ?? [])].sort(order).map(([, alternative]) => alternative),
      })),
      capabilities: [...this.#capabilities].sort(),
      paths: [...this.#paths].sort(order).map(([path, { access, isDirectory }]) => ({
        path,
        access: PATH_ACCESSES.filter((each) => access.has(each)),
        isDirectory,
      })),
      network: { connect: sortedPorts(this.#ports.connect), bind: sortedPorts(this.#ports.bind) },
      recordings: [{ ...recording, lastNewMs: Math.round(this.#lastNewMs), calls: this.#calls.size }],
    };
  }
}
