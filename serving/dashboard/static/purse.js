"use strict";
// Draws each <canvas data-chart="ID"> from the JSON in <script id="ID">, in the colours of the stylesheet.

const drawn = [];

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

function axis(title, extra) {
  const line = colour("line"), soft = colour("soft");
  return {
    grid: { color: line }, border: { color: line }, ticks: { color: soft, maxRotation: 0, autoSkipPadding: 12 },
    title: { display: Boolean(title), text: title, color: soft }, ...extra,
  };
}

function dataset(series, spec) {
  const paint = colour(series.colour);
  const both = { label: series.label, data: series.data, backgroundColor: paint, borderColor: paint };
  return spec.kind === "line"
    ? { ...both, tension: 0.25, borderWidth: 2.5, pointRadius: 3, yAxisID: series.second ? "y2" : "y" }
    : { ...both, borderRadius: 3, categoryPercentage: 0.86, barPercentage: 0.92 };
}

function draw(canvas) {
  const spec = JSON.parse(document.getElementById(canvas.dataset.chart).textContent);
  if (spec.horizontal && spec.labels.length < 4) canvas.parentElement.dataset.short = "";
  const scales = { x: axis(spec.x, { stacked: Boolean(spec.stacked) }), y: axis(spec.y, { stacked: Boolean(spec.stacked) }) };
  if (spec.stacked && spec.horizontal) scales.x.max = 100;
  if (spec.counts) scales.y.ticks.precision = 0;
  if (spec.horizontal) scales.y.ticks.autoSkip = false;
  if (spec.y2) scales.y2 = axis(spec.y2, { position: "right", beginAtZero: true, grid: { drawOnChartArea: false } });
  if (spec.most) Object.assign(scales.y, { min: 0, max: spec.most });
  const linked = spec.series.some((series) => series.links);
  canvas.classList.toggle("linked", linked);
  drawn.push(new Chart(canvas, {
    type: spec.kind,
    data: { labels: spec.labels.map(lines), datasets: spec.series.map((series) => dataset(series, spec)) },
    options: {
      indexAxis: spec.horizontal ? "y" : "x", responsive: true, maintainAspectRatio: false, animation: false, scales,
      locale: document.documentElement.lang,
      interaction: { mode: "index", intersect: false, axis: spec.horizontal ? "y" : "x" },
      plugins: { legend: { display: spec.series.length > 1, labels: { color: colour("soft"), boxWidth: 14 } } },
      onClick: linked ? (event, _, chart) => follow(event, chart, spec) : undefined,
    },
  }));
}

// A label of several lines: long phrases would leave no room for the bars.
function lines(label) {
  const broken = label.match(/.{1,26}(?:\s|$)|\S{1,26}/g);
  return broken.length > 1 ? broken.map((line) => line.trim()) : label;
}

// A bar leads to the list of its users.
function follow(event, chart, spec) {
  const [bar] = chart.getElementsAtEventForMode(event, "nearest", { intersect: true }, false);
  const links = bar && spec.series[bar.datasetIndex].links;
  if (links) location.href = carry(new URL(links[bar.index], document.baseURI)).href;
}

function drawAll() {
  while (drawn.length) drawn.pop().destroy();
  Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
  document.querySelectorAll("canvas[data-chart]").forEach(draw);
  document.documentElement.dataset.charts = String(drawn.length);
}

// Says which tables are wider than their place, and lets the keyboard scroll them.
function markCut() {
  document.querySelectorAll(".scroll").forEach((box) => {
    const cut = box.scrollWidth > box.clientWidth + 1;
    if (cut === "cut" in box.dataset) return;
    if (!cut) {
      delete box.dataset.cut;
      box.removeAttribute("tabindex");
      box.previousElementSibling.remove();
      return;
    }
    box.dataset.cut = "";
    box.tabIndex = 0;
    const hint = document.createElement("p");
    hint.className = "cut";
    hint.textContent = document.body.dataset.cutHint;
    box.before(hint);
  });
}

// A frame of another site gets no cookies: there the address carries the language from page to page.
const spoken = new URLSearchParams(location.search).get("lang");
function carry(url) {
  if (spoken && url.origin === location.origin && !url.searchParams.has("lang")) url.searchParams.set("lang", spoken);
  return url;
}
function carryLanguage() {
  document.querySelectorAll("main a[href], .top a[href]").forEach((link) => { link.href = carry(new URL(link.href)).href; });
  document.querySelectorAll("form").forEach((form) => {
    const field = document.createElement("input");
    Object.assign(field, { type: "hidden", name: "lang", value: spoken });
    form.append(field);
  });
}

// Airflow's frame lets nothing open a window, and other sites refuse to be shown in it: say where the page is.
function explainFrame() {
  const box = document.getElementById("framed");
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[href]");
    if (!link || (link.origin === location.origin && link.target !== "_blank")) return;
    event.preventDefault();
    box.querySelector("output").textContent = link.href;
    box.hidden = false;
    box.scrollIntoView({ block: "nearest" });
  });
}

drawAll();
markCut();
if (spoken) carryLanguage();
addEventListener("resize", markCut);
document.addEventListener("toggle", markCut, true);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
if (window.self !== window.top) explainFrame();
