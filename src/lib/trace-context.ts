/** Which trace a piece of work belongs to (W3C Trace Context), as it travels in headers. */

export interface TraceContext {
  /** 32 digits, lower-case hexadecimal, not all zero. */
  readonly traceId: string;
  /** 16 digits. */
  readonly spanId: string;
  /** Whether the spans of the trace are kept. */
  readonly isSampled: boolean;
}

export const TRACEPARENT = "traceparent";

const PATTERN = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
const SAMPLED = 1;

/** Undefined for what is none: such a caller begins no trace here. UNTRUSTED. */
export function parseTraceparent(text: string | undefined): TraceContext | undefined {
  const [, version, traceId = "", spanId = "", flags = "", more] = PATTERN.exec(text ?? "") ?? [];
  // Of later versions only what this one has is read (§4.3); version ff is forbidden.
  if (version === undefined || version === "ff" || (version === "00" && more !== undefined)) return undefined;
  if (/^0+$/.test(traceId) || /^0+$/.test(spanId)) return undefined;
  return { traceId, spanId, isSampled: (Number.parseInt(flags, 16) & SAMPLED) === SAMPLED };
}

export const formatTraceparent = ({ traceId, spanId, isSampled }: TraceContext): string => `00-${traceId}-${spanId}-0${isSampled ? 1 : 0}`;
