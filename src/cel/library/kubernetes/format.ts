/** Kubernetes' functions for named formats (apiserver pkg/cel/library/format.go), since Kubernetes 1.31. */
import type { CallCost, FunctionDeclaration, Library } from "../../declaration.ts";
import { costSize } from "../../runtime/cost.ts";
import { listType, optionalType, STRING } from "../../type.ts";
import { CelOptional, type CelValue, NONE } from "../../value.ts";
import { fixedCost, REGEX_FACTOR, scaled, TRAVERSAL_FACTOR, UNBOUNDED } from "../cost.ts";
import { declare, func, method, opaque, type Parameter, string } from "../define.ts";
import { NAMED_FORMAT, NamedFormat, namedFormats } from "./named-formats.ts";

const format: Parameter<NamedFormat> = opaque(NAMED_FORMAT);

/** Of all formats, for estimates. */
const MAX_REGEX_LENGTH = 128;

const validateCost: CallCost = {
  actual: ([of, text = ""]) => {
    const regexLength = of instanceof NamedFormat ? of.regexLength : MAX_REGEX_LENGTH;
    return Math.ceil((1 + costSize(text)) * TRAVERSAL_FACTOR) * Math.ceil(regexLength * REGEX_FACTOR);
  },
  estimate: ([, size = UNBOUNDED]) => ({ cost: scaled(scaled(size, TRAVERSAL_FACTOR), MAX_REGEX_LENGTH * REGEX_FACTOR) }),
};

function validate(of: NamedFormat, text: string): CelValue {
  const mistakes = of.validate(text);
  return mistakes.length === 0 ? NONE : new CelOptional(true, mistakes);
}

function named(name: string): CelValue {
  const found = namedFormats.get(name);
  return found === undefined ? NONE : new CelOptional(true, found);
}

const functions: readonly FunctionDeclaration[] = [
  declare(
    "validate",
    "The mistakes of a string by a format, or none when it is valid.",
    method("format-validate", [format, string], optionalType(listType(STRING)), validate, validateCost),
  ),
  declare(
    "format.named",
    "The format of a name, such as `dns1123Label`, or none.",
    func("format-named", [string], optionalType(NAMED_FORMAT), named, fixedCost(1)),
  ),
  ...[...namedFormats].map(([name, value]) =>
    declare(
      `format.${name}`,
      `The format ${name}.`,
      func(`format.${name}`, [], NAMED_FORMAT, () => value),
    ),
  ),
];

export const formatLibrary: Library = { name: "kubernetes.format", functions };
