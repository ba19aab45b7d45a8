// Nothing is fetched from elsewhere: a sales hall's network may reach this server and nothing else, and a buyer's page
// tells no third party who is about to buy. Addresses in the built files that something would load are refused.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { dist, fail, filesBelow, needDist } from "./dist.mjs";

needDist();
// What loads: attributes of HTML, url() and @import of CSS, fetches, sockets and imports of scripts. Names of XML
// namespaces and links in licence comments or error texts of libraries load nothing.
const LOADS = [
  /(?:src|href|action|poster|srcset)\s*=\s*["']?(?:https?:)?\/\/[^"'\s>]+/gi,
  /url\(\s*["']?(?:https?:)?\/\/[^)]+\)/gi,
  /@import\s+["'](?:https?:)?\/\/[^"']+/gi,
  /(?:fetch|import|importScripts|sendBeacon|WebSocket|EventSource|Worker)\(\s*["'`](?:https?|wss?):\/\/[^"'`]+/g,
];

let found = 0;
for (const file of filesBelow(dist)) {
  if (!/\.(html|js|css|svg|json|webmanifest)$/.test(file)) continue;
  const text = readFileSync(join(dist, file), "utf8");
  for (const pattern of LOADS) {
    for (const [hit] of text.matchAll(pattern)) {
      found++;
      fail(`${file}: ${hit.slice(0, 120)}`);
    }
  }
}
if (found === 0) console.log("Nothing in web/dist is fetched from elsewhere.");
