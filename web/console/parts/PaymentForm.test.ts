import { flushPromises, mount } from "@vue/test-utils";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { Hold } from "@shared/api/staff";
import PaymentForm from "./PaymentForm.vue";

const hold = {
  claim: "01C",
  unit: 3,
  unit_label: "1#-1203",
  state: "held",
  generation: 4,
  deposit_fen: 5_000_000,
  paid_fen: 2_000_000,
} as Hold;

function answering(...answers: (() => Promise<Response>)[]) {
  const sent: { path: string; body: unknown }[] = [];
  vi.stubGlobal("fetch", (path: string, init: RequestInit) => {
    sent.push({ path, body: JSON.parse(String(init.body)) });
    return (answers.shift() ?? (() => Promise.reject(new TypeError("no more"))))();
  });
  return sent;
}

async function desk() {
  const form = mount(PaymentForm, { props: { opening: "01J", hold } });
  // Element Plus gives its fields their ids once they are mounted.
  await flushPromises();
  return form;
}

const ok = (body: unknown) => () => Promise.resolve(new Response(JSON.stringify(body)));
const cut = () => Promise.reject(new TypeError("cut"));
afterEach(() => vi.unstubAllGlobals());

describe("recording a payment (OP-60)", () => {
  it("offers what is due, and says what a larger and a smaller amount would do", async () => {
    const form = await desk();
    const amount = form.find<HTMLInputElement>("#amount");
    expect(amount.element.value).toBe("30000");
    expect(form.text()).toContain("立即成交");
    await amount.setValue("10000");
    expect(form.text()).toContain("还差 ¥20,000");
    await amount.setValue("30100.5");
    expect(form.text()).toContain("多收的 ¥100.50");
  });

  // Mutation caught: clearing the reference when no answer came made the second press another payment.
  it("sends the very same payment again when no answer came", async () => {
    const paid = { ...hold, paid_fen: 5_000_000, state: "sold" };
    const sent = answering(cut, ok({ payment: { refund_fen: 0 }, hold: paid }));
    const form = await desk();
    await form.find("#reference").setValue("POS-1");
    await form.find("form").trigger("submit");
    await flushPromises();
    expect(form.text()).toContain("没有收到服务器的答复");
    expect(form.emitted("paid")).toBeUndefined();
    await form.find("form").trigger("submit");
    await flushPromises();
    expect(sent[1]).toEqual(sent[0]);
    expect(sent[0]).toEqual({
      path: "/api/v1/openings/01J/holds/01C/payments",
      body: { generation: 4, method: "pos", reference: "POS-1", amount_fen: 3_000_000 },
    });
    expect(form.emitted("paid")?.[0]?.[0]).toMatchObject({ state: "sold" });
  });

  it("keeps a typed reference when another desk paid meanwhile, and forgets it for another hold", async () => {
    const form = await desk();
    const reference = form.find<HTMLInputElement>("#reference");
    await reference.setValue("POS-9");
    await form.setProps({ hold: { ...hold, paid_fen: 3_000_000 } });
    expect([reference.element.value, form.find<HTMLInputElement>("#amount").element.value]).toEqual(["POS-9", "20000"]);
    await form.setProps({ hold: { ...hold, claim: "01D" } });
    expect(reference.element.value).toBe("");
  });
});
