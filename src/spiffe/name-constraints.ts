/**
 * Name constraints of signing certificates (RFC 5280 §4.2.1.10, X509-SVID §4.2). URI and DNS constraints are evaluated. A constraint of
 * another kind refuses every certificate below it that has a name of that kind: what cannot be judged is not trusted.
 */
import { constructedContextTag, contextTag } from "../lib/der.ts";
import type { DerReader } from "../lib/der-reader.ts";

export interface Subtree {
  /** GeneralName tag. */
  readonly tag: number;
  readonly base: string;
}

export interface NameConstraints {
  readonly permitted: readonly Subtree[];
  readonly excluded: readonly Subtree[];
}

/** A name of a certificate below: GeneralName tag and, for DNS names, the name; for URIs, the host. */
export interface ConstrainedName {
  readonly tag: number;
  readonly value: string;
}

export const DNS_TAG: number = contextTag(2);
export const URI_TAG: number = contextTag(6);

/** Throws `DerError` only. */
export function readNameConstraints(reader: DerReader): NameConstraints {
  return reader.sequence((inner) => ({ permitted: readSubtrees(inner, 0), excluded: readSubtrees(inner, 1) }));
}

function readSubtrees(reader: DerReader, number: number): readonly Subtree[] {
  if (reader.nextTag !== constructedContextTag(number)) return [];
  return reader.enter(constructedContextTag(number), (list) =>
    list.rest(() =>
      list.sequence((subtree) => {
        const { tag, content } = subtree.element();
        // minimum and maximum are not used with these names (RFC 5280); with one, the base is never matched.
        const isPlain = subtree.isAtEnd;
        subtree.rest(() => subtree.element());
        return { tag: isPlain ? tag : UNJUDGED, base: Buffer.from(content).toString("latin1").toLowerCase() };
      }),
    ),
  );
}

/** No GeneralName has it. */
const UNJUDGED = -1;

/** The first name that lies outside, or undefined when all are within. */
export function nameOutside({ permitted, excluded }: NameConstraints, names: readonly ConstrainedName[]): ConstrainedName | undefined {
  if (permitted.some(({ tag }) => tag === UNJUDGED) || excluded.some(({ tag }) => tag === UNJUDGED)) return names[0];
  const judged = [...permitted, ...excluded];
  return names.find((name) => {
    // A URI without a host cannot be within a constraint on hosts (RFC 5280 §4.2.1.10).
    if (name.tag === URI_TAG && name.value === "" && judged.some(({ tag }) => tag === URI_TAG)) return true;
    const isExcluded = excluded.some((subtree) => subtree.tag === name.tag && matches(subtree, name, true));
    const sameKind = permitted.filter(({ tag }) => tag === name.tag);
    return isExcluded || (sameKind.length > 0 && !sameKind.some((subtree) => matches(subtree, name, false)));
  });
}

function matches({ tag, base }: Subtree, { value }: ConstrainedName, whenUnknown: boolean): boolean {
  const name = value.toLowerCase();
  // A DNS base covers its subdomains; a URI base covers them only when it begins with a dot.
  if (tag === DNS_TAG) return base === "" || name === base || name.endsWith(base.startsWith(".") ? base : `.${base}`);
  if (tag === URI_TAG && base !== "") return base.startsWith(".") ? name.endsWith(base) && name.length > base.length : name === base;
  return whenUnknown;
}
