import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readText } from "../source-tree.ts";
import { vigil } from "./run-vigil.ts";

const check = (words: readonly string[], input = "") => vigil(["check", ...words], { input });
const privileged = readText("examples/debug.yaml");
const OWN = ["--policy", "examples/policies"];

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "vigil-check-"));
  mkdirSync(join(folder, "mixed/.hidden"), { recursive: true });
  writeFileSync(join(folder, "mixed/pod.yaml"), privileged);
  writeFileSync(join(folder, "mixed/values.yaml"), "replicas: 3\n");
  writeFileSync(join(folder, "mixed/README.md"), "# no manifest\n");
  writeFileSync(join(folder, "mixed/.hidden/pod.yaml"), "kind: [");
  writeFileSync(join(folder, "broken.yaml"), "kind: Pod\nkind: Pod\n");
  writeFileSync(
    join(folder, "policy.yaml"),
    readText("examples/policies/replicas.yaml").replace("object.spec.?replicas", "objct.spec.?replicas"),
  );
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("the exit code of vigil check", () => {
  test.each([
    [0, ["examples/shop.yaml"]],
    [0, [...OWN, "examples"]],
    [1, ["examples/debug.yaml"]],
    [1, ["examples/deny-privileged.json"]],
    [1, ["--policy", "builtin/pod-security", "examples/shop.yaml", "examples/debug.yaml"]],
    [2, ["no-such-file.yaml"]],
    [2, ["examples/shop.yaml", "--policy", "no-such-directory"]],
    [2, ["--policy", "docs", "examples/shop.yaml"]],
    [2, ["docs"]],
    [2, ["/dev/zero"]],
    [2, []],
    [2, ["--format", "yaml", "examples/shop.yaml"]],
  ])("is %i for %j", (status, words) => {
    const outcome = check(words);
    expect(outcome.status).toBe(status);
    expect(outcome.stderr === "").toBe(status !== 2);
    expect(outcome.stderr).not.toContain("internal error");
  });

  test("is 2 when something could not be read, whatever else was found", () => {
    const { status, stdout, stderr } = check([join(folder, "broken.yaml"), "examples/debug.yaml"]);
    expect(status).toBe(2);
    expect(stderr).toContain("broken.yaml:2:1");
    expect(stdout).toContain("Pod shop/debug");
  });

  test("is 2 when a policy does not compile, and says where", () => {
    const { status, stderr } = check(["--policy", join(folder, "policy.yaml"), "examples/shop.yaml"]);
    expect(status).toBe(2);
    expect(stderr).toMatch(/policy\.yaml:18:\d+\n.*\n.*\^\^\^\^\^ did you mean `object`\?/);
  });

  test("counts warnings as violations when it is strict", () => {
    const pod = privileged.replace(/securityContext:\n\s+privileged: true/, "").replaceAll(/hostNetwork: true|volumeMounts:[\s\S]*/g, "");
    expect(check(["-"], pod).status).toBe(0);
    expect(check(["--strict", "-"], pod).status).toBe(1);
  });

  test("is 2 for nothing on standard input: what should have written it has failed", () => expect(check(["-"]).status).toBe(2));
});

