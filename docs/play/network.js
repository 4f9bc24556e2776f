"use strict";
// The numbers: trained networks, and what they make of an image. Nothing here touches the page.
//
// An image is 784 bytes, row by row. Activations and scores are Float64Arrays, one number a unit or
// class. The weights of a layer are (inputs, units), row by row, as in the Python package; there,
// ffcl_utils/rules says what is computed here.

const CLASSES = 10;
const LABEL_PIXELS = 10; // the first of every image; networks judged by goodness see a label there
const MNIST_MEAN = 0.1307;
const MNIST_STD = 0.3081;
const SMALLEST = 1e-12; // length below which activations count as silent

const snapshots = new Map(); // by a network's id its snapshots, the earliest epoch first

/** Called by each file in networks/ with one network at one epoch: ffcl_utils/play.py, snapshot. */
function registerNetwork(file) {
  const made = {
    ...file,
    stacks: file.stacks.map((layers) => layers.map(decodedLayer)),
    ensembles: file.ensembles.map((classes) => classes.map(bytesOf)),
  };
  const others = (snapshots.get(file.network) ?? []).filter((s) => s.epoch !== file.epoch);
  snapshots.set(file.network, [...others, made].sort((one, other) => one.epoch - other.epoch));
}

const epochShown = new Map(); // by a network's id the epoch that is looked at; the last, if not here

/** A network as it is looked at; undefined where that snapshot is not loaded. */
function shownSnapshot(id) {
  const loaded = snapshots.get(id) ?? [];
  const epoch = epochShown.get(id);
  return epoch === undefined ? loaded.at(-1) : loaded.find((snapshot) => snapshot.epoch === epoch);
}

function bytesOf(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

function decodedLayer({ inputs, units, levels, scales, biases }) {
  const whole = new Int8Array(bytesOf(levels).buffer);
  const scale = new Float32Array(bytesOf(scales).buffer);
  const weights = new Float32Array(whole.length);
  for (let i = 0; i < whole.length; i++) weights[i] = whole[i] * scale[i % units];
  return { inputs, units, weights, biases: new Float32Array(bytesOf(biases).buffer) };
}

/** The units (1 or 0 each) of a class's ensemble in a hidden layer, from 0. */
function ensembleOf(network, layer, label) {
  const bits = network.ensembles[layer][label];
  const members = new Uint8Array(network.stacks[0][layer].units);
  return members.map((_, unit) => (bits[unit >> 3] >> (unit & 7)) & 1);
}

/** Pixels as a network sees them. */
function scaled(image, scaling) {
  const unit = Float64Array.from(image, (pixel) => pixel / 255);
  return scaling === "unit" ? unit : unit.map((pixel) => (pixel - MNIST_MEAN) / MNIST_STD);
}

/** inputs @ weights + biases. */
function linear({ units, weights, biases }, inputs) {
  const sums = Float64Array.from(biases);
  for (let i = 0; i < inputs.length; i++) {
    if (inputs[i] !== 0) addRow(sums, inputs[i], weights, i * units); // most units are silent
  }
  return sums;
}

function addRow(sums, factor, weights, start) {
  for (let j = 0; j < sums.length; j++) sums[j] += factor * weights[start + j];
}

/** ReLU, in place. What is silenced stays at zero: {layer, units}, the layer from 0, or null. */
function activate(sums, layer, silenced) {
  const off = silenced?.layer === layer ? silenced.units : null;
  for (let j = 0; j < sums.length; j++) if (sums[j] < 0 || off?.[j]) sums[j] = 0;
  return sums;
}

function softmax(values) {
  const highest = Math.max(...values);
  const powers = values.map((value) => Math.exp(value - highest));
  const total = powers.reduce((sum, power) => sum + power, 0);
  return powers.map((power) => power / total);
}

function length(values) {
  return Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));
}

/** Activations of every layer of one stack: ReLU in the hidden layers, logits in the last. */
function layersOf(stack, inputs, silenced) {
  const found = [];
  stack.forEach((layer, k) => {
    const sums = linear(layer, found.at(-1) ?? inputs);
    found.push(k < stack.length - 1 ? activate(sums, k, silenced) : sums);
  });
  return found;
}

/**
 * What a network makes of an image, as the package's predict, probabilities and representations.
 *
 * scores and probabilities: (10). hidden: by twin, or by the label that is written into the image,
 * the activations of each hidden layer. goodness: by layer (10), of networks judged by it. Where
 * something is silenced in twins, it is so in the first, which predicts.
 */
function look(network, image, silenced = null) {
  if (network.kind === "goodness") return lookByGoodness(network, image, silenced);
  const inputs = scaled(image, network.scaling);
  const found = network.stacks.map((stack, k) => layersOf(stack, inputs, k ? null : silenced));
  const logits = found[0].at(-1);
  const probabilities = softmax(logits);
  const scores = network.kind === "twins" ? probabilities : logits;
  return { scores, probabilities, hidden: found.map((layers) => layers.slice(0, -1)) };
}

function lookByGoodness(network, image, silenced) {
  const layers = network.stacks[0];
  const inputs = scaled(image, network.scaling);
  const [brightness] = scaled([255], network.scaling);
  inputs.fill(0, 0, LABEL_PIXELS);
  // With a label in, an image has this length, whichever label it is.
  const whole = Math.hypot(length(inputs), brightness);
  const shared = linear(layers[0], inputs.map((pixel) => pixel / whole));
  const hidden = [];
  const goodness = layers.map(() => new Float64Array(CLASSES));
  for (let label = 0; label < CLASSES; label++) {
    const first = Float64Array.from(shared);
    addRow(first, brightness / whole, layers[0].weights, label * layers[0].units);
    hidden.push([]);
    layers.forEach((layer, k) => {
      const sums = k ? linear(layer, directionOf(hidden[label][k - 1])) : first;
      hidden[label].push(activate(sums, k, silenced));
      goodness[k][label] = length(sums);
    });
  }
  const shares = goodness.map(softmax);
  const sumOf = (rows) => rows[0].map((_, label) => rows.reduce((sum, row) => sum + row[label], 0));
  const probabilities = sumOf(shares).map((sum) => sum / layers.length);
  const scores = sumOf(network.prediction === "softmax" ? shares : goodness);
  return { scores, probabilities, hidden, goodness };
}

function directionOf(activations) {
  const whole = Math.max(length(activations), SMALLEST);
  return activations.map((activation) => activation / whole);
}

/** The class with the highest score; the first of several. */
function answerOf(scores) {
  return scores.indexOf(Math.max(...scores));
}

/** 1 where the label has the highest score alone, a part of it where others have it too. */
function shareRight(scores, label) {
  const rounded = Float32Array.from(scores); // as in the package, which decides what is equal
  const highest = rounded.filter((score) => score === Math.max(...rounded)).length;
  return rounded[label] === Math.max(...rounded) ? 1 / highest : 0;
}

/** Share of the images of each class (10) that a network gets right; pause: awaited in between. */
async function classAccuracy(network, images, labels, silenced = null, pause = () => {}) {
  const right = new Float64Array(CLASSES);
  const count = new Float64Array(CLASSES);
  for (let i = 0; i < images.length; i++) {
    right[labels[i]] += shareRight(look(network, images[i], silenced).scores, labels[i]);
    count[labels[i]] += 1;
    await pause();
  }
  return right.map((sum, label) => sum / count[label]);
}
