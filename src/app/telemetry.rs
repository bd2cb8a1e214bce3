//! OpenTelemetry, by its standard environment variables and by nothing else: without an endpoint,
//! nothing is told and nothing is done.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::config::{ConfigError, Origin};
use super::embedded::Environment;
use super::{Ports, Role, Settings, backends};
use crate::adapters::otlp::{OtlpOptions, OtlpSpans};
use crate::ports::{Clock, Spans};
use crate::runtime::Tracer;

/// How long what is left may take to be sent at the end.
const FLUSH_MAX: Duration = Duration::from_secs(3);
/// The path of spans below an endpoint of all signals.
const TRACES_PATH: &str = "v1/traces";
/// The specification's defaults.
const TIMEOUT_MS: u64 = 10_000;
const QUEUE_MAX: u64 = 2_048;
const BATCH_MAX: u64 = 512;
const EVERY_MS: u64 = 5_000;
/// Spans that wait at most, whatever is asked for: some 100 MB.
const QUEUE_LIMIT: u64 = 100_000;

/// Who collects the spans of this process, if anybody does.
pub struct Telemetry {
    spans: Option<Arc<OtlpSpans>>,
    clock: Arc<dyn Clock>,
}

impl Telemetry {
    /// What the environment asks for, of a process that does these parts of the shop.
    pub fn of_shop(settings: &Settings, env: &Environment) -> Result<Self, ConfigError> {
        let roles = settings.roles();
        let mut service = "ecom".to_owned();
        if !roles.are_all() {
            for role in Role::ALL.iter().filter(|role| roles.has(**role)) {
                service.push('-');
                service.push_str(role.as_str());
            }
        }
        Self::start(service, backends::instance(settings), env)
    }

    /// What the environment asks for, of a payment provider at `address`.
    pub fn of_provider(address: &str, env: &Environment) -> Result<Self, ConfigError> {
        Self::start("ecom-payment-provider".to_owned(), address.to_owned(), env)
    }

    fn start(service: String, instance: String, env: &Environment) -> Result<Self, ConfigError> {
        let clock = Arc::clone(&env.clock);
        let spans = match options(&Variables::system(), service, instance)? {
            None => None,
            Some(options) => {
                let started =
                    OtlpSpans::start(&options, Arc::clone(&clock), Arc::clone(&env.spawn));
                Some(Arc::new(started.map_err(|text| wrong("OTEL_EXPORTER_OTLP_*", text))?))
            }
        };
        Ok(Self { spans, clock })
    }

    /// Who is told, where events are on `system`.
    pub fn tracer(&self, system: &'static str) -> Tracer {
        let tracer = |spans: &Arc<OtlpSpans>| {
            Tracer::new(Arc::clone(spans) as Arc<dyn Spans>, Arc::clone(&self.clock), system)
        };
        self.spans.as_ref().map(tracer).unwrap_or_default()
    }

    /// The same ports, telling of what goes through them.
    pub fn trace(&self, ports: Ports, settings: &Settings) -> Ports {
        let own_log = settings.kafka.bootstrap.is_empty();
        ports.traced(self.tracer(if own_log { "ecom" } else { "kafka" }))
    }

    /// Sends what is left, for a moment.
    pub async fn close(&self) {
        if let Some(spans) = &self.spans {
            spans.close(FLUSH_MAX).await;
        }
    }
}

/// The variables of OpenTelemetry that are set. One that is empty is not.
struct Variables(BTreeMap<String, String>);

impl Variables {
    fn system() -> Self {
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.to_string_lossy().trim().to_owned()))
        };
        let set = |(name, value): &(String, String)| name.starts_with("OTEL_") && !value.is_empty();
        Self(std::env::vars_os().filter_map(text).filter(set).collect())
    }

    fn get<'a>(&self, name: &'a str) -> Option<(&'a str, &str)> {
        self.0.get(name).map(|value| (name, value.as_str()))
    }

    /// That of all signals, unless there is one of traces.
    fn of_traces(&self, traces: &'static str, all: &'static str) -> Option<(&'static str, &str)> {
        self.get(traces).or_else(|| self.get(all))
    }
}

