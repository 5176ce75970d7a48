// What follows the first screen: the two methods of the other charts, and what is shown for the chosen score.
const followChoice = (data, { measure, a, b }) => {
  const key = (method) => method === null ? null : data.methods[method].key;
  pairShown = { measure, a: key(a), b: key(b) };
  all("figure.chart").forEach((node) => node.draw());
};
if (front) {
  choiceListeners.push(followChoice);
  followChoice(...choiceNow());
}
// A pair that is chosen in a table is shown in the first chart.
document.addEventListener("click", (event) => {
  if (event.target.closest(".matrix td a[href*='A=']")) setTimeout(() => document.getElementById("overview").scrollIntoView());
});
