/** `vigil identity list`, `mint`, `rotate` and `revoke`: what the authority knows, and what it is told to do. */
import { generateKeyPairSync } from "node:crypto";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { AuthorityAdmin, type Entry, type MintX509SvidResponse } from "../../identity/generated/vigil/authority/v1/authority_pb.ts";
import { writeFileAtomic } from "../../lib/atomic-write.ts";
import { formatDuration } from "../../lib/duration.ts";
import { encodePem } from "../../lib/pem.ts";
import { parseTrustBundle } from "../../spiffe/bundle.ts";
import { parseTrustDomain } from "../../spiffe/spiffe-id.ts";
import { CALL, withAuthority } from "../authority-client.ts";
import { EXIT, type ExitCode, type Invocation } from "../command.ts";
import { type StateOptions, stateDirectoryOf } from "../status.ts";
import { alignColumns } from "../table.ts";

export interface RegistryOptions extends StateOptions {
  readonly format: "text" | "json";
}

const { method } = AuthorityAdmin;

export async function listEntries(invocation: Invocation, options: RegistryOptions): Promise<ExitCode> {
  const { terminal } = invocation;
  const directory = stateDirectoryOf(invocation, options);
  if (directory === undefined) return EXIT.unable;
  const entries = await withAuthority(directory, async (channel) => {
    const all: Entry[] = [];
    let pageToken = "";
    do {
      const page = await channel.unary(method.listEntries, { pageToken }, CALL);
      all.push(...page.entries);
      pageToken = page.nextPageToken;
    } while (pageToken !== "");
    return all;
  });
  if (options.format === "json") terminal.printJson(entries.map(jsonOf));
  else if (entries.length === 0) terminal.print("no workloads are registered");
  else {
    const rows = entries.map((entry) => [
      entry.spiffeId,
      entry.selectors.join(" "),
      `${entry.componentClass}, ${formatDuration(Number(entry.x509TtlMs))}`,
      entry.name,
    ]);
    const head = ["IDENTITY", "SELECTORS", "LIFETIME", "WORKLOAD"].map((title) => terminal.style("dim", title));
    terminal.print(alignColumns([head, ...rows], terminal.width).join("\n"));
  }
  return EXIT.yes;
}

const jsonOf = (entry: Entry): unknown => ({
  id: entry.spiffeId,
  workload: entry.name,
  selectors: entry.selectors,
  class: entry.componentClass,
  x509TtlSeconds: Number(entry.x509TtlMs) / 1000,
  jwtTtlSeconds: Number(entry.jwtTtlMs) / 1000,
  rotateAfterSeconds: Number(entry.rotateAfterMs) / 1000,
  dnsNames: entry.dnsNames,
  ipAddresses: entry.ipAddresses,
  federatesWith: entry.federatesWith,
  hint: entry.hint,
  admin: entry.admin,
  downstream: entry.downstream,
  brokerFor: entry.brokerFor,
  labels: entry.labels,
});

export interface MintOptions extends RegistryOptions {
  readonly spiffeId: string;
  /** Not empty: a JWT-SVID for these. */
  readonly audience: readonly string[];
  readonly dnsNames: readonly string[];
  readonly ttlMs: number | undefined;
  readonly componentClass: string;
  /** A directory; undefined prints. */
  readonly out: string | undefined;
}

export async function mint(invocation: Invocation, options: MintOptions): Promise<ExitCode> {
  const { terminal } = invocation;
  const directory = stateDirectoryOf(invocation, options);
  if (directory === undefined) return EXIT.unable;
  const { spiffeId, audience, dnsNames, ttlMs = 0, componentClass, format } = options;
  if (audience.length > 0) {
    const request = { spiffeId, audience: [...audience], ttlMs: BigInt(ttlMs) };
    const { token, expiresAtMs } = await withAuthority(directory, (channel) => channel.unary(method.mintJwtSvid, request, CALL));
    if (format === "json") terminal.printJson({ token, expiresAt: new Date(Number(expiresAtMs)).toISOString() });
    else terminal.print(token);
    return EXIT.yes;
  }
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const request = {
    spiffeId,
    publicKey: publicKey.export({ type: "spki", format: "der" }),
    ttlMs: BigInt(ttlMs),
    dnsNames: [...dnsNames],
    componentClass,
  };
  const minted = await withAuthority(directory, (channel) => channel.unary(method.mintX509Svid, request, CALL));
  const key = encodePem({ label: "PRIVATE KEY", der: privateKey.export({ type: "pkcs8", format: "der" }) });
  await hand(invocation, options, { chain: chainOf(minted), key, bundle: bundleOf(minted), serial: minted.svid?.serial ?? "" });
  return EXIT.yes;
}

