// The sales office, over the staff's API: for journeys that do not themselves show the console.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { PASSWORD } from "./server.mjs";
import { people, roster } from "./sheets.mjs";
import { check, until } from "./steps.mjs";

export const priceList = fileURLToPath(new URL("../../../demo/price-list.xlsx", import.meta.url));

export class Office {
  static async open(server) {
    const office = new Office();
    office.base = `${server.staff}/api/v1`;
    office.token = (await office.call("POST", "/session", { login: "admin", password: PASSWORD })).token;
    return office;
  }

  async call(method, path, body) {
    const headers = this.token ? { authorization: `Bearer ${this.token}` } : {};
    const form = body instanceof FormData;
    if (body && !form) headers["content-type"] = "application/json";
    const response = await fetch(this.base + path, { method, headers, body: form ? body : body && JSON.stringify(body) });
    const text = await response.text();
    check(response.ok, `${method} ${path}: ${response.status} ${text.slice(0, 400)}`);
    return text ? JSON.parse(text) : undefined;
  }

  async upload(opening, sheet, name, bytes) {
    const form = new FormData();
    form.append("file", new Blob([bytes]), name);
    return this.call("POST", `/openings/${opening}/import/${sheet}?mode=good_rows`, form);
  }

  /** A published opening of the demo's houses that starts in `startsInMs`. */
  async publish({ startsInMs, count = 11, holdS = 900, project = "云栖里花园", name = "一期首次开盘", priceList: own }) {
    const { id: projectId } = await this.call("POST", "/projects", { name: project });
    const now = Date.now();
    const each = (home, parking, shop, storage) => ({ home, parking, shop, storage });
    const { id } = await this.call("POST", "/openings", {
      project: projectId, name, start_ms: now + 3_600_000, end_ms: now + 7_200_000, hold_s: holdS, favourites_max: 10,
      deposit_fen: each(5_000_000, 1_000_000, 10_000_000, 100_000), quota: each(1, 1, 1, 1),
      household_quota: each(null, null, null, null),
    });
    if (own) await this.upload(id, "price-list", "price-list.csv", own);
    else await this.upload(id, "price-list", "price-list.xlsx", readFileSync(priceList));
    await this.upload(id, "roster", "roster.csv", roster(people(count)));
    const startMs = Math.ceil((Date.now() + startsInMs) / 1000) * 1000;
    await this.call("PATCH", `/openings/${id}`, { start_ms: startMs, end_ms: startMs + 3_600_000 });
    await this.call("POST", `/openings/${id}/check`, {});
    await this.call("POST", `/openings/${id}/publish`, {});
    return { id, startMs };
  }

  /** The newest sign-in code of a phone, as the outbox page would show it. */
  async code(opening, phone, afterMs = 0) {
    return until(`a code for ${phone}`, async () => {
      const { messages } = await this.call("GET", `/openings/${opening}/outbox?phone=${phone}`);
      const newest = messages.find((m) => m.code && m.created_ms >= afterMs);
      return newest && newest.code;
    });
  }
}
