//! Words for times, sizes and values.

use ratatui::text::Span;
use serde_json::value::RawValue;

use super::state::popup::Line;
use super::theme::Tone;
use crate::app::zone::local;
use crate::domain::Timestamp;

/// The time of day in the zone that was chosen: `12:34:56`.
pub fn clock(at: Timestamp) -> String {
    local(at).get(11..19).unwrap_or_default().to_owned()
}

/// How long ago, in one unit: `5 s`, `3 min`, `2 h`, `9 d`.
pub fn ago(now: Timestamp, at: Timestamp) -> String {
    span(now.since(at).as_secs())
}

/// A length of time in one unit.
pub fn span(seconds: u64) -> String {
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7_199 => format!("{} min", seconds / 60),
        7_200..=172_799 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// A number with its thousands apart: `1,234,567`.
pub fn number(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Numbers as bars, the largest of `top` or of them full; nothing is a blank.
pub fn bars(numbers: &[u64], top: u64) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let top = numbers.iter().copied().max().unwrap_or(0).max(top);
    let bar = |n: &u64| match *n {
        0 => ' ',
        n => BARS[((n * 8).div_ceil(top) - 1) as usize],
    };
    numbers.iter().map(bar).collect()
}

/// One line without control characters, of at most `max` characters.
pub fn one_line(text: &str, max: usize) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    let mut line: String = text.chars().take(max).map(plain).collect();
    if text.chars().nth(max).is_some() {
        line.pop();
        line.push('…');
    }
    line
}

