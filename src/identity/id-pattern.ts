/** SPIFFE IDs by one text, as `Workload.agents` and `Workload.brokerFor` have them. */

/** Whether a pattern means this SPIFFE ID: `spiffe://example.org/web` is that one, `spiffe://example.org/shop/*` are all that begin so. */
export const fitsIdPattern = (pattern: string, id: string): boolean =>
  pattern.endsWith("*") ? id.startsWith(pattern.slice(0, -1)) : id === pattern;
