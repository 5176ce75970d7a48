// What follows the first screen: the two methods of the other charts, and the score of the table of shots.
let shownAnswer = null;
const followChoice = (data, { measure, a, b }) => {
  const answer = data.answers[measure];
  const key = (method) => method === null ? null : data.methods[method].key;
  pairShown = { measure, a: key(a), b: key(b) };
  all("figure.chart").forEach((figure) => figure.draw());
  if (answer === shownAnswer) return;
  shownAnswer = answer;
  if (!data.pairs) return;
  const places = (name) => document.querySelector(`[data-block=${name}]`);
  if (places("shots")) putTable(places("shots"), shotsTable(data, measure), data);
};
if (front) {
  choiceListeners.push(followChoice);
  followChoice(...choiceNow());
}
// A pair that is chosen in a table is shown in the first chart.
document.addEventListener("click", (event) => {
  if (event.target.closest(".matrix td a[href*='A=']")) setTimeout(() => document.getElementById("overview").scrollIntoView());
});
