// One filter for the chart, the classes, the fields and the samples.

const FILTER = {
  type: document.getElementById("filter-type"),
  class: document.getElementById("filter-class"),
  text: document.getElementById("filter-text"),
};
const RANKED = [...document.querySelectorAll("#ranked tr")].map((row) => ({
  row,
  path: row.dataset.path,
  found: JSON.parse(row.dataset.found),
  jobs: row.querySelector(".n"),
  bar: row.querySelector("rect"),
}));

function general(path) {
  return path.replace(/\[\d+\]/g, "[*]");
}

function fits(filter, type, name) {
  return (filter.type === "" || filter.type === String(type)) && (!filter.class || filter.class === name);
}

function applyFilter() {
  const filter = { type: FILTER.type.value, class: FILTER.class.value, text: FILTER.text.value.trim().toLowerCase() };
  const found = SAMPLES.filter((one) => fits(filter, one.type, one.class) && one.text.includes(filter.text));
  const rows = filterClasses(filter, found);
  const fields = filterPaths(filter, found);
  showSamples(found);
  filterLatency(filter);
  drawOverTime(filter);
  const isOn = filter.type !== "" || filter.class || filter.text;
  document.getElementById("filter-reset").disabled = !isOn;
  document.getElementById("filter-found").textContent = isOn
    ? [plural(rows, "class", "classes"), plural(fields, "field", "fields"), plural(found.length, "sample", "samples")].join(", ")
    : "";
}

/** A class is found by text if one of its fields or of its samples is. */
function filterClasses(filter, found) {
  const bySample = new Set(found.map((one) => `${one.type} ${one.class}`));
  let shown = 0;
  for (const body of document.querySelectorAll("#classes tbody")) {
    const type = body.dataset.type;
    let here = 0;
    for (const row of body.querySelectorAll("[data-class]")) {
      const name = row.dataset.class;
      const isFound = () => bySample.has(`${type} ${name}`) || pathsOf(type, name).some((path) => path.toLowerCase().includes(filter.text));
      row.hidden = !(fits(filter, type, name) && (!filter.text || isFound()));
      here += Number(!row.hidden);
    }
    body.hidden = here === 0;
    shown += here;
  }
  tellNone("classes", shown);
  return shown;
}

function pathsOf(type, name) {
  return REPORT.types[type].classes.find((one) => one.name === name).paths.map((one) => one.path);
}

/** A field is found by its own text, or by the job of a sample that differs there. */
function filterPaths(filter, found) {
  const ofSamples = new Set(found.flatMap((one) => one.sample.differences.map(({ path }) => general(path))));
  for (const one of RANKED) {
    const isFound = !filter.text || one.path.toLowerCase().includes(filter.text) || ofSamples.has(one.path);
    one.count = isFound ? one.found.reduce((sum, [type, name, jobs]) => sum + (fits(filter, type, name) ? jobs : 0), 0) : 0;
  }
  const most = Math.max(1, ...RANKED.map((one) => one.count));
  for (const one of RANKED) {
    one.row.hidden = one.count === 0;
    one.jobs.textContent = counted(one.count);
    one.bar.setAttribute("width", `${(100 * one.count) / most}%`);
  }
  const ordered = [...RANKED].sort((one, other) => other.count - one.count);
  document.getElementById("ranked")?.append(...ordered.map((one) => one.row));
  const shown = RANKED.filter((one) => one.count > 0).length;
  tellNone("paths", shown);
  return shown;
}

function tellNone(section, shown) {
  const none = document.querySelector(`[data-none=${section}]`);
  if (!none) return;
  none.hidden = shown > 0;
  document.querySelector(`#${section} .scrolls`).hidden = shown === 0;
}

for (const input of Object.values(FILTER)) input.addEventListener("input", applyFilter);
document.querySelector("form.filters").addEventListener("submit", (event) => event.preventDefault());
document.getElementById("filter-reset").addEventListener("click", () => {
  document.querySelector("form.filters").reset();
  applyFilter();
  FILTER.text.focus(); // the button can no longer be pressed
});
applyFilter();
