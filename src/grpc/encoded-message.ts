/** A message that is encoded once and sent many times: to every subscriber, or out of a cache. */
import { create, type DescMessage, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { frameMessage } from "./message-frame.ts";

export class EncodedMessage {
  /** With its prefix. */
  readonly framed: Uint8Array;

  constructor(framed: Uint8Array) {
    this.framed = framed;
  }
}

/** What a handler answers with: a message, the fields of one, or one that is encoded already. */
export type Reply<D extends DescMessage> = MessageInitShape<D> | EncodedMessage;

/** Encodes a message of a type. Throws an Error when a field has a value that its type does not allow. */
export const encodeMessage = <D extends DescMessage>(type: D, message: MessageInitShape<D>): EncodedMessage =>
  new EncodedMessage(frameMessage(toBinary(type, create(type, message))));
