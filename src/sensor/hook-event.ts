/** What hooks of the kernel told, as events that rules judge. */
import { capabilityNames } from "../falco/flag-names.ts";
import type { DescriptorView, SyscallEvent } from "../falco/syscall-event.ts";
import { socketDescriptor } from "./call-event.ts";
import { HOOK_NUMBER, type HookKind, type HookRecord } from "./programs/record-layouts.ts";
import { signalName } from "./signal-name.ts";

const KINDS: ReadonlyMap<number, HookKind> = new Map(
  // The names are those of the table.
  Object.entries(HOOK_NUMBER).map(([kind, number]) => [number, kind as HookKind]),
);

/** The parts of an event that a hook knows; undefined for a hook that this sensor does not have. */
export function decodeHook(
  record: HookRecord,
  names: { readonly callName: (number: number) => string; readonly remoteName: (ip: string) => string | null },
): Pick<SyscallEvent, "type" | "result" | "fd" | "args"> | undefined {
  const { hook, result, first, second, third } = record;
  const kind = KINDS.get(hook);
  switch (kind) {
    case "connect":
    case "bind":
    case "listen":
      return { type: kind, result, fd: socketOf(record, kind, names.remoteName), args: {} };
    case "signal": {
      // What the kernel sends for a fault is sent to who made it.
      const args = { sig: signalName(first), pid: second, code: third };
      return { type: "signal", result, fd: null, args };
    }
    case "capability":
      return { type: "capable", result, fd: null, args: { cap: capabilityNames(1n << BigInt(first)), call: names.callName(second) } };
    case undefined:
      return undefined;
    default:
      return kind satisfies never;
  }
}

/** The descriptor itself is not known where a socket is told. */
const NO_DESCRIPTOR = -1;

function socketOf({ socket, result }: HookRecord, call: string, remoteName: (ip: string) => string | null): DescriptorView {
  return socketDescriptor({ facts: socket, passed: undefined, number: NO_DESCRIPTOR, call, result: BigInt(result), remoteName });
}
