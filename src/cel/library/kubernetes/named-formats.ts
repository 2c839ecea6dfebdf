/** Kubernetes' named string formats: what a name, a label or a date must look like, with the messages that Kubernetes gives. */
import { type CelType, opaqueType } from "../../type.ts";
import { CelOpaque } from "../../value.ts";
import { utf8Length } from "../code-points.ts";
import { isRequestUri } from "./url-value.ts";

export const NAMED_FORMAT: CelType = opaqueType("kubernetes.NamedFormat");

/** The mistakes of a text; none when it is valid. */
type Validate = (text: string) => readonly string[];

export class NamedFormat extends CelOpaque {
  readonly name: string;
  readonly validate: Validate;
  /** Length of the regular expression, or of one that would do the same: what a validation costs. */
  readonly regexLength: number;

  constructor(name: string, validate: Validate, regexLength: number) {
    super();
    this.name = name;
    this.validate = validate;
    this.regexLength = regexLength;
  }

  override get celType(): CelType {
    return NAMED_FORMAT;
  }

  override equals(other: CelOpaque): boolean {
    return other instanceof NamedFormat && this.name === other.name;
  }

  override toCelJson(): string {
    return this.name;
  }
}

/** A pattern with the sentence and the examples that explain it. All patterns are linear: what may follow a part cannot be in it. */
class Rule {
  readonly #regex: RegExp;
  readonly #message: string;

  constructor(pattern: string, sentence: string, ...examples: readonly string[]) {
    this.#regex = new RegExp(`^${pattern}$`);
    const shown = examples.map((example) => `'${example}', `).join(" or ");
    this.#message = `${sentence} (e.g. ${shown}regex used for validation is '${pattern}')`;
  }

  accepts(text: string): boolean {
    return this.#regex.test(text);
  }

  check(text: string): readonly string[] {
    return this.accepts(text) ? [] : [this.#message];
  }
}

const LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
const QUALIFIED_NAME = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";
const QUALIFIED_NAME_SENTENCE =
  "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";
const QUALIFIED_NAME_EXAMPLES = ["MyName", "my.name", "123-abc"];

const labelRule = new Rule(
  LABEL,
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character",
  "my-name",
  "123-abc",
);
const subdomainRule = new Rule(
  `${LABEL}(\\.${LABEL})*`,
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character",
  "example.com",
);
const dns1035Rule = new Rule(
  "[a-z]([-a-z0-9]*[a-z0-9])?",
  "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character",
  "my-name",
  "abc-123",
);
const nameRule = new Rule(QUALIFIED_NAME, `name part ${QUALIFIED_NAME_SENTENCE}`, ...QUALIFIED_NAME_EXAMPLES);
const labelKeyRule = new Rule(QUALIFIED_NAME, `a valid label key ${QUALIFIED_NAME_SENTENCE}`, ...QUALIFIED_NAME_EXAMPLES);
const labelValueRule = new Rule(
  `(${QUALIFIED_NAME})?`,
  "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
  "MyValue",
  "my_value",
  "12345",
);

const atMost = (text: string, length: number, unit: string): readonly string[] =>
  utf8Length(text) > length ? [`must be no more than ${length} ${unit}`] : [];

export const checkDns1123Label: Validate = (text) => [
  ...atMost(text, 63, "characters"),
  ...(!labelRule.accepts(text) && subdomainRule.accepts(text) ? ["must not contain dots"] : labelRule.check(text)),
];

export const checkDns1123Subdomain: Validate = (text) => [...atMost(text, 253, "characters"), ...subdomainRule.check(text)];

const checkDns1035Label: Validate = (text) => [...atMost(text, 63, "characters"), ...dns1035Rule.check(text)];

/** A prefix may end in a dash; Kubernetes then looks at all but the last two characters. */
const asPrefix =
  (validate: Validate): Validate =>
  (text) =>
    validate(text.length > 1 && text.endsWith("-") ? `${text.slice(0, -2)}a` : text);

function checkQualifiedName(text: string): readonly string[] {
  const parts = text.split("/");
  if (parts.length > 2) {
    return labelKeyRule.check("").map((message) => `${message} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`);
  }
  const name = parts.at(-1) ?? "";
  const empty = name === "" ? ["name part must be non-empty"] : [];
  const length = atMost(name, 63, "bytes").map((message) => `name part ${message}`);
  return [...(parts.length === 2 ? checkPrefixPart(parts[0] ?? "") : []), ...empty, ...length, ...nameRule.check(name)];
}

const checkPrefixPart = (prefix: string): readonly string[] =>
  (prefix === "" ? ["must be non-empty"] : checkDns1123Subdomain(prefix)).map((message) => `prefix part ${message}`);

const checkLabelValue: Validate = (text) => [...atMost(text, 63, "bytes"), ...labelValueRule.check(text)];

const checkWith =
  (test: (text: string) => boolean, message: string): Validate =>
  (text) =>
    test(text) ? [] : [message];

const MONTH_LENGTHS = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/** `2006-01-02`, of the Gregorian calendar. */
function isDate(text: string): boolean {
  const match = /^(\d{4})-(\d\d)-(\d\d)$/.exec(text);
  if (match === null) return false;
  const [year, month, day] = [Number(match[1]), Number(match[2]), Number(match[3])];
  const isLeapYear = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  return day >= 1 && day <= (MONTH_LENGTHS[month - 1] ?? 0) && (month !== 2 || day !== 29 || isLeapYear);
}

/** As lenient as Kubernetes: any character before the fraction, any digits in the offset, anything after a second `T`. */
function isDateTime(text: string): boolean {
  const [date = "", time = ""] = text.toLowerCase().split("t", 2);
  return isDate(date) && /^(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:.\d+)?(?:z|[+-]\d\d:\d\d)$/.test(time);
}

const UUID = /^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$/i;
/** Standard alphabet, padded, not empty. */
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{4})$/;
const DATE_TIME_REGEX_LENGTH = 71;

export const namedFormats: ReadonlyMap<string, NamedFormat> = new Map(
  [
    new NamedFormat("dns1123Label", checkDns1123Label, 30),
    new NamedFormat("dns1123Subdomain", checkDns1123Subdomain, 60),
    new NamedFormat("dns1035Label", checkDns1035Label, 30),
    new NamedFormat("qualifiedName", checkQualifiedName, 60),
    new NamedFormat("dns1123LabelPrefix", asPrefix(checkDns1123Label), 30),
    new NamedFormat("dns1123SubdomainPrefix", asPrefix(checkDns1123Subdomain), 60),
    new NamedFormat("dns1035LabelPrefix", asPrefix(checkDns1035Label), 30),
    new NamedFormat("labelValue", checkLabelValue, 40),
    new NamedFormat("uri", checkWith(isRequestUri, "must be an absolute URI or an absolute path"), 1103),
    new NamedFormat(
      "uuid",
      checkWith((text) => UUID.test(text), "does not match the UUID format"),
      72,
    ),
    new NamedFormat(
      "byte",
      checkWith((text) => BASE64.test(text), "invalid base64"),
      84,
    ),
    new NamedFormat("date", checkWith(isDate, "invalid date"), DATE_TIME_REGEX_LENGTH),
    new NamedFormat("datetime", checkWith(isDateTime, "invalid datetime"), DATE_TIME_REGEX_LENGTH),
  ].map((format) => [format.name, format]),
);
