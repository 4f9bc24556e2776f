"use strict";
// A drawing as a network trained on MNIST expects it: ffcl_utils/explore/drawing.py, pixel by pixel.

const IMAGE_SIDE = 28; // pixels of an MNIST image
const BOX = 20; // and of the box that its digit fits
const FIXED_POINT = 2 ** 22; // Pillow's resize takes weights in whole parts of it

/**
 * A drawing (height × width bytes, 0 blank to 255 ink) as an image of 784 bytes; null for a blank.
 *
 * Cut to the ink, scaled to fit a box of 20 × 20 pixels with its sides' ratio kept, and put with
 * its centre of mass in the middle.
 */
function likeMnist(ink, width, height) {
  const frame = frameOf(ink, width, height);
  if (!frame) return null;
  const scale = BOX / Math.max(frame.width, frame.height);
  const columns = Math.max(1, roundHalfToEven(frame.width * scale));
  const rows = Math.max(1, roundHalfToEven(frame.height * scale));
  const small = resized(cut(ink, width, frame), frame.width, frame.height, columns, rows);
  const top = Math.floor((IMAGE_SIDE - rows) / 2);
  const left = Math.floor((IMAGE_SIDE - columns) / 2);
  let total = 0;
  let byRow = 0;
  let byColumn = 0;
  small.forEach((value, i) => {
    total += value;
    byRow += value * (top + Math.floor(i / columns));
    byColumn += value * (left + (i % columns));
  });
  if (!total) return null;
  const down = top + roundHalfToEven(IMAGE_SIDE / 2 - byRow / total);
  const right = left + roundHalfToEven(IMAGE_SIDE / 2 - byColumn / total);
  const image = new Uint8Array(IMAGE_SIDE ** 2);
  small.forEach((value, i) => {
    const row = down + Math.floor(i / columns);
    const column = right + (i % columns);
    const inside = Math.min(row, column) >= 0 && Math.max(row, column) < IMAGE_SIDE;
    if (inside) image[row * IMAGE_SIDE + column] = value;
  });
  return image;
}

/** As Python rounds: a half goes to the even neighbour. */
function roundHalfToEven(value) {
  const low = Math.floor(value);
  if (value - low !== 0.5) return Math.round(value);
  return low % 2 === 0 ? low : low + 1;
}

/** The smallest frame around the ink; null where there is none. */
function frameOf(ink, width, height) {
  let [top, bottom, left, right] = [height, -1, width, -1];
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      if (!ink[row * width + column]) continue;
      top = Math.min(top, row);
      bottom = row;
      left = Math.min(left, column);
      right = Math.max(right, column);
    }
  }
  return bottom < 0 ? null : { top, left, width: right - left + 1, height: bottom - top + 1 };
}

function cut(ink, width, frame) {
  const found = new Uint8Array(frame.width * frame.height);
  for (let row = 0; row < frame.height; row++) {
    const start = (frame.top + row) * width + frame.left;
    found.set(ink.slice(start, start + frame.width), row * frame.width);
  }
  return found;
}

/**
 * Pillow's resize with its BOX filter: rows and columns one after the other, rounded after each.
 *
 * Columns come first where they lose more than twice as many pixels as rows do. So does Pillow 13;
 * earlier ones begin with the rows, and a pixel may differ by 1.
 */
function resized(pixels, width, height, columns, rows) {
  if (height - rows > 2 * (width - columns)) {
    const low = resizedColumns(pixels, width, height, rows);
    return resizedRows(low, width, rows, columns);
  }
  return resizedColumns(resizedRows(pixels, width, height, columns), columns, height, rows);
}

function resizedColumns(pixels, width, height, rows) {
  return turned(resizedRows(turned(pixels, width, height), height, width, rows), rows, width);
}

function resizedRows(pixels, width, height, columns) {
  if (columns === width) return pixels;
  const found = new Uint8Array(columns * height);
  boxWeights(width, columns).forEach(({ start, weights }, column) => {
    for (let row = 0; row < height; row++) {
      let sum = FIXED_POINT / 2;
      weights.forEach((weight, k) => (sum += weight * pixels[row * width + start + k]));
      found[row * columns + column] = Math.min(255, Math.floor(sum / FIXED_POINT));
    }
  });
  return found;
}

/** For each of `to` pixels the first of `from` pixels that it takes, and how much of each. */
function boxWeights(from, to) {
  const scale = from / to;
  const wide = Math.max(scale, 1); // enlarging, a pixel takes its nearest
  return Array.from({ length: to }, (_, place) => {
    const centre = (place + 0.5) * scale;
    const start = Math.max(0, Math.trunc(centre - wide / 2 + 0.5));
    const end = Math.min(from, Math.trunc(centre + wide / 2 + 0.5));
    const covered = Array.from({ length: end - start }, (_, k) => {
      const distance = (start + k - centre + 0.5) * (1 / wide);
      return distance > -0.5 && distance <= 0.5 ? 1 : 0;
    });
    const total = covered.reduce((sum, part) => sum + part, 0);
    return { start, weights: covered.map((part) => Math.floor(0.5 + (part / total) * FIXED_POINT)) };
  });
}

/** Rows as columns. */
function turned(pixels, width, height) {
  const found = new Uint8Array(pixels.length);
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      found[column * height + row] = pixels[row * width + column];
    }
  }
  return found;
}
