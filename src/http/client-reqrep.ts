/** Requests and responses. Counterpart: `aiohttp/client_reqrep.py`, which is in two parts here. */
export { ClientRequest, type RequestInfo } from './client-request.ts';
export { ClientResponse } from './client-response.ts';
