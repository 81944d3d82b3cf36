/** A certificate for tests. Written in DER by hand, since Node can read certificates and not make them. */
import { generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import { isIP, isIPv4 } from 'node:net';

/** A key and its certificate, in PEM. */
export interface Certificate {
  readonly key: string;
  readonly cert: string;
}

/** The types of ASN.1 that a certificate is made of. */
const INTEGER = 0x02;
const BIT_STRING = 0x03;
const OCTET_STRING = 0x04;
const OID = 0x06;
const UTF8_STRING = 0x0c;
const UTC_TIME = 0x17;
const GENERALIZED_TIME = 0x18;
const SEQUENCE = 0x30;
const SET = 0x31;
const BOOLEAN_TRUE = Buffer.from([0x01, 0x01, 0xff]);
/** Fields of a certificate: [0] and [3]. */
const VERSION = 0xa0;
const EXTENSIONS = 0xa3;
/** Kinds of names: a host, an address. */
const DNS_NAME = 0x82;
const IP_ADDRESS = 0x87;

const COMMON_NAME = '550403';
const SUBJECT_ALT_NAME = '551d11';
const BASIC_CONSTRAINTS = '551d13';
const ECDSA_WITH_SHA256 = '2a8648ce3d040302';

function der(type: number, ...contents: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(contents);
  const length = content.length;
  const prefix = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 255];
  return Buffer.concat([Buffer.from([type, ...prefix]), content]);
}

const oid = (hex: string): Buffer => der(OID, Buffer.from(hex, 'hex'));

const ALGORITHM = der(SEQUENCE, oid(ECDSA_WITH_SHA256));

function time(date: Date): Buffer {
  const digits = date.toISOString().replaceAll(/[-:T]|\.\d+/g, '');
  // Years from 2050 on need all their digits.
  return date.getUTCFullYear() < 2050
    ? der(UTC_TIME, Buffer.from(digits.slice(2)))
    : der(GENERALIZED_TIME, Buffer.from(digits));
}

const groups = (text: string): string[] => (text === '' ? [] : text.split(':'));

function addressBytes(address: string): Buffer {
  if (isIPv4(address)) return Buffer.from(address.split('.').map(Number));
  const [left = '', right] = address.split('::');
  const head = groups(left);
  const tail = groups(right ?? '');
  const middle = Array.from({ length: right === undefined ? 0 : 8 - head.length - tail.length }, () => '0');
  return Buffer.from([...head, ...middle, ...tail].map((group) => group.padStart(4, '0')).join(''), 'hex');
}

const generalName = (host: string): Buffer =>
  isIP(host) > 0 ? der(IP_ADDRESS, addressBytes(host)) : der(DNS_NAME, Buffer.from(host));

/**
 * Make a key and a certificate that vouches for itself: clients trust it with `{ ca: cert }`.
 *
 * @param hosts - names and addresses that it is for. Default those of the own machine.
 */
export function makeCertificate(hosts: readonly string[] = ['localhost', '127.0.0.1', '::1']): Certificate {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const commonName = der(SEQUENCE, oid(COMMON_NAME), der(UTF8_STRING, Buffer.from(hosts[0] ?? 'test')));
  const name = der(SEQUENCE, der(SET, commonName));
  const serial = randomBytes(16);
  // Positive, and without a leading zero.
  serial[0] = (serial[0]! & 0x3f) | 0x40;
  const now = Date.now();
  const day = 24 * 3600 * 1000;
  const validity = der(SEQUENCE, time(new Date(now - day)), time(new Date(now + 365 * day)));
  const isAuthority = der(SEQUENCE, BOOLEAN_TRUE);
  const constraints = der(SEQUENCE, oid(BASIC_CONSTRAINTS), BOOLEAN_TRUE, der(OCTET_STRING, isAuthority));
  const names = der(SEQUENCE, ...hosts.map(generalName));
  const alternatives = der(SEQUENCE, oid(SUBJECT_ALT_NAME), der(OCTET_STRING, names));
  const signed = der(
    SEQUENCE,
    der(VERSION, der(INTEGER, Buffer.from([2]))),
    der(INTEGER, serial),
    ALGORITHM,
    name,
    validity,
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
    der(EXTENSIONS, der(SEQUENCE, constraints, alternatives)),
  );
  const signature = sign('sha256', signed, privateKey);
  const certificate = der(SEQUENCE, signed, ALGORITHM, der(BIT_STRING, Buffer.from([0]), signature));
  const lines = certificate.toString('base64').match(/.{1,64}/g) ?? [];
  return {
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    cert: `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`,
  };
}
