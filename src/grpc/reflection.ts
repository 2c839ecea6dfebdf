/** The reflection service (grpc `doc/server-reflection.md`), v1 and v1alpha: what services there are, and the descriptions of their messages. */
import { type DescFile, type DescMessage, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import {
  type ServerReflectionRequest,
  type ServerReflectionResponseSchema,
  ServerReflection as V1,
} from "./generated/grpc/reflection/v1/reflection_pb.ts";
import {
  type ServerReflectionRequest as AlphaRequest,
  type ServerReflectionResponseSchema as AlphaResponseSchema,
  ServerReflection as V1Alpha,
} from "./generated/grpc/reflection/v1alpha/reflection_pb.ts";
import { implementService, type ServiceImplementation } from "./service.ts";
import { GRPC_STATUS } from "./status.ts";

type Answer = Pick<
  MessageInitShape<typeof ServerReflectionResponseSchema> & MessageInitShape<typeof AlphaResponseSchema>,
  "messageResponse"
>;

/** Reflection of services, itself included. */
export function reflectionServices(services: readonly ServiceImplementation[]): readonly ServiceImplementation[] {
  const files = new Map<string, DescFile>();
  const bySymbol = new Map<string, DescFile>();
  const described = [...services.map(({ service }) => service), V1, V1Alpha];
  for (const service of described) addFile(service.file, files, bySymbol);
  const names = described.map(({ typeName }) => ({ name: typeName }));

  const answer = ({ case: kind, value }: (ServerReflectionRequest | AlphaRequest)["messageRequest"]): Answer => {
    switch (kind) {
      case "listServices":
        return { messageResponse: { case: "listServicesResponse", value: { service: names } } };
      case "fileByFilename":
        return describe(files.get(value));
      case "fileContainingSymbol":
        return describe(bySymbol.get(value));
      case "fileContainingExtension":
      case "allExtensionNumbersOfType":
        return failure(GRPC_STATUS.NOT_FOUND, "there are no extensions");
      case undefined:
        return failure(GRPC_STATUS.INVALID_ARGUMENT, "the request asks for nothing that is known here");
      default:
        return kind satisfies never;
    }
  };
  return [
    implementService(V1, {
      async *serverReflectionInfo(requests) {
        for await (const request of requests)
          yield { validHost: request.host, originalRequest: request, ...answer(request.messageRequest) };
      },
    }),
    implementService(V1Alpha, {
      async *serverReflectionInfo(requests) {
        for await (const request of requests)
          yield { validHost: request.host, originalRequest: request, ...answer(request.messageRequest) };
      },
    }),
  ];
}

const describe = (file: DescFile | undefined): Answer =>
  file === undefined
    ? failure(GRPC_STATUS.NOT_FOUND, "there is no such file or symbol")
    : {
        messageResponse: {
          case: "fileDescriptorResponse",
          value: { fileDescriptorProto: [toBinary(FileDescriptorProtoSchema, file.proto)] },
        },
      };

const failure = (errorCode: number, errorMessage: string): Answer => ({
  messageResponse: { case: "errorResponse", value: { errorCode, errorMessage } },
});

/** Adds a file, what it imports, and the names of all that it declares. */
function addFile(file: DescFile, files: Map<string, DescFile>, bySymbol: Map<string, DescFile>): void {
  if (files.has(file.proto.name)) return;
  files.set(file.proto.name, file);
  for (const imported of file.dependencies) addFile(imported, files, bySymbol);
  const addMessage = (message: DescMessage): void => {
    bySymbol.set(message.typeName, file);
    for (const nested of [...message.nestedEnums, ...message.nestedMessages]) bySymbol.set(nested.typeName, file);
    for (const nested of message.nestedMessages) addMessage(nested);
  };
  for (const message of file.messages) addMessage(message);
  for (const { typeName } of file.enums) bySymbol.set(typeName, file);
  for (const { typeName, methods } of file.services) {
    bySymbol.set(typeName, file);
    for (const { name } of methods) bySymbol.set(`${typeName}.${name}`, file);
  }
}
