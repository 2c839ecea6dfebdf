/**
 * Options of Node.js for processes whose objects live for microseconds, events and calls: a nursery of 2 MiB is collected as fast as one of
 * 16 MiB, and stays out of memory.
 */
export const SMALL_NURSERY: readonly string[] = ["--max-semi-space-size=2"];
