// Buttons that copy a table as text. The clipboard API is missing on some pages, so a text field is copied.
all(".copies").forEach((group) => group.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  const texts = JSON.parse(document.getElementById(group.dataset.texts).textContent);
  const field = Object.assign(document.createElement("textarea"), { value: texts[button.dataset.format], className: "copied" });
  group.append(field);
  field.focus({ preventScroll: true });
  field.select();
  const done = document.execCommand("copy");
  field.remove();
  button.focus();
  group.querySelector("[role=status]").textContent = done ? button.dataset.format + " copied" : "Copying is not allowed here";
}));
