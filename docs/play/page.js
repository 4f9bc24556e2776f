"use strict";
// The page: drawing, what is shown of the networks, and what can be chosen. The numbers come from
// network.js, the drawing's form from drawing.js, the networks' list and the example digits from
// contents.js and examples.js.

const PAPER = 280; // pixels of the paper's side
const PEN = 22;
const PLACES = 28; // of the keyboard's cursor in a row
const WAIT = 120; // milliseconds after the last stroke until the networks look
const DIGITS = [...Array(CLASSES).keys()];
const GAP = [8, 10, 14]; // between units
const DARK = [30, 35, 45]; // of a silent unit, and what an active one turns to
const BLUE = [125, 190, 255];
const ORANGE = [255, 166, 64];

const at = (id) => document.getElementById(id);
const exampleImages = split(bytesOf(EXAMPLES.images), IMAGE_SIDE ** 2);
// image: 784 bytes, or null for a blank paper. label: of an example, else null.
const shown = { image: null, label: null, example: -1 };
const found = new Map(); // by a network's id what it makes of the image
const wholeAccuracy = new Map(); // by a network's id its accuracy per class with all its units
let asked = 0; // counts the accuracies asked for, so that only the last one is shown

function split(bytes, size) {
  return Array.from({ length: bytes.length / size }, (_, i) => bytes.slice(i * size, (i + 1) * size));
}

/** An element with properties and children: elements, or text. */
function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

function percent(share) {
  return `${Math.round(100 * share)} %`;
}

// --- Networks: loading and choosing ---------------------------------------------------------

/** The snapshot of a network that is looked at, as the list has it. */
function wanted(entry) {
  return entry.snapshots.find(({ epoch }) => epoch === epochShown.get(entry.id)) ?? entry.snapshots.at(-1);
}

/** A network's name, and the epoch where it is looked at during its training. */
function titleOf(entry) {
  const { epoch } = wanted(entry);
  return epoch === entry.snapshots.at(-1).epoch ? entry.name : `${entry.name}, epoch ${epoch}`;
}

function sizeOf(entry) {
  return `${(wanted(entry).bytes / 1e6).toFixed(1)} MB`;
}

/** Load the snapshot of a network that is looked at, and show what it answers. */
function load(entry) {
  const { file } = wanted(entry);
  if (shownSnapshot(entry.id) || entry.loading === file) return;
  entry.loading = file;
  const script = element("script", { src: file });
  script.onload = () => {
    if (entry.loading === file) entry.loading = null;
    nameOptions();
    lookAgain();
    if (at("ensemble-network").value === entry.id) renderAccuracy();
  };
  script.onerror = () => {
    if (entry.loading === file) entry.loading = null;
    entry.failed = file;
    render();
  };
  entry.failed = null;
  document.head.append(script);
  render();
}

function entryOf(id) {
  return NETWORKS.find((entry) => entry.id === id);
}

function fillSelect(id, pairs) {
  const select = at(id);
  const before = select.value;
  select.replaceChildren(...pairs.map(([value, text]) => element("option", { value, textContent: text })));
  if (pairs.some(([value]) => String(value) === before)) select.value = before;
}

/** The names in the lists of networks, with the size where one has yet to be loaded. */
function nameOptions() {
  const kinds = { "twins-network": "twins", "goodness-network": "goodness", "ensemble-network": "" };
  for (const [id, kind] of Object.entries(kinds)) {
    const entries = NETWORKS.filter((entry) => !kind || entry.kind === kind);
    const nameOf = (e) => (shownSnapshot(e.id) ? titleOf(e) : `${titleOf(e)} (loads ${sizeOf(e)})`);
    fillSelect(id, entries.map((entry) => [entry.id, nameOf(entry)]));
  }
}

// --- What is computed --------------------------------------------------------------------------

/** What the box says is silenced in the chosen network: {layer, units}; null for nothing. */
function silencedIn(id) {
  if (!at("silence").checked || at("ensemble-network").value !== id) return null;
  return { layer: chosenLayer(), units: chosenMembers() };
}

