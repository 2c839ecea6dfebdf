/** What every resource has in common: apiVersion, kind, metadata and spec. */
import type { Document } from "./document.ts";
import { type Metadata, metadata } from "./metadata.ts";
import { record, required, type Shape, Spot, text } from "./shape.ts";

interface Root<S> {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: Metadata;
  readonly spec: S;
}

/** Reads the document of a spot; undefined when it was refused, which has been reported then. */
export type ParseResource<R> = (spot: Spot) => R | undefined;

/** Reads a document of the given kind: the fields of its spec become the resource's own. */
export function resourceParser<K extends string, S extends object>(
  kind: K,
  spec: Shape<S>,
): ParseResource<{ readonly kind: K; readonly document: Document; readonly metadata: Metadata } & S> {
  const fields = { apiVersion: required(text), kind: required(text), metadata: required(metadata), spec: required(spec) };
  const root: Shape<Root<S>> = record<Root<S>>(fields, ["status"]);
  return ({ document, path, problems }) => {
    const read = root(document.value, new Spot(document, path, problems));
    return read === undefined ? undefined : { ...read.spec, kind, document, metadata: read.metadata };
  };
}
