import { expect, test } from "vitest";
import { resolveSettings, type Settings } from "../settings.ts";
import { checkAuthoritySettings, readSettingFile } from "./checked-settings.ts";

function settingsWith(values: { readonly [key: string]: unknown }): Settings {
  const resolved = resolveSettings({ flags: {}, environment: {}, file: undefined });
  if (!resolved.ok) throw new Error("the defaults are wrong");
  return { ...resolved.value.values, ...values };
}

test("the defaults are right, and so are whole pairs", () => {
  expect(() => checkAuthoritySettings(settingsWith({}))).not.toThrow();
  expect(() => checkAuthoritySettings(settingsWith({ "identity.upstreamCertificate": "a", "identity.upstreamKey": "b" }))).not.toThrow();
});

test.each([
  [{ "identity.upstreamCertificate": "a" }],
  [{ "identity.upstreamKey": "a" }],
  [{ "identity.upstreamBundle": "a" }],
  [{ "identity.bundleCertificate": "a" }],
  [{ "identity.bundleKey": "a" }],
  [{ "identity.caTtl": 59_999 }],
  [{ "identity.tokenKeyTtl": 0 }],
])("%j is refused: less would be done than was meant", (values) => {
  expect(() => checkAuthoritySettings(settingsWith(values))).toThrow(expect.objectContaining({ code: "CONFIG_VALUE" }));
});

test("a file that cannot be read is refused with the setting that names it", async () => {
  const settings = settingsWith({ "identity.webAuthorities": "/nonexistent/web.pem" });
  await expect(readSettingFile(settings, "identity.webAuthorities")).rejects.toMatchObject({
    code: "CONFIG_VALUE",
    message: expect.stringContaining("identity.webAuthorities"),
  });
  expect(await readSettingFile(settings, "identity.bundleKey")).toBeUndefined();
});
