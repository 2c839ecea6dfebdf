/** Services as the server sees them: handlers, checked against the generated description by the compiler, then without their types. */
import type { DescMessage, DescMethod, DescService, MessageShape } from "@bufbuild/protobuf";
import type { CallContext } from "./call-context.ts";
import type { Reply } from "./encoded-message.ts";

/** The handler of a method. What it throws ends the call: a GrpcError with its status, anything else as INTERNAL. */
export type Handler<M extends Pick<DescMethod, "methodKind" | "input" | "output">> = M["methodKind"] extends "unary"
  ? (request: MessageShape<M["input"]>, context: CallContext) => Reply<M["output"]> | Promise<Reply<M["output"]>>
  : M["methodKind"] extends "server_streaming"
    ? (request: MessageShape<M["input"]>, context: CallContext) => AsyncIterable<Reply<M["output"]>>
    : M["methodKind"] extends "client_streaming"
      ? (requests: AsyncIterable<MessageShape<M["input"]>>, context: CallContext) => Promise<Reply<M["output"]>>
      : (requests: AsyncIterable<MessageShape<M["input"]>>, context: CallContext) => AsyncIterable<Reply<M["output"]>>;

/** Methods without a handler answer UNIMPLEMENTED. */
export type ServiceHandlers<S extends DescService> = { readonly [K in keyof S["method"]]?: Handler<S["method"][K]> };

/** Runs before the handler, once the headers are there: it lets the call go on, or throws what ends it. */
export type CallCheck = (context: CallContext) => void | Promise<void>;

export interface ServiceOptions {
  /** Runs after the check of the server. */
  readonly check?: CallCheck;
}

export interface ServiceImplementation {
  readonly service: DescService;
  readonly methods: readonly ServerMethod[];
}

/** A method with its handler. */
export interface ServerMethod {
  /** As `/package.Service/Method`. */
  readonly path: string;
  readonly kind: DescMethod["methodKind"];
  readonly input: DescMessage;
  readonly output: DescMessage;
  readonly check: CallCheck | undefined;
  /** Takes a message, or an iterable of messages, by `kind`. */
  readonly handle: (request: never, context: CallContext) => unknown;
}

/** A service with its handlers, for a server. */
export function implementService<S extends DescService>(
  service: S,
  handlers: ServiceHandlers<S>,
  options: ServiceOptions = {},
): ServiceImplementation {
  const methods = service.methods.flatMap((method): readonly ServerMethod[] => {
    // The mapped type above says which names there are; what stands under them is called by `kind`.
    const handle = (handlers as Readonly<Record<string, ServerMethod["handle"] | undefined>>)[method.localName];
    if (handle === undefined) return [];
    const { methodKind: kind, input, output } = method;
    return [{ path: pathOfMethod(method), kind, input, output, check: options.check, handle }];
  });
  return { service, methods };
}

/** The `:path` of a method. */
export const pathOfMethod = ({ parent, name }: DescMethod): string => `/${parent.typeName}/${name}`;
