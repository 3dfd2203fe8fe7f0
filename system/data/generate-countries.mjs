// Writes countries.json: what georush knows about each country, beyond what an address database says.
//
// Not here: anything about addresses; that is `georush data build`.
//
// To run it, in an empty folder:
//
//   npm install --ignore-scripts countries-list@3.4.1 cldr-core@48.2.0 cldr-numbers-full@48.2.0 cldr-localenames-full@48.2.0
//   cargo init --vcs none --name sources && cargo add keshvar@=0.7.0 && cargo vendor vendor
//   node GEORUSH/system/data/generate-countries.mjs . >GEORUSH/system/data/countries.json
//
// The time zones come from the machine's own zone tables (zone.tab and zone1970.tab of the package `tzdata`, version 2025b
// when the committed file was made); another folder than /usr/share/zoneinfo is the second argument.
//
// Sources: countries-list (MIT): codes, continents, calling codes, languages. CLDR 48.2 (Unicode-3.0): English names,
// currencies. keshvar 0.7.0 (BSD-3): membership of the EU, centroids, subdivisions of ISO 3166-2. IANA tz (public domain).

import fs from 'node:fs';
import path from 'node:path';
import { createRequire } from 'node:module';

const VERSIONS = { 'countries-list': '3.4.1', 'cldr-core': '48.2.0', 'cldr-numbers-full': '48.2.0', 'cldr-localenames-full': '48.2.0' };
const ZONES_VERSION = '2025b';
// What the EU's law calls its territory: 27 members and the regions that have codes of their own.
const EU = 'AT AX BE BG CY CZ DE DK EE ES FI FR GF GP GR HR HU IE IT LT LU LV MF MQ MT NL PL PT RE RO SE SI SK YT';
// The zone tables know only the codes of ISO 3166, and list these territories under another one.
const ZONES_UNDER = { AC: 'SH', TA: 'SH', XK: 'RS' };

const [, , work, zoneinfo = '/usr/share/zoneinfo'] = process.argv;
if (!work) stop('usage: generate-countries.mjs FOLDER [ZONEINFO]; the head of this file says what FOLDER must hold');
const require = createRequire(path.resolve(work, 'here.js'));
for (const [name, wanted] of Object.entries(VERSIONS)) {
  const found = json(`node_modules/${name}/package.json`).version;
  if (found !== wanted) stop(`${name} is ${found}, expected ${wanted}`);
}
const { countries, languages, continents } = require('countries-list');
const territories = english('territories');
const languageNames = english('languages');
const tenders = json('node_modules/cldr-core/supplemental/currencyData.json').supplemental.currencyData.region;
const zonesShared = zoneTable('zone1970.tab');
const zonesOwn = zoneTable('zone.tab');
const zonesVersion = read(path.join(zoneinfo, 'tzdata.zi')).match(/^# version (\S+)/)?.[1];
if (zonesVersion !== ZONES_VERSION) console.error(`note: the zone tables are ${zonesVersion}, the committed file has ${ZONES_VERSION}`);

const codes = Object.keys(countries).sort();
const rows = codes.map((code) => `${JSON.stringify(code)}:${JSON.stringify(country(code))}`);
process.stdout.write(`{\n${rows.join(',\n')}\n}\n`);
check();

/** One row of the file; a fact that no source has is null. */
function country(code) {
  const listed = countries[code];
  const source = keshvar(code);
  const zones = zonesOf(code);
  return {
    name: territories[code] ?? listed.name,
    continent_code: listed.continent,
    continent_name: continents[listed.continent],
    calling_code: listed.phone[0] ? String(listed.phone[0]) : null,
    is_eu: /EU_MEMBER: bool = true/.test(source),
    latitude: degrees(source, 'LATITUDE'),
    longitude: degrees(source, 'LONGITUDE'),
    languages: listed.languages.map((language) => ({
      name: languages[language]?.name ?? languageNames[language] ?? language,
      native: languages[language]?.native ?? language,
      code: language,
    })),
    currency: currency(code, listed),
    time_zone: zones.length === 1 ? zones[0] : null,
    time_zones: zones,
    ...subdivisions(source),
  };
}

/** The first currency of countries-list that is legal tender today says CLDR, else CLDR's first. */
function currency(code, listed) {
  const today = (tenders[code] ?? []).map((entry) => Object.entries(entry)[0]);
  const legal = today.filter(([, about]) => !about._to && about._tender !== 'false').map(([name]) => name);
  const chosen = listed.currency.find((name) => legal.includes(name)) ?? legal[0] ?? listed.currency[0];
  if (!chosen) return null;
  const told = currencies('en')[chosen] ?? {};
  const language = listed.languages[0];
  const native = (language && (currencies(`${language}-${code}`) ?? currencies(language)))?.[chosen] ?? {};
  return {
    name: told.displayName ?? chosen,
    code: chosen,
    symbol: told['symbol-alt-narrow'] ?? told.symbol ?? chosen,
    native: native.symbol ?? native['symbol-alt-narrow'] ?? told.symbol ?? chosen,
    plural: told['displayName-count-other'] ?? told.displayName ?? chosen,
  };
}

/**
 * `subdivisions`: code -> [name, type]. `subdivision_aliases`: other Latin names -> code, for data that does not write names
 * as ISO 3166-2 does ("Bavaria" for "Bayern"); never one that two subdivisions share.
 */
function subdivisions(source) {
  const entries = source.split(/\bSubdivision\s*\{/).slice(1).filter((block) => /^\s*name: "/.test(block)).map((block) => {
    const given = text(block.match(/^\s*name: "((?:[^"\\]|\\.)*)"/)[1]);
    const translated = block.match(/\("en", "((?:[^"\\]|\\.)*)"\)/)?.[1];
    const english = translated && text(translated);
    const latin = /^[\p{Script=Latin}\p{Script=Common}\p{Script=Inherited}]+$/u;
    return {
      code: block.match(/\bcode: "([^"]+)"/)[1],
      type: block.match(/SubdivisionType::(\w+)/)[1].replace(/(?<=[a-z])(?=[A-Z])/g, ' ').toLowerCase().replace(/^departments$/, 'department'),
      name: latin.test(given) ? official(given) : (english ?? given),
      others: [english, ...bracketed(given)].filter((other) => other && latin.test(other)),
    };
  });
  entries.sort((a, b) => (a.code < b.code ? -1 : 1));
  const names = new Set(entries.map((entry) => entry.name.toLowerCase()));
  const owners = new Map();
  for (const { code, others } of entries) {
    for (const other of others) owners.set(other, (owners.get(other) ?? new Set()).add(code));
  }
  const aliases = [...owners].filter(([name, owner]) => owner.size === 1 && !names.has(name.toLowerCase()));
  aliases.sort(([a], [b]) => (a < b ? -1 : 1));
  return {
    subdivisions: Object.fromEntries(entries.map(({ code, name, type }) => [code, [name, type]])),
    subdivision_aliases: Object.fromEntries(aliases.map(([name, owner]) => [name, [...owner][0]])),
  };
}

