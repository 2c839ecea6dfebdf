/**
 * Workload attestation: what is known for certain about the process that calls, as selectors (`unix:uid:1000`). An attestor tells
 * facts; which identity they give is decided by the registered entries.
 */
import type { PeerCredentials } from "../../linux/peer-credentials.ts";
import type { ProcessHandle } from "../../linux/process-handle.ts";

export type AttestationErrorCode = "ATTESTATION_REFUSED" | "ATTESTATION_PROCESS_CHANGED";

export interface AttestedProcess {
  readonly process: ProcessHandle;
  readonly credentials: PeerCredentials;
}

/** What one attestor says. */
export type AttestorFinding =
  | { readonly kind: "selectors"; readonly selectors: readonly string[]; readonly remarks?: readonly string[] }
  /** It does not apply to this process: no container, no unit. */
  | { readonly kind: "none" }
  /** What it found cannot be true. INVARIANT: such a process gets no identity at all, whatever the other attestors found. */
  | { readonly kind: "contradiction"; readonly message: string };

export interface WorkloadAttestor {
  /** The type of its selectors: what stands before their first colon. */
  readonly name: string;
  attest(workload: AttestedProcess): AttestorFinding | Promise<AttestorFinding>;
}

export interface Attestation {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
  readonly executablePath: string;
  /** Sorted, each once. */
  readonly selectors: readonly string[];
  /** What could not be told, and why, each beginning with the attestor's name. */
  readonly remarks: readonly string[];
  /** Whether the kernel vouches for the process itself rather than for its number. */
  readonly isCertain: boolean;
}
