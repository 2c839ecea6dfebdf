/** What a field of Falco's language is. */
import type { SyscallEvent } from "../syscall-event.ts";

export type FieldValue = string | number | boolean | null;

/** `address` and `network` are texts that compare as IP addresses. */
export type FieldType = "text" | "number" | "boolean" | "address" | "network";

/** Facts that the kernel does not have; without them the field has no value. */
export type Need = "container runtime" | "Kubernetes" | "name resolution" | "environment";

export interface Field {
  readonly name: string;
  readonly type: FieldType;
  /** From which part of an event. */
  readonly from: string;
  /** Whether `field[argument]` must be, may be or cannot be written; `index` is a whole number. */
  readonly argument?: "optional" | "required" | "optional index" | "required index";
  readonly needs?: Need;
  /** The property of the event that it is: `caller.name`. */
  readonly path?: string;
  /** What it is when it is no property. `argument` is what stands in the brackets. */
  readonly read?: (event: SyscallEvent, argument: string | undefined) => FieldValue;
  /** Set for a field that is many values, any of which may match. */
  readonly readAll?: (event: SyscallEvent, argument: string | undefined) => readonly FieldValue[];
  /** The types of events that have it; all when absent. */
  readonly events?: (type: string, argument: string | undefined) => boolean;
}

export const property = (name: string, type: FieldType, path: string, from: string, more: Partial<Field> = {}): Field => ({
  name,
  type,
  path,
  from,
  ...more,
});

export const derived = (
  name: string,
  type: FieldType,
  from: string,
  read: NonNullable<Field["read"]>,
  more: Partial<Field> = {},
): Field => ({
  name,
  type,
  from,
  read,
  ...more,
});

export const many = (
  name: string,
  type: FieldType,
  from: string,
  readAll: NonNullable<Field["readAll"]>,
  more: Partial<Field> = {},
): Field => ({
  name,
  type,
  from,
  readAll,
  ...more,
});
