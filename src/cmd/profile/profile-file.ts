/** Profiles as files: reading, and writing at once or not at all. */
import { writeFileAtomic } from "../../lib/atomic-write.ts";
import { messageOf, VigilError } from "../../lib/error.ts";
import type { Profile } from "../../target/seccomp/profile.ts";
import { profileDocument, readProfile } from "../../target/seccomp/profile-document.ts";
import { noteDiagnostics } from "../notes.ts";
import { readInput } from "../read-input.ts";
import type { Terminal } from "../terminal.ts";

export type ProfileFileErrorCode = "PROFILE_INVALID" | "PROFILE_UNWRITABLE";

/** The profile in a file, or of standard input for `-`. Mistakes are noted with their places; throws `PROFILE_INVALID`, or an `InputErrorCode`. */
export function loadProfile(path: string, terminal: Terminal): Profile {
  const read = readProfile(readInput(path, terminal), path === "-" ? "<stdin>" : path);
  if (read.ok) return read.value;
  noteDiagnostics(terminal, read.error);
  throw new VigilError<ProfileFileErrorCode>("PROFILE_INVALID", `\`${path}\` is not a valid profile`, {
    hint: "docs/profiles.md describes the format",
  });
}

const FILE_MODE = 0o644;

/** Writes text to a file, or to standard output when there is none. Throws `PROFILE_UNWRITABLE`. */
export async function writeOutput(text: string, path: string | undefined, terminal: Terminal): Promise<void> {
  if (path === undefined || path === "-") {
    terminal.print(text.replace(/\n$/, ""));
    return;
  }
  try {
    await writeFileAtomic(path, text, FILE_MODE);
  } catch (error) {
    throw new VigilError<ProfileFileErrorCode>("PROFILE_UNWRITABLE", `cannot write \`${path}\`: ${messageOf(error)}`, { cause: error });
  }
}

export const profileText = (profile: Profile): string => `${JSON.stringify(profileDocument(profile), undefined, 2)}\n`;
