// A buyer on a weak line gets the page in one breath: html, js and css of the first load stay within 100 KB of gzip.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { dist, fail, firstLoad, needDist } from "./dist.mjs";

const FIRST_LOAD_BYTES_MAX = 100 * 1024;

needDist();
let total = 0;
for (const file of firstLoad("buyer/index.html")) {
  const bytes = gzipSync(readFileSync(join(dist, file)), { level: 6 }).length;
  total += bytes;
  console.log(`${String(bytes).padStart(8)}  ${file}`);
}
console.log(`${String(total).padStart(8)}  buyer's first load, gzip (at most ${FIRST_LOAD_BYTES_MAX})`);
if (total > FIRST_LOAD_BYTES_MAX) fail("The buyer's first load is too big.");
