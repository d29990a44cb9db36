import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { asFloat, decimalPlaces, digitsOf } from "./decimal.ts";

const readBack = (value: number) => {
  const places = decimalPlaces(value);
  return places === asFloat ? value : digitsOf(value, places) / 10 ** places;
};

test("any number reads back as exactly the number that it was", () => {
  fc.assert(fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => readBack(value + 0) === value + 0));
  fc.assert(
    fc.property(fc.integer(), fc.nat({ max: 12 }), (digits, places) => readBack(digits / 10 ** places) === digits / 10 ** places),
  );
});

test("decimals of one series have the same number of places, however many of them are zeros", () => {
  assert.deepEqual([20, 20.5, 20.55, 20.555, -0.001, 0].map(decimalPlaces), [3, 3, 3, 3, 3, 3]);
  assert.deepEqual([0.1234, 52.520008, 1e-9].map(decimalPlaces), [6, 6, 9]);
  assert.deepEqual([1 / 3, Math.PI, 1e300, 2 ** 53, Number.NaN].map(decimalPlaces), Array(5).fill(asFloat));
});
