/** Which processes hold objects of the kernel open, as far as this process may see. */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { type ObjectKind, parseDescriptorFacts } from "./descriptor-facts.ts";

export interface Holder {
  readonly pid: number;
  /** The name of the process, as it says itself: UNTRUSTED. */
  readonly name: string;
}

const BPF_FILE = /^anon_inode:\[?bpf[-_](?:map|prog|link|iter)/;
/** A host with more open files than that is listed in part. */
const MAX_DESCRIPTORS = 1_000_000;

/** The key of an object in the answer of `findHolders`. */
export const objectKey = (kind: ObjectKind, id: number): string => `${kind} ${id}`;

/** Processes by what they hold; each once per object. Processes that end meanwhile, or may not be looked at, are left out. */
export function findHolders(root = "/proc"): ReadonlyMap<string, readonly Holder[]> {
  const holders = new Map<string, Holder[]>();
  let left = MAX_DESCRIPTORS;
  for (const entry of readdirSync(root)) {
    if (!/^\d+$/.test(entry)) continue;
    const descriptors = tryRead(() => readdirSync(`${root}/${entry}/fd`)) ?? [];
    left -= descriptors.length;
    if (left < 0) break;
    for (const key of objectsOf(`${root}/${entry}`, descriptors)) {
      const list = holders.get(key) ?? [];
      list.push({ pid: Number(entry), name: tryRead(() => readFileSync(`${root}/${entry}/comm`, "utf8").trimEnd()) ?? "?" });
      holders.set(key, list);
    }
  }
  return holders;
}

function objectsOf(directory: string, descriptors: readonly string[]): ReadonlySet<string> {
  const keys = new Set<string>();
  for (const descriptor of descriptors) {
    if (!BPF_FILE.test(tryRead(() => readlinkSync(`${directory}/fd/${descriptor}`)) ?? "")) continue;
    const facts = parseDescriptorFacts(tryRead(() => readFileSync(`${directory}/fdinfo/${descriptor}`, "utf8")) ?? "");
    if (facts.kind !== undefined) keys.add(objectKey(facts.kind, facts.id));
  }
  return keys;
}

/** Undefined when the process is gone or not ours to look at. */
function tryRead<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (thrown) {
    if (thrown instanceof Error && "code" in thrown) return undefined;
    throw thrown;
  }
}
