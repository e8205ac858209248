#!/usr/bin/env node
// Makes random sets of schemas and layers, has the real loader process them and writes one JSON line each:
// {schemas, layers, options, error} or {schemas, layers, options, processed: [{error} | {configs}]}.
//
//   node fuzz-schema.mjs SEED COUNT > recorded.jsonl
//
// Left out are schemas that make JavaScript run out of stack, and those that are strings or arrays. The real
// merger sorts lists in dependencies and merges the allOf of schemas there, ours leaves them as they are: so lists are
// sorted, and there is no such allOf.

import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);
const { loadConfigSchema } = require('@backstage/config-loader');
console.warn = console.error = () => {};

let state = Number(process.argv[2] ?? 1);
function random() {
  state = (state + 0x6d2b79f5) | 0;
  let t = Math.imul(state ^ (state >>> 15), 1 | state);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
}
const pick = list => list[Math.floor(random() * list.length)];
const chance = p => random() < p;
const int = n => Math.floor(random() * n);
const several = (least, most, make) => Array.from({ length: least + int(most - least + 1) }, make);
const unique = list => [...new Set(list)];

const KEYS = ['a', 'b', 'c', 'title', 'titleLong'];
const ODD_KEYS = ['x-1', '0', '10', 'k k', 's/l', 't~e', 'br[0]', "q['x']", '\u00e9'];
const key = () => pick(chance(0.85) ? KEYS : ODD_KEYS);
const SCALARS = [
  '', 'a', 'b', 'abc', '1', '2', '1.5', '0x10', 'true', 'false', 'null', ' 1 ', '1e3', 'Infinity', 'x-1', '\u00e9',
  0, 1, 2, 3, 1.5, -1, -0.5, 10, 100, 1e21, 1e-7, true, false, null,
];
const TYPES = ['string', 'number', 'integer', 'boolean', 'null', 'object', 'array'];

function makeData(depth) {
  const kind = random();
  if (depth <= 0 || kind < 0.45) return pick(SCALARS);
  if (kind < 0.65) return several(0, 3, () => makeData(depth - 1));
  return Object.fromEntries(several(0, 4, () => [key(), makeData(depth - 1)]));
}

function addVisibility(schema) {
  if (chance(0.3)) schema.visibility = pick(['frontend', 'backend', 'secret', 'frontend']);
  if (chance(0.06)) schema.deepVisibility = pick(['frontend', 'secret']);
  if (chance(0.08)) schema.deprecated = pick(['use b', '', 'gone']);
}

const makeProperties = depth => Object.fromEntries(several(0, 5, () => [key(), makeSchema(depth - 1)]));

function makeSchema(depth) {
  if (chance(0.03)) return chance(0.75);
  const s = {};
  const simple = depth <= 0 || chance(0.55);
  const type = chance(0.85) ? pick(simple ? TYPES.slice(0, 5) : ['object', 'object', 'array']) : undefined;
  const inner = () => makeSchema(depth - 1);
  const maybe = (p, name, make) => chance(p) && (s[name] = make());
  maybe(0.05, 'title', () => pick(['T', 'U']));
  if (type) s.type = chance(0.1) ? [type, pick(TYPES.filter(t => t !== type))] : type;
  // not with a list of types, which ajv adds null to for good: no plugin has that
  if (typeof s.type === 'string' && type !== 'null') maybe(0.02, 'nullable', () => chance(0.5));
  maybe(0.06, 'enum', () => unique(several(1, 3, () => pick(SCALARS))));
  maybe(0.04, 'const', () => pick([...SCALARS, [1, 2], { a: 1 }]));
  if (type === 'number' || type === 'integer' || chance(0.03)) {
    maybe(0.2, 'minimum', () => pick([0, 1, 2.5]));
    maybe(0.2, 'maximum', () => pick([1, 2, 50]));
    maybe(0.1, 'exclusiveMinimum', () => 1);
    maybe(0.1, 'exclusiveMaximum', () => 2);
    maybe(0.1, 'multipleOf', () => pick([2, 0.1, 0.5, 3]));
  }
  if (type === 'string' || chance(0.03)) {
    maybe(0.2, 'minLength', () => int(3));
    maybe(0.2, 'maxLength', () => int(4));
    maybe(0.2, 'pattern', () => pick(['^a', 'b$', '^[a-z]+$', '\\d', '^.$', '(?=a)b']));
  }
  if (depth > 0 && (type === 'array' || chance(0.04))) {
    maybe(0.75, 'items', () => (chance(0.2) ? several(1, 3, inner) : inner()));
    if (Array.isArray(s.items)) maybe(0.5, 'additionalItems', () => (chance(0.5) ? false : inner()));
    maybe(0.15, 'minItems', () => int(3));
    maybe(0.15, 'maxItems', () => int(3));
    maybe(0.15, 'uniqueItems', () => chance(0.9));
    maybe(0.1, 'contains', inner);
  }
  if (depth > 0 && (type === 'object' || chance(0.04))) {
    maybe(0.85, 'properties', () => makeProperties(depth));
    maybe(0.3, 'required', () => unique(several(1, 2, key)));
    maybe(0.25, 'additionalProperties', () => pick([true, false, {}, inner(), inner()]));
    maybe(0.12, 'patternProperties', () => ({ [pick(['^x-', '^t', '^[0-9]+$', 'k'])]: inner() }));
    maybe(0.06, 'propertyNames', () => pick([{ pattern: '^[a-c]' }, { maxLength: 3 }, { enum: ['a', 'b'] }]));
    maybe(0.08, 'dependencies', () => ({ [key()]: pick([[key()], [key(), `${key()}2`].sort(), makeSchema(0)]) }));
    maybe(0.06, 'minProperties', () => int(3));
    maybe(0.06, 'maxProperties', () => int(3));
  }
  if (depth > 0) {
    maybe(0.07, 'anyOf', () => several(1, 3, inner));
    maybe(0.06, 'oneOf', () => several(1, 3, inner));
    maybe(0.06, 'allOf', () => several(1, 2, inner));
    maybe(0.03, 'not', inner);
    if (maybe(0.05, 'if', inner)) {
      maybe(0.8, 'then', inner);
      maybe(0.6, 'else', inner);
    }
  }
  maybe(0.04, '$ref', () => pick(['#/definitions/A', '#/definitions/B', '#']));
  addVisibility(s);
  // mistakes
  maybe(0.004, pick(['visible', 'format', 'id', 'nullable', 'tsType']), () => 'x');
  maybe(0.004, pick(['minimum', 'type', 'required', 'pattern', 'enum', 'visibility', 'deprecated']), () =>
    pick(['1', 3, [], {}, '(', [1]]),
  );
  return s;
}

