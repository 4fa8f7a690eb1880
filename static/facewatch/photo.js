// One photo: a face's box and its entry in the list stand out together; a card beside the box names the candidates.
// The photo can be made larger, and fill the screen. All by delegation: the page takes its parts anew while the photo
// is in work.

const SVG = "http://www.w3.org/2000/svg";
/** Smallest side of what can be hit, in pixels of the page (WCAG 2.5.8). */
const TARGET = 24;
/** Milliseconds for which a card stays when the pointer leaves, so that it can be reached. */
const LINGER = 200;
const ZOOM_STEP = 1.5;
const MOST_ZOOM = 8;

let zoom = 1;
let leaving = 0;

const viewer = () => document.getElementById("viewer");
const picture = () => viewer()?.querySelector(".picture");
const numberOf = (element) => element?.closest?.("[data-face], [data-card]")?.dataset;

// Faces.

function show(number, { card = false } = {}) {
  clearTimeout(leaving);
  for (const element of document.querySelectorAll("[data-face]")) {
    element.classList.toggle("active", element.dataset.face === number);
  }
  for (const element of document.querySelectorAll("[data-card]")) {
    element.hidden = !card || element.dataset.card !== number;
    if (!element.hidden) place(element);
  }
}

function hide() {
  clearTimeout(leaving);
  show("");
}

/** Put a card below its box, or above where there is no room, within the figure. */
function place(card) {
  const around = viewer().getBoundingClientRect();
  const box = document.getElementById(`box-${card.dataset.card}`).querySelector("rect").getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = card;
  const left = Math.min(Math.max(box.left - around.left, 0), Math.max(around.width - width, 0));
  const below = box.bottom - around.top + 8;
  const isRoom = box.bottom + 8 + height < window.innerHeight || box.top - height - 8 < 0;
  card.style.left = `${left}px`;
  card.style.top = `${isRoom ? below : box.top - around.top - height - 8}px`;
}

document.addEventListener("pointerover", (event) => {
  const data = numberOf(event.target);
  if (!data) return;
  const isEntry = Boolean(event.target.closest(".faces"));
  show(data.face ?? data.card, { card: !isEntry });
});
document.addEventListener("pointerout", (event) => {
  if (!numberOf(event.target) || event.pointerType === "touch") return;
  clearTimeout(leaving);
  leaving = setTimeout(() => {
    // What has the focus stays shown.
    const focused = numberOf(document.activeElement);
    if (focused?.face) show(focused.face, { card: !document.activeElement.closest(".faces") });
    else hide();
  }, LINGER);
});
document.addEventListener("focusin", (event) => {
  const data = numberOf(event.target);
  if (data?.face) show(data.face, { card: !event.target.closest(".faces") });
  else hide();
});
document.addEventListener("focusout", (event) => {
  if (numberOf(event.target) && !event.relatedTarget) hide();
});
document.addEventListener("click", (event) => {
  const box = event.target.closest(".boxes a");
  if (!box) {
    if (!event.target.closest("[data-card], .faces")) hide();
    return;
  }
  event.preventDefault();
  // A click or a tap shows the card; Enter, which is a click of no pointer, leads on to the entry.
  if (event.detail > 0) {
    box.focus({ preventScroll: true });
    show(box.dataset.face, { card: true });
  } else {
    document.getElementById(`face-${box.dataset.face}`).focus();
  }
});

// Size.

function setZoom(wanted, { x = 0.5, y = 0.5 } = {}) {
  const shown = picture();
  const port = viewer().querySelector(".viewport");
  const next = Math.min(Math.max(wanted, 1), MOST_ZOOM);
  if (!shown || next === zoom) return;
  const centre = {
    x: (port.scrollLeft + port.clientWidth * x) / port.scrollWidth,
    y: (port.scrollTop + port.clientHeight * y) / port.scrollHeight,
  };
  const fit = shown.getBoundingClientRect().width / zoom;
  if (zoom === 1) {
    port.style.width = `${port.clientWidth}px`;
    port.style.height = `${port.clientHeight}px`;
  }
  zoom = next;
  viewer().classList.toggle("zoomed", zoom > 1);
  if (zoom === 1) {
    unzoom();
  } else {
    shown.style.width = `${fit * zoom}px`;
    port.scrollLeft = centre.x * port.scrollWidth - port.clientWidth * x;
    port.scrollTop = centre.y * port.scrollHeight - port.clientHeight * y;
  }
  afterSize();
}

