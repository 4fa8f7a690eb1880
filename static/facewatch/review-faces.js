// The faces of a review: zoomed and moved all at once, and any enrolled one put beside the one that was seen.

const root = document.getElementById("review");
const ZOOMS = [1, 2, 4];
/** The picture in which each face is drawn, and where its eyes are; as `alerts/lineup.py` has it. */
const [WIDTH, HEIGHT, EYE_LINE] = [240, 300, 120];
/** Pixels that a pointer may move between press and release, and still have clicked. */
const STILL = 4;
/** The share of what is seen by which an arrow key moves the faces. */
const STEP = 1 / 6;
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

let card = null;
let zoom = 1;
let centre = [];
/** Where the mouse is over a face, and the drag that is under way. */
let pointer = null;
let drag = null;

/** Draw the same part of every face. */
function look() {
  const [width, height] = [WIDTH / zoom, HEIGHT / zoom];
  centre = [within(centre[0], width, WIDTH), within(centre[1], height, HEIGHT)];
  const view = `${centre[0] - width / 2} ${centre[1] - height / 2} ${width} ${height}`;
  for (const face of card.querySelectorAll(".level")) face.setAttribute("viewBox", view);
  card.querySelector(".factor").textContent = `${zoom}×`;
  card.classList.toggle("zoomed", zoom > 1);
}

function within(middle, part, whole) {
  return Math.min(Math.max(middle, part / 2), whole - part / 2);
}

/** Zoom in by one step, or back, at a point of the faces; at the eyes if none is pointed at. */
function zoomAt(point) {
  zoom = ZOOMS[(ZOOMS.indexOf(zoom) + 1) % ZOOMS.length];
  centre = point ?? [WIDTH / 2, EYE_LINE];
  look();
  document.getElementById("said").textContent = `${card.querySelector("[data-zoom]").dataset.zoom} ${zoom}×`;
}

/** Return the point of the drawn face at a place in the window. */
function pointOf({ face, x, y }) {
  const box = face.getBoundingClientRect();
  return [
    centre[0] + ((x - box.left) / box.width - 0.5) * (WIDTH / zoom),
    centre[1] + ((y - box.top) / box.height - 0.5) * (HEIGHT / zoom),
  ];
}

/** Let each further face be chosen. */
function prepare() {
  const label = card.querySelector(".lineup").dataset.choose;
  for (const face of card.querySelectorAll(".others li > .level")) {
    const button = document.createElement("button");
    button.type = "button";
    button.setAttribute("aria-label", `${label}: ${face.getAttribute("aria-label")}`);
    face.replaceWith(button);
    button.append(face);
  }
}

/** Let a further face and the one beside the seen face change places. */
function exchange(button) {
  const chosen = card.querySelector(".chosen");
  const other = button.parentElement;
  swap(chosen.querySelector("image"), other.querySelector("image"));
  swap(chosen.querySelector("small"), other.querySelector("small"));
}

function swap(one, other) {
  const place = document.createComment("");
  one.replaceWith(place);
  other.replaceWith(one);
  place.replaceWith(other);
}

root?.addEventListener("shown", ({ detail }) => {
  card = detail;
  zoom = 1;
  centre = [WIDTH / 2, HEIGHT / 2];
  prepare();
  look();
});
root?.addEventListener("changed", look);
root?.addEventListener("zoom", () => zoomAt(pointer && pointOf(pointer)));

root?.addEventListener("click", (event) => {
  if (event.target.closest("[data-zoom]")) zoomAt();
  const other = event.target.closest(".others button");
  if (other) exchange(other);
});

root?.addEventListener("pointermove", ({ target, pointerType, clientX: x, clientY: y }) => {
  const face = target.closest(".level");
  pointer = face && pointerType === "mouse" ? { face, x, y } : null;
  if (!drag) return;
  drag.moved ||= Math.hypot(x - drag.x, y - drag.y) > STILL;
  const box = drag.face.getBoundingClientRect();
  centre = [
    drag.centre[0] - ((x - drag.x) / box.width) * (WIDTH / zoom),
    drag.centre[1] - ((y - drag.y) / box.height) * (HEIGHT / zoom),
  ];
  look();
});
root?.addEventListener("pointerdown", (event) => {
  const face = event.target.closest(".two .level");
  if (!face || event.button !== 0) return;
  drag = { face, x: event.clientX, y: event.clientY, centre, moved: false };
  if (zoom > 1) face.setPointerCapture(event.pointerId);
});
root?.addEventListener("pointerup", ({ target, clientX: x, clientY: y }) => {
  const { face, moved } = drag ?? {};
  drag = null;
  if (face && !moved && target.closest(".level") === face) zoomAt(pointOf({ face, x, y }));
});
root?.addEventListener("pointercancel", () => {
  drag = null;
});

if (root) {
  document.addEventListener("keydown", (event) => {
    const arrow = ARROWS[event.key];
    if (!arrow || zoom === 1 || event.ctrlKey || event.altKey || event.metaKey || event.shiftKey) return;
    if (event.target.closest("input, textarea, dialog")) return;
    event.preventDefault();
    centre = [centre[0] + (arrow[0] * WIDTH * STEP) / zoom, centre[1] + (arrow[1] * HEIGHT * STEP) / zoom];
    look();
  });
}
