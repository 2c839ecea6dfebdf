import { CelError, type CelValue } from "../value.ts";

/** The value; an error that does not say where it happened gets the position. */
export const at = <T extends CelValue | undefined>(value: T, start: number, end: number): T | CelError =>
  value instanceof CelError && value.start < 0 ? new CelError(value.code, value.message, start, end) : value;
