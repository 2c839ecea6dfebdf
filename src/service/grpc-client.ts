/** Clients with `@grpc/grpc-js`. The library is an argument: Vigil does not depend on it. */
import type { Socket } from "node:net";
import type { Peer } from "./peer.ts";
import { compilePeerRule } from "./peer-rule.ts";
import { renewing } from "./renewing.ts";
import type { ClientOptions, RequestHeaders } from "./request-headers.ts";
import type { ServiceIdentity } from "./service-identity.ts";

export interface GrpcChannel {
  close(): void;
}

/** The part of `@grpc/grpc-js` that is needed: `import * as grpc from "@grpc/grpc-js"`. `K` credentials, `O` options, `C` channels. */
export interface GrpcClientLibrary<K extends object, O extends object, C extends GrpcChannel> {
  readonly ChannelCredentials: abstract new () => K;
  readonly CallCredentials: { createEmpty(): object };
  readonly Channel: new (target: string, credentials: K, options: O) => C;
}

/**
 * For the option `channelFactoryOverride` of clients: their channels present the SVID of the moment, talk to allowed peers alone, and
 * begin anew with each SVID, while calls under way finish. The credentials that the client is created with are not used.
 */
export function createGrpcChannelFactory<K extends object, O extends object, C extends GrpcChannel>(
  identity: ServiceIdentity,
  library: GrpcClientLibrary<K, O, C>,
  { allow, headers }: ClientOptions,
): (target: string, credentials: K, options: O) => C {
  const isAllowed = compilePeerRule(allow);
  return (target, _, options) => {
    const calls = new WeakMap<C, CallsUnderWay>();
    return renewing(identity, {
      create: (retire) => {
        const channel = new library.Channel(target, credentialsOf(library, { identity, isAllowed, retire }), options);
        calls.set(channel, watchCalls(channel, headers));
        return channel;
      },
      // A channel that is closed cancels calls that wait for their connection.
      retire: (channel) => calls.get(channel)?.whenNone(() => channel.close()),
    });
  };
}

interface Connecting {
  readonly identity: ServiceIdentity;
  readonly isAllowed: (peer: Peer) => boolean;
  readonly retire: () => void;
}

/**
 * Credentials of the library with our handshake. It has no documented way to verify a peer other than by OpenSSL, so this overrides what
 * its own credentials override; the tests run it with the version of package.json.
 */
function credentialsOf<K extends object>(
  { ChannelCredentials, CallCredentials }: Pick<GrpcClientLibrary<K, object, GrpcChannel>, "ChannelCredentials" | "CallCredentials">,
  { identity, isAllowed, retire }: Connecting,
): K {
  // A class can extend only a constructor whose result has known members: K has those of the library.
  class MutualTlsCredentials extends (ChannelCredentials as abstract new () => object) {
    _isSecure(): boolean {
      return true;
    }

    /** Channels of different SVIDs share no connection. */
    _equals(other: unknown): boolean {
      return other === this;
    }

    _createSecureConnector(channelTarget: { readonly path: string }, _options: unknown, callCredentials: unknown): object {
      const connect = async (socket: Socket): Promise<{ readonly socket: Socket; readonly secure: true }> => {
        const servername = channelTarget.path.replace(/:\d+$/, "").replace(/^\[(.*)\]$/, "$1");
        const connection = await identity.connect({ socket, servername, alpnProtocols: ["h2"] }, isAllowed);
        connection.onDrain(retire);
        return { socket: connection.socket, secure: true };
      };
      const perCall = callCredentials ?? CallCredentials.createEmpty();
      return { connect, waitForReady: () => Promise.resolve(), getCallCredentials: () => perCall, destroy: () => {} };
    }
  }
  return new MutualTlsCredentials() as K;
}

interface CallsUnderWay {
  /** Calls `end` as soon as no call is under way. */
  whenNone(end: () => void): void;
}

interface StatusListener {
  onReceiveMetadata(metadata: unknown): void;
  onReceiveMessage(message: unknown): void;
  onReceiveStatus(status: unknown): void;
}

type Method = (...args: unknown[]) => unknown;

interface GrpcMetadata {
  set(name: string, value: string): void;
}

interface GrpcCall {
  start(metadata: GrpcMetadata, listener: StatusListener): void;
}

/** Counts the calls of a channel from their start to their status, and adds to their metadata. */
function watchCalls(channel: object, headers: RequestHeaders | undefined): CallsUnderWay {
  let underWay = 0;
  let end: (() => void) | undefined;
  const settle = (): void => {
    underWay--;
    if (underWay === 0) end?.();
  };
  const counted = (listener: StatusListener): StatusListener => ({
    // The library tells listeners by the number of their parameters.
    onReceiveMetadata: (metadata) => listener.onReceiveMetadata(metadata),
    onReceiveMessage: (message) => listener.onReceiveMessage(message),
    onReceiveStatus: (status) => {
      settle();
      listener.onReceiveStatus(status);
    },
  });
  // Methods of the library, whose arguments are passed on as they are.
  const createCall = Reflect.get(channel, "createCall") as Method;
  const createCounted: Method = (...args) => {
    const call = createCall.apply(channel, args) as GrpcCall;
    const start = call.start.bind(call);
    call.start = (metadata, listener) => {
      // What this throws, the method of the client throws to its caller.
      for (const [name, value] of Object.entries(headers?.() ?? {})) metadata.set(name, value);
      underWay++;
      start(metadata, counted(listener));
    };
    return call;
  };
  Object.defineProperty(channel, "createCall", { value: createCounted });
  return {
    whenNone: (callback) => {
      if (underWay === 0) callback();
      else end = callback;
    },
  };
}
