//! What each key, and each thing that comes, leads to.

use ecom::ops::dlq::GroupBy;
use ecom::ops::dlq::replay::{JobState, JobView, ReplayReport, ReplayRequest};
use ecom::tui::keymap::{BINDINGS, Key, View};
use ecom::tui::msg::{Effect, Follow, Load, Loaded, Msg};
use ecom::tui::state::popup::{Page, Popup};
use ecom::tui::state::{Rights, State};
use ecom::tui::theme::ThemeName;
use ecom::tui::update::update;

use super::{at, empty, filled, letter, logs, press, pulse, record, shown, tailed, take};

/// What is asked for, by kind.
fn asked(effects: &[Effect]) -> Vec<&'static str> {
    let load = |effect: &Effect| match effect {
        Effect::Load(load) => Some(load.kind()),
        _ => None,
    };
    effects.iter().filter_map(load).collect()
}

fn letters_open(size: (u16, u16)) -> State {
    let mut state = filled(size);
    let _ = press(&mut state, "5 Down Enter");
    let filter = state.letters.filter().unwrap();
    take(&mut state, Loaded::Letters(filter, (0..3).map(letter).collect()));
    state
}

fn job(state: JobState) -> JobView {
    let request = ReplayRequest::default();
    let report = ReplayReport { selected: 10, replayed: 4, ..ReplayReport::default() };
    let (job, actor) = ("job-1".into(), "ann".into());
    JobView { job, state, request, report, actor, created_at: at(-5), updated_at: at(0) }
}

#[test]
fn each_view_asks_for_what_it_shows_and_for_nothing_twice() {
    for (key, expected) in [
        ("1", vec!["pulse", "run", "logs", "lag"]),
        ("2", vec!["pulse", "run", "logs"]),
        ("4", vec!["pulse", "run", "logs", "lag"]),
        ("5", vec!["pulse", "run", "logs", "summary"]),
        ("6", vec!["pulse", "run", "logs", "orders"]),
        ("8", vec!["pulse", "run", "logs"]),
    ] {
        let mut state = empty((80, 24));
        assert_eq!(asked(&press(&mut state, key)), expected, "{key}");
        assert_eq!(asked(&update(&mut state, Msg::Tick(at(1)))), Vec::<&str>::new(), "under way");
        take(&mut state, Loaded::Pulse(pulse(1, 1)));
        assert_eq!(asked(&update(&mut state, Msg::Tick(at(2)))), ["pulse"]);
    }
}

#[test]
fn help_is_there_wherever_no_text_is_typed() {
    for keys in ["5", "5 J"] {
        let mut state = empty((100, 30));
        let _ = press(&mut state, keys);
        let before = shown(&state);
        let _ = press(&mut state, "?");
        assert!(shown(&state).contains("changes something"), "{}", shown(&state));
        let _ = press(&mut state, "Esc");
        assert_eq!(shown(&state), before, "and what was there before comes back");
    }
    let mut state = empty((100, 30));
    let _ = press(&mut state, ": ?");
    assert!(!shown(&state).contains("changes something"), "a command is typed");
}

#[test]
fn views_are_chosen_by_digit_tab_and_mouse() {
    let mut state = empty((120, 40));
    for (keys, view) in
        [("Tab", View::Topics), ("S-Tab", View::Overview), ("S-Tab", View::Logs), ("5", View::Dlq)]
    {
        let _ = press(&mut state, keys);
        assert_eq!(state.view, view);
    }
    let header = shown(&state);
    let column = header.lines().next().unwrap().find("Groups").unwrap() as u16;
    let _ = update(&mut state, Msg::Click(column, 0));
    assert_eq!(state.view, View::Groups);
    let _ = update(&mut state, Msg::Click(119, 0));
    assert_eq!(state.view, View::Groups, "a click beside the names chooses nothing");
}

#[test]
fn rows_are_chosen_by_mouse_and_a_second_click_opens() {
    let mut state = filled((80, 24));
    let _ = press(&mut state, "2");
    let _ = update(&mut state, Msg::Click(4, 3));
    assert_eq!(state.topics.cursor(), 1);
    let effects = update(&mut state, Msg::Click(4, 3));
    assert_eq!((state.view, state.tail.topic.as_deref()), (View::Tail, Some("order.created")));
    assert!(asked(&effects).contains(&"tail"));
    let _ = update(&mut state, Msg::Click(4, 23));
    assert_eq!(state.view, View::Tail, "the footer is no row");
}

