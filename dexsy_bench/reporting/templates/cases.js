// The cases of the page: continues report.js, in the same module.

const BLUES = ["#f7fbff", "#deebf7", "#c6dbef", "#9ecae1", "#6baed6", "#4292c6", "#2171b5", "#08519c", "#08306b"];
const SCALE = BLUES.map((colour, i) => [i / (BLUES.length - 1), colour]);
const DIVERGING = [[0, "#2166ac"], [0.25, "#92c5de"], [0.5, "#f7f7f7"], [0.75, "#f4a582"], [1, "#b2182b"]];
const rgb = colour => [1, 3, 5].map(at => parseInt(colour.slice(at, at + 2), 16));
const PALETTE = Array.from({ length: 256 }, (_, i) => { // the same scale for the small pictures
  const x = i / 255 * (BLUES.length - 1), k = Math.min(Math.floor(x), BLUES.length - 2), [a, b] = [rgb(BLUES[k]), rgb(BLUES[k + 1])];
  return a.map((value, c) => Math.round(value + (x - k) * (b[c] - value)));
});
const PEAKS = { true: ["circle-open", "#000", 11], missed: ["circle-open", "#d55e00", 12], hit: ["x-thin", "#000", 7], false: ["cross-thin", "#d55e00", 9] };
let shown = null; // the case on show, decoded: { key, scenario, snr, number, problem, signal, truth, estimates }

async function decode(key) {
  const [scenario, snr, number] = key.split("/"), record = CASES[key], problem = DATA.explorer.problems[scenario];
  const buffer = await unpack(record.blob), times = problem.mixing?.length ?? 1;
  let at = 0;
  const take = (Type, n) => { const part = new Type(buffer, at, n); at += part.byteLength; return part; };
  const cells = times * problem.d1.length * problem.d2.length;
  const coefficients = record.estimates.map(() => take(Float32Array, times * problem.u1[0].length * problem.u2[0].length));
  const signal = take(Uint16Array, times * problem.b1.length * problem.b2.length);
  const truth = take(Uint8Array, cells);
  const estimates = Object.fromEntries(record.estimates.map((e, k) => [e.label, { ...e, coefficients: coefficients[k], field: take(Uint8Array, cells) }]));
  return { key, scenario, snr, number: Number(number), record, problem, signal, truth, estimates };
}
const mass = (field, scale, problem, t) => { // percent in each cell, by [second][first] axis as plots have it
  const [n1, n2] = [problem.d1.length, problem.d2.length];
  return problem.d2.map((_, j) => problem.d1.map((_, i) => 100 * scale * (field[(t * n1 + i) * n2 + j] / 255) ** 2));
};
const signalAt = (view, i, j, t) => { const q = view.signal[(t * view.problem.b1.length + i) * view.problem.b2.length + j]; return q === 65535 ? null : q / 65534 * view.record.signalScale; };
function residual(view, estimate, t) { // (S - U1 c U2') / sigma, by [second][first] axis
  const { u1, u2 } = view.problem, [r1, r2] = [u1[0].length, u2[0].length];
  const half = u1.map(row => u2[0].map((_, l) => row.reduce((sum, u, k) => sum + u * estimate.coefficients[(t * r1 + k) * r2 + l], 0)));
  return u2.map((row, j) => u1.map((_, i) => { const s = signalAt(view, i, j, t); return s == null ? null : (s - row.reduce((sum, u, l) => sum + u * half[i][l], 0)) / view.record.sigma; }));
}

async function openCase(key, label, { move = false } = {}) {
  if (!CASES[key]) { const [s, level] = key.split("/"), first = casesOf(s, level)[0]; if (first == null) return; key = `${s}/${level}/${first}`; }
  const view = shown?.key === key ? shown : await decode(key);
  shown = view;
  const labels = [...Object.keys(view.estimates), ...Object.keys(view.record.without)].sort();
  const at = Object.keys(DATA.metrics).indexOf(state().metric), lost = e => badness(state().metric, e.scores[at] ?? NaN);
  const best = Object.values(view.estimates).sort((a, b) => lost(a) - lost(b))[0]?.label;
  const chosen = labels.includes(label) ? label : best ?? labels[0];
  options($("case-scenario"), [...new Set(CASE_KEYS.map(k => k.split("/")[0]))], view.scenario);
  options($("case-snr"), DATA.cells.filter(([s, level]) => s === view.scenario && casesOf(s, level).length).map(cell => cell[1]), view.snr);
  options($("case-number"), casesOf(view.scenario, view.snr), view.number);
  options($("case-method"), labels, chosen);
  const times = view.problem.mixing ?? [];
  $("mixing-label").hidden = times.length < 2;
  if ($("case-mixing").options.length !== times.length) $("case-mixing").replaceChildren(...times.map((time, t) => new Option(`${show(1000 * time)} ms`, t)));
  panels(view, chosen); thumbs(view, chosen); scoreTable();
  if (move) { $("explorer").scrollIntoView(); $("case-method").focus({ preventScroll: true }); }
}
const mixing = () => Number($("case-mixing").value || 0);

