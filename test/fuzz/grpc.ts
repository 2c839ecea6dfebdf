/** Fuzzes what the other side of a gRPC connection sends: frames in any pieces, headers, and messages of every service that is spoken. */
import { create, type DescMessage, fromBinary, toBinary } from "@bufbuild/protobuf";
import { parseCallTimeout } from "../../src/grpc/call-timeout.ts";
import { ServerReflectionRequestSchema } from "../../src/grpc/generated/grpc/reflection/v1/reflection_pb.ts";
import { decodeStatusDetails, GrpcError } from "../../src/grpc/grpc-error.ts";
import { MessageReader } from "../../src/grpc/message-frame.ts";
import { binaryMetadata } from "../../src/grpc/metadata.ts";
import { decodeStatusMessage, encodeStatusMessage } from "../../src/grpc/status.ts";
import { DiscoveryRequestSchema } from "../../src/identity/generated/envoy/service/discovery/v3/discovery_pb.ts";
import { SubscribeToX509SVIDRequestSchema } from "../../src/spiffe/generated/spiffe/broker_pb.ts";
import {
  JWTBundlesResponseSchema,
  ValidateJWTSVIDResponseSchema,
  X509SVIDResponseSchema,
} from "../../src/spiffe/generated/spiffe/workload_pb.ts";
import { readJwtBundles, readX509Update } from "../../src/spiffe/workload-api/update.ts";
import { type FuzzTarget, threadMs } from "./target.ts";

/** Far more than octets of these sizes may take. */
const MAX_RUN_MS = 500;
const MAX_MESSAGE_BYTES = 1000;
const MAX_CHANGES = 5;

type UpTo = (limit: number) => number;

const octets = (upTo: UpTo, limit: number): Buffer => Buffer.from(Array.from({ length: upTo(limit) }, () => upTo(256)));

const SEEDS: readonly { readonly type: DescMessage; readonly octets: Uint8Array }[] = [
  seed(X509SVIDResponseSchema, {
    svids: [{ spiffeId: "spiffe://a.test/web", x509Svid: octetsOf(50), x509SvidKey: octetsOf(50), bundle: octetsOf(50), hint: "h" }],
    federatedBundles: { "spiffe://b.test": octetsOf(20) },
  }),
  seed(JWTBundlesResponseSchema, { bundles: { "spiffe://a.test": Buffer.from('{"keys":[]}') } }),
  seed(ValidateJWTSVIDResponseSchema, { spiffeId: "spiffe://a.test/x", claims: { a: [{ b: { c: [1, null, true, "x"] } }] } }),
  seed(SubscribeToX509SVIDRequestSchema, { reference: { reference: { typeUrl: "type.googleapis.com/x", value: octetsOf(5) } } }),
  seed(DiscoveryRequestSchema, { resourceNames: ["default"], typeUrl: "x", node: { id: "n", metadata: { a: { b: { c: "d" } } } } }),
  seed(ServerReflectionRequestSchema, { messageRequest: { case: "fileContainingSymbol", value: "x" } }),
];

function octetsOf(length: number): Uint8Array {
  return new Uint8Array(length).fill(48);
}

function seed<D extends DescMessage>(type: D, message: Parameters<typeof create<D>>[1]): { readonly type: D; readonly octets: Uint8Array } {
  return { type, octets: toBinary(type, create(type, message)) };
}

export const grpcFuzz: FuzzTarget = {
  name: "grpc",
  run(random) {
    const upTo: UpTo = (limit) => Math.floor(random() * limit);
    const startMs = threadMs();
    const input = upTo(3) === 0 ? checkHeaders(upTo) : upTo(2) === 0 ? checkFrames(upTo) : checkMessage(upTo);
    if (threadMs() - startMs > MAX_RUN_MS) throw new Error(`too slow: ${input}`);
  },
};

/** However the octets are cut, the same messages come out, or the same refusal. */
function checkFrames(upTo: UpTo): string {
  const frames = Array.from({ length: upTo(6) }, () => {
    const message = octets(upTo, 40);
    const prefix = Buffer.alloc(5);
    prefix[0] = upTo(10) === 0 ? upTo(256) : 0;
    prefix.writeUInt32BE(upTo(10) === 0 ? upTo(2 ** 32) : message.length, 1);
    return Buffer.concat([prefix, message]);
  });
  const input = Buffer.concat([...frames, octets(upTo, 7)]);
  const whole = readFrames(input, () => input.length);
  const cut = readFrames(input, () => 1 + upTo(9));
  if (whole !== cut) throw new Error(`pieces matter: ${input.toString("hex")}: ${whole} or ${cut}`);
  return input.toString("hex");
}

function readFrames(input: Buffer, sizeOfNext: () => number): string {
  const reader = new MessageReader(MAX_MESSAGE_BYTES);
  const messages: string[] = [];
  const sink = { take: (message: Uint8Array) => void messages.push(Buffer.from(message).toString("hex")) };
  try {
    for (let at = 0; at < input.length; ) {
      const size = sizeOfNext();
      reader.push(input.subarray(at, at + size), sink);
      at += size;
    }
  } catch (thrown) {
    if (!(thrown instanceof GrpcError)) throw thrown;
    messages.push(thrown.status);
  }
  return messages.join(",");
}

function checkHeaders(upTo: UpTo): string {
  const value = octets(upTo, 30).toString("latin1").slice(upTo(3)) + ["", "1S", "%41", "%", "==", "AAEC"][upTo(6)];
  const timeoutMs = parseCallTimeout(value);
  const message = decodeStatusMessage(value);
  const isWrong =
    (timeoutMs !== undefined && !(timeoutMs >= 0 && timeoutMs < 2 ** 31)) || decodeStatusMessage(encodeStatusMessage(message)) !== message;
  if (isWrong) throw new Error(`header ${JSON.stringify(value)}`);
  decodeStatusDetails(value);
  binaryMetadata({ "x-bin": value }, "x-bin");
  return JSON.stringify(value);
}

/** What is read is written, and reads as the same; what breaks a rule of the Workload API is refused, not thrown. */
function checkMessage(upTo: UpTo): string {
  const { type, octets: given } = SEEDS[upTo(SEEDS.length)] ?? { type: X509SVIDResponseSchema, octets: octetsOf(0) };
  let input = Buffer.from(given);
  for (let changes = upTo(MAX_CHANGES); changes > 0; changes--) {
    const at = upTo(input.length + 1);
    const piece = upTo(6) === 0 ? input.subarray(upTo(input.length)) : octets(upTo, 4);
    input = Buffer.concat([input.subarray(0, at), piece, input.subarray(at + upTo(4))]);
  }
  let message: ReturnType<typeof fromBinary<DescMessage>>;
  try {
    message = fromBinary(type, input, { readUnknownFields: false });
  } catch {
    // Refused: which is what the server tells its caller.
    return input.toString("hex");
  }
  const written = toBinary(type, message);
  if (Buffer.compare(toBinary(type, fromBinary(type, written)), written) !== 0)
    throw new Error(`does not read back: ${input.toString("hex")}`);
  if (type === X509SVIDResponseSchema) readX509Update(fromBinary(X509SVIDResponseSchema, input));
  if (type === JWTBundlesResponseSchema) readJwtBundles(fromBinary(JWTBundlesResponseSchema, input));
  return input.toString("hex");
}
