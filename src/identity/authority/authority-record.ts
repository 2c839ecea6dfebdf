/** One authority of a trust domain: a key that signs certificates or tokens, and where it stands in its life. */
import type { KeyType } from "../../resource/trust-domain.ts";

/** What the key signs: certificates, JWT-SVIDs, WIT-SVIDs. */
export type AuthorityKind = "x509" | "jwt" | "wit";
export const AUTHORITY_KINDS: readonly AuthorityKind[] = ["x509", "jwt", "wit"];

/**
 * prepared: published, signs nothing yet. active: signs. old: signs nothing any more, its private key is destroyed, and it stays in the
 * bundle until it expires. gone: no longer in the bundle, kept for a while so that people see what became of it.
 */
export type AuthorityPhase = "prepared" | "active" | "old" | "gone";

export interface AuthorityRecord {
  /** Of certificates the subject key identifier in hexadecimal, of tokens the `kid`. */
  readonly id: string;
  readonly kind: AuthorityKind;
  readonly phase: AuthorityPhase;
  /** When it took its phase. */
  readonly sinceMs: number;
  readonly keyName: string;
  readonly keyType: KeyType;
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKeyInfo: Uint8Array;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** What it signed is to be renewed at once. */
  readonly isTainted: boolean;
  /** INVARIANT: of kind x509 and no other. */
  readonly certificate: AuthorityCertificate | undefined;
}

export interface AuthorityCertificate {
  readonly der: Uint8Array;
  /** Who issued it; undefined when it issued itself. */
  readonly upstream: Upstream | undefined;
}

export interface Upstream {
  /** As configured, for people. */
  readonly name: string;
  /** Authorities between this one and a root, nearest first, DER. */
  readonly intermediates: readonly Uint8Array[];
  /** What others must trust, DER. Not empty. */
  readonly roots: readonly Uint8Array[];
}

/** Whether others are told of it. */
export const isPublished = ({ phase }: AuthorityRecord): boolean => phase !== "gone";
