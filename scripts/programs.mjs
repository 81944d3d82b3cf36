// Installs the programs that the tests talk to, where a Debian lacks them and this may; elsewhere it says what is
// missing. No service is started or enabled: the tests start the programs themselves.
import { existsSync } from 'node:fs';
import path from 'node:path';
import { help, isMain, run } from './support.mjs';

/** Each program, and its package in Debian and in Homebrew. */
const packages = {
  curl: ['curl', 'curl'],
  git: ['git', 'git'],
  gzip: ['gzip', 'gzip'],
  nc: ['netcat-openbsd', 'netcat'],
  nginx: ['nginx', 'nginx'],
  openssl: ['openssl', 'openssl'],
  'redis-server': ['redis-server', 'redis'],
};

// Services are found there by root alone.
const folders = [...(process.env.PATH ?? '').split(path.delimiter), '/usr/sbin', '/usr/local/sbin'];

const has = (program) => folders.some((folder) => folder !== '' && existsSync(path.join(folder, program)));

const missing = () => Object.keys(packages).filter((program) => !has(program));

// What Debian asks before it starts a service: 101 forbids it. Left as it is where there is one.
const install = `
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
  trap 'rm -f $policy' EXIT
  trap 'exit 130' INT TERM
  printf '#!/bin/sh\\nexit 101\\n' > $policy
  chmod +x $policy
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends "$@" || exit
for service in nginx redis-server; do
  case " $* " in *" $service "*) systemctl disable -q $service 2> /dev/null ;; esac
done
true`;

/** The beginning of a command that may install packages; null if there is none. */
async function asRoot() {
  if (!has('apt-get')) return null;
  if (process.getuid?.() === 0) return ['sh'];
  if (!has('sudo')) return null;
  const { code } = await run('sudo', ['-n', 'true'], { capture: true });
  return code === 0 ? ['sudo', '-n', 'sh'] : null;
}

export async function installPrograms() {
  const wanted = missing();
  if (wanted.length === 0) return;
  const [command, ...args] = (await asRoot()) ?? [];
  if (command !== undefined) {
    console.log(`Installing ${wanted.join(', ')} …`);
    const debian = wanted.map((program) => packages[program][0]);
    const { code, output } = await run(command, [...args, '-c', install, 'sh', ...debian], { capture: true });
    if (code !== 0) console.log(output);
  }
  const left = missing();
  if (left.length === 0) return;
  const names = (column) => left.map((program) => packages[program][column]).join(' ');
  // The rest can be tested without them.
  console.log(`The tests that talk to ${left.join(', ')} will fail. Install by hand:
  Debian, Ubuntu: sudo apt-get install --no-install-recommends ${names(0)}
  macOS:          brew install ${names(1)}`);
}

if (isMain(import.meta.url)) {
  help(
    'usage: node scripts/programs.mjs\n\nInstalls the programs that the tests talk to, or says which are missing.',
  );
  await installPrograms();
}
