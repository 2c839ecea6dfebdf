import { readFileSync } from "node:fs";

/** How many CPUs a list such as `0-3,8` names. */
export function cpuCountOf(list: string): number {
  let count = 0;
  for (const range of list.trim().split(",")) {
    const [, first, last = first] = /^(\d{1,6})(?:-(\d{1,6}))?$/.exec(range) ?? [];
    if (first === undefined || Number(last) < Number(first)) throw new RangeError(`expected a list of CPUs, got \`${list.trim()}\``);
    count += Number(last) - Number(first) + 1;
  }
  return count;
}

/** How many values a per-CPU map has for each key: one for every CPU that this machine could ever have. */
export function possibleCpuCount(): number {
  return cpuCountOf(readFileSync("/sys/devices/system/cpu/possible", "utf8"));
}
