// Sends each chosen or dropped photo of a person by itself, and shows how far it has come. What is stored shows itself
// above, where the page is live.

const form = document.getElementById("enrol");
const input = document.getElementById("files");
const list = document.getElementById("sending");
const said = document.getElementById("said");
const draft = document.getElementById("draft");

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
    const row = draft.content.firstElementChild.cloneNode(true);
    row.querySelector(".file").textContent = file.name;
    row.querySelector(".again").addEventListener("click", () => enqueue(file, row));
    row.querySelector(".gone").addEventListener("click", () => {
      row.remove();
      input.focus();
    });
    list.append(row);
    // The server refuses it as well, but may end the connection before its reason is read.
    if (file.size > Number(form.dataset.mostBytes)) refuse(row, form.dataset.large);
    else enqueue(file, row);
  }
}

function enqueue(file, row) {
  row.querySelector(".bad").textContent = "";
  row.querySelector(".again").hidden = row.querySelector(".gone").hidden = true;
  row.querySelector("progress").hidden = false;
  waiting.push([file, row]);
  sendNext();
}

function sendNext() {
  while (sending < AT_ONCE && waiting.length) {
    sending += 1;
    send(...waiting.shift());
  }
}

function send(file, row) {
  const request = new XMLHttpRequest();
  const progress = row.querySelector("progress");
  const body = new FormData();
  body.append("image", file);
  request.upload.addEventListener("progress", (event) => {
    if (event.lengthComputable) progress.value = event.loaded / event.total;
  });
  request.addEventListener("loadend", () => {
    sending -= 1;
    sendNext();
    if (request.status === 200 || request.status === 202) accept(file, row, request.status);
    else refuse(row, reason(request), request.status === 0 || request.status >= 500);
  });
  request.open("POST", form.dataset.api);
  request.setRequestHeader("X-CSRFToken", csrfToken());
  request.setRequestHeader("Accept", "application/json");
  request.send(body);
}

/** The photo shows itself among the person's: now, not when the next news come. */
function accept(file, row, status) {
  row.remove();
  said.textContent = `${file.name} ${status === 200 ? form.dataset.again : form.dataset.stored}`;
  document.getElementById("faces").dispatchEvent(new CustomEvent("live"));
}

/** Say why a file is not stored; to try it again is of use only if it was for want of a server. */
function refuse(row, text, maySucceedLater = false) {
  row.querySelector("progress").hidden = true;
  row.querySelector(".bad").textContent = text;
  row.querySelector(".again").hidden = !maySucceedLater;
  row.querySelector(".gone").hidden = false;
}

/** Return the token as it is now: it changes when the user signs in again in another window. */
function csrfToken() {
  return document.cookie.match(/(?:^|; )csrftoken=([^;]+)/)?.[1] ?? form.elements.csrfmiddlewaretoken.value;
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

// What somebody has opened stays open when the part around it is taken anew.
let open = [];
document.addEventListener("htmx:beforeSwap", () => {
  open = [...document.querySelectorAll("#faces details[open]")].map((details) => details.id);
});
document.addEventListener("htmx:afterSwap", () => {
  for (const id of open) document.getElementById(id)?.setAttribute("open", "");
});
