// The report as it lies in the page, and how its values are written.

const REPORT_TEXT = document.getElementById("report").textContent;
const REPORT = JSON.parse(REPORT_TEXT);

/** The bytes that the evidence names: only `<` was written in another way, to lie in a page. */
function reportAsWritten() {
  return REPORT_TEXT.replace(/\\\\|\\u003c/g, (found) => (found === "\\u003c" ? "<" : found));
}

function typeName(number) {
  return REPORT.types[number].task_type ?? "only the id is known";
}

function counted(value) {
  return value.toLocaleString("en-US");
}

function plural(count, one, many) {
  return `${counted(count)} ${count === 1 ? one : many}`;
}

function percentage(rate) {
  return `${Number((100 * rate).toPrecision(3))}%`;
}

function secondsInUnit(seconds) {
  for (const [unit, length] of [["d", 86400], ["h", 3600], ["min", 60]]) {
    if (seconds >= 2 * length) return `${Number((seconds / length).toPrecision(2))} ${unit}`;
  }
  return seconds >= 1 ? `${seconds} s` : `${Math.round(seconds * 1000)} ms`;
}

function clock(seconds) {
  return new Date(seconds * 1000).toISOString().slice(0, 19).replace("T", " ");
}

/** An element with a class and children; text among them stays text, whatever it holds. */
function element(name, className, ...children) {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.append(...children);
  return made;
}

function swatch(colour) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const rect = document.createElementNS("http://www.w3.org/2000/svg", "rect");
  svg.classList.add("swatch");
  svg.setAttribute("aria-hidden", "true");
  rect.classList.add(`fill-${colour}`);
  rect.setAttribute("width", "100%");
  rect.setAttribute("height", "100%");
  svg.append(rect);
  return svg;
}

async function copy(text, button, shown) {
  const said = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    getSelection().selectAllChildren(shown); // where a browser forbids it, to be copied by hand
    button.textContent = "Selected";
  }
  setTimeout(() => (button.textContent = said), 1500);
}

function save() {
  const link = element("a");
  link.href = URL.createObjectURL(new Blob([reportAsWritten()], { type: "application/json" }));
  link.download = `parity-${REPORT.until.slice(0, 10)}.json`;
  link.click();
  URL.revokeObjectURL(link.href);
}

document.documentElement.classList.add("scripted");
document.getElementById("save").addEventListener("click", save);
for (const button of document.querySelectorAll("[data-copy]")) {
  const shown = document.querySelector(button.dataset.copy);
  button.addEventListener("click", () => copy(shown.textContent, button, shown));
}
