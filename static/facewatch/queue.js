// The page of the queue: takes its parts anew when they changed, counts ages on, and draws the chart.
// What somebody is about to use (a box that is checked, a reason that is typed, the focus) is left as it is.

/** Milliseconds between two looks at what waits, however fast it changes. */
const LOOK_EVERY = 2000;
/** Milliseconds until the chart gets its next minute. */
const MINUTE = 60_000;
const CHART_HEIGHT = 260;

const root = document.getElementById("queue");
const said = document.getElementById("said");
const find = (id) => document.getElementById(id);
const refresh = (element) => element?.dispatchEvent(new Event("refresh"));

/* ages */

let clockAhead = 0;

function setClock() {
  clockAhead = Date.parse(find("now").dataset.now) - Date.now();
}

function inWords(seconds) {
  const { seconds: s, minutes, hours, days } = root.dataset;
  const [text, unit] = seconds < 60 ? [s, 1] : seconds < 3600 ? [minutes, 60] : seconds < 86400 ? [hours, 3600] : [days, 86400];
  return text.replace("{number}", Math.floor(seconds / unit));
}

function tick() {
  const now = Date.now() + clockAhead;
  for (const element of document.querySelectorAll("time.age")) {
    const text = inWords(Math.max(0, (now - Date.parse(element.dateTime)) / 1000));
    if (element.textContent !== text) element.textContent = text;
  }
}

/* parts */

let lookedAt = 0;
let looking = 0;

function look() {
  looking = 0;
  lookedAt = Date.now();
  refresh(find("now"));
}

document.addEventListener("live", ({ target }) => {
  if (target.id !== "now") return;
  looking ||= setTimeout(look, Math.max(0, lookedAt + LOOK_EVERY - Date.now()));
}, true);

function isInUse(part) {
  if (part.querySelector("input[type=checkbox]:checked")) return true;
  if ([...part.querySelectorAll("input[type=text]")].some((input) => input.value)) return true;
  return part.contains(document.activeElement) && document.activeElement.tagName !== "H2";
}

/** Take the parts anew that are about another state than the one that was last heard of. */
function follow() {
  const { pauses, failures } = find("now").dataset;
  const switches = find("controls");
  if (switches.dataset.pauses !== pauses && !isInUse(switches)) refresh(switches);
  const failed = find("failures");
  const differs = failed.dataset.failures !== failures;
  const waits = differs && isInUse(failed);
  failed.querySelector(".newer").hidden = !waits;
  if (differs && !waits) refresh(failed);
}

document.addEventListener("focusout", () => setTimeout(follow, 0));
document.addEventListener("change", () => setTimeout(follow, 0));
document.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button?.matches(".newer")) refresh(find("failures"));
  if (button?.dataset.confirm && !window.confirm(button.dataset.confirm)) event.preventDefault();
});

/** Of each part that is being taken anew: what was open in it, and how far it was scrolled. */
const kept = new Map();
document.addEventListener("htmx:beforeSwap", ({ detail: { target } }) => {
  const open = [...target.querySelectorAll("details[open]")].map(({ id }) => id);
  kept.set(target.id, { open, scrolled: target.scrollTop });
});
document.addEventListener("htmx:afterSettle", ({ detail: { elt } }) => {
  const { open, scrolled } = kept.get(elt.id) ?? { open: [], scrolled: 0 };
  for (const id of open) find(id)?.setAttribute("open", "");
  if (elt.id === "now") {
    setClock();
    follow();
  }
  if (elt.id === "history-data") {
    elt.scrollTop = scrolled;
    draw();
  }
  if (elt.dataset.said) {
    said.textContent = elt.dataset.said;
    look();
    // What was pressed may be gone: go on from the head of its part.
    setTimeout(() => {
      if (document.activeElement === document.body) elt.querySelector("h2").focus({ preventScroll: true });
    }, 0);
  }
  tick();
});

/* the chart */

const place = find("chart");
const legend = root.querySelector(".legend");
let chart = null;

function columns() {
  const read = JSON.parse(find("history-columns").textContent);
  return [read.starts_at, read.done, read.failed, read.waiting];
}

const colour = (name) => getComputedStyle(legend.querySelector(`.${name} .swatch`)).color;
const styleOf = (element) => getComputedStyle(element);
const clock = (second) => new Date(second * 1000).toISOString().slice(11, 16);

function options() {
  const quiet = styleOf(legend).color;
  const line = styleOf(find("history")).borderTopColor;
  const font = `12px ${styleOf(document.body).fontFamily}`;
  const grid = { stroke: line, width: 1 };
  const axis = { stroke: quiet, font, ticks: { show: false } };
  const counts = { ...axis, size: 48, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000, 100000] };
  const range = (chart, low, high) => [0, Math.max(high ?? 0, 4) * 1.1];
  const series = (name, more) => ({ label: legend.querySelector(`.${name} .label`).textContent, stroke: colour(name), points: { show: false }, ...more });
  return {
    width: place.clientWidth,
    height: CHART_HEIGHT,
    legend: { show: false },
    cursor: { drag: { x: false, y: false }, y: false },
    tzDate: (second) => uPlot.tzDate(new Date(second * 1000), "Etc/UTC"),
    scales: { y: { range }, waiting: { range } },
    axes: [
      { ...axis, grid: { show: false }, values: (chart, seconds) => seconds.map(clock) },
      { ...counts, grid },
      { ...counts, scale: "waiting", side: 1, grid: { show: false } },
    ],
    series: [
      {},
      series("done", { width: 2, fill: `color-mix(in srgb, ${colour("done")} 18%, transparent)` }),
      series("failed", { width: 2 }),
      series("waiting", { width: 1.5, dash: [5, 4], scale: "waiting" }),
    ],
    hooks: { setCursor: [tell] },
  };
}

/** Write the numbers of the minute under the pointer into the legend. */
function tell({ cursor: { idx }, data }) {
  for (const [index, name] of ["done", "failed", "waiting"].entries()) {
    legend.querySelector(`.${name} .value`).textContent = idx == null ? "" : (data[index + 1][idx] ?? "–");
  }
  const at = legend.querySelector(".at");
  at.hidden = idx == null;
  if (idx != null) at.querySelector(".value").textContent = clock(data[0][idx]);
}

function draw() {
  chart?.destroy();
  chart = new uPlot(options(), columns(), place);
}

legend.hidden = false;
place.hidden = false;
draw();
new ResizeObserver(() => {
  if (chart && place.clientWidth !== chart.width) chart.setSize({ width: place.clientWidth, height: CHART_HEIGHT });
}).observe(place);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
setInterval(() => {
  if (document.visibilityState === "visible") refresh(find("history-data"));
}, MINUTE);

setClock();
setInterval(tick, 1000);
