/** The programs on hooks of the kernel, as long as somebody wants what they tell. */
import { attachCgroup, attachRawTracepoint } from "../ebpf/kernel/attach.ts";
import { type Collection, loadCollection } from "../ebpf/kernel/collection.ts";
import type { LoadedMap } from "../ebpf/kernel/loaded-map.ts";
import type { MapSpec } from "../ebpf/map-spec.ts";
import type { ProgramSpec } from "../ebpf/program-spec.ts";
import { cgroup2Path } from "../linux/mounts.ts";
import { planOf } from "./programs/call-record.ts";
import type { CallRow } from "./programs/call-table.ts";
import type { CapabilityProgram, HookPrograms } from "./programs/hook-programs.ts";
import type { HookKind } from "./programs/record-layouts.ts";

export interface WantedHooks {
  readonly hooks: ReadonlySet<HookKind>;
  /** Calls, by their number, that are told when the kernel asks for the capability that they need. */
  readonly attempts: ReadonlyMap<number, CallRow>;
}

const ALL_CAPABILITIES = (1n << 64n) - 1n;

export class HookWatch implements Disposable {
  readonly #owned: DisposableStack;

  /** Loads and attaches what is wanted. `given` are the rings, which others own. Throws as `loadCollection` does, and `LINUX_CALL`. */
  constructor(programs: HookPrograms, given: ReadonlyMap<MapSpec, LoadedMap>, { hooks, attempts }: WantedHooks, ownPid: number) {
    using starting = new DisposableStack();
    const capability = hooks.has("capability") || attempts.size > 0 ? programs.capability() : undefined;
    const atCgroups = [...(hooks.has("connect") ? programs.connect() : []), ...(hooks.has("bind") ? programs.bind() : [])];
    const atTracepoints: readonly ProgramSpec[] = [
      ...(hooks.has("listen") ? [programs.listen()] : []),
      ...(hooks.has("signal") ? [programs.signal()] : []),
      ...(capability === undefined ? [] : [capability.program]),
    ];
    const collection: Collection = starting.use(loadCollection({ programs: [...atCgroups, ...atTracepoints], maps: [] }, { given }));
    if (capability !== undefined) askFor(collection, capability, { hooks, attempts }, ownPid);
    const root = cgroup2Path();
    if (root !== undefined) for (const program of atCgroups) starting.use(attachCgroup(collection.program(program), root));
    for (const program of atTracepoints) starting.use(attachRawTracepoint(collection.program(program)));
    this.#owned = starting.move();
  }

  [Symbol.dispose](): void {
    this.#owned.dispose();
  }
}

/** Says which capabilities are told, and in which calls. */
function askFor(
  collection: Collection,
  { attempts: plans, scope }: CapabilityProgram,
  { hooks, attempts }: WantedHooks,
  ownPid: number,
): void {
  const planOfCall = collection.keyed(plans);
  let capabilities = 0n;
  for (const [number, row] of attempts) {
    const asked = row.capabilities.reduce((set, capability) => set | (1n << BigInt(capability)), 0n);
    capabilities |= asked;
    planOfCall.set(number, { capabilities: asked, plan: planOf(row) });
  }
  const isTelling = hooks.has("capability");
  collection.keyed(scope).set(0, { capabilities: isTelling ? ALL_CAPABILITIES : capabilities, ownPid, isTellingUse: isTelling ? 1 : 0 });
}
