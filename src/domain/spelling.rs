//! What somebody who misspelt a name may have meant.

/// How many letters must be added, removed or changed to make `a` of `b` (Levenshtein).
pub fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, to) in b.iter().enumerate() {
            let change = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = change.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

/// Of these names at most three that look most like `wanted`, the likeliest first; none if none looks like it.
pub fn nearest<'a>(wanted: &str, names: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let (plain, changes_max) = (wanted.to_lowercase(), wanted.chars().count() / 5 + 1);
    let mut near: Vec<(usize, &str)> = names
        .into_iter()
        .filter_map(|name| {
            let lower = name.to_lowercase();
            let part = plain.chars().count() > 2 && lower.contains(&plain);
            let changes = if part { 1 } else { distance(&lower, &plain) };
            (changes <= changes_max).then_some((changes, name))
        })
        .collect();
    near.sort_unstable();
    near.into_iter().take(3).map(|(_, name)| name).collect()
}

/// "; did you mean …?", or nothing if nobody can tell.
pub fn did_you_mean<'a>(wanted: &str, names: impl IntoIterator<Item = &'a str>) -> String {
    match nearest(wanted, names).as_slice() {
        [] => String::new(),
        near => format!("; did you mean {}?", near.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_alike_is_suggested() {
        let names = ["orders-stuck", "orders-recent", "outbox-backlog", "Europe/Berlin"];
        assert_eq!(nearest("order-stuck", names), ["orders-stuck"]);
        assert_eq!(nearest("stuck", names), ["orders-stuck"]);
        assert_eq!(nearest("orders", names), ["orders-recent", "orders-stuck"]);
        assert_eq!(nearest("europe/berlin", names), ["Europe/Berlin"]);
        assert_eq!(nearest("zzzzzz", names), [""; 0]);
        assert_eq!(did_you_mean("berlin", names), "; did you mean Europe/Berlin?");
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
