// Makes world.json, the report's map: outlines of countries, where they lie, where regions lie, in the Natural Earth
// projection. To run it again: npm install world-atlas@2.0.2 topojson-client@3 d3-geo@3 d3-geo-projection@4, then
// node world.mjs ../data/countries.toml > world.json
import { readFileSync } from "node:fs";
import { feature } from "topojson-client";
import { geoNaturalEarth1, geoPath } from "d3-geo";

// Natural Earth's short names where they differ from ours, and places too small for its 1:110m outlines.
const RENAMED = { "United States of America": "United States", Czechia: "Czech Republic" };
const SMALL = { SG: [103.8, 1.35], HK: [114.2, 22.3] };
// ASSUMPTION: AWS names only the area of a region; this is the middle of it, good enough for a dot on the map.
const REGIONS = {
  "us-east-1": [-77.5, 39.0], "us-east-2": [-83.0, 40.0], "us-west-1": [-122.0, 37.4], "us-west-2": [-119.7, 45.8],
  "ca-central-1": [-73.6, 45.5], "sa-east-1": [-46.6, -23.5], "eu-west-1": [-6.3, 53.3], "eu-west-2": [-0.1, 51.5],
  "eu-west-3": [2.4, 48.9], "eu-central-1": [8.7, 50.1], "eu-north-1": [18.1, 59.3], "ap-south-1": [72.9, 19.1],
  "ap-southeast-1": [103.8, 1.35], "ap-southeast-2": [151.2, -33.9], "ap-northeast-1": [139.7, 35.7],
  "ap-northeast-2": [127.0, 37.6],
};

const topology = JSON.parse(readFileSync("node_modules/world-atlas/countries-110m.json"));
const world = feature(topology, topology.objects.countries);
world.features = world.features.filter((f) => f.properties.name !== "Antarctica");
const projection = geoNaturalEarth1().fitWidth(960, world).precision(0.3);
const path = geoPath(projection).digits(0);

const codes = {};
let code = null;
for (const line of readFileSync(process.argv[2], "utf8").split("\n")) {
  code = line.match(/^\[countries\.(..)\]/)?.[1] ?? code;
  const name = line.match(/^name = "(.*)"/)?.[1];
  if (code && name) codes[name] = code;
}

const middle = (geometry) => {
  const parts = geometry.type === "Polygon" ? [geometry.coordinates] : geometry.coordinates;
  const areas = parts.map((coordinates) => path.area({ type: "Polygon", coordinates }));
  const largest = parts[areas.indexOf(Math.max(...areas))];
  return path.centroid({ type: "Polygon", coordinates: largest }).map(Math.round);
};
const at = (place) => projection(place).map(Math.round);
const [, [width, height]] = path.bounds(world);
const out = { width: Math.ceil(width), height: Math.ceil(height), countries: {}, elsewhere: "", regions: {} };
for (const { properties, geometry } of world.features) {
  const outline = path(geometry) ?? "";
  const found = codes[RENAMED[properties.name] ?? properties.name];
  if (found) out.countries[found] = { name: properties.name, at: middle(geometry), outline };
  else out.elsewhere += outline;
}
for (const [small, place] of Object.entries(SMALL))
  if (!out.countries[small]) out.countries[small] = { name: Object.entries(codes).find(([, c]) => c === small)?.[0], at: at(place), outline: "" };
for (const [region, place] of Object.entries(REGIONS)) out.regions[region] = at(place);
for (const [name, missing] of Object.entries(codes))
  if (!out.countries[missing]) console.error(`no place for ${missing} ${name}`);
console.log(JSON.stringify(out));
