// Keeps a page fresh. An element with data-live="TOPIC" shows the version data-version of that topic; when the server
// has another one, the element gets the event "live", on which htmx asks for it again (hx-trigger="live").
// News come as server-sent events; while the server has no place for another stream, or none arrives, the page asks
// every few seconds instead. A page in the background lets its stream go, and takes a new one when it is looked at.

/** Milliseconds between two questions, and until a refused stream is tried again. */
const ASK_EVERY = 3000;
const STREAM_AGAIN = 60_000;
/** Milliseconds for which a page in the background keeps its stream. */
const HIDDEN_FOR = 3000;
/** Milliseconds in which elements that come and go are taken together. */
const GATHER = 300;
/** Topics that are followed at once; the server cuts longer lists. */
const MOST_TOPICS = 100;

const address = document.querySelector('meta[name="facewatch-changes"]')?.content;
/** By this the server knows that a page's new stream takes the place of its old one. */
const page = Math.random().toString(36).slice(2);
/** What the server said last of each topic, and of these versions the ones that were asked for already. */
const news = new Map();
const asked = new Map();
let following = new Set();
let stream = null;
let asking = 0;
let hiding = 0;
let gathering = 0;
let streamAgainAt = 0;
let etag = "";

function elements() {
  return document.querySelectorAll("[data-live]");
}

function topics() {
  return new Set([...elements()].map((element) => element.dataset.live).slice(0, MOST_TOPICS));
}

function query() {
  return new URLSearchParams([["page", page], ...[...following].map((topic) => ["topic", topic])]);
}

/** Follow what the page shows now; what it no longer shows is followed on until something else is wanted. */
function follow() {
  gathering = 0;
  apply();
  if (document.visibilityState === "hidden" && !stream) return;
  const wanted = topics();
  if (wanted.size && [...wanted].every((topic) => following.has(topic))) return;
  stop();
  following = wanted;
  if (wanted.size) start();
}

function start() {
  if (Date.now() < streamAgainAt || !("EventSource" in window)) {
    ask();
    return;
  }
  const mine = new EventSource(`${address}?${query()}`);
  stream = mine;
  mine.addEventListener("message", (event) => take(JSON.parse(event.data)));
  mine.addEventListener("error", () => {
    // The browser opens a stream that ended again by itself; one that was refused is closed for good.
    if (mine.readyState !== EventSource.CLOSED || stream !== mine) return;
    stream = null;
    streamAgainAt = Date.now() + STREAM_AGAIN * (0.75 + Math.random() / 2);
    ask();
  });
}

function stop() {
  stream?.close();
  stream = null;
  clearTimeout(asking);
  following = new Set();
  etag = "";
}

async function ask() {
  const wanted = following;
  try {
    const headers = { Accept: "application/json", ...(etag && { "If-None-Match": etag }) };
    const answer = await fetch(`${address}?${query()}`, { headers, cache: "no-store" });
    if (wanted !== following || stream) return;
    if (answer.status === 401) {
      location.reload();
      return;
    }
    if (answer.ok) {
      etag = answer.headers.get("ETag") ?? "";
      take(await answer.json());
    }
  } catch {
    // The server is away: the next question may find it.
  }
  if (wanted !== following || stream) return;
  asking = setTimeout(Date.now() < streamAgainAt ? ask : start, ASK_EVERY);
}

function take(versions) {
  for (const [topic, version] of Object.entries(versions)) news.set(topic, version);
  apply();
}

/** Ask for each part again that shows another version than the server's, once for each version. */
function apply() {
  const stale = new Set();
  for (const element of elements()) {
    const topic = element.dataset.live;
    const version = news.get(topic);
    if (version === undefined || version === element.dataset.version) continue;
    if (asked.get(topic) === version) continue;
    stale.add(topic);
    if (version !== "gone") element.dispatchEvent(new CustomEvent("live", { detail: { version } }));
    else if (element.dataset.gone === "remove") element.remove();
    else location.reload();
  }
  for (const topic of stale) asked.set(topic, news.get(topic));
}

/** Ask for a part once more after a while: what kept it away may be over by then. */
function askAgain(topic) {
  setTimeout(() => {
    asked.delete(topic);
    apply();
  }, ASK_EVERY);
}

document.addEventListener("visibilitychange", () => {
  clearTimeout(hiding);
  if (document.visibilityState === "visible") {
    follow();
  } else {
    hiding = setTimeout(stop, HIDDEN_FOR);
  }
});
window.addEventListener("pagehide", stop);
window.addEventListener("pageshow", follow);

// A part that is taken anew keeps the focus where it was: on what leads to the same place, or does the same.
let focused = "";
document.addEventListener("htmx:beforeSwap", (event) => {
  const active = document.activeElement;
  focused = event.detail.elt.contains(active) ? signature(active) : "";
});
document.addEventListener("htmx:afterSettle", (event) => {
  if (!focused || event.detail.elt.contains(document.activeElement)) return;
  for (const element of event.detail.elt.querySelectorAll("a, button, input, select, textarea, summary, [tabindex]")) {
    if (signature(element) !== focused) continue;
    element.focus({ preventScroll: true });
    break;
  }
  focused = "";
});

function signature(element) {
  const { id, tagName, name, value } = element;
  return id || `${tagName} ${element.getAttribute("href") ?? ""} ${name ?? ""} ${tagName === "BUTTON" ? value : ""}`;
}

// The token of a form is the one that was right when the page was made; the user may have signed in again since.
document.addEventListener("htmx:configRequest", (event) => {
  const cookie = document.cookie.match(/(?:^|; )csrftoken=([^;]+)/);
  if (cookie && event.detail.verb !== "get") event.detail.headers["X-CSRFToken"] = cookie[1];
});

// What htmx cannot know of an answer: that it is the sign-in page, or that what was asked for is gone.
document.addEventListener("htmx:beforeSwap", (event) => {
  const { xhr, pathInfo } = event.detail;
  const asked = new URL(pathInfo.requestPath, location.href).pathname;
  if (xhr.responseURL && new URL(xhr.responseURL).pathname !== asked) {
    event.detail.shouldSwap = false;
    location.reload();
  }
});
document.addEventListener("htmx:responseError", (event) => {
  const { elt, xhr } = event.detail;
  const { live, gone } = elt.dataset ?? {};
  if (!live) return;
  if (xhr.status !== 404) askAgain(live);
  else if (gone === "remove") elt.remove();
  else location.reload();
});
document.addEventListener("htmx:sendError", (event) => {
  const { live } = event.detail.elt.dataset ?? {};
  if (live) askAgain(live);
});

if (address) {
  new MutationObserver(() => {
    gathering ||= setTimeout(follow, GATHER);
  }).observe(document.body, {
    childList: true,
    subtree: true,
    attributes: true,
    attributeFilter: ["data-live", "data-version"],
  });
  follow();
}
