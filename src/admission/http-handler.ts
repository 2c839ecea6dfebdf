/** HTTP around the webhook: which path is what, and every way in which a request can be wrong before its body is looked at. */
import { messageOf } from "../lib/error.ts";
import { METRICS_CONTENT_TYPE } from "../lib/prometheus.ts";
import type { AdmissionGate } from "./admission-gate.ts";
import type { AdmissionMetrics } from "./admission-metrics.ts";
import type { Phase } from "./admission-response.ts";
import type { Refusal } from "./refusal.ts";
import { announcedLength, type BodyLimits, type BodyOutcome, type HttpRequest, readBody } from "./request-body.ts";
import { type AnswerReview, refuse } from "./webhook.ts";

/** What the responses of `node:http` and `node:http2` have in common. */
export interface HttpResponse {
  readonly headersSent: boolean;
  readonly destroyed: boolean;
  writeHead(status: number, headers: Record<string, string>): unknown;
  end(body?: string): unknown;
}

export interface HandlerOptions {
  readonly answer: AnswerReview;
  readonly gate: AdmissionGate;
  readonly bodyLimits: BodyLimits;
  readonly metrics: AdmissionMetrics;
  /** Why the webhook should get no traffic; empty when it should. */
  readonly unreadyReasons: () => readonly string[];
  readonly exposeMetrics: () => string;
  /** True once the server drains: every connection is then closed after its answer. */
  readonly isDraining: () => boolean;
}

interface HttpAnswer {
  readonly status: number;
  readonly body: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Ends an HTTP/1.1 connection: what a refused request still sends is not read. */
  readonly isLast: boolean;
}

const JSON_HEADERS = { "content-type": "application/json" };
const TEXT_HEADERS = { "content-type": "text/plain; charset=utf-8" };
const RETRY_AFTER_SECONDS = "1";

const PHASES: ReadonlyMap<string, Phase> = new Map([
  ["/validate", "validate"],
  ["/mutate", "mutate"],
]);

/** The listener of `request` events. It never throws, whatever the request. */
export function createHandler(options: HandlerOptions): (request: HttpRequest, response: HttpResponse) => void {
  const { metrics, isDraining } = options;
  return (request, response) => {
    answerRequest(options, request)
      .catch((thrown: unknown) => refusal(metrics, { code: "ADMISSION_FAILED", message: messageOf(thrown) }))
      .then((answer) => send(request, response, answer, isDraining()))
      // The connection broke while the answer was written: there is nobody left to tell.
      .catch(() => metrics.connectionErrors.increment("response"));
  };
}

async function answerRequest(options: HandlerOptions, request: HttpRequest): Promise<HttpAnswer> {
  const path = pathOf(request.url ?? "");
  const phase = PHASES.get(path);
  return phase === undefined ? answerProbe(options, path, request.method) : answerReview(options, phase, request);
}

async function answerReview(options: HandlerOptions, phase: Phase, request: HttpRequest): Promise<HttpAnswer> {
  const { answer, gate, bodyLimits, metrics } = options;
  const wrong = wrongHead(request, bodyLimits);
  if (wrong !== undefined) return refusal(metrics, wrong, { allow: "POST" });
  const reservedBytes = announcedLength(request) ?? bodyLimits.maxBytes;
  if (!gate.enter(reservedBytes)) return refusal(metrics, OVERLOADED, { "retry-after": RETRY_AFTER_SECONDS });
  try {
    const body = await readBody(request, bodyLimits);
    if (body.kind !== "whole") return refusal(metrics, wrongBody(body, bodyLimits));
    return { ...answer(body.bytes, phase), headers: JSON_HEADERS, isLast: false };
  } finally {
    gate.leave(reservedBytes);
  }
}

const OVERLOADED: Refusal = {
  code: "ADMISSION_OVERLOADED",
  message: "too many reviews at once",
  hint: "the API server tries again after a second; raise the limit or add replicas if this lasts",
};

