// Keeps the photos of a person fresh while workers are busy with them.
const INTERVAL = 1500;
const section = document.getElementById("enrolments");

async function refresh() {
  try {
    const answer = await fetch(section.dataset.url, { headers: { Accept: "text/html" } });
    if (answer.ok && !answer.redirected) {
      const html = await answer.text();
      if (html !== shown) {
        shown = html;
        section.innerHTML = html;
      }
    }
  } catch {
    // The server is away: the next turn asks again.
  }
}

async function turn() {
  if (!section.querySelector("[data-busy]")) return;
  if (document.visibilityState === "visible") await refresh();
  setTimeout(turn, INTERVAL);
}

let shown = "";
if (section) setTimeout(turn, INTERVAL);
