/**
 * One call at the server, from its headers to its status. Listeners are functions without closures and find the call on its stream:
 * they are the same for every call, which is what makes many small calls cheap.
 *
 * INVARIANT: a call ends once. Whatever comes later, from the handler, the client or the clock, changes nothing.
 */

import type { IncomingHttpHeaders, ServerHttp2Stream } from "node:http2";
import { fromBinary } from "@bufbuild/protobuf";
import { messageOf } from "../lib/error.ts";
import type { CallContext } from "./call-context.ts";
import { EncodedMessage, encodeMessage } from "./encoded-message.ts";
import { encodeStatusDetails, GrpcError } from "./grpc-error.ts";
import { MessageReader, type MessageSink } from "./message-frame.ts";
import { MessageQueue } from "./message-queue.ts";
import { encodeMetadataValue } from "./metadata.ts";
import type { ServerSession } from "./server-session.ts";
import type { ServerMethod } from "./service.ts";
import { encodeStatusMessage, GRPC_STATUS, type GrpcStatusName } from "./status.ts";

const CALL: unique symbol = Symbol("call");

/** A stream that carries its call. */
interface CallStream extends ServerHttp2Stream {
  [CALL]?: ServerCall;
}

const CONTENT_TYPE = "application/grpc+proto";
const ACCEPTED_ENCODING = "identity";
// As lists, which Node takes as they are: nothing is copied for a call without metadata.
const PLAIN_HEADERS: string[] = [":status", "200", "content-type", CONTENT_TYPE, "grpc-accept-encoding", ACCEPTED_ENCODING];
const PLAIN_TRAILERS: Readonly<Record<string, string>> = { "grpc-status": "0" };
const WITH_TRAILERS = { waitForTrailers: true, sendDate: false } as const;
const TRAILERS_ONLY = { endStream: true, sendDate: false } as const;
/** Fields that the description does not have are not kept. */
const DECODING = { readUnknownFields: false } as const;
const NOTHING = new Uint8Array(0);
const NO_ERROR = 0;
const CANCEL = 8;

export class ServerCall implements CallContext, MessageSink {
  readonly method: string;
  readonly headers: IncomingHttpHeaders;
  readonly session: ServerSession;
  readonly startedMs: number;
  deadlineMs: number | undefined;
  /** Since when the client owes the rest of a message; undefined while it does not. */
  #sendingSinceMs: number | undefined;
  /** Since when it owes reading what was sent. */
  #unreadSinceMs: number | undefined;

  readonly #stream: CallStream;
  readonly #called: ServerMethod;
  readonly #reader: MessageReader;
  /** The one message of a unary or server streaming call. */
  #request: Uint8Array | undefined;
  /** The messages of the others. */
  #requests: MessageQueue<unknown> | undefined;
  #heldBytes = 0;
  #permission: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #abort: AbortController | undefined;
  #ended: GrpcStatusName | undefined;
  #replies: AsyncIterator<unknown> | undefined;
  #onWritable: (() => void) | undefined;
  #extraHeaders: string[] | undefined;
  #trailers: Record<string, string> | undefined;

  constructor(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, called: ServerMethod, session: ServerSession) {
    this.#stream = stream;
    this.headers = headers;
    this.#called = called;
    this.method = called.path;
    this.session = session;
    this.startedMs = performance.now();
    this.#sendingSinceMs = this.startedMs;
    this.#reader = new MessageReader(session.server.limits.maxMessageBytes);
  }

