//! Whole screens, at three sizes; and none of any size ends the program.

use ecom::ops::groups::ResetView;
use ecom::tui::keymap::View;
use ecom::tui::msg::{Loaded, Msg};
use ecom::tui::state::State;
use ecom::tui::theme::ThemeName;
use ecom::tui::update::update;
use ecom::tui::{snapshot, views};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier};

use super::{at, empty, filled, letter, press, shown, take};

const SIZES: [(u16, u16); 3] = [(80, 24), (120, 40), (40, 10)];

fn same(name: &str, state: &State) {
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    let (columns, rows) = state.size;
    settings.bind(|| insta::assert_snapshot!(format!("{name}-{columns}x{rows}"), shown(state)));
}

/// Opens the second group of dead letters, with three in it.
fn with_letters(state: &mut State) {
    let _ = press(state, "5 Down Enter");
    let filter = state.letters.filter().unwrap();
    take(state, Loaded::Letters(filter, (0..3).map(letter).collect()));
}

#[test]
fn every_view_at_three_sizes() {
    for size in SIZES {
        for view in View::ALL {
            let mut state = filled(size);
            let _ = press(&mut state, &view.number().to_string());
            same(view.as_str(), &state);
        }
    }
}

#[test]
fn what_lies_over_a_view_at_three_sizes() {
    for size in SIZES {
        let mut letters = filled(size);
        with_letters(&mut letters);
        let _ = press(&mut letters, "Space");
        same("letters", &letters);
        let mut discard = letters.clone();
        let _ = press(&mut discard, "D d u p l i c a t e");
        same("discard", &discard);
        let mut help = letters.clone();
        let _ = press(&mut help, "?");
        same("help", &help);
        let mut palette = letters;
        let _ = press(&mut palette, ": t h e");
        same("palette", &palette);
        let mut record = filled(size);
        let _ = press(&mut record, "3 Enter");
        same("record", &record);
        let mut group = filled(size);
        let _ = press(&mut group, "4 Down Enter");
        same("group", &group);
        let mut offsets = filled(size);
        let _ = press(&mut offsets, "4");
        let change = |partition, before, after| ResetView {
            topic: "order.created".into(),
            partition,
            before,
            after,
        };
        let changes = vec![change(0, 40, 0), change(1, 1_200, 1_300), change(2, 0, 0)];
        take(&mut offsets, Loaded::Reset("reports".into(), 0, changes));
        same("offsets", &offsets);
        let mut long = filled(size);
        let why = "the value is still wrong: not a valid order.created event: missing field `event_id` at line 1 column 2; your text is in /tmp/ecom-edit-AbCdEf/value.json";
        let _ = update(&mut long, Msg::NotDone(why.into()));
        same("not-done", &long);
        let mut filtering = filled(size);
        let _ = press(&mut filtering, "2 / o r d");
        same("filtering", &filtering);
    }
}

#[test]
fn what_a_console_says_that_reaches_nobody() {
    let mut state = empty((80, 24));
    let load = Box::new(ecom::tui::msg::Load::Pulse);
    let _ = update(&mut state, Msg::Failed(load, "the shop does not answer".into()));
    same("unreachable", &state);
}

#[test]
fn no_size_ends_it() {
    for width in [0, 1, 2, 5, 13, 39, 200] {
        for height in [0, 1, 2, 3, 4, 5, 9, 60] {
            for view in View::ALL {
                let mut state = filled((width, height));
                state.view = *view;
                for keys in ["", "?", ":", "Enter", "Down", "End"] {
                    let mut state = state.clone();
                    let _ = press(&mut state, keys);
                    let text = shown(&state);
                    assert_eq!(
                        text.lines().count(),
                        usize::from(height),
                        "{view} {width}x{height}"
                    );
                }
            }
        }
    }
}

fn drawn(state: &State) -> Buffer {
    let area = Rect::new(0, 0, state.size.0, state.size.1);
    let mut buffer = Buffer::empty(area);
    views::screen(state, area, &mut buffer);
    buffer
}

#[test]
fn meaning_has_colours_but_never_colour_alone() {
    let mut state = filled((100, 20));
    let _ = press(&mut state, "4 Down Down");
    let buffer = drawn(&state);
    let find = |what: &str| {
        let lines: Vec<String> = shown(&state).lines().map(str::to_owned).collect();
        let y = lines.iter().position(|line| line.contains(what)).unwrap();
        let x = lines[y].chars().position(|c| what.starts_with(c)).unwrap();
        (x as u16, y as u16)
    };
    assert_eq!(buffer[find("! slow")].fg, Color::LightYellow);
    assert!(buffer[find("✗ stopped")].modifier.contains(Modifier::REVERSED), "under the cursor");
    let mut plain = state.clone();
    plain.theme = ThemeName::Plain;
    let coloured = drawn(&plain).content.iter().any(|cell| cell.fg != Color::Reset);
    assert!(!coloured, "NO_COLOR means none");
    assert_eq!(shown(&plain), shown(&state), "what is said is the same");
}

#[test]
fn a_frame_for_programs_has_the_rows_of_its_view() {
    let mut state = filled((80, 24));
    let _ = press(&mut state, "6");
    let frame = snapshot::json(&state);
    assert_eq!(
        (frame["kind"].as_str(), frame["view"].as_str()),
        (Some("console_frame"), Some("orders"))
    );
    assert_eq!(frame["at"].as_str(), Some(at(0).to_string().as_str()));
    assert_eq!(frame["rows"][2]["reason"].as_str(), Some("payment_failed"));
    assert_eq!(frame["pulse"]["open_orders"].as_u64(), Some(17));
}
