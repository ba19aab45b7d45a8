/** The console's catalogue: the common words and its own. */
import { createI18n } from "@shared/i18n";
import { commonEn, commonZh } from "@shared/words";
import { en } from "./words/en";
import { zh } from "./words/zh";

export const zhAll = { ...commonZh, ...zh };
export const enAll: Record<keyof typeof zhAll, string> = { ...commonEn, ...en };
export const { t, maybe, lang, other } = createI18n(zhAll, enAll);
export type Key = keyof typeof zhAll;
