// How long jobs took in either system: a bar for each bin and system, side by side.

const EDGES = Array.from({ length: 9 }, (_, place) => place - 3).flatMap((power) => [1, 2, 5].map((digit) => Number(`${digit}e${power}`)));
const SYSTEMS = ["legacy", "supabase"];

function binOf(edge) {
  return edge === null ? EDGES.length : EDGES.findIndex((one) => Math.abs(one - edge) < 1e-9 * one);
}

function binned(latency) {
  const bins = SYSTEMS.flatMap((system) => (latency[system]?.histogram ?? []).map(([edge]) => binOf(edge)));
  const first = Math.min(...bins) - 1;
  const places = Array.from({ length: Math.max(...bins) - first + 2 }, (_, place) => first + place);
  const shares = SYSTEMS.map((system) => {
    const row = new Array(places.length).fill(null);
    for (const [edge, jobs] of latency[system]?.histogram ?? []) row[binOf(edge) - first] = jobs / latency[system].jobs;
    return row;
  });
  return [places, ...shares];
}

function latencyOptions(places) {
  const bar = (name, align) => ({
    label: name, fill: colour(name), width: 0, points: { show: false }, paths: uPlot.paths.bars({ size: [0.42, 26], align }),
  });
  const edges = places.slice(0, -1).map((place) => place + 0.5);
  return {
    series: [{}, bar("legacy", -1), bar("supabase", 1)],
    scales: { x: { time: false, range: [places[0] - 0.5, places.at(-1) + 0.5] }, y: { range: (_, __, most) => [0, most * 1.06] } },
    axes: [
      axis({
        splits: (chart) => edges.filter((_, number) => number % Math.ceil(edges.length / (chart.width / 64)) === 0),
        values: (_, at) => at.map((place) => (place < -0.4 ? "0" : secondsInUnit(EDGES[place - 0.5] ?? Infinity).replace("Infinity d", "∞"))),
        grid: { show: false },
        size: 28,
      }),
      axis({ size: 42, space: 26, values: (_, at) => at.map(percentage) }),
    ],
    cursor: { show: false },
  };
}

function drawLatency(card) {
  const box = card.querySelector(".chart");
  const number = Number(card.dataset.type);
  const latency = REPORT.types[number].latency_seconds;
  const data = binned(latency);
  draw(box, () => latencyOptions(data[0]), data);
  const said = SYSTEMS.filter((system) => latency[system]).map(
    (system) => `${system}: half within ${secondsInUnit(Number(latency[system].p50.toPrecision(3)))},` +
      ` 95 percent within ${secondsInUnit(Number(latency[system].p95.toPrecision(3)))}`,
  );
  describe(box, `Latency of ${typeName(number)}. ${said.join("; ")}.`);
}

const LATENCIES = [...document.querySelectorAll("article.latency")];
const SEEN = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    if (!isIntersecting) continue;
    SEEN.unobserve(target);
    drawLatency(target);
  }
}, { rootMargin: "400px" });

for (const card of LATENCIES) SEEN.observe(card);
addEventListener("beforeprint", () => {
  for (const card of LATENCIES) if (!CHARTS.has(card.querySelector(".chart"))) drawLatency(card);
});

function filterLatency(filter) {
  for (const card of LATENCIES) card.hidden = filter.type !== "" && card.dataset.type !== filter.type;
  const none = document.querySelector("[data-none=latency]");
  if (none) none.hidden = LATENCIES.some((card) => !card.hidden);
}
