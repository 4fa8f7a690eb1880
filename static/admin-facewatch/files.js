// A file field that also takes what is dropped on it, and lists what will be sent, with pictures; files that would be
// refused are named with the reason and left out. All words come from the field's attributes.

function files(input) {
  const { dropText, removeText, clearText, countText, largeText, typeText, mostText, limit, most } = input.dataset;
  const accepted = input.accept.split(",").map((one) => one.trim().toLowerCase());
  const several = input.multiple;
  let chosen = [];
  let refused = [];
  let pictures = [];

  const zone = make("div", "fw-drop");
  const hint = make("span", "fw-quiet fw-drop-hint", dropText);
  const list = make("ul", "fw-files");
  const count = make("p", "fw-quiet");
  count.setAttribute("role", "status");
  const clear = make("button", "button fw-plain", clearText);
  clear.type = "button";
  clear.hidden = true;
  input.replaceWith(zone);
  zone.append(input, hint, count, list, clear);

  input.addEventListener("change", () => add([...input.files]));
  clear.addEventListener("click", () => {
    chosen = [];
    refused = [];
    update();
    input.focus();
  });
  for (const type of ["dragenter", "dragover"]) {
    zone.addEventListener(type, (event) => {
      event.preventDefault();
      zone.classList.add("over");
    });
  }
  for (const type of ["dragleave", "drop"]) zone.addEventListener(type, () => zone.classList.remove("over"));
  zone.addEventListener("drop", (event) => {
    event.preventDefault();
    add([...event.dataTransfer.files]);
  });

  function add(files) {
    refused = [];
    if (!several && files.length) chosen = [];
    for (const file of files) {
      const fault = wrong(file);
      if (fault) refused.push([file, fault]);
      else if (!chosen.some((other) => same(other, file))) chosen.push(file);
    }
    update();
  }

  function wrong(file) {
    const fits = accepted.some((one) => one === file.type || (one.startsWith(".") && file.name.toLowerCase().endsWith(one)));
    if (!fits) return typeText;
    if (file.size > Number(limit)) return largeText.replace("LIMIT", Math.floor(Number(limit) / 1e6));
    if (chosen.length >= Number(most)) return mostText.replace("LIMIT", most);
    return "";
  }

  function update() {
    const transfer = new DataTransfer();
    for (const file of chosen) transfer.items.add(file);
    input.files = transfer.files;
    for (const picture of pictures) URL.revokeObjectURL(picture);
    pictures = [];
    list.replaceChildren(...chosen.map(row), ...refused.map(([file, fault]) => refusal(file, fault)));
    count.textContent = chosen.length ? countText.replace("COUNT", chosen.length) : "";
    clear.hidden = !several || chosen.length + refused.length < 2;
  }

  function row(file, place) {
    const item = make("li");
    if (file.type.startsWith("image/")) {
      const picture = make("img", "fw-thumbnail");
      picture.alt = "";
      picture.loading = "lazy";
      picture.decoding = "async";
      picture.src = URL.createObjectURL(file);
      pictures.push(picture.src);
      item.append(picture);
    }
    const remove = make("button", "button fw-plain", "×");
    remove.type = "button";
    remove.setAttribute("aria-label", removeText.replace("NAME", file.name));
    remove.addEventListener("click", () => {
      chosen.splice(chosen.indexOf(file), 1);
      update();
      (list.querySelectorAll("button")[Math.min(place, chosen.length - 1)] ?? input).focus();
    });
    item.append(make("span", "fw-file-name", file.name), make("span", "fw-quiet", size(file)), remove);
    return item;
  }

  function refusal(file, fault) {
    const item = make("li", "fw-error");
    item.setAttribute("role", "alert");
    item.append(make("span", "fw-file-name", `${file.name}: ${fault}`));
    return item;
  }

  // The browser keeps the choice of a page that is gone back to.
  if (input.files.length) add([...input.files]);
}

function same(one, other) {
  return one.name === other.name && one.size === other.size && one.lastModified === other.lastModified;
}

function size(file) {
  const form = { style: "unit", unit: file.size < 1e6 ? "kilobyte" : "megabyte", maximumFractionDigits: 1 };
  return (file.size / (file.size < 1e6 ? 1e3 : 1e6)).toLocaleString(document.documentElement.lang || undefined, form);
}

function make(tag, classes = "", text = "") {
  const element = document.createElement(tag);
  element.className = classes;
  element.textContent = text;
  return element;
}

for (const input of document.querySelectorAll('input[type="file"][data-files]')) files(input);

// What takes long says so.
for (const status of document.querySelectorAll("[data-sending]")) {
  status.closest("form").addEventListener("submit", () => {
    status.textContent = status.dataset.sending;
  });
}
