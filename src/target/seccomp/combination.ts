/** Profiles together: the union across replicas and versions, and what changed from one to another. */
import type { SyscallName } from "../../linux/syscall-numbers.ts";
import { unionAlternatives } from "./guarded-arguments.ts";
import { type Alternative, alternativeKey, EMPTY_PROFILE, PATH_ACCESSES, type Profile, type ProfileCall, sortReasons } from "./profile.ts";

/** A profile that allows what any of them allows; reasons and recordings of all. The name is the first one's. Throws RangeError for none. */
export function mergeProfiles(profiles: readonly Profile[]): Profile {
  const [first] = profiles;
  if (first === undefined) throw new RangeError("expected at least one profile");
  return profiles.reduce(mergeTwo, { ...EMPTY_PROFILE, name: first.name });
}

function mergeTwo(a: Profile, b: Profile): Profile {
  return {
    name: a.name,
    architectures: union(a.architectures, b.architectures),
    calls: mergeBy(
      a.calls,
      b.calls,
      ({ name }) => name,
      (x, y) => ({
        name: x.name,
        reasons: sortReasons([...x.reasons, ...y.reasons]),
        alternatives: unionAlternatives(x.alternatives, y.alternatives),
      }),
    ),
    capabilities: union(a.capabilities, b.capabilities),
    paths: mergeBy(
      a.paths,
      b.paths,
      ({ path }) => path,
      (x, y) => ({
        path: x.path,
        access: PATH_ACCESSES.filter((access) => x.access.includes(access) || y.access.includes(access)),
        isDirectory: x.isDirectory || y.isDirectory,
      }),
    ),
    network: {
      connect: unionNumbers(a.network.connect, b.network.connect),
      bind: unionNumbers(a.network.bind, b.network.bind),
    },
    recordings: [...a.recordings, ...b.recordings],
  };
}

const union = <T extends string>(a: readonly T[], b: readonly T[]): readonly T[] => [...new Set([...a, ...b])].sort();
const unionNumbers = (a: readonly number[], b: readonly number[]): readonly number[] =>
  [...new Set([...a, ...b])].sort((left, right) => left - right);

function mergeBy<T>(a: readonly T[], b: readonly T[], key: (item: T) => string, merge: (a: T, b: T) => T): readonly T[] {
  const merged = new Map(a.map((item) => [key(item), item]));
  for (const item of b) {
    const before = merged.get(key(item));
    merged.set(key(item), before === undefined ? item : merge(before, item));
  }
  return [...merged].sort(([x], [y]) => (x < y ? -1 : 1)).map(([, item]) => item);
}

/** What of one list the other lacks. */
export interface ListDifference {
  readonly added: readonly string[];
  readonly removed: readonly string[];
}

export interface ProfileDifference {
  readonly calls: ListDifference;
  /** Calls that both have, with other arguments. */
  readonly changed: readonly {
    readonly name: SyscallName;
    readonly before: readonly Alternative[];
    readonly after: readonly Alternative[];
  }[];
  readonly capabilities: ListDifference;
  /** `read /etc/hosts` */
  readonly paths: ListDifference;
  /** `connect 443` */
  readonly network: ListDifference;
}

/** What `after` allows that `before` did not, and the reverse. Reasons and recordings are no difference. */
export function diffProfiles(before: Profile, after: Profile): ProfileDifference {
  const names = ({ calls }: Profile): readonly string[] => calls.map(({ name }) => name);
  const paths = (profile: Profile): readonly string[] =>
    profile.paths.flatMap(({ path, access }) => access.map((each) => `${each} ${path}`));
  const network = ({ network: { connect, bind } }: Profile): readonly string[] => [
    ...connect.map((port) => `connect ${port}`),
    ...bind.map((port) => `bind ${port}`),
  ];
  const old = new Map(before.calls.map((call) => [call.name, call]));
  return {
    calls: difference(names(before), names(after)),
    changed: after.calls.flatMap((call) => changeOf(old.get(call.name), call)),
    capabilities: difference(before.capabilities, after.capabilities),
    paths: difference(paths(before), paths(after)),
    network: difference(network(before), network(after)),
  };
}

function changeOf(before: ProfileCall | undefined, after: ProfileCall): ProfileDifference["changed"] {
  const keys = ({ alternatives }: ProfileCall): string => alternatives.map(alternativeKey).sort().join(" ");
  if (before === undefined || keys(before) === keys(after)) return [];
  return [{ name: after.name, before: before.alternatives, after: after.alternatives }];
}

function difference(before: readonly string[], after: readonly string[]): ListDifference {
  const old = new Set(before);
  const current = new Set(after);
  return { added: after.filter((item) => !old.has(item)), removed: before.filter((item) => !current.has(item)) };
}

/** True when nothing was added, removed or changed. */
export const isSame = ({ calls, changed, capabilities, paths, network }: ProfileDifference): boolean =>
  changed.length === 0 && [calls, capabilities, paths, network].every(({ added, removed }) => added.length + removed.length === 0);