#[test]
fn following_a_topic_begins_at_its_end_and_counts_what_is_left_out() {
    let mut state = filled((80, 24));
    let effects = press(&mut state, "2 Down Down Enter");
    let begin = Load::Tail(Follow::Begin("payment.processed".into()));
    assert!(effects.contains(&Effect::Load(begin)), "{effects:?}");
    let mut tailed = tailed();
    tailed.skipped = 1_200;
    take(&mut state, Loaded::Tail(tailed.clone()));
    assert!(state.tail.table.is_empty(), "records of the topic before are dropped");
    state.tail = ecom::tui::state::tail::Tail::new(Some("order.created".into()));
    let effects = take(&mut state, Loaded::Tail(tailed));
    assert_eq!(asked(&effects), ["tail"], "it goes on at once");
    assert!(shown(&state).contains("showed 8, skipped 1,200"), "{}", shown(&state));
    let _ = press(&mut state, "1");
    let mut more = super::tailed();
    more.records = vec![record(9)];
    assert_eq!(asked(&take(&mut state, Loaded::Tail(more))), Vec::<&str>::new(), "nobody looks");
}

#[test]
fn frozen_is_what_is_shown_not_what_is_known() {
    let mut state = filled((80, 24));
    let _ = press(&mut state, "2 f");
    take(&mut state, Loaded::Pulse(pulse(3, 900)));
    assert!(shown(&state).contains("300") && shown(&state).contains("! frozen"));
    let _ = press(&mut state, "f");
    assert!(shown(&state).contains("900"));
}

#[test]
fn filters_are_typed_kept_recalled_and_cleared() {
    let mut state = filled((80, 24));
    let _ = press(&mut state, "2 / o r d e r q");
    assert_eq!(state.topics.visible().len(), 0, "q is a letter here");
    let _ = press(&mut state, "Backspace Enter");
    assert_eq!((state.topics.visible().len(), state.typing.clone()), (1, None));
    let _ = press(&mut state, "Esc");
    assert_eq!(state.topics.visible().len(), 3, "Esc clears a filter that is set");
    let _ = press(&mut state, "/ Up");
    assert_eq!(state.typing.as_deref(), Some("order"));
    let _ = press(&mut state, "Esc");
    assert_eq!((state.topics.visible().len(), state.typing.clone()), (3, None));
    let _ = press(&mut state, "/");
    let _ = update(&mut state, Msg::Paste("dl\u{1b}q\n".into()));
    assert_eq!(state.typing.as_deref(), Some("dlq"), "what is pasted has no control characters");
}

#[test]
fn a_group_opens_to_its_letters_page_by_page() {
    let mut state = filled((80, 24));
    let effects = press(&mut state, "5 Enter");
    let Some(Effect::Load(Load::Letters(filter))) = effects.first() else { panic!("{effects:?}") };
    assert_eq!(filter.error.as_deref(), Some("payment.declined_code_unknown"));
    let page = |from: u64, n: u64| (from..from + n).map(letter).collect::<Vec<_>>();
    let size = ecom::tui::state::letters::PAGE as u64;
    take(&mut state, Loaded::Letters(filter.clone(), page(0, size)));
    let effects = press(&mut state, "G");
    let Some(Effect::Load(Load::Letters(more))) = effects.first() else { panic!("{effects:?}") };
    assert_eq!(more.after, Some(format!("dlq.events/1/{}", size - 1)));
    take(&mut state, Loaded::Letters(more.clone(), page(size, 7)));
    assert_eq!(state.letters.table().len() as u64, size + 7);
    assert_eq!(asked(&press(&mut state, "G")), Vec::<&str>::new(), "there are no more");
    let _ = press(&mut state, "Esc");
    assert!(state.letters.open.is_none());
}

#[test]
fn letters_are_summed_up_by_one_thing_after_another() {
    let mut state = filled((80, 24));
    let _ = press(&mut state, "5");
    let mut seen = vec![state.letters.by];
    for _ in 1..GroupBy::ALL.len() {
        let _ = press(&mut state, "b");
        seen.push(state.letters.by);
    }
    assert_eq!(seen, GroupBy::ALL);
}

