/** What tells the installations of one machine apart, in the names of cgroups and pins. */
import { createHash } from "node:crypto";
import { join, resolve } from "node:path";

const CHARACTERS = 12;

/** Lower-case hexadecimal digits; the same for the same state directory. */
export const instanceOf = (stateDirectory: string): string =>
  createHash("sha256").update(resolve(stateDirectory)).digest("hex").slice(0, CHARACTERS);

/** Where `vigil run --as` of an ordinary user notes what it started. */
export const launchNotesDirectory = (stateDirectory: string): string => join(stateDirectory, "launched");
