// What both charts share: the page's colours, sizes that follow the page, and bars.

const DARK = matchMedia("(prefers-color-scheme: dark)");
const CHARTS = new Map();

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

function axis(options) {
  const line = { stroke: colour("grid"), width: 1 };
  return { stroke: colour("muted"), grid: line, ticks: { ...line, size: 4 }, font: "11px system-ui, sans-serif", ...options };
}

/** Draw a chart in a box anew; `options` is asked for each time, since colours and widths change. */
function draw(box, options, data) {
  CHARTS.get(box)?.chart.destroy();
  const size = { width: box.clientWidth, height: box.clientHeight };
  const chart = new uPlot({ ...size, legend: { show: false }, ...options() }, data, box);
  CHARTS.set(box, { chart, options, data });
  SIZES.observe(box);
  return chart;
}

function describe(box, label) {
  box.setAttribute("role", "img");
  box.setAttribute("aria-label", label);
}

const SIZES = new ResizeObserver((entries) => {
  for (const { target } of entries) {
    const chart = CHARTS.get(target)?.chart;
    if (chart && target.clientWidth && chart.width !== target.clientWidth) {
      chart.setSize({ width: target.clientWidth, height: target.clientHeight });
    }
  }
});

DARK.addEventListener("change", () => {
  for (const [box, { options, data }] of CHARTS) draw(box, options, data);
});
