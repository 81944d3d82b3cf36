/** Tests of code that makes requests: a real server, or answers without a network. */
export { type Answer, type Handler } from './answerer.ts';
export { Cassette, type CassetteMode, type CassetteOptions, type RecordedExchange } from './cassette.ts';
export { type Certificate, makeCertificate } from './certificate.ts';
export {
  RecordedAnswers,
  type RecordedAnswer,
  UnexpectedRequestError,
  type UrlPattern,
} from './recorded-answers.ts';
export { ServedRequest } from './served-request.ts';
export { TestServer, type TestServerOptions } from './test-server.ts';
export { unusedPort } from './unused-port.ts';