const refusal = (metrics: AdmissionMetrics, reason: Refusal, headers: Readonly<Record<string, string>> = {}): HttpAnswer => ({
  ...refuse(metrics, reason),
  headers: { ...JSON_HEADERS, ...headers },
  isLast: true,
});

/** What is wrong with method, headers or announced length. */
function wrongHead(request: HttpRequest, limits: BodyLimits): Refusal | undefined {
  const { method, headers } = request;
  if (method !== "POST") return { code: "ADMISSION_METHOD", message: `expected the method POST, got \`${method}\`` };
  const contentType = headers["content-type"] ?? "";
  if (!/^application\/json\s*(;|$)/i.test(contentType)) {
    return {
      code: "ADMISSION_CONTENT_TYPE",
      message: `expected the content type \`application/json\`, got \`${contentType.slice(0, 100)}\``,
    };
  }
  const encoding = headers["content-encoding"] ?? "identity";
  if (encoding !== "identity") {
    return { code: "ADMISSION_CONTENT_TYPE", message: `expected a body that is not compressed, got \`${encoding.slice(0, 100)}\`` };
  }
  const announced = announcedLength(request) ?? 0;
  return announced > limits.maxBytes ? wrongBody({ kind: "too-large" }, limits) : undefined;
}

function wrongBody({ kind }: Exclude<BodyOutcome, { readonly kind: "whole" }>, { maxBytes, timeoutMs }: BodyLimits): Refusal {
  switch (kind) {
    case "too-large":
      return {
        code: "ADMISSION_BODY_TOO_LARGE",
        message: `expected a body of at most ${maxBytes} bytes`,
        hint: "raise the body limit of the webhook",
      };
    case "truncated":
      return { code: "ADMISSION_BODY_TRUNCATED", message: "the body ended before its announced length" };
    case "late":
      return { code: "ADMISSION_BODY_LATE", message: `the body did not arrive within ${timeoutMs} ms` };
    default:
      return kind satisfies never;
  }
}

function answerProbe({ metrics, unreadyReasons, exposeMetrics }: HandlerOptions, path: string, method: string | undefined): HttpAnswer {
  if (!PROBES.has(path)) {
    const message = `nothing is served at \`${path.slice(0, 100)}\``;
    return refusal(metrics, { code: "ADMISSION_NOT_FOUND", message, hint: "see /validate, /mutate, /healthz, /readyz, /metrics" });
  }
  if (method !== "GET" && method !== "HEAD") {
    return refusal(metrics, { code: "ADMISSION_METHOD", message: `expected the method GET, got \`${method}\`` }, { allow: "GET, HEAD" });
  }
  if (path === "/metrics") return { status: 200, body: exposeMetrics(), headers: { "content-type": METRICS_CONTENT_TYPE }, isLast: false };
  const reasons = path === "/readyz" ? unreadyReasons() : [];
  const body = reasons.length === 0 ? "ok\n" : reasons.map((reason) => `${reason}\n`).join("");
  return { status: reasons.length === 0 ? 200 : 503, body, headers: TEXT_HEADERS, isLast: false };
}

const PROBES: ReadonlySet<string> = new Set(["/healthz", "/readyz", "/metrics"]);

function pathOf(url: string): string {
  const end = url.search(/[?#]/);
  return end < 0 ? url : url.slice(0, end);
}

function send(request: HttpRequest, response: HttpResponse, { status, body, headers, isLast }: HttpAnswer, isDraining: boolean): void {
  if (response.headersSent || response.destroyed) return;
  const all: Record<string, string> = { ...headers, "content-length": String(Buffer.byteLength(body)) };
  // HTTP/2 has no such header: its sessions end with GOAWAY.
  if ((isLast || isDraining) && request.httpVersionMajor === 1) all["connection"] = "close";
  response.writeHead(status, all);
  if (request.method === "HEAD") response.end();
  else response.end(body);
}