  /** Begins the call. `timeoutMs`: how long the caller waits. */
  start(timeoutMs: number | undefined): void {
    const stream = this.#stream;
    stream[CALL] = this;
    stream.on("error", ignore);
    stream.on("close", onClose);
    stream.on("wantTrailers", onWantTrailers);
    if (timeoutMs !== undefined) {
      this.deadlineMs = this.startedMs + timeoutMs;
      this.session.server.deadlines.add(this);
    }
    const { kind } = this.#called;
    if (kind === "client_streaming" || kind === "bidi_streaming") {
      this.#sendingSinceMs = undefined;
      this.#requests = new MessageQueue(stream, (message) => this.#decode(message));
    }
    this.#permission = this.#check();
    if (this.#ended !== undefined) return;
    stream.on("data", onData);
    stream.on("end", onEnd);
    if (this.#requests !== undefined) this.#dispatch();
  }

  get signal(): AbortSignal {
    if (this.#abort === undefined) {
      this.#abort = new AbortController();
      if (this.#ended !== undefined) this.#abort.abort(new GrpcError("CANCELLED", "the call has ended"));
    }
    return this.#abort.signal;
  }

  get draining(): AbortSignal {
    return this.session.server.draining;
  }

  setHeader(name: string, value: string | Uint8Array): void {
    if (this.#stream.headersSent) throw new TypeError("the headers of the call went out already");
    this.#extraHeaders ??= [];
    this.#extraHeaders.push(name, encodeMetadataValue(name, value));
  }

  setTrailer(name: string, value: string | Uint8Array): void {
    this.#trailers ??= {};
    this.#trailers[name] = encodeMetadataValue(name, value);
  }

  /** Ends the call with a status other than OK. */
  fail(error: GrpcError): void {
    if (!this.#end(error.status, error)) return;
    if (this.#isGone) return;
    const stream = this.#stream;
    const trailers: Record<string, string> = {
      ...this.#trailers,
      "grpc-status": String(GRPC_STATUS[error.status]),
      "grpc-message": encodeStatusMessage(error.message),
    };
    const details = encodeStatusDetails(error);
    if (details !== undefined) trailers["grpc-status-details-bin"] = details;
    if (stream.headersSent) {
      this.#trailers = trailers;
      stream.end();
    } else {
      stream.respond([...PLAIN_HEADERS, ...(this.#extraHeaders ?? []), ...Object.entries(trailers).flat()], TRAILERS_ONLY);
      this.#hangUp();
    }
  }

  /** Ends the call without an answer: the client is gone, or reads nothing. */
  cancel(message: string): void {
    this.#end("CANCELLED", new GrpcError("CANCELLED", message));
    if (!this.#stream.closed) this.#stream.close(CANCEL);
  }

  receive(chunk: Uint8Array): void {
    if (this.#ended !== undefined) return;
    try {
      if (!this.session.server.hold(chunk.length))
        throw new GrpcError("RESOURCE_EXHAUSTED", "the server holds too many messages that are not complete");
      this.#heldBytes += chunk.length;
      this.#reader.push(chunk, this);
      if (this.#reader.isInside) this.#sendingSinceMs ??= performance.now();
      else if (this.#requests !== undefined) this.#release();
    } catch (thrown) {
      this.#failWith(thrown);
    }
  }

  /** The client sends nothing more. */
  receiveEnd(): void {
    // Node ends streams that were aborted too, with what came until then.
    if (this.#ended !== undefined || this.#stream.aborted || this.#stream.destroyed) return;
    this.#sendingSinceMs = undefined;
    if (this.#reader.isInside) this.fail(new GrpcError("INTERNAL", "the last message is not complete"));
    else if (this.#requests !== undefined) this.#requests.end();
    else if (this.#request === undefined) this.fail(new GrpcError("INTERNAL", "expected a message, got none"));
    else this.#dispatch();
  }

  /** What was written has gone. */
  onDrain(): void {
    this.#unreadSinceMs = undefined;
    this.#onWritable?.();
  }

  closed(): void {
    if (this.#ended === undefined) this.#end("CANCELLED", new GrpcError("CANCELLED", "the caller has gone"));
    this.#onWritable?.();
    this.session.forget(this);
  }

  sendTrailers(): void {
    if (this.#isGone) return;
    this.#stream.sendTrailers(this.#trailers === undefined ? PLAIN_TRAILERS : { ...PLAIN_TRAILERS, ...this.#trailers });
    this.#hangUp();
  }

  /** Tells a client that is still sending that nobody listens, once the status has gone out (RFC 9113 §8.1). */
  #hangUp(): void {
    const stream = this.#stream;
    if (stream.readableEnded) return;
    stream.resume();
    // Node sends trailers in its next turn too, before this.
    setImmediate(() => stream.close(NO_ERROR));
  }

  /** A message of the client is complete. */
  take(message: Uint8Array): void {
    if (this.#requests !== undefined) this.#requests.push(message);
    else if (this.#request === undefined) this.#request = message;
    else throw new GrpcError("INTERNAL", "expected one message, got several");
  }

  /** Sets the timer of the deadline, unless the call has ended. */
  armDeadline(): void {
    if (this.#ended !== undefined || this.deadlineMs === undefined) return;
    this.#timer = setTimeout(expire, Math.max(0, this.deadlineMs - performance.now()), this);
  }

  /** Ends the call when the client has owed something for longer than `stallMs`. */
  sweep(nowMs: number, stallMs: number): void {
    const isLate = (sinceMs: number | undefined): boolean => sinceMs !== undefined && nowMs - sinceMs > stallMs;
    // While the stream is paused it is this side that does not read.
    if (this.#sendingSinceMs !== undefined && this.#stream.isPaused()) this.#sendingSinceMs = nowMs;
    if (isLate(this.#unreadSinceMs)) this.cancel("the caller does not read");
    else if (isLate(this.#sendingSinceMs)) this.fail(new GrpcError("DEADLINE_EXCEEDED", "the message did not arrive in time"));
  }

  /** Nothing of a message is under way. */
  #release(): void {
    this.#sendingSinceMs = undefined;
    this.session.server.release(this.#heldBytes);
    this.#heldBytes = 0;
  }

  #check(): Promise<void> | undefined {
    const { check } = this.#called;
    try {
      const common = this.session.server.hooks.check?.(this);
      if (common !== undefined) return this.#gate(check === undefined ? common : common.then(() => check(this)));
      const own = check?.(this);
      return own === undefined ? undefined : this.#gate(own);
    } catch (thrown) {
      this.#failWith(thrown);
      return undefined;
    }
  }

  /** A check that fails ends the call even while the request is still on its way. */
  async #gate(check: Promise<void>): Promise<void> {
    try {
      await check;
    } catch (thrown) {
      this.#failWith(thrown);
    }
  }

  #dispatch(): void {
    if (this.#permission === undefined) this.#run();
    else void this.#permission.then(() => this.#run());
  }

  #run(): void {
    if (this.#ended !== undefined) return;
    const { kind, handle } = this.#called;
    try {
      const request = this.#requests ?? this.#decode(this.#request ?? NOTHING);
      // The handler was declared for what its method takes.
      const outcome = handle(request as never, this);
      if (kind === "server_streaming" || kind === "bidi_streaming") void this.#send(outcome as AsyncIterable<unknown>);
      else if (outcome instanceof Promise) void this.#await(outcome);
      else this.#reply(outcome);
    } catch (thrown) {
      this.#failWith(thrown);
    }
  }

  /** Throws a GrpcError on what is no message of the method. */
  #decode(message: Uint8Array): unknown {
    const { input } = this.#called;
    try {
      return fromBinary(input, message, DECODING);
    } catch (thrown) {
      throw new GrpcError("INTERNAL", `the message is no ${input.typeName}: ${messageOf(thrown)}`, { cause: thrown });
    }
  }

  async #await(outcome: Promise<unknown>): Promise<void> {
    try {
      this.#reply(await outcome);
    } catch (thrown) {
      this.#failWith(thrown);
    }
  }

  #reply(reply: unknown): void {
    if (this.#ended !== undefined) return;
    const { framed } = this.#encode(reply);
    if (!this.#end("OK", undefined) || this.#isGone) return;
    this.#respond();
    this.#stream.end(framed);
  }

  async #send(replies: AsyncIterable<unknown>): Promise<void> {
    try {
      const iterator = replies[Symbol.asyncIterator]();
      this.#replies = iterator;
      for (;;) {
        const step = await iterator.next();
        if (this.#ended !== undefined) return;
        if (step.done === true) break;
        const { framed } = this.#encode(step.value);
        if (this.#isGone) return;
        this.#respond();
        if (!this.#stream.write(framed)) await this.#writable();
        // The outcome of a call that has ended meanwhile is known.
        if (this.#ended !== undefined) return;
      }
      this.#replies = undefined;
      if (!this.#end("OK", undefined) || this.#isGone) return;
      this.#respond();
      this.#stream.end();
    } catch (thrown) {
      this.#failWith(thrown);
    }
  }

  /** Resolves when the client has read enough, or is gone. */
  async #writable(): Promise<void> {
    this.#unreadSinceMs ??= performance.now();
    if (this.#onWritable === undefined) this.#stream.on("drain", onDrain);
    await new Promise<void>((resolve) => {
      this.#onWritable = resolve;
    });
  }

  /** The stream is closed, or about to be: nothing may be written. */
  get #isGone(): boolean {
    return this.#stream.destroyed || this.#stream.closed;
  }

  #encode(reply: unknown): EncodedMessage {
    // The handler was declared for what its method gives.
    return reply instanceof EncodedMessage ? reply : encodeMessage(this.#called.output, reply as Record<string, never>);
  }

  #respond(): void {
    if (this.#stream.headersSent) return;
    const extra = this.#extraHeaders;
    this.#stream.respond(extra === undefined ? PLAIN_HEADERS : [...PLAIN_HEADERS, ...extra], WITH_TRAILERS);
  }

  /** Ends with what a handler, a check or the reader has thrown. Only what is meant for the caller reaches it. */
  #failWith(thrown: unknown): void {
    if (thrown instanceof GrpcError) this.fail(thrown);
    else {
      if (this.#ended === undefined) this.session.server.hooks.onFailure?.(thrown, this);
      this.fail(new GrpcError("INTERNAL", "the server failed to answer", { cause: thrown }));
    }
  }

  /** Whether the call ends by this. */
  #end(status: GrpcStatusName, reason: GrpcError | undefined): boolean {
    if (this.#ended !== undefined) return false;
    this.#ended = status;
    this.#release();
    // Until the stream is closed the client owes reading the answer.
    const nowMs = performance.now();
    this.#unreadSinceMs = nowMs;
    if (this.#timer !== undefined) clearTimeout(this.#timer);
    if (reason !== undefined) {
      this.#abort?.abort(reason);
      this.#requests?.fail(reason);
      const replies = this.#replies;
      // A generator ends when it next gets the chance; what it throws then has no caller any more.
      if (replies?.return !== undefined) void Promise.resolve(replies.return()).catch(ignore);
    }
    this.session.server.hooks.onEnd?.(this, status, nowMs - this.startedMs);
    return true;
  }
}

function onData(this: CallStream, chunk: Uint8Array): void {
  this[CALL]?.receive(chunk);
}
function onEnd(this: CallStream): void {
  this[CALL]?.receiveEnd();
}
function onDrain(this: CallStream): void {
  this[CALL]?.onDrain();
}
function onClose(this: CallStream): void {
  this[CALL]?.closed();
}
function onWantTrailers(this: CallStream): void {
  this[CALL]?.sendTrailers();
}
function expire(call: ServerCall): void {
  call.fail(new GrpcError("DEADLINE_EXCEEDED", "the deadline of the call has passed"));
}
/** What happens to a stream is told by its close. */
function ignore(): void {}
