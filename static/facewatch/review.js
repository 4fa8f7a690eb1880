// The review: shows one possible sighting after the other without a load, keeps the next two at hand, and stores what
// the reviewer answers to each as they saw it. Without this script every answer is a form that is posted. The events
// "shown" and "changed" tell review-faces.js and review-keys.js, which are loaded before, what is looked at.

const root = document.getElementById("review");
/** Cards that are loaded ahead, and those that are kept behind. */
const AHEAD = 2;
const BEHIND = 4;
/** Milliseconds for which an answer can be taken back at a press. */
const UNDO_FOR = 8000;

// Nothing waits: what comes in is shown by a load.
document.getElementById("nothing")?.addEventListener("live", () => location.reload());
if (root) begin();

function begin() {
  const cards = root.querySelector(".cards");
  const said = document.getElementById("said");
  const bar = root.querySelector(".undo-bar");
  const texts = root.dataset;
  /** The alerts in the order in which they are looked at, as far as it is known; where one is, and how far one was. */
  const order = [];
  let at = 0;
  let furthest = 0;
  /** The cards that are there, by alert. */
  const nodes = new Map();
  let moving = null;
  let deciding = false;
  let loading = null;
  let undo = null;

  // One after the other

  const shown = () => nodes.get(order[at]);
  const panelOf = (card) => card?.querySelector(".panel");
  const addressOf = (id) => `${texts.queue}${id}/`;
  const waits = (id) => panelOf(nodes.get(id))?.dataset.status === "open";

  function tellOthers(event) {
    root.dispatchEvent(new CustomEvent(event, { detail: shown() }));
  }

  function say(text) {
    said.textContent = "";
    // What is said twice is heard twice.
    setTimeout(() => {
      said.textContent = text;
    }, 50);
  }

  /** Return what the server has at an address, as an element; null if there is nothing. */
  async function take(address) {
    const answer = await fetch(address, { cache: "no-store" });
    if (answer.redirected) {
      location.reload();
      return null;
    }
    if (answer.status === 204 || answer.status === 404) return null;
    if (!answer.ok) throw new Error(`${address}: ${answer.status}`);
    const template = document.createElement("template");
    template.innerHTML = await answer.text();
    return template.content.firstElementChild;
  }

  /** Keep a card; one that is not looked at is hidden, so that its pictures are there when it is. */
  function keep(card) {
    const id = card.dataset.alert;
    if (nodes.has(id)) return id;
    nodes.set(id, card);
    card.hidden = true;
    if (!card.isConnected) cards.append(card);
    return id;
  }

  /** Come to an alert; while one is on the way to another, nothing happens. `lead` is said before its name. */
  function go(index, how = {}) {
    moving ??= come(index, how).finally(() => {
      moving = null;
    });
    return moving;
  }

  async function come(index, { push = true, lead = "" }) {
    try {
      const id = order[index];
      if (!nodes.has(id)) {
        const card = await take(`${addressOf(id)}?part=card`);
        if (card) keep(card);
      }
      if (!nodes.has(id)) return;
      show(index);
      if (push) history.pushState(null, "", addressOf(id));
      window.scrollTo(0, 0);
      const card = shown();
      card.querySelector("h1").focus({ preventScroll: true });
      say(`${lead} ${card.querySelector("h1").textContent} · ${card.querySelector(".position").textContent}`);
      refreshPosition();
      loadAhead().catch(() => {});
    } catch {
      complain(texts.away);
    }
  }

  function show(index) {
    const before = shown();
    at = index;
    furthest = Math.max(furthest, at);
    const card = shown();
    if (before) before.hidden = true;
    card.hidden = false;
    document.title = card.dataset.title;
    // One that is deleted while it is looked at is told by a load; one that is not yet, or no longer, just goes.
    for (const [id, node] of nodes) {
      const panel = panelOf(node);
      if (id === order[at]) delete panel?.dataset.gone;
      else if (panel) panel.dataset.gone = "remove";
    }
    tellOthers("shown");
    placeUndo();
    const kept = new Set(order.slice(Math.max(0, at - BEHIND)));
    for (const [id, node] of nodes) {
      if (kept.has(id)) continue;
      node.remove();
      nodes.delete(id);
    }
  }

  /** Load the cards that come next; one call at a time. */
  function loadAhead() {
    loading ??= fill().finally(() => {
      loading = null;
    });
    return loading;
  }

  async function fill() {
    while (order.slice(furthest + 1).filter(waits).length < AHEAD) {
      const card = await take(`${addressOf(order.at(-1))}next/?part=card`);
      // Round the queue, and back at one that is at hand.
      if (!card || order.slice(at).includes(card.dataset.alert)) return;
      order.push(keep(card));
    }
  }

  function following() {
    for (let index = at + 1; index < order.length; index += 1) {
      if (index <= furthest || waits(order[index])) return index;
    }
    return -1;
  }

  async function next(lead = "") {
    try {
      if (following() < 0) await loadAhead();
    } catch {
      complain(texts.away);
      return;
    }
    const index = following();
    if (index >= 0) await go(index, { lead });
    else if (waits(order[at])) tell(panelOf(shown()), texts.last);
    else location.assign(texts.queue);
  }

  async function previous() {
    if (at > 0) {
      await go(at - 1);
      return;
    }
    try {
      const card = await take(`${addressOf(order[0])}previous/?part=card`);
      if (!card) {
        if (panelOf(shown())) tell(panelOf(shown()), texts.first);
        return;
      }
      order.unshift(keep(card));
      at += 1;
      furthest += 1;
      await go(0);
    } catch {
      complain(texts.away);
    }
  }

  window.addEventListener("popstate", async () => {
    await moving;
    const index = order.findLastIndex((id) => location.pathname === addressOf(id));
    if (index < 0) location.reload();
    else go(index, { push: false });
  });

  // Answers

  root.addEventListener("submit", (event) => {
    const form = event.target;
    if (!form.matches(".verdict, .undo")) return;
    event.preventDefault();
    if (form.matches(".undo")) {
      takeBack();
      return;
    }
    const data = new FormData(form, event.submitter);
    if (data.get("status")) {
      decide(order[at], { status: data.get("status"), reason: data.get("reason") ?? "", version: data.get("version") });
    }
  });

  /** Send an answer to an alert as it was seen; `typed` is what an answer that is taken back had said. */
  async function decide(id, { status, reason, version, typed = null }) {
    if (deciding) return;
    deciding = true;
    try {
      const card = nodes.get(id);
      // An earlier verdict that was changed cannot be brought back: it was somebody's, at another time.
      const first = panelOf(card)?.dataset.status === "open";
      const answer = await fetch(`${texts.api}${id}/`, {
        method: "PATCH",
        headers: {
          "Content-Type": "application/json",
          "If-Match": `"${version}"`,
          "X-CSRFToken": csrfToken(),
        },
        body: JSON.stringify({ status, reason: reason.trim() }),
      });
      const current = id === order[at];
      if (answer.ok) {
        forgetUndo();
        if (card) await refresh(card, { carry: false, focus: current });
        if (status === "open") await reopened(id, typed);
        else await stored(id, { status, reason }, first);
      } else if (answer.status === 412) {
        if (undo?.id === id) forgetUndo();
        if (card) await refresh(card, { focus: current, notice: texts.stale });
        if (!current) complain(texts.stale);
      } else if (answer.status === 401 || (answer.status === 403 && (await isOver()))) {
        complain(texts.ended);
      } else {
        complain(texts.broken);
      }
    } catch {
      complain(texts.broken);
    } finally {
      deciding = false;
    }
  }

  /** Return the token as it is now: it changes when the user signs in again in another window. */
  function csrfToken() {
    const cookie = document.cookie.match(/(?:^|; )csrftoken=([^;]+)/);
    return cookie?.[1] ?? root.querySelector("[name=csrfmiddlewaretoken]").value;
  }

  async function isOver() {
    return (await fetch(addressOf(order[at]) + "?part=position", { cache: "no-store" })).redirected;
  }

  /** With blindness on the numbers are shown now; without there is nothing new to see, and the next one comes. */
  async function stored(id, answer, first) {
    const panel = panelOf(nodes.get(id));
    if (!panel) return;
    if (first) offerUndo(id, answer);
    if ("blind" in texts) {
      say(panel.dataset.outcome);
      if (id === order[at]) panel.querySelector(".next").focus();
    } else await next(panel.dataset.outcome);
  }

  async function reopened(id, typed) {
    const index = order.lastIndexOf(id);
    if (index >= 0 && index !== at) await go(index);
    const panel = panelOf(shown());
    say(panel.dataset.outcome);
    panel.querySelector("h2").focus({ preventScroll: true });
    if (!typed?.reason) return;
    const fixed = [...panel.querySelectorAll("button[name=reason]")].some((button) => button.value === typed.reason);
    if (typed.status !== "dismissed") write(panel.querySelector("textarea"), typed.reason);
    else if (!fixed) panel.querySelector(".other [name=reason]").value = typed.reason;
  }

  function write(field, text) {
    if (!field || !text) return;
    field.value = text;
    for (let outer = field.closest("details"); outer; outer = outer.parentElement.closest("details")) outer.open = true;
  }

  /** Show the alert as it is now; what was typed is carried over, so that it can be sent again. */
  async function refresh(card, { carry = true, focus = false, notice = "" } = {}) {
    const fresh = await take(`${addressOf(card.dataset.alert)}?part=panel`);
    const panel = panelOf(card);
    if (!fresh || !panel) return;
    const inside = panel.contains(document.activeElement);
    for (const field of carry ? ["textarea", ".other [name=reason]"] : []) {
      write(fresh.querySelector(field), panel.querySelector(field)?.value);
    }
    panel.replaceWith(fresh);
    if (card !== shown()) fresh.dataset.gone = "remove";
    if (notice) tell(fresh, notice, "error");
    if (focus || inside) fresh.querySelector("h2").focus({ preventScroll: true });
    if (undo?.id === card.dataset.alert && undo.version !== fresh.dataset.version) forgetUndo();
    if (card === shown()) tellOthers("changed");
    placeUndo();
  }

  function tell(panel, text, kind = "") {
    panel.querySelector(".message")?.remove();
    const message = document.createElement("p");
    message.className = `message ${kind}`;
    message.setAttribute("role", kind ? "alert" : "status");
    message.textContent = text;
    panel.prepend(message);
  }

  function complain(text) {
    const panel = panelOf(shown());
    if (panel) tell(panel, text, "error");
  }

  // What others do meanwhile: the event does not bubble.
  root.addEventListener(
    "live",
    async ({ target, detail }) => {
      const card = target.closest("[data-alert]");
      try {
        if (target.matches(".position") && card === shown()) await refreshPosition();
        if (!target.matches(".panel") || deciding || Number(detail.version) <= Number(target.dataset.version)) return;
        await refresh(card, { notice: card === shown() ? texts.meanwhile : "" });
      } catch {
        // The answer to what is sent next tells it as well.
      }
    },
    true,
  );

  async function refreshPosition() {
    const card = shown();
    const fresh = await take(`${addressOf(card.dataset.alert)}?part=position`).catch(() => null);
    if (fresh) card.querySelector(".position").replaceWith(fresh);
  }

  // Undo

  function offerUndo(id, typed) {
    const form = document.getElementById("undo-form").content.firstElementChild.cloneNode(true);
    const panel = panelOf(nodes.get(id));
    form.querySelector(".what").textContent = panel.dataset.outcome;
    const until = Date.now() + UNDO_FOR;
    const left = form.querySelector(".left");
    const ticking = setInterval(() => {
      const seconds = Math.ceil((until - Date.now()) / 1000);
      if (seconds > 0) left.textContent = seconds;
      else forgetUndo();
    }, 200);
    undo = { id, typed, form, ticking, version: panel.dataset.version };
    placeUndo();
  }

  /** Put the offer beside the answer that it is about, or below another alert. */
  function placeUndo() {
    const place = undo && undo.id === order[at] && panelOf(shown())?.querySelector(".undo-place");
    if (undo) (place || bar).append(undo.form);
    bar.hidden = !bar.childElementCount;
  }

  function forgetUndo() {
    if (!undo) return;
    clearInterval(undo.ticking);
    const focused = undo.form.contains(document.activeElement);
    undo.form.remove();
    undo = null;
    bar.hidden = true;
    if (focused) (shown().querySelector(".onward .next") ?? shown().querySelector("h1")).focus();
  }

  function takeBack() {
    if (undo) decide(undo.id, { status: "open", reason: "", version: undo.version, typed: undo.typed });
  }

  root.addEventListener("click", (event) => {
    const step = event.target.closest("a.next, a.previous");
    if (!step || event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
    event.preventDefault();
    if (step.matches(".next")) next();
    else previous();
  });

  order.push(keep(cards.firstElementChild));
  show(0);
  history.replaceState(null, "", addressOf(order[0]));
  loadAhead().catch(() => {});
}