function panels(view, label) {
  const { problem, record } = view, estimate = view.estimates[label], t = mixing();
  const peaksOf = (list, kinds) => Object.entries(kinds).map(([kind, keep]) => { const [symbol, colour, size] = PEAKS[kind], at = list.filter(keep);
    return { type: "scatter", mode: "markers", hoverinfo: "skip", showlegend: false, x: at.map(p => problem.d1[p[0]]), y: at.map(p => problem.d2[p[1]]), marker: { symbol, size, color: colour, line: { width: 2, color: colour } } }; });
  const edges = d => { const r = Math.sqrt(d[1] / d[0]); return [...d.map(x => x / r), d.at(-1) * r]; };
  const sub = n => problem.quantity.length > 1 ? `${problem.quantity[0]}<sub>${problem.quantity.slice(1)},${n}</sub>` : `${problem.quantity}<sub>${n}</sub>`;
  const axis = (n, log) => ({ title: { text: log ? `${sub(n)} (${problem.quantityUnit})` : `${problem.encoding}<sub>${n}</sub> (${problem.encodingUnit})` }, type: log ? "log" : "linear", ...(log ? { dtick: 1 } : {}), automargin: true, ticks: "outside", showgrid: false, zeroline: false });
  const square = { margin: { l: 55, r: 10, t: 10, b: 50 }, showlegend: false, font: { ...FONT, size: 12 } };
  const draw = (id, data, layout, text) => { Plotly.react($(id), data, { ...square, ...layout }, { ...CONFIG, displayModeBar: false }); $(id).setAttribute("aria-label", text); };
  const bar = (title, more) => ({ thickness: 10, title: { text: title, side: "right" }, ...more });
  const top = Math.sqrt(100 * record.truthScale), ticks = [0, 0.05, 0.2, 0.45, 0.8].map(share => Number((share / 0.8 * 100 * record.truthScale).toPrecision(2)));
  const map = (f, extra) => [{ type: "heatmap", x: edges(problem.d1), y: edges(problem.d2), z: f.map(row => row.map(Math.sqrt)), customdata: f, zmin: 0, zmax: top, colorscale: SCALE,
    hovertemplate: "%{customdata:.3g} % at %{x:.3g}, %{y:.3g}<extra></extra>", colorbar: bar("mass per cell (%)", { tickvals: ticks.map(Math.sqrt), ticktext: ticks.map(String) }) }, ...extra];
  const logs = { xaxis: axis(1, true), yaxis: { ...axis(2, true), scaleanchor: "x", constrain: "domain" } }, lines = { xaxis: axis(1, false), yaxis: { ...axis(2, false), scaleanchor: "x", constrain: "domain" } };
  const floor = Math.max(record.sigma ?? 0, 1e-4), signal = problem.b2.map((_, j) => problem.b1.map((_, i) => signalAt(view, i, j, t)));
  const decades = [1, 0.1, 0.01, 0.001, 0.0001].filter(x => x >= floor * 0.99);
  draw("panel-signal", [{ type: "heatmap", x: problem.b1, y: problem.b2, z: signal.map(row => row.map(x => x == null ? null : Math.log10(Math.max(x, floor)))), customdata: signal, zmin: Math.log10(floor), zmax: 0,
    colorscale: "Viridis", hovertemplate: "%{customdata:.4f}<extra></extra>", colorbar: bar("S / S(0,0)", { tickvals: decades.map(Math.log10), ticktext: decades.map(String) }) }], lines, `Signal of ${view.key}, from 1 down to the noise`);
  const truth = mass(view.truth, record.truthScale, problem, t), hits = estimate?.hit[t] ?? [], peaks = record.peaks[t].map((p, k) => [...p, hits[k]]);
  draw("panel-truth", map(truth, peaksOf(peaks, { true: p => p[2] !== 0, missed: p => p[2] === 0 })), logs, `Truth with ${peaks.length} peaks`);
  const scores = estimate && Object.keys(DATA.metrics).map((name, k) => `${name} ${show(estimate.scores[k])}`).join(", ");
  $("case-about").innerHTML = `<b>${escaped(view.scenario)}, ${/\d/.test(view.snr) ? "SNR " : ""}${escaped(view.snr)}, case ${view.number}</b> · ${named(label)}: ` +
    (estimate ? `${escaped(scores)}; ${hits.reduce((a, b) => a + b, 0)} of ${peaks.length} peaks found, ${estimate.found[t].filter(p => !p[2]).length} of its own are elsewhere.` : `no estimate (${escaped(record.without[label] ?? "not run")}).`);
  $("estimate-caption").textContent = `Estimate of ${label}`;
  const empty = id => { Plotly.purge($(id)); $(id).textContent = "No estimate."; $(id).setAttribute("aria-label", "No estimate"); };
  if (!estimate) { ["panel-estimate", "panel-residual"].forEach(empty); }
  for (const id of ["panel-estimate", "panel-residual"]) if (estimate && !$(id).classList.contains("js-plotly-plot")) $(id).textContent = "";
  const f = estimate && mass(estimate.field, estimate.scale, problem, t);
  if (estimate) {
    draw("panel-estimate", map(f, peaksOf(estimate.found[t], { hit: p => p[2], false: p => !p[2] })), logs, `Estimate of ${label}: ${scores}`);
    if (record.sigma) {
      const r = residual(view, estimate, t), reach = Math.max(4, ...r.flat().map(x => Math.abs(x ?? 0)));
      draw("panel-residual", [{ type: "heatmap", x: problem.b1, y: problem.b2, z: r, zmin: -reach, zmax: reach, colorscale: DIVERGING, hovertemplate: "%{z:.2f} σ<extra></extra>", colorbar: bar("σ") }], lines, `Residual of ${label} in units of the noise, up to ${show(reach, 2)}`);
    } else { empty("panel-residual"); $("panel-residual").textContent = "Without noise there is no unit for the residual."; }
  }
  const sums = { 1: g => problem.d1.map((_, i) => g.reduce((sum, row) => sum + row[i], 0)), 2: g => g.map(row => row.reduce((a, b) => a + b, 0)) };
  for (const n of [1, 2]) {
    const line = (g, name, style) => ({ type: "scatter", mode: "lines", name, x: problem[`d${n}`], y: sums[n](g), line: style });
    const both = [line(truth, "truth", { color: "#000", width: 1.5 }), ...(f ? [line(f, "estimate", { color: DATA.marks[label].colour, width: 2.2, dash: "dash" })] : [])];
    draw(`panel-marginal${n}`, both, { showlegend: true, legend: { orientation: "h", y: 1.15 }, xaxis: axis(n, true), yaxis: { title: { text: "mass per bin (%)" }, rangemode: "tozero", automargin: true, gridcolor: "#e6e6e6" } }, `Marginal ${n} of truth and of ${label}`);
  }
}

