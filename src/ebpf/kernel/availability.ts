/** The three answers of a probe. "Could not find out" is not "no": nothing may be concluded from it. */
export type Availability =
  | { readonly kind: "available" }
  | { readonly kind: "unavailable"; readonly reason: string }
  | { readonly kind: "unknown"; readonly reason: string };

export const AVAILABLE: Availability = { kind: "available" };
export const unavailable = (reason: string): Availability => ({ kind: "unavailable", reason });
export const unknown = (reason: string): Availability => ({ kind: "unknown", reason });
