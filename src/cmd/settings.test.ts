import { describe, expect, test } from "vitest";
import { readOneValue, readOptionalValue } from "./read-input.ts";
import { environmentName, resolveSettings, SETTINGS, type SettingSources } from "./settings.ts";

const file = (text: string): SettingSources["file"] => {
  const read = readOneValue(text, "/etc/vigil/vigil.yaml");
  return read.ok ? read.value : undefined;
};
const resolve = (sources: Partial<SettingSources>) => resolveSettings({ flags: {}, environment: {}, file: undefined, ...sources });

describe("resolveSettings", () => {
  const inFile = { file: file("admission: {listen: file:1}") };
  const inEnvironment = { environment: { VIGIL_ADMISSION_LISTEN: "env:1" } };
  const inFlag = { flags: { "admission.listen": { flag: "listen", value: "flag:1" } } };

  test.each([
    [{}, "127.0.0.1:8443", "default"],
    [inFile, "file:1", "/etc/vigil/vigil.yaml:1"],
    [{ ...inFile, ...inEnvironment }, "env:1", "environment VIGIL_ADMISSION_LISTEN"],
    [{ ...inFile, ...inEnvironment, ...inFlag }, "flag:1", "flag --listen"],
    [{ ...inFile, environment: { VIGIL_ADMISSION_LISTEN: "" } }, "file:1", "/etc/vigil/vigil.yaml:1"],
  ])("takes the nearest of flag, environment, file and default (%#)", (sources, value, origin) => {
    const resolved = resolve(sources);
    expect(resolved).toMatchObject({ ok: true, value: { values: { "admission.listen": value }, origins: { "admission.listen": origin } } });
  });

  test("reads every kind of value from the file, paths from where it is", () => {
    const text = "policies: [a, /b]\nadmission:\n  drain: 3s\n  maxInFlight: 7\n  onFailure: refuse\nevents:\n";
    const values = {
      policies: ["/etc/vigil/a", "/b"],
      "admission.drain": 3_000,
      "admission.maxInFlight": 7,
      "admission.onFailure": "refuse",
    };
    expect(resolve({ file: file(text) })).toMatchObject({ ok: true, value: { values } });
  });

  test.each(["", "# admission:\n#   listen: x\n"])("takes the file %j for one that states nothing", (text) => {
    expect(readOptionalValue(text, "/etc/vigil/vigil.yaml")).toEqual({ ok: true, value: undefined });
  });

  test("reads every kind of value from the environment", () => {
    const environment = { VIGIL_POLICIES: "a, b", VIGIL_ADMISSION_DRAIN: "3s", VIGIL_ADMISSION_MAX_IN_FLIGHT: "7" };
    const values = { policies: ["a", "b"], "admission.drain": 3_000, "admission.maxInFlight": 7 };
    expect(resolve({ environment })).toMatchObject({ ok: true, value: { values } });
  });

  test("leaves variables alone that Kubernetes sets for a service of that name", () => {
    expect(resolve({ environment: { VIGIL_PORT: "tcp://10.0.0.1:443", VIGIL_SERVICE_HOST: "10.0.0.1" } }).ok).toBe(true);
  });

  test.each([
    ["admission:\n  listn: x", "CONFIG_UNKNOWN_KEY", 2, 3],
    ["admision:\n  listen: x", "CONFIG_UNKNOWN_KEY", 1, 1],
    ["constructor: x", "CONFIG_UNKNOWN_KEY", 1, 1],
    ["admission: x", "CONFIG_VALUE", 1, 12],
    ["- admission", "CONFIG_VALUE", 1, 1],
    ["admission:\n  maxInFlight: 0", "CONFIG_VALUE", 2, 16],
    ["admission:\n  exclude:\n    - 1", "CONFIG_VALUE", 3, 5],
  ])("refuses `%j` where it is wrong", (text, code, line, column) => {
    expect(resolve({ file: file(text) })).toMatchObject({ ok: false, error: [{ code, line, column }] });
  });

  test("refuses a variable with a value that its setting does not take", () => {
    const environment = { VIGIL_ADMISSION_DRAIN: "3" };
    expect(resolve({ environment })).toMatchObject({ ok: false, error: [{ code: "CONFIG_ENVIRONMENT", file: "<VIGIL_ADMISSION_DRAIN>" }] });
  });
});

test("every setting has its own variable", () => {
  const names = Object.keys(SETTINGS).map(environmentName);
  expect(new Set(names).size).toBe(names.length);
  expect(names).toContain("VIGIL_ADMISSION_MAX_IN_FLIGHT");
});
