// The list keeps its place: the address always names the page and the photo that are seen, so that coming back, loading
// anew and sharing the address lead to the same photo.

const grid = document.getElementById("grid");
/** Pixels that the head of the page covers. */
const HEAD = 70;
/** Milliseconds between two looks at what is seen. */
const LOOK_EVERY = 250;

let looking = 0;

/** Return the tile by which the place is named: the one with the focus if it is seen, else the first that is. */
function seen() {
  const box = opened()?.getBoundingClientRect();
  if (box && box.bottom > HEAD && box.top < window.innerHeight) return opened();
  return [...grid.querySelectorAll(".tile")].find((tile) => tile.getBoundingClientRect().bottom > HEAD + 20);
}

function name(tile) {
  const address = new URL(location.href);
  address.searchParams.delete("after");
  if (tile.dataset.place) address.searchParams.set("before", tile.dataset.place);
  else address.searchParams.delete("before");
  const isTop = window.scrollY < HEAD && !tile.dataset.place && tile === grid.querySelector(".tile");
  address.hash = isTop && tile !== opened() ? "" : tile.id;
  if (address.href !== location.href) history.replaceState(history.state, "", address);
}

/** Return the tile on which the focus is: the one that is being opened. */
function opened() {
  return document.activeElement?.closest?.(".tile");
}

function look() {
  looking = 0;
  const tile = seen();
  if (tile) name(tile);
}

/** Go back to the tile that the address names, with the focus if the user was there before. */
function comeBack() {
  const tile = location.hash.startsWith("#photo-") && document.getElementById(location.hash.slice(1));
  if (!tile) return;
  const [visit] = performance.getEntriesByType("navigation");
  tile.scrollIntoView({ block: "start", behavior: "instant" });
  if (visit?.type !== "navigate") tile.querySelector("a").focus({ preventScroll: true });
}

if (grid) {
  history.scrollRestoration = "manual";
  comeBack();
  window.addEventListener("scroll", () => {
    looking ||= setTimeout(look, LOOK_EVERY);
  }, { passive: true });
  grid.addEventListener("click", (event) => {
    const tile = event.target.closest(".tile");
    if (!tile || event.defaultPrevented) return;
    tile.querySelector("a").focus({ preventScroll: true });
    clearTimeout(looking);
    looking = -1;
    name(tile);
  });
}
