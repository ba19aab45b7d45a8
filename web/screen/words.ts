/** The big screen's words: few, and large enough to be read from the last row. */
import { createI18n } from "@shared/i18n";
import { commonEn, commonZh, type CommonKey } from "@shared/words";

const zh = {
  "title": "开盘大屏",
  "connecting": "正在连接…",
  "missing": "没有找到这场开盘",
  "missing.next": "可能还没有发布，或已经撤回。发布后这里会自动显示。",
  "offline": "连接中断，正在恢复",
  "until": "距开始",
  "days": "{days} 天",
  "startsAt": "{time} 开始",
  "participants": "{n} 位客户参加",
  "units": "{n} 套房源",
  "ends": "距结束",
  "sellThrough": "去化率",
  "money": "成交总额",
  "yi": "{n} 亿",
  "wan": "{n} 万",
  "billion": "{n} 十亿",
  "million": "{n} 百万",
  "deals": "最新动态",
  "noDeals": "选房开始后，最新锁定和成交会出现在这里",
  "sold": "成交",
  "held": "锁定",
  "free.of": "可选 {free} / {total}",
  "unitsHash": "房源指纹 {hash}",
  "rosterHash": "名单指纹 {hash}",
  "seq": "序号 {seq}",
} as const;

const en: Record<keyof typeof zh, string> = {
  "title": "Big screen",
  "connecting": "Connecting…",
  "missing": "This opening was not found",
  "missing.next": "It may not be published yet, or was withdrawn. It appears here as soon as it is published.",
  "offline": "Connection lost, recovering",
  "until": "Starts in",
  "days": "{days} d",
  "startsAt": "Starts {time}",
  "participants": "{n} buyers take part",
  "units": "{n} units",
  "ends": "Ends in",
  "sellThrough": "Sell-through",
  "money": "Sold for",
  "yi": "¥{n} × 100 M",
  "wan": "¥{n} × 10 k",
  "billion": "¥{n} bn",
  "million": "¥{n} M",
  "deals": "Latest",
  "noDeals": "The latest holds and deals appear here once picking starts",
  "sold": "deal",
  "held": "held",
  "free.of": "{free} of {total} free",
  "unitsHash": "Units {hash}",
  "rosterHash": "Roster {hash}",
  "seq": "Seq {seq}",
};

export const screenZh = { ...commonZh, ...zh };
export const screenEn: Record<CommonKey | keyof typeof zh, string> = { ...commonEn, ...en };
export const { t, lang } = createI18n(screenZh, screenEn);
