// The statistics of bench.contrasts, for trends without some of the datasets.
const FEWEST = 6;
const LEVEL = 0.05;
const ORDERS = 4000;
const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
const centred = (values) => { const middle = mean(values); return values.map((value) => value - middle); };
const dot = (a, b) => a.reduce((sum, value, index) => sum + value * b[index], 0);
const midRanks = (values) => values.map((value) =>
  values.filter((other) => other < value).length + (values.filter((other) => other === value).length + 1) / 2);

// All orders of up to eight things, random ones of more; the same each time.
const orderCache = new Map();
const ordersOf = (n) => {
  if (orderCache.has(n)) return orderCache.get(n);
  const orders = [];
  const things = Array.from({ length: n }, (_, index) => index);
  if (n <= 8) {
    const arrange = (k) => {
      if (k === n) { orders.push(things.slice()); return; }
      for (let i = k; i < n; i += 1) {
        [things[k], things[i]] = [things[i], things[k]];
        arrange(k + 1);
        [things[k], things[i]] = [things[i], things[k]];
      }
    };
    arrange(0);
  } else {
    let state = 20240615;
    const uniform = () => {  // mulberry32
      state = (state + 0x6D2B79F5) | 0;
      let t = Math.imul(state ^ (state >>> 15), 1 | state);
      t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
      return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
    };
    for (let drawn = 0; drawn < ORDERS; drawn += 1) {
      for (let i = n - 1; i > 0; i -= 1) {
        const j = Math.floor(uniform() * (i + 1));
        [things[i], things[j]] = [things[j], things[i]];
      }
      orders.push(things.slice());
    }
  }
  orderCache.set(n, orders);
  return orders;
};

const correlate = (x, y) => {
  const n = x.length;
  if (n < 3) return null;
  const a = centred(midRanks(x));
  const b = centred(midRanks(y));
  const norm = Math.sqrt(dot(a, a) * dot(b, b));
  if (norm === 0) return null;
  const rho = dot(a, b) / norm;
  const orders = ordersOf(n);
  const bar = Math.abs(rho) * norm - 1e-9;
  let beyond = 0;
  for (const order of orders) {
    let sum = 0;
    for (let i = 0; i < n; i += 1) sum += a[i] * b[order[i]];
    if (Math.abs(sum) >= bar) beyond += 1;
  }
  return { rho, n, p: n <= 8 ? beyond / orders.length : (1 + beyond) / (orders.length + 1) };
};

// Least squares, and whether it predicts a dataset from the others better than their mean does.
const fitLine = (x, y) => {
  const n = x.length;
  if (n < 3) return null;
  const a = centred(x);
  const squares = dot(a, a);
  if (squares === 0) return null;
  const slope = dot(a, y) / squares;
  const intercept = mean(y) - slope * mean(x);
  const middle = mean(y);
  let missed = 0;
  let plain = 0;
  for (let i = 0; i < n; i += 1) {
    const leverage = 1 / n + a[i] * a[i] / squares;
    if (leverage >= 1 - 1e-9) continue;
    missed += ((y[i] - intercept - slope * x[i]) / (1 - leverage)) ** 2;
    plain += ((y[i] - middle) * n / (n - 1)) ** 2;
  }
  return { slope, intercept, conclusive: n >= FEWEST && plain > 0 && 1 - missed / plain > 0 };
};

const holm = (values) => {
  const order = values.map((_, index) => index).sort((a, b) => values[a] - values[b]);
  const adjusted = new Array(values.length);
  let highest = 0;
  order.forEach((index, place) => {
    highest = Math.max(highest, Math.min(1, values[index] * (values.length - place)));
    adjusted[index] = highest;
  });
  return adjusted;
};
