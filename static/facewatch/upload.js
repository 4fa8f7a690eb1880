// Sends each chosen or dropped file by itself, shows how far it has come, then hands its tile over to the server. What
// fails for want of a server is tried again; a key for each file keeps a second try from storing it twice.

const form = document.getElementById("upload");
const list = document.getElementById("uploads");
const draft = document.getElementById("sending");
const batch = document.getElementById("batch");
const said = document.getElementById("said");
const words = form.dataset;

/** Files sent at once: more would share the same line. */
const AT_ONCE = 3;
/** Tries of one file that nobody asked for, and the longest wait between two of them, in seconds. */
const MOST_TRIES = 8;
const LONGEST_WAIT = 60;
/** Milliseconds between two sayings of how far all have come. */
const SAY_EVERY = 1000;
/** Endings of pictures: a dropped file may come without its type. */
const PICTURE = /\.(jpe?g|png|webp|gif|heic|heif|bmp|tiff?)$/i;

/** @type {Set<{file: File, key: string, tile: Element, state: string, sent: number, tries: number}>} */
const all = new Set();
const queue = [];
let sending = 0;
let heldUntil = 0;
let isPaused = false;
let since = "";
let saying = 0;
const passed = [];

// With scripts, choosing is sending; without, the button is there.
form.querySelector(".send").hidden = true;
form.querySelector(".ways").hidden = false;
document.getElementById("files").required = false;
for (const input of form.querySelectorAll('input[type="file"]')) {
  input.addEventListener("change", () => {
    add([...input.files]);
    input.value = "";
  });
}
form.addEventListener("submit", (event) => event.preventDefault());
for (const name of ["dragenter", "dragover"]) {
  form.addEventListener(name, (event) => {
    event.preventDefault();
    form.classList.add("over");
  });
}
for (const name of ["dragleave", "drop"]) {
  form.addEventListener(name, (event) => {
    event.preventDefault();
    form.classList.remove("over");
  });
}
form.addEventListener("drop", async (event) => {
  // The entries have to be asked for before the event ends; folders are known by them alone.
  const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  add(entries.length ? (await Promise.all(entries.map(filesIn))).flat() : [...event.dataTransfer.files]);
});
// A file dropped beside the form would replace the page.
for (const name of ["dragover", "drop"]) {
  window.addEventListener(name, (event) => event.preventDefault());
}
window.addEventListener("beforeunload", (event) => {
  if ([...all].some((one) => ["waiting", "sending", "paused"].includes(one.state))) event.preventDefault();
});
window.addEventListener("online", () => {
  for (const one of all) {
    if (one.state === "later") enqueue(one);
  }
});
batch.addEventListener("click", (event) => {
  const what = event.target.closest("[data-all]")?.dataset.all;
  if (what === "pause") pauseAll();
  if (what === "resume") resumeAll();
  if (what === "again") for (const one of all) if (one.state === "refused" || one.state === "later") tryAgain(one);
});

/** Previews are read when they come into sight, and not all of hundreds at once. */
const previews = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) {
    if (!isIntersecting) continue;
    previews.unobserve(target);
    const one = [...all].find(({ tile }) => tile === target);
    if (one) showPreview(one);
  }
}, { rootMargin: "300px" });

/** Return the files of a dropped file or folder, with those in folders below it. */
async function filesIn(entry) {
  if (entry.isFile) return [await new Promise((resolve, reject) => entry.file(resolve, reject))];
  const reader = entry.createReader();
  const found = [];
  for (;;) {
    // A reader hands over a part of a large folder at a time.
    const part = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!part.length) break;
    found.push(...part);
  }
  return (await Promise.all(found.map(filesIn))).flat();
}

function add(files) {
  const pictures = files.filter(({ name, type }) => type.startsWith("image/") || PICTURE.test(name));
  const others = files.length > 1 ? files.filter((file) => !pictures.includes(file)) : [];
  tellPassed(others);
  const fragment = document.createDocumentFragment();
  for (const file of files.length > 1 ? pictures : files) {
    const tile = draft.content.firstElementChild.cloneNode(true);
    const one = { file, key: newKey(), tile, state: "waiting", sent: 0, tries: 0, request: null };
    tile.querySelector(".file").textContent = file.name;
    tile.addEventListener("click", (event) => {
      const what = event.target.closest("[data-do]")?.dataset.do;
      if (what === "pause") pause(one);
      if (what === "resume") enqueue(one);
      if (what === "again") tryAgain(one);
      if (what === "remove") remove(one);
    });
    all.add(one);
    fragment.append(tile);
    if (file.type.startsWith("image/")) previews.observe(tile);
    // The server refuses it as well, but may end the connection before its reason is read.
    if (file.size > Number(words.mostBytes)) refuse(one, words.large);
    else if (isPaused) set(one, "paused");
    else queue.push(one);
  }
  list.prepend(fragment);
  for (const one of queue) set(one, one.state);
  batch.hidden = !all.size && !passed.length;
  sendNext();
  say();
}

