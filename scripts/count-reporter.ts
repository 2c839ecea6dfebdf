import type { Reporter, SerializedError, TestModule } from "vitest/node";

/**
 * Ends the output of a test run with one line that people and scripts can rely on: `N passed, N failed, N skipped`.
 * What failed outside of a test (a file that does not load, a hook, an unhandled rejection) counts as failed.
 */
export const countReporter: Reporter = {
  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly SerializedError[]): void {
    const count = { passed: 0, failed: unhandled.length, skipped: 0, pending: 0 };
    for (const module of modules) {
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        count[state]++;
        if (state === "skipped") process.stdout.write(`skipped: ${module.relativeModuleId}: ${test.fullName}\n`);
      }
      for (const suite of [module, ...module.children.allSuites()]) count.failed += suite.errors().length;
    }
    process.stdout.write(`${count.passed} passed, ${count.failed + count.pending} failed, ${count.skipped} skipped\n`);
  },
};
