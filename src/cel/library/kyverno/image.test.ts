import { expect, test } from "vitest";
import { evaluatorOf } from "../../../../test/evaluate-expression.ts";
import { imageLibrary } from "./image.ts";
import { parseImageReference } from "./image-reference.ts";

const evaluate = evaluatorOf({ libraries: [imageLibrary] });
const DIGEST = `sha256:${"a1".repeat(32)}`;

test.each([
  ["nginx", ["index.docker.io", "library/nginx", "latest", ""]],
  ["nginx:1.2", ["index.docker.io", "library/nginx", "1.2", ""]],
  ["kyverno/kyverno", ["index.docker.io", "kyverno/kyverno", "latest", ""]],
  ["docker.io/nginx", ["index.docker.io", "library/nginx", "latest", ""]],
  ["ghcr.io/a/b/c:v1", ["ghcr.io", "a/b/c", "v1", ""]],
  ["localhost:5000/app", ["localhost:5000", "app", "latest", ""]],
  ["localhost/app", ["index.docker.io", "localhost/app", "latest", ""]],
  ["[::1]:5000/app", ["[::1]:5000", "app", "latest", ""]],
  [`nginx@${DIGEST}`, ["index.docker.io", "library/nginx", "", DIGEST]],
  [`ghcr.io/a/b:v1@${DIGEST}`, ["ghcr.io", "a/b", "", DIGEST]],
])("%s is read as go-containerregistry reads it", (text, [registry, repository, tag, digest]) => {
  expect(parseImageReference(text)?.parts).toEqual({ registry, repository, tag, digest });
});

test.each([
  "",
  "a",
  "UPPER/case",
  "nginx:",
  "nginx:a b",
  `nginx:${"a".repeat(129)}`,
  "nginx@",
  "nginx@sha256:abc",
  `nginx@sha512:${"a".repeat(128)}`,
  `a@b@${DIGEST}`,
  "gh cr.io/a/b",
  "u@h.io/ab",
  "x.io/",
  "é/ab",
])("`%s` is no image reference", (text) => expect(parseImageReference(text)).toBeUndefined());

test.each([
  ["parseImageReference('ghcr.io/a/b:v1').registry()", "ghcr.io"],
  ["image('ghcr.io/a/b:v1').repository()", "a/b"],
  ["image('ghcr.io/a/b:v1').tag()", "v1"],
  ["image('ghcr.io/a/b:v1').identifier()", "v1"],
  [`image('ab@${DIGEST}').identifier() == image('ab@${DIGEST}').digest()`, true],
  [`image('ab@${DIGEST}').containsDigest() && !image('ab').containsDigest()`, true],
  ["isImage('ghcr.io/a/b') && !isImage('A')", true],
  ["image('A')", "CEL_INVALID_ARGUMENT"],
  ["image('nginx') == image('nginx') && image('nginx') != image('nginx:latest')", true],
])("%s is %j", (text, expected) => expect(evaluate(text).result).toBe(expected));
