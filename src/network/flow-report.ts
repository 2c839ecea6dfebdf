/** Tells the reader of the ring of one step of a flow, from inside a program. */
import type { Code, ScalarLike } from "../ebpf/index.ts";
import { type FlowRecord, type NetworkMaps, STEPS } from "./kernel-maps.ts";

export type ReportedFields = Exclude<keyof FlowRecord, "timeNs" | "step">;

/** When the ring is full the flow is decided all the same, and the loss is counted. */
export function report(
  code: Code,
  { events, losses }: Pick<NetworkMaps, "events" | "losses">,
  step: (typeof STEPS)[number],
  fields: { readonly [F in ReportedFields]: ScalarLike },
): void {
  code.reserve(
    events,
    (record) => {
      record.set("timeNs", code.call("ktime_get_boot_ns"));
      record.set("step", STEPS.indexOf(step));
      for (const [name, value] of Object.entries(fields)) record.set(name as ReportedFields, value);
      record.submit();
    },
    () => code.ifNonNull(code.lookup(losses, 0), (count) => count.setValue(count.value().add(1))),
  );
}
