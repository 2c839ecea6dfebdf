/**
 * Which snapshot is in force: swapped by one assignment; what does not compile leaves the last good one and is remembered with why.
 * The first snapshot comes into force whatever is wrong with it: its broken policies are judged by their failure policies, the others hold.
 */
import type { Diagnostic } from "../lib/diagnostic.ts";

export interface Compiled<S> {
  readonly snapshot: S;
  readonly diagnostics: readonly Diagnostic[];
}

export interface SnapshotStatus {
  /** undefined until the first offer. */
  readonly id: string | undefined;
  readonly activatedAtMs: number | undefined;
  /** Of the snapshot in force. */
  readonly diagnostics: readonly Diagnostic[];
  /** The latest offer, when it was refused: the snapshot in force is older than the policies. */
  readonly refused: { readonly atMs: number; readonly diagnostics: readonly Diagnostic[] } | undefined;
}

const NOTHING: SnapshotStatus = { id: undefined, activatedAtMs: undefined, diagnostics: [], refused: undefined };

export class ActiveSnapshot<S extends { readonly id: string }> {
  #snapshot: S | undefined;
  #status = NOTHING;

  /** The snapshot in force; a reader keeps it for the whole of one decision. */
  get current(): S | undefined {
    return this.#snapshot;
  }

  get status(): SnapshotStatus {
    return this.#status;
  }

  /**
   * Puts a snapshot in force that compiled without errors, or is the first; `unchanged` when its id is that of the one before. The later
   * one takes over even then: the id speaks of the policies, not of the objects that they may look at.
   */
  offer({ snapshot, diagnostics }: Compiled<S>, nowMs: number): "activated" | "unchanged" | "refused" {
    if (this.#snapshot !== undefined && diagnostics.some(({ severity }) => severity === "error")) {
      this.#status = { ...this.#status, refused: { atMs: nowMs, diagnostics } };
      return "refused";
    }
    const isSame = this.#snapshot?.id === snapshot.id;
    const activatedAtMs = isSame ? this.#status.activatedAtMs : nowMs;
    this.#status = { id: snapshot.id, activatedAtMs, diagnostics, refused: undefined };
    this.#snapshot = snapshot;
    return isSame ? "unchanged" : "activated";
  }
}
