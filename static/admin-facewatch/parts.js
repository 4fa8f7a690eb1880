// Takes parts of an admin page anew when live.js says that they changed; htmx is not loaded in the admin.
// A part has data-live and data-version for live.js, and in data-part the address to ask.

/** Milliseconds until a part is asked for again that could not be had. */
const AGAIN = 5000;

async function refresh(part, version) {
  part.setAttribute("aria-busy", "true");
  try {
    const answer = await fetch(part.dataset.part, { headers: { Accept: "text/html" }, cache: "no-store" });
    // Signed out, or gone: the page itself says so.
    if (answer.redirected || answer.status === 403 || answer.status === 404) {
      location.reload();
      return;
    }
    if (!answer.ok) throw new Error(answer.statusText);
    show(part, await answer.text());
    part.dataset.version = version;
  } catch {
    setTimeout(refresh, AGAIN, part, version);
  } finally {
    part.removeAttribute("aria-busy");
  }
}

/** Put the new state in place; the focus stays on what has the same id, or goes to the part's heading. */
function show(part, html) {
  const active = document.activeElement;
  const focused = part.contains(active) ? active.id : null;
  part.innerHTML = html;
  if (focused === null) return;
  const again = (focused && document.getElementById(focused)) || part.querySelector("h2[tabindex]");
  again?.focus({ preventScroll: true });
}

for (const part of document.querySelectorAll("[data-live][data-part]")) {
  part.addEventListener("live", (event) => refresh(part, event.detail.version));
}
