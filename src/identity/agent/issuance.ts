/** Makes keys here and has them signed by the authority. A private key never leaves the agent but to its workload. */
import { createPrivateKey, generateKeyPair } from "node:crypto";
import { promisify } from "node:util";
import { create } from "@bufbuild/protobuf";
import { GrpcError } from "../../grpc/grpc-error.ts";
import { statusNameOf } from "../../grpc/status.ts";
import { encodeJson } from "../../lib/json.ts";
import type { TraceContext } from "../../lib/trace-context.ts";
import type { Tracer } from "../../lib/tracer.ts";
import { parseX509Svid } from "../../spiffe/x509-svid.ts";
import { type Refusal, RefusalSchema, type X509Svid as SignedX509 } from "../generated/vigil/authority/v1/authority_pb.ts";
import type { AuthorityClient } from "./authority-client.ts";
import { problemOf } from "./authority-link.ts";
import { IssuanceTrace } from "./issuance-trace.ts";
import type { Credential, Issued, IssueFailure } from "./renewed-credentials.ts";
import type { ServedEntry } from "./served-entry.ts";

export interface X509Credential extends Credential {
  /** Leaf first, DER, one after the other. */
  readonly chainDer: Uint8Array;
  /** Each as DER, leaf first. */
  readonly certificates: readonly Uint8Array[];
  /** PKCS#8, DER. */
  readonly keyDer: Uint8Array;
  readonly serial: string;
}

export interface WitCredential extends Credential {
  readonly token: string;
  /** The private key, as a JWK. */
  readonly keyJwk: string;
}

interface KeyPair {
  readonly publicKey: Uint8Array;
  readonly privateKey: Uint8Array;
}

/** The authority back-dates what it signs, for verifiers whose clock is behind. */
export const BACKDATE_MS = 10_000;
const WIT_ALGORITHM = "ES256";
/** Statuses after which the same question has the same answer. */
const FINAL: ReadonlySet<string> = new Set(["INVALID_ARGUMENT", "NOT_FOUND", "PERMISSION_DENIED"]);

const generate = promisify(generateKeyPair);

/** In the thread pool, so that a thousand keys do not keep the agent from answering. */
const newKeyPair = (): Promise<KeyPair> =>
  generate("ec", {
    namedCurve: "P-256",
    publicKeyEncoding: { type: "spki", format: "der" },
    privateKeyEncoding: { type: "pkcs8", format: "der" },
  });

/** X.509-SVIDs for entries, as one request. `onSigned` gets what the authority's clock showed. */
export async function issueX509(
  client: AuthorityClient,
  entries: readonly ServedEntry[],
  onSigned: (authorityNowMs: number) => void,
  tracer?: Tracer,
): Promise<readonly Issued<X509Credential>[]> {
  const trace = new IssuanceTrace(tracer, "x509", entries);
  const outcomes = await trace.around(() => askX509(client, entries, onSigned, trace.context));
  trace.end(outcomes);
  return outcomes;
}

async function askX509(
  client: AuthorityClient,
  entries: readonly ServedEntry[],
  onSigned: (authorityNowMs: number) => void,
  trace: TraceContext | undefined,
): Promise<readonly Issued<X509Credential>[]> {
  const keys = await Promise.all(entries.map(newKeyPair));
  const requests = entries.map(({ id }, index) => {
    const value = keys[index]?.publicKey ?? new Uint8Array();
    return { entryId: id, subject: { case: "publicKey" as const, value } };
  });
  const { results } = await client.signX509Svids({ requests }, trace);
  return entries.map((entry, index): Issued<X509Credential> => {
    const key = keys[index];
    const result = results[index]?.result;
    if (key === undefined || result?.case === undefined)
      return refused(create(RefusalSchema, { code: 13, message: "the authority left an answer out" }));
    if (result.case === "refusal") return refused(result.value);
    onSigned(Number(result.value.notBeforeMs) + BACKDATE_MS);
    return x509Credential(entry, result.value, key);
  });
}

/** Checked as any workload would, so that what is wrong is known here and named. */
function x509Credential(entry: ServedEntry, signed: SignedX509, { privateKey }: KeyPair): Issued<X509Credential> {
  const chainDer = Buffer.concat(signed.certificates);
  const svid = parseX509Svid(chainDer, privateKey);
  if (!svid.ok)
    return {
      ok: false,
      error: { code: svid.error.code, message: `the authority signed a wrong SVID: ${svid.error.message}`, isFinal: false },
    };
  if (svid.value.id !== entry.spiffeId) {
    return {
      ok: false,
      error: { code: "INTERNAL", message: `the authority signed \`${svid.value.id}\` for \`${entry.spiffeId}\``, isFinal: false },
    };
  }
  const [leaf] = svid.value.certificates;
  return {
    ok: true,
    value: {
      chainDer,
      certificates: signed.certificates,
      keyDer: privateKey,
      serial: signed.serial,
      notBeforeMs: leaf.notBeforeMs,
      notAfterMs: leaf.notAfterMs,
      authorityId: signed.authorityId,
      ...(signed.renewAtMs === 0n ? {} : { renewAtMs: Number(signed.renewAtMs) }),
    },
  };
}

/** WIT-SVIDs for entries, one request each. */
export async function issueWit(
  client: AuthorityClient,
  entries: readonly ServedEntry[],
  tracer?: Tracer,
): Promise<readonly Issued<WitCredential>[]> {
  const trace = new IssuanceTrace(tracer, "wit", entries);
  const outcomes = await Promise.all(
    entries.map(async (entry): Promise<Issued<WitCredential>> => {
      const key = await newKeyPair();
      try {
        const signed = await client.signWitSvid({ entryId: entry.id, publicKey: key.publicKey, algorithm: WIT_ALGORITHM }, trace.context);
        const jwk = createPrivateKey({ key: Buffer.from(key.privateKey), format: "der", type: "pkcs8" }).export({ format: "jwk" });
        const { kty = "", crv = "", x = "", y = "", d = "" } = jwk;
        return {
          ok: true,
          value: {
            token: signed.token,
            keyJwk: encodeJson({ kty, crv, x, y, d, alg: WIT_ALGORITHM }),
            notBeforeMs: Number(signed.issuedAtMs),
            notAfterMs: Number(signed.expiresAtMs),
            authorityId: signed.authorityId,
          },
        };
      } catch (error) {
        return { ok: false, error: failureOf(error) };
      }
    }),
  );
  trace.end(outcomes);
  return outcomes;
}

const refused = ({ code, message, reason }: Refusal): { readonly ok: false; readonly error: IssueFailure } => {
  const status = statusNameOf(code);
  return { ok: false, error: { code: status, message: reason === "" ? message : `${message} (${reason})`, isFinal: FINAL.has(status) } };
};

/** What a call that failed means for what it asked for. */
export function failureOf(error: unknown): IssueFailure {
  const { status, message } = problemOf(error);
  return { code: status, message, isFinal: error instanceof GrpcError && FINAL.has(status) };
}
