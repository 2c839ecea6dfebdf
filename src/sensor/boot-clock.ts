/** The kernel stamps what happens in nanoseconds since boot; events have nanoseconds since the epoch. */
import { readFileSync } from "node:fs";
import { mustSyscall } from "../linux/native.ts";

export interface BootClock {
  /** The epoch's time at boot: constant while the sensor runs, so that a process keeps its start time when the clock is set. */
  readonly bootNs: bigint;
  readonly bootId: string;
}

/** `clockid_t` (include/uapi/linux/time.h). */
const CLOCK_REALTIME = 0;
const CLOCK_BOOTTIME = 7;
const TIMESPEC_BYTES = 16;

/** Throws `LINUX_CALL` or the file system's error. */
export function readBootClock(): BootClock {
  const bootNs = clockNs(CLOCK_REALTIME) - clockNs(CLOCK_BOOTTIME);
  return { bootNs, bootId: readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim() };
}

function clockNs(clock: number): bigint {
  const time = new Uint8Array(TIMESPEC_BYTES);
  mustSyscall("read the clock", "clock_gettime", clock, time);
  const view = new DataView(time.buffer);
  return view.getBigInt64(0, true) * 1_000_000_000n + view.getBigInt64(8, true);
}
