// Installs the programs that the tests talk to, where a Debian lacks them and this may; elsewhere it says what is
// missing. No service is started or enabled: the tests start the programs themselves.
import { spawnSync } from 'node:child_process';
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
  tinyproxy: ['tinyproxy-bin', 'tinyproxy'],
};

/** The interpreter that runs servers written in Python: the system's, which the packages are for. */
const python = '/usr/bin/python3';
/** Each Python module, and its package in Debian. */
const modules = {
  aiohttp: ['python3-aiohttp'],
  httpbin: ['python3-httpbin'],
  websockets: ['python3-websockets'],
};

// Services are found there by root alone.
const folders = [...(process.env.PATH ?? '').split(path.delimiter), '/usr/sbin', '/usr/local/sbin'];

const has = (program) => folders.some((folder) => folder !== '' && existsSync(path.join(folder, program)));

/** Those that the interpreter cannot find, all if there is none. Finding takes 20 ms, importing a second. */
function missingModules() {
  const names = Object.keys(modules);
  const code = 'import sys, importlib.util as u; print(*[m for m in sys.argv[1:] if u.find_spec(m) is None])';
  const { status, stdout } = spawnSync(python, ['-c', code, ...names], { encoding: 'utf8' });
  return status === 0 ? stdout.split(/\s+/).filter(Boolean) : names;
}

const missing = () => [...Object.keys(packages).filter((program) => !has(program)), ...missingModules()];

/** What provides programs and modules, by the column of the tables above. */
const packagesOf = (names, column) =>
  names.map((name) => (packages[name] ?? modules[name])[column]).join(' ');

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
    const debian = packagesOf(wanted, 0).split(' ');
    const { code, output } = await run(command, [...args, '-c', install, 'sh', ...debian], { capture: true });
    if (code !== 0) console.log(output);
  }
  const left = missing();
  if (left.length === 0) return;
  const hints = [`  Debian, Ubuntu: sudo apt-get install --no-install-recommends ${packagesOf(left, 0)}`];
  const programs = left.filter((name) => name in packages);
  if (programs.length > 0) hints.push(`  macOS:          brew install ${packagesOf(programs, 1)}`);
  const lost = left.filter((name) => name in modules);
  if (lost.length > 0) hints.push(`  elsewhere:      ${python} -m pip install --user ${lost.join(' ')}`);
  // The rest can be tested without them.
  console.log(`The tests that talk to ${left.join(', ')} will fail. Install by hand:\n${hints.join('\n')}`);
}

if (isMain(import.meta.url)) {
  help(
    'usage: node scripts/programs.mjs\n\nInstalls the programs that the tests talk to, or says which are missing.',
  );
  await installPrograms();
}
