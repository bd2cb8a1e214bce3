//! `ecom doctor`: how everything is that a shop needs, and what to do.

use std::collections::{BTreeMap, BTreeSet};
use std::io::IsTerminal;
use std::time::Duration;

use clap::Args;

use super::exit::WithExit;
use super::output::Format;
use super::{Exit, FlagValues, FolderArg, ServerArgs, output};
use crate::app::Settings;
use crate::app::config::{ConfigError, Layers, Origin, Period, env_name};
use crate::app::embedded::Environment;
use crate::app::variables::variable;
use crate::ops::doctor::{
    self, Area, ConfigFacts, Diagnosis, Finding, Patient, Status, TerminalFacts,
};

/// How long a look takes at most where nobody says.
const LIMIT: Duration = Duration::from_secs(15);
/// Variables that are no settings.
const NO_SETTINGS: [&str; 2] = ["ECOM_CONFIG", "ECOM_PROFILE"];
/// What Kubernetes puts into the names of variables that tell of a service called `ecom-…`.
const OF_KUBERNETES: [&str; 2] = ["_SERVICE_", "_PORT"];

#[derive(Debug, Args)]
#[command(
    after_help = "Every look is made at the same time as the others, and ends by --timeout. Nothing is
repaired. On Kafka a topic and a group of its own, ecom-doctor-…, are made and removed.

Status: ok; warn: it works, and may not for long; fail: it does not work; skipped: there is
nothing to be looked at. Exit code 6 if anything fails.

Examples:
  ecom doctor
  ecom doctor --profile cluster --only kafka,topics,groups
  ecom doctor -o json --timeout 30s"
)]
pub(super) struct DoctorArgs {
    /// Look only at these: config, terminal, files, clock, folder, journal, kafka, topics, groups,
    /// postgres, redis, smtp, gateway.
    #[arg(long, value_name = "AREAS", value_delimiter = ',', value_parser = area)]
    only: Vec<Area>,
    #[command(flatten)]
    data: FolderArg,
    /// How the findings are printed.
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    output: Format,
    #[command(flatten)]
    servers: ServerArgs,
}

fn area(text: &str) -> Result<Area, String> {
    let known = || Area::ALL.iter().map(|area| area.as_str()).collect::<Vec<_>>().join(", ");
    Area::parse(text).ok_or_else(|| format!("there are: {}", known()))
}

impl DoctorArgs {
    fn limit(&self) -> anyhow::Result<Duration> {
        let Some(text) = &self.servers.timeout else { return Ok(LIMIT) };
        let limit: Result<Period, String> = text.parse();
        let limit = limit.map(|period| period.0).and_then(|limit| {
            if limit.is_zero() { Err("must be longer than nothing".into()) } else { Ok(limit) }
        });
        limit.map_err(|why| WithExit(Exit::Usage, format!("--timeout: {why}")).into())
    }

    pub(super) fn flags(&self) -> anyhow::Result<FlagValues> {
        // A server's own words come before the end of the look.
        let each = Period((self.limit()? * 2 / 3).max(Duration::from_millis(1)));
        let mut flags = super::backup::folder_is_meant(self.data.data.as_ref());
        let servers = self.servers.flags().into_iter();
        flags.extend(servers.filter(|(name, ..)| *name != "timeout"));
        flags.extend(super::places::timeouts(Some(&each.to_string())));
        Ok(flags)
    }
}

pub(super) fn run(
    args: &DoctorArgs,
    loaded: anyhow::Result<(Settings, Layers)>,
) -> anyhow::Result<Exit> {
    let (settings, config) = match loaded {
        Ok((settings, layers)) => (Some(settings), config_facts(&layers)),
        Err(e) => match e.downcast::<ConfigError>() {
            // What the caller wrote just now is the caller's to correct.
            Ok(e) if !matches!(e.origin, Origin::Flag(_)) => {
                let error = Some(e.to_string());
                (None, ConfigFacts { error, ..ConfigFacts::default() })
            }
            Ok(e) => return Err(e.into()),
            Err(e) => return Err(e),
        },
    };
    let limit = args.limit()?;
    if output::is_watched() {
        output::say(format!("looking, for at most {}", Period(limit)));
    }
    let patient = Patient { settings: settings.as_ref(), config, terminal: terminal_facts() };
    let only: BTreeSet<Area> = args.only.iter().copied().collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let diagnosis = runtime
        .block_on(async { doctor::examine(&patient, &only, limit, &Environment::system()).await });
    // What waits for a server that is silent is not waited for.
    runtime.shutdown_background();
    match args.output {
        Format::Json => output::line(json(&diagnosis))?,
        Format::Text => {
            output::out(&table(&diagnosis.findings, std::io::stdout().is_terminal()))?;
            output::say(summary(&diagnosis));
        }
    }
    Ok(if diagnosis.count(Status::Fail) > 0 { Exit::CheckFailed } else { Exit::Ok })
}

