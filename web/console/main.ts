import "@shared/tokens.css";
import "./ui";
import "./style.css";
import "./pages.css";
import { createApp } from "vue";
import App from "./App.vue";

createApp(App).mount("#app");
