/** Two sockets become one connection, byte by byte, in both directions. */
import type { Socket } from "node:net";

/**
 * Joins two sockets until both directions have ended. A side that ends its half ends the other's; one that fails ends both. A connection
 * on which nothing moves for `idleMs` is cut.
 */
export function joinSockets(one: Socket, other: Socket, idleMs: number): void {
  for (const [from, to] of [
    [one, other],
    [other, one],
  ] as const) {
    // The other half is told by `close`: what an error says about a stranger's connection helps nobody.
    from.on("error", () => to.destroy());
    from.once("close", () => to.destroySoon());
    from.setTimeout(idleMs, () => from.destroy());
    from.pipe(to);
  }
}
