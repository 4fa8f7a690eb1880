// The list of photos keeps its place: the address names the tile that is seen and the page of tiles that it is on, so
// that going back, reloading and sharing lead there again, with the focus on that tile.

const list = document.getElementById("tiles");
const form = document.getElementById("filter");

/** Milliseconds without scrolling after which the address follows. */
const REST = 250;
/** Pixels between the head of the page and a tile that is brought into sight. */
const ROOM = 12;

// An address is shorter without the fields that are empty.
form.addEventListener("submit", () => {
  const empty = [...form.elements].filter((field) => field.name && !field.value);
  for (const field of empty) field.disabled = true;
  setTimeout(() => {
    for (const field of empty) field.disabled = false;
  });
});

if (list) {
  history.scrollRestoration = "manual";
  comeBack();
  let resting = 0;
  window.addEventListener("scroll", () => {
    clearTimeout(resting);
    resting = setTimeout(follow, REST);
  });
  list.addEventListener("click", (event) => {
    const tile = event.target.closest(".tile");
    if (!tile) return;
    clearTimeout(resting);
    name(tile);
  });
  keepStillAndFocused();
}

/** Show the tile that the address names where it was seen last, and give it the focus. */
function comeBack() {
  const tile = location.hash.startsWith("#photo-") && document.getElementById(location.hash.slice(1));
  if (!tile) return;
  const top = history.state?.top ?? covered() + ROOM;
  window.scrollTo({ top: tile.getBoundingClientRect().top + window.scrollY - top, behavior: "instant" });
  tile.querySelector("a").focus({ preventScroll: true });
}

/** Let the address name what is seen: nothing at the very beginning, else the tile with the focus or the first one. */
function follow() {
  const tile = focusedInSight() ?? firstInSight();
  if (!tile) return;
  const isBeginning = !list.querySelector('[rel="prev"]') && list.getBoundingClientRect().top > 0;
  if (isBeginning && !focusedInSight()) replace({}, { at: null, hash: "" });
  else name(tile);
}

function name(tile) {
  const top = Math.round(tile.getBoundingClientRect().top);
  replace({ top }, { at: pageOf(tile), hash: tile.id });
}

function replace(state, { at, hash }) {
  const address = new URL(location.href);
  for (const place of ["before", "after", "at"]) address.searchParams.delete(place);
  if (at) address.searchParams.set("at", at);
  address.hash = hash;
  history.replaceState(state, "", address);
}

/** Return the cursor of the page of tiles on which a tile is. */
function pageOf(tile) {
  let row = tile;
  while (row && !row.dataset.at) row = row.previousElementSibling;
  return row?.dataset.at ?? null;
}

/** Return how many pixels the head of the page covers. */
function covered() {
  return document.querySelector("header.site").offsetHeight;
}

function focusedInSight() {
  const tile = document.activeElement.closest("#tiles > .tile");
  const { top, bottom } = tile?.getBoundingClientRect() ?? {};
  return bottom > covered() && top < window.innerHeight ? tile : null;
}

/** Return the first tile that the head of the page does not cover; they stand in the order of their place. */
function firstInSight() {
  const edge = covered();
  const tiles = list.getElementsByClassName("tile");
  let [low, high] = [0, tiles.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (tiles[middle].getBoundingClientRect().bottom > edge) high = middle;
    else low = middle + 1;
  }
  return tiles[low];
}

/** When tiles are added above, what is seen stays where it is; the focus goes from the link to the tiles it brought. */
function keepStillAndFocused() {
  let still = null;
  let focused = null;
  document.addEventListener("htmx:beforeSwap", (event) => {
    const row = event.detail.elt.closest(".more");
    if (!row || !list.contains(row) || !event.detail.shouldSwap) return;
    const [before, after] = [row.previousElementSibling, row.nextElementSibling];
    const hadFocus = row.contains(document.activeElement);
    if (row.querySelector('[rel="prev"]')) {
      const tile = firstInSight();
      still = tile && { tile, top: tile.getBoundingClientRect().top };
      document.documentElement.style.overflowAnchor = "none";
      if (hadFocus) focused = () => after?.previousElementSibling;
    } else if (hadFocus) {
      focused = () => before?.nextElementSibling;
    }
  });
  document.addEventListener("htmx:afterSwap", () => {
    if (still) {
      window.scrollBy({ top: still.tile.getBoundingClientRect().top - still.top, behavior: "instant" });
      document.documentElement.style.overflowAnchor = "";
    }
    if (focused) nearestTile(focused())?.querySelector("a").focus({ preventScroll: Boolean(still) });
    still = focused = null;
  });
}

function nearestTile(row) {
  if (!row || row.classList.contains("tile")) return row;
  return row.nextElementSibling?.classList.contains("tile") ? row.nextElementSibling : row.previousElementSibling;
}
