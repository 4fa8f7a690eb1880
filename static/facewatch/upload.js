// Sends each chosen or dropped file by itself, at most AT_ONCE at a time, and shows how far each has come; a stored one
// is handed over to the server's own tile, which is live. Each file has one Idempotency-Key for all its attempts, so
// that one whose answer was lost is not stored twice.
//
// A transfer is "waiting", "sending", "paused", "later" (waits by itself), "failed" (may be tried again) or "refused".

const form = document.getElementById("upload");
const section = document.getElementById("transfers");
const queue = document.getElementById("queue");
const uploads = document.getElementById("uploads");
const draft = document.getElementById("transfer");
const held = document.getElementById("held");
const sent = document.getElementById("sent");
const said = document.getElementById("said");
const texts = form.dataset;

/** Files sent at once: more would share the same line. */
const AT_ONCE = 3;
/** Attempts of one file over a broken connection, and the seconds after the first and at the most. */
const MOST_ATTEMPTS = 6;
const [FIRST_WAIT, LONGEST_WAIT] = [1, 30];
/** Seconds to wait when a full server does not say. */
const FULL_WAIT = 15;
/** Milliseconds between two reports to those who listen. */
const REPORT_EVERY = 5000;
/** Rows made in one go, so that thousands of files do not stop the page. */
const ROWS_AT_ONCE = 100;
const PICTURE = /\.(jpe?g|png|webp|heic|heif|avif|gif|bmp|tiff?)$/i;

const transfers = new Set();
let sending = 0;
let [all, stored, refused] = [0, 0, 0];
/** Bytes of everything that is or was here, and of what is stored. */
let [allBytes, storedBytes] = [0, 0];
/** When the server takes more again, in milliseconds; 0 when nothing is held. */
let heldUntil = 0;
let ticking = 0;
let [reportedAt, reporting] = [0, 0];
let oldest = "";
let passed = 0;

form.classList.add("scripted");
document.getElementById("files").required = false;
if (!("webkitdirectory" in document.createElement("input"))) document.querySelector("[for=folder]").hidden = true;

// Where files come from.

for (const input of form.querySelectorAll('input[type="file"]')) {
  input.addEventListener("change", () => {
    const isFolder = input.id === "folder";
    add([...input.files], { pictures: isFolder });
    input.value = "";
  });
}
form.addEventListener("submit", (event) => event.preventDefault());
let within = 0;
form.addEventListener("dragenter", () => {
  within += 1;
  form.classList.add("over");
});
form.addEventListener("dragleave", () => {
  within -= 1;
  if (within <= 0) form.classList.remove("over");
});
form.addEventListener("drop", async (event) => {
  within = 0;
  form.classList.remove("over");
  const found = await dropped(event.dataTransfer);
  add(found.files, { pictures: false });
  add(found.inFolders, { pictures: true });
});
// A file dropped beside the form would replace the page.
for (const name of ["dragover", "drop"]) window.addEventListener(name, (event) => event.preventDefault());

/** Return the dropped files, and those in dropped folders. The entries are to be had in the event alone. */
async function dropped(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  const plain = [...transfer.files];
  const folders = entries.filter((entry) => entry.isDirectory);
  if (!folders.length) return { files: plain, inFolders: [] };
  const files = await Promise.all(entries.filter((entry) => entry.isFile).map(fileOf));
  const inFolders = [];
  for (const folder of folders) await walk(folder, inFolders);
  return { files: files.filter(Boolean), inFolders };
}

async function walk(folder, found) {
  const reader = folder.createReader();
  try {
    for (;;) {
      // Chromium gives up to a hundred at a time, and none at the end.
      const entries = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
      if (!entries.length) return;
      for (const entry of entries) {
        if (entry.isDirectory) await walk(entry, found);
        else found.push(await fileOf(entry));
      }
    }
  } catch {
    say(texts.unread);
  }
}

function fileOf(entry) {
  return new Promise((resolve) => entry.file(resolve, () => resolve(null)));
}

function isPicture(file) {
  return file.type ? file.type.startsWith("image/") : PICTURE.test(file.name);
}

/** Put files in the queue; with `pictures` those that are none are listed and left. */
async function add(files, { pictures }) {
  const there = files.filter(Boolean);
  if (pictures) passOver(there.filter((file) => !isPicture(file)));
  const wanted = pictures ? there.filter(isPicture) : there;
  if (!wanted.length) return;
  if (!transfers.size && !sending) startBatch();
  const source = form.elements.source.value.trim();
  for (let start = 0; start < wanted.length; start += ROWS_AT_ONCE) {
    if (start) await new Promise((resolve) => setTimeout(resolve));
    for (const file of wanted.slice(start, start + ROWS_AT_ONCE)) enter(file, source);
    changed();
  }
}

