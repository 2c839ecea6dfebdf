/** Parsed JSON as data. */
export type JsonValue = null | boolean | number | string | readonly JsonValue[] | JsonObject;

/** A parsed JSON object. UNTRUSTED unless its producer says otherwise; a reader of Vigil's never lets a `__proto__` key in. */
export type JsonObject = { readonly [key: string]: JsonValue };
