/**
 * Certification paths (RFC 5280 §6) from a leaf to one of the given authorities, through intermediates in any order. The search is
 * bounded: a stranger chooses the certificates. Certificate policies are not used; a critical one refuses the certificate.
 */
import { ok, type Result } from "../lib/result.ts";
import { verifyCertificateSignature } from "./certificate-signature.ts";
import { type ConstrainedName, DNS_TAG, nameOutside, URI_TAG } from "./name-constraints.ts";
import { refuse, SpiffeError } from "./spiffe-error.ts";
import { DIRECTORY_NAME, hasEmptySubject, isSame, isSelfIssued, publicKeyOfCertificate, type X509Certificate } from "./x509-certificate.ts";
import { anchorProblem, authorityProblem } from "./x509-rules.ts";

/** Certificates that a peer may present. */
export const MAX_CHAIN_LENGTH = 16;
/** Certificates of one path, leaf and authority included. */
const MAX_PATH_LENGTH = 8;
const MAX_SIGNATURE_CHECKS = 32;

export interface PathOptions {
  /** What is trusted. INVARIANT: all of one trust domain. */
  readonly authorities: readonly X509Certificate[];
  readonly intermediates: readonly X509Certificate[];
  readonly nowMs: number;
}

/** The path, leaf first and authority last, or the reason why the most promising one fails. */
export function validatePath(leaf: X509Certificate, options: PathOptions): Result<readonly X509Certificate[], SpiffeError> {
  const untimely = validityProblem(leaf, options.nowMs);
  if (untimely !== undefined) return { ok: false, error: untimely };
  if (options.intermediates.length >= MAX_CHAIN_LENGTH)
    return refuse("x509-chain-limit", `expected at most ${MAX_CHAIN_LENGTH} certificates, got ${options.intermediates.length + 1}`);
  const search: Search = { ...options, signatureChecks: 0, problem: undefined };
  const path = extend([leaf], search);
  if (path !== undefined) return ok(path);
  return search.problem === undefined
    ? refuse("x509-issuer", "no authority of the trust domain issued the certificate", {
        hint: "check that the SVID and the bundle are of the same trust domain, and that the bundle is up to date",
      })
    : { ok: false, error: search.problem };
}

interface Search extends PathOptions {
  signatureChecks: number;
  /** Why the last path that came furthest failed. */
  problem: SpiffeError | undefined;
}

/** Depth first: authorities before intermediates, those that the key identifier names before others. */
function extend(path: readonly X509Certificate[], search: Search): readonly X509Certificate[] | undefined {
  const last = path.at(-1);
  if (last === undefined) return undefined;
  for (const authority of issuersOf(last, search.authorities)) {
    if (isAccepted(authority, anchorProblem(authority), path, search)) return [...path, authority];
  }
  if (path.length >= MAX_PATH_LENGTH - 1) {
    search.problem ??= new SpiffeError("x509-chain-limit", `expected at most ${MAX_PATH_LENGTH} certificates in a path`);
    return undefined;
  }
  for (const intermediate of issuersOf(last, search.intermediates)) {
    const isInPath = path.some((certificate) => isSame(certificate.der, intermediate.der));
    if (isInPath || !isAccepted(intermediate, authorityProblem(intermediate), path, search)) continue;
    const found = extend([...path, intermediate], search);
    if (found !== undefined) return found;
  }
  return undefined;
}

function issuersOf(certificate: X509Certificate, candidates: readonly X509Certificate[]): readonly X509Certificate[] {
  const named = candidates.filter((candidate) => isSame(candidate.subject, certificate.issuer));
  const wanted = certificate.authorityKeyIdentifier;
  if (named.length < 2 || wanted === undefined) return named;
  const isWanted = ({ subjectKeyIdentifier }: X509Certificate): boolean =>
    subjectKeyIdentifier !== undefined && isSame(subjectKeyIdentifier, wanted);
  return [...named.filter(isWanted), ...named.filter((candidate) => !isWanted(candidate))];
}

/** Whether `issuer` may stand above `path`. Cheap checks first. */
function isAccepted(
  issuer: X509Certificate,
  ownProblem: SpiffeError | undefined,
  path: readonly X509Certificate[],
  search: Search,
): boolean {
  const problem = ownProblem ?? validityProblem(issuer, search.nowMs) ?? issuingProblem(issuer, path, search);
  if (problem !== undefined) search.problem = problem;
  return problem === undefined;
}

function issuingProblem(issuer: X509Certificate, path: readonly X509Certificate[], search: Search): SpiffeError | undefined {
  const authoritiesBelow = path.slice(1).filter((certificate) => !isSelfIssued(certificate)).length;
  if (issuer.pathLength !== undefined && authoritiesBelow > issuer.pathLength)
    return new SpiffeError(
      "x509-path-length",
      `an authority allows ${issuer.pathLength} authorities below it, the path has ${authoritiesBelow}`,
    );
  const outside = issuer.nameConstraints && nameOutside(issuer.nameConstraints, namesOf(path));
  if (outside !== undefined)
    return new SpiffeError("x509-name-constraints", "a name of the certificate lies outside the name constraints of an authority above it");
  const [subject] = path.slice(-1);
  if (subject === undefined || ++search.signatureChecks > MAX_SIGNATURE_CHECKS)
    return new SpiffeError("x509-chain-limit", `more than ${MAX_SIGNATURE_CHECKS} signatures would have to be checked`);
  const key = publicKeyOfCertificate(issuer);
  switch (key === undefined ? "unsupported" : verifyCertificateSignature(subject, key)) {
    case "right":
      return undefined;
    case "wrong":
      return new SpiffeError("x509-signature", "the signature of a certificate is wrong: another key made it");
    case "unsupported":
      return new SpiffeError("x509-algorithm", "a certificate is signed with an algorithm or key that is not accepted");
  }
}

/** All names that constraints may speak of; those of self-issued intermediates are exempt (RFC 5280 §6.1.3 b). */
function namesOf(path: readonly X509Certificate[]): readonly ConstrainedName[] {
  return path
    .filter((certificate, index) => index === 0 || !isSelfIssued(certificate))
    .flatMap((certificate) => [
      ...(hasEmptySubject(certificate) ? [] : [{ tag: DIRECTORY_NAME, value: "" }]),
      ...(certificate.names?.uris ?? []).map((uri) => ({ tag: URI_TAG, value: hostOf(uri) })),
      ...(certificate.names?.dnsNames ?? []).map((name) => ({ tag: DNS_TAG, value: name })),
      ...(certificate.names?.otherTags ?? []).map((tag) => ({ tag, value: "" })),
    ]);
}

/** Empty where there is none. */
const hostOf = (uri: string): string => /^[a-z][a-z0-9+.-]*:\/\/(?:[^/?#@]*@)?([^/?#:@]*)(?::\d*)?(?:[/?#]|$)/i.exec(uri)?.[1] ?? "";

function validityProblem({ notBeforeMs, notAfterMs }: X509Certificate, nowMs: number): SpiffeError | undefined {
  if (nowMs >= notBeforeMs && nowMs <= notAfterMs) return undefined;
  const isEarly = nowMs < notBeforeMs;
  const boundary = new Date(isEarly ? notBeforeMs : notAfterMs).toISOString();
  const now = new Date(nowMs).toISOString();
  return new SpiffeError("x509-validity", `a certificate ${isEarly ? "is not valid before" : "expired at"} ${boundary}; it is ${now}`, {
    hint: isEarly ? "compare the clocks of the two machines" : "the SVID was not renewed in time",
  });
}
