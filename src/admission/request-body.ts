/** The body of a request, within its limits of size and time. HTTP/1.1 and HTTP/2 alike. */
import type { IncomingMessage } from "node:http";
import type { Http2ServerRequest } from "node:http2";

export type HttpRequest = IncomingMessage | Http2ServerRequest;

export interface BodyLimits {
  readonly maxBytes: number;
  /** For the whole body, not between its parts: a trickle ends too. */
  readonly timeoutMs: number;
}

export type BodyOutcome =
  | { readonly kind: "whole"; readonly bytes: Uint8Array }
  | { readonly kind: "too-large" }
  /** Shorter than announced, or the client went away. */
  | { readonly kind: "truncated" }
  | { readonly kind: "late" };

/** Resolves with the body or with why there is none; never rejects. What still arrives after that is discarded. UNTRUSTED: all of it. */
export function readBody(request: HttpRequest, { maxBytes, timeoutMs }: BodyLimits): Promise<BodyOutcome> {
  return new Promise((resolve) => {
    let chunks: Uint8Array[] = [];
    let size = 0;
    let isSettled = false;
    const settle = (outcome: BodyOutcome): void => {
      if (isSettled) return;
      isSettled = true;
      clearTimeout(timer);
      chunks = [];
      resolve(outcome);
    };
    const timer = setTimeout(settle, timeoutMs, { kind: "late" });
    request.on("data", (chunk: Uint8Array) => {
      if (isSettled) return;
      size += chunk.length;
      if (size > maxBytes) settle({ kind: "too-large" });
      else chunks.push(chunk);
    });
    request.on("end", () => {
      const conclude = (): void => settle(isWhole(request, size) ? { kind: "whole", bytes: concatenated(chunks) } : { kind: "truncated" });
      if (isEndCertain(request)) conclude();
      else setImmediate(conclude);
    });
    request.on("aborted", () => settle({ kind: "truncated" }));
    request.on("error", () => settle({ kind: "truncated" }));
    request.on("close", () => settle({ kind: "truncated" }));
  });
}

/** The length that the request announces; undefined when it announces none or nonsense. */
export function announcedLength(request: HttpRequest): number | undefined {
  const text = request.headers["content-length"];
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}

/** `node:http2` ends the body of a stream that was reset as if it were complete, and tells of the reset right after. */
const isEndCertain = (request: HttpRequest): boolean => request.httpVersionMajor === 1 || announcedLength(request) !== undefined;

function isWhole(request: HttpRequest, size: number): boolean {
  const announced = announcedLength(request);
  return announced === undefined ? !request.aborted && request.complete : announced === size;
}

function concatenated(chunks: readonly Uint8Array[]): Uint8Array {
  const [only] = chunks;
  return chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks);
}
