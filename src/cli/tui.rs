//! `ecom tui`: the console on a full screen.

use std::sync::Arc;

use clap::Args;

use super::dlq::actor;
use super::dlq::replay::{ending, finished};
use super::exit::WithExit;
use super::output::{self, Format};
use super::reach::Reach;
use super::signals::Signals;
use super::{DataArg, Exit, FlagValues};
use crate::app::embedded::Environment;
use crate::app::variables::variable;
use crate::app::{Settings, logging};
use crate::ops::Ops;
use crate::ops::dlq::replay::JobState;
use crate::tui::effects::{Doer, RunSource};
use crate::tui::keymap::{BINDINGS, Key, View};
use crate::tui::remap::Keymap;
use crate::tui::state::{Rights, Setup};
use crate::tui::theme::ThemeName;
use crate::tui::{app, snapshot};

/// Columns and rows of a frame without a terminal, where nothing else is said.
const SIZE: (u16, u16) = (120, 40);

#[derive(Debug, Args)]
#[command(after_help = "Keys: 1-8 views, / filter, Enter open, Esc back, ? all keys, q quit.

Examples:
  ecom tui                                      the shop of the default folder
  ecom tui --kafka localhost:9092 --view dlq    anybody's Kafka
  ecom tui --once --view dlq                    one frame on standard output
  ecom tui --once --view dlq --keys Enter --size 100x30")]
pub(super) struct TuiArgs {
    #[command(flatten)]
    data: DataArg,
    #[command(flatten)]
    look: LookArgs,
    /// Change nothing: keys that would are off.
    #[arg(long)]
    read_only: bool,
    /// Print all keys and end; console.keys sets others.
    #[arg(long, conflicts_with_all = ["once", "read_only"])]
    list_keys: bool,
    /// Print one frame and end.
    #[arg(long)]
    once: bool,
    /// Press these keys before the frame is printed, separated by blanks: r, G, ^R, Enter, Down, …
    #[arg(long, value_name = "KEYS", requires = "once")]
    keys: Option<String>,
    /// Columns and rows of the frame.
    #[arg(long, value_name = "WxH", value_parser = size, requires = "once")]
    size: Option<(u16, u16)>,
    /// How the frame is printed.
    #[arg(short, long, value_enum, default_value_t = Format::Text, requires = "once")]
    output: Format,
}

/// What a console shows first, and how.
#[derive(Debug, Args)]
pub(super) struct LookArgs {
    /// The first view: overview, topics, tail, groups, dlq, orders, simulation or logs.
    #[arg(long, value_name = "VIEW", value_parser = view)]
    view: Option<View>,
    /// Follow this topic.
    #[arg(long, value_name = "TOPIC")]
    topic: Option<String>,
    /// Colours: dark, light, contrast or plain; plain, where `NO_COLOR` is set.
    #[arg(long, value_name = "NAME", value_parser = theme)]
    theme: Option<ThemeName>,
}

impl TuiArgs {
    pub(super) fn flags(&self) -> FlagValues {
        self.data.flags()
    }
}

fn view(text: &str) -> Result<View, String> {
    View::parse(text).ok_or_else(|| words("view", View::ALL.iter().map(|view| view.as_str())))
}

fn theme(text: &str) -> Result<ThemeName, String> {
    let all = || ThemeName::ALL.iter().map(|name| name.as_str());
    ThemeName::parse(text).ok_or_else(|| words("theme", all()))
}

fn words<'a>(what: &str, all: impl Iterator<Item = &'a str>) -> String {
    format!("there is no such {what}; use one of {}", all.collect::<Vec<_>>().join(", "))
}

fn size(text: &str) -> Result<(u16, u16), String> {
    const MAX: u16 = 1_000;
    let size = text.split_once('x').and_then(|(w, h)| Some((w.parse().ok()?, h.parse().ok()?)));
    size.filter(|(w, h)| (1..=MAX).contains(w) && (1..=MAX).contains(h))
        .ok_or_else(|| format!("write columns and rows, such as 120x40, each from 1 to {MAX}"))
}

impl LookArgs {
    /// The view that was asked for.
    pub(super) const fn view(&self) -> Option<View> {
        self.view
    }

    /// A console that looks so.
    pub(super) fn setup(&self, label: String, rights: Rights, keys: Keymap) -> Setup {
        let no_colour = variable("NO_COLOR").is_some();
        let topic = self.topic.clone();
        let view = self.view.or_else(|| topic.as_ref().map(|_| View::Tail));
        let theme = self.theme.or_else(|| no_colour.then_some(ThemeName::Plain));
        Setup { label, rights, theme, view, topic, ends: None, actor: actor(), keys }
    }
}

