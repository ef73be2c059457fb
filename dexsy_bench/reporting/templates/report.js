// The page's own script: filters, tables (DataTables), plots (plotly.js), cases. All data is in #data: JSON, gzipped, in base64.
const $ = id => document.getElementById(id);
const ALL = "all", NARROW = matchMedia("(max-width: 600px)");
window.addEventListener("error", e => fail(e.message));
window.addEventListener("unhandledrejection", e => fail(e.reason?.message ?? e.reason));
function fail(text) { $("failure").textContent = `Part of this page does not work here: ${text}`; $("failure").hidden = false; }

async function unpack(base64) { // what encoding.py packed
  const bytes = Uint8Array.from(atob(base64), c => c.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
}
const DATA = JSON.parse(new TextDecoder().decode(await unpack($("data").textContent)));
const library = URL.createObjectURL(new Blob([$("table-library").textContent], { type: "text/javascript" }));
const DataTable = (await import(library)).default;
const CASES = DATA.explorer.cases, CASE_KEYS = Object.keys(CASES);
const STANDINGS = DATA.standings.data.map(row => Object.fromEntries(DATA.standings.columns.map((name, i) => [name, row[i]])));

const escaped = text => String(text).replace(/[&<>"']/g, c => `&#${c.charCodeAt(0)};`);
const show = (x, digits = 3) => x == null || Number.isNaN(x) ? "–" : x === 0 ? "0" : Math.abs(x) >= 1000 ? Math.round(x).toLocaleString("en") : x.toPrecision(digits);
const badness = (metric, x) => { const b = DATA.metrics[metric].better; return b === "low" ? x : b === "high" ? -x : Math.abs(x - b); };
const family = label => DATA.marks[label]?.family ?? "";
const broken = text => escaped(text).replace(/[\[,_]/g, "$&<wbr>"); // a long name may go on in the next line
const named = label => `${mark(DATA.marks[label])}${broken(label)}`;
const mark = of => of ? `<svg class="mark" viewBox="-0.6 -0.6 1.2 1.2" aria-hidden="true"><path d="${of.path}" fill="${of.colour}"/></svg>` : "";
const caseLink = (scenario, snr, number, label) => "#" + ["case", scenario, snr, number, label].map(encodeURIComponent).join("/");
const casesOf = (scenario, snr) => CASE_KEYS.filter(key => key.startsWith(`${scenario}/${snr}/`)).map(key => Number(key.split("/")[2])).sort((a, b) => a - b);
const options = (select, values, chosen) => { select.replaceChildren(...values.map(v => new Option(v, v, false, String(v) === String(chosen)))); };

// Filters ------------------------------------------------------------------------------------

const state = () => Object.fromEntries(["metric", "scenario", "snr", "family"].map(id => [id, $(id).value]));
const wanted = label => [ALL, family(label)].includes(state().family);
const inScope = row => { const s = state(); return row.metric === s.metric && row.scenario === s.scenario && row.snr === s.snr && wanted(row.label); };
for (const name of DATA.families) $("family").add(new Option(name, name));
$("filters").addEventListener("change", refresh);

// Tables -------------------------------------------------------------------------------------

const tables = {};
function table(id, columns, data, order = []) {
  const element = $(id), before = tables[id];
  const kept = before?.order();
  if (before) { before.destroy(); element.querySelectorAll("thead, tbody, colgroup").forEach(part => part.remove()); }
  tables[id] = new DataTable(element, {
    data, columns, order: kept?.every(([at]) => at < columns.length) ? kept : order, paging: false, info: false, autoWidth: false,
    language: { search: "Find", zeroRecords: "none here", emptyTable: "none here" },
    layout: { topStart: data.length > 12 ? "search" : null, topEnd: null, bottomStart: null, bottomEnd: null },
  });
}
// A column: heading, what is shown of a row, what it sorts by (missing values last, as Infinity).
const column = (title, html, sort, className = "number") => ({ title, className, data: null, orderSequence: ["asc", "desc"],
  type: className === "number" ? "num" : "string", render: (_, type, row) => type === "display" ? html(row) : (type === "sort" || type === "type") ? sort(row) ?? Infinity : String(html(row)).replace(/<[^>]*>/g, "") });
const method = column("method", row => named(row.label), row => row.label, "dt-left");
const rankText = row => row.rank == null ? "–" : `${row.rank}${row.tied ? "=" : ""}`;

function interval(row, low, high) {
  if (row.mean == null) return "–";
  const at = x => 100 * (x - low) / (high - low || 1);
  const text = `${show(row.mean)} <span class="small">${row.low == null ? "" : `[${show(row.low)}, ${show(row.high)}]`}</span>`;
  const line = row.low == null ? "" : `<i style="left:${at(row.low)}%;width:${at(row.high) - at(row.low)}%"></i>`;
  return `${text}<span class="interval" aria-hidden="true" style="color:${DATA.marks[row.label].colour}">${line}<b style="left:${at(row.mean)}%"></b></span>`;
}

function leaderboards() {
  const { metric, scenario, snr, family } = state(), about = DATA.metrics[metric];
  const rows = STANDINGS.filter(inScope), ranked = rows.filter(row => row.ranked);
  const ends = rows.flatMap(row => [row.mean, row.low, row.high]).filter(x => x != null);
  const low = Math.min(...ends), high = Math.max(...ends);
  $("scope").textContent = `${scenario === ALL ? "All scenarios" : scenario}, ${snr === ALL ? "all SNR levels" : /\d/.test(snr) ? `SNR ${snr}` : snr}` +
    `${family === ALL ? "" : `, ${family} methods`}: ${ranked.length} ranked, ${rows.length - ranked.length} not. Ranks are among all families.`;
  $("meaning").textContent = `${metric}: ${about.label}, ${about.wish}. ${about.definition} Mean over the cells, each with the same weight, and its 95% interval (drawn beside it).`;
  const mean = column(`${metric}: mean [95%]`, row => interval(row, low, high), row => row.mean == null ? null : badness(metric, row.mean));
  const costs = [
    column("scored", row => `${row.scored}/${row.asked}`, row => row.scored),
    column("failures", row => escaped(row.failures || "none"), row => row.failures, "dt-left"),
    column("s / case", row => show(row.seconds), row => row.seconds),
    column("family", row => escaped(row.family), row => row.family, "dt-left"),
    column("told", row => escaped(row.told || "–"), row => row.told, "dt-left"),
    column("tuning", row => escaped(row.tuning || "–"), row => row.tuning, "dt-left"),
    column("cases", row => firstCase(row), row => row.label, "dt-left"),
  ];
  const rank = column("rank", row => `<b>${rankText(row)}</b> <span class="small">(${row.rank_low}–${row.rank_high})</span>`, row => row.rank);
  table("ranked-table", [rank, method, mean, ...costs], ranked, [[0, "asc"]]);
  const why = column("why not", row => escaped(row.why), row => row.why, "wrap");
  table("unranked-table", [method, why, mean, ...costs], rows.filter(row => !row.ranked), [[2, "asc"]]);
}
function firstCase(row) {
  const key = CASE_KEYS.find(key => inside(key, row.scenario, row.snr) && CASES[key].estimates.some(e => e.label === row.label));
  return key ? `<a href="${caseLink(...key.split("/"), row.label)}">cases<span class="visually-hidden"> of ${escaped(row.label)}</span></a>` : "–";
}
const inside = (key, scenario, snr) => { const [s, level] = key.split("/"); return [ALL, s].includes(scenario) && [ALL, level].includes(snr); };

function cellTable() {
  const { metric, scenario, snr } = state();
  const cells = DATA.cells.filter(([s, level]) => [ALL, s].includes(scenario) && [ALL, level].includes(snr));
  const value = {};
  for (const row of STANDINGS) if (row.metric === metric) value[`${row.scenario}/${row.snr}/${row.label}`] = row;
  const single = (s, level, label) => value[`${s}/${level}/${label}`] ?? value[`${s}/all/${label}`] ?? value[`all/${level}/${label}`] ?? value[`all/all/${label}`];
  const columns = cells.map(([s, level]) => column(`${broken(s)}<br>${escaped(level)}`, row => {
    const found = single(s, level, row.label), first = casesOf(s, level)[0];
    const text = found?.mean == null ? escaped(found?.failures || "–") : `${show(found.mean)}${found.scored < found.asked ? `<span class="small"> ${found.scored}/${found.asked}</span>` : ""}`;
    return first == null ? text : `<a href="${caseLink(s, level, first, row.label)}">${text}</a>`;
  }, row => { const x = single(s, level, row.label)?.mean; return x == null ? null : badness(metric, x); }));
  const labels = Object.keys(DATA.marks).filter(label => wanted(label) && STANDINGS.some(row => row.label === label));
  $("cells-caption").textContent = `Mean ${metric} by scenario and SNR (${DATA.metrics[metric].wish}). A fraction after a mean: cases scored of those asked.`;
  table("cells-table", [method, ...columns], labels.map(label => ({ label })), columns.length ? [[1, "asc"]] : []);
}

function metricTable() {
  const { scenario, snr } = state(), by = {};
  for (const row of STANDINGS)
    if (row.ranked && row.scenario === scenario && row.snr === snr && wanted(row.label)) (by[row.label] ??= { label: row.label })[row.metric] = row;
  const columns = Object.keys(DATA.metrics).map(name => column(name, row => row[name] ? `${rankText(row[name])} <span class="small">${show(row[name].mean)}</span>` : "–", row => row[name]?.rank));
  table("metrics-table", [method, ...columns], Object.values(by), [[1, "asc"]]);
}

const VERDICTS = ["worse", "better", "open", "same", "gone", "new"];
function changesTable() {
  if (!DATA.changes) return;
  const rows = DATA.changes.filter(row => (row.metric === state().metric || !row.metric) && wanted(row.label));
  const signed = x => x == null ? "–" : `${x > 0 ? "+" : ""}${show(x)}`;
  table("changes-table", [method,
    column("verdict", row => `<span class="verdict-${row.verdict}">${row.verdict}</span>`, row => String(VERDICTS.indexOf(row.verdict)), "dt-left"),
    column("now", row => show(row.mean), row => row.mean), column("before", row => show(row.before), row => row.before),
    column("change [95%]", row => row.difference == null ? "–" : `${signed(row.difference)} <span class="small">[${signed(row.low)}, ${signed(row.high)}]</span>`, row => row.difference),
    column("pairs", row => row.pairs ?? "–", row => row.pairs), column("scored now alone", row => row.gained ?? "–", row => row.gained),
    column("scored before alone", row => row.lost ?? "–", row => row.lost)], rows, [[1, "asc"]]);
}

// Plots --------------------------------------------------------------------------------------

const FONT = { family: "system-ui, sans-serif", size: 13, color: "#1a1a1a" };
const CONFIG = { displaylogo: false, responsive: true, modeBarButtonsToRemove: ["lasso2d", "select2d"] };
function drawing(kind) {
  const { metric, scenario, snr } = state();
  if (kind === "errors") return errors(metric, scenario, snr);
  const keys = Object.keys(DATA.drawings).filter(key => key.startsWith(`${kind}/`));
  const exact = { snr: `snr/${metric}/${scenario}`, time: `time/${metric}/${scenario}/${snr}`, stress: `stress/${metric}`,
    calibration: `calibration/${scenario}`, learning: `learning/${metric}/${scenario}` }[kind];
  const stand = kind === "calibration" ? keys[0] : kind === "learning" ? keys.find(key => key.startsWith(`learning/${metric}/`)) : null;
  const found = keys.includes(exact) ? exact : stand;
  return found && { ...DATA.drawings[found], name: found === exact ? "" : found.split("/").pop() };
}
function errors(metric, scenario, snr) {
  const { names, ...rows } = DATA.rows, log = DATA.metrics[metric].better !== "high";
  const by = names.label.map(() => ({ x: [], at: [] }));
  rows.case.forEach((number, k) => {
    const [s, level, x] = [names.scenario[rows.scenario[k]], rows.snr[k], rows[metric][k]];
    if (x != null && (x > 0 || !log) && [ALL, s].includes(scenario) && [ALL, level].includes(snr)) { by[rows.label[k]].x.push(x); by[rows.label[k]].at.push([s, level, number]); }
  });
  const median = x => [...x].sort((a, b) => a - b)[x.length >> 1];
  const data = names.label.map((label, k) => ({ type: "box", orientation: "h", name: label, meta: family(label), x: by[k].x, customdata: by[k].at, boxpoints: "all",
    jitter: 0.5, pointpos: 0, marker: { size: 3, opacity: 0.45, color: DATA.marks[label].colour }, line: { width: 1.3, color: DATA.marks[label].colour }, fillcolor: "rgba(0,0,0,0)",
    hovertemplate: "%{y}<br>%{x:.4g}<br>%{customdata[0]}, SNR %{customdata[1]}, case %{customdata[2]}<extra></extra>" }))
    .filter(trace => trace.x.length && wanted(trace.name)).sort((a, b) => badness(metric, median(b.x)) - badness(metric, median(a.x)));
  const about = DATA.metrics[metric];
  return { data, layout: { font: FONT, height: 130 + 24 * data.length, showlegend: false, hovermode: "closest", margin: { l: 10, r: 10, t: 10, b: 60 },
    xaxis: { type: log ? "log" : "linear", title: { text: `${about.label} (${about.wish})` }, gridcolor: "#e6e6e6", ...(log ? { dtick: "D2", exponentformat: "power" } : {}) },
    yaxis: { automargin: true, tickfont: { size: NARROW.matches ? 9 : 11 } } } };
}
async function plots() {
  for (const figure of document.querySelectorAll("figure[data-plot]")) {
    const kind = figure.dataset.plot, element = figure.querySelector(".plot"), found = drawing(kind);
    if (!found?.data.length) { Plotly.purge(element); element.textContent = "Nothing to show for this choice."; continue; }
    if (!element.classList.contains("js-plotly-plot")) element.textContent = "";
    const chosen = state().family;
    const data = kind === "stress" ? found.data : found.data.filter(trace => !trace.meta || [ALL, trace.meta].includes(chosen))
      .map(trace => chosen === ALL ? { ...trace, showlegend: !(NARROW.matches && trace.visible === "legendonly") } : { ...trace, visible: true });
    const legend = NARROW.matches ? { orientation: "h", y: -0.2, yanchor: "top", font: { size: 11 } } : { font: { size: 11 } };
    const tall = found.layout.height ?? (NARROW.matches ? 420 + 22 * data.filter(trace => trace.showlegend !== false).length : Math.max(440, 90 + 20 * data.length));
    element.style.height = `${tall}px`; // the plot fills it, also when the window changes
    await Plotly.react(element, data, { legend, ...found.layout, height: undefined, title: found.name ? { text: found.name, font: { size: 13 } } : undefined,
      margin: { ...found.layout.margin, t: 34 } }, { ...CONFIG, displayModeBar: !NARROW.matches });
    if (kind === "errors" && !element.dataset.linked) {
      element.dataset.linked = "yes";
      element.on("plotly_click", ({ points: [point] }) => { if (CASES[point.customdata?.join("/")]) location.hash = caseLink(...point.customdata, point.data.name); });
    }
  }
}
// A sheet is smaller than a window, and does not tell the plots.
addEventListener("beforeprint", () => document.querySelectorAll(".js-plotly-plot").forEach(plot => Plotly.relayout(plot, { width: plot.closest("#panels") ? 320 : 980, height: Math.min(plot.clientHeight, 620), "legend.font.size": 9 })));
addEventListener("afterprint", () => document.querySelectorAll(".js-plotly-plot").forEach(plot => Plotly.relayout(plot, { width: null, height: null, autosize: true, "legend.font.size": 11 })));
function refresh() { leaderboards(); cellTable(); metricTable(); changesTable(); if (shown) scoreTable(); return plots(); }

// CSV ----------------------------------------------------------------------------------------

document.addEventListener("click", async event => {
  const name = event.target.dataset?.csv;
  if (!name) return;
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([await unpack($(`csv-${name}`).textContent)], { type: "text/csv" }));
  link.download = `${name}.csv`;
  link.click();
});
