/** CEL texts inside resources, alone and with a name. */
import type { SourceText } from "../cel/source-text.ts";
import type { Place } from "./document.ts";
import { checked, checkUnique, listOf, nonEmptyText, record, required, type Shape, type Spot } from "./shape.ts";

/** A CEL text that a resource holds, not compiled yet; `source` maps its offsets to the file. */
export interface Expression {
  readonly text: string;
  readonly source: SourceText;
}

/** A CEL text with a name: a variable, or a match condition. */
export interface NamedExpression {
  readonly name: string;
  readonly expression: Expression;
}

/** An audit annotation: its key and the text of its value's expression. */
export interface AuditAnnotation {
  readonly key: string;
  readonly valueExpression: Expression;
}

/** A CEL text, not compiled here. */
export const expression: Shape<Expression> = (value, spot) => {
  const text = nonEmptyText(value, spot);
  return text === undefined ? undefined : { text, source: sourceAt(text, spot) };
};

/** Each denial by a rule asks for the same few places, so they are kept. */
function sourceAt(text: string, { document, path }: Spot): SourceText {
  const places = new Map<number, Place>();
  const locate = (offset: number): Place => {
    const place = places.get(offset) ?? document.locate(path, offset);
    places.set(offset, place);
    return place;
  };
  return { text, file: document.file, locate };
}

const named: Shape<NamedExpression> = record<NamedExpression>({ name: required(nonEmptyText), expression: required(expression) });

const MAX_CONDITIONS = 64;

/** Match conditions: at most 64, names unique. */
export const matchConditions: Shape<readonly NamedExpression[]> = checked(listOf(named, { max: MAX_CONDITIONS }), checkNames);

/** Variables: names unique, and such that `variables.name` can be written. */
export const variables: Shape<readonly NamedExpression[]> = checked(listOf(named), (values, spot) => {
  checkNames(values, spot);
  for (const [index, { name }] of values.entries()) {
    if (/^[_a-zA-Z][_a-zA-Z0-9]*$/.test(name)) continue;
    const hint = "letters, digits and `_`, no digit first";
    spot.child(index).child("name").report("RESOURCE_INVALID_VALUE", `expected an identifier of CEL, got \`${name}\``, hint);
  }
});

function checkNames(values: readonly NamedExpression[], spot: Spot): void {
  checkUnique(values, spot, ({ name }) => name, "name");
}

const MAX_AUDIT_ANNOTATIONS = 20;

const auditAnnotation: Shape<AuditAnnotation> = record<AuditAnnotation>({
  key: required(nonEmptyText),
  valueExpression: required(expression),
});

/** Audit annotations: at most 20, keys unique. */
export const auditAnnotations: Shape<readonly AuditAnnotation[]> = checked(
  listOf(auditAnnotation, { max: MAX_AUDIT_ANNOTATIONS }),
  (values, spot) => checkUnique(values, spot, ({ key }) => key, "key"),
);