/// Text without characters that a terminal would obey; tabs become blanks.
pub fn harmless(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// A line in as many as it takes where there are `width` columns, broken between words where that is possible.
pub fn wrapped(line: &Line, width: usize) -> Vec<Line> {
    let columns = |text: &str| Span::raw(text).width();
    if width == 0 || line.iter().map(|(text, _)| columns(text)).sum::<usize>() <= width {
        return vec![line.clone()];
    }
    let (mut done, mut current, mut used): (Vec<Line>, Line, usize) = (vec![], vec![], 0);
    for (text, tone) in line {
        for word in text.split_inclusive(' ') {
            let bare = columns(word.trim_end());
            if used > 0 && used + bare > width && bare <= width {
                done.push(std::mem::take(&mut current));
                used = 0;
            }
            if used + bare <= width {
                push(&mut current, word, *tone);
                used += columns(word);
                continue;
            }
            // Longer than a whole line.
            for c in word.chars().map(String::from) {
                if used > 0 && used + columns(&c) > width {
                    done.push(std::mem::take(&mut current));
                    used = 0;
                }
                push(&mut current, &c, *tone);
                used += columns(&c);
            }
        }
    }
    done.push(current);
    done
}

fn push(line: &mut Line, text: &str, tone: Tone) {
    match line.last_mut() {
        Some((last, of)) if *of == tone => last.push_str(text),
        _ => line.push((text.to_owned(), tone)),
    }
}

/// A value as lines: JSON indented as it was written, number for number; anything else as it is.
pub fn value(text: &str) -> Vec<Line> {
    if serde_json::from_str::<&RawValue>(text).is_err() {
        return text.lines().map(|line| vec![(harmless(line), Tone::Plain)]).collect();
    }
    let mut lines = Pretty::default();
    lines.write(text);
    lines.done
}

/// Indents JSON that is known to be sound.
#[derive(Default)]
struct Pretty {
    done: Vec<Line>,
    line: Line,
    depth: usize,
}

impl Pretty {
    fn write(&mut self, json: &str) {
        let mut rest = json.trim();
        while let Some(c) = rest.chars().next() {
            let length = match c {
                '"' => string_length(rest),
                '{' | '[' | '}' | ']' | ',' | ':' => 1,
                c if c.is_whitespace() => {
                    rest = rest.trim_start();
                    continue;
                }
                _ => rest.find([',', '}', ']', ' ', '\n', '\r', '\t']).unwrap_or(rest.len()),
            };
            let (token, after) = rest.split_at(length);
            let after = after.trim_start();
            self.token(token, after);
            rest = after;
        }
        self.end_line();
    }

    fn token(&mut self, token: &str, after: &str) {
        match token {
            "{" | "[" if after.starts_with(['}', ']']) => self.push(token, Tone::Dim),
            "{" | "[" => {
                self.push(token, Tone::Dim);
                self.depth += 1;
                self.end_line();
            }
            "}" | "]" => {
                let empty = self.line.last().is_some_and(|(last, _)| last == "{" || last == "[");
                if !empty {
                    self.depth = self.depth.saturating_sub(1);
                    self.end_line();
                }
                self.push(token, Tone::Dim);
            }
            "," => {
                self.push(token, Tone::Dim);
                self.end_line();
            }
            ":" => self.push(": ", Tone::Dim),
            key if after.starts_with(':') => self.push(key, Tone::Accent),
            text if text.starts_with('"') => self.push(text, Tone::Good),
            word => self.push(word, Tone::Warn),
        }
    }

    fn push(&mut self, text: &str, tone: Tone) {
        if self.line.is_empty() {
            self.line.push(("  ".repeat(self.depth), Tone::Plain));
        }
        self.line.push((harmless(text), tone));
    }

    fn end_line(&mut self) {
        if !self.line.is_empty() {
            self.done.push(std::mem::take(&mut self.line));
        }
    }
}

/// Bytes of the string that `json` begins with, quotes included.
fn string_length(json: &str) -> usize {
    let mut escaped = false;
    for (at, c) in json.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    json.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn flat(text: &str) -> Vec<String> {
        let join = |line: Line| line.into_iter().map(|(text, _)| text).collect::<String>();
        value(text).into_iter().map(join).collect()
    }

    #[test]
    fn long_lines_are_broken_between_words_and_lose_nothing() {
        let words = |lines: &[Line]| -> Vec<String> {
            lines.iter().map(|line| line.iter().map(|(text, _)| text.as_str()).collect()).collect()
        };
        let of = |text: &str, width| words(&wrapped(&vec![(text.into(), Tone::Plain)], width));
        assert_eq!(of("why it was so", 6), ["why it ", "was so"]);
        assert_eq!(of("a dead-letter", 5), ["a dea", "d-let", "ter"]);
        assert_eq!(of("東京都", 4), ["東京", "都"], "two columns each");
        assert_eq!(of("", 4), [""]);
        assert_eq!(of("short", 0), ["short"]);
        let two = vec![("one ".into(), Tone::Accent), ("two three".into(), Tone::Plain)];
        let broken = wrapped(&two, 8);
        assert_eq!(words(&broken), ["one two ", "three"]);
        assert_eq!(broken[0][0].1, Tone::Accent);
    }

    #[test]
    fn times_numbers_and_lines_are_short() {
        let now = Timestamp::from_millis(1_000_000_000);
        for (ms, shown) in [(0, "0 s"), (119_000, "119 s"), (120_000, "2 min"), (7_200_000, "2 h")]
        {
            assert_eq!(ago(now, Timestamp::from_millis(1_000_000_000 - ms)), shown);
        }
        assert_eq!(span(172_800), "2 d");
        assert_eq!(clock(Timestamp::from_millis(45_296_000)), "12:34:56");
        assert_eq!((number(0), number(1_234_567)), ("0".into(), "1,234,567".into()));
        assert_eq!(one_line("a\nb\u{1b}[31m", 9), "a b [31m");
        assert_eq!(one_line("abcdef", 4), "abc…");
    }

    #[test]
    fn json_is_indented_as_it_was_written() {
        let json = r#"{"b":1.50,"a":[1,{"x":"q\",]"}],"e":{},"f":[ ],"n":null}"#;
        let shown = flat(json);
        let expected = [
            "{",
            r#"  "b": 1.50,"#,
            r#"  "a": ["#,
            "    1,",
            "    {",
            r#"      "x": "q\",]""#,
            "    }",
            "  ],",
            r#"  "e": {},"#,
            r#"  "f": [],"#,
            r#"  "n": null"#,
            "}",
        ];
        assert_eq!(shown, expected);
        assert_eq!(flat("not json\nat all"), ["not json", "at all"]);
        assert_eq!(flat("\u{1b}[2J"), [" [2J"], "a terminal is not obeyed");
        assert_eq!(flat(" 17 "), ["17"]);
    }

    proptest! {
        #[test]
        fn nothing_of_a_value_is_lost(json in arbitrary_json()) {
            let text = json.to_string();
            let shown: String = flat(&text).concat();
            let again: serde_json::Value = serde_json::from_str(&shown).unwrap();
            prop_assert_eq!(again, json);
        }

        #[test]
        fn whatever_comes_is_shown_without_control_characters(text in any::<String>()) {
            for line in flat(&text) {
                prop_assert!(!line.chars().any(char::is_control));
            }
        }
    }

    fn arbitrary_json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            "[ -~äé\"\\\\]{0,9}".prop_map(Into::into),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
                proptest::collection::btree_map("[a-z]{1,4}", inner, 0..4)
                    .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
            ]
        })
    }
}
