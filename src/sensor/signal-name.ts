/** Names of signals. */
import { constants } from "node:os";

const NAMES: ReadonlyMap<number, string> = new Map(Object.entries(constants.signals).map(([name, number]) => [number, name]));
/** The first of those that have no name (`SIGRTMIN` of the kernel). */
const REAL_TIME = 32;

/** `SIGKILL`; real-time signals as `SIGRTMIN+2`. */
export const signalName = (signal: number): string =>
  NAMES.get(signal) ?? (signal >= REAL_TIME ? `SIGRTMIN+${signal - REAL_TIME}` : `signal ${signal}`);