function chosenLayer() {
  return Number(at("ensemble-layer").value);
}

function chosenClass() {
  return Number(at("ensemble-class").value);
}

function chosenMembers() {
  return ensembleOf(shownSnapshot(at("ensemble-network").value), chosenLayer(), chosenClass());
}

/** Let every loaded network look at the image, and show all of it. */
function lookAgain() {
  found.clear();
  chooseLayers();
  for (const { id } of NETWORKS) {
    const network = shownSnapshot(id);
    if (network && shown.image) found.set(id, look(network, shown.image, silencedIn(id)));
  }
  render();
}

function show(image, label) {
  Object.assign(shown, { image, label });
  lookAgain();
}

// --- What is shown -----------------------------------------------------------------------------

function render() {
  renderDigit();
  NETWORKS.forEach(renderCard);
  renderTold();
  renderTwins();
  renderGoodness();
  renderEnsemble();
}

function renderDigit() {
  const pen = at("seen").getContext("2d");
  const size = at("seen").width / IMAGE_SIDE;
  pen.clearRect(0, 0, at("seen").width, at("seen").height);
  shown.image?.forEach((value, i) => inkPixel(pen, value, i, size));
  const kinds = [
    [!shown.image, "The paper is blank: draw a digit."],
    [shown.label === null, "This is your drawing."],
    [true, `This is an example digit. It is a ${shown.label}.`],
  ];
  at("label").textContent = kinds.find(([holds]) => holds)[1];
}

function inkPixel(pen, value, i, size) {
  pen.fillStyle = `rgb(0 0 0 / ${value / 255})`;
  pen.fillRect((i % IMAGE_SIDE) * size, Math.floor(i / IMAGE_SIDE) * size, size, size);
}

function makeCards() {
  for (const entry of NETWORKS) {
    const button = element("button", { type: "button", textContent: `Load ${entry.name} (${sizeOf(entry)})` });
    button.onclick = () => load(entry);
    const bars = element("ol", { className: "bars" });
    for (const label of DIGITS) {
      const room = element("span", { className: "room" }, element("span", { className: "bar" }));
      bars.append(element("li", {}, room, String(label), element("span", { className: "unseen" })));
    }
    const title = element("h3", { textContent: entry.name, id: `card-${entry.id}` });
    const answer = element("p", { className: "answer" });
    const card = element("article", { className: "card" }, title, answer, button, bars);
    card.setAttribute("aria-labelledby", title.id);
    entry.card = { card, title, answer, button, bars };
    at("answers").append(card);
  }
}

function renderCard(entry) {
  const { card, title, answer, button, bars } = entry.card;
  title.textContent = titleOf(entry);
  const loaded = shownSnapshot(entry.id);
  const view = found.get(entry.id);
  button.hidden = Boolean(loaded || entry.loading);
  bars.hidden = !loaded;
  card.classList.toggle("silenced", Boolean(loaded && silencedIn(entry.id)));
  answer.replaceChildren(...answerWords(entry, view));
  const chosen = view ? answerOf(view.probabilities) : -1;
  [...bars.children].forEach((item, label) => {
    const share = view ? view.probabilities[label] : 0;
    item.classList.toggle("chosen", label === chosen);
    item.querySelector(".bar").style.height = `${100 * share}%`;
    item.title = `${label}: ${percent(share)}`;
    item.querySelector(".unseen").textContent = `: ${percent(share)}`;
  });
}

/** The sentence of a card: text and elements. */
function answerWords(entry, view) {
  const { file } = wanted(entry);
  if (entry.failed === file) return ["It could not be loaded."];
  if (entry.loading === file) return ["It is being loaded …"];
  if (!shownSnapshot(entry.id)) return ["It is not loaded yet."];
  if (!view) return ["It waits for a digit."];
  const answer = answerOf(view.probabilities);
  const words = [
    "It answers ",
    element("strong", { textContent: answer }),
    ` (${percent(view.probabilities[answer])})`,
  ];
  if (shown.label !== null) {
    const right = answer === shown.label;
    const text = right ? "right" : `wrong: a ${shown.label}`;
    words.push(", ", element("span", { className: right ? "right" : "wrong", textContent: text }));
  }
  if (silencedIn(entry.id)) words.push(", with units silenced");
  return [...words, "."];
}

