/** One module of undici, alone: the whole package takes five times as long to load, and changes the global `fetch`. */
declare module 'undici/lib/dispatcher/client.js' {
  export { Client as default } from 'undici';
}

/** Where undici keeps its parts on a socket and a client. */
declare module 'undici/lib/core/symbols.js' {
  const symbols: {
    readonly kParser: unique symbol;
  };
  export default symbols;
}
