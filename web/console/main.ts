import "@shared/tokens.css";
import "./ui";
import "./styles/base.css";
import "./styles/frame.css";
import "./styles/forms.css";
import "./styles/tables.css";
import "./styles/phone.css";
import "./styles/pages.css";
import { createApp } from "vue";
import App from "./App.vue";

createApp(App).mount("#app");