/** Return a key that nobody else has; `randomUUID` is there on secure pages alone. */
function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

function tellPassed(files) {
  if (!files.length) return;
  passed.push(...files.map(({ name }) => name));
  const line = document.getElementById("passed");
  const names = passed.slice(0, 5).join(", ") + (passed.length > 5 ? ", …" : "");
  line.textContent = words.passed.replace("{count}", passed.length).replace("{names}", names);
  line.hidden = false;
}

function showPreview({ file, tile }) {
  const url = URL.createObjectURL(file);
  const picture = new Image();
  picture.alt = "";
  picture.addEventListener("load", () => URL.revokeObjectURL(url));
  picture.addEventListener("error", () => {
    URL.revokeObjectURL(url);
    picture.remove();
  });
  picture.src = url;
  tile.querySelector(".tile-picture").replaceChildren(picture);
}

/** Put a file into a state, and show what can be done in it. */
function set(one, state, text = "") {
  one.state = state;
  const { tile } = one;
  tile.classList.toggle("refused", state === "refused" || state === "later");
  tile.classList.toggle("paused", state === "paused");
  tile.querySelector(".state").textContent = { waiting: words.waiting, sending: words.sending, paused: words.paused }[state] ?? "";
  tile.querySelector(".bad").textContent = text;
  const progress = tile.querySelector("progress");
  progress.hidden = state === "refused" || state === "later";
  if (state !== "sending") progress.value = one.sent = 0;
  const shown = {
    pause: ["waiting", "sending"],
    resume: ["paused"],
    again: ["refused", "later"],
    remove: ["waiting", "paused", "refused", "later"],
  };
  for (const button of tile.querySelectorAll("[data-do]")) {
    const had = button === document.activeElement;
    button.hidden = !shown[button.dataset.do].includes(state);
    // The focus goes to the button that undoes what this one did.
    if (had && button.hidden) tile.querySelector("[data-do]:not([hidden])")?.focus();
  }
  say();
}

function enqueue(one) {
  if (one.state === "sending") return;
  set(one, "waiting");
  if (!queue.includes(one)) queue.push(one);
  sendNext();
}

function tryAgain(one) {
  one.tries = 0;
  enqueue(one);
}

function pause(one) {
  const at = queue.indexOf(one);
  if (at >= 0) queue.splice(at, 1);
  set(one, "paused");
  one.request?.abort();
}

function pauseAll() {
  isPaused = true;
  for (const one of all) if (one.state === "waiting" || one.state === "sending") pause(one);
  showPaused();
}

function resumeAll() {
  isPaused = false;
  for (const one of all) if (one.state === "paused") enqueue(one);
  showPaused();
}

function showPaused() {
  const [off, on] = [batch.querySelector('[data-all="pause"]'), batch.querySelector('[data-all="resume"]')];
  const had = [off, on].includes(document.activeElement);
  [off.hidden, on.hidden] = [isPaused, !isPaused];
  if (had) (isPaused ? on : off).focus();
}

function remove(one) {
  const at = queue.indexOf(one);
  if (at >= 0) queue.splice(at, 1);
  all.delete(one);
  one.tile.remove();
  say();
}

function sendNext() {
  if (Date.now() < heldUntil) return;
  while (sending < AT_ONCE && queue.length) {
    sending += 1;
    send(queue.shift());
  }
}

function send(one) {
  const request = new XMLHttpRequest();
  const progress = one.tile.querySelector("progress");
  const body = new FormData();
  body.append("image", one.file);
  if (form.elements.source.value) body.append("source", form.elements.source.value);
  one.request = request;
  one.tries += 1;
  set(one, "sending");
  request.upload.addEventListener("progress", (event) => {
    if (event.lengthComputable) progress.value = one.sent = event.loaded / event.total;
    say();
  });
  request.addEventListener("loadend", () => {
    sending -= 1;
    one.request = null;
    if (one.state === "sending") settle(one, request);
    sendNext();
  });
  request.open("POST", words.api);
  request.setRequestHeader("X-CSRFToken", form.elements.csrfmiddlewaretoken.value);
  request.setRequestHeader("Accept", "application/json");
  request.setRequestHeader("Idempotency-Key", `"${one.key}"`);
  request.send(body);
}

