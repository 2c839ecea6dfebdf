/** Profiles as documents: reading, with each mistake at its place, and writing. */
import type { Diagnostic } from "../../lib/diagnostic.ts";
import type { JsonObject } from "../../lib/json.ts";
import { err, ok, type Result } from "../../lib/result.ts";
import { closestName } from "../../lib/suggestion.ts";
import { CAPABILITY_NAMES } from "../../linux/capabilities.ts";
import { isSyscallName, SYSCALL_NAMES, type SyscallName } from "../../linux/syscall-numbers.ts";
import { type Document, readDocuments } from "../../resource/document.ts";
import { type Metadata, metadata } from "../../resource/metadata.ts";
import {
  checked,
  checkUnique,
  flag,
  integer,
  listOf,
  nonEmptyText,
  oneOf,
  record,
  required,
  type Shape,
  Spot,
  text,
  withDefault,
} from "../../resource/shape.ts";
import {
  type Alternative,
  type Condition,
  type NetworkUse,
  PATH_ACCESSES,
  type PathUse,
  type Profile,
  type ProfileCall,
  REASONS,
  type Recording,
  sortReasons,
} from "./profile.ts";

export type ProfileErrorCode = "PROFILE_COUNT";

/** As profiles write them: `net_bind_service`. */
const CAPABILITIES: readonly string[] = CAPABILITY_NAMES.map((name) => name.slice("CAP_".length).toLowerCase());

const MAX_CALLS = 1024;
const MAX_ITEMS = 50_000;
const MAX_DOCUMENT_BYTES = 16 * 1024 * 1024;
const UINT64 = (1n << 64n) - 1n;
const MAX_PORT = 65_535;
const MAX_MS = Number.MAX_SAFE_INTEGER;

const syscall: Shape<SyscallName> = (value, spot) => {
  const name = text(value, spot);
  if (name === undefined || isSyscallName(name)) return name;
  const near = closestName(name, SYSCALL_NAMES);
  spot.report("RESOURCE_INVALID_VALUE", `unknown system call \`${name}\``, near === undefined ? undefined : `did you mean \`${near}\`?`);
  return undefined;
};

/** `0x1f` */
const word: Shape<bigint> = (value, spot) => {
  const read = text(value, spot);
  if (read === undefined) return undefined;
  if (/^0x[0-9a-f]{1,16}$/.test(read)) return BigInt(read);
  spot.report("RESOURCE_INVALID_VALUE", `expected \`${spot.name}\` to be a number like \`0x1f\` of at most 64 bits, got \`${read}\``);
  return undefined;
};

const condition: Shape<Condition> = checked(
  record<Condition>({ argument: required(integer(0, 5)), mask: withDefault(word, UINT64), value: required(word) }),
  ({ mask, value }, spot) => {
    if ((value & ~mask) !== 0n) spot.report("RESOURCE_INVALID_VALUE", `the value of \`${spot.name}\` has bits that its mask hides`);
  },
);

const alternative: Shape<Alternative> = checked(listOf(condition, { min: 1, max: 6 }), (conditions, spot) =>
  checkUnique(conditions, spot, ({ argument }) => String(argument), "argument"),
);

const call: Shape<ProfileCall> = record<ProfileCall>({
  name: required(syscall),
  reasons: required(listOf(oneOf(...REASONS), { min: 1, max: REASONS.length })),
  alternatives: withDefault(listOf(alternative, { max: 64 }), []),
});

const absolutePath: Shape<string> = (value, spot) => {
  const read = nonEmptyText(value, spot);
  if (read === undefined) return undefined;
  const steps = read.split("/");
  if (read.startsWith("/") && !read.includes("\0") && read.length <= 4096 && !steps.includes("..") && !steps.includes(".")) return read;
  spot.report("RESOURCE_INVALID_VALUE", `expected \`${spot.name}\` to be an absolute path without \`.\` and \`..\``);
  return undefined;
};

const path: Shape<PathUse> = record<PathUse>({
  path: required(absolutePath),
  access: required(listOf(oneOf(...PATH_ACCESSES), { min: 1, max: PATH_ACCESSES.length })),
  isDirectory: withDefault(flag, false),
});

const ports = listOf(integer(1, MAX_PORT), { max: MAX_PORT });

const recording: Shape<Recording> = record<Recording>({
  subject: required(text),
  recorder: required(oneOf("tracepoint", "notify", "static")),
  kernel: required(text),
  durationMs: required(integer(0, MAX_MS)),
  lastNewMs: required(integer(0, MAX_MS)),
  calls: required(integer(0, MAX_CALLS)),
});

interface ProfileSpec extends Omit<Profile, "name"> {}

