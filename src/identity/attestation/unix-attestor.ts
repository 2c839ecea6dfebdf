/** `unix:` selectors: who runs the process, and which program it is. */
import { messageOf } from "../../lib/error.ts";
import { type Executable, factsOf, isSameFile, isUnchanged } from "../../linux/process-handle.ts";
import type { Accounts } from "./accounts.ts";
import type { AttestedProcess, AttestorFinding, WorkloadAttestor } from "./attestor.ts";
import type { BinaryDigest } from "./binary-digest.ts";

export interface UnixAttestorOptions {
  readonly accounts: Accounts;
  readonly digests: BinaryDigest;
  /** Whether any entry asks for `unix:sha256`; otherwise nothing is hashed. */
  readonly wantsDigest: () => boolean;
}

/**
 * Makes `unix:uid`, `user`, `gid`, `group`, `supplementary_gid`, `supplementary_group`, `path` and `sha256`.
 * Ids are those at the moment of `connect`. The path is told only if the agent finds the same file there: in a mount namespace of
 * its own, a process gives its program any path.
 */
export function unixAttestor({ accounts, digests, wantsDigest }: UnixAttestorOptions): WorkloadAttestor {
  return {
    name: "unix",
    async attest(workload): Promise<AttestorFinding> {
      const remarks: string[] = [];
      const selectors = [...ownerSelectors(workload, accounts)];
      const executable = workload.process.executable();
      if (isWhereItSays(executable)) selectors.push(`unix:path:${executable.path}`);
      else remarks.push(`the file at \`${executable.path}\`, as the agent sees it, is not the program that runs`);
      if (wantsDigest()) {
        try {
          selectors.push(`unix:sha256:${await digestOf(workload, executable, digests)}`);
        } catch (error) {
          remarks.push(messageOf(error));
        }
      }
      return { kind: "selectors", selectors, remarks };
    },
  };
}

function* ownerSelectors({ credentials: { uid, gid, groups } }: AttestedProcess, accounts: Accounts): Iterable<string> {
  yield `unix:uid:${uid}`;
  const user = accounts.userName(uid);
  if (user !== undefined) yield `unix:user:${user}`;
  yield `unix:gid:${gid}`;
  const group = accounts.groupName(gid);
  if (group !== undefined) yield `unix:group:${group}`;
  for (const supplementary of groups) {
    yield `unix:supplementary_gid:${supplementary}`;
    const name = accounts.groupName(supplementary);
    if (name !== undefined) yield `unix:supplementary_group:${name}`;
  }
}

function isWhereItSays(executable: Executable): boolean {
  if (executable.isDeleted) return false;
  try {
    return isSameFile(factsOf(executable.path), executable);
  } catch {
    return false; // Nothing is there, or nothing that the agent may see.
  }
}

async function digestOf({ process }: AttestedProcess, executable: Executable, digests: BinaryDigest): Promise<string> {
  const digest = await digests.of(executable, () => process.openExecutable());
  // Another program may have been started, or this one replaced, while it was read.
  if (!isUnchanged(process.executableFile(), executable)) throw new Error("the program changed while it was hashed");
  return digest;
}
