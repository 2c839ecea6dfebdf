/**
 * Conformance cases that fail, with the reason. The list may only shrink: nothing may be in it that cel-go itself does not skip,
 * and a case in it that passes fails its test.
 */
import { readFileSync } from "node:fs";
import { expect } from "vitest";

/** Reasons by the id of the case (cases.ts). */
export const knownFailures: ReadonlyMap<string, string> = new Map(
  Object.entries(JSON.parse(readFileSync(new URL("known-failures.json", import.meta.url), "utf8"))).map(([id, reason]) => [
    id,
    String(reason),
  ]),
);

/** Runs the assertions of a case. A known failure must fail. */
export function expectConformance(id: string, assertions: () => void): void {
  if (knownFailures.has(id)) expect(assertions, `${id} passes: remove it from known-failures.json`).toThrow();
  else assertions();
}

/** What cel-go's conformance runner skips (its conformance/BUILD.bazel): cases, and whole suites. */
export const skippedByCelGo: readonly string[] = [
  "fields/qualified_identifier_resolution/map_key_float",
  "fields/qualified_identifier_resolution/map_key_null",
  "fields/qualified_identifier_resolution/map_value_repeat_key",
  "fields/qualified_identifier_resolution/map_value_repeat_key_heterogeneous",
  "timestamps/duration_converters/get_milliseconds",
  "optionals/optionals/map_optional_select_has",
  "string_ext/value_errors/indexof_out_of_range",
  "string_ext/value_errors/lastindexof_out_of_range",
  "enums/strong_proto2",
  "enums/strong_proto3",
  "type_deductions/wrappers/wrapper_promotion_2",
  "type_deductions/legacy_nullable_types/null_assignable_to_message_parameter_candidate",
  "type_deductions/legacy_nullable_types/null_assignable_to_duration_parameter_candidate",
  "type_deductions/legacy_nullable_types/null_assignable_to_timestamp_parameter_candidate",
  "type_deductions/legacy_nullable_types/null_assignable_to_abstract_parameter_candidate",
];
