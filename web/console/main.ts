import "@shared/tokens.css";
