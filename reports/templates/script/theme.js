// Light and dark: the system preference applies until the reader chooses. Local files may have no storage.
const stored = () => { try { return localStorage.getItem("theme"); } catch (error) { return null; } };
const keep = (value) => { try { localStorage.setItem("theme", value); } catch (error) { /* this visit only */ } };
if (stored()) root.dataset.theme = stored();
document.getElementById("theme").addEventListener("click", () => {
  const system = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  root.dataset.theme = (root.dataset.theme || system) === "dark" ? "light" : "dark";
  keep(root.dataset.theme);
});
