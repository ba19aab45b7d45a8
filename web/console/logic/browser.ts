/** What a browser calls itself, as a person calls it. A guess for the eye: nothing is decided by it. */

/** In the order in which they are looked for: most of them also claim to be the ones below. */
const BROWSERS: [RegExp, string][] = [
  [/MicroMessenger\/(\d+)/, "WeChat"],
  [/QQBrowser\/(\d+)/, "QQ"],
  [/Edg(?:A|iOS)?\/(\d+)/, "Edge"],
  [/Firefox\/(\d+)|FxiOS\/(\d+)/, "Firefox"],
  [/(?:Chrome|CriOS)\/(\d+)/, "Chrome"],
  [/Version\/(\d+)[\d.]* (?:Mobile\/\S+ )?Safari/, "Safari"],
];
const SYSTEMS: [RegExp, string][] = [
  [/iPhone/, "iPhone"],
  [/iPad/, "iPad"],
  [/HarmonyOS|OpenHarmony/, "HarmonyOS"],
  [/Android/, "Android"],
  [/Windows/, "Windows"],
  [/Mac OS X/, "macOS"],
  [/Linux/, "Linux"],
];

/** `Chrome 126 · Windows`; what is not recognised stays as it is, cut. */
export function browserName(agent: string): string {
  const parts: string[] = [];
  for (const [pattern, name] of BROWSERS) {
    const found = pattern.exec(agent);
    if (found) {
      parts.push([name, found[1] ?? found[2]].filter(Boolean).join(" "));
      break;
    }
  }
  const system = SYSTEMS.find(([pattern]) => pattern.test(agent));
  if (system) parts.push(system[1]);
  return parts.length > 0 ? parts.join(" · ") : agent.slice(0, 60);
}
