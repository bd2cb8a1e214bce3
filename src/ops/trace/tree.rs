//! Steps as a tree: each below what led to it.

use std::collections::BTreeMap;

use super::Step;

/// Steps with how deep each stands, causes before effects, siblings by time.
pub fn laid_out(steps: &[Step]) -> Vec<(usize, &Step)> {
    let known: BTreeMap<&str, usize> =
        steps.iter().enumerate().map(|(n, step)| (step.id.as_str(), n)).collect();
    let mut below: Vec<Vec<usize>> = vec![vec![]; steps.len()];
    let mut roots = vec![];
    for (n, step) in steps.iter().enumerate() {
        let cause = step.cause.as_deref().and_then(|cause| known.get(cause));
        match cause.filter(|cause| **cause != n) {
            Some(cause) => below[*cause].push(n),
            None => roots.push(n),
        }
    }
    let mut laid = vec![];
    let mut seen = vec![false; steps.len()];
    visit(steps, &below, roots, &mut seen, &mut laid);
    // Two that name each other as their cause are a mistake of whoever wrote them; they are shown all the same.
    let rest: Vec<usize> = (0..steps.len()).filter(|n| !seen[*n]).collect();
    for n in rest {
        if !seen[n] {
            visit(steps, &below, vec![n], &mut seen, &mut laid);
        }
    }
    laid
}

fn visit<'a>(
    steps: &'a [Step],
    below: &[Vec<usize>],
    roots: Vec<usize>,
    seen: &mut [bool],
    laid: &mut Vec<(usize, &'a Step)>,
) {
    let mut left: Vec<(usize, usize)> = roots.into_iter().rev().map(|n| (0, n)).collect();
    while let Some((depth, n)) = left.pop() {
        if std::mem::replace(&mut seen[n], true) {
            continue;
        }
        laid.push((depth, &steps[n]));
        left.extend(below[n].iter().rev().map(|child| (depth + 1, *child)));
    }
}

#[cfg(test)]
mod tests {
    use super::super::{StepKind, StepSource};
    use super::*;
    use crate::domain::Timestamp;

    fn step(id: &str, cause: Option<&str>) -> Step {
        Step {
            id: id.into(),
            cause: cause.map(str::to_owned),
            kind: StepKind::Event,
            at: Timestamp::from_millis(1),
            source: StepSource::Log,
            what: String::new(),
            service: None,
            event_id: None,
            event_type: None,
            record: None,
            state: None,
            error: None,
            details: BTreeMap::new(),
        }
    }

    #[track_caller]
    fn check(given: &[(&str, Option<&str>)], expected: &[(usize, &str)]) {
        let steps: Vec<Step> = given.iter().map(|(id, cause)| step(id, *cause)).collect();
        let laid = laid_out(&steps);
        let laid: Vec<(usize, &str)> =
            laid.iter().map(|(n, step)| (*n, step.id.as_str())).collect();
        assert_eq!(laid, expected);
    }

    #[test]
    fn effects_stand_below_their_causes() {
        check(&[], &[]);
        check(
            &[("a", None), ("b", Some("a")), ("c", Some("a")), ("d", Some("b"))],
            &[(0, "a"), (1, "b"), (2, "d"), (1, "c")],
        );
    }

    #[test]
    fn a_cause_that_is_not_known_or_makes_no_sense_loses_nothing() {
        check(&[("a", Some("gone")), ("b", Some("a"))], &[(0, "a"), (1, "b")]);
        check(&[("a", Some("a"))], &[(0, "a")]);
        check(&[("a", Some("b")), ("b", Some("a"))], &[(0, "a"), (1, "b")]);
    }
}
