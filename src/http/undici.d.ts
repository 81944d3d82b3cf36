/** One module of undici, alone: the whole package takes five times as long to load, and changes the global `fetch`. */
declare module 'undici/lib/dispatcher/client.js' {
  export { Client as default } from 'undici';
}

/** Where undici keeps its parts, on a socket and on a client. */
declare module 'undici/lib/core/symbols.js' {
  const symbols: Readonly<Record<'kParser' | 'kClient' | 'kError' | 'kSocket' | 'kHTTPContext', symbol>>;
  export default symbols;
}

declare module 'undici/lib/core/util.js' {
  const util: {
    /** Those that undici has put on a socket. */
    removeAllListeners(socket: object): void;
  };
  export default util;
}