function startBatch() {
  [all, stored, refused, allBytes, storedBytes, passed] = [0, 0, 0, 0, 0, passed];
  oldest = "";
  sent.hidden = true;
}

function enter(file, source) {
  const row = draft.content.firstElementChild.cloneNode(true);
  const transfer = { file, source, row, key: newKey(), state: "", attempts: 0, progress: 0, request: null, timer: 0 };
  row.querySelector(".file").textContent = file.webkitRelativePath || file.name;
  row.querySelector(".bytes").textContent = size(file.size);
  for (const button of row.querySelectorAll("button")) button.append(hidden(` ${file.name}`));
  row.querySelector(".pause").addEventListener("click", () => pause(transfer));
  row.querySelector(".resume").addEventListener("click", () => again(transfer));
  row.querySelector(".again").addEventListener("click", () => again(transfer));
  row.querySelector(".remove").addEventListener("click", () => remove(transfer));
  transfers.add(transfer);
  byRow.set(row, transfer);
  all += 1;
  allBytes += file.size;
  queue.append(row);
  seen.observe(row);
  // The server refuses it as well, but may end the connection before its reason is read.
  if (file.size > Number(texts.mostBytes)) refuse(transfer, texts.large);
  else setState(transfer, "waiting");
}

function hidden(text) {
  const span = document.createElement("span");
  span.className = "sr-only";
  span.textContent = text;
  return span;
}

function newKey() {
  // crypto.randomUUID is there on secure pages alone.
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

function size(bytes) {
  const [unit, divisor] = bytes < 1e6 ? ["kilobyte", 1e3] : ["megabyte", 1e6];
  const style = { style: "unit", unit, unitDisplay: "short", maximumFractionDigits: unit === "megabyte" ? 1 : 0 };
  return new Intl.NumberFormat(document.documentElement.lang, style).format(Math.max(bytes / divisor, 0.1));
}

function passOver(files) {
  if (!files.length) return;
  const box = document.getElementById("passed");
  passed += files.length;
  box.hidden = section.hidden = false;
  box.querySelector("summary").textContent = texts.passed.replace("{number}", passed);
  for (const file of files) {
    const line = document.createElement("li");
    line.textContent = file.webkitRelativePath || file.name;
    box.querySelector("ul").append(line);
  }
}

// Previews are made when their row comes into sight; the address is given back as soon as the picture is there.

const byRow = new WeakMap();
const seen = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) {
    if (!isIntersecting) continue;
    seen.unobserve(target);
    const { file } = byRow.get(target);
    if (isPicture(file)) preview(file, target.querySelector(".preview"));
  }
});

function preview(file, place) {
  const url = URL.createObjectURL(file);
  const picture = new Image();
  picture.alt = "";
  picture.addEventListener("load", () => {
    place.replaceChildren(picture);
    URL.revokeObjectURL(url);
  });
  picture.addEventListener("error", () => URL.revokeObjectURL(url));
  picture.src = url;
}

// One transfer.

function setState(transfer, state, text = texts[state] ?? "") {
  clearTimeout(transfer.timer);
  const { row } = transfer;
  const isOver = state === "refused" || state === "failed";
  if (isOver !== (transfer.state === "refused" || transfer.state === "failed")) refused += isOver ? 1 : -1;
  transfer.state = state;
  row.className = `transfer ${state}`;
  const what = row.querySelector(".what");
  what.textContent = text;
  what.classList.toggle("bad", isOver || state === "later");
  const focused = row.contains(document.activeElement);
  row.querySelector("progress").hidden = isOver;
  row.querySelector(".pause").hidden = !["waiting", "sending", "later"].includes(state);
  row.querySelector(".resume").hidden = state !== "paused";
  row.querySelector(".again").hidden = state !== "failed" && state !== "later";
  // A button that goes hands the focus to the one that comes.
  if (focused && (document.activeElement.hidden || !row.contains(document.activeElement))) {
    row.querySelector("button:not([hidden])").focus();
  }
  changed();
}

function pause(transfer) {
  setState(transfer, "paused");
  transfer.request?.abort();
}

function again(transfer) {
  transfer.attempts = 0;
  setState(transfer, "waiting");
}

function remove(transfer) {
  const { row, file } = transfer;
  clearTimeout(transfer.timer);
  if (transfer.state === "refused" || transfer.state === "failed") refused -= 1;
  transfer.state = "removed";
  transfer.request?.abort();
  all -= 1;
  allBytes -= file.size;
  leave(transfer, row);
  changed();
}

