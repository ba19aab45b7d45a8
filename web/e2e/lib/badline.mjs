// A phone's bad signal: every packet takes 150 ms each way, and one in ten is lost and sent again, which a program above
// TCP sees as a pause with everything behind it waiting. Seeded, so that a failing run can be had again.
import { connect, createServer } from "node:net";

const ONE_WAY_MS = 150;
const RESEND_MS = 400;
const LOST_ONE_IN = 10;

/** Listens on a port of its own and passes on to `port`. Gives the port and a way to close it. */
export async function badLine(port, seed = 1) {
  let x = seed;
  const lost = () => (x = (x * 48271) % 2147483647) % LOST_ONE_IN === 0;
  const sockets = new Set();
  const carry = (from, to) => {
    // In order: what comes later never overtakes what waits to be sent again.
    let clear = 0;
    const pass = (act) => {
      clear = Math.max(clear, Date.now() + ONE_WAY_MS + (lost() ? RESEND_MS : 0));
      setTimeout(act, clear - Date.now());
    };
    from.on("data", (chunk) => pass(() => to.writable && to.write(chunk)));
    from.on("end", () => pass(() => to.end()));
    from.on("error", () => to.destroy());
    from.on("close", () => sockets.delete(from));
    sockets.add(from);
  };
  const server = createServer((phone) => {
    const there = connect(port, "127.0.0.1");
    carry(phone, there);
    carry(there, phone);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: server.address().port,
    close: () => {
      sockets.forEach((socket) => socket.destroy());
      return new Promise((resolve) => server.close(resolve));
    },
  };
}