/** All answers in one sentence, for those who cannot see the bars. */
function renderTold() {
  const answers = NETWORKS.filter(({ id }) => found.has(id)).map(
    (entry) => `${titleOf(entry)}: ${answerOf(found.get(entry.id).probabilities)}`,
  );
  const text = answers.length ? `Answers: ${answers.join("; ")}.` : "";
  if (at("told").textContent !== text) at("told").textContent = text;
}

/** A square of units on a canvas, brighter where more active; members are outlined. */
function drawUnits(canvas, activations, largest, members = null) {
  const pen = canvas.getContext("2d");
  const side = Math.ceil(Math.sqrt(activations.length));
  const size = canvas.width / side;
  pen.fillStyle = `rgb(${GAP.join(" ")})`;
  pen.fillRect(0, 0, canvas.width, canvas.height);
  activations.forEach((activation, unit) => {
    const part = largest > 0 ? Math.min(1, activation / largest) ** 0.6 : 0; // weak ones are seen too
    const bright = members && !members[unit] ? BLUE : ORANGE;
    const colour = DARK.map((dark, i) => Math.round(dark + part * (bright[i] - dark)));
    const [x, y] = [(unit % side) * size, Math.floor(unit / side) * size];
    pen.fillStyle = `rgb(${colour.join(" ")})`;
    pen.fillRect(x + 0.5, y + 0.5, size - 1, size - 1);
    if (members?.[unit]) {
      pen.strokeStyle = `rgb(${ORANGE.join(" ")})`;
      pen.strokeRect(x + 1, y + 1, size - 2, size - 2);
    }
  });
}

function silent(layer) {
  return new Float64Array(layer.units);
}

function largestOf(...layers) {
  return Math.max(...layers.map((layer) => Math.max(...layer)));
}

function activeOf(activations) {
  return `${activations.filter((a) => a > 0).length} of ${activations.length} units are active`;
}

/** A figure of a layer's units with its caption. */
function unitsFigure(name, pixels, activations, largest) {
  const canvas = element("canvas", { className: "units", width: pixels, height: pixels });
  const text = `${name}: ${activeOf(activations)}`;
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", text);
  drawUnits(canvas, activations, largest);
  return element("figure", {}, canvas, element("figcaption", { textContent: text }));
}

/** What a section says of a network that is not there yet. */
function waiting(id) {
  const entry = entryOf(id);
  const text = entry.failed === wanted(entry).file ? "The network could not be loaded." : "The network is being loaded …";
  return element("p", { textContent: text });
}

/** The slider has a place for each snapshot of the chosen twins; with one alone there is none. */
function renderEpochs(id) {
  const { snapshots: listed } = entryOf(id);
  const slider = at("twins-epoch");
  const place = listed.indexOf(wanted(entryOf(id)));
  at("twins-epochs").hidden = listed.length < 2;
  Object.assign(slider, { min: 0, max: listed.length - 1, value: place });
  const { epoch } = listed[place];
  const text = epoch === 0 ? "before training" : `after epoch ${epoch} of ${listed.at(-1).epoch}`;
  slider.setAttribute("aria-valuetext", text);
  at("twins-epoch-told").textContent = text;
}

/** Look at the chosen twins at another epoch of their training, everywhere on the page. */
function epochChosen() {
  const entry = entryOf(at("twins-network").value);
  epochShown.set(entry.id, entry.snapshots[Number(at("twins-epoch").value)].epoch);
  wholeAccuracy.delete(entry.id);
  load(entry);
  nameOptions();
  lookAgain();
  if (at("ensemble-network").value === entry.id) renderAccuracy();
}

