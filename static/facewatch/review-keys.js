// The keys of the review. Each presses a button that is on the page as well; a switch turns the single ones off
// (WCAG 2.1.4), for those who speak to their computer or press keys by accident.

const root = document.getElementById("review");
const help = document.getElementById("keys-help");
const STORE = "facewatch-keys";
let card = null;

document.documentElement.classList.add("scripts");

function keysAct() {
  try {
    return localStorage.getItem(STORE) !== "off";
  } catch {
    return true;
  }
}

function showKeys() {
  document.documentElement.classList.toggle("keys-on", keysAct());
  for (const box of root.querySelectorAll("[data-keys-switch]")) box.checked = keysAct();
}

function isTyping(element) {
  return element.matches("input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]");
}

function press(selector) {
  return () => card.querySelector(selector)?.click();
}

/** Open the reasons, and come to the first of them; or close them. */
function askWhy() {
  const reasons = card.querySelector(".panel[data-status=open] .different");
  if (!reasons) return;
  reasons.open = !reasons.open;
  reasons.querySelector(reasons.open ? "button" : "summary").focus();
}

/** Give a reason by its number; the last one is to be written. */
function giveReason(reasons, number) {
  const fixed = reasons.querySelectorAll("button[name=reason]");
  if (fixed[number - 1]) fixed[number - 1].click();
  else if (number === fixed.length + 1) reasons.querySelector(".other [name=reason]").focus();
}

const ACTS = {
  j: press("a.step.next"),
  k: press("a.step.previous"),
  c: press(".panel[data-status=open] [value=confirmed]"),
  u: press(".panel[data-status=open] [value=unsure]"),
  d: askWhy,
  z: () => root.dispatchEvent(new CustomEvent("zoom")),
  "?": () => help.showModal(),
};

/** Do what a single key stands for; return whether it stands for something. */
function act(key) {
  const reasons = card.querySelector(".different[open]");
  if (reasons && /^[1-9]$/.test(key)) giveReason(reasons, Number(key));
  else if (key in ACTS) ACTS[key]();
  else return false;
  return true;
}

function listen(event) {
  if (event.isComposing || help.open) return;
  const reasons = card.querySelector(".different[open]");
  if (event.key === "Escape" && reasons) {
    reasons.open = false;
    reasons.querySelector("summary").focus();
  }
  if (isTyping(event.target)) return;
  const undo = root.querySelector(".undo button");
  if (event.key === "z" && (event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey && undo) {
    event.preventDefault();
    undo.click();
  }
  if (event.ctrlKey || event.altKey || event.metaKey || event.repeat) return;
  // To type a question mark takes Shift on most keyboards; the letters do not.
  if ((event.shiftKey && event.key !== "?") || !keysAct()) return;
  if (act(event.key.toLowerCase())) event.preventDefault();
}

root?.addEventListener("shown", ({ detail }) => {
  card?.querySelector(".different[open]")?.removeAttribute("open");
  card = detail;
  showKeys();
});
root?.addEventListener("click", (event) => {
  if (event.target.closest("[data-help]")) help.showModal();
});
root?.addEventListener("change", (event) => {
  if (!event.target.matches("[data-keys-switch]")) return;
  try {
    localStorage.setItem(STORE, event.target.checked ? "on" : "off");
  } catch {
    // Nothing can be kept: the switch goes back to what holds.
  }
  showKeys();
});
if (root) document.addEventListener("keydown", listen);
