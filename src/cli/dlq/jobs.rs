//! `ecom dlq jobs`.

use clap::{Args, Subcommand};

use super::replay::{finished, told};
use super::tagged;
use crate::app::zone::local;
use crate::cli::output::{self, Format};
use crate::cli::protect::{self, YesArg};
use crate::cli::reach::{Reach, failed};
use crate::cli::{DataArg, Exit, ListArgs};

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum JobsCommand {
    /// List replays, the newest first.
    List(ListArgs),
    /// Print what a replay did.
    Show(JobArgs),
    /// End a replay after its current step; what was sent is sent.
    Cancel(JobArgs),
    /// Go on with a replay that ended before its end, or whose process ended.
    Resume(ResumeArgs),
}

#[derive(Debug, Args)]
pub(in crate::cli) struct JobArgs {
    /// Its name, job-….
    job: String,
    #[command(flatten)]
    data: DataArg,
    /// How it is printed.
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    output: Format,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ResumeArgs {
    #[command(flatten)]
    job: JobArgs,
    #[command(flatten)]
    yes: YesArg,
}

impl JobsCommand {
    pub(super) const fn data(&self) -> &DataArg {
        match self {
            Self::List(args) => &args.data,
            Self::Show(args) | Self::Cancel(args) => &args.data,
            Self::Resume(args) => &args.job.data,
        }
    }
}

pub(super) async fn run(reach: &Reach, command: &JobsCommand) -> anyhow::Result<Exit> {
    let (view, args) = match command {
        JobsCommand::List(args) => return list(reach, args).await,
        JobsCommand::Show(args) => (reach.ops.job(&args.job).await.map_err(failed)?, args),
        JobsCommand::Cancel(args) => {
            let view = reach.ops.cancel(&args.job).await.map_err(failed)?;
            output::say(format!("{} ends after its current step", view.job));
            return Ok(Exit::Ok);
        }
        JobsCommand::Resume(ResumeArgs { job: args, yes }) => {
            protect::mild(reach.protected, &format!("go on with {}", args.job), yes)?;
            reach.ops.resume(&args.job).await.map_err(failed)?;
            (finished(reach, &args.job).await?, args)
        }
    };
    match args.output {
        Format::Json => output::line(tagged(&view, "replay_job")?)?,
        Format::Text => {
            output::line(format!(
                "{} is {}; asked for by {} at {}",
                view.job,
                view.state,
                view.actor,
                local(view.created_at)
            ))?;
            told(&view.report, false, reach.running)?;
        }
    }
    Ok(if view.report.is_partial() { Exit::Partial } else { Exit::Ok })
}

async fn list(reach: &Reach, args: &ListArgs) -> anyhow::Result<Exit> {
    let jobs = reach.ops.jobs().await.map_err(failed)?;
    if args.output == Format::Json {
        let json = serde_json::json!({ "kind": "replay_jobs", "schema_version": 1, "jobs": jobs });
        output::line(json)?;
        return Ok(Exit::Ok);
    }
    if jobs.is_empty() {
        output::say("no replays yet");
        return Ok(Exit::Ok);
    }
    let head =
        ["JOB", "STATE", "BEGAN", "BY", "SELECTED", "SENT", "RESOLVED", "FAILED AGAIN", "PENDING"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for job in jobs {
        let r = &job.report;
        let counts = [r.selected, r.replayed, r.resolved, r.refailed, r.pending];
        let mut row =
            vec![job.job, job.state.to_string(), local(job.created_at), job.actor.clone()];
        row.extend(counts.map(|count| count.to_string()));
        rows.push(row);
    }
    output::out(&output::table(&rows))?;
    Ok(Exit::Ok)
}
