/** A gRPC service of one unary method over plain text. */
import * as grpc from "@grpc/grpc-js";

const encode = (message: string): Buffer => Buffer.from(message);
const decode = (bytes: Buffer): string => bytes.toString();

const definition = {
  echo: {
    path: "/test.Echo/Echo",
    requestStream: false,
    responseStream: false,
    requestSerialize: encode,
    requestDeserialize: decode,
    responseSerialize: encode,
    responseDeserialize: decode,
  },
} as const;

export const ECHO: grpc.ServiceDefinition = definition;

export interface EchoClient extends grpc.Client {
  echo(
    message: string,
    options: grpc.CallOptions,
    callback: (error: grpc.ServiceError | null, answer?: string) => void,
  ): grpc.ClientUnaryCall;
}

// Clients of a definition have its methods, which the types of the library do not tell.
export const EchoClientConstructor = grpc.makeClientConstructor(ECHO, "Echo") as unknown as new (
  ...args: ConstructorParameters<typeof grpc.Client>
) => EchoClient;