function renderTwins() {
  const id = at("twins-network").value;
  renderEpochs(id);
  const network = shownSnapshot(id);
  if (!network) return at("twins").replaceChildren(waiting(id));
  const hiddenLayers = network.stacks[0].slice(0, -1);
  const twins = found.get(id)?.hidden ?? network.stacks.map(() => hiddenLayers.map(silent));
  const layers = hiddenLayers.map((_, k) => {
    const largest = largestOf(...twins.map((layersOfTwin) => layersOfTwin[k]));
    const figures = ["First twin", "Second twin"].map((name, twin) =>
      unitsFigure(name, 160, twins[twin][k], largest),
    );
    return element("fieldset", {}, element("legend", { textContent: `Layer ${k + 1}` }), ...figures);
  });
  return at("twins").replaceChildren(...layers);
}

function renderGoodness() {
  const id = at("goodness-network").value;
  const network = shownSnapshot(id);
  at("goodness-units").replaceChildren();
  if (!network) return at("goodness").replaceChildren(waiting(id));
  const view = found.get(id);
  const layers = network.stacks[0];
  const goodness = view?.goodness ?? layers.map(() => new Float64Array(CLASSES));
  const label = labelWritten(view);
  const mean = goodness[0].map((_, c) => goodness.reduce((sum, g) => sum + g[c], 0) / layers.length);
  const columns = [
    ...goodness.map((values, k) => [`layer ${k + 1}`, values]),
    ["mean", mean],
    ["score", view?.probabilities ?? new Float64Array(CLASSES)],
  ];
  const head = ["label", ...columns.map(([name]) => name)];
  const rows = DIGITS.map((c) => columns.map(([, values]) => [values[c].toFixed(2), values[c] / (largestOf(values) || 1)]));
  const answer = view ? answerOf(view.probabilities) : -1;
  at("goodness").replaceChildren(tableOf("Goodness of each label; the answer is marked", head, rows, answer));
  layers.forEach((layer, k) => {
    const activations = view?.hidden[label][k] ?? silent(layer);
    at("goodness-units").append(unitsFigure(`Layer ${k + 1}`, 224, activations, largestOf(activations)));
  });
  return undefined;
}

/** The label in the image of which the units are shown: the chosen one, else the answer. */
function labelWritten(view) {
  const chosen = at("goodness-label").value;
  return chosen !== "" ? Number(chosen) : view ? answerOf(view.probabilities) : 0;
}

/** A table with one row a class. rows: of cells [text, part of the largest]. */
function tableOf(caption, head, rows, chosen) {
  const headCells = head.map((text) => element("th", { scope: "col", textContent: text }));
  const bodyRows = rows.map((cells, label) => {
    const row = element("tr", { className: label === chosen ? "chosen" : "" });
    row.append(element("th", { scope: "row", textContent: label }));
    for (const [text, part] of cells) {
      const cell = element("td", { className: "shaded", textContent: text });
      cell.style.setProperty("--part", percent(part).replace(" ", ""));
      row.append(cell);
    }
    return row;
  });
  return element(
    "table", {},
    element("caption", { textContent: caption }),
    element("thead", {}, element("tr", {}, ...headCells)),
    element("tbody", {}, ...bodyRows),
  );
}

// --- Ensembles ---------------------------------------------------------------------------------

/** As many layers to choose from as the chosen network has. */
function chooseLayers() {
  const network = shownSnapshot(at("ensemble-network").value);
  if (network) fillSelect("ensemble-layer", network.ensembles.map((_, k) => [k, k + 1]));
}

function renderEnsemble() {
  const id = at("ensemble-network").value;
  const network = shownSnapshot(id);
  at("ensemble-units").hidden = !network;
  if (!network) return at("ensemble-told").replaceChildren(waiting(id));
  const members = chosenMembers();
  const activations = ensembleActivations(id, network);
  drawUnits(at("ensemble-units"), activations, largestOf(activations), members);
  const text = ensembleWords(activations, members);
  at("ensemble-units").setAttribute("aria-label", text);
  at("ensemble-told").textContent = text;
  return undefined;
}

