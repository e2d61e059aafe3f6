// Classes over time: one bar for each bucket, the classes on top of each other.

const OVER_TIME = document.getElementById("over-time-chart");
const LEGEND = [...document.querySelectorAll("#over-time-legend li")].map((item) => ({
  item,
  name: item.dataset.class,
  colour: item.dataset.colour,
  differs: item.dataset.differs === "1",
  total: item.querySelector("b"),
}));
let overTimeShows = LEGEND.some((one) => one.differs) ? "differences" : "all";
let overTimeFilter = { type: "", class: "" };
let overTimeCounts = new Map();

function countOverTime() {
  const counts = new Map(LEGEND.map((one) => [one.name, new Array(REPORT.timeline.buckets).fill(0)]));
  REPORT.types.forEach((type, number) => {
    if (overTimeFilter.type !== "" && Number(overTimeFilter.type) !== number) return;
    for (const one of type.classes) {
      if (overTimeFilter.class && overTimeFilter.class !== one.name) continue;
      for (const [bucket, jobs] of one.over_time) counts.get(one.name)[bucket] += jobs;
    }
  });
  return counts;
}

/** Series as uPlot draws them, the whole heap first and each lower part over it. */
function heaped(shown) {
  const heap = new Array(REPORT.timeline.buckets).fill(0);
  const parts = shown.map((one) => {
    overTimeCounts.get(one.name).forEach((jobs, bucket) => (heap[bucket] += jobs));
    return { colour: one.colour, name: one.name, values: heap.slice() };
  });
  return parts.reverse();
}

function overTimeOptions(parts) {
  const { bucket_seconds: width, buckets, began } = REPORT.timeline;
  const start = Date.parse(began) / 1000;
  const bars = uPlot.paths.bars({ size: [0.86, 48], align: 1 });
  const series = parts.map(({ name, colour: fill }) => ({
    label: name, fill: colour(fill), stroke: colour("surface"), width: 0.5, paths: bars, points: { show: false },
  }));
  return {
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
    series: [{}, ...series],
    scales: { x: { range: [start, start + width * buckets] }, y: { range: (_, __, most) => [0, Math.max(most * 1.06, 1)] } },
    axes: [axis({ space: 72, size: 44, values: (_, places) => places.map(timeLabel) }), axis({ size: 52, incrs: WHOLE, values: (_, places) => places.map(counted) })],
    cursor: { y: false, points: { show: false }, drag: { x: false, y: false } },
    hooks: { setCursor: [(chart) => tellBucket(chart)] },
  };
}

/** The time of day, and the day below it where that begins or is all that counts. */
function timeLabel(seconds, number, all) {
  const [day, time] = clock(seconds).split(" ");
  const isNewDay = number === 0 || !clock(all[number - 1]).startsWith(day);
  const short = time.endsWith(":00") && REPORT.timeline.bucket_seconds >= 60 ? time.slice(0, 5) : time;
  if (REPORT.timeline.bucket_seconds >= 86400) return day;
  return isNewDay ? `${short}\n${day}` : short;
}

const WHOLE = [1, 2, 5].flatMap((digit) => Array.from({ length: 10 }, (_, power) => digit * 10 ** power)).sort((a, b) => a - b);

/** Write the counts of the bucket under the pointer beside the classes; of all buckets where it is elsewhere. */
function tellBucket(chart) {
  const { began, bucket_seconds: width, buckets } = REPORT.timeline;
  const left = chart?.cursor.left ?? -1;
  const start = Date.parse(began) / 1000;
  const bucket = left < 0 ? -1 : Math.min(Math.floor((chart.posToVal(left, "x") - start) / width), buckets - 1);
  for (const one of LEGEND) {
    const counts = overTimeCounts.get(one.name);
    one.total.textContent = counted(bucket < 0 ? counts.reduce((sum, jobs) => sum + jobs, 0) : counts[bucket]);
  }
  const from = start + bucket * width;
  document.getElementById("over-time-at").textContent =
    bucket < 0 ? "" : `Here: ${clock(from)} to ${clock(from + width).slice(11)}.`;
}

function drawOverTime(filter = overTimeFilter) {
  if (!OVER_TIME) return;
  overTimeFilter = filter;
  overTimeCounts = countOverTime();
  const shown = LEGEND.filter((one) => overTimeShows === "all" || one.differs);
  for (const one of LEGEND) one.item.hidden = !shown.includes(one);
  const jobs = shown.flatMap((one) => overTimeCounts.get(one.name)).reduce((sum, count) => sum + count, 0);
  const empty = document.getElementById("over-time-empty");
  const is = overTimeShows === "all" ? "job" : "job that differs";
  empty.textContent = `No ${is} here${filter.type || filter.class ? " by this filter" : ""}.`;
  empty.hidden = jobs > 0;
  OVER_TIME.hidden = jobs === 0;
  if (jobs > 0) drawBars(shown.filter((one) => overTimeCounts.get(one.name).some(Boolean)), jobs);
  tellBucket(null);
}

function drawBars(shown, jobs) {
  const { began, bucket_seconds: width, buckets } = REPORT.timeline;
  const parts = heaped(shown);
  const places = Array.from({ length: buckets }, (_, bucket) => Date.parse(began) / 1000 + bucket * width);
  const highest = parts[0].values.indexOf(Math.max(...parts[0].values));
  draw(OVER_TIME, () => overTimeOptions(parts), [places, ...parts.map((one) => one.values.map((count) => count || null))]);
  describe(
    OVER_TIME,
    `Bars over time: ${plural(jobs, "job", "jobs")} of ${plural(shown.length, "class", "classes")},` +
      ` most of them ${shown[0].name}; the highest bar, ${counted(parts[0].values[highest])}, is at ${clock(places[highest])} UTC.`,
  );
}

for (const button of document.querySelectorAll("[data-shown]")) {
  const press = () => {
    for (const one of document.querySelectorAll("[data-shown]")) {
      one.setAttribute("aria-pressed", String(one.dataset.shown === overTimeShows));
    }
  };
  button.addEventListener("click", () => {
    overTimeShows = button.dataset.shown;
    press();
    drawOverTime();
  });
  press();
}
