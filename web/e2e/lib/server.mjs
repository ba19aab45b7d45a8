// The real binary on a data folder of its own. Nothing here reaches into it: what a test learns, it learns as a user does.
import { spawn, spawnSync } from "node:child_process";
import { createWriteStream, existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { until } from "./steps.mjs";

const root = fileURLToPath(new URL("../../../", import.meta.url));
export const PASSWORD = "correct-horse-battery-staple";

function binary() {
  return built(process.env.KAIPAN_BIN || join(root, "target", "debug", "kaipan"));
}

/** The program of that name, which lies beside the server's. */
export function beside(name) {
  return built(join(dirname(binary()), name));
}

function built(path) {
  if (!existsSync(path)) throw new Error(`${path} is missing: run \`cargo build --workspace\` first, or set KAIPAN_BIN`);
  return path;
}

function freePort() {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once("error", reject);
    probe.listen(0, "127.0.0.1", () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
}

export class Server {
  /**
   * `badLine` puts a line with that quality before the buyers' door, for those who open `server.farBuyers`; `settings` are
   * more of the environment.
   */
  static async start({ badLine, settings } = {}) {
    const server = new Server();
    server.folder = mkdtempSync(join(tmpdir(), "kaipan-e2e-"));
    [server.buyersPort, server.staffPort] = [await freePort(), await freePort()];
    server.env = {
      PATH: process.env.PATH,
      // Nothing of the developer's own configuration may reach a test.
      HOME: server.folder,
      KAIPAN_DATA_DIR: join(server.folder, "data"),
      KAIPAN_KEYRING: join(server.folder, "keys.json"),
      KAIPAN_BUYERS_LISTEN: `127.0.0.1:${server.buyersPort}`,
      KAIPAN_STAFF_LISTEN: `127.0.0.1:${server.staffPort}`,
      NO_COLOR: "1",
      ...settings,
    };
    if (badLine) {
      server.line = await badLine(server.buyersPort);
      server.farBuyers = `http://127.0.0.1:${server.line.port}`;
      server.env.KAIPAN_PUBLIC_ORIGINS = `${server.buyers},${server.farBuyers}`;
    }
    server.run(PASSWORD, "staff", "add", "admin", "--name", "管理员", "--role", "admin", "--password-stdin");
    await server.serve();
    return server;
  }

  get buyers() {
    return `http://127.0.0.1:${this.buyersPort}`;
  }

  get staff() {
    return `http://127.0.0.1:${this.staffPort}`;
  }

  /** A subcommand, to its end, fed with one line. */
  run(input, ...args) {
    const done = spawnSync(binary(), args, { env: this.env, input: `${input}\n`, encoding: "utf8", timeout: 60_000 });
    if (done.status !== 0) throw new Error(`kaipan ${args.join(" ")}: ${done.stderr || done.error}`);
    return done.stdout;
  }

  /** `settings`: of this process alone. */
  async serve(settings = {}) {
    const log = join(this.folder, "serve.log");
    const out = createWriteStream(log, { flags: "a" });
    this.child = spawn(binary(), ["serve"], { env: { ...this.env, ...settings }, stdio: ["ignore", "pipe", "pipe"] });
    this.child.stdout.pipe(out);
    this.child.stderr.pipe(out);
    this.ended = new Promise((resolve) => this.child.once("exit", resolve));
    const ready = async (base) => (await fetch(`${base}/readyz`).catch(() => null))?.ok;
    await until(
      "a ready server",
      async () => {
        if (this.child.exitCode !== null) throw new Error(`the server ended: ${readFileSync(log, "utf8").slice(-2000)}`);
        return (await ready(this.buyers)) && (await ready(this.staff));
      },
      60_000,
    );
  }

  /** As a power cut would. */
  async kill() {
    this.child.kill("SIGKILL");
    await this.ended;
  }

  async stop() {
    if (this.line) await this.line.close();
    if (this.child && this.child.exitCode === null && this.child.signalCode === null) {
      this.child.kill("SIGTERM");
      const late = setTimeout(() => this.child.kill("SIGKILL"), 15_000);
      await this.ended;
      clearTimeout(late);
    }
    rmSync(this.folder, { recursive: true, force: true });
  }
}
