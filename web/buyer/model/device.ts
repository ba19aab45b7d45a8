// What this device is called when another one is asked to agree to it: a kind of phone, nothing that identifies one.

export function deviceLabel(agent: string = navigator.userAgent): string {
  const where = /MicroMessenger/i.test(agent) ? "WeChat" : /Edg/i.test(agent) ? "Edge" : /Chrome|CriOS/i.test(agent) ? "Chrome" : /Firefox|FxiOS/i.test(agent) ? "Firefox" : /Safari/i.test(agent) ? "Safari" : "";
  const what = /iPhone/i.test(agent) ? "iPhone" : /iPad/i.test(agent) ? "iPad" : /Android/i.test(agent) ? "Android" : /Windows/i.test(agent) ? "Windows" : /Mac OS/i.test(agent) ? "Mac" : /Linux/i.test(agent) ? "Linux" : "";
  return [what, where].filter((part) => part !== "").join(" · ") || "?";
}
