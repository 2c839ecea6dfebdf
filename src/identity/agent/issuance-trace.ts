/** One rotation as one trace: the agent's part of it, which the authority's spans stand below. */
import { messageOf } from "../../lib/error.ts";
import type { TraceContext } from "../../lib/trace-context.ts";
import type { Span, Tracer } from "../../lib/tracer.ts";
import type { Credential, Issued } from "./renewed-credentials.ts";
import type { ServedEntry } from "./served-entry.ts";

export class IssuanceTrace {
  readonly #tracer: Tracer | undefined;
  readonly #kind: "x509" | "jwt" | "wit";
  readonly #entries: readonly ServedEntry[];
  readonly #whole: Span | undefined;
  readonly #startMs: number = Date.now();

  /** Without a tracer nothing is kept. */
  constructor(tracer: Tracer | undefined, kind: "x509" | "jwt" | "wit", entries: readonly ServedEntry[]) {
    this.#tracer = tracer;
    this.#kind = kind;
    this.#entries = entries;
    this.#whole = tracer?.start(`renew ${kind}`, { kind: "client", attributes: { "vigil.svid.count": entries.length } });
  }

  /** What the authority is told, so that its spans stand below. */
  get context(): TraceContext | undefined {
    return this.#whole?.context;
  }

  /** Runs the work; when all of it fails, the trace says why, for each identity. */
  async around<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (thrown) {
      for (const entry of this.#entries) this.#tell(entry, messageOf(thrown));
      this.#whole?.end({ error: messageOf(thrown) });
      throw thrown;
    }
  }

  /** The outcome of each, in the order of the entries. */
  end(outcomes: readonly Issued<Credential>[]): void {
    if (this.#whole === undefined) return;
    let failed = 0;
    for (const [index, entry] of this.#entries.entries()) {
      const outcome = outcomes[index];
      const error = outcome === undefined ? "no answer" : outcome.ok ? undefined : `${outcome.error.code}: ${outcome.error.message}`;
      if (error !== undefined) failed++;
      this.#tell(entry, error);
    }
    this.#whole.end(failed === 0 ? {} : { error: `${failed} of ${this.#entries.length} were not issued` });
  }

  #tell({ spiffeId, name }: ServedEntry, error: string | undefined): void {
    const attributes = { "spiffe.id": spiffeId, "vigil.workload": name };
    const span = this.#tracer?.start(`identity ${this.#kind}`, { parent: this.context, startMs: this.#startMs, attributes });
    span?.end({ error });
  }
}
