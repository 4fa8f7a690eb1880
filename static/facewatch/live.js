// What htmx cannot know when it asks for the state of a photo: that the user was signed out, or the photo deleted.

document.addEventListener("htmx:beforeSwap", (event) => {
  const { xhr, pathInfo } = event.detail;
  const asked = new URL(pathInfo.requestPath, location.href).pathname;
  if (xhr.responseURL && new URL(xhr.responseURL).pathname !== asked) {
    // The answer is the sign-in page, not a photo.
    event.detail.shouldSwap = false;
    location.reload();
  }
});

document.addEventListener("htmx:responseError", (event) => {
  const { elt, xhr } = event.detail;
  if (xhr.status !== 404) return; // anything else may be over by the next time
  if (elt.matches(".tile")) elt.remove();
  else location.reload();
});