function settle(one, request) {
  if (request.status === 200 || request.status === 202) {
    accept(one, request);
  } else if (request.status === 503) {
    // The server says when; what else is to be sent waits with it.
    const seconds = Number(request.getResponseHeader("Retry-After")) || LONGEST_WAIT;
    heldUntil = Math.max(heldUntil, Date.now() + seconds * 1000);
    later(one, reason(request), seconds);
  } else if (request.status === 0 || request.status >= 500) {
    later(one, reason(request), Math.min(LONGEST_WAIT, 2 ** one.tries));
  } else {
    refuse(one, reason(request));
  }
}

/** Try a file again by itself after some seconds, which are counted down; after many tries only when asked to. */
function later(one, text, seconds) {
  if (one.tries >= MOST_TRIES) {
    set(one, "later", `${text} ${words.givenUp}`);
    return;
  }
  const until = Date.now() + seconds * 1000;
  set(one, "later", text);
  const count = () => {
    if (one.state !== "later" || !all.has(one)) return;
    const left = Math.ceil((until - Date.now()) / 1000);
    if (left <= 0) {
      enqueue(one);
      return;
    }
    one.tile.querySelector(".bad").textContent = `${text} ${words.later.replace("{seconds}", left)}`;
    setTimeout(count, 1000);
  };
  count();
}

/** Put the server's own tile in the place of ours; it stays live until the photo is final. */
async function accept(one, request) {
  set(one, "stored");
  const { id, created_at } = JSON.parse(request.responseText);
  if (request.status === 202 && (!since || created_at < since)) since = created_at;
  let live = null;
  try {
    const answer = await fetch(words.tile.replace("00000000-0000-0000-0000-000000000000", id));
    const body = document.createElement("template");
    body.innerHTML = await answer.text();
    const tile = body.content.querySelector(".tile");
    // Into this document first: a preview that is moved to another one would be loaded again.
    live = tile && document.importNode(tile, true);
  } catch {
    // The photo is stored; what became of it shows when the page is loaded anew.
  }
  if (!live) {
    one.tile.querySelector("progress").hidden = true;
    return;
  }
  const preview = one.tile.querySelector("img");
  const place = live.querySelector(".tile-picture");
  if (preview && !place.firstElementChild) place.append(preview);
  document.getElementById(live.id)?.remove();
  one.tile.replaceWith(live);
  htmx.process(live);
  if (request.status === 200) said.textContent = `${one.file.name}: ${words.again}`;
}

/** Say why a file is not stored. */
function refuse(one, text) {
  set(one, "refused", text);
}

/** Say how far all have come: not more often than can be heard. */
function say() {
  saying ||= setTimeout(() => {
    saying = 0;
    const count = { stored: 0, refused: 0, left: 0, all: all.size };
    let done = 0;
    for (const { state, sent } of all) {
      const kind = { stored: "stored", refused: "refused", later: "refused" }[state] ?? "left";
      count[kind] += 1;
      done += kind === "left" ? sent : 1;
    }
    const text = words.summary.replace(/\{(\w+)\}/g, (_, name) => count[name]);
    if (said.textContent !== text) said.textContent = text;
    document.getElementById("progress").value = all.size ? done / all.size : 0;
    batch.querySelector('[data-all="again"]').hidden = !count.refused;
    if (!isPaused) batch.querySelector('[data-all="pause"]').hidden = !count.left;
    const link = document.getElementById("batch-link");
    link.hidden = !since || Boolean(count.left);
    if (since) link.href = `${words.list}?since=${encodeURIComponent(since.slice(0, 19))}`;
    batch.hidden = !all.size && !passed.length;
    sendNext();
  }, all.size > AT_ONCE ? SAY_EVERY : 0);
}

function reason(request) {
  if (request.status === 0) return words.offline;
  try {
    const problem = JSON.parse(request.responseText);
    const fields = Object.values(problem.errors ?? {}).flat();
    const texts = fields.map((field) => field.detail ?? field).filter((text) => typeof text === "string");
    return texts.join(" ") || problem.detail || problem.title;
  } catch {
    return words.broken.replace("{status}", request.status);
  }
}
