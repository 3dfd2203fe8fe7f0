"use strict";
// Draws the results that stand in the page. Nothing is fetched, nothing is stored.
(() => {
  const results = JSON.parse(document.getElementById("results").textContent);
  const world = JSON.parse(document.getElementById("world").textContent);
  const said = document.getElementById("said");
  const light = ["#1557b0", "#b3261e", "#176c36", "#8a5300", "#6a3fa0", "#00696f", "#a02c6d", "#4c5b00", "#44515f", "#7a4030", "#b84a00"];
  const dark = ["#8ab8ff", "#ff8a80", "#63d68b", "#f0b35a", "#c7a6ff", "#5fd4db", "#ff9fcf", "#c9d66b", "#b5c1ce", "#e2a58f", "#f5f07a"];
  const system = matchMedia("(prefers-color-scheme: dark)");
  const themes = ["automatic", "light", "dark"];
  let theme = 0;
  const isDark = () => (theme === 0 ? system.matches : theme === 2);
  const colour = (n) => (isDark() ? dark : light)[n % light.length];
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  const el = (tag, attributes = {}, ...children) => {
    const made = document.createElementNS(/^(svg|path|circle|g|text|line|title)$/.test(tag) ? "http://www.w3.org/2000/svg" : "http://www.w3.org/1999/xhtml", tag);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children.filter((c) => c !== null && c !== undefined));
    return made;
  };
  const whole = (n) => (n === null || n === undefined ? "–" : Math.round(n).toLocaleString("en-US"));
  const units = (n) => (n === null || n === undefined ? "–" : n >= 1000 ? whole(n) : String(+n.toPrecision(3)));
  const percent = (f) => (f === null || f === undefined ? "–" : `${+(f * 100).toFixed(3)} %`);
  // Times as in the terminal: three digits, and whole seconds that have passed.
  const digits = (n) => (n >= 999.5 ? whole(n) : n.toPrecision(3));
  const us = (n) => {
    if (n === null || n === undefined) return "–";
    if (n === 0) return "0 s";
    if (n < 1e3) return `${n} µs`;
    if (n < 1e6) return `${digits(n / 1e3)} ms`;
    if (n < 120e6) return `${digits(n / 1e6)} s`;
    return elapsed(n);
  };
  // As in the terminal: 45s, 12m30s, 6h05m.
  const elapsed = (n) => {
    const s = Math.floor(Math.round(n) / 1e6);
    const parts = [[Math.floor(s / 86400), "d"], [Math.floor(s / 3600) % 24, "h"], [Math.floor(s / 60) % 60, "m"], [s % 60, "s"]];
    const shown = parts.slice(parts.findIndex(([n]) => n > 0)).filter(([n]) => n > 0);
    return shown.map(([n, unit], i) => (i ? String(n).padStart(2, "0") : n) + unit).join("") || "0s";
  };
  // Steps of axes: whole numbers, and times that people count in.
  const decades = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12].flatMap((power) => [1, 2, 5].map((n) => n * 10 ** power));
  const seconds = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 432000, 864000];
  const microseconds = [...decades.filter((n) => n < 1e6), ...seconds.map((n) => n * 1e6)];
  const dollars = (nano) => (nano === null || nano === undefined ? "–" : `$${(nano / 1e9).toLocaleString("en-US", nano && nano < 1e7 ? { maximumSignificantDigits: 2 } : { minimumFractionDigits: 2, maximumFractionDigits: 2 })}`);
  const inUnit = (value, unit) => (unit === "us" ? us(value) : unit === "fraction" ? percent(value) : unit === "usd" ? dollars(value === null ? null : value * 1e9) : value === null ? "–" : (+value.toFixed(3)).toLocaleString("en-US"));

  const names = new Set(["region", "cause", "country", "component", "service", "key", "check"]);
  const table = (label, heads, rows) => {
    const cell = (tag, head, content) => el(tag, { ...(head.startsWith("#") ? { class: "n" } : names.has(head) ? { class: "name" } : {}), ...(tag === "th" ? { scope: "col" } : {}) }, content ?? "–");
    return el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": label },
      el("table", {}, el("caption", { class: "unseen" }, label), el("thead", {}, el("tr", {}, ...heads.map((h) => cell("th", h, h.replace(/^#/, ""))))),
        el("tbody", {}, ...rows.map((row) => el("tr", {}, ...row.map((c, i) => cell("td", heads[i], c)))))));
  };
  // May go on in the next line after a point or a brace.
  const breakable = (text) => el("span", {}, ...text.split(/(?<=[.,:{_])/).flatMap((part) => [part, el("wbr")]));
  const download = (name, rows) => {
    const quote = (v) => (/[",\n]/.test(v) ? `"${String(v).replace(/"/g, '""')}"` : v);
    const url = URL.createObjectURL(new Blob([rows.map((r) => r.map((v) => quote(v ?? "")).join(",")).join("\n") + "\n"], { type: "text/csv" }));
    const a = el("a", { href: url, download: name });
    a.click();
    setTimeout(() => URL.revokeObjectURL(url), 1000);
  };

  const plots = [];
  // One chart: seconds in data[0], then a column for each series {name, show(value), fill}.
  const chart = (home, result, title, series, options = {}) => {
    const used = series.filter((s) => s.values && (options.keep || s.values.some((v) => v)));
    if (!used.length) return;
    const width_s = result.series.width_us / 1e6;
    const times = used[0].values.map((_, i) => i * width_s);
    const place = el("div", { class: "chart", tabindex: 0, role: "group", "aria-roledescription": "chart", "aria-label": `${title}. Arrow keys move through time, plus and minus zoom, 0 shows all.` });
    const reset = el("button", { type: "button" }, "Whole run");
    const csv = el("button", { type: "button" }, "CSV");
    csv.setAttribute("aria-label", `Download ${title} as CSV`);
    reset.setAttribute("aria-label", `Show the whole run in ${title}`);
    csv.onclick = () => download(`${result.scenario.name}-${title.toLowerCase().replace(/[^a-z0-9]+/g, "-")}.csv`,
      [["seconds", ...used.map((s) => s.name)], ...times.map((t, i) => [t, ...used.map((s) => s.values[i])])]);
    home.append(el("figure", {}, el("figcaption", {}, el("strong", {}, title), reset, csv), place));
    let plot;
    const faults = result.faults.map((fault, i) => ({ ...fault, number: i + 1 })).sort((a, b) => a.at_us - b.at_us);
    const spans = (u) => {
      const { ctx, bbox } = u, edge = bbox.left + bbox.width, at = (us) => Math.min(Math.max(u.valToPos(us / 1e6, "x", true), bbox.left), edge);
      ctx.save();
      ctx.font = `${11 * devicePixelRatio}px system-ui`;
      let free = bbox.left;
      faults.forEach((fault, i) => {
        const from = at(fault.at_us), to = at(fault.until_us);
        if (from >= edge || to <= bbox.left) return;
        ctx.fillStyle = css("--fault");
        ctx.fillRect(from, bbox.top, Math.max(to - from, 2 * devicePixelRatio), bbox.height);
        // Above the plot, as much as there is room for; the list above the charts has all.
        const begin = Math.max(from, free), gap = 6 * devicePixelRatio, later = faults.slice(i + 1).find((other) => at(other.at_us) > begin + gap);
        const number = faults.length > 1 ? `${fault.number} ` : "", room = (later ? at(later.at_us) - gap : edge) - begin;
        const text = [number + fault.text, number + fault.action, number].find((text) => ctx.measureText(text).width <= room);
        if (!text) return;
        ctx.fillStyle = css("--dim");
        ctx.fillText(text, begin, bbox.top - gap);
        free = begin + ctx.measureText(text).width + gap;
      });
      ctx.restore();
    };
    const draw = () => {
      plot?.destroy();
      const axis = { stroke: css("--dim"), grid: { stroke: css("--line"), width: 1 }, ticks: { stroke: css("--line") }, font: "12px system-ui" };
      plot = new uPlot({
        width: place.clientWidth || 340, height: innerWidth < 600 ? 220 : 260,
        padding: [faults.length ? 22 : 8, 12, null, null], scales: { x: { time: false } }, cursor: { sync: { key: result.key }, drag: { x: true, y: false } },
        axes: [{ ...axis, values: (_, v) => v.map((s) => elapsed(s * 1e6)), space: 60, incrs: [0.1, 0.2, 0.5, ...seconds] },
          { ...axis, size: 76, incrs: options.show === us ? microseconds : options.show ? undefined : decades, values: (_, v) => v.map((n) => (options.show ?? whole)(n)) }],
        series: [{ label: "time", value: (_, v) => (v === null ? "–" : elapsed(v * 1e6)) },
          ...used.map((s, i) => ({ label: s.name, stroke: colour(s.colour ?? i), width: 1.5, points: { show: false }, fill: s.fill ? `${colour(s.colour ?? i)}22` : undefined, value: (_, v) => (v === null ? "–" : (options.show ?? whole)(v)) }))],
        bands: options.band ? [{ series: [2, 1], fill: `${colour(1)}22` }] : undefined,
        hooks: { drawClear: [spans] },
      }, [times, ...used.map((s) => s.values)], place);
    };
    draw();
    const zoom = (factor) => {
      const { min, max } = plot.scales.x, middle = plot.cursor.idx === null || plot.cursor.idx === undefined ? (min + max) / 2 : times[plot.cursor.idx];
      const half = ((max - min) * factor) / 2;
      plot.setScale("x", { min: Math.max(times[0], middle - half), max: Math.min(times.at(-1), middle + half) });
    };
    const all = () => plot.setScale("x", { min: times[0], max: times.at(-1) });
    reset.onclick = all;
    place.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1, PageDown: 20, PageUp: -20 }[event.key];
      if (step) {
        const index = Math.max(0, Math.min(times.length - 1, (plot.cursor.idx ?? 0) + step));
        plot.setCursor({ left: plot.valToPos(times[index], "x"), top: 20 });
        said.textContent = `${elapsed(times[index] * 1e6)}: ${used.map((s) => `${s.name} ${(options.show ?? whole)(s.values[index])}`).join(", ")}`;
      } else if (event.key === "+" || event.key === "=") zoom(0.5);
      else if (event.key === "-") zoom(2);
      else if (event.key === "0") all();
      else return;
      event.preventDefault();
    });
    plots.push({ draw, resize: () => plot.setSize({ width: place.clientWidth, height: plot.height }) });
  };

  const timeline = (home, r) => {
    const s = r.series, per = s.width_us / 1e6, rate = (c) => c.map((n) => +(n / per).toFixed(3));
    const regions = Object.entries(s.regions), of = (name) => 1 + r.system.regions.indexOf(name);
    home.append(el("h2", {}, "What happened"));
    if (r.faults.length) home.append(el("p", { class: "dim" }, "Shaded: ", r.faults.map((f, i) => `${r.faults.length > 1 ? `${i + 1} ` : ""}${f.text}, ${f.until_us > f.at_us ? `${elapsed(f.at_us)} to ${elapsed(f.until_us)}` : `at ${elapsed(f.at_us)}`}`).join("; "), "."));
    chart(home, r, "Load, requests per second", [{ name: "requests", values: rate(s.requests), fill: true, colour: 0 }, { name: "refused", values: rate(s.refused), colour: 3 }, { name: "failed", values: rate(s.failed), colour: 1 }], { show: units });
    chart(home, r, r.live ? "Latency: ways modelled, response measured" : "Latency", [{ name: "p50", values: s.latency_p50_us, colour: 0 }, { name: "p99", values: s.latency_p99_us, colour: 1 }], { show: us, band: true, keep: true });
    chart(home, r, "Answers other than 2xx per second, by cause", Object.entries(s.causes).map(([name, c]) => ({ name, values: rate(c) })), { show: units });
    chart(home, r, "Requests per second, by region", regions.map(([name, c]) => ({ name, colour: of(name), values: rate(c.requests) })), { show: units });
    chart(home, r, "Quota: admitted, and visible by region", [{ name: "admitted", values: s.admitted, fill: true }, ...regions.map(([name, c]) => ({ name, colour: of(name), values: c.visible }))]);
    chart(home, r, "Quota: admitted but not yet visible, by region", regions.map(([name, c]) => ({ name, colour: of(name), values: c.visible.map((v, i) => Math.max(0, s.admitted[i] - v)) })));
    chart(home, r, "Oldest view of a decision, by region", regions.map(([name, c]) => ({ name, colour: of(name), values: c.staleness_max_us })), { show: us });
    chart(home, r, "Backlog: stream and replicas, records", [{ name: "stream", values: s.stream_backlog }, ...regions.map(([name, c]) => ({ name, colour: of(name), values: c.replication_lag }))]);
  };

  const map = (home, r) => {
    const phases = Object.entries(r.traffic.origins).filter(([, c]) => Object.keys(c).length);
    if (!phases.length) return;
    home.append(el("h2", {}, "Where"));
    const choice = el("select", { "aria-label": "Phase shown on the map" }, ...phases.map(([name]) => el("option", { value: name }, phases.length > 1 ? `${name} the faults` : "whole run")));
    const during = phases.findIndex(([name]) => name === "during");
    if (during >= 0) choice.selectedIndex = during;
    const csv = el("button", { type: "button", "aria-label": "Download the map as CSV" }, "CSV");
    const place = el("div"), list = el("div");
    csv.onclick = () => download(`${r.scenario.name}-origins.csv`, [["phase", "country", "region", "requests"], ...phases.flatMap(([p, c]) => Object.entries(c).flatMap(([country, to]) => Object.entries(to).map(([region, n]) => [p, country, region, n])))]);
    home.append(el("figure", {}, el("figcaption", {}, el("strong", {}, "Who called, and which region answered"), phases.length > 1 ? choice : null, csv), place,
      el("p", { class: "dim" }, "Shade: requests from a country. Circle: requests that a region took. Line: a country's calls to a region; dashed and red where another region takes most of them in calm times. Outlines: Natural Earth.")), list);
    const calm = r.traffic.origins.before ?? {};
    const home_of = {};
    for (const source of [r.traffic.origins.after ?? {}, r.traffic.origins.during ?? {}, calm].reverse())
      for (const [c, to] of Object.entries(source)) home_of[c] ??= Object.entries(to).sort((a, b) => b[1] - a[1])[0][0];
    const show = () => {
      const origins = r.traffic.origins[choice.value];
      const sums = Object.fromEntries(Object.entries(origins).map(([c, to]) => [c, Object.values(to).reduce((a, b) => a + b, 0)]));
      const taken = {};
      for (const to of Object.values(origins)) for (const [region, n] of Object.entries(to)) taken[region] = (taken[region] ?? 0) + n;
      const most = Math.max(...Object.values(sums)), total = Object.values(sums).reduce((a, b) => a + b, 0), top = Math.max(...Object.values(taken));
      const svg = el("svg", { class: "map", viewBox: `0 0 ${world.width} ${world.height}`, role: "img", "aria-label": `World map${phases.length > 1 ? ` ${choice.value} the faults` : ""}; the table below holds the same numbers` });
      svg.append(el("path", { d: world.elsewhere, fill: css("--land") }));
      for (const [code, c] of Object.entries(world.countries)) {
        const n = sums[code] ?? 0;
        svg.append(el("path", { d: c.outline || `M${c.at[0] - 2} ${c.at[1]}h4v4h-4z`, fill: n ? colour(0) : css("--land"), "fill-opacity": n ? 0.2 + 0.7 * Math.sqrt(n / most) : 1, stroke: css("--back"), "stroke-width": 0.5 }, el("title", {}, `${c.name}: ${whole(n)} requests`)));
      }
      const flows = Object.entries(origins).flatMap(([c, to]) => Object.entries(to).map(([region, n]) => [c, region, n])).filter(([c, region, n]) => world.countries[c] && world.regions[region] && n * 500 >= total).sort((a, b) => b[2] - a[2]);
      for (const [c, region, n] of flows) {
        const [x1, y1] = world.countries[c].at, [x2, y2] = world.regions[region], away = home_of[c] !== region;
        svg.append(el("path", { d: `M${x1} ${y1}Q${(x1 + x2) / 2} ${(y1 + y2) / 2 - Math.hypot(x2 - x1, y2 - y1) / 6} ${x2} ${y2}`, fill: "none", stroke: colour(away ? 1 : 2), "stroke-opacity": 0.75, "stroke-width": 0.8 + 4 * Math.sqrt(n / total), "stroke-dasharray": away ? "6 4" : "none" }, el("title", {}, `${world.countries[c].name} to ${region}: ${whole(n)}`)));
      }
      const narrow = innerWidth < 600;
      const down = new Set(choice.value === "during" ? r.faults.filter((f) => f.action === "region-outage").flatMap((f) => f.regions) : []);
      for (const region of r.system.regions) {
        if (!world.regions[region]) continue;
        const [x, y] = world.regions[region];
        svg.append(el("circle", { cx: x, cy: y, r: 3 + 9 * Math.sqrt((taken[region] ?? 0) / top), fill: down.has(region) ? css("--bad") : colour(3), stroke: css("--back") }, el("title", {}, `${region}: ${whole(taken[region] ?? 0)} requests`)));
        // On a narrow screen a name would be too small to read: a number stands for it. To the left, if a neighbour is in the way.
        const near = r.system.regions.some((o) => o !== region && world.regions[o] && world.regions[o][0] > x && world.regions[o][0] - x < 75 && Math.abs(world.regions[o][1] - y) < 14);
        svg.append(el("text", { x: near ? x - 9 : x + 9, y: y + (narrow ? 9 : 4), ...(near ? { "text-anchor": "end" } : {}) }, narrow ? String(r.system.regions.indexOf(region) + 1) : region));
      }
      const key = narrow ? el("ol", { class: "regions" }, ...r.system.regions.map((region) => el("li", {}, `${region} ${percent(+((taken[region] ?? 0) / total).toFixed(3))}`))) : "";
      place.replaceChildren(svg, key);
      const rows = Object.entries(sums).sort((a, b) => b[1] - a[1]).slice(0, 12).map(([c, n]) => [world.countries[c]?.name ?? c, whole(n), percent(n / total), Object.entries(origins[c]).sort((a, b) => b[1] - a[1]).slice(0, 3).map(([region, m]) => `${region} ${percent(+(m / n).toFixed(3))}`).join(", ")]);
      list.replaceChildren(el("details", {}, el("summary", {}, "The same as a table: the twelve countries that called most"), table("Countries", ["country", "#requests", "#share", "answered by"], rows)));
    };
    choice.onchange = show;
    show();
    plots.push({ draw: show, resize: show });
  };

  const why = (home, r) => {
    if (!r.totals.requests) return;
    home.append(el("h2", {}, "Why"), el("h3", {}, "Every answer other than 2xx"));
    const causes = r.traffic.all.causes;
    home.append(causes.length ? table("Causes", ["cause", "#status", "kind", "#requests", "#share"], [...causes].sort((a, b) => b.requests - a.requests).map((c) => [c.cause, c.status || "none", c.failure ? "failure" : "refusal", whole(c.requests), percent(c.requests / r.traffic.all.requests)])) : el("p", {}, "Every request was answered with 2xx."));
    const shown = ["p50", "p99", "p99.9"].filter((q) => r.breakdown[q]);
    if (!shown.length) return;
    const parts = ["dns", "network", "tls", "gateway", "cold start", "queue", "table", "handler"];
    home.append(el("h3", {}, "What latency is made of, at three quantiles"), el("p", { class: "dim" }, "Means of requests about as slow as the quantile, one part after another."));
    const bars = el("div");
    const draw = () => {
      bars.replaceChildren();
      for (const q of shown) {
        const sum = parts.reduce((a, p) => a + (r.breakdown[q][p] ?? 0), 0), most = Math.max(sum, 1);
        let passed = 0;
        const rows = parts.map((p, i) => {
          const n = r.breakdown[q][p] ?? 0, from = passed;
          passed += n;
          return n ? el("div", {}, el("span", {}, p), el("span", { class: "bar" }, el("span", { style: `background:${colour(i)};margin-left:${(100 * from) / most}%;width:max(2px,${(100 * n) / most}%)` })), el("span", { class: "n" }, us(n))) : null;
        });
        bars.append(el("h4", {}, `${q}: ${us(sum)}`), el("div", { class: "steps", "aria-hidden": "true" }, ...rows));
      }
    };
    draw();
    plots.push({ draw, resize: () => {} });
    if (r.live) home.append(el("p", { class: "dim" }, `Modelled: ${r.live.modelled.join(", ")}. Measured: ${r.live.measured.join(", ")}.`));
    home.append(bars, table("Latency by component", ["component", ...shown.map((q) => `#${q}`)], parts.map((p) => [p, ...shown.map((q) => us(r.breakdown[q][p] ?? 0))])));
    const rows = Object.entries(r.traffic.by_region).map(([name, s]) => [name, whole(s.requests), percent(s.availability), us(s.latency?.p50_us), us(s.latency?.p99_us), us(s.latency?.["p99.9_us"]), whole(s.cold_starts)]);
    home.append(el("h3", {}, "By region"), table("By region", ["region", "#requests", "#available", "#p50", "#p99", "#p99.9", "#cold starts"], rows));
  };

  const quota = (home, r) => {
    const q = r.quota, bound = r.thresholds.find((t) => t.metric === "quota.over_admission");
    home.append(el("h2", {}, "Quotas against the truth"));
    home.append(table("Quota", ["what", "#value"], [
      ["Admitted beyond quotas", whole(q.over_admission.total)],
      ["Worst key, share of its quota", percent(q.over_admission.max_fraction) + (bound ? ` (wanted ${bound.condition})` : "")],
      ["Staleness of views, p50 / p99 / max", q.staleness ? `${us(q.staleness.p50_us)} / ${us(q.staleness.p99_us)} / ${us(q.staleness.max_us)}` : "–"],
      ["Refused although there was room", whole(q.false_rejections.total)],
      ["Counted twice / lost and known / lost silently", `${whole(q.duplicates)} / ${whole(q.declared_loss)} / ${whole(q.silent_loss)}`],
      ["Count in the central table minus admitted", whole(q.count_error)],
    ]));
    home.append(el("h3", {}, "By region"), table("Quota by region", ["region", "#staleness p50", "#staleness p99", "#crossing seen after, p99", "#converged after"], Object.entries(q.regions).map(([name, v]) => [name, us(v.staleness?.p50_us), us(v.staleness?.p99_us), us(v.crossing_lag?.p99_us), v.convergence_us === null ? "never" : us(v.convergence_us)])));
    if (q.over_admission.worst.length) home.append(el("h3", {}, "Worst keys"), table("Worst keys", ["key", "#quota", "#admitted", "#beyond", "#share"], q.over_admission.worst.map((w) => [w.subject, whole(w.quota), whole(w.admitted), whole(w.over), percent(w.over / w.quota)])));
  };

  const cost = (home, r) => {
    if (!r.cost) return;
    const c = r.cost;
    home.append(el("h2", {}, "Cost of a month of such runs"));
    home.append(el("p", {}, el("strong", {}, dollars(c.month_nano_usd)), ` for ${whole(c.month_requests)} requests, ${dollars(c.per_million_nano_usd)} for a million. Without the free tier it would be ${dollars(c.month_list_nano_usd)}. List prices of AWS (${c.prices}), simulated use${c.without_pipeline ? "; the pipeline is not on the bill" : ""}.`));
    const most = Math.max(...Object.values(c.services));
    const bars = el("div", { class: "costs", "aria-hidden": "true" });
    const draw = () => bars.replaceChildren(...Object.entries(c.services).sort((a, b) => b[1] - a[1]).map(([name, n]) => el("div", {}, el("span", {}, name), el("span", { class: "bar" }, el("span", { style: `background:${colour(0)};width:${(100 * n) / most}%` })), el("span", { class: "n" }, n ? dollars(n) : "free"))));
    if (most > 0) { draw(); plots.push({ draw, resize: () => {} }); home.append(bars); }
    home.append(table("Cost by item", ["service", "item", "#used in a month", "#free of it", "#list price", "#charged", "price known"], c.lines.map((l) => [l.service, l.unit, units(l.month_units), l.free_units ? units(l.free_units) : "–", dollars(l.month_list_nano_usd), dollars(l.month_nano_usd), l.confidence])),
      el("details", {}, el("summary", {}, `Prices and sizes that are assumed (${c.assumptions.length})`), el("ul", {}, ...c.assumptions.map((a) => el("li", {}, a)))));
  };

  // What only a live run has: numbers without any model, and whether they can be believed.
  const measured = (home, r) => {
    if (!r.live) return;
    const l = r.live, three = (d) => [us(d?.p50_us), us(d?.p99_us), us(d?.["p99.9_us"])];
    home.append(el("h2", {}, "Measured, without any model"), el("p", { class: "dim" }, `On ${l.machine}, started ${l.started}. Response time runs from the instant a request was due, service time from its sending.`));
    home.append(table("Measured times", ["region", "#response p50", "#p99", "#p99.9", "#service p50", "#p99", "#p99.9"], [["all", ...three(l.response_time), ...three(l.service_time)], ...Object.entries(l.regions).filter(([, v]) => v.response_time).map(([name, v]) => [name, ...three(v.response_time), ...three(v.service_time)])]));
    home.append(el("h3", {}, "Can it be believed?"), l.reasons.length ? el("p", { class: "invalid" }, l.reasons.join("; ")) : "", table("Validity", ["", "check", "#found", "#bound"], l.checks.map((c) => [el("strong", { class: c.holds ? "passed" : "failed" }, c.holds ? "held" : "failed"), c.name, inUnit(c.value, c.unit), inUnit(c.bound, c.unit)])));
  };

  const judged = (home, r) => {
    home.append(el("h2", {}, "Thresholds"), table("Thresholds", ["", "metric", "wanted", "#found"], r.thresholds.map((t) => [el("strong", { class: t.passed ? "passed" : "failed" }, t.passed ? "held" : "failed"), breakable(t.metric), t.condition, t.note || inUnit(t.value, t.unit)])));
    home.append(el("h2", {}, "Invariants"), table("Invariants", ["", "invariant", "#checks", "first violation"], r.invariants.map((i) => [el("strong", { class: { held: "passed", broken: "failed" }[i.status] ?? "dim" }, i.status === "not-applicable" ? "n/a" : i.status), `${i.id} ${i.claim}`, whole(i.checks), i.first_violation ? `${elapsed(i.first_violation.at_us)}: ${i.first_violation.seen}` : i.note || "none"])));
    home.append(el("h2", {}, "Repeat it"), el("pre", { tabindex: 0 }, `${r.repeat}\n\nscenario ${r.scenario.hash}\ndigest   ${r.digest}\nversion  ${r.georush}`),
      el("details", {}, el("summary", {}, `What the models take for granted (${r.assumptions.length})`), el("ul", {}, ...r.assumptions.map((a) => el("li", {}, a)))));
  };

  const compare = (main) => {
    const measures = [["requests", (r) => r.totals.requests, whole], ["availability", (r) => r.traffic.all.availability, percent], ["p50", (r) => r.traffic.all.latency?.p50_us, us], ["p99", (r) => r.traffic.all.latency?.p99_us, us], ["p99.9", (r) => r.traffic.all.latency?.["p99.9_us"], us], ["refused", (r) => r.traffic.all.refused, whole], ["over-admission", (r) => r.quota.over_admission.total, whole], ["worst key", (r) => r.quota.over_admission.max_fraction, percent], ["staleness p99", (r) => r.quota.staleness?.p99_us, us], ["lost silently", (r) => r.quota.silent_loss, whole], ["a month would cost", (r) => r.cost?.month_nano_usd, dollars]];
    const titles = results.map((r, i) => `#${i + 1}. ${r.scenario.name}, ${r.mode === "live" ? "measured" : "simulated"}, seed ${r.seed}`);
    main.prepend(el("section", { class: "compared" }, el("h2", { style: "margin-top:.6em" }, "Compared"), table("Compared", ["", ...titles], [["verdict", ...results.map((r, i) => el("a", { class: r.verdict, href: `#result-${i}` }, r.verdict.toUpperCase()))], ...measures.map(([name, of, show]) => [name, ...results.map((r) => show(of(r)))])])));
  };

  document.documentElement.classList.toggle("dark", isDark());
  const main = document.getElementById("main");
  results.forEach((r, index) => {
    r.key = `r${index}`; r.faults ??= []; r.traffic.origins ??= {};
    const home = document.getElementById(`result-${index}`), t = r.traffic.all;
    home.append(el("dl", { class: "cards" }, ...[["Requests", whole(t.requests)], ["Available", percent(t.availability)], [r.live ? "p50, ways modelled" : "p50", us(t.latency?.p50_us)], [r.live ? "p99, ways modelled" : "p99", us(t.latency?.p99_us)], ["Refused", whole(t.refused)], ["Failed", whole(t.failed)], ["Beyond quotas", whole(r.quota.over_admission.total)], ["Staleness p99", us(r.quota.staleness?.p99_us)], ...(r.cost ? [["A month would cost", dollars(r.cost.month_nano_usd)]] : [])].map(([k, v]) => el("div", {}, el("dt", {}, k), el("dd", {}, v)))));
    measured(home, r); timeline(home, r); map(home, r); why(home, r); quota(home, r); cost(home, r); judged(home, r);
  });
  if (results.length > 1) compare(main);
  const paint = () => { document.documentElement.classList.toggle("dark", isDark()); plots.forEach((p) => p.draw()); };
  const button = document.getElementById("theme");
  button.onclick = () => { theme = (theme + 1) % 3; button.textContent = `Theme: ${themes[theme]}`; paint(); };
  // Paper is white, and nobody unfolds it.
  let before, folded;
  addEventListener("beforeprint", () => {
    before = theme; folded = [...document.querySelectorAll("details:not([open])")];
    folded.forEach((d) => (d.open = true));
    theme = 1; paint();
  });
  addEventListener("afterprint", () => { theme = before; folded.forEach((d) => (d.open = false)); paint(); });
  system.addEventListener("change", paint);
  let waiting;
  addEventListener("resize", () => { clearTimeout(waiting); waiting = setTimeout(() => plots.forEach((p) => p.resize()), 100); });
  document.documentElement.dataset.drawn = document.querySelectorAll(".uplot canvas").length;
})();
