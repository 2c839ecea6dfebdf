import type { CelType } from "../type.ts";
import { CelOpaque } from "../value.ts";

/** A value of an extension type that is good for its functions only: equal to itself alone, without a text. */
export class Handle<T> extends CelOpaque {
  readonly celType: CelType;
  readonly content: T;

  constructor(celType: CelType, content: T) {
    super();
    this.celType = celType;
    this.content = content;
  }

  override equals(other: CelOpaque): boolean {
    return other === this;
  }
}
