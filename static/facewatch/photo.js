// One photo: boxes and list point at each other, a card names the candidates of a face, and the picture can be looked
// at closely and alone.

/** Steps of the zoom, and how large it may get. */
const STEP = 1.4;
const LARGEST = 8;

let scale = 1;
let x = 0;
let y = 0;
let held = null;

/** The parts of the page as it is now: it takes itself anew while the photo is in work. */
function viewer() {
  return document.getElementById("viewer");
}

function prepare() {
  scale = 1;
  x = y = 0;
  fit();
  const tools = viewer()?.querySelector(".tools");
  if (!tools) return;
  tools.hidden = false;
  tools.querySelector("[data-full]").hidden = !document.fullscreenEnabled;
}

/** Show a small photo as large as there is room: its boxes and labels grow with it. */
function fit() {
  const image = viewer()?.querySelector(".picture img");
  if (!image) return;
  const [width, height] = [Number(image.getAttribute("width")), Number(image.getAttribute("height"))];
  const high = document.fullscreenElement ? innerHeight - 64 : innerHeight * 0.65;
  const wide = Math.min(viewer().clientWidth, (high * width) / height);
  image.style.width = `${Math.round(wide)}px`;
  image.style.maxHeight = "none";
}

function light(id) {
  for (const element of document.querySelectorAll("[data-face]")) {
    element.classList.toggle("lit", element.dataset.face === id);
  }
  const box = id && viewer()?.querySelector(`.boxes a[data-face="${id}"]`);
  const words = id && document.querySelector(`.faces [data-face="${id}"] .words`);
  const card = viewer()?.querySelector(".face-card");
  if (!card) return;
  card.hidden = !(box && words);
  if (card.hidden) return;
  card.replaceChildren(words.cloneNode(true));
  place(card, box.querySelector("rect").getBoundingClientRect());
}

/** Put the card below the box, or above it where there is no room, within the picture. */
function place(card, box) {
  const frame = viewer().getBoundingClientRect();
  const below = box.bottom - frame.top + 8;
  const fits = below + card.offsetHeight < frame.height;
  const top = fits ? below : Math.max(4, box.top - frame.top - card.offsetHeight - 8);
  const left = Math.min(Math.max(4, box.left - frame.left), frame.width - card.offsetWidth - 4);
  card.style.top = `${top}px`;
  card.style.left = `${Math.max(4, left)}px`;
}

function faceOf(event) {
  return event.target.closest?.("[data-face]")?.dataset.face;
}

for (const name of ["mouseover", "focusin"]) {
  document.addEventListener(name, (event) => {
    const id = faceOf(event);
    if (id) light(id);
  });
}
document.addEventListener("mouseout", (event) => {
  if (faceOf(event) && !event.relatedTarget?.closest?.("[data-face]")) light(faceOf({ target: document.activeElement }));
});
document.addEventListener("focusout", (event) => {
  if (faceOf(event)) light(undefined);
});

// Zoom and move.
function show() {
  const picture = viewer().querySelector(".picture");
  scale = Math.min(Math.max(scale, 1), LARGEST);
  x = Math.min(0, Math.max(x, picture.offsetWidth * (1 - scale)));
  y = Math.min(0, Math.max(y, picture.offsetHeight * (1 - scale)));
  picture.style.transform = scale === 1 ? "" : `translate(${x}px, ${y}px) scale(${scale})`;
  light(undefined);
}

/** Zoom round a point of the picture, in pixels of the picture as it is laid out. */
function zoom(factor, [px, py]) {
  const before = scale;
  scale = Math.min(Math.max(scale * factor, 1), LARGEST);
  x = px - (px - x) * (scale / before);
  y = py - (py - y) * (scale / before);
  show();
}

function pointIn(picture, event) {
  const frame = picture.getBoundingClientRect();
  return [event.clientX - frame.left + x, event.clientY - frame.top + y];
}

document.addEventListener("wheel", (event) => {
  const picture = event.target.closest?.("#viewer .picture");
  // The page scrolls on; the picture is zoomed with the key that zooms everywhere, and alone on the screen.
  if (!picture || !(event.ctrlKey || document.fullscreenElement)) return;
  event.preventDefault();
  zoom(event.deltaY < 0 ? STEP : 1 / STEP, pointIn(picture, event));
}, { passive: false });
document.addEventListener("pointerdown", (event) => {
  if (scale > 1 && event.target.closest?.("#viewer .picture")) held = [event.clientX - x, event.clientY - y];
});
document.addEventListener("pointermove", (event) => {
  if (!held) return;
  [x, y] = [event.clientX - held[0], event.clientY - held[1]];
  show();
});
document.addEventListener("pointerup", () => {
  held = null;
});

document.addEventListener("click", (event) => {
  const button = event.target.closest?.("#viewer .tools button");
  if (!button) return;
  const picture = viewer().querySelector(".picture");
  if (button.dataset.zoom) {
    zoom(button.dataset.zoom === "in" ? STEP : 1 / STEP, [picture.offsetWidth / 2, picture.offsetHeight / 2]);
  } else if (button.hasAttribute("data-boxes")) {
    const plain = viewer().classList.toggle("plain");
    button.setAttribute("aria-pressed", String(!plain));
  } else if (document.fullscreenElement) {
    document.exitFullscreen();
  } else {
    viewer().requestFullscreen();
  }
});
document.addEventListener("fullscreenchange", () => {
  viewer()?.querySelector("[data-full]").setAttribute("aria-pressed", String(Boolean(document.fullscreenElement)));
  prepare();
  show();
});

document.addEventListener("htmx:afterSettle", prepare);
window.addEventListener("resize", fit);
prepare();