function picture(canvas, view, field, scale, peaks, t) { // a distribution on the common scale, with marks
  const [n1, n2] = [view.problem.d1.length, view.problem.d2.length], size = 192;
  const image = new ImageData(n1, n2), share = Math.sqrt(scale / view.record.truthScale);
  for (let i = 0; i < n1; i++) for (let j = 0; j < n2; j++)
    image.data.set([...PALETTE[Math.min(255, Math.round(share * field[(t * n1 + i) * n2 + j]))], 255], 4 * ((n2 - 1 - j) * n1 + i));
  const small = Object.assign(document.createElement("canvas"), { width: n1, height: n2 });
  small.getContext("2d").putImageData(image, 0, 0);
  Object.assign(canvas, { width: size, height: size });
  const c = canvas.getContext("2d");
  c.imageSmoothingEnabled = false; c.drawImage(small, 0, 0, size, size); c.lineWidth = 2;
  const place = ([i, j]) => [(i + 0.5) / n1 * size, size - (j + 0.5) / n2 * size];
  for (const { at, hit, found } of peaks) {
    const [x, y] = place(at), r = 5;
    c.strokeStyle = hit ? "#000" : "#d55e00"; c.beginPath();
    if (!found) c.arc(x, y, 7, 0, 7);
    else if (hit) { c.moveTo(x - r, y - r); c.lineTo(x + r, y + r); c.moveTo(x - r, y + r); c.lineTo(x + r, y - r); }
    else { c.moveTo(x - r, y); c.lineTo(x + r, y); c.moveTo(x, y - r); c.lineTo(x, y + r); }
    c.stroke();
  }
}
function thumbs(view, chosen) {
  const t = mixing(), metric = state().metric, at = Object.keys(DATA.metrics).indexOf(metric);
  const truePeaks = hit => view.record.peaks[t].map((p, k) => ({ at: p, hit: hit ? hit[k] : 1, found: false }));
  const items = [["truth", view.truth, view.record.truthScale, truePeaks(), "truth"], ...Object.values(view.estimates).map(e => [e.label, e.field, e.scale,
    [...truePeaks(e.hit[t]), ...e.found[t].map(p => ({ at: p, hit: p[2], found: true }))], `${metric} ${show(e.scores[at])}, ${e.hit[t].reduce((a, b) => a + b, 0)}/${e.hit[t].length} peaks`])];
  $("thumbs").replaceChildren(...items.map(([label, field, scale, peaks, text]) => {
    const box = document.createElement(label === "truth" ? "div" : "button"), canvas = document.createElement("canvas");
    picture(canvas, view, field, scale, peaks, t);
    canvas.setAttribute("role", "img"); canvas.setAttribute("aria-label", `${label === "truth" ? "Truth" : `Estimate of ${label}`}: ${text}`);
    const caption = document.createElement("span"); caption.innerHTML = label === "truth" ? "<b>truth</b>" : `${named(label)}<br><span class="small">${escaped(text)}</span>`;
    box.append(canvas, caption);
    if (label !== "truth") { box.type = "button"; box.dataset.label = label; box.setAttribute("aria-pressed", label === chosen); box.onclick = () => choose(label); }
    return box;
  }));
  const without = Object.entries(view.record.without);
  $("without").innerHTML = without.length ? `<details><summary>${without.length} without an estimate here</summary><ul>${without.map(([label, why]) => `<li>${named(label)}: ${escaped(why)}</li>`).join("")}</ul></details>` : "";
}
function choose(label) {
  $("case-method").value = label;
  $("thumbs").querySelectorAll("button").forEach(box => box.setAttribute("aria-pressed", box.dataset.label === label));
  panels(shown, label); scoreTable();
}

