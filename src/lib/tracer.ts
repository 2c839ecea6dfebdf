/** Spans: what was done, when, within which trace. What becomes of finished ones is the business of who makes the tracer. */
import type { TraceContext } from "./trace-context.ts";

/** On whose behalf: `internal` within a process, `client` around a call, `server` for what a call asked. */
export type SpanKind = "internal" | "client" | "server";
export type SpanAttributes = { readonly [name: string]: string | number };

export interface SpanRecord {
  readonly name: string;
  readonly kind: SpanKind;
  readonly context: TraceContext;
  readonly parentSpanId: string | undefined;
  /** Milliseconds since the epoch. */
  readonly startMs: number;
  readonly endMs: number;
  readonly attributes: SpanAttributes;
  /** Why it failed. */
  readonly error: string | undefined;
}

export interface SpanOptions {
  readonly kind?: SpanKind;
  /** Absent: a trace begins. */
  readonly parent?: TraceContext | undefined;
  readonly attributes?: SpanAttributes;
  /** Now unless given. */
  readonly startMs?: number;
}

export interface TracerOptions {
  /** Gets each finished span. Must not throw. */
  readonly record: (span: SpanRecord) => void;
  readonly nowMs: () => number;
  readonly random: (bytes: number) => Uint8Array;
}

const TRACE_ID_BYTES = 16;
const SPAN_ID_BYTES = 8;

export interface Span {
  readonly context: TraceContext;
  /** Once; what is said later is not heard. */
  end(outcome?: { readonly error?: string | undefined; readonly attributes?: SpanAttributes }): void;
}

export class Tracer {
  readonly #options: TracerOptions;

  constructor(options: TracerOptions) {
    this.#options = options;
  }

  /** A span of a trace that is not kept is not recorded, and neither are those below it. */
  start(name: string, { kind = "internal", parent, attributes = {}, startMs = this.#options.nowMs() }: SpanOptions = {}): Span {
    const { record, nowMs } = this.#options;
    const context: TraceContext = {
      traceId: parent?.traceId ?? this.#id(TRACE_ID_BYTES),
      spanId: this.#id(SPAN_ID_BYTES),
      isSampled: parent?.isSampled ?? true,
    };
    let hasEnded = false;
    return {
      context,
      end: ({ error, attributes: more = {} } = {}) => {
        if (hasEnded || !context.isSampled) return;
        hasEnded = true;
        const endMs = Math.max(startMs, nowMs());
        record({ name, kind, context, parentSpanId: parent?.spanId, startMs, endMs, attributes: { ...attributes, ...more }, error });
      },
    };
  }

  /** Never all zero: that is no ID. */
  #id(bytes: number): string {
    const id = Buffer.from(this.#options.random(bytes)).toString("hex");
    return /[^0]/.test(id) ? id : id.replace(/.$/, "1");
  }
}
