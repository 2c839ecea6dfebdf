/** Fields of Falco's language: what each is, where its value comes from, and which cannot be had. */

import { processFields } from "./field/caller.ts";
import { containerFields } from "./field/container.ts";
import { descriptorFields } from "./field/descriptor.ts";
import { eventFields } from "./field/event.ts";
import type { Field } from "./field/field-row.ts";
import { UNAVAILABLE_FIELDS, type UnavailableField } from "./field/unavailable.ts";

export const FIELDS: ReadonlyMap<string, Field> = new Map(
  [...eventFields, ...processFields, ...descriptorFields, ...containerFields].map((field) => [field.name, field]),
);

/** Why a field of Falco's has no value here, or undefined when Falco has no such field either. */
export const unavailableField = (name: string): UnavailableField | undefined =>
  UNAVAILABLE_FIELDS.find(({ prefix }) => name === prefix || (prefix.endsWith(".") && name.startsWith(prefix)));