function extremes(label) { // the worst, median and best case of a method in the cell on show
  const metric = state().metric, at = Object.keys(DATA.metrics).indexOf(metric);
  const scored = casesOf(shown.scenario, shown.snr).map(number => [number, CASES[`${shown.scenario}/${shown.snr}/${number}`].estimates.find(e => e.label === label)?.scores[at]])
    .filter(([, x]) => x != null).sort((a, b) => badness(metric, b[1]) - badness(metric, a[1]));
  return scored.length ? { worst: scored[0], median: scored[scored.length >> 1], best: scored.at(-1) } : null;
}
const extremeLink = (label, [number, x]) => `<a href="${caseLink(shown.scenario, shown.snr, number, label)}">case ${number} <span class="small">${show(x)}</span></a>`;
function scoreTable() {
  const label = $("case-method").value, found = extremes(label), names = Object.keys(DATA.metrics), kinds = ["worst", "median", "best"];
  $("case-extremes").innerHTML = found ? `<b>${escaped(label)}</b> by ${state().metric} in this cell: ${kinds.map(kind => `${kind} ${extremeLink(label, found[kind])}`).join(" · ")}` : "";
  const rows = Object.values(shown.estimates).filter(e => wanted(e.label)).map(e => ({ ...e, extremes: extremes(e.label) }));
  table("case-table", [method, ...names.map((name, k) => column(name, row => show(row.scores[k]), row => row.scores[k] == null ? null : badness(name, row.scores[k]))),
    ...kinds.map(kind => column(kind, row => row.extremes ? extremeLink(row.label, row.extremes[kind]) : "–", row => row.extremes && badness(state().metric, row.extremes[kind][1])))], rows, [[1, "asc"]]);
}

function route(move = true) {
  const [what, scenario, snr, number, label] = location.hash.slice(1).split("/").map(decodeURIComponent);
  if (what === "case") return openCase(`${scenario}/${snr}/${number}`, label, { move });
}
window.addEventListener("hashchange", () => route());
$("chooser")?.addEventListener("change", event => {
  if (event.target.id === "case-method") return choose(event.target.value);
  if (event.target.id === "case-mixing") { panels(shown, $("case-method").value); return thumbs(shown, $("case-method").value); }
  const scenario = $("case-scenario").value, levels = DATA.cells.filter(([s, level]) => s === scenario && casesOf(s, level).length).map(cell => cell[1]);
  const snr = levels.includes($("case-snr").value) ? $("case-snr").value : levels[0];
  openCase(`${scenario}/${snr}/${$("case-number").value}`, $("case-method").value);
});

await refresh();
if (CASE_KEYS.length) await (location.hash.startsWith("#case/") ? route() : openCase(CASE_KEYS[0]));
document.documentElement.dataset.ready = "yes";
