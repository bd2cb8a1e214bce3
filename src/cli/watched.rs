//! A run of the lab on a full screen.

use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::tui::{LookArgs, doer, full_screen};
use super::{Exit, output};
use crate::app::SystemClock;
use crate::app::folder::ServerNote;
use crate::ops::Ops;
use crate::ops::remote::RemoteOps;
use crate::ports::Clock;
use crate::sim::live::{self, Plan, Watch};
use crate::sim::report::Report;
use crate::tui::effects::RunSource;
use crate::tui::keymap::View;
use crate::tui::msg::Run;
use crate::tui::remap::Keymap;
use crate::tui::state::Rights;

/// Pause between two looks whether the run's shop is there.
const LOOK_EVERY: Duration = Duration::from_millis(20);

type Said = Arc<Mutex<Option<(bool, String)>>>;

/// Runs the lab and shows it, until its user has seen the verdict; none if they left before.
pub(super) async fn run(
    plan: Plan,
    look: &LookArgs,
    keys: Keymap,
) -> anyhow::Result<Option<Report>> {
    let (watch, said) = (Watch::default(), Said::default());
    let planned = plan.workload.users as u64;
    let mut run = pin!(live::run(plan, &watch));
    // Nothing to be seen before: the shop starts.
    let begun = async {
        while watch.look().1.is_none() {
            SystemClock::default().sleep(LOOK_EVERY).await;
        }
    };
    tokio::select! {
        biased;
        ended = &mut run => return ended.map(Some),
        () = begun => {}
    }
    let mut setup = look.setup("a run of the lab".into(), Rights::All, keys);
    setup.view = look.view().or(Some(View::Simulation));
    setup.ends = Some("The run ends, and nothing is checked.".into());
    let source = source(watch.clone(), Arc::clone(&said), planned);
    let mut screen = pin!(full_screen(setup, doer(shop(&watch), Some(source))));
    let report = tokio::select! {
        biased;
        left = &mut screen => {
            left?;
            output::say("stopped; nothing was checked");
            return Ok(None);
        }
        report = &mut run => report?,
    };
    let verdict = format!("verdict: {}; q leaves and prints the report", report.verdict.result);
    *said.lock().unwrap_or_else(PoisonError::into_inner) = Some((report.passed(), verdict));
    let _: Exit = screen.await?;
    Ok(Some(report))
}

/// The run's own shop, through its admin API.
fn shop(watch: &Watch) -> Option<Arc<dyn Ops>> {
    let note = ServerNote::read(&watch.folder()?)?;
    Some(Arc::new(RemoteOps::new(&note)))
}

fn source(watch: Watch, said: Said, planned: u64) -> RunSource {
    let clock = SystemClock::default();
    let ended = Mutex::new(None);
    Arc::new(move || {
        let (phase, crowd, waiting) = watch.look();
        let crowd = crowd?;
        let (load, seen) = crowd.stats.snapshot();
        let (checkout, _) = crowd.stats.histograms();
        let ms = |share| checkout.value_at_quantile(share) as f64 / 1_000.0;
        let verdict = said.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut ended = ended.lock().unwrap_or_else(PoisonError::into_inner);
        let now = clock.elapsed().as_secs();
        let seconds = if verdict.is_some() { *ended.get_or_insert(now) } else { now };
        Some(Run {
            phase: phase.to_owned(),
            seconds,
            planned,
            begun: load.sessions,
            ended: load.ended,
            requests: load.requests,
            errors: load.http_errors.into_iter().collect(),
            placed: seen.placed,
            fulfilled: seen.fulfilled,
            cancelled: seen.cancelled,
            waiting,
            checkout_ms: [ms(0.5), ms(0.9), ms(0.99)],
            verdict,
        })
    })
}