fn number(set: Option<(&'static str, &str)>, default: u64, max: u64) -> Result<u64, ConfigError> {
    let Some((name, text)) = set else { return Ok(default) };
    let number = text.parse().ok().filter(|number| (1..=max).contains(number));
    number.ok_or_else(|| wrong(name, format!("{text:?} is not a number from 1 to {max}")))
}

fn wrong(name: &str, text: String) -> ConfigError {
    ConfigError { key: "traces".to_owned(), origin: Origin::Env(name.to_owned()), text }
}

/// What the variables ask for; none if nothing shall be told.
fn options(
    vars: &Variables,
    service: String,
    instance: String,
) -> Result<Option<OtlpOptions>, ConfigError> {
    let disabled = vars.get("OTEL_SDK_DISABLED");
    if disabled.is_some_and(|(_, value)| value.eq_ignore_ascii_case("true")) {
        return Ok(None);
    }
    match vars.get("OTEL_TRACES_EXPORTER") {
        None | Some((_, "otlp")) => {}
        Some((_, "none")) => return Ok(None),
        Some((name, other)) => {
            return Err(wrong(name, format!("{other:?} is not known; use otlp or none")));
        }
    }
    let Some(url) = url(vars)? else { return Ok(None) };
    let protocol =
        vars.of_traces("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL");
    if let Some((name, other)) = protocol.filter(|(_, protocol)| *protocol != "http/protobuf") {
        let text = format!("{other:?} is not spoken; use http/protobuf, on port 4318 as a rule");
        return Err(wrong(name, text));
    }
    let timeout = vars.of_traces("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT");
    let queue_max = number(vars.get("OTEL_BSP_MAX_QUEUE_SIZE"), QUEUE_MAX, QUEUE_LIMIT)?;
    let batch_max = vars.get("OTEL_BSP_MAX_EXPORT_BATCH_SIZE");
    let batch_max = number(batch_max, BATCH_MAX.min(queue_max), queue_max)?;
    let every = number(vars.get("OTEL_BSP_SCHEDULE_DELAY"), EVERY_MS, u64::from(u32::MAX))?;
    let named = vars.get("OTEL_SERVICE_NAME").map(|(_, name)| name.to_owned());
    Ok(Some(OtlpOptions {
        url,
        timeout: Duration::from_millis(number(timeout, TIMEOUT_MS, u64::from(u32::MAX))?),
        queue_max: queue_max as usize,
        batch_max: batch_max as usize,
        every: Duration::from_millis(every),
        share: share(vars)?,
        named: named.is_some(),
        service: named.unwrap_or(service),
        instance,
    }))
}

/// Where spans are posted to, if anywhere.
fn url(vars: &Variables) -> Result<Option<String>, ConfigError> {
    let (name, url) = if let Some((name, url)) = vars.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") {
        (name, url.to_owned())
    } else if let Some((name, base)) = vars.get("OTEL_EXPORTER_OTLP_ENDPOINT") {
        (name, format!("{}/{TRACES_PATH}", base.trim_end_matches('/')))
    } else {
        return Ok(None);
    };
    if url.starts_with("https://") {
        let text = "https is not spoken here; name a collector near by, with http://";
        return Err(wrong(name, text.to_owned()));
    }
    match crate::adapters::gateway::wire::base(&url) {
        Ok(_) => Ok(Some(url)),
        Err(_) => Err(wrong(name, "must be a URL such as http://127.0.0.1:4318".to_owned())),
    }
}

