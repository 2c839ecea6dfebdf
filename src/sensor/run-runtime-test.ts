/** Runs tests of runtime policies: the events of a case through a detector of its own. */
import type { RuntimeRules } from "../policy/compile-runtime-policy.ts";
import { Detector } from "./detector.ts";
import type { RuntimeTest } from "./runtime-test.ts";

export interface RuntimeTestResult {
  readonly test: string;
  readonly case: string;
  readonly isPassed: boolean;
  /** Policies that should have found something and did not. */
  readonly missing: readonly string[];
  /** Policies that found something and should not have, with what they said. */
  readonly unexpected: readonly string[];
}

export function runRuntimeTest({ name, cases }: RuntimeTest, policies: RuntimeRules): readonly RuntimeTestResult[] {
  return cases.map((testCase) => {
    const detector = new Detector({ policies });
    const found = testCase.events.flatMap((event) => detector.judge(event)).map(({ finding }) => finding);
    const names = new Set(found.map(({ policy }) => policy));
    const missing = testCase.findings.filter((policy) => !names.has(policy));
    const unexpected = found
      .filter(({ policy }) => !testCase.findings.includes(policy))
      .map(({ policy, message, fields }) => `${policy}: ${fields["error"] ?? message}`);
    return { test: name, case: testCase.name, isPassed: missing.length === 0 && unexpected.length === 0, missing, unexpected };
  });
}
