//! One SQL text for both dialects. The shop writes `?1`, `?2`, … and runs a statement once per row of
//! parameters. PostgreSQL wants `$1`, and a round trip per run would cost more than the work: so each
//! statement also has a form that takes all rows at once, as one array per parameter, and such writes go
//! together as one statement. Pure.

/// A statement as PostgreSQL takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Text {
    /// For one row of parameters.
    pub(super) single: String,
    /// For many, if there is such a form; `$n` are arrays, to be cast to the types that `single` has.
    pub(super) many: Option<Many>,
}

/// The form for many rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Many {
    before: String,
    after: String,
    /// What comes back.
    pub(super) answer: Answer,
}

/// What the form for many rows answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// A row for each that it inserted: at most one for each row of parameters.
    Inserted,
    /// A row for each that it changed: the number of the row of parameters.
    Changed,
    /// The rows of all runs, one run after the other; behind the last column the row's number and the run's.
    Rows,
}

impl Many {
    /// The text for parameters of these array types, the first of which has the number `first`.
    pub(super) fn text(&self, types: &[&str], first: usize) -> String {
        let array = |(n, name): (usize, &&str)| format!("${}::{name}[]", first + n);
        let arrays: Vec<String> = types.iter().enumerate().map(array).collect();
        let names: Vec<String> = (1..=types.len()).map(|n| format!("p{n}")).collect();
        let rows =
            format!("unnest({}) with ordinality as r({}, n)", arrays.join(", "), names.join(", "));
        format!("{}{rows}{}", self.before, self.after)
    }
}

/// Writes for many rows each, and the array types of their parameters, as one statement. It divides by
/// zero, and so does nothing, unless each row of parameters changes exactly one row. All of them see what was
/// there before: a row that two of them change is changed by one, and missed. A `relaxed` one may be lost
/// with the server.
pub(super) fn together(writes: &[(&Many, Vec<&str>)], relaxed: bool) -> String {
    let (mut parts, mut exact, mut first) = (vec![], vec![], 1);
    for (n, (many, types)) in writes.iter().enumerate() {
        parts.push(format!("w{n} as ({})", many.text(types, first)));
        exact.push(format!("(select count(*) from w{n}) = cardinality(${first})"));
        if many.answer == Answer::Changed {
            exact.push(format!("(select count(distinct n) from w{n}) = cardinality(${first})"));
        }
        first += types.len();
    }
    let relaxed = if relaxed { ", set_config('synchronous_commit', 'off', true)" } else { "" };
    let (parts, exact) = (parts.join(", "), exact.join(" and "));
    format!("with {parts} select 1 / case when {exact} then 1 else 0 end{relaxed}")
}

/// Both forms of `sql`.
pub(super) fn translate(sql: &str) -> Text {
    Text { single: replace(sql, "$"), many: many(sql) }
}

/// The highest parameter of `sql`.
pub(super) fn parameters(sql: &str) -> usize {
    let mut highest = 0;
    each_parameter(sql, |n, _| highest = highest.max(n));
    highest
}

fn many(sql: &str) -> Option<Many> {
    let words = sql.trim_start();
    if parameters(sql) == 0 {
        return None;
    }
    if words.starts_with("insert") {
        insert(sql)
    } else if words.starts_with("update") {
        update(sql)
    } else if words.starts_with("select") {
        let before = "select q.*, r.n from ".to_owned();
        let inner = replace(sql, "r.p");
        let after = format!(
            " cross join lateral (select i.*, row_number() over () as n from ({inner}) as i) as q
             order by r.n, q.n"
        );
        Some(Many { before, after, answer: Answer::Rows })
    } else {
        None
    }
}

/// `insert into t (…) values (…) [on conflict …]`, the latter without parameters.
fn insert(sql: &str) -> Option<Many> {
    let at = sql.find("values")?;
    let open = at + sql[at..].find('(')?;
    let close = closing(sql, open)?;
    let rest = &sql[close + 1..];
    if parameters(rest) > 0 {
        return None;
    }
    let row = replace(&sql[open + 1..close], "r.p");
    let before = format!("{}select {row} from ", &sql[..at]);
    Some(Many { before, after: format!("{rest} returning 1"), answer: Answer::Inserted })
}

/// `update t set … where …`.
fn update(sql: &str) -> Option<Many> {
    let at = last_at_top(sql, "where")?;
    let (set, condition) = (replace(&sql[..at], "r.p"), replace(&sql[at..], "r.p"));
    let (before, after) = (format!("{set} from "), format!(" {condition} returning r.n"));
    Some(Many { before, after, answer: Answer::Changed })
}