/// The share of orders that is traced. Nobody's trace goes on here, so that there is never a parent
/// to decide.
fn share(vars: &Variables) -> Result<f64, ConfigError> {
    let Some((name, sampler)) = vars.get("OTEL_TRACES_SAMPLER") else { return Ok(1.0) };
    match sampler.strip_prefix("parentbased_").unwrap_or(sampler) {
        "always_on" => Ok(1.0),
        "always_off" => Ok(0.0),
        "traceidratio" => {
            let Some((name, text)) = vars.get("OTEL_TRACES_SAMPLER_ARG") else { return Ok(1.0) };
            let share = text.parse().ok().filter(|share| (0.0..=1.0).contains(share));
            share.ok_or_else(|| wrong(name, format!("{text:?} is not a number from 0 to 1")))
        }
        _ => {
            let known = "always_on, always_off or traceidratio, perhaps after parentbased_";
            Err(wrong(name, format!("{sampler:?} is not known; use {known}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(vars: &[(&str, &str)]) -> Result<Option<OtlpOptions>, ConfigError> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let vars = Variables(vars.iter().map(owned).collect());
        options(&vars, "ecom".into(), "here-8000".into())
    }

    const AT: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318");

    #[test]
    fn nothing_is_told_unless_an_endpoint_is_named() {
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(
            read(&[("OTEL_SERVICE_NAME", "x"), ("OTEL_EXPORTER_OTLP_PROTOCOL", "?")]),
            Ok(None)
        );
        for off in [("OTEL_SDK_DISABLED", "True"), ("OTEL_TRACES_EXPORTER", "none")] {
            assert_eq!(read(&[AT, off]), Ok(None));
        }
        assert!(read(&[AT, ("OTEL_SDK_DISABLED", "no")]).unwrap().is_some());
    }

    #[test]
    fn an_endpoint_of_traces_is_taken_as_it_stands_and_goes_before_that_of_all() {
        let url = |vars: &[(&str, &str)]| read(vars).unwrap().unwrap().url;
        assert_eq!(url(&[AT]), "http://127.0.0.1:4318/v1/traces");
        assert_eq!(url(&[(AT.0, "http://c/otlp/")]), "http://c/otlp/v1/traces");
        let traces = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://t:1/x");
        assert_eq!(url(&[AT, traces]), "http://t:1/x");
    }

    #[test]
    fn defaults_are_those_of_the_specification_and_can_be_changed() {
        let plain = read(&[AT]).unwrap().unwrap();
        assert_eq!((plain.queue_max, plain.batch_max), (2_048, 512));
        assert_eq!((plain.every.as_secs(), plain.timeout.as_secs()), (5, 10));
        assert!((plain.share - 1.0).abs() < f64::EPSILON);
        let changed = read(&[
            AT,
            ("OTEL_BSP_MAX_QUEUE_SIZE", "64"),
            ("OTEL_BSP_SCHEDULE_DELAY", "200"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "500"),
            ("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"),
            ("OTEL_TRACES_SAMPLER_ARG", "0.25"),
        ]);
        let changed = changed.unwrap().unwrap();
        assert_eq!((changed.queue_max, changed.batch_max), (64, 64));
        assert_eq!((changed.every.as_millis(), changed.timeout.as_millis()), (200, 500));
        assert!((changed.share - 0.25).abs() < f64::EPSILON);
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_name() {
        for (name, value, text) in [
            (AT.0, "127.0.0.1:4318", "must be a URL"),
            (AT.0, "http://", "must be a URL"),
            (AT.0, "http://user:secret@c", "must be a URL"),
            (AT.0, "https://c:4318", "https is not spoken"),
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "nowhere", "must be a URL"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "use http/protobuf"),
            ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json", "use http/protobuf"),
            ("OTEL_TRACES_EXPORTER", "zipkin", "use otlp or none"),
            ("OTEL_TRACES_SAMPLER", "xray", "use always_on"),
            ("OTEL_BSP_MAX_QUEUE_SIZE", "0", "from 1 to 100000"),
            ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "4096", "from 1 to 2048"),
            ("OTEL_BSP_SCHEDULE_DELAY", "5s", "from 1 to"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "-1", "from 1 to"),
        ] {
            let mut vars = vec![(name, value)];
            vars.extend((name != AT.0).then_some(AT));
            let error = read(&vars).unwrap_err().to_string();
            assert!(error.contains(&format!("${name}")) && error.contains(text), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
        let ratio = ("OTEL_TRACES_SAMPLER", "traceidratio");
        let error = read(&[AT, ratio, ("OTEL_TRACES_SAMPLER_ARG", "2")]).unwrap_err();
        assert!(error.to_string().contains("from 0 to 1"));
    }
}