#[test]
fn a_replay_shows_its_plan_first_and_cancel_is_what_enter_does() {
    let mut state = letters_open((80, 24));
    let _ = press(&mut state, "Space Space");
    let effects = press(&mut state, "r");
    let [Effect::Load(Load::Plan(request))] = effects.as_slice() else { panic!("{effects:?}") };
    assert!(request.dry_run && request.actor == "ann");
    assert_eq!(request.ids, ["dlq.events/1/0", "dlq.events/1/1"]);
    let report = ReplayReport { selected: 2, ..ReplayReport::default() };
    take(&mut state, Loaded::Plan(request.clone(), report.clone()));
    assert_eq!(press(&mut state, "Enter"), [], "Cancel is chosen at first");
    assert!(state.popups.is_empty());
    take(&mut state, Loaded::Plan(request.clone(), report));
    let effects = press(&mut state, "+ c Tab Enter");
    let [Effect::Replay(asked)] = effects.as_slice() else { panic!("{effects:?}") };
    assert!(!asked.dry_run && asked.rate == 1_000 && asked.canary == 10, "{asked:?}");
    assert_eq!(asked.ids, request.ids);
}

#[test]
fn a_replay_of_nothing_says_so() {
    let mut state = letters_open((80, 24));
    let report = ReplayReport { skipped: 3, ..ReplayReport::default() };
    take(&mut state, Loaded::Plan(ReplayRequest::default(), report));
    assert!(state.popups.is_empty());
    assert!(shown(&state).contains("nothing to send back; 3 are done with already"));
}

#[test]
fn a_job_is_watched_cancelled_and_left() {
    let mut state = letters_open((80, 24));
    assert_eq!(asked(&take(&mut state, Loaded::Opened(job(JobState::Running)))), ["job"]);
    assert!(shown(&state).contains("4 of 10"));
    assert_eq!(press(&mut state, "c"), [Effect::Cancel("job-1".into())]);
    assert_eq!(asked(&take(&mut state, Loaded::Job(job(JobState::Running)))), ["job"], "again");
    let _ = press(&mut state, "Esc");
    assert_eq!(take(&mut state, Loaded::Job(job(JobState::Running))), [], "nobody looks any more");
    assert!(state.popups.is_empty(), "it does not come back by itself");
    take(&mut state, Loaded::Opened(job(JobState::Cancelled)));
    assert_eq!(press(&mut state, "r"), [Effect::Resume("job-1".into())]);
}

#[test]
fn discarding_asks_for_a_reason_and_does_nothing_by_itself() {
    let mut state = letters_open((80, 24));
    assert_eq!(press(&mut state, "D"), []);
    assert_eq!(press(&mut state, "Enter"), [], "Cancel is chosen at first");
    let effects = press(&mut state, "D q u i t Tab Enter");
    assert_eq!(effects, [Effect::Discard(vec!["dlq.events/1/0".into()], "quit".into())]);
    assert_eq!(press(&mut state, "D Esc"), []);
    assert!(state.popups.is_empty());
    assert_eq!(press(&mut state, "U"), [Effect::Restore(vec!["dlq.events/1/0".into()])]);
}

#[test]
fn orders_are_traced_cancelled_and_resumed() {
    let mut state = filled((80, 24));
    assert_eq!(press(&mut state, "6 Enter"), [Effect::Load(Load::Trace("ORD-3".into()))]);
    assert_eq!(press(&mut state, "C Enter"), []);
    let effects = press(&mut state, "C f r a u d Tab Enter");
    assert_eq!(effects, [Effect::CancelOrder("ORD-3".into(), "fraud".into())]);
    assert_eq!(press(&mut state, "R Tab Enter"), [Effect::ResumeOrder("ORD-3".into())]);
}

