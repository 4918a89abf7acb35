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
  if (spec.horizontal) scales.y.ticks.autoSkip = false;
  if (spec.y2) scales.y2 = axis(spec.y2, { position: "right", beginAtZero: true, grid: { drawOnChartArea: false } });
  if (spec.most) Object.assign(scales.y, { min: 0, max: spec.most });
  drawn.push(new Chart(canvas, {
    type: spec.kind,
    data: { labels: spec.labels, datasets: spec.series.map((series) => dataset(series, spec)) },
    options: {
      indexAxis: spec.horizontal ? "y" : "x", responsive: true, maintainAspectRatio: false, animation: false, scales,
      interaction: { mode: "index", intersect: false, axis: spec.horizontal ? "y" : "x" },
      plugins: { legend: { display: spec.series.length > 1, labels: { color: colour("soft"), boxWidth: 14 } } },
    },
  }));
}

function drawAll() {
  while (drawn.length) drawn.pop().destroy();
  Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
  document.querySelectorAll("canvas[data-chart]").forEach(draw);
  document.documentElement.dataset.charts = String(drawn.length);
}

// Airflow's frame lets nothing open a window: say where the page is instead of doing nothing.
function explainFrame() {
  const box = document.getElementById("framed"), link = box.querySelector("a");
  document.addEventListener("click", (event) => {
    const target = event.target.closest("a.external");
    if (!target) return;
    event.preventDefault();
    link.href = target.href;
    link.textContent = target.href;
    box.hidden = false;
    box.scrollIntoView({ block: "nearest" });
  });
}

drawAll();
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
if (window.self !== window.top) explainFrame();