/** Of the network that predicts; where a label is written into the image, with its answer. */
function ensembleActivations(id, network) {
  const view = found.get(id);
  if (!view) return silent(network.stacks[0][chosenLayer()]);
  return view.hidden[network.kind === "goodness" ? answerOf(view.probabilities) : 0][chosenLayer()];
}

function ensembleWords(activations, members) {
  const own = activations.filter((_, unit) => members[unit]);
  const others = activations.filter((_, unit) => !members[unit]);
  const meanOf = (values) => values.reduce((sum, v) => sum + v, 0) / (values.length || 1);
  const size = `The ensemble of class ${chosenClass()} has ${own.length} of ${members.length} units.`;
  if (!shown.image) return size;
  if (at("silence").checked) return `${size} They are silenced. In the whole layer ${activeOf(activations)}.`;
  return (
    `${size} For this digit ${own.filter((a) => a > 0).length} of them are active; their mean ` +
    `activation is ${meanOf(own).toFixed(3)}, that of the other units ${meanOf(others).toFixed(3)}.`
  );
}

/** Ask for the accuracy on the examples with and without the ensemble; the last one asked is shown. */
async function renderAccuracy() {
  const mine = ++asked;
  const id = at("ensemble-network").value;
  const network = shownSnapshot(id);
  at("accuracy").replaceChildren();
  at("accuracy-told").textContent = network ? "The example digits are being counted …" : "";
  if (!network) return;
  const silenced = { layer: chosenLayer(), units: chosenMembers() };
  // The page stays alive in between; what is no longer asked for ends there.
  const pause = () =>
    new Promise((go, stop) => setTimeout(() => (mine === asked ? go() : stop(new Error("no longer asked for")))));
  const count = (units) => classAccuracy(network, exampleImages, EXAMPLES.labels, units, pause);
  try {
    if (!wholeAccuracy.has(id)) wholeAccuracy.set(id, await count(null));
    showAccuracy(titleOf(entryOf(id)), wholeAccuracy.get(id), await count(silenced));
  } catch (error) {
    if (mine === asked) throw error;
  }
}

function showAccuracy(name, whole, without) {
  const meanOf = (values) => values.reduce((sum, v) => sum + v, 0) / CLASSES;
  const label = chosenClass();
  at("accuracy-told").textContent =
    `${name} gets ${percent(meanOf(whole))} of the 100 example digits right, and ` +
    `${percent(meanOf(without))} without this ensemble. Of the ten of class ${label} it gets ` +
    `${percent(whole[label])}, and ${percent(without[label])}.`;
  const rows = DIGITS.map((c) => [whole[c], without[c]].map((share) => [percent(share), share]));
  const head = ["class", "whole network", "ensemble silenced"];
  at("accuracy").replaceChildren(tableOf("Right among ten examples of each class", head, rows, label));
}

function ensembleChosen() {
  const entry = entryOf(at("ensemble-network").value);
  load(entry);
  lookAgain();
  renderAccuracy();
}

// --- Drawing -----------------------------------------------------------------------------------

const paper = at("paper");
const pen = paper.getContext("2d", { willReadFrequently: true });
const cursor = { x: PLACES / 2, y: PLACES / 2 };
let stroke = null; // {pointer, x, y} while a pointer draws
let timer = 0;

function wipe() {
  clearTimeout(timer);
  stroke = null;
  pen.clearRect(0, 0, PAPER, PAPER);
  shown.example = -1;
}

/** A line of ink, or a dot where it begins and ends in one place; an example makes way for it. */
function ink(fromX, fromY, toX, toY) {
  if (shown.example >= 0) wipe();
  Object.assign(pen, { lineWidth: PEN, lineCap: "round", strokeStyle: "black" });
  pen.beginPath();
  pen.moveTo(fromX, fromY);
  pen.lineTo(toX, toY);
  pen.stroke();
  clearTimeout(timer);
  timer = setTimeout(lookAtPaper, WAIT);
}