/** Take a row from the list; the focus goes to its neighbour, or to the list's heading. */
function leave(transfer, row) {
  if (row.contains(document.activeElement)) {
    const next = row.nextElementSibling ?? row.previousElementSibling;
    (next?.querySelector("button:not([hidden])") ?? document.getElementById("transfers-title")).focus();
  }
  seen.unobserve(row);
  row.remove();
  transfers.delete(transfer);
}

function send(transfer) {
  const { file, source, key, row } = transfer;
  const request = new XMLHttpRequest();
  const body = new FormData();
  body.append("image", file);
  if (source) body.append("source", source);
  transfer.request = request;
  transfer.progress = 0;
  sending += 1;
  setState(transfer, "sending");
  request.upload.addEventListener("progress", (event) => {
    if (!event.lengthComputable) return;
    transfer.progress = event.loaded / event.total;
    row.querySelector("progress").value = transfer.progress;
    changed();
  });
  request.addEventListener("loadend", () => {
    sending -= 1;
    transfer.request = null;
    transfer.progress = 0;
    row.querySelector("progress").value = 0;
    // Paused or removed meanwhile: what the server has of it, it gives again for the same key.
    if (transfer.state === "sending") conclude(transfer, request);
    changed();
  });
  request.open("POST", texts.api);
  request.setRequestHeader("X-CSRFToken", csrfToken());
  request.setRequestHeader("Accept", "application/json");
  request.setRequestHeader("Idempotency-Key", `"${key}"`);
  request.send(body);
}

function csrfToken() {
  // The cookie's is newer after signing in again in another window.
  return document.cookie.match(/(?:^|; )csrftoken=([^;]+)/)?.[1] ?? form.elements.csrfmiddlewaretoken.value;
}

function conclude(transfer, request) {
  const { status } = request;
  if (status === 200 || status === 202) accept(transfer, JSON.parse(request.responseText));
  else if (status === 0 || status === 502 || status === 504) sendLater(transfer);
  else if (status === 503 || status === 429) hold(transfer, request);
  else if (status === 401 || status === 403) setState(transfer, "failed", texts.signedOut);
  else if (status >= 500) setState(transfer, "failed", texts.server.replace("{status}", status));
  else refuse(transfer, reason(request));
}

function refuse(transfer, text) {
  setState(transfer, "refused", text);
}

function reason(request) {
  try {
    const problem = JSON.parse(request.responseText);
    const fields = Object.values(problem.errors ?? {}).flat();
    const lines = fields.map((field) => field.detail ?? field).filter((text) => typeof text === "string");
    const advice = document.getElementById("advice").content.querySelector(`[data-code="${problem.code}"]`);
    return [lines.join(" ") || problem.detail || problem.title, advice?.textContent].filter(Boolean).join(" ");
  } catch {
    return texts.server.replace("{status}", request.status);
  }
}

/** Try a file again after a while that doubles each time; without any connection, when there is one again. */
function sendLater(transfer) {
  if (!navigator.onLine) {
    setState(transfer, "later", texts.offline);
    return;
  }
  transfer.attempts += 1;
  if (transfer.attempts >= MOST_ATTEMPTS) {
    setState(transfer, "failed", texts.givenUp);
    return;
  }
  const doubled = Math.min(FIRST_WAIT * 2 ** (transfer.attempts - 1), LONGEST_WAIT);
  countDown(transfer, Date.now() + doubled * (0.75 + Math.random() / 2) * 1000);
}

function countDown(transfer, until) {
  const seconds = Math.ceil((until - Date.now()) / 1000);
  if (seconds <= 0) {
    setState(transfer, "waiting");
    return;
  }
  setState(transfer, "later", texts.broken.replace("{seconds}", seconds));
  transfer.timer = setTimeout(() => countDown(transfer, until), 1000);
}

window.addEventListener("online", () => {
  for (const transfer of transfers) if (transfer.state === "later") setState(transfer, "waiting");
});

/** A full server is full for all files: nothing is sent until the time that it names. */
function hold(transfer, request) {
  const wait = Number(request.getResponseHeader("Retry-After")) || FULL_WAIT;
  heldUntil = Math.max(heldUntil, Date.now() + wait * 1000);
  setState(transfer, "waiting");
  say(texts.full.replace("{seconds}", Math.ceil(wait)));
  clearInterval(ticking);
  ticking = setInterval(tick, 1000);
  tick();
}

function tick() {
  const seconds = Math.ceil((heldUntil - Date.now()) / 1000);
  held.hidden = seconds <= 0;
  held.firstElementChild.textContent = texts.full.replace("{seconds}", seconds);
  if (seconds > 0) return;
  clearInterval(ticking);
  heldUntil = 0;
  changed();
}

