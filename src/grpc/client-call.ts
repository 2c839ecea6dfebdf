/** One call at the client, from its request to its status. INVARIANT: a call ends once, and tells its sink once. */
import { type ClientHttp2Session, type ClientHttp2Stream, constants, type IncomingHttpHeaders } from "node:http2";
import { messageOf } from "../lib/error.ts";
import { decodeStatusDetails, GrpcError } from "./grpc-error.ts";
import { MessageReader, type MessageSink } from "./message-frame.ts";
import { textMetadata } from "./metadata.ts";
import { decodeStatusMessage, failureOfHttpStatus, failureOfReset, statusNameOf } from "./status.ts";

const CALL: unique symbol = Symbol("call");

interface CallStream extends ClientHttp2Stream {
  [CALL]?: ClientCall;
}

/** The connection had ended already, or was about to, when the call was made. */
const NOT_SENT = ["ERR_HTTP2_GOAWAY_SESSION", "ERR_HTTP2_INVALID_SESSION"] as const;
const CANCEL = 8;
const NO_ERROR = 0;

/** Who waits for the answer. */
export interface AnswerSink extends MessageSink {
  /** The call has ended, well when there is no failure. */
  end(failure: GrpcError | undefined): void;
  headers(headers: IncomingHttpHeaders): void;
  trailers(trailers: IncomingHttpHeaders): void;
}

export interface ClientCallOptions {
  readonly maxMessageBytes: number;
  /** How long the caller waits. */
  readonly timeoutMs: number | undefined;
  readonly signal: AbortSignal | undefined;
}

export class ClientCall {
  readonly stream: CallStream;
  readonly #sink: AnswerSink;
  readonly #reader: MessageReader;
  readonly #signal: AbortSignal | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** What the server has said; kept until the messages before it were read. */
  #outcome: { readonly failure: GrpcError | undefined } | undefined;
  #streamError: unknown;
  #hasEnded = false;
  /** Whether the server did nothing for it, so that it may be sent again. */
  isUnprocessed = false;

  constructor(session: ClientHttp2Session, headers: string[], sink: AnswerSink, options: ClientCallOptions) {
    const stream: CallStream = session.request(headers);
    this.stream = stream;
    this.#sink = sink;
    this.#reader = new MessageReader(options.maxMessageBytes);
    this.#signal = options.signal;
    stream[CALL] = this;
    stream.on("response", onResponse);
    stream.on("trailers", onTrailers);
    stream.on("data", onData);
    stream.on("end", onEnd);
    stream.on("error", onError);
    stream.on("close", onClose);
    if (options.timeoutMs !== undefined) this.#timer = setTimeout(expire, options.timeoutMs, this);
    options.signal?.addEventListener("abort", this);
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** The caller wants no answer any more, or no longer. */
  cancel(failure: GrpcError): void {
    this.#end(failure);
  }

  handleEvent(): void {
    this.cancel(new GrpcError("CANCELLED", "the call was cancelled", { cause: this.#signal?.reason }));
  }

  /** UNTRUSTED, as is all that follows. */
  onResponse(headers: IncomingHttpHeaders): void {
    const status = Number(headers[":status"]);
    const type = String(headers["content-type"] ?? "");
    if (status !== 200) this.#end(new GrpcError(failureOfHttpStatus(status), `the server answered with HTTP status ${status}`));
    else if (!type.startsWith("application/grpc")) this.#end(new GrpcError("UNKNOWN", "the answer is not gRPC"));
    else if (headers["grpc-status"] !== undefined) this.onTrailers(headers);
    else this.#sink.headers(headers);
  }

  onTrailers(trailers: IncomingHttpHeaders): void {
    if (this.#hasEnded) return;
    this.#outcome ??= { failure: failureOf(trailers) };
    this.#sink.trailers(trailers);
  }

  onData(chunk: Uint8Array): void {
    if (this.#hasEnded) return;
    try {
      this.#reader.push(chunk, this.#sink);
    } catch (thrown) {
      this.#end(asGrpcError(thrown));
    }
  }

  onEnd(): void {
    if (this.#outcome === undefined) return;
    this.#end(this.#outcome.failure ?? (this.#reader.isInside ? new GrpcError("INTERNAL", "the last message is not complete") : undefined));
  }

  onError(error: unknown): void {
    this.#streamError = error;
  }

  onClose(): void {
    if (this.#outcome === undefined) this.#end(this.#lossOf(this.stream.rstCode ?? NO_ERROR));
    else this.onEnd();
  }

  /** Why there is no answer. */
  #lossOf(resetCode: number): GrpcError {
    const error = this.#streamError;
    this.isUnprocessed = resetCode === constants.NGHTTP2_REFUSED_STREAM || NOT_SENT.some((code) => isErrorCode(error, code));
    if (this.isUnprocessed) return new GrpcError("UNAVAILABLE", "the server refused the call");
    if (resetCode !== NO_ERROR && isErrorCode(error, "ERR_HTTP2_STREAM_ERROR"))
      return new GrpcError(failureOfReset(resetCode), "the server reset the call");
    const why = error === undefined ? "" : `: ${messageOf(error)}`;
    return new GrpcError("UNAVAILABLE", `the connection ended before the answer${why}`, { cause: error });
  }

  #end(failure: GrpcError | undefined): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    if (this.#timer !== undefined) clearTimeout(this.#timer);
    this.#signal?.removeEventListener("abort", this);
    if (failure !== undefined && !this.stream.closed) this.stream.close(CANCEL);
    this.#sink.end(failure);
  }
}

const isErrorCode = (error: unknown, code: string): boolean => error instanceof Error && "code" in error && error.code === code;

const asGrpcError = (thrown: unknown): GrpcError =>
  thrown instanceof GrpcError ? thrown : new GrpcError("INTERNAL", `the answer cannot be read: ${messageOf(thrown)}`, { cause: thrown });

/** What trailers say; undefined when the call went well. */
function failureOf(trailers: IncomingHttpHeaders): GrpcError | undefined {
  const code = textMetadata(trailers, "grpc-status");
  if (code === "0") return undefined;
  const status = code === undefined ? "UNKNOWN" : statusNameOf(Number(code));
  const message = decodeStatusMessage(textMetadata(trailers, "grpc-message") ?? (code === undefined ? "the answer has no status" : ""));
  const details = decodeStatusDetails(textMetadata(trailers, "grpc-status-details-bin"));
  return new GrpcError(status === "OK" ? "UNKNOWN" : status, message, { details });
}

function onResponse(this: CallStream, headers: IncomingHttpHeaders): void {
  this[CALL]?.onResponse(headers);
}
function onTrailers(this: CallStream, trailers: IncomingHttpHeaders): void {
  this[CALL]?.onTrailers(trailers);
}
function onData(this: CallStream, chunk: Uint8Array): void {
  this[CALL]?.onData(chunk);
}
function onEnd(this: CallStream): void {
  this[CALL]?.onEnd();
}
function onError(this: CallStream, error: unknown): void {
  this[CALL]?.onError(error);
}
function onClose(this: CallStream): void {
  this[CALL]?.onClose();
}
function expire(call: ClientCall): void {
  call.cancel(new GrpcError("DEADLINE_EXCEEDED", "the deadline of the call has passed"));
}