pub(super) fn run(args: &TuiArgs, settings: &Settings) -> anyhow::Result<Exit> {
    if args.list_keys {
        return list_keys(&keymap(settings)?);
    }
    if !args.once {
        needs_terminal()?;
    }
    let keys = args.keys.as_deref().map(keys).transpose()?.unwrap_or_default();
    super::reach::with_reach(settings, &args.data, async |reach| {
        let rights = if args.read_only { Rights::ReadOnly } else { rights(settings) };
        let setup = args.look.setup(label(settings, reach), rights, keymap(settings)?);
        if !args.once {
            let exit = full_screen(setup, doer(Some(Arc::clone(&reach.ops)), None)).await?;
            leave(reach).await;
            return Ok(exit);
        }
        let mut doer = doer(Some(Arc::clone(&reach.ops)), None);
        doer.patient = false;
        let state = snapshot::once(setup, &doer, args.size.unwrap_or(SIZE), &keys).await;
        match args.output {
            Format::Text => output::out(&snapshot::text(&state))?,
            Format::Json => output::line(snapshot::json(&state))?,
        }
        Ok(if state.unreachable.is_some() { Exit::Unreachable } else { Exit::Ok })
    })
}

/// The keys that the settings choose.
pub(super) fn keymap(settings: &Settings) -> anyhow::Result<Keymap> {
    let wrong = |text: String| WithExit(Exit::Usage, format!("console.keys: {text}"));
    Ok(Keymap::parse(&settings.console.keys).map_err(wrong)?)
}

fn list_keys(keys: &Keymap) -> anyhow::Result<Exit> {
    let mut rows = vec![["ACTION", "KEYS", "WHERE", "WHAT IT DOES"].map(str::to_owned).to_vec()];
    for binding in BINDINGS {
        let shown: Vec<String> = keys.keys(binding).iter().map(Key::to_string).collect();
        let views: Vec<&str> = View::ALL
            .iter()
            .filter(|view| binding.holds(**view))
            .map(|view| view.as_str())
            .collect();
        let views = if views.len() == View::ALL.len() { "all".into() } else { views.join(",") };
        rows.push(vec![binding.action.to_string(), shown.join(" "), views, binding.help.into()]);
    }
    output::out(&output::table(&rows))?;
    Ok(Exit::Ok)
}

/// What a console may change at first.
pub(super) const fn rights(settings: &Settings) -> Rights {
    if settings.console.protected { Rights::Locked } else { Rights::All }
}

/// Refuses to begin without a terminal.
pub(super) fn needs_terminal() -> anyhow::Result<()> {
    if app::has_terminal() {
        return Ok(());
    }
    let text = "the console needs a terminal; `ecom tui --once` prints one frame anywhere";
    Err(WithExit(Exit::Usage, text.into()).into())
}

/// Shows the console until its user leaves, or a signal ends it.
pub(super) async fn full_screen(setup: Setup, doer: Doer) -> anyhow::Result<Exit> {
    let mut signals = Signals::listen()?;
    logging::silence(true);
    let shown = app::show(setup, doer, signals.next()).await;
    logging::silence(false);
    Ok(shown?.unwrap_or(Exit::Ok))
}

/// Lets replays that run in this process end after their current step, so that nothing is sent twice by who
/// goes on with them.
async fn leave(reach: &Reach) {
    if reach.elsewhere {
        return;
    }
    // A cluster that does not answer has no replay under way that could be waited for.
    let jobs = reach.ops.jobs().await.unwrap_or_default();
    for job in jobs.iter().filter(|job| job.state == JobState::Running) {
        // One of another process is its own business.
        if reach.ops.cancel(&job.job).await.is_ok() {
            output::say(ending(&job.job));
            let _ = finished(reach, &job.job).await;
        }
    }
}

/// Who does what a console asks for.
pub(super) fn doer(ops: Option<Arc<dyn Ops>>, run: Option<RunSource>) -> Doer {
    let Environment { clock, spawn, .. } = Environment::system();
    Doer::new((ops, run), clock, spawn, actor())
}

fn label(settings: &Settings, reach: &Reach) -> String {
    let profile = settings.profile.as_ref().map(|name| format!("{name}: ")).unwrap_or_default();
    profile + &place(settings, reach)
}

fn place(settings: &Settings, reach: &Reach) -> String {
    if !settings.kafka.bootstrap.is_empty() {
        return format!("Kafka at {}", settings.kafka.bootstrap);
    }
    let state = if reach.running { "shop" } else { "stopped shop" };
    let folder = settings.data_dir().map(|dir| dir.display().to_string()).unwrap_or_default();
    format!("{state} in {folder}")
}

fn keys(text: &str) -> anyhow::Result<Vec<Key>> {
    let key = |word: &str| {
        let unknown =
            || WithExit(Exit::Usage, format!("{word:?} is no key; see `ecom tui --help`"));
        Key::parse(word).ok_or_else(unknown)
    };
    Ok(text.split_whitespace().map(key).collect::<Result<_, _>>()?)
}