/** Ink is black on nothing: how much of it is how opaque the paper is. */
function lookAtPaper() {
  const { data } = pen.getImageData(0, 0, PAPER, PAPER);
  const opacity = Uint8Array.from({ length: PAPER ** 2 }, (_, i) => data[4 * i + 3]);
  show(likeMnist(opacity, PAPER, PAPER), null);
}

function showExample() {
  let next = shown.example;
  while (next === shown.example) next = Math.floor(Math.random() * exampleImages.length);
  wipe();
  shown.example = next;
  exampleImages[next].forEach((value, i) => inkPixel(pen, value, i, PAPER / IMAGE_SIDE));
  show(exampleImages[next], EXAMPLES.labels[next]);
}

/** Where a pointer is on the paper, in its pixels. */
function placeOf(event) {
  const frame = paper.getBoundingClientRect();
  const scale = PAPER / frame.width;
  return [(event.clientX - frame.left) * scale, (event.clientY - frame.top) * scale];
}

function pointerDown(event) {
  if (stroke || event.button !== 0) return;
  const [x, y] = placeOf(event);
  ink(x, y, x, y);
  stroke = { pointer: event.pointerId, x, y };
  paper.setPointerCapture(event.pointerId);
}

function pointerMove(event) {
  if (stroke?.pointer !== event.pointerId) return;
  const [x, y] = placeOf(event);
  ink(stroke.x, stroke.y, x, y);
  Object.assign(stroke, { x, y });
}

function pointerUp(event) {
  if (stroke?.pointer === event.pointerId) stroke = null;
}

const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

function keyDown(event) {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  const step = STEPS[event.key];
  const isDot = event.key === " " || event.key === "Enter";
  if (!step && !isDot) return;
  event.preventDefault();
  const middle = () => [cursor.x, cursor.y].map((place) => ((place + 0.5) * PAPER) / PLACES);
  const from = middle();
  if (step) {
    cursor.x = Math.min(PLACES - 1, Math.max(0, cursor.x + step[0]));
    cursor.y = Math.min(PLACES - 1, Math.max(0, cursor.y + step[1]));
    placeCursor();
  }
  if (isDot || event.shiftKey) ink(...from, ...middle());
}

function placeCursor() {
  at("cursor").style.left = `${(100 * cursor.x) / PLACES}%`;
  at("cursor").style.top = `${(100 * cursor.y) / PLACES}%`;
}

// --- Beginning ---------------------------------------------------------------------------------

function begin() {
  makeCards();
  nameOptions();
  fillSelect("goodness-label", [["", "its answer"], ...DIGITS.map((c) => [c, c])]);
  fillSelect("ensemble-class", DIGITS.map((c) => [c, c]));
  fillSelect("ensemble-layer", [[0, 1]]);
  at("twins-network").value = "improved_ffcl_balanced";
  at("goodness-network").value = at("ensemble-network").value = "ff";
  placeCursor();
  paper.addEventListener("pointerdown", pointerDown);
  paper.addEventListener("pointermove", pointerMove);
  for (const name of ["pointerup", "pointercancel"]) paper.addEventListener(name, pointerUp);
  paper.addEventListener("keydown", keyDown);
  paper.addEventListener("focus", () => (at("cursor").hidden = !paper.matches(":focus-visible")));
  paper.addEventListener("blur", () => (at("cursor").hidden = true));
  at("example").onclick = showExample;
  at("clear").onclick = () => {
    wipe();
    show(null, null);
  };
  for (const id of ["twins-network", "goodness-network"]) {
    at(id).onchange = () => {
      load(entryOf(at(id).value));
      render();
    };
  }
  at("twins-epoch").oninput = epochChosen;
  at("goodness-label").onchange = renderGoodness;
  for (const id of ["ensemble-network", "ensemble-layer", "ensemble-class"]) at(id).onchange = ensembleChosen;
  at("silence").onchange = lookAgain;
  showExample();
  at("ensemble-class").value = shown.label; // lights up at once
  NETWORKS.filter((entry) => entry.first).forEach(load);
}

begin();
