/** The authority's part of a trace: one span for each SVID that is asked for, below the span of the agent that asks. */
import type { CallContext } from "../../grpc/call-context.ts";
import { textMetadata } from "../../grpc/metadata.ts";
import { messageOf } from "../../lib/error.ts";
import { parseTraceparent, TRACEPARENT } from "../../lib/trace-context.ts";
import type { Tracer } from "../../lib/tracer.ts";
import type { Authority } from "./authority.ts";

export interface SigningRequest {
  readonly kind: "x509" | "jwt" | "wit";
  readonly entryId: string;
  readonly agentId: string;
}

/** Runs work that signs for an entry, within the trace of the call. `refusalOf` says why the outcome is none. */
export type TraceSigning = <T>(
  context: CallContext,
  request: SigningRequest,
  work: () => Promise<T>,
  refusalOf?: (outcome: T) => string | undefined,
) => Promise<T>;

/** Without a tracer the work runs as it is. UNTRUSTED: the header of the call. */
export function traceSigning(tracer: Tracer | undefined, authority: Authority): TraceSigning {
  if (tracer === undefined) return (_context, _request, work) => work();
  return async (context, { kind, entryId, agentId }, work, refusalOf) => {
    const spiffeId = authority.shared.entries.get(entryId)?.spiffeId ?? "";
    const parent = parseTraceparent(textMetadata(context.headers, TRACEPARENT));
    const span = tracer.start(`sign ${kind}`, { kind: "server", parent, attributes: { "spiffe.id": spiffeId, "vigil.agent.id": agentId } });
    try {
      const outcome = await work();
      span.end({ error: refusalOf?.(outcome) });
      return outcome;
    } catch (thrown) {
      span.end({ error: messageOf(thrown) });
      throw thrown;
    }
  };
}
