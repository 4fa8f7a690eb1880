// Sends each chosen or dropped file by itself, shows how far it has come, then hands its tile over to the server.

const form = document.getElementById("upload");
const input = document.getElementById("files");
const list = document.getElementById("uploads");
const said = document.getElementById("said");
const draft = document.getElementById("sending");

/** Files sent at once: more would share the same line. */
const AT_ONCE = 3;
const waiting = [];
let sending = 0;

// With scripts, choosing is sending; without, the button is there.
form.querySelector("button").hidden = true;
input.required = false;
input.addEventListener("change", () => {
  add(input.files);
  input.value = "";
});
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
form.addEventListener("drop", (event) => add(event.dataTransfer.files));
// A file dropped beside the form would replace the page.
for (const name of ["dragover", "drop"]) {
  window.addEventListener(name, (event) => event.preventDefault());
}
window.addEventListener("beforeunload", (event) => {
  if (sending) event.preventDefault();
});

function add(files) {
  for (const file of files) {
    const tile = draft.content.firstElementChild.cloneNode(true);
    tile.querySelector(".file").textContent = file.name;
    if (file.type.startsWith("image/")) showPreview(tile, URL.createObjectURL(file));
    tile.querySelector(".again").addEventListener("click", () => enqueue(file, tile));
    list.prepend(tile);
    // The server refuses it as well, but may end the connection before its reason is read.
    if (file.size > Number(form.dataset.mostBytes)) refuse(tile, form.dataset.large);
    else enqueue(file, tile);
  }
}

function showPreview(tile, url) {
  const picture = new Image();
  picture.alt = "";
  picture.addEventListener("error", () => picture.remove());
  picture.src = url;
  tile.querySelector(".tile-picture").replaceChildren(picture);
}

function enqueue(file, tile) {
  tile.classList.remove("refused");
  tile.querySelector(".bad").textContent = "";
  tile.querySelector(".again").hidden = true;
  tile.querySelector("progress").hidden = false;
  waiting.push([file, tile]);
  sendNext();
}

function sendNext() {
  while (sending < AT_ONCE && waiting.length) {
    sending += 1;
    send(...waiting.shift());
  }
}

function send(file, tile) {
  const request = new XMLHttpRequest();
  const progress = tile.querySelector("progress");
  const body = new FormData();
  body.append("image", file);
  request.upload.addEventListener("progress", (event) => {
    if (event.lengthComputable) progress.value = event.loaded / event.total;
  });
  request.addEventListener("loadend", () => {
    sending -= 1;
    sendNext();
    if (request.status === 200 || request.status === 202) accept(file, tile, request);
    else refuse(tile, reason(request), request.status === 0 || request.status >= 500);
  });
  request.open("POST", form.dataset.api);
  request.setRequestHeader("X-CSRFToken", form.elements.csrfmiddlewaretoken.value);
  request.setRequestHeader("Accept", "application/json");
  request.send(body);
}

/** Put the server's own tile in the place of ours; it stays live until the photo is final. */
async function accept(file, tile, request) {
  const { id } = JSON.parse(request.responseText);
  const answer = await fetch(form.dataset.tile.replace("00000000-0000-0000-0000-000000000000", id));
  const body = document.createElement("template");
  body.innerHTML = await answer.text();
  const live = body.content.querySelector(".tile");
  if (!live) {
    // Signed out meanwhile, or the photo is gone already: the server knows.
    location.reload();
    return;
  }
  const preview = tile.querySelector("img");
  const place = live.querySelector(".tile-picture");
  if (preview && !place.firstElementChild) place.append(preview);
  document.getElementById(live.id)?.remove();
  tile.replaceWith(live);
  htmx.process(live);
  const outcome = request.status === 200 ? form.dataset.again : form.dataset.processing;
  said.textContent = `${file.name}: ${outcome}`;
}

/** Say why a file is not stored; to try it again is of use only if it was for want of a server. */
function refuse(tile, text, maySucceedLater = false) {
  tile.classList.add("refused");
  tile.querySelector("progress").hidden = true;
  tile.querySelector(".bad").textContent = text;
  tile.querySelector(".again").hidden = !maySucceedLater;
}

function reason(request) {
  if (request.status === 0) return form.dataset.offline;
  try {
    const problem = JSON.parse(request.responseText);
    const fields = Object.values(problem.errors ?? {}).flat();
    const texts = fields.map((field) => field.detail ?? field).filter((text) => typeof text === "string");
    return texts.join(" ") || problem.detail || problem.title;
  } catch {
    return form.dataset.broken.replace("{status}", request.status);
  }
}
