/** How rules are named, and where they are written. */
import type { Document, Path } from "../../resource/document.ts";
import type { Metadata } from "../../resource/metadata.ts";
import type { PolicyOrigin } from "./access-rule.ts";

interface Named {
  readonly kind: string;
  readonly metadata: Metadata;
  readonly document: Document;
}

export const nameOf = ({ kind, metadata: { namespace, name } }: Named): string =>
  `${kind} ${namespace === "" ? "" : `${namespace}/`}${name}`;

/** The rule at `path`; `rule` names it for people. */
export function originOf(resource: Named, rule: string, path: Path): PolicyOrigin {
  const { document } = resource;
  const { line, column } = document.locate(path);
  return { policy: nameOf(resource), rule, source: `${document.file}:${line}:${column}` };
}