/// Where `word` is last, outside of all brackets.
fn last_at_top(sql: &str, word: &str) -> Option<usize> {
    let depth = |at: usize| {
        let count = |c| sql[..at].matches(c).count();
        count('(') - count(')')
    };
    sql.rmatch_indices(word).map(|(at, _)| at).find(|at| depth(*at) == 0)
}

fn closing(sql: &str, open: usize) -> Option<usize> {
    let mut depth = 0;
    for (at, c) in sql.char_indices().skip_while(|(at, _)| *at < open) {
        match c {
            '(' => depth += 1,
            ')' if depth == 1 => return Some(at),
            ')' => depth -= 1,
            _ => {}
        }
    }
    None
}

/// `sql` with every `?n` as `{prefix}n`.
fn replace(sql: &str, prefix: &str) -> String {
    let (mut text, mut from) = (String::with_capacity(sql.len() + 16), 0);
    each_parameter(sql, |n, at| {
        text.push_str(&sql[from..at.start]);
        text.push_str(prefix);
        text.push_str(&n.to_string());
        from = at.end;
    });
    text.push_str(&sql[from..]);
    text
}

fn each_parameter(sql: &str, mut found: impl FnMut(usize, std::ops::Range<usize>)) {
    for (at, _) in sql.match_indices('?') {
        let digits = sql[at + 1..].bytes().take_while(u8::is_ascii_digit).count();
        if let Ok(n) = sql[at + 1..at + 1 + digits].parse() {
            found(n, at..at + 1 + digits);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn many_of(sql: &str, types: &[&str]) -> String {
        translate(sql).many.unwrap().text(types, 1)
    }

    #[test]
    fn one_run_is_the_same_text_with_other_placeholders() {
        let text = translate("update t set a = ?2, b = ?10 where k = ?1 and c = '?'");
        assert_eq!(text.single, "update t set a = $2, b = $10 where k = $1 and c = '?'");
    }

    #[test]
    fn many_inserts_are_one() {
        assert_eq!(
            many_of("insert into t (a, b) values (?1, 'x') on conflict (a) do nothing", &["text"]),
            "insert into t (a, b) select r.p1, 'x' from unnest($1::text[]) with ordinality as r(p1, n) on conflict (a) do nothing returning 1"
        );
        let with_parameter = "insert into t (a) values (?1) on conflict (a) do update set b = ?2";
        assert_eq!(translate(with_parameter).many, None);
    }

    #[test]
    fn many_updates_tell_which_took_effect() {
        assert_eq!(
            many_of("update t set a = ?2 where k = ?1", &["text", "int8"]),
            "update t set a = r.p2  from unnest($1::text[], $2::int8[]) with ordinality as r(p1, p2, n) where k = r.p1 returning r.n"
        );
    }

    #[test]
    fn an_update_may_ask_other_tables() {
        let text = many_of(
            "update t set a = ?1 where b <> ?1 and b not in (select c from u where d > ?2)",
            &["text", "int8"],
        );
        let end = "where b <> r.p1 and b not in (select c from u where d > r.p2) returning r.n";
        assert!(text.starts_with("update t set a = r.p1  from unnest("), "{text}");
        assert!(text.ends_with(end), "{text}");
    }

    #[test]
    fn writes_go_together_and_are_exact() {
        let [one, two] = ["insert into t (a) values (?1)", "update u set b = ?2 where k = ?1"]
            .map(|sql| translate(sql).many.unwrap());
        let parts = [(&one, vec!["text"]), (&two, vec!["text", "int8"])];
        assert_eq!(
            together(&parts, false),
            "with w0 as (insert into t (a) select r.p1 from unnest($1::text[]) with ordinality as r(p1, n) returning 1), \
             w1 as (update u set b = r.p2  from unnest($2::text[], $3::int8[]) with ordinality as r(p1, p2, n) where k = r.p1 returning r.n) \
             select 1 / case when (select count(*) from w0) = cardinality($1) \
             and (select count(*) from w1) = cardinality($2) \
             and (select count(distinct n) from w1) = cardinality($2) then 1 else 0 end"
        );
        assert!(
            together(&parts, true).ends_with("end, set_config('synchronous_commit', 'off', true)")
        );
    }

    #[test]
    fn many_queries_keep_the_order_of_their_parameters() {
        let text = many_of("select a from t where k = ?1 order by a limit ?2", &["text", "int8"]);
        assert!(text.starts_with("select q.*, r.n from unnest($1::text[], $2::int8[])"), "{text}");
        assert!(text.contains("(select a from t where k = r.p1 order by a limit r.p2)"), "{text}");
        assert!(text.ends_with("order by r.n, q.n"), "{text}");
    }

    #[test]
    fn what_has_no_parameters_or_deletes_has_no_form_for_many() {
        assert_eq!(translate("select 1").many, None);
        assert_eq!(translate("delete from t where k = ?1").many, None);
    }
}