const pemOf = (certificates: readonly Uint8Array[]): string => certificates.map((der) => encodePem({ label: "CERTIFICATE", der })).join("");

const chainOf = ({ svid }: MintX509SvidResponse): string => pemOf(svid?.certificates ?? []);

function bundleOf({ bundles }: MintX509SvidResponse): string {
  const domain = parseTrustDomain(bundles?.trustDomain ?? "");
  const document = domain.ok ? bundles?.documents[domain.value] : undefined;
  const bundle = domain.ok && document !== undefined ? parseTrustBundle(document, domain.value) : undefined;
  return bundle?.ok === true ? pemOf(bundle.value.x509Authorities.map(({ der }) => der)) : "";
}

interface Minted {
  readonly chain: string;
  readonly key: string;
  readonly bundle: string;
  readonly serial: string;
}

async function hand({ terminal }: Invocation, { out, format }: MintOptions, { chain, key, bundle, serial }: Minted): Promise<void> {
  if (out === undefined) {
    if (format === "json") terminal.printJson({ serial, certificates: chain, privateKey: key, bundle });
    else terminal.print(`${chain}${key}`.trimEnd());
    return;
  }
  mkdirSync(out, { recursive: true, mode: 0o700 });
  await writeFileAtomic(join(out, "svid_key.pem"), key);
  await writeFileAtomic(join(out, "svid.pem"), chain, 0o644);
  await writeFileAtomic(join(out, "bundle.pem"), bundle, 0o644);
  if (format === "json") terminal.printJson({ serial, directory: out });
  else terminal.print(`svid.pem, svid_key.pem and bundle.pem are in ${out} (serial ${serial})`);
}

export async function rotateSvids(invocation: Invocation, options: RegistryOptions): Promise<ExitCode> {
  const { terminal, operands } = invocation;
  const directory = stateDirectoryOf(invocation, options);
  if (directory === undefined) return EXIT.unable;
  const { entryCount } = await withAuthority(directory, (channel) => channel.unary(method.rotateSvids, { spiffeIds: [...operands] }, CALL));
  if (options.format === "json") terminal.printJson({ workloads: entryCount });
  else terminal.print(`the SVIDs of ${entryCount} ${entryCount === 1 ? "workload" : "workloads"} are renewed now`);
  return entryCount === 0 && operands.length > 0 ? EXIT.no : EXIT.yes;
}

export interface RevokeOptions extends RegistryOptions {
  readonly reason: string | undefined;
  readonly undo: boolean;
}

/** Operands that begin with `spiffe://` are identities, the others serial numbers. */
export async function revoke(invocation: Invocation, options: RevokeOptions): Promise<ExitCode> {
  const { terminal, operands } = invocation;
  const directory = stateDirectoryOf(invocation, options);
  if (directory === undefined) return EXIT.unable;
  const isId = (operand: string): boolean => operand.startsWith("spiffe://");
  const serials = operands.filter((operand) => !isId(operand)).map((serial) => serial.replaceAll(":", "").toLowerCase());
  const request = { spiffeIds: operands.filter(isId), serials, reason: options.reason ?? "", remove: options.undo };
  const { denials } = await withAuthority(directory, (channel) => channel.unary(method.deny, request, CALL));
  const left = (denials?.spiffeIds.length ?? 0) + (denials?.serials.length ?? 0);
  if (options.format === "json") terminal.printJson({ spiffeIds: denials?.spiffeIds ?? [], serials: denials?.serials ?? [] });
  else terminal.print(`${options.undo ? "denied no longer" : "denied everywhere"}: ${operands.join(", ")} (${left} are denied in all)`);
  return EXIT.yes;
}
