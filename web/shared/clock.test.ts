import { describe, expect, it } from "vitest";
import { ServerClock } from "./clock";

/** A phone whose two clocks a test moves by hand. */
class Phone {
  mono = 1000;
  wall = 5_000_000;
  monoMs = () => this.mono;
  wallMs = () => this.wall;
  pass(ms: number) {
    this.mono += ms;
    this.wall += ms;
  }
  sleep(ms: number) {
    this.wall += ms;
  }
}

/** One round trip: the server stamps after `there` ms; true server time is mono + `ahead`. */
function roundTrip(phone: Phone, clock: ServerClock, ahead: number, there: number, back: number) {
  const sent = clock.stamp();
  phone.pass(there);
  const server = phone.mono + ahead;
  phone.pass(back);
  clock.sample(sent, server);
}

describe("ServerClock (OP-39: countdown on the server's clock)", () => {
  it("shows the phone's own clock until the first round trip", () => {
    const phone = new Phone();
    expect(new ServerClock(phone).now()).toBe(5_000_000);
  });

  // The phone's wall clock is wrong by an hour in every case: it must not matter.
  const trips: [string, [number, number][], number][] = [
    ["one even trip", [[50, 50]], 0],
    ["one lopsided trip is wrong by half the difference", [[20, 220]], 100],
    ["the shortest of three wins", [[20, 220], [10, 10], [300, 0]], 0],
    ["a long trip later does not spoil a short one", [[10, 10], [0, 900]], 0],
  ];
  it.each(trips)("%s", (_, list, wrongByMs) => {
    const phone = new Phone();
    const clock = new ServerClock(phone);
    const ahead = 7_000_000;
    for (const [there, back] of list) roundTrip(phone, clock, ahead, there, back);
    expect(Math.abs(clock.now() - (phone.mono + ahead))).toBe(wrongByMs);
  });

  it("goes on through a sleep in which the monotonic clock stood still, and takes the first sample after it", () => {
    const phone = new Phone();
    const clock = new ServerClock(phone);
    roundTrip(phone, clock, 7_000_000, 10, 10);
    const before = clock.now();
    phone.sleep(60_000);
    expect(clock.now() - before).toBe(60_000);
    // Mutation seen red: without dropping what was measured before the sleep, the old offset would win for ever.
    roundTrip(phone, clock, 7_060_000, 40, 40);
    expect(clock.now()).toBe(phone.mono + 7_060_000);
  });

  it("is not moved by somebody who sets the phone's clock back", () => {
    const phone = new Phone();
    const clock = new ServerClock(phone);
    roundTrip(phone, clock, 7_000_000, 10, 10);
    phone.wall -= 3_600_000;
    expect(clock.now()).toBe(phone.mono + 7_000_000);
  });

  it("forgets a short trip after two minutes", () => {
    const phone = new Phone();
    const clock = new ServerClock(phone);
    roundTrip(phone, clock, 7_000_000, 5, 5);
    phone.pass(130_000);
    roundTrip(phone, clock, 7_000_020, 30, 30);
    expect(clock.now()).toBe(phone.mono + 7_000_020);
  });
});
