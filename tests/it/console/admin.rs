//! Topics made and deleted, and groups that read on somewhere else, from the console.

use std::path::Path;

use ecom::ops::admin::topics::{Reader, TopicRemoval};
use ecom::ops::groups::{ResetRequest, ResetTo, ResetView};
use ecom::ops::topics::TailStart;
use ecom::tui::msg::{Effect, Load, Loaded};

use super::keys::{doer, filmed};
use super::terminal::Terminal;
use super::{filled, press, shown, take};
use crate::harness::program::{Served, ecom, run};
use crate::harness::shop;

#[test]
fn a_topic_is_deleted_by_its_name_only() {
    let mut state = filled((80, 24));
    let removal = press(&mut state, "2 G D");
    assert_eq!(removal, [Effect::Load(Load::Removal("payment.processed".into()))]);
    let removal = TopicRemoval {
        topic: "payment.processed".into(),
        executed: false,
        records: 7,
        partitions: vec![],
        readers: vec![Reader { group: "reports".into(), active: false, unread: 5 }],
    };
    let name = "p a y m e n t . p r o c e s s e d";
    let ways = [
        ("Enter".to_owned(), vec![]),
        ("p a y Enter".to_owned(), vec![]),
        ("p a y Tab Enter".to_owned(), vec![]),
        (format!("{name} Tab Enter"), vec![]),
        (format!("{name} Enter"), vec![Effect::DeleteTopic("payment.processed".into())]),
    ];
    for (keys, effects) in ways {
        take(&mut state, Loaded::Removal(removal.clone()));
        assert!(shown(&state).contains("Delete payment.processed and its 7 records?"));
        assert!(shown(&state).contains("reports has not read 5 of them"));
        assert_eq!(press(&mut state, &keys), effects, "{keys}");
        assert!(state.popups.is_empty(), "{keys}");
        let wrong = shown(&state).contains("that is not the name; nothing was done");
        assert_eq!(wrong, keys.starts_with("p a y ") && !keys.starts_with(name), "{keys}");
        state.notice = None;
    }
}

#[test]
fn where_a_group_reads_next_is_shown_before_it_is_set() {
    let mut state = filled((80, 24));
    assert_eq!(press(&mut state, "4 G O"), [Effect::Load(Load::Reset("reports".into(), 0))]);
    let change =
        |after| ResetView { topic: "order.created".into(), partition: 1, before: 40, after };
    let told = |place, after| Loaded::Reset("reports".into(), place, vec![change(after)]);
    take(&mut state, told(0, 0));
    assert!(shown(&state).contains("40 →            0  order.created/1"), "{}", shown(&state));
    let next = press(&mut state, "+");
    assert_eq!(next, [Effect::Load(Load::Reset("reports".into(), 1))]);
    take(&mut state, told(1, 33));
    assert_eq!(state.popups.len(), 1, "the other place is shown instead");
    assert!(shown(&state).contains("to  a day ago"));
    assert_eq!(press(&mut state, "Tab Enter"), [Effect::Reset("reports".into(), 1)]);
    assert_eq!(press(&mut state, "O Esc"), []);
    take(&mut state, told(1, 33));
    assert!(state.popups.is_empty(), "nobody looks any more");
}

#[test]
fn a_group_with_members_is_left_alone_and_one_without_reads_again() {
    shop(&[], |t| async move {
        t.product("P-1", "10.00", 5).await;
        t.buy("ann", "P-1").await;
        t.settle().await;
        let ops = doer(&t).ops.unwrap();
        let end = ResetRequest {
            group: "audit".into(),
            topic: Some("order.created".into()),
            to: ResetTo::Place(TailStart::End),
            execute: true,
        };
        ops.reset_offsets(&end).await.unwrap();
        let keys = "4 / p a y m e n t Enter O Esc / ^U a u d i t Enter O Tab Enter q";
        let (film, _) = filmed(&t, keys).await;
        film.shows(&[
            "payment-service-group has members: stop them first",
            "Offsets of audit",
            "audit reads on elsewhere in 1 partitions",
        ]);
        let groups = ops.groups().await.unwrap();
        let audit = groups.iter().find(|group| group.group == "audit").unwrap();
        assert_eq!(audit.lag, 1, "{audit:?}");
    });
}

fn console(data: &Path, script: &Path) -> Terminal {
    let mut command = ecom();
    command.args(["tui", "--view", "topics", "--data"]).arg(data);
    command.env("EDITOR", format!("sh {}", script.display())).env("TMPDIR", data);
    Terminal::start(command)
}

#[test]
fn a_topic_is_made_in_an_editor_and_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let shop = Served::start(folder.path(), &["--products", "3"]);
    let script = folder.path().join("editor");
    std::fs::write(&script, "echo '{\"name\":\"returns\",\"partitions\":2}' > \"$1\"\n").unwrap();
    let mut terminal = console(&shop.data, &script);
    terminal.wait_for("catalog.product_upserted");
    terminal.press("N");
    terminal.wait_for("returns is there");
    terminal.press("/returns\r");
    terminal.wait_for("1 of 1");
    terminal.press("D");
    terminal.wait_for("Delete returns and its 0 records?");
    terminal.press("returns\r");
    terminal.wait_for("returns is deleted");
    terminal.press("q");
    assert_eq!(terminal.ended(), 0);
    let data = shop.data.to_str().unwrap();
    let described = run(&["topics", "describe", "returns", "--data", data]);
    assert_eq!(described.status.code(), Some(4));
}
