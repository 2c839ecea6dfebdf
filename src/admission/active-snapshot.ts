/** Which snapshot is in force: swapped by one assignment; what does not compile leaves the last good one and is remembered with why. */
import type { Diagnostic } from "../lib/diagnostic.ts";

export interface Compiled<S> {
  readonly snapshot: S;
  readonly diagnostics: readonly Diagnostic[];
}

export interface SnapshotStatus {
  /** undefined until a first snapshot compiled. */
  readonly id: string | undefined;
  readonly activatedAtMs: number | undefined;
  /** Warnings of the snapshot in force. */
  readonly warnings: readonly Diagnostic[];
  /** The latest offer, when it was refused: the snapshot in force is older than the policies. */
  readonly refused: { readonly atMs: number; readonly diagnostics: readonly Diagnostic[] } | undefined;
}

const NOTHING: SnapshotStatus = { id: undefined, activatedAtMs: undefined, warnings: [], refused: undefined };

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

  /** Puts a snapshot that compiled without errors in force; `unchanged` when the same one already is. */
  offer({ snapshot, diagnostics }: Compiled<S>, nowMs: number): "activated" | "unchanged" | "refused" {
    if (diagnostics.some(({ severity }) => severity === "error")) {
      this.#status = { ...this.#status, refused: { atMs: nowMs, diagnostics } };
      return "refused";
    }
    const isSame = this.#snapshot?.id === snapshot.id;
    const activatedAtMs = isSame ? this.#status.activatedAtMs : nowMs;
    this.#status = { id: snapshot.id, activatedAtMs, warnings: diagnostics, refused: undefined };
    if (isSame) return "unchanged";
    this.#snapshot = snapshot;
    return "activated";
  }
}
