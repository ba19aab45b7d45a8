//! What the page says around the figures.

use super::Text;

/// Each text as a constant, and all of them in a list for the test of completeness.
macro_rules! texts {
    ($($name:ident: $zh:literal, $en:literal;)+) => {
        $(pub const $name: Text = Text { zh: $zh, en: $en };)+
        #[cfg(test)]
        pub(super) const ALL: &[Text] = &[$($name),+];
    };
}

texts! {
    TITLE: "压测报告", "Load report";
    LANGUAGE: "语言", "Language";
    PASS: "通过", "Pass";
    FAIL: "不通过", "Fail";
    REFUSED: "不作数", "Refused";
    PASS_MEANS: "每次点击都有答复，核对无误，各项指标在上限之内。", "Every tap was answered, the audit found nothing, and every figure is within its limit.";
    FAIL_MEANS: "有指标超过上限，或核对发现问题。开盘之前必须查清。", "A figure is above its limit, or the audit found something. Clear it up before the opening.";
    REFUSED_MEANS: "压测机自己跟不上计划，测到的不是服务器。请换更强的机器，或用几台机器分担后合并。", "The generator did not keep its own schedule, so this says nothing of the server. Use a stronger machine, or several and merge.";
    FACTS: "{buyers} 位模拟买家 · 场景 {scenario} · {start} · 历时 {took}", "{buyers} buyers · scenario {scenario} · {start} · took {took}";
    BEIJING: "北京时间", "Beijing time";
    WHY: "原因", "Why";

    SENT: "点击", "taps";
    GOT: "抢到", "yes";
    LOST: "没抢到", "no";
    OPEN: "没有答复", "unanswered";
    MEDIAN: "答复中位数", "median answer";
    NINETY_NINE: "99% 的答复不超过", "99% of answers within";
    SLOWEST: "最慢的答复", "slowest answer";
    BOARD: "99% 的销控更新不超过", "99% of boards within";

    LIMITS: "上限与实测", "Limits and values";
    LIMIT_NAME: "指标", "Figure";
    LIMIT_MOST: "上限", "At most";
    LIMIT_VALUE: "实测", "Measured";
    LIMIT_OK: "结论", "Result";
    WITHIN: "在上限内", "within";
    ABOVE: "超过", "above";
    NOT_MEASURED: "没有测到", "not measured";
    NO_LIMITS: "这次没有设上限，只核对对错。", "No limit was set for this run; only the audit decided.";

    AUDIT: "对账", "Audit";
    AUDIT_CLEAN: "核对了 {taps} 次点击和 {boards} 块销控图，与服务器的记录一致。", "{taps} taps and {boards} boards were compared with the server's truth: they agree.";
    AUDIT_FOUND: "核对了 {taps} 次点击和 {boards} 块销控图，发现以下问题。", "{taps} taps and {boards} boards were compared with the server's truth: this was found.";
    FINDING: "检查项", "Checked";
    COUNT: "数量", "Count";
    MEANS: "含义", "Meaning";
    EXAMPLES: "例子", "Examples";
    EXAMPLE_UNIT: "房号序号 {unit}", "unit {unit}";
    EXAMPLE_KEY: "点选键 {key}", "tap {key}";
    EXAMPLE_CLAIM: "认购编号 {claim}", "claim {claim}";
    EXAMPLE_AFTER: "日志 {after} 号之后", "after journal entry {after}";
    EXAMPLE_BOARD: "{board} 等 {boards} 块：房号序号 {unit} 显示“{shows}”，应为“{truth}”", "{board}, {boards} board(s): unit {unit} shows \"{shows}\", should be \"{truth}\"";
    EXAMPLE_BEHIND: "{board} 等 {boards} 块：停在日志 {seq} 号", "{board}, {boards} board(s): stopped at journal entry {seq}";
    FREE: "可选", "free";
    HELD: "已选", "held";
    SOLD: "已售", "sold";
    WITHHELD: "暂不销售", "withheld";
    MISSING: "没有", "nothing";

    ANSWERS: "答复", "Answers";
    CODE: "答复代码", "Answer";
    SHARE: "占比", "Share";
    ERRORS: "未成答复的回音（之后重发或再问）", "What came back and was no answer (then sent or asked again)";

    TIMES: "用时", "Times";
    TIMES_NOTE: "都从计划的时刻算起：压测机晚发，也算在用时里。", "All from the intended moment: if the generator was late, that is counted too.";
    MEASURED: "测量项", "Measured";
    SLOWEST_SHORT: "最慢", "slowest";

    PLOT_PERCENTILES: "用时分布（横轴：百分之几的值，纵轴：毫秒）", "Times by percentile (across: percent of values, upright: ms)";
    PLOT_CONNECT: "连接用时分布（横轴：百分之几的连接，纵轴：毫秒）", "Connect times by percentile (across: percent of connections, upright: ms)";
    PLOT_ANSWERS: "每 {width} ms 的答复数（横轴：距开盘时刻 T）", "Answers per {width} ms (across: time from the start T)";
    PLOT_ANSWERS_LATER: "另有 {later} 个答复在图右边之后。", "{later} more answers came after the right edge.";
    PLOT_BOARD: "销控延迟（毫秒）", "Board lag (ms)";
    PLOT_SOCKETS: "打开的连接数", "Open connections";
    PLOT_CPU: "服务器处理器（忙碌的核数）", "Server processor (busy cores)";
    PLOT_MEMORY: "服务器内存（MiB）", "Server memory (MiB)";
    ERROR: "出错", "error";
    MEDIAN_SHORT: "中位数", "median";
    PLOTS: "图", "Plots";

    GENERATOR: "压测机自身", "The generator itself";
    GENERATOR_OK: "跟上了计划", "kept its schedule";
    GENERATOR_SATURATED: "没有跟上计划", "did not keep its schedule";
    GENERATOR_STATE: "状态", "State";
    GENERATOR_LAG: "发送晚于计划（p50 / p99 / 最大）", "Sent later than intended (p50 / p99 / max)";
    GENERATOR_CPU: "最忙线程的最忙一秒", "Busiest second of the busiest thread";
    GENERATOR_THREADS: "线程 / 处理器", "Threads / processors";
    GENERATOR_VERSION: "压测工具版本", "Version of the load tool";
    MACHINE: "机器", "Machine";
    PARTS: "由这些部分合并", "Merged from these parts";
    PART_FILE: "文件", "File";
    BUYERS: "模拟买家", "Buyers";

    PLAN: "压测计划", "What was asked";
    PLAN_KEY: "参数", "Setting";
    PLAN_VALUE: "值", "Value";
    TARGET_URL: "服务器地址", "Server";
    TARGET_OPENING: "开盘", "Opening";
    TARGET_VERSION: "服务器版本", "Server version";
    COMMAND: "所用命令（种子见下表）：", "The command of this run (its seed stands below):";
}
