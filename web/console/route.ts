/** The address bar as the pages watch it. */
import { ref } from "vue";
import { href, parseRoute, type Route } from "./logic/router";

export const route = ref<Route>(parseRoute(location.hash));

window.addEventListener("hashchange", () => {
  route.value = parseRoute(location.hash);
  window.scrollTo(0, 0);
});

export function go(to: Route): void {
  location.hash = href(to);
}
