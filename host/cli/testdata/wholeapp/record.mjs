// Records what backstage-cli says in a repository with many of Backstage's packages:
//
//   node record.mjs FOLDER SEED COUNT      needs Node 20 and npm, and a folder to work in
//
// It writes schema.json, what config:schema prints there, and cases.jsonl, one command with its output a line. The packages are those of
// @backstage that keys.txt of pkg/appconfig/known names, with their schemas alone and without texts.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';

const [folder, seed, count] = [resolve(process.argv[2]), Number(process.argv[3]), Number(process.argv[4])];
const keys = new URL('../../../../pkg/appconfig/known/keys.txt', import.meta.url);
const cli = ['@backstage/cli-module-config@0.1.9', '@backstage/config-loader@1.11.5', '@backstage/config@1.3.11'];
const wanted = /backend-(app-api|defaults)@|core-(components|app-api)@|\/integration(-aws-node)?@|plugin-(app|auth|catalog|proxy|scaffolder|techdocs|kubernetes)-backend@|module-(github|google|oidc|guest)-provider@|catalog-backend-module-(github|ldap)@|permission-common@|catalog-import@|plugin-(search|home|techdocs)@|elasticsearch@/;

const run = (dir, command, ...args) => execFileSync(command, args, { cwd: dir, maxBuffer: 1 << 28, stdio: ['ignore', 'pipe', 'inherit'] });
const write = (path, value) => {
  mkdirSync(join(path, '..'), { recursive: true });
  writeFileSync(path, typeof value === 'string' ? value : JSON.stringify(value));
};
const bare = v => {
  if (Array.isArray(v)) return v.map(bare);
  if (!v || typeof v !== 'object') return v;
  return Object.fromEntries(Object.entries(v).filter(([k, x]) => !(['description', '$comment'].includes(k) && typeof x === 'string')).map(([k, x]) => [k, bare(x)]));
};

const repo = join(folder, 'repo');
const tool = join(folder, 'tool');
if (!existsSync(join(folder, 'done'))) {
  write(join(tool, 'package.json'), { name: 'tool', private: true });
  run(tool, 'npm', 'install', '--no-audit', '--no-fund', '--loglevel=error', ...cli);
  const names = readFileSync(keys, 'utf8').split('\n').filter(line => line.startsWith('# @') && wanted.test(line)).map(line => line.slice(2));
  for (const name of names) {
    const [{ filename, name: full }] = JSON.parse(run(folder, 'npm', 'pack', '--json', '--ignore-scripts', '--loglevel=error', name));
    const file = path => run(folder, 'tar', 'xzOf', filename, `package/${path}`);
    const manifest = JSON.parse(file('package.json'));
    const to = join(repo, 'node_modules', full);
    const schema = typeof manifest.configSchema === 'string' ? JSON.parse(file(manifest.configSchema)) : manifest.configSchema;
    write(join(to, 'config.schema.json'), bare(schema));
    write(join(to, 'package.json'), { name: full, version: manifest.version, configSchema: 'config.schema.json' });
  }
  const dependencies = Object.fromEntries(names.map(name => [name.replace(/(.)@.*/, '$1'), '*']));
  write(join(repo, 'package.json'), {
    name: 'root', version: '1.0.0', private: true, workspaces: ['packages/*'],
    configSchema: {
      type: 'object',
      properties: {
        jira: { type: 'object', properties: { url: { type: 'string' }, token: { type: 'string', visibility: 'secret' }, old: { type: 'string', deprecated: 'use jira.url' } } },
        colors: { type: 'object', deepVisibility: 'frontend' },
      },
    },
  });
  write(join(repo, 'packages/app/package.json'), { name: 'app', version: '0.0.0', dependencies });
  symlinkSync('../packages/app', join(repo, 'node_modules/app'));
  write(join(folder, 'done'), '');
}

let state = seed;
const random = n => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return Math.floor((state / 2 ** 32) * n);
};
const pick = list => list[random(list.length)];

