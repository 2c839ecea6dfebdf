/** Kubernetes' functions for semantic versions (apiserver pkg/cel/library/semverlib.go, version 1), since Kubernetes 1.33. */
import type { FunctionDeclaration, Library } from "../../declaration.ts";
import { quote } from "../../runtime/failure.ts";
import { type Int, intOf } from "../../runtime/int64.ts";
import { BOOL, INT } from "../../type.ts";
import type { CelValue } from "../../value.ts";
import { fixedCost, traversal } from "../cost.ts";
import { bool, declare, fail, func, method, opaque, type Parameter, string } from "../define.ts";
import { compareSemvers, normalizeSemver, parseSemver, SEMVER, type SemverValue } from "./semver-value.ts";

const semver: Parameter<SemverValue> = opaque(SEMVER);

const UNIT = fixedCost(1);
const PARSE = traversal();

const parse = (text: string, normalize: boolean): SemverValue | undefined => parseSemver(normalize ? normalizeSemver(text) : text);

const semverOf = (text: string, normalize: boolean): CelValue => parse(text, normalize) ?? fail(`${quote(text)} is not a semantic version`);

const number = (value: Int): CelValue => (typeof value === "number" ? value : intOf(value));

const functions: readonly FunctionDeclaration[] = [
  declare(
    "semver",
    "A semantic version from its text; normalized on request: `v1.2` is then 1.2.0.",
    func("string_to_semver", [string], SEMVER, (text) => semverOf(text, false), PARSE),
    func("string_bool_to_semver", [string, bool], SEMVER, semverOf, PARSE),
  ),
  declare(
    "isSemver",
    "Whether a string is a semantic version, or becomes one when it is normalized.",
    func("is_semver_string", [string], BOOL, (text) => parse(text, false) !== undefined, PARSE),
    func("is_semver_string_bool", [string, bool], BOOL, (text, normalize) => parse(text, normalize) !== undefined, PARSE),
  ),
  declare(
    "major",
    "The major version.",
    method("semver_major", [semver], INT, (value) => number(value.major), UNIT),
  ),
  declare(
    "minor",
    "The minor version.",
    method("semver_minor", [semver], INT, (value) => number(value.minor), UNIT),
  ),
  declare(
    "patch",
    "The patch version.",
    method("semver_patch", [semver], INT, (value) => number(value.patch), UNIT),
  ),
  declare(
    "isGreaterThan",
    "Whether the receiver is greater than the argument.",
    method("semver_is_greater_than", [semver, semver], BOOL, (a, b) => compareSemvers(a, b) > 0, UNIT),
  ),
  declare(
    "isLessThan",
    "Whether the receiver is less than the argument.",
    method("semver_is_less_than", [semver, semver], BOOL, (a, b) => compareSemvers(a, b) < 0, UNIT),
  ),
  declare(
    "compareTo",
    "-1, 0 or 1 when the receiver is less than, equal to or greater than the argument.",
    method("semver_compare_to", [semver, semver], INT, (a, b) => Math.sign(compareSemvers(a, b)), UNIT),
  ),
];

export const semverLibrary: Library = { name: "kubernetes.semver", functions };
