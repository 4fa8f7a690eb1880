// Names Django's autocomplete widgets as the fields that they belong to are named: their search has no name at all, and
// their choice none until something is chosen.
function name() {
  for (const widget of document.querySelectorAll(".select2-container")) {
    const select = widget.previousElementSibling;
    const label = select?.id && document.querySelector(`label[for="${CSS.escape(select.id)}"]`);
    if (!label) continue;
    label.id ||= `label-of-${select.id}`;
    const chosen = widget.querySelector(".select2-selection__rendered");
    for (const part of widget.querySelectorAll('[role="combobox"], [role="textbox"], .select2-search__field')) {
      const names = part.matches(".select2-search__field") || !chosen?.id ? label.id : `${label.id} ${chosen.id}`;
      if (part.getAttribute("aria-labelledby") !== names) part.setAttribute("aria-labelledby", names);
    }
  }
}

new MutationObserver(name).observe(document.body, { childList: true, subtree: true });
name();
