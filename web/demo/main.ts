import { createApp } from "vue";
import { lang, setLang } from "@shared/i18n";
import "@shared/tokens.css";
import "./demo.css";
import App from "./App.vue";

// The page is served in Chinese; a kept choice of English must reach the document too.
setLang(lang.value);
createApp(App).mount("#app");
