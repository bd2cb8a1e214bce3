//! `ecom orders cancel`, `refund` and `resume`.

use clap::Args;

use crate::cli::dlq::replay::finished;
use crate::cli::exit::WithExit;
use crate::cli::output::{self, Format};
use crate::cli::reach::{Reach, failed};
use crate::cli::{DataArg, Exit, protect};
use crate::ops::OpsError;
use crate::ops::orders::{OrderReport, OrderRequest};

/// Which orders, and how it is asked for.
#[derive(Debug, Args)]
pub(super) struct WishArgs {
    /// Why: kept with the order.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Do not ask; needed where nobody can be asked.
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    pub(super) data: DataArg,
    /// How the outcome is printed: JSON is one object per order.
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    output: Format,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct CancelArgs {
    /// These orders; `-` reads ids from standard input.
    #[arg(required = true)]
    orders: Vec<String>,
    #[command(flatten)]
    pub(super) wish: WishArgs,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct RefundArgs {
    /// The order, or its payment.
    order: String,
    #[command(flatten)]
    pub(super) wish: WishArgs,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ResumeArgs {
    /// These orders; `-` reads ids from standard input.
    #[arg(required = true)]
    orders: Vec<String>,
    #[command(flatten)]
    pub(super) wish: WishArgs,
}

pub(super) async fn cancel(reach: &Reach, args: &CancelArgs) -> anyhow::Result<Exit> {
    let plan =
        Plan { verb: "cancel", effect: "units and money are given back, the shopper is told" };
    let done = async |request| reach.ops.cancel_order(&request).await;
    each(reach, &args.orders, &args.wish, &plan, done).await
}

pub(super) async fn refund(reach: &Reach, args: &RefundArgs) -> anyhow::Result<Exit> {
    let plan = Plan { verb: "refund", effect: "the provider is asked again for what is owed" };
    let done = async |request| reach.ops.refund_order(&request).await;
    each(reach, std::slice::from_ref(&args.order), &args.wish, &plan, done).await
}

pub(super) async fn resume(reach: &Reach, args: &ResumeArgs) -> anyhow::Result<Exit> {
    let plan = Plan { verb: "resume", effect: "what stands in the way of each is done again" };
    let done = async |request| reach.ops.resume_order(&request).await;
    each(reach, &args.orders, &args.wish, &plan, done).await
}

/// Orders that a question names.
const SHOWN: usize = 10;

/// What is about to be done.
struct Plan {
    verb: &'static str,
    effect: &'static str,
}

/// Does it to each of these orders, once somebody has agreed.
async fn each(
    reach: &Reach,
    given: &[String],
    wish: &WishArgs,
    plan: &Plan,
    done: impl AsyncFn(OrderRequest) -> Result<OrderReport, OpsError>,
) -> anyhow::Result<Exit> {
    let orders = crate::cli::dlq::ids(given)?;
    if orders.is_empty() {
        output::say("no ids on standard input; nothing to do");
        return Ok(Exit::Ok);
    }
    agreed(&orders, wish, plan)?;
    let (mut exits, mut good) = (vec![], 0);
    for order in &orders {
        let actor = crate::cli::dlq::actor();
        let request = OrderRequest {
            order: order.clone(),
            actor,
            reason: wish.reason.clone().unwrap_or_default(),
        };
        match done(request).await {
            Ok(mut report) => {
                let waits = !report.waiting.is_empty();
                let ended = heard(reach, &mut report).await?;
                told(&report, wish.output)?;
                if waits || ended != Exit::Ok {
                    exits.push(Exit::Partial);
                } else {
                    good += 1;
                }
            }
            Err(e) if orders.len() == 1 => return Err(failed(e)),
            Err(e) => {
                output::say(format!("{order}: {e}"));
                exits.push(Exit::Partial);
            }
        }
    }
    if orders.len() > 1 {
        output::say(format!("{good} of {} done", orders.len()));
    }
    Ok(exits.first().copied().unwrap_or(Exit::Ok))
}

/// Whether somebody wants it; an error if nobody can be asked, or they do not.
fn agreed(orders: &[String], wish: &WishArgs, plan: &Plan) -> anyhow::Result<()> {
    if wish.yes {
        return Ok(());
    }
    let Plan { verb, effect } = plan;
    let few = orders.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    let more = orders.len().saturating_sub(SHOWN);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let no = |why: &str| WithExit(Exit::Refused, format!("{why}; nothing was done"));
    output::say(format!("{verb} {few}{more}: {effect}"));
    if !protect::is_person() {
        return Err(
            no(&format!("`ecom orders {verb}` needs --yes where nobody can be asked")).into()
        );
    }
    if protect::says_yes(&format!("{verb} {} orders?", orders.len()))? {
        return Ok(());
    }
    Err(no("not confirmed").into())
}

/// Waits for what becomes of the dead letters that were sent back, and says so.
async fn heard(reach: &Reach, report: &mut OrderReport) -> anyhow::Result<Exit> {
    let Some(job) = report.job.clone() else { return Ok(Exit::Ok) };
    let view = finished(reach, &job).await?;
    let sent = &view.report;
    report.told.push(format!(
        "{job}: {} sent, {} resolved, {} failed again, {} not heard of yet",
        sent.replayed, sent.resolved, sent.refailed, sent.pending
    ));
    report.told.extend(sent.note.clone());
    if let Ok(order) = reach.ops.order(&report.order_id).await
        && let Some(state) = order.state
    {
        report.state = state.to_string();
    }
    Ok(if sent.is_partial() || sent.note.is_some() { Exit::Partial } else { Exit::Ok })
}

fn told(report: &OrderReport, format: Format) -> anyhow::Result<()> {
    if format == Format::Json {
        output::line(output::tagged(report, "order_report")?)?;
        return Ok(());
    }
    let OrderReport { order_id, state, told, waiting, .. } = report;
    output::line(format!("{order_id} {state}"))?;
    for line in told {
        output::line(format!("  {line}"))?;
    }
    for wait in waiting {
        output::line(format!("  waits: {}", wait.what))?;
    }
    Ok(())
}
