import { expect, test } from "vitest";
import { withheldArguments } from "./withheld-arguments.ts";

test.each([
  [["--password=hunter2"], ["--password=***"]],
  [
    ["--api-key", "k", "-v"],
    ["--api-key", "***", "-v"],
  ],
  [["DB_PASSWORD=x y"], ["DB_PASSWORD=***"]],
  [["postgres://jo:pw@db/x"], ["postgres://jo:***@db/x"]],
  [
    ["-H", "Authorization: Bearer abcdefgh12345"],
    ["-H", "Authorization: Bearer ***"],
  ],
  [["AKIAABCDEFGHIJKLMNOP"], ["***"]],
  [
    ["-c", "ls /etc/passwd"],
    ["-c", "ls /etc/passwd"],
  ],
  [
    ["--passive", "x"],
    ["--passive", "x"],
  ],
])("%j is kept as %j", (args, expected) => {
  expect(withheldArguments(args)).toEqual(expected);
});