#[test]
fn what_is_read_only_changes_nothing_whatever_is_pressed() {
    for view in View::ALL {
        let mut state = letters_open((80, 24));
        state.setup.rights = Rights::ReadOnly;
        state.view = *view;
        for binding in BINDINGS.iter().filter(|binding| binding.holds(*view) && binding.changes) {
            let effects = update(&mut state, Msg::Key(binding.keys[0]));
            assert_eq!((effects, state.popups.len()), (vec![], 0), "{} in {view}", binding.action);
        }
    }
    let mut state = letters_open((80, 24));
    state.setup.rights = Rights::ReadOnly;
    let letter = Some("dlq.events/1/0".into());
    state.popups.push(Popup::Page(Page { letter, ..Page::new("letter".into(), vec![]) }));
    for key in ["r", "e", "D"] {
        assert_eq!(press(&mut state, key), [], "{key}");
    }
    assert!(shown(&state).contains("read-only"));
    assert!(!shown(&state).contains("D discard"), "the footer does not offer it");
}

#[test]
fn what_is_protected_is_changed_once_it_is_unlocked() {
    let mut state = letters_open((80, 24));
    state.setup.rights = Rights::Locked;
    assert!(shown(&state).contains("protected, W unlocks"));
    assert_eq!((press(&mut state, "r"), state.popups.len()), (vec![], 0));
    assert!(shown(&state).contains("this is protected (console.protected); W unlocks it"));
    assert_eq!(press(&mut state, "W"), []);
    assert_eq!(asked(&press(&mut state, "r")), ["plan"]);
    state.setup.rights = Rights::ReadOnly;
    assert_eq!(press(&mut state, "W"), []);
    assert_eq!(state.setup.rights, Rights::ReadOnly);
}

#[test]
fn commands_are_found_by_their_words() {
    let mut state = filled((80, 24));
    let _ = press(&mut state, ": t h e m e Space l i g Enter");
    assert_eq!(state.theme, ThemeName::Light);
    let effects = press(&mut state, ": t a i l Space o r d Enter");
    assert_eq!((state.view, state.tail.topic.as_deref()), (View::Tail, Some("order.created")));
    assert!(asked(&effects).contains(&"tail"));
    let _ = press(&mut state, ": x y z z y Enter");
    assert!(shown(&state).contains("there is no command \"xyzzy\""));
    let _ = press(&mut state, ": d l q Enter");
    assert_eq!(state.view, View::Dlq);
}

#[test]
fn leaving_is_asked_about_where_something_ends_with_it() {
    let mut state = empty((80, 24));
    assert_eq!(press(&mut state, "q"), [Effect::Quit]);
    state.setup.ends = Some("The shop stops.".into());
    assert_eq!(press(&mut state, "q"), []);
    assert_eq!(press(&mut state, "Enter"), [], "Cancel is chosen at first");
    assert_eq!(press(&mut state, "q Tab Enter"), [Effect::Quit]);
    let mut over = super::run(9);
    over.verdict = Some((true, "verdict: pass".into()));
    take(&mut state, Loaded::Run(Some(over)));
    assert_eq!(press(&mut state, "q"), [Effect::Quit], "nothing is left to lose");
}

#[test]
fn what_is_exported_is_json_by_line_with_a_name_of_its_own() {
    let mut state = filled((80, 24));
    let effects = press(&mut state, "6 x");
    let [Effect::Write(path, text)] = effects.as_slice() else { panic!("{effects:?}") };
    assert_eq!(path.to_str(), Some("ecom-orders-20260131120000.jsonl"));
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[2]["reason"], "payment_failed");
}

#[test]
fn the_log_follows_its_end_and_is_bounded() {
    let mut state = filled((80, 24));
    let _ = press(&mut state, "8");
    let many = (0..5_000).map(|n| ecom::ops::live::LogLine { n: n + 10, ..logs()[0].clone() });
    take(&mut state, Loaded::Logs(many.collect()));
    assert_eq!((state.logs.len(), state.log_table.cursor()), (2_000, 1_999));
    let asked = update(&mut state, Msg::Tick(at(1)));
    assert!(asked.contains(&Effect::Load(Load::Logs(5_009))), "{asked:?}");
}

#[test]
fn every_key_in_every_place_is_survived() {
    let keys: Vec<Key> = BINDINGS.iter().flat_map(|binding| binding.keys).copied().collect();
    for view in View::ALL {
        for first in &keys {
            let mut state = filled((60, 16));
            state.view = *view;
            for key in [first].into_iter().chain(&keys) {
                let _ = update(&mut state, Msg::Key(*key));
            }
            assert_eq!(shown(&state).lines().count(), 16);
        }
    }
}
