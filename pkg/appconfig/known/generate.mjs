// Makes keys.txt from the config schemas of Backstage's published packages: which keys there are, and who may see them. It takes over
// no texts and no types.
//
//   node generate.mjs            the versions that keys.txt names
//   node generate.mjs --newest   the newest versions of the same packages
//   node generate.mjs NAME...    the same packages and more
//
// The head of keys.txt lists the packages. npm fetches them, without what they depend on.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const output = new URL('keys.txt', import.meta.url);
let packages = [];
try {
  packages = readFileSync(output, 'utf8').split('\n').filter(line => line.startsWith('# @')).map(line => line.slice(2));
} catch {
  // There is none yet.
}
const args = process.argv.slice(2);
if (args.includes('--newest')) packages = packages.map(name => name.replace(/(.)@.*/, '$1'));
packages.push(...args.filter(arg => !arg.startsWith('--')));

// A key is what all schemas say about one key of the configuration, whatever alternative of them it is in.
const newKey = () => ({ keys: new Map(), any: undefined, open: false, visibility: '', deep: '' });
const child = (map, name) => map.get(name) ?? map.set(name, newKey()).get(name);
const more = (a, b) => (a === 'secret' || b === 'secret' ? 'secret' : a || (b === 'backend' ? '' : b) || '');

// add adds what a schema says to a key. root is the whole schema, for references; within lists those that are being followed.
function add(key, schema, root, within = []) {
  if (schema === false) return;
  if (schema === true || Object.keys(schema).every(k => k === 'description')) {
    key.open = true;
    return;
  }
  key.visibility = more(key.visibility, schema.visibility);
  key.deep = more(key.deep, schema.deepVisibility);
  if (schema.$ref) {
    const target = schema.$ref.split('/').slice(1).reduce((v, part) => v?.[decodeURIComponent(part).replaceAll('~1', '/')], root);
    if (within.includes(schema.$ref) || !target) key.open = true;
    else add(key, target, root, [...within, schema.$ref]);
    return;
  }
  for (const name of ['anyOf', 'oneOf', 'allOf']) for (const one of schema[name] ?? []) add(key, one, root, within);
  for (const name of ['if', 'then', 'else']) if (schema[name]) add(key, schema[name], root, within);
  for (const item of [schema.items ?? []].flat()) add(key, item, root, within);
  const named = Object.entries(schema.properties ?? {});
  const patterns = Object.values(schema.patternProperties ?? {});
  const rest = schema.additionalProperties;
  const hasKeys = named.length + patterns.length > 0 || (rest && typeof rest === 'object');
  for (const [name, one] of named) add(child(key.keys, name), one, root, within);
  for (const one of [...patterns, ...(rest && typeof rest === 'object' ? [rest] : [])]) add((key.any ??= newKey()), one, root, within);
  if (rest === true || (schema.type === 'object' && !hasKeys && rest !== false)) key.open = true;
}

const root = newKey();
const dir = mkdtempSync(join(tmpdir(), 'keys-'));
const used = [];
const read = name => {
  const [{ filename }] = JSON.parse(execFileSync('npm', ['pack', '--json', '--ignore-scripts', '--loglevel=error', name], { cwd: dir }));
  const file = path => execFileSync('tar', ['xzOf', filename, `package/${path}`], { cwd: dir, maxBuffer: 1 << 26 });
  const manifest = JSON.parse(file('package.json'));
  let schema = manifest.configSchema;
  if (!schema) return;
  if (typeof schema === 'string') schema = JSON.parse(file(schema));
  add(root, schema, schema);
  used.push(`${manifest.name}@${manifest.version}`);
};
try {
  for (const name of new Set(packages)) read(name);
} finally {
  rmSync(dir, { recursive: true });
}

const flags = key => (key.visibility?.[0] ?? '') + (key.deep?.[0]?.toUpperCase() ?? '') + (key.open ? 'o' : '');
const lines = [];
function write(key, depth) {
  const all = [...key.keys].sort(([a], [b]) => (a < b ? -1 : 1));
  if (key.any) all.push(['*', key.any]);
  for (const [name, one] of all) {
    if (/\s/.test(name) || name === '') throw new Error(`key ${JSON.stringify(name)} has a blank`);
    lines.push(' '.repeat(depth) + name + (flags(one) && ` ${flags(one)}`));
    write(one, depth + 1);
  }
}
write(root, 0);
writeFileSync(output, `# Made by generate.mjs from the config schemas of these packages. known.go describes the form.
${used.sort().map(name => `# ${name}\n`).join('')}${lines.join('\n')}
`);