const spec: Shape<ProfileSpec> = checked(
  record<ProfileSpec>({
    architectures: required(listOf(oneOf("arm64", "x64"), { min: 1, max: 2 })),
    calls: required(listOf(call, { max: MAX_CALLS })),
    capabilities: withDefault(listOf(oneOf(...CAPABILITIES), { max: CAPABILITIES.length }), []),
    paths: withDefault(listOf(path, { max: MAX_ITEMS }), []),
    network: withDefault(record<NetworkUse>({ connect: withDefault(ports, []), bind: withDefault(ports, []) }), { connect: [], bind: [] }),
    recordings: withDefault(listOf(recording, { max: MAX_ITEMS }), []),
  }),
  ({ calls, paths }, spot) => {
    checkUnique(calls, spot.child("calls"), ({ name }) => name, "name");
    checkUnique(paths, spot.child("paths"), (use) => use.path, "path");
  },
);

const profile = record<{ apiVersion: string; kind: string; metadata: Metadata; spec: ProfileSpec }>({
  apiVersion: required(oneOf("vigil.dev/v1alpha1")),
  kind: required(oneOf("Profile")),
  metadata: required(metadata),
  spec: required(spec),
});

/** The one profile that a YAML or JSON text holds. UNTRUSTED: `bytes`. */
export function readProfile(bytes: Uint8Array, file: string): Result<Profile, readonly Diagnostic[]> {
  const { documents, diagnostics } = readDocuments(bytes, file, { fileBytes: MAX_DOCUMENT_BYTES, documents: 2, depth: 16, aliasNodes: 0 });
  if (diagnostics.length > 0) return err(diagnostics);
  const [first] = documents;
  if (first === undefined || documents.length > 1) return err([countDiagnostic(file, documents.length)]);
  return readProfileDocument(first);
}

const countDiagnostic = (file: string, count: number): Diagnostic => ({
  code: "PROFILE_COUNT" satisfies ProfileErrorCode,
  severity: "error",
  message: `expected one profile, got ${count === 0 ? "none" : "more"}`,
  file,
  line: 1,
  column: 1,
  length: 1,
});

function readProfileDocument(document: Document): Result<Profile, readonly Diagnostic[]> {
  const problems: Diagnostic[] = [];
  const read = profile(document.value, new Spot(document, [], problems));
  if (read === undefined || problems.length > 0) return err(problems);
  const order = <T>(items: readonly T[], key: (item: T) => string): readonly T[] =>
    items.toSorted((a, b) => (key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : 0));
  return ok({
    name: read.metadata.name,
    architectures: [...new Set(read.spec.architectures)].sort(),
    calls: order(read.spec.calls, ({ name }) => name).map((each) => ({
      name: each.name,
      reasons: sortReasons(each.reasons),
      alternatives: each.alternatives.map((conditions) => conditions.toSorted((a, b) => a.argument - b.argument)),
    })),
    capabilities: [...new Set(read.spec.capabilities)].sort(),
    paths: order(read.spec.paths, (use) => use.path).map((use) => ({
      ...use,
      access: PATH_ACCESSES.filter((access) => use.access.includes(access)),
    })),
    network: { connect: sortNumbers(read.spec.network.connect), bind: sortNumbers(read.spec.network.bind) },
    recordings: read.spec.recordings,
  });
}

const sortNumbers = (numbers: readonly number[]): readonly number[] => [...new Set(numbers)].sort((a, b) => a - b);

const hex = (value: bigint): string => `0x${value.toString(16)}`;

/** The document of a profile, for JSON or YAML; `readProfile` reads it back. */
export function profileDocument({ name, ...rest }: Profile): JsonObject {
  return {
    apiVersion: "vigil.dev/v1alpha1",
    kind: "Profile",
    metadata: { name },
    spec: {
      architectures: rest.architectures,
      calls: rest.calls.map(({ alternatives, ...each }) => ({
        ...each,
        ...(alternatives.length > 0 && {
          alternatives: alternatives.map((conditions) =>
            conditions.map(({ argument, mask, value }) => ({
              argument,
              ...(mask !== UINT64 && { mask: hex(mask) }),
              value: hex(value),
            })),
          ),
        }),
      })),
      ...(rest.capabilities.length > 0 && { capabilities: rest.capabilities }),
      ...(rest.paths.length > 0 && {
        paths: rest.paths.map(({ path: used, access, isDirectory }) => ({ path: used, access, ...(isDirectory && { isDirectory }) })),
      }),
      ...(rest.network.connect.length + rest.network.bind.length > 0 && {
        network: { connect: rest.network.connect, bind: rest.network.bind },
      }),
      recordings: rest.recordings.map((each) => ({ ...each })),
    },
  };
}