/** A name without footnote marks, alternatives in brackets, and notes on language and territory. */
function official(name) {
  return name
    .replace(/\[and\]/g, 'and')
    .replace(/\s*\[[^\]]*\]/g, '')
    .replace(/\s*\((be|ru|nl|fr|de|it|zh|mn|en|EH|EH-partial|rayon|UTAG|Région)\)[\s\S]*$/, '')
    .replace(/\s*\*+$/, '')
    .trim();
}

/** Alternatives in brackets, without the codes that some carry. */
function bracketed(name) {
  const found = [...name.matchAll(/\[([^\]]*)\]/g)].map(([, inner]) => inner.replace(/\s+[A-Z]{2}-[A-Z0-9]+$/, '').trim());
  return found.filter((inner) => inner !== 'and');
}

/** The value of a Rust string literal, composed (NFC). */
function text(literal) {
  const plain = literal.replace(/\\u\{([0-9a-fA-F]+)\}/g, (_, hex) => String.fromCodePoint(parseInt(hex, 16))).replace(/\\(["'\\])/g, '$1');
  if (plain.includes('\\')) stop(`an escape in "${literal}" is unknown`);
  return plain.normalize('NFC');
}

/** A country's own zones; those of the country that it is listed under, if it has no entry. */
function zonesOf(code) {
  return zonesOwn[code] ?? zonesShared[code] ?? (ZONES_UNDER[code] ? zonesOf(ZONES_UNDER[code]) : []);
}

function zoneTable(name) {
  const table = {};
  for (const line of read(path.join(zoneinfo, name)).split('\n')) {
    if (!line || line.startsWith('#')) continue;
    const [list, , zone] = line.split('\t');
    for (const code of list.split(',')) (table[code] ??= []).push(zone);
  }
  return table;
}

function degrees(source, name) {
  const found = source.match(new RegExp(`pub const ${name}: f64 = (-?[\\d.]+)`));
  return found ? Number(Number(found[1]).toFixed(4)) : null;
}

function keshvar(code) {
  const file = path.join(work, `vendor/keshvar/src/countries/${code.toLowerCase()}.rs`);
  return fs.existsSync(file) ? read(file) : '';
}

function currencies(locale) {
  const file = `node_modules/cldr-numbers-full/main/${locale}/currencies.json`;
  return fs.existsSync(path.join(work, file)) ? json(file).main[locale].numbers.currencies : undefined;
}

function english(what) {
  return json(`node_modules/cldr-localenames-full/main/en/${what}.json`).main.en.localeDisplayNames[what];
}

/** What must hold of the sources, whatever their version. */
function check() {
  const eu = codes.filter((code) => country(code).is_eu).join(' ');
  if (eu !== EU) stop(`the EU is ${eu}, expected ${EU}`);
  const files = fs.readdirSync(path.join(work, 'vendor/keshvar/src/countries')).filter((name) => /^[a-z]{2}\.rs$/.test(name));
  const missing = files.map((name) => name.slice(0, 2).toUpperCase()).filter((code) => !countries[code]);
  if (missing.length) stop(`keshvar knows ${missing}, countries-list does not`);
  const count = (of) => codes.reduce((sum, code) => sum + Object.keys(of(country(code))).length, 0);
  console.error(`${codes.length} countries, ${count((row) => row.subdivisions)} subdivisions, ${count((row) => row.subdivision_aliases)} other names`);
}

function json(file) {
  return JSON.parse(read(path.join(work, file)));
}

function read(file) {
  try {
    return fs.readFileSync(file, 'utf8');
  } catch (error) {
    return stop(`can't read ${file}: ${error.code}; the head of generate-countries.mjs says how to get it`);
  }
}

function stop(message) {
  console.error(`error: ${message}`);
  process.exit(2);
}