document.getElementById("now").addEventListener("click", () => {
  heldUntil = 0;
  document.getElementById("transfers-title").focus();
  tick();
});

/** Put the server's own tile among the latest uploads; it stays live until the photo is final. */
async function accept(transfer, photo) {
  stored += 1;
  storedBytes += transfer.file.size;
  transfer.state = "stored";
  if (!oldest || photo.created_at < oldest) oldest = photo.created_at;
  leave(transfer, transfer.row);
  changed();
  const answer = await fetch(texts.tile.replace("00000000-0000-0000-0000-000000000000", photo.id)).catch(() => null);
  if (!answer?.ok) return;
  const body = document.createElement("template");
  body.innerHTML = await answer.text();
  const live = body.content.querySelector(".tile");
  // None: signed out meanwhile, which the next file says as well.
  if (!live) return;
  document.getElementById(live.id)?.remove();
  uploads.prepend(live);
  htmx.process(live);
}

// All together.

document.getElementById("pause-all").addEventListener("click", () => forAll(["waiting", "sending", "later"], pause));
document.getElementById("resume-all").addEventListener("click", () => forAll(["paused"], again));
document.getElementById("retry-all").addEventListener("click", () => forAll(["failed"], again));
document.getElementById("clear").addEventListener("click", () => forAll(["refused"], remove));

function forAll(states, act) {
  const concerned = [...transfers].filter((transfer) => states.includes(transfer.state));
  for (const transfer of concerned) act(transfer);
  // A button that hides itself hands the focus over.
  queueMicrotask(() => {
    if (document.activeElement === document.body || document.activeElement.hidden) {
      const next = section.querySelector(".controls button:not([hidden])");
      (next ?? document.getElementById("transfers-title")).focus();
    }
  });
}

let drawing = 0;

/** Send what may be sent, and draw once for everything that changed within a frame. */
function changed() {
  if (drawing) return;
  drawing = setTimeout(() => {
    drawing = 0;
    draw();
  }, 16);
  sendNext();
}

function sendNext() {
  if (heldUntil > Date.now() || sending >= AT_ONCE) return;
  for (const transfer of transfers) {
    if (sending >= AT_ONCE) return;
    // Its aborted request may still be ending.
    if (transfer.state === "waiting" && !transfer.request) send(transfer);
  }
}

function draw() {
  sendNext();
  const counts = { waiting: 0, sending: 0, paused: 0, later: 0, failed: 0, refused: 0 };
  let partly = 0;
  let outOfIt = 0;
  for (const { state, file, progress } of transfers) {
    counts[state] += 1;
    partly += progress * file.size;
    if (state === "refused") outOfIt += file.size;
  }
  section.hidden = !all && !passed;
  document.getElementById("pause-all").hidden = !(counts.waiting + counts.sending + counts.later);
  document.getElementById("resume-all").hidden = !counts.paused;
  document.getElementById("retry-all").hidden = !counts.failed;
  document.getElementById("clear").hidden = !counts.refused;
  const wanted = allBytes - outOfIt;
  document.getElementById("overall").value = wanted > 0 ? (storedBytes + partly) / wanted : 1;
  document.getElementById("overall").hidden = !all;
  const isDone = counts.waiting + counts.sending + counts.later + counts.paused === 0;
  sent.hidden = !(isDone && stored);
  if (!sent.hidden) sent.href = `${texts.photos}?${new URLSearchParams({ since: oldest })}`;
  const line = all ? summary(counts) : "";
  document.getElementById("summary").textContent = line;
  if (all) report(line, { atOnce: isDone });
}

function summary({ paused }) {
  const parts = [texts.summary.replace("{stored}", stored).replace("{all}", all)];
  if (refused) parts.push(texts.summaryRefused.replace("{refused}", refused));
  if (paused) parts.push(texts.summaryPaused.replace("{paused}", paused));
  return parts.join(", ");
}

/** Tell those who listen how it goes: now and then, and at the end. */
function report(line, { atOnce }) {
  clearTimeout(reporting);
  const wait = atOnce ? 0 : Math.max(reportedAt + REPORT_EVERY - Date.now(), 0);
  reporting = setTimeout(() => say(line), wait);
}

function say(text) {
  if (said.textContent === text) return;
  reportedAt = Date.now();
  said.textContent = text;
}

window.addEventListener("beforeunload", (event) => {
  const isOpen = ({ state }) => ["waiting", "sending", "later", "paused"].includes(state);
  if ([...transfers].some(isOpen)) event.preventDefault();
});
