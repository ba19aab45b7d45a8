import { mount } from "@vue/test-utils";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { nextTick } from "vue";
import type { Column } from "../logic/table";
import DataTable from "./DataTable.vue";

interface Row {
  id: number;
  room: string;
}
const columns: Column<Row>[] = [{ key: "room", title: "室号", text: (r) => r.room, sort: (r) => r.room }];
const rows: Row[] = Array.from({ length: 5 }, (_, i) => ({ id: i, room: String(205 - i) }));
const copied = vi.fn(async () => undefined);

function table(extra: object = {}) {
  const props = { columns, rows, rowKey: (row: Row) => row.id, caption: "房源", ...extra };
  return mount(DataTable<Row>, { props, attachTo: document.body });
}

beforeEach(() => {
  copied.mockClear();
  Object.defineProperty(navigator, "clipboard", { value: { writeText: copied }, configurable: true });
  document.body.innerHTML = "";
});

describe("a table at the desk", () => {
  it("sorts by its heading and says so to a screen reader", async () => {
    const page = table();
    const heading = page.find("th");
    await heading.find("button").trigger("click");
    expect(heading.attributes("aria-sort")).toBe("ascending");
    expect(page.findAll("tbody tr").map((tr) => tr.text())).toEqual(["201", "202", "203", "204", "205"]);
  });

  it("is walked with the arrow keys; one row at a time is in the tab order", async () => {
    const page = table();
    const lines = page.findAll("tbody tr");
    (lines[0]?.element as HTMLElement).focus();
    await lines[0]?.trigger("keydown", { key: "ArrowDown" });
    await nextTick();
    expect(document.activeElement).toBe(lines[1]?.element);
    expect(page.findAll("tbody tr[tabindex='0']")).toHaveLength(1);
    await lines[1]?.trigger("keydown", { key: "Enter" });
    expect(page.emitted("open")?.[0]).toEqual([rows[1]]);
  });

  it("chooses rows with the space bar and copies the chosen ones", async () => {
    const page = table({ selectable: true, selected: [], "onUpdate:selected": (s: number[]) => page.setProps({ selected: s }) });
    const lines = page.findAll("tbody tr");
    await lines[0]?.trigger("keydown", { key: " " });
    await lines[2]?.trigger("keydown", { key: " " });
    await lines[2]?.trigger("keydown", { key: "c", ctrlKey: true });
    expect(copied).toHaveBeenCalledWith("室号\n205\n203");
  });

  it("says when its rows are only the newest", () => {
    expect(table().find(".quiet").text()).toBe("共 5 行");
    expect(table({ latest: 5 }).find(".quiet").text()).toBe("最近 5 条");
    expect(table({ latest: 100 }).find(".quiet").text()).toBe("共 5 行 · 最近 100 条");
  });

  it("shows a page at a time", async () => {
    const page = table({ pageSize: 2 });
    expect(page.findAll("tbody tr")).toHaveLength(2);
    const next = page.find("nav").findAll("button")[1];
    await next?.trigger("click");
    await next?.trigger("click");
    expect(page.findAll("tbody tr").map((tr) => tr.text())).toEqual(["201"]);
    expect(next?.attributes("disabled")).toBeDefined();
  });
});
