/** What @peculiar/x509 asks for when it is loaded, and does not use: import it before. */
Object.assign(Reflect, { getMetadata: () => undefined, getOwnMetadata: () => undefined, defineMetadata: () => undefined });
