import { expect, it } from "vitest";
import { catalogueFaults } from "@shared/i18n";
import { en, zh } from "./words";

it("OP-95: both languages say the same", () => {
  // The switch names the other language in that language.
  expect(catalogueFaults(zh, en)).toEqual(["lang.switch: Chinese left in the English"]);
});
