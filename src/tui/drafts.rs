//! What the user writes in an editor, and what is done with it. Text whose purpose fails is kept.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::app::Screen;
use super::editor;
use super::effects::Doer;
use super::msg::{Draft, Loaded, Msg};
use crate::ops::Ops;
use crate::ops::admin::topics::NewTopicRequest;
use crate::ops::blob::Blob;
use crate::ops::dlq::editing::EditRequest;
use crate::ops::topics::NewRecordView;

/// Why nothing came of it.
enum Instead {
    /// This is to be said.
    Say(Msg),
    /// The terminal did not come back.
    Lost(io::Error),
}

/// Lets the user write this on `screen`, and does what it is for; what came of it. An error: the terminal did
/// not come back.
pub(super) async fn written(
    doer: &Doer,
    screen: &mut impl Screen,
    draft: Draft,
) -> io::Result<Msg> {
    let done = async {
        let ops = doer.ops().map_err(not_done)?;
        match draft {
            Draft::Letter(id) => letter(ops, screen, id, &doer.actor).await,
            Draft::Record(empty) => record(ops, screen, empty).await,
            Draft::Topic => topic(ops, screen).await,
        }
    };
    match done.await {
        Ok(msg) | Err(Instead::Say(msg)) => Ok(msg),
        Err(Instead::Lost(e)) => Err(e),
    }
}

async fn letter(
    ops: &dyn Ops,
    screen: &mut impl Screen,
    id: String,
    actor: &str,
) -> Result<Msg, Instead> {
    let detail = ops.dead_letter(&id).await.map_err(not_done)?;
    let before = detail.payload.and_then(|payload| payload.bytes()).unwrap_or_default();
    let (path, after) = edited(screen, &before)?;
    let request =
        EditRequest { id, value: Blob::of(&after), dry_run: false, actor: actor.to_owned() };
    let report = ops.edit(&request).await.map_err(|e| kept(e, &path))?;
    editor::remove(&path);
    Ok(Msg::Loaded(Box::new(Loaded::Edited(report))))
}

async fn record(
    ops: &dyn Ops,
    screen: &mut impl Screen,
    empty: NewRecordView,
) -> Result<Msg, Instead> {
    let template = NewRecordView {
        key: Some(Blob::Text(String::new())),
        value: Some(Blob::Text(String::new())),
        ..empty
    };
    let (path, record) = filled(screen, &template)?;
    let at = ops.produce(record).await.map_err(|e| kept(e, &path))?;
    editor::remove(&path);
    Ok(Msg::Done(format!("appended at {at}")))
}

async fn topic(ops: &dyn Ops, screen: &mut impl Screen) -> Result<Msg, Instead> {
    let template = NewTopicRequest {
        name: String::new(),
        partitions: 3,
        replication: None,
        config: BTreeMap::new(),
    };
    let (path, request): (_, NewTopicRequest) = filled(screen, &template)?;
    let topic = ops.create_topic(&request).await.map_err(|e| kept(e, &path))?;
    editor::remove(&path);
    Ok(Msg::Done(format!("{} is there", topic.name)))
}

/// What the user filled a template in with, and the file with it; or what to say instead.
fn filled<T: Serialize + DeserializeOwned>(
    screen: &mut impl Screen,
    template: &T,
) -> Result<(PathBuf, T), Instead> {
    let template = serde_json::to_vec_pretty(template).map_err(not_done)?;
    let (path, after) = edited(screen, &template)?;
    let wanted = serde_json::from_slice(&after).map_err(|e| kept(e, &path))?;
    Ok((path, wanted))
}

/// What the user made of this value, and the file with it; or what to say instead.
fn edited(screen: &mut impl Screen, before: &[u8]) -> Result<(PathBuf, Vec<u8>), Instead> {
    let mut edited = Ok(None);
    screen.lend(&mut || edited = editor::edited(before)).map_err(Instead::Lost)?;
    let changed = edited.map_err(|e| not_done(format!("{e:#}")))?;
    changed.ok_or_else(|| Instead::Say(Msg::Done("nothing was changed; nothing is sent".into())))
}

fn not_done(e: impl Display) -> Instead {
    Instead::Say(Msg::NotDone(e.to_string()))
}

fn kept(e: impl Display, path: &Path) -> Instead {
    not_done(format!("{e}; your text is in {}", path.display()))
}