function makeRoot(depth) {
  const s = makeSchema(depth);
  if (typeof s !== 'object') return chance(0.2) ? s : makeRoot(depth);
  if (chance(0.9)) {
    Object.assign(s, { type: 'object', properties: makeProperties(depth) });
    delete s.enum;
    delete s.const;
  }
  if (JSON.stringify(s).includes('definitions')) s.definitions = { A: makeSchema(1), B: makeSchema(1) };
  if (chance(0.05)) s.$schema = pick(['https://backstage.io/schema/config-v1', 'http://json-schema.org/draft-07/schema#', 'http://x']);
  return s;
}

// A variation of a schema, for merging.
function vary(schema) {
  const copy = structuredClone(schema);
  const walk = value => {
    if (!value || typeof value !== 'object') return;
    if (!Array.isArray(value) && chance(0.15)) addVisibility(value);
    if (value.properties && typeof value.properties === 'object' && chance(0.4)) value.properties[key()] = makeSchema(1);
    Object.values(value).forEach(walk);
  };
  walk(copy);
  return copy;
}

const PROCESS = [
  {},
  { visibility: ['frontend'] },
  { visibility: ['secret'] },
  { visibility: ['frontend', 'backend'] },
  { visibility: ['frontend', 'backend', 'secret'], withDeprecatedKeys: true },
];

async function run({ schemas, layers, options }) {
  const serialized = () => ({
    schemas: structuredClone(schemas).map((value, i) => ({ path: `p${i}`, packageName: `p${i}`, value })),
    backstageConfigSchemaVersion: 1,
  });
  const load = () => loadConfigSchema({ serialized: serialized(), ...options });
  try {
    await load();
  } catch (error) {
    return { error: error.message };
  }
  const processed = [];
  for (const process of PROCESS) {
    try {
      const configs = (await load()).process(structuredClone(layers), process);
      processed.push({
        configs: configs.map(({ context, data, deprecatedKeys }) => ({ context, data, deprecatedKeys })),
      });
    } catch (error) {
      processed.push({ error: error.message });
    }
  }
  return { processed };
}

for (let left = Number(process.argv[3] ?? 1000); left > 0; ) {
  const depth = 1 + int(3);
  const schemas = [makeRoot(depth)];
  const count = pick([1, 1, 1, 1, 2, 2, 3]);
  while (schemas.length < count) schemas.push(chance(0.5) ? vary(schemas[0]) : makeRoot(depth));
  const layers = Array.from({ length: pick([1, 1, 1, 2, 3]) }, (_, i) => ({
    context: `l${i}`,
    data: Object.fromEntries(several(1, 5, () => [key(), makeData(2)])),
  }));
  const line = { schemas, layers, options: chance(0.3) ? { noUndeclaredProperties: true } : {} };
  const text = JSON.stringify({ ...line, ...(await run(line)) });
  if (!text.includes('Maximum call stack size') && !text.includes('unknown keyword: \\"0\\"')) {
    console.log(text);
    left -= 1;
  }
}
