import assert from "node:assert/strict";
import { test } from "node:test";
import { moneyWord, readMoney } from "./money.ts";

test("money is read and written in the smallest unit of its currency", () => {
  assert.deepEqual(readMoney("4.50 EUR"), { amount: 450, currency: "EUR" });
  assert.deepEqual(readMoney("USD 12"), { amount: 1_200, currency: "USD" });
  assert.deepEqual(readMoney("300 JPY"), { amount: 300, currency: "JPY" });
  for (const text of ["450 EUR", "0 EUR", "0.07 USD", "300 JPY", "1.234 KWD"])
    assert.equal(
      moneyWord(readMoney(text) ?? { amount: -1, currency: "EUR" }),
      text === "450 EUR" ? "450.00 EUR" : text === "0 EUR" ? "0.00 EUR" : text,
    );
});

test("what is no money is not taken for some", () => {
  for (const text of ["", "4.50", "EUR", "-1 EUR", "4,50 EUR", "4.505 EUR", "0.5 JPY", "EUR 1 USD", "1 euro"])
    assert.equal(readMoney(text), undefined, text);
});
