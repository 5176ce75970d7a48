// Buttons that save a chart as SVG or PNG: as it is shown now, in light colours on white, with its styles inside.
const SAVED_STYLES = ["fill", "fill-opacity", "stroke", "stroke-width", "stroke-opacity", "stroke-dasharray", "stroke-linecap", "stroke-linejoin", "opacity", "paint-order", "font-family", "font-size", "font-weight", "font-style", "text-anchor"];
const PNG_ZOOM = 3;  // px of a saved PNG per px of the chart
const inLightColours = (work) => {
  const chosen = root.dataset.theme;
  root.dataset.theme = "light";
  try { return work(); } finally {
    if (chosen) root.dataset.theme = chosen;
    else delete root.dataset.theme;
  }
};
const savedSvg = (svg) => inLightColours(() => {
  const copy = svg.cloneNode(true);
  const box = svg.viewBox.baseVal;
  const [width, height] = box && box.width ? [box.width, box.height] : [svg.clientWidth, svg.clientHeight];
  const copies = [copy, ...all("*", copy)];
  [svg, ...all("*", svg)].forEach((node, index) => {
    const style = getComputedStyle(node);
    copies[index].setAttribute("style", SAVED_STYLES.map((name) => `${name}:${style.getPropertyValue(name)}`).join(";"));
    copies[index].removeAttribute("class");
  });
  copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  copy.setAttribute("width", width);
  copy.setAttribute("height", height);
  const paper = document.createElementNS("http://www.w3.org/2000/svg", "rect");
  Object.entries({ x: box.x, y: box.y, width, height, fill: "#fff" }).forEach(([name, value]) => paper.setAttribute(name, value));
  copy.prepend(paper);
  return { text: new XMLSerializer().serializeToString(copy), width, height };
});
const savedPng = ({ text, width, height }) => new Promise((done, failed) => {
  const image = new Image();
  image.onload = () => {
    const canvas = element("canvas", { width: PNG_ZOOM * width, height: PNG_ZOOM * height });
    canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
    canvas.toBlob(done, "image/png");
  };
  image.onerror = () => failed(new Error("The chart cannot be saved as PNG."));
  image.src = "data:image/svg+xml;charset=utf-8," + encodeURIComponent(text);
});
const download = (blob, name) => {
  const link = element("a", { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
};
// `svgOf` returns the chart at the time of the click.
const saveButtons = (svgOf, name) => {
  const save = (format) => {
    const saved = savedSvg(svgOf());
    const made = format === "SVG" ? Promise.resolve(new Blob([saved.text], { type: "image/svg+xml" })) : savedPng(saved);
    made.then((blob) => download(blob, `${name}.${format.toLowerCase()}`));
  };
  return element("div", { className: "save", role: "group", ariaLabel: "Save the chart" }, "Save: ", ...["SVG", "PNG"].map((format) => button(format, () => save(format))));
};
