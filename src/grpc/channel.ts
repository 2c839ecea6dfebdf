/** A gRPC client: calls of any service over one connection, which is made when a call needs it and made again after it was lost. */

import type { ClientHttp2Session, IncomingHttpHeaders } from "node:http2";
import { type DescMessage, type DescMethod, fromBinary, type MessageInitShape, type MessageShape } from "@bufbuild/protobuf";
import { encodeCallTimeout } from "./call-timeout.ts";
import { type AnswerSink, ClientCall } from "./client-call.ts";
import { ClientConnection, type ConnectionOptions } from "./client-connection.ts";
import { encodeMessage } from "./encoded-message.ts";
import { GrpcError } from "./grpc-error.ts";
import { MessageQueue } from "./message-queue.ts";
import { encodeMetadataValue, type Metadata } from "./metadata.ts";
import { pathOfMethod } from "./service.ts";

export interface ChannelOptions extends ConnectionOptions {
  /** Sent with every call. */
  readonly metadata?: Metadata;
  /** Of one message of an answer; 4 MiB unless told otherwise. */
  readonly maxMessageBytes?: number;
}

export interface CallOptions {
  readonly metadata?: Metadata;
  /** How long to wait for the outcome, in ms; for ever when absent. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  readonly onHeaders?: (headers: IncomingHttpHeaders) => void;
  readonly onTrailers?: (trailers: IncomingHttpHeaders) => void;
}

type Method<K extends DescMethod["methodKind"], I extends DescMessage, O extends DescMessage> = DescMethod & {
  readonly methodKind: K;
  readonly input: I;
  readonly output: O;
};

const DEFAULT_MAX_MESSAGE_BYTES = 4 * 1024 * 1024;
const DECODING = { readUnknownFields: false } as const;

/** Every call fails with a `GrpcError`. */
export class GrpcChannel {
  readonly #connection: ClientConnection;
  readonly #maxMessageBytes: number;
  readonly #metadata: readonly string[];

  constructor(options: ChannelOptions) {
    this.#connection = new ClientConnection(options);
    this.#maxMessageBytes = options.maxMessageBytes ?? DEFAULT_MAX_MESSAGE_BYTES;
    this.#metadata = encodeMetadata(options.metadata ?? {});
  }

  /** One request, one answer. A call that the server did not begin is sent again, once. */
  async unary<I extends DescMessage, O extends DescMessage>(
    method: Method<"unary", I, O>,
    request: MessageInitShape<I>,
    options: CallOptions = {},
  ): Promise<MessageShape<O>> {
    const { framed } = encodeMessage(method.input, request);
    const startMs = performance.now();
    for (let attempt = 1; ; attempt++) {
      const session = this.#connection.live ?? (await this.#connect(options));
      const answer = new OneAnswer(method.output, options);
      const call = this.#start(session, method, answer, options, startMs);
      call.stream.end(framed);
      try {
        return await answer.message;
      } catch (failure) {
        if (attempt > 1 || !call.isUnprocessed) throw failure;
      }
    }
  }

  /** Ending the iteration cancels the call. */
  serverStreaming<I extends DescMessage, O extends DescMessage>(
    method: Method<"server_streaming", I, O>,
    request: MessageInitShape<I>,
    options: CallOptions = {},
  ): AsyncIterableIterator<MessageShape<O>, undefined> {
    return this.#stream(method, [request], options);
  }

  async clientStreaming<I extends DescMessage, O extends DescMessage>(
    method: Method<"client_streaming", I, O>,
    requests: AsyncIterable<MessageInitShape<I>>,
    options: CallOptions = {},
  ): Promise<MessageShape<O>> {
    const startMs = performance.now();
    const session = this.#connection.live ?? (await this.#connect(options));
    const answer = new OneAnswer(method.output, options);
    const call = this.#start(session, method, answer, options, startMs);
    void pump(call, method.input, requests);
    return answer.message;
  }

  /** Ending the iteration cancels the call. */
  bidiStreaming<I extends DescMessage, O extends DescMessage>(
    method: Method<"bidi_streaming", I, O>,
    requests: AsyncIterable<MessageInitShape<I>>,
    options: CallOptions = {},
  ): AsyncIterableIterator<MessageShape<O>, undefined> {
    return this.#stream(method, requests, options);
  }

  /** Ends the connection after the calls under way; `cut` ends it, and them, at once. Calls made later fail. */
  close(options: { readonly cut?: boolean } = {}): Promise<void> {
    return this.#connection.close(options.cut === true);
  }

  #stream<I extends DescMessage, O extends DescMessage>(
    method: Method<DescMethod["methodKind"], I, O>,
    requests: AsyncIterable<MessageInitShape<I>> | Iterable<MessageInitShape<I>>,
    options: CallOptions,
  ): AsyncIterableIterator<MessageShape<O>, undefined> {
    const answers = new AnswerStream(method.output, options);
    void this.#begin(method, requests, answers, options);
    return answers;
  }

