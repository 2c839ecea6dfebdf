/** The authorities that sign now, with their keys: replaced as a whole. */
import type { CertificateIssuer } from "../../lib/certificate.ts";
import type { RemoteTokenSigner } from "../../spiffe/compact-jws.ts";
import { issuerOf } from "./authority-bundle.ts";
import { authorityError } from "./authority-error.ts";
import type { AuthorityKind, AuthorityRecord } from "./authority-record.ts";
import { type SigningKey, tokenAlgorithmOf } from "./key-store.ts";

/** What signs now. */
export interface ActiveSigner {
  readonly record: AuthorityRecord;
  readonly key: SigningKey;
}

export interface CertificateSigner extends ActiveSigner {
  readonly issuer: CertificateIssuer;
  /** What follows the leaf in a chain, DER. */
  readonly chain: readonly Uint8Array[];
}

export interface JwsSigner extends ActiveSigner {
  readonly algorithm: RemoteTokenSigner["algorithm"];
}

export class ActiveSigners {
  #x509: CertificateSigner | undefined;
  #tokens: { readonly [K in "jwt" | "wit"]: JwsSigner | undefined } = { jwt: undefined, wit: undefined };

  /** Throws `AUTHORITY_NONE_ACTIVE` when nothing may sign certificates now. */
  certificate(nowMs: number): CertificateSigner {
    return alive(this.#x509, "x509", nowMs);
  }

  /** Throws `AUTHORITY_NONE_ACTIVE` when nothing may sign such tokens now. */
  token(kind: "jwt" | "wit", nowMs: number): JwsSigner {
    return alive(this.#tokens[kind], kind, nowMs);
  }

  /** Whether one of the kind may sign now. */
  isAlive(kind: AuthorityKind, nowMs: number): boolean {
    const signer = kind === "x509" ? this.#x509 : this.#tokens[kind];
    return signer !== undefined && signer.record.notAfterMs > nowMs;
  }

  /** The key of a record that signs. */
  keyOf({ kind, keyName }: AuthorityRecord): SigningKey | undefined {
    const key = kind === "x509" ? this.#x509?.key : this.#tokens[kind]?.key;
    return key?.name === keyName ? key : undefined;
  }

  /** Those of the active records for which `keyOf` has a key sign from now on. */
  use(records: readonly AuthorityRecord[], keyOf: (record: AuthorityRecord) => SigningKey | undefined): void {
    const signer = (kind: AuthorityKind): ActiveSigner | undefined => {
      const record = records.find((known) => known.kind === kind && known.phase === "active");
      const key = record && keyOf(record);
      return record === undefined || key === undefined ? undefined : { record, key };
    };
    const tokens = (kind: "jwt" | "wit"): JwsSigner | undefined => {
      const active = signer(kind);
      return active && { ...active, algorithm: tokenAlgorithmOf(active.key.keyType) };
    };
    const x509 = signer("x509");
    this.#x509 = x509 && { ...x509, ...issuerOf(x509.record, x509.key) };
    this.#tokens = { jwt: tokens("jwt"), wit: tokens("wit") };
  }
}

/** An expired authority signs nothing, even when the timer that replaces it is late. */
function alive<S extends ActiveSigner>(signer: S | undefined, kind: AuthorityKind, nowMs: number): S {
  if (signer !== undefined && signer.record.notAfterMs > nowMs) return signer;
  throw authorityError("AUTHORITY_NONE_ACTIVE", `no authority of kind ${kind} may sign now`, {
    hint: "`vigil trust show` shows what became of the last one; the log says why no other could be made",
  });
}