const base = () => ({
  app: { title: 'Portal', baseUrl: 'http://localhost:3000', support: { url: 'https://example.com', items: [{ title: 'Issues', icon: 'github', links: [{ url: 'https://example.com', title: 'x' }] }] } },
  organization: { name: 'Company' },
  backend: {
    baseUrl: 'http://localhost:7007', listen: ':7007', csp: { 'connect-src': ["'self'"] }, cors: { origin: 'http://localhost:3000', methods: ['GET'], credentials: true },
    database: { client: 'pg', connection: { host: 'db', port: 5432, user: 'backstage', password: 'db-password' } },
    cache: { store: 'redis', connection: 'redis-address' }, auth: { keys: [{ secret: 'backend-secret' }], externalAccess: [{ type: 'static', options: { token: 'static-token', subject: 'ci' } }] },
    reading: { allow: [{ host: 'example.com' }] }, https: { certificate: { cert: 'a-cert', key: 'a-key' } },
  },
  integrations: { github: [{ host: 'github.com', token: 'github-pat' }], gitlab: [{ host: 'gitlab.com', token: 'gitlab-pat' }], awsS3: [{ accessKeyId: 'an-id', secretAccessKey: 'a-secret' }] },
  proxy: { endpoints: { '/jenkins': { target: 'https://jenkins.example.com', headers: { Authorization: 'of-jenkins' } }, '/x': 'https://x.example.com' } },
  techdocs: { builder: 'local', generator: { runIn: 'docker' }, publisher: { type: 'local' } },
  auth: { environment: 'development', session: { secret: 'session-secret' }, providers: { guest: {}, github: { development: { clientId: 'id', clientSecret: 'oauth-secret', signIn: { resolvers: [{ resolver: 'usernameMatchingUserEntityName' }] } } } } },
  scaffolder: { defaultAuthor: { name: 'M' } },
  catalog: { import: { entityFilename: 'catalog-info.yaml' }, rules: [{ allow: ['Component', 'API'] }], locations: [{ type: 'file', target: '../x.yaml', rules: [{ allow: ['User'] }] }], providers: { github: { id: { organization: 'o', catalogPath: '/c.yaml', schedule: { frequency: { minutes: 30 }, timeout: 'PT3M' } } } } },
  kubernetes: { serviceLocatorMethod: { type: 'multiTenant' }, clusterLocatorMethods: [{ type: 'config', clusters: [{ url: 'https://k8s', name: 'one', authProvider: 'serviceAccount', serviceAccountToken: 'k8s-bearer' }] }] },
  permission: { enabled: true },
  search: { elasticsearch: { node: 'http://es', auth: { username: 'u', password: 'es-password' } } },
  jira: { url: 'https://jira.example.com', token: 'jira-token' },
});

// Some places of an object, as the object around and the key.
const places = (v, list = []) => {
  if (v && typeof v === 'object') for (const key of Object.keys(v)) list.push([v, key]) && places(v[key], list);
  return list;
};

// mutate changes one thing, as people do by mistake.
function mutate(config) {
  const [object, key] = pick(places(config));
  const value = object[key];
  switch (random(7)) {
    case 0:
      object[key] = pick([12, true, 'text', null, [], ['a'], {}, { a: 1 }, '12', 'true', '']);
      break;
    case 1:
      if (Array.isArray(object)) return;
      delete object[key];
      object[key.length > 3 ? key.slice(0, -2) + key.at(-1) + key.at(-2) : `${key}s`] = value;
      break;
    case 2:
      delete object[key];
      break;
    case 3:
      if (!Array.isArray(object)) object[pick(['extra', 'jenkins', 'token', 'enabled', 'old'])] = pick(['x', 1, true, { nested: 'y' }]);
      break;
    case 4:
      config.jira = { old: 'x' };
      break;
    case 5:
      config.colors = { primary: 'blue', list: [1, { a: 'b' }] };
      break;
    case 6:
      config[pick(['costInsights', 'understood', 'permissions', 'apps'])] = { a: 'x' };
  }
}

process.chdir(repo);
const require = createRequire(join(tool, 'package.json'));
// The order of the schemas, and so that of problems, depends on which file is read first. Read at once, they are in order.
Object.assign(require('fs-extra'), { readJson: async path => JSON.parse(readFileSync(path, 'utf8')), pathExists: async path => existsSync(path) });
const commands = { 'config:print': 'print', 'config:check': 'validate', 'config:schema': 'schema' };
const at = name => require(join(tool, 'node_modules/@backstage/cli-module-config/dist/commands', `${commands[name]}.cjs.js`)).default;
async function record(name, args) {
  const out = { stdout: '', stderr: '' };
  const real = [process.stdout.write, process.stderr.write];
  const consoles = [console.warn, console.log];
  process.stdout.write = text => Boolean((out.stdout += text));
  process.stderr.write = text => Boolean((out.stderr += text));
  console.warn = (...texts) => (out.stderr += `${texts.join(' ')}\n`);
  try {
    await at(name)({ args, info: { usage: name, name } });
  } catch (error) {
    out.error = error.message;
  }
  [process.stdout.write, process.stderr.write] = real;
  [console.warn, console.log] = consoles;
  return out;
}

const { stdout } = await record('config:schema', ['--format', 'json']);
writeFileSync(join(folder, 'schema.json'), JSON.stringify(JSON.parse(stdout)));
const lines = [];
for (let i = 0; i < count; i++) {
  const config = base();
  if (i > 0) for (let n = random(4) + 1; n > 0; n--) mutate(config);
  const text = JSON.stringify(config);
  writeFileSync(join(repo, 'case.yaml'), text);
  const all = [
    ['config:check', '--strict'], ['config:check', '--strict', '--frontend'], ['config:check', '--deprecated'],
    ['config:print', '--format', 'json'], ['config:print', '--format', 'json', '--frontend'],
  ];
  for (const [name, ...args] of i === 0 ? all : [all[0], pick(all.slice(1)), pick(all.slice(3))]) {
    lines.push(JSON.stringify({ config: text, args: [name, ...args], ...(await record(name, [...args, '--config', 'case.yaml'])) }));
  }
}
writeFileSync(join(folder, 'cases.jsonl'), `${lines.join('\n')}\n`);