  async #begin<I extends DescMessage, O extends DescMessage>(
    method: Method<DescMethod["methodKind"], I, O>,
    requests: AsyncIterable<MessageInitShape<I>> | Iterable<MessageInitShape<I>>,
    answers: AnswerStream<O>,
    options: CallOptions,
  ): Promise<void> {
    const startMs = performance.now();
    try {
      const session = this.#connection.live ?? (await this.#connect(options));
      if (answers.isCancelled) return;
      const call = this.#start(session, method, answers, options, startMs);
      answers.call = call;
      await pump(call, method.input, requests);
    } catch (thrown) {
      answers.end(thrown instanceof GrpcError ? thrown : new GrpcError("INTERNAL", "the call could not begin", { cause: thrown }));
    }
  }

  #connect(options: CallOptions): Promise<ClientHttp2Session> {
    return this.#connection.connect({ timeoutMs: options.timeoutMs, signal: options.signal });
  }

  /** The deadline counts from `startMs`, the connection and earlier attempts included. */
  #start(session: ClientHttp2Session, method: DescMethod, sink: AnswerSink, options: CallOptions, startMs: number): ClientCall {
    if (options.signal?.aborted) throw new GrpcError("CANCELLED", "the call was cancelled", { cause: options.signal.reason });
    const timeoutMs = options.timeoutMs === undefined ? undefined : Math.max(0, options.timeoutMs - (performance.now() - startMs));
    const headers = [...this.#connection.requestHeaders, ":path", pathOfMethod(method), ...this.#metadata];
    if (timeoutMs !== undefined) headers.push("grpc-timeout", encodeCallTimeout(timeoutMs));
    if (options.metadata !== undefined) headers.push(...encodeMetadata(options.metadata));
    return new ClientCall(session, headers, sink, { maxMessageBytes: this.#maxMessageBytes, timeoutMs, signal: options.signal });
  }
}

const encodeMetadata = (metadata: Metadata): readonly string[] =>
  Object.entries(metadata).flatMap(([name, value]) => [name, encodeMetadataValue(name, value)]);

/** Sends messages as fast as the server takes them. What the iterable throws cancels the call. */
async function pump<I extends DescMessage>(
  call: ClientCall,
  type: I,
  requests: AsyncIterable<MessageInitShape<I>> | Iterable<MessageInitShape<I>>,
): Promise<void> {
  const { stream } = call;
  try {
    for await (const request of requests) {
      if (call.hasEnded || stream.destroyed) return;
      if (!stream.write(encodeMessage(type, request).framed)) await drained(call);
    }
    if (!call.hasEnded && !stream.destroyed) stream.end();
  } catch (thrown) {
    call.cancel(thrown instanceof GrpcError ? thrown : new GrpcError("CANCELLED", "the requests could not be made", { cause: thrown }));
  }
}

function drained({ stream }: ClientCall): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      stream.off("drain", done).off("close", done);
      resolve();
    };
    stream.on("drain", done).on("close", done);
  });
}

/** UNTRUSTED. Throws a GrpcError. */
function decodeAnswer<O extends DescMessage>(type: O, message: Uint8Array): MessageShape<O> {
  try {
    return fromBinary(type, message, DECODING);
  } catch (thrown) {
    throw new GrpcError("INTERNAL", `an answer is no ${type.typeName}`, { cause: thrown });
  }
}

/** The answer of a call that has one. */
class OneAnswer<O extends DescMessage> implements AnswerSink {
  readonly message: Promise<MessageShape<O>>;
  readonly #type: O;
  readonly #options: CallOptions;
  readonly #settle: { readonly resolve: (message: MessageShape<O>) => void; readonly reject: (failure: unknown) => void };
  #received: Uint8Array | undefined;

  constructor(type: O, options: CallOptions) {
    this.#type = type;
    this.#options = options;
    const { promise, resolve, reject } = Promise.withResolvers<MessageShape<O>>();
    this.message = promise;
    this.#settle = { resolve, reject };
  }

  take(message: Uint8Array): void {
    if (this.#received !== undefined) throw new GrpcError("INTERNAL", "expected one message, got several");
    this.#received = message;
  }

  end(failure: GrpcError | undefined): void {
    try {
      if (failure !== undefined) throw failure;
      if (this.#received === undefined) throw new GrpcError("INTERNAL", "expected a message, got none");
      this.#settle.resolve(decodeAnswer(this.#type, this.#received));
    } catch (thrown) {
      this.#settle.reject(thrown);
    }
  }

  headers(headers: IncomingHttpHeaders): void {
    this.#options.onHeaders?.(headers);
  }

  trailers(trailers: IncomingHttpHeaders): void {
    this.#options.onTrailers?.(trailers);
  }
}

/** The answers of a call that has several. */
class AnswerStream<O extends DescMessage> implements AnswerSink, AsyncIterableIterator<MessageShape<O>, undefined> {
  call: ClientCall | undefined;
  isCancelled = false;
  readonly #queue: MessageQueue<MessageShape<O>>;
  readonly #options: CallOptions;

  constructor(type: O, options: CallOptions) {
    this.#options = options;
    const tap = { pause: () => this.call?.stream.pause(), resume: () => this.call?.stream.resume() };
    this.#queue = new MessageQueue(tap, (message) => {
      try {
        return decodeAnswer(type, message);
      } catch (thrown) {
        this.call?.cancel(new GrpcError("CANCELLED", "an answer cannot be read", { cause: thrown }));
        throw thrown;
      }
    });
  }

  take(message: Uint8Array): void {
    this.#queue.push(message);
  }

  end(failure: GrpcError | undefined): void {
    if (failure === undefined) this.#queue.end();
    else this.#queue.fail(failure);
  }

  headers(headers: IncomingHttpHeaders): void {
    this.#options.onHeaders?.(headers);
  }

  trailers(trailers: IncomingHttpHeaders): void {
    this.#options.onTrailers?.(trailers);
  }

  next(): Promise<IteratorResult<MessageShape<O>, undefined>> {
    return this.#queue.next();
  }

  return(): Promise<IteratorResult<MessageShape<O>, undefined>> {
    this.isCancelled = true;
    const returned = this.#queue.return();
    this.call?.cancel(new GrpcError("CANCELLED", "the iteration has ended"));
    return returned;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
