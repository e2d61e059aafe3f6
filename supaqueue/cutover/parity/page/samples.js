// Samples: a row for each job, which opens to both values side by side.

const SHOWN_AT_ONCE = 40;
const SAMPLES = REPORT.types.flatMap((type, number) =>
  type.classes.flatMap((one) => one.samples.map((sample) => ({ sample, type: String(number), class: one.name }))),
);
for (const one of SAMPLES) {
  one.text = [one.sample.job_id, ...one.sample.differences.map(({ path }) => path)].join("\n").toLowerCase();
}
const COLOURS = Object.fromEntries(LEGEND.map(({ name, colour: of }) => [name, of]));
const FACTS = ["owner", "epoch", "state", "starts", "accepted_at", "ended_at"];
let samplesFound = SAMPLES;

function showSamples(found) {
  samplesFound = found;
  document.getElementById("samples-list").replaceChildren();
  const empty = document.getElementById("samples-empty");
  empty.textContent = SAMPLES.length ? "No sample fits the filter." : "No job differs, so there is no sample.";
  empty.hidden = found.length > 0;
  showMore();
}

function showMore() {
  const list = document.getElementById("samples-list");
  const next = samplesFound.slice(list.childElementCount, list.childElementCount + SHOWN_AT_ONCE);
  const last = list.childElementCount;
  list.append(...next.map(sampleRow));
  const left = samplesFound.length - list.childElementCount;
  const more = document.getElementById("samples-more");
  more.hidden = left === 0;
  more.textContent = `Show ${counted(Math.min(left, SHOWN_AT_ONCE))} more of ${counted(left)}`;
  return list.children[last];
}

function sampleRow({ sample, type, class: name }) {
  const head = element(
    "summary", "",
    element("code", "id", sample.job_id),
    element("span", "class", swatch(COLOURS[name]), name),
    element("span", "type", typeName(type)),
    sample.differences.length ? firstDifference(sample) : "",
    sample.repaired ? element("span", "repaired", "repaired") : "",
  );
  const row = element("details", "sample", head);
  row.addEventListener("toggle", () => row.childElementCount === 1 && row.append(sampleBody(sample)), { once: true });
  return row;
}

function firstDifference({ differences: [first, ...others], further_differences: further }) {
  const [left, right] = bothTexts(first).map((text) => (text === null ? "absent" : shortened(text)));
  const more = others.length + further;
  return element(
    "span", "where", element("code", "", first.path), " ", element("code", "both", left === right ? `${left} in both` : `${left} ≠ ${right}`),
    more > 0 ? ` and ${counted(more)} more` : "",
  );
}

function shortened(text) {
  return text.length > 32 ? `${[...text].slice(0, 31).join("")}…` : text;
}

function sampleBody(sample) {
  const button = element("button", "", "Copy job_id");
  const shown = element("code", "", sample.job_id);
  button.type = "button";
  button.addEventListener("click", () => copy(sample.job_id, button, shown));
  const parts = [element("p", "whose", shown, button)];
  if (sample.repaired) parts.push(element("p", "", "Repaired since; it still counts as a difference."));
  if (sample.differences.length) parts.push(scrolling("Both values", differencesTable(sample)));
  if (sample.further_differences) parts.push(element("p", "note", `${plural(sample.further_differences, "further difference is", "further differences are")} not shown.`));
  parts.push(scrolling("Facts", factsTable(sample)));
  if (sample.also.length) parts.push(element("p", "note", `It is also: ${sample.also.join(", ")}.`));
  if (sample.rules.length) parts.push(element("p", "note", `By the rules: ${sample.rules.join(", ")}.`));
  return element("div", "body", ...parts);
}

function scrolling(label, table) {
  const box = element("div", "scrolls", table);
  box.tabIndex = 0;
  box.setAttribute("role", "region");
  box.setAttribute("aria-label", label);
  return box;
}

function table(className, heads, rows) {
  const head = element("tr", "", ...heads.map((text) => heading("col", text)));
  return element("table", className, element("thead", "", head), element("tbody", "", ...rows));
}

function heading(scope, ...children) {
  const cell = element("th", "", ...children);
  cell.scope = scope;
  return cell;
}

function differencesTable(sample) {
  const rows = sample.differences.map((one) =>
    element("tr", "", heading("row", element("code", "", one.path), element("small", "", one.kind)), ...bothValues(one)),
  );
  return table("values", ["Path", "legacy", "Supabase"], rows);
}

/** Both values as JSON; null for the one that is not there. */
function bothTexts({ kind, legacy, supabase }) {
  return [
    kind === "extra" ? null : JSON.stringify(legacy, null, 1),
    kind === "missing" ? null : JSON.stringify(supabase, null, 1),
  ];
}

function bothValues(difference) {
  const [left, right] = bothTexts(difference);
  const cell = (text, other) =>
    element("td", "", text === null ? element("span", "absent", "absent") : element("pre", "", ...(other === null ? [text] : marked(text, other))));
  return [cell(left, right), cell(right, left)];
}

/** The part between what both texts begin and end with is what differs. */
function marked(text, other) {
  const [mine, theirs] = [[...text], [...other]];
  const least = Math.min(mine.length, theirs.length);
  let begin = 0;
  while (begin < least && mine[begin] === theirs[begin]) begin += 1;
  let end = 0;
  while (end < least - begin && mine[mine.length - 1 - end] === theirs[theirs.length - 1 - end]) end += 1;
  const middle = mine.slice(begin, mine.length - end).join("");
  return [mine.slice(0, begin).join(""), middle ? element("mark", "", middle) : "", mine.slice(mine.length - end).join("")];
}

function factsTable(sample) {
  const rows = FACTS.map((name) =>
    element("tr", "", heading("row", name.replace("_", " ")), element("td", "", fact(sample.legacy, name)), element("td", "", fact(sample.supabase, name))),
  );
  return table("facts", ["", "legacy", "Supabase"], rows);
}

function fact(facts, name) {
  if (facts === null) return name === "state" ? "not there" : "–";
  if (facts[name] === null) return "–";
  return name.endsWith("_at") ? `${clock(facts[name] / 1e6)} UTC` : String(facts[name]);
}

document.getElementById("samples-more").addEventListener("click", () => showMore()?.querySelector("summary").focus());