function unzoom() {
  zoom = 1;
  viewer().classList.remove("zoomed");
  picture().style.width = "";
  viewer().querySelector(".viewport").style.width = "";
  viewer().querySelector(".viewport").style.height = "";
}

/** Keep labels as high as they were, and small boxes large enough to be hit. */
function afterSize() {
  const boxes = viewer()?.querySelector(".boxes");
  if (!boxes) return;
  boxes.style.fontSize = zoom > 1 ? `${Number(boxes.getAttribute("font-size")) / zoom}px` : "";
  const scale = boxes.viewBox.baseVal.width / boxes.getBoundingClientRect().width;
  for (const link of boxes.querySelectorAll("a")) {
    const rect = link.querySelector("rect:not(.hit)");
    let hit = link.querySelector(".hit");
    if (!hit) {
      hit = document.createElementNS(SVG, "rect");
      hit.setAttribute("class", "hit");
      link.append(hit);
    }
    for (const [side, start] of [["width", "x"], ["height", "y"]]) {
      const length = Number(rect.getAttribute(side));
      const wanted = Math.max(length, TARGET * scale);
      hit.setAttribute(side, wanted);
      hit.setAttribute(start, Number(rect.getAttribute(start)) - (wanted - length) / 2);
    }
  }
}

function toggleFull() {
  if (document.fullscreenElement) document.exitFullscreen();
  else viewer().requestFullscreen?.();
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("#viewer .tools button");
  if (button?.id === "zoom-in") setZoom(zoom * ZOOM_STEP);
  if (button?.id === "zoom-out") setZoom(zoom / ZOOM_STEP);
  if (button?.id === "full") toggleFull();
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") hide();
  if (!event.target.closest?.("#viewer") || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "f") toggleFull();
  else if (event.key === "+" || event.key === "=") setZoom(zoom * ZOOM_STEP);
  else if (event.key === "-") setZoom(zoom / ZOOM_STEP);
  else if (event.key === "0") setZoom(1);
});
// In the page a plain wheel scrolls the page; with Ctrl, or where the photo fills the screen, it makes it larger.
document.addEventListener(
  "wheel",
  (event) => {
    const port = event.target.closest?.("#viewer .viewport");
    if (!port || !(event.ctrlKey || document.fullscreenElement)) return;
    event.preventDefault();
    const around = port.getBoundingClientRect();
    const at = { x: (event.clientX - around.left) / around.width, y: (event.clientY - around.top) / around.height };
    setZoom(zoom * Math.exp(-event.deltaY / 300), at);
  },
  { passive: false },
);
document.addEventListener("fullscreenchange", () => {
  if (!viewer()) return;
  const isFull = document.fullscreenElement === viewer();
  document.getElementById("full").setAttribute("aria-pressed", String(isFull));
  hide();
  unzoom();
  afterSize();
});
// A photo that was made larger is moved with the mouse; fingers do that by themselves.
document.addEventListener("pointerdown", (event) => {
  const port = event.target.closest?.("#viewer.zoomed .viewport");
  if (!port || event.pointerType !== "mouse" || event.target.closest("a")) return;
  event.preventDefault();
  const move = (moved) => port.scrollBy(-moved.movementX, -moved.movementY);
  document.addEventListener("pointermove", move);
  const drop = () => {
    document.removeEventListener("pointermove", move);
    for (const name of ["pointerup", "pointercancel"]) document.removeEventListener(name, drop);
  };
  for (const name of ["pointerup", "pointercancel"]) document.addEventListener(name, drop);
});
window.addEventListener("resize", () => {
  if (!viewer()) return;
  unzoom();
  afterSize();
  for (const card of document.querySelectorAll("[data-card]:not([hidden])")) place(card);
});

function prepare() {
  zoom = 1;
  const tools = viewer()?.querySelector(".tools");
  if (!tools) return;
  tools.hidden = false;
  document.getElementById("full").hidden = !document.fullscreenEnabled;
  const image = viewer().querySelector("img");
  if (image.complete) afterSize();
  else image.addEventListener("load", afterSize, { once: true });
}

document.addEventListener("htmx:afterSwap", prepare);
prepare();
