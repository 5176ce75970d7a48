// What follows the first chart: the two methods of the charts of shots, and the score of their table.
let shownAnswer = null;
const followHero = (data, { measure, a, b }) => {
  const answer = data.answers[measure];
  const key = (method) => method === null ? null : data.methods[method].key;
  pairOfShots = { measure, a: key(a), b: key(b) };
  const figure = document.querySelector("figure[data-kind=shots]");
  if (figure) figure.querySelector(".picture").innerHTML = drawChart("shots", data);
  if (answer === shownAnswer) return;
  shownAnswer = answer;
  if (!data.pairs) return;
  const places = (name) => document.querySelector(`[data-block=${name}]`);
  if (places("shots")) putTable(places("shots"), shotsTable(data, measure), data);
};
if (hero) {
  heroListeners.push(followHero);
  followHero(...heroChoice());
}
// A pair that is chosen in a table is shown in the first chart.
document.addEventListener("click", (event) => {
  if (event.target.closest(".matrix td a[href*='A=']")) setTimeout(() => document.getElementById("overview").scrollIntoView());
});