describe("what vigil check prints", () => {
  test("names object, place, policy and reason", () => {
    const { stdout } = check(["examples/debug.yaml"]);
    expect(stdout).toMatch(/^Pod shop\/debug {2}examples\/debug\.yaml:2$/m);
    expect(stdout).toMatch(/^ {2}DENY +pod-security-baseline +privileged containers are not allowed/m);
    expect(stdout).toMatch(/^1 object: 1 denied, 0 clean \(\d+ policies, .*\)$/m);
  });

  test("passes over what is no object in a directory, and what is hidden", () => {
    const { status, stdout, stderr } = check([join(folder, "mixed")]);
    expect({ status, stderr }).toEqual({ status: 1, stderr: "" });
    expect(stdout).toContain("1 other documents");
  });

  test("takes the namespace of objects that name none", () => {
    const pod = privileged.replace("  namespace: shop\n", "");
    expect(check(["-n", "kube-public", "-o", "json", "-"], pod).stdout).toContain('"Pod debug"');
  });

  test("can be JSON, for programs", () => {
    const { stdout, stderr } = check(["-o", "json", "examples/debug.yaml", "examples/shop.yaml"]);
    const report = JSON.parse(stdout);
    expect(stderr).toBe("");
    expect(report.summary).toMatchObject({ objects: 5, denied: 1, clean: 4, errors: 0 });
    expect(report.objects[0]).toMatchObject({ object: "Pod shop/debug", file: "examples/debug.yaml", line: 2, allowed: false });
    expect(report.objects[0].violations[0]).toMatchObject({ outcome: "deny", policy: "exposure-host-kernel-paths" });
  });

  test("can be SARIF, whose results refer to its rules", () => {
    const { version, runs } = JSON.parse(check(["-o", "sarif", "examples/debug.yaml"]).stdout);
    expect(version).toBe("2.1.0");
    const [{ tool, results, invocations }] = runs;
    expect(invocations[0].executionSuccessful).toBe(true);
    for (const { ruleId, ruleIndex, level, message, locations } of results) {
      expect(tool.driver.rules[ruleIndex].id).toBe(ruleId);
      expect(["error", "warning", "note"]).toContain(level);
      expect(message.text).toContain("Pod shop/debug");
      expect(locations[0].physicalLocation).toEqual({ artifactLocation: { uri: "examples/debug.yaml" }, region: { startLine: 2 } });
    }
  });

  test("can be JUnit's XML", () => {
    const { stdout } = check(["-o", "junit", "examples/debug.yaml", "examples/shop.yaml"]);
    expect(stdout).toMatch(/<testsuites name="vigil check" tests="5" failures="1" errors="0"/);
    expect(stdout).toMatch(/<failure type="pod-security-baseline" message="privileged containers/);
  });

  test("is safe whatever the objects are called", () => {
    const pod = privileged.replace("name: debug", 'name: "\\u001b[2J<&>\\u0007"');
    expect(check(["-"], pod).stdout).toContain("Pod shop/\\u001b[2J<&>\\u0007");
    expect(check(["-o", "junit", "-"], pod).stdout).toContain('name="Pod shop/\ufffd[2J&lt;&amp;&gt;\ufffd"');
  });
});

describe("bad input", () => {
  const bomb = [
    "a: &a [x, x, x, x, x, x, x, x, x]",
    ...[..."bcdefghij"].map((key, i) => `${key}: &${key} [${`*${"abcdefghi"[i]},`.repeat(9)}]`),
  ].join("\n");
  test.each([
    ["a YAML bomb", bomb],
    ["`__proto__`", "apiVersion: v1\nkind: Pod\n__proto__: {}\n"],
    ["deep nesting", `apiVersion: v1\nkind: Pod\nspec: ${"{a: ".repeat(500)}1${"}".repeat(500)}\n`],
    ["a duplicate key", "apiVersion: v1\nkind: Pod\nkind: Pod\n"],
    ["a text", "just a text\n"],
    ["an AdmissionReview without a request", '{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"}'],
    ["an AdmissionReview of another version", '{"apiVersion": "admission.k8s.io/v1beta1", "kind": "AdmissionReview", "request": {}}'],
    ["no kind", "apiVersion: v1\nspec: {}\n"],
  ])("is one message and the exit code 2: %s", (_, input) => {
    const { status, stderr } = check(["-"], input);
    expect(status).toBe(2);
    expect(stderr).toMatch(/^error: .+\n {2}<stdin>:\d+:\d+/);
    expect(stderr).not.toContain("internal error");
  });

  test("may be large: 10 MB are read", () => {
    const document = `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata: {text: ${"x".repeat(2_000)}}\n---\n`;
    expect(check([...OWN, "-"], document.repeat(10_000_000 / document.length))).toMatchObject({ status: 0, stderr: "" });
  });
});
