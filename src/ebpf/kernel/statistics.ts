import { Attributes, mustBpf } from "./bpf-command.ts";
import { Descriptor } from "./descriptor.ts";

/** Has the kernel count runs and their time for every program of the host until it is disposed; each run costs some 20 ns more. Throws `LINUX_CALL`. */
export function enableStatistics(): Disposable {
  return new Descriptor(mustBpf("turn on statistics of programs", "enableStatistics", new Attributes().u32(0, 0)), "statistics");
}
