/**
 * Fuzzes what reaches the authority and the agent: DER, signing requests and keys, messages of their services, what `/proc` says of a
 * process that lies, and a journal that a disk has damaged.
 */
import { generateKeyPairSync, sign } from "node:crypto";
import { create, type DescMessage, fromBinary, type MessageInitShape, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { parseEntry } from "../../src/identity/agent/served-entry.ts";
import { findContainer } from "../../src/identity/attestation/container-id.ts";
import {
  encodeCertificationRequest,
  readCertificationRequest,
  readSubjectKey,
  subjectKeyProblem,
} from "../../src/identity/authority/certification-request.ts";
import { decodeJournal, encodeJournal } from "../../src/identity/authority/journal-encoding.ts";
import { DiscoveryRequestSchema } from "../../src/identity/generated/envoy/service/discovery/v3/discovery_pb.ts";
import {
  AttestAgentRequestSchema,
  DenyRequestSchema,
  EntrySchema,
  FederateRequestSchema,
  SignX509SvidsRequestSchema,
} from "../../src/identity/generated/vigil/authority/v1/authority_pb.ts";
import { encodeCommonName, signatureScheme } from "../../src/lib/certificate.ts";
import { encodeElement } from "../../src/lib/der.ts";
import { type DerReader, readDer } from "../../src/lib/der-reader.ts";
import { messageOf, VigilError } from "../../src/lib/error.ts";
import { testAuthority } from "../identity/authority-in-process.ts";
import { mutatedBytes, mutatedText, type UpTo } from "./mutation.ts";
import { type FuzzTarget, threadMs } from "./target.ts";

/** Far more than any input of this size may take. */
const MAX_MS = 500;

const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
const publicKeyInfo = publicKey.export({ type: "spki", format: "der" });
const otherKeyInfos = [
  publicKeyInfo,
  generateKeyPairSync("ec", { namedCurve: "P-384" }).publicKey.export({ type: "spki", format: "der" }),
  generateKeyPairSync("rsa", { modulusLength: 2048 }).publicKey.export({ type: "spki", format: "der" }),
  generateKeyPairSync("ed25519").publicKey.export({ type: "spki", format: "der" }),
];
const scheme = signatureScheme(privateKey);
const request = await encodeCertificationRequest(
  { subject: encodeCommonName("web"), spiffeId: "spiffe://a.test/web", publicKeyInfo },
  scheme,
  async (data) => sign(scheme.hash, data, privateKey),
);
const { authority, journal } = await testAuthority();
await authority.deny({ spiffeIds: ["spiffe://example.org/a"], serials: ["0a0b"], reason: "stolen", remove: false });
await authority.createJoinToken("edge", 60_000);
const journalText = encodeJournal(journal.state);

const seed = <D extends DescMessage>(
  type: D,
  message: MessageInitShape<D>,
): { readonly type: DescMessage; readonly octets: Uint8Array } => ({
  type,
  octets: toBinary(type, create(type, message)),
});
const ENTRY = seed(EntrySchema, {
  id: "default/web",
  name: "web",
  spiffeId: "spiffe://a.test/web",
  selectors: ["unix:uid:1"],
  federatesWith: ["b.test"],
  x509TtlMs: 900_000n,
});
const MESSAGES = [
  seed(SignX509SvidsRequestSchema, { requests: [{ entryId: "default/web", subject: { case: "csr", value: request } }] }),
  seed(AttestAgentRequestSchema, {}),
  seed(DenyRequestSchema, { spiffeIds: ["spiffe://a.test/web"], reason: "stolen" }),
  seed(FederateRequestSchema, { trustDomain: "b.test", endpointUrl: "https://b.test", profile: "https_web", bundle: publicKeyInfo }),
  seed(DiscoveryRequestSchema, { resourceNames: ["default", "spiffe://a.test"], node: { id: "n" } }),
];

const ID = "0123456789abcdef".repeat(4);
const CGROUPS = [
  `0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod2c48913c_b29f_11e7_9350_020968147796.slice/cri-containerd-${ID}.scope\n`,
  `0::/system.slice/docker-${ID}.scope\n`,
  `12:cpu:/kubepods/pod2c48913c-b29f-11e7-9350-020968147796/${ID}\n0::/user.slice/user-1000.slice/user@1000.service/libpod-${ID}.scope\n`,
];
const MOUNTS = `36 35 0:31 /docker/containers/${ID}/hostname /etc/hostname rw,relatime - ext4 /dev/sda1 rw\n`;

/** What is fuzzed: makes an input, judges it, and gives it back for the report. Throws when something is wrong. */
const KINDS: readonly ((upTo: UpTo) => string)[] = [
  checkDer,
  checkRequest,
  checkKey,
  checkMessage,
  checkEntry,
  checkContainer,
  checkJournal,
];

/** Whatever is accepted is the one canonical encoding: it is written as it was read. */
function checkDer(upTo: UpTo): string {
  const input = mutatedBytes([request, publicKeyInfo, publicKeyInfo.subarray(2)][upTo(3)] ?? request, upTo);
  const walk = (reader: DerReader): void => {
    reader.rest((part) => {
      const { tag, content, bytes } = part.element();
      if (Buffer.compare(encodeElement(tag, content), bytes) !== 0) throw new Error("written differently than read");
    });
  };
  refusing(readDer(input, walk));
  return hex(input);
}

/** A request that was changed is not the workload's any more. */
function checkRequest(upTo: UpTo): string {
  const input = mutatedBytes(request, upTo);
  const read = readCertificationRequest(input);
  refusing(read);
  if (read.ok && Buffer.compare(input, request) !== 0) throw new Error(`accepted, though it was changed: ${hex(input)}`);
  return hex(input);
}

/** The quick look at the usual keys decides as the thorough one. */
function checkKey(upTo: UpTo): string {
  const input = mutatedBytes(otherKeyInfos[upTo(otherKeyInfos.length)] ?? publicKeyInfo, upTo);
  const thorough = readSubjectKey(input);
  refusing(thorough);
  if ((subjectKeyProblem(input) === undefined) !== thorough.ok) throw new Error(`the two disagree: ${hex(input)}`);
  return hex(input);
}

function checkMessage(upTo: UpTo): string {
  const { type, octets } = MESSAGES[upTo(MESSAGES.length)] ?? ENTRY;
  const input = mutatedBytes(octets, upTo);
  const message = decoded(type, input);
  if (message === undefined) return hex(input);
  const written = toBinary(type, message);
  if (Buffer.compare(toBinary(type, fromBinary(type, written)), written) !== 0) throw new Error(`does not read back: ${hex(input)}`);
  return hex(input);
}

/** An entry that an agent takes matches somebody, and not everybody. */
function checkEntry(upTo: UpTo): string {
  const input = mutatedBytes(ENTRY.octets, upTo);
  const message = decoded(EntrySchema, input);
  const entry = message && parseEntry(message);
  if (entry?.ok && entry.value.selectors.length === 0) throw new Error(`everybody matches: ${hex(input)}`);
  return hex(input);
}

/** UNTRUSTED text of the kernel, in which names are chosen by who is attested. */
function checkContainer(upTo: UpTo): string {
  const cgroup = mutatedText(CGROUPS[upTo(CGROUPS.length)] ?? "", upTo);
  const mountinfo = mutatedText(MOUNTS, upTo);
  const found = findContainer({ cgroup, mountinfo: () => mountinfo, isAgentInContainer: upTo(2) === 0 });
  if (found.kind === "container" && !/^[0-9a-f]{64}$/i.test(found.facts.containerId))
    throw new Error(`\`${found.facts.containerId}\` is no container`);
  return JSON.stringify([cgroup, mountinfo]);
}

/** A damaged journal is refused, or it is one that can be written and read again. */
function checkJournal(upTo: UpTo): string {
  const input = mutatedText(journalText, upTo);
  try {
    const written = encodeJournal(decodeJournal(Buffer.from(input)));
    if (encodeJournal(decodeJournal(Buffer.from(written))) !== written) throw new TypeError(`written as ${written}`);
  } catch (thrown) {
    if (!(thrown instanceof VigilError)) throw thrown;
  }
  return input;
}

function decoded<D extends DescMessage>(type: D, input: Uint8Array): MessageShape<D> | undefined {
  try {
    return fromBinary(type, input, { readUnknownFields: false });
  } catch {
    // Refused: which is what the server tells its caller.
    return undefined;
  }
}

function refusing(result: { readonly ok: boolean; readonly error?: unknown }): void {
  if (!result.ok && !(result.error instanceof VigilError && /^[ -~…§]+$/.test(result.error.message)))
    throw new Error(`not a proper refusal: ${messageOf(result.error)}`);
}

const hex = (input: Uint8Array): string => Buffer.from(input).toString("hex");

export const identityFuzz: FuzzTarget = {
  name: "identity",
  run(random) {
    const upTo: UpTo = (limit) => Math.floor(random() * limit);
    const startMs = threadMs();
    const input = (KINDS[upTo(KINDS.length)] ?? checkDer)(upTo);
    if (threadMs() - startMs > MAX_MS) throw new Error(`too slow: ${input.slice(0, 8000)}`);
  },
};