fn config_facts(layers: &Layers) -> ConfigFacts {
    let mut origins: BTreeMap<String, usize> = BTreeMap::new();
    let own = |origin: &Origin| matches!(origin, Origin::Flag(name) if name == "timeout");
    for (_, _, origin) in layers.all().filter(|(.., o)| **o != Origin::Default && !own(o)) {
        *origins.entry(origin.to_string()).or_default() += 1;
    }
    let known: BTreeSet<String> = layers.all().map(|(key, ..)| env_name(key)).collect();
    let is_known = |name: &str| {
        known.contains(name.strip_suffix("_FILE").unwrap_or(name))
            || NO_SETTINGS.contains(&name)
            || OF_KUBERNETES.iter().any(|part| name.contains(part))
    };
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    let mut unknown: Vec<String> =
        names.filter(|name| name.starts_with("ECOM_") && !is_known(name)).collect();
    unknown.sort();
    ConfigFacts { error: None, origins: origins.into_iter().collect(), unknown_variables: unknown }
}

fn terminal_facts() -> TerminalFacts {
    let var = |wanted: &str| {
        variable(wanted).map(|value| value.to_string_lossy().into_owned()).unwrap_or_default()
    };
    let stdout = std::io::stdout();
    let size = stdout.is_terminal().then(|| rustix::termios::tcgetwinsize(&stdout).ok()).flatten();
    // The first that is set decides.
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].map(var).into_iter().find(|l| !l.is_empty());
    TerminalFacts {
        size: size.map(|size| (size.ws_col, size.ws_row)),
        term: var("TERM"),
        no_color: !var("NO_COLOR").is_empty(),
        colorterm: var("COLORTERM"),
        locale: locale.unwrap_or_default(),
    }
}

fn json(diagnosis: &Diagnosis) -> serde_json::Value {
    let counts: serde_json::Map<String, serde_json::Value> = Status::ALL
        .iter()
        .map(|status| (status.to_string(), diagnosis.count(*status).into()))
        .collect();
    serde_json::json!({
        "kind": "doctor",
        "schema_version": 1,
        "ecom_version": env!("CARGO_PKG_VERSION"),
        "at": diagnosis.at,
        "took_ms": diagnosis.took_ms,
        "shop": diagnosis.shop,
        "counts": counts,
        "findings": diagnosis.findings,
    })
}

/// For people, what to do stands below what was found; for programs, behind it.
fn table(findings: &[Finding], for_people: bool) -> String {
    let mut head = ["STATUS", "AREA", "CHECK", "FOUND"].map(str::to_owned).to_vec();
    if !for_people {
        head.push("WHAT TO DO".to_owned());
    }
    let mut rows = vec![head];
    for Finding { area, check, status, found, advice } in findings {
        let status = format!("{} {status}", symbol(*status));
        let mut row = vec![status, area.to_string(), check.clone(), found.replace('\n', " ")];
        if for_people {
            rows.push(row);
            let below = advice.as_ref().map(|advice| format!("→ {advice}"));
            rows.extend(
                below.map(|advice| vec![String::new(), String::new(), String::new(), advice]),
            );
        } else {
            row.push(advice.clone().unwrap_or_default());
            rows.push(row);
        }
    }
    output::table(&rows)
}

const fn symbol(status: Status) -> &'static str {
    match status {
        Status::Ok => "✓",
        Status::Warn => "!",
        Status::Fail => "✗",
        Status::Skipped => "-",
    }
}

fn summary(diagnosis: &Diagnosis) -> String {
    let counts = Status::ALL.iter().map(|status| format!("{} {status}", diagnosis.count(*status)));
    let counts = counts.collect::<Vec<_>>().join(", ");
    let shop =
        if diagnosis.shop.is_empty() { String::new() } else { format!(" ({})", diagnosis.shop) };
    format!("{counts} in {} ms{shop}", diagnosis.took_ms)
}
