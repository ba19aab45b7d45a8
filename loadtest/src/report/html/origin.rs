//! Where the figures come from: what was asked, by which command, and the state of the machine that asked.

use super::{count, section, table};
use crate::report::html::markup::Markup;
use crate::report::words::page as words;
use crate::report::words::{Text, figure};
use crate::report::{Generator, Report};

pub fn plan(main: &mut Markup, report: &Report) {
    section(main, words::PLAN, |section| {
        if !report.command.is_empty() {
            section.wrap("p", &[], |p| p.words(words::COMMAND));
            section.leaf("pre", &[], &command_line(&report.command));
        }
        table(section, &[words::PLAN_KEY, words::PLAN_VALUE], |rows| {
            named(rows, words::TARGET_URL, &report.target.buyers_url);
            named(rows, words::TARGET_OPENING, &report.target.opening);
            if let Some(version) = &report.target.server_version {
                named(rows, words::TARGET_VERSION, version);
            }
            for (key, value) in &report.plan {
                rows.wrap("tr", &[], |tr| {
                    tr.wrap("th", &[("scope", "row")], |th| th.leaf("code", &[], key));
                    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                    tr.leaf("td", &[("class", "value")], &text);
                });
            }
        });
    });
}

pub fn generator(main: &mut Markup, report: &Report) {
    section(main, words::GENERATOR, |section| {
        table(section, &[words::PLAN_KEY, words::PLAN_VALUE], |rows| state(rows, &report.generator));
        if !report.parts.is_empty() {
            section.wrap("h3", &[], |h3| h3.words(words::PARTS));
            let heads = [
                words::PART_FILE,
                words::BUYERS,
                words::SENT,
                words::GENERATOR_LAG,
                words::GENERATOR_CPU,
                words::GENERATOR_STATE,
            ];
            table(section, &heads, |rows| {
                for part in &report.parts {
                    rows.wrap("tr", &[], |tr| {
                        tr.leaf("th", &[("scope", "row")], &part.file);
                        tr.leaf("td", &[("class", "n")], &count(part.buyers));
                        tr.leaf("td", &[("class", "n")], &count(part.sent));
                        tr.leaf("td", &[("class", "n")], &lag(&part.generator));
                        tr.leaf("td", &[("class", "n")], &part.generator.busiest_second());
                        tr.wrap("td", &[], |td| td.words(kept(&part.generator)));
                    });
                }
            });
        }
    });
}

fn state(rows: &mut Markup, generator: &Generator) {
    rows.wrap("tr", &[("class", if generator.saturated { "bad" } else { "good" })], |tr| {
        tr.wrap("th", &[("scope", "row")], |th| th.words(words::GENERATOR_STATE));
        tr.wrap("td", &[("class", "result")], |td| {
            td.text(if generator.saturated { "✗ " } else { "✓ " });
            td.words(kept(generator));
            if let Some(why) = &generator.why {
                td.text(" · ");
                td.text(why);
            }
        });
    });
    named(rows, words::GENERATOR_LAG, &lag(generator));
    named(rows, words::GENERATOR_CPU, &generator.busiest_second());
    named(rows, words::GENERATOR_THREADS, &format!("{} / {}", generator.threads, generator.cpus));
    named(rows, words::GENERATOR_VERSION, &generator.version);
    if let Some(machine) = &generator.machine {
        let memory = figure("memory_bytes", machine.memory_bytes as f64);
        named(rows, words::MACHINE, &format!("{} · {} · {memory}", machine.system, machine.processor));
    }
}

fn kept(generator: &Generator) -> Text {
    if generator.saturated { words::GENERATOR_SATURATED } else { words::GENERATOR_OK }
}

fn lag(generator: &Generator) -> String {
    let ms = |value| figure("ms", value);
    format!("{} / {} / {}", ms(generator.lag_ms.p50), ms(generator.lag_ms.p99), ms(generator.lag_ms.max))
}

fn named(rows: &mut Markup, name: Text, value: &str) {
    rows.wrap("tr", &[], |tr| {
        tr.wrap("th", &[("scope", "row")], |th| th.words(name));
        tr.leaf("td", &[("class", "value")], value);
    });
}

/// As it is typed into a shell: what the shell would take for more than a word stands in quotes.
fn command_line(arguments: &[String]) -> String {
    let quoted = arguments.iter().map(|argument| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_=./:@%+,".contains(c);
        if !argument.is_empty() && argument.chars().all(plain) {
            argument.clone()
        } else {
            format!("'{}'", argument.replace('\'', r"'\''"))
        }
    });
    quoted.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Mutation: a quote inside quotes left as it is.
    #[test]
    fn a_command_can_be_typed_as_it_stands() {
        let arguments = ["kaipan-loadtest", "--out", "my report.json", "it's", "", "a=b"].map(str::to_owned);
        assert_eq!(command_line(&arguments), r"kaipan-loadtest --out 'my report.json' 'it'\''s' '' a=b");
    }
}
