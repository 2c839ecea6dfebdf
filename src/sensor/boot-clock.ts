/** The kernel stamps what happens in nanoseconds since boot; events have nanoseconds since the epoch. */
import { readFileSync } from "node:fs";

export interface BootClock {
  /** The epoch's time at boot: constant while the sensor runs, so that a process keeps its start time when the clock is set. */
  readonly bootNs: bigint;
  readonly bootId: string;
}

export function readBootClock(): BootClock {
  // Hundredths of a second; what matters is that it stays the same.
  const uptime = readFileSync("/proc/uptime", "utf8").split(" ", 1)[0] ?? "0";
  const bootNs = BigInt(Date.now()) * 1_000_000n - BigInt(Math.round(Number(uptime) * 100)) * 10_000_000n;
  return { bootNs, bootId: readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim() };
}
