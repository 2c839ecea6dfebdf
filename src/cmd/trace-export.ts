/** Finished spans, sent to a collector as OTLP over HTTP in JSON (OpenTelemetry protocol 1.x). Nothing waits for it. */
import { randomBytes } from "node:crypto";
import { messageOf, VigilError } from "../lib/error.ts";
import { Counter } from "../lib/prometheus.ts";
import { type SpanKind, type SpanRecord, Tracer } from "../lib/tracer.ts";
import type { Log } from "./log.ts";
import type { Settings } from "./settings.ts";
import type { ConfigErrorCode } from "./settings-file.ts";
import { readVersion } from "./version.ts";

export interface TraceExportOptions {
  /** Where spans are posted. */
  readonly url: URL;
  /** `vigil-agent` */
  readonly service: string;
  readonly version: string;
  readonly log: Log;
}

/** Spans that wait; more are dropped and counted. */
const MAX_QUEUE = 4_096;
const MAX_BATCH = 512;
const EVERY_MS = 2_000;
const TIMEOUT_MS = 10_000;
const LONGEST_PAUSE_MS = 30_000;
const KINDS: { readonly [K in SpanKind]: number } = { internal: 1, server: 2, client: 3 };
const STATUS_ERROR = 2;

export class TraceExport {
  readonly tracer: Tracer;
  readonly metric: Counter<["outcome"]> = new Counter(
    { name: "vigil_trace_spans_total", help: "Spans that were sent to the collector, or dropped." },
    ["outcome"],
  );
  readonly #options: TraceExportOptions;
  #queue: SpanRecord[] = [];
  #timer: NodeJS.Timeout | undefined;
  #failures = 0;
  #sending: Promise<void> | undefined;

  constructor(options: TraceExportOptions) {
    this.#options = options;
    this.tracer = new Tracer({ record: (span) => this.#record(span), nowMs: Date.now, random: randomBytes });
  }

  /** Sends what waits, as far as that can be done in time. */
  async close(withinMs: number): Promise<void> {
    clearTimeout(this.#timer);
    await this.#sending;
    const deadlineMs = performance.now() + withinMs;
    while (this.#queue.length > 0 && performance.now() < deadlineMs && (await this.#send(deadlineMs - performance.now())));
    clearTimeout(this.#timer);
    for (const _ of this.#queue.splice(0)) this.metric.increment("dropped");
  }

  #record(span: SpanRecord): void {
    if (this.#queue.length >= MAX_QUEUE) this.metric.increment("dropped");
    else this.#queue.push(span);
    this.#schedule(EVERY_MS);
  }

  #schedule(pauseMs: number): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#sending = this.#send(TIMEOUT_MS)
        .then((isSent) => {
          if (this.#queue.length > 0) this.#schedule(isSent ? 0 : Math.min(LONGEST_PAUSE_MS, EVERY_MS * 2 ** Math.min(10, this.#failures)));
        })
        .finally(() => {
          this.#sending = undefined;
        });
    }, pauseMs).unref();
  }

  /** Whether the first batch has left the queue. */
  async #send(timeoutMs: number): Promise<boolean> {
    const batch = this.#queue.slice(0, MAX_BATCH);
    const { url, log } = this.#options;
    let problem: string | undefined;
    let isRefused = false;
    try {
      const response = await fetch(url, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(encodeSpans(batch, this.#options)),
        redirect: "error",
        signal: AbortSignal.timeout(Math.max(1, Math.round(timeoutMs))),
      });
      await response.body?.cancel();
      if (!response.ok) problem = `it answers ${response.status}`;
      // What is wrong with a batch stays wrong; a collector that is busy asks to come again.
      isRefused = response.status >= 400 && response.status < 500 && response.status !== 429;
    } catch (thrown) {
      problem = messageOf(thrown);
    }
    const isDone = problem === undefined || isRefused;
    if (isDone) {
      this.#queue = this.#queue.slice(batch.length);
      for (const _ of batch) this.metric.increment(isRefused ? "dropped" : "sent");
    }
    if (problem !== undefined && this.#failures === 0) log("warning", `spans cannot be sent to \`${url.origin}\`: ${problem}`);
    this.#failures = problem === undefined ? 0 : this.#failures + 1;
    return isDone;
  }
}

/** ExportTraceServiceRequest in its JSON form. */
export function encodeSpans(spans: readonly SpanRecord[], { service, version }: Pick<TraceExportOptions, "service" | "version">): unknown {
  const attributes = [attribute("service.name", service), attribute("service.version", version)];
  return {
    resourceSpans: [{ resource: { attributes }, scopeSpans: [{ scope: { name: "vigil", version }, spans: spans.map(encodeSpan) }] }],
  };
}

const attribute = (key: string, value: string | number): unknown => ({
  key,
  value:
    typeof value === "string" ? { stringValue: value } : Number.isInteger(value) ? { intValue: String(value) } : { doubleValue: value },
});

const encodeSpan = ({ name, kind, context, parentSpanId, startMs, endMs, attributes, error }: SpanRecord): unknown => ({
  traceId: context.traceId,
  spanId: context.spanId,
  ...(parentSpanId === undefined ? {} : { parentSpanId }),
  name,
  kind: KINDS[kind],
  startTimeUnixNano: nanoseconds(startMs),
  endTimeUnixNano: nanoseconds(endMs),
  attributes: Object.entries(attributes).map(([key, value]) => attribute(key, value)),
  status: error === undefined ? {} : { code: STATUS_ERROR, message: error },
});

const nanoseconds = (ms: number): string => `${BigInt(Math.round(ms * 1_000)) * 1_000n}`;

/** Begins to send the spans of a process where the settings say, or the environment. Throws `CONFIG_VALUE`. */
export function openTraceExport(settings: Settings, service: string, log: Log): TraceExport | undefined {
  const url = traceUrl(settings, process.env);
  return url && new TraceExport({ url, service, version: readVersion(), log });
}

/**
 * Where spans go, by the setting `telemetry.otlpEndpoint` or the variables of OpenTelemetry; undefined when nowhere, which is so unless one is
 * given. Throws `CONFIG_VALUE`.
 */
export function traceUrl(settings: Settings, environment: { readonly [name: string]: string | undefined }): URL | undefined {
  const exact = environment["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"];
  const base = settings["telemetry.otlpEndpoint"] ?? (exact ? undefined : environment["OTEL_EXPORTER_OTLP_ENDPOINT"]);
  const text = base ? `${base.replace(/\/$/, "")}/v1/traces` : exact;
  if (text === undefined || text === "") return undefined;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url !== undefined && (url.protocol === "http:" || url.protocol === "https:")) return url;
  throw new VigilError<ConfigErrorCode>("CONFIG_VALUE", `expected the URL of a collector of OTLP over HTTP, got \`${text}\``, {
    hint: "such as `http://127.0.0.1:4318` in `telemetry.otlpEndpoint`",
  });
}
