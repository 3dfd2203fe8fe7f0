// Opens report pages in headless Chromium and claims what a reader may expect: charts, values under the pointer, the
// keyboard, no serious fault of accessibility, no error. Usage: node check.mjs PAGE.html... [--shots DIR]
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { statSync } from "node:fs";
import path from "node:path";

const require = createRequire(path.join(process.env.GEORUSH_NODE_MODULES ?? process.cwd(), "x.js"));
const { chromium } = require("playwright-core");
const axe = require.resolve("axe-core/axe.min.js");
const args = process.argv.slice(2);
const at = args.indexOf("--shots");
const shots = at < 0 ? null : args.splice(at, 2)[1];
const wrong = [];
const claim = (ok, what) => { if (!ok) { wrong.push(what); console.error(`wrong: ${what}`); } };

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });
for (const file of args) {
  const name = path.basename(file, ".html");
  claim(statSync(file).size < 3e6, `${name} is larger than 3 MB`);
  for (const colorScheme of ["light", "dark"]) {
    for (const width of [1280, 390]) {
      const where = `${name} ${width} ${colorScheme}`;
      const context = await browser.newContext({ colorScheme, viewport: { width, height: 900 }, bypassCSP: true });
      const page = await context.newPage();
      page.on("console", (m) => m.type() === "error" && claim(false, `${where}: ${m.text()}`));
      page.on("pageerror", (e) => claim(false, `${where}: ${e}`));
      page.on("request", (r) => claim(/^(file|blob|data):/.test(r.url()), `${where}: asks for ${r.url()}`));
      await page.goto(pathToFileURL(path.resolve(file)).href);
      const drawn = await page.evaluate(() => performance.now());
      claim(drawn < 2000, `${where}: took ${Math.round(drawn)} ms to open`);
      claim((await page.locator(".uplot canvas").count()) >= 4, `${where}: charts are missing`);
      const painted = await page.evaluate(() => [...document.querySelectorAll(".uplot canvas")].every((c) => new Uint32Array(c.getContext("2d").getImageData(0, 0, c.width, c.height).data.buffer).some((p) => p !== 0)));
      claim(painted, `${where}: a chart is empty`);
      claim((await page.locator("svg.map circle").count()) > 0, `${where}: the map is empty`);
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      claim(wide <= 0, `${where}: the page is ${wide} px too wide`);
      await page.locator(".u-over").first().scrollIntoViewIfNeeded();
      await page.locator(".u-over").first().hover();
      const legend = await page.locator(".u-legend").first().innerText();
      claim(/requests\s*:?\s*[\d,.]+/.test(legend), `${where}: no value under the pointer: ${legend}`);
      await page.locator(".chart").first().focus();
      await page.keyboard.press("ArrowRight");
      claim((await page.locator("#said").innerText()).includes("requests"), `${where}: arrow keys say nothing`);
      await page.evaluate(() => document.querySelectorAll('details').forEach((d) => (d.open = true)));
      const unfolded = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      claim(unfolded <= 0, `${where}: the page is ${unfolded} px too wide when unfolded`);
      const labels = await page.locator("svg.map").first().evaluate((map) => [...map.querySelectorAll("text")].map((t) => t.getBoundingClientRect().height));
      claim(labels.length > 0 && labels.every((height) => height >= 9), `${where}: names on the map are too small: ${Math.min(...labels)} px`);
      const reached = new Set();
      await page.locator("body").evaluate((b) => { document.activeElement.blur(); b.scrollTop = 0; });
      for (let n = 0; n < 400; n += 1) {
        await page.keyboard.press("Tab");
        const id = await page.evaluate(() => [...document.querySelectorAll("a,button,select,summary,[tabindex='0']")].indexOf(document.activeElement));
        if (reached.has(id) && n > 2) break;
        reached.add(id);
      }
      const all = await page.locator("a,button,select,summary,[tabindex='0']").count();
      reached.delete(-1);
      const missed = await page.evaluate((ids) => [...document.querySelectorAll("a,button,select,summary,[tabindex='0']")].filter((_, i) => !ids.includes(i)).map((e) => e.outerHTML.slice(0, 100)), [...reached]);
      claim(reached.size >= all, `${where}: Tab does not reach ${missed}`);
      await page.addScriptTag({ path: axe });
      const faults = (await page.evaluate(() => axe.run())).violations.filter((v) => ["serious", "critical"].includes(v.impact));
      for (const fault of faults) claim(false, `${where}: axe: ${fault.id}: ${fault.help}: ${fault.nodes[0].html.slice(0, 120)}`);
      if (shots) await page.screenshot({ path: path.join(shots, `${name}-${width}-${colorScheme}.png`), fullPage: true });
      await context.close();
    }
  }
}
await browser.close();
if (wrong.length) process.exit(1);
console.log(`${args.length} pages hold`);
