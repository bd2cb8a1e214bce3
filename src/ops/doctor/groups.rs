//! Consumer groups: whether somebody reads, and keeps up.

use std::sync::Arc;
use std::time::Duration;

use super::super::groups::{self, LagQuery, LagStatus, LagView};
use super::super::remote::RemoteOps;
use super::super::{GroupOps as _, OpsError};
use super::{Area, Finding};
use crate::app::checkup::folder::{Holder, look as look_at};
use crate::app::{Settings, backends, folder};
use crate::ports::Clock;
use crate::ports::bus::EventBus;

const AREA: Area = Area::Groups;
/// How long groups are looked at, at most.
const WATCH_MAX: Duration = Duration::from_secs(3);
/// Looks at a cluster's groups in that time.
const LOOKS: u32 = 4;

pub(super) async fn look(
    settings: &Settings,
    limit: Duration,
    clock: &Arc<dyn Clock>,
) -> Vec<Finding> {
    let watch = WATCH_MAX.min(limit / 3);
    let found = if settings.kafka.bootstrap.is_empty() {
        let path = settings.data_dir().ok().filter(|path| folder::holds_data(path));
        match path.map(|path| look_at(&path).holder) {
            Some(Holder::Shop(note)) => {
                let query = LagQuery { group: None, watch_ms: watch.as_millis() as u64 };
                RemoteOps::new(&note).lag(&query).await
            }
            Some(_) => return vec![Finding::skipped(AREA, "groups", "the shop does not run")],
            None => return vec![Finding::skipped(AREA, "groups", "there is no shop yet")],
        }
    } else {
        match backends::kafka(settings, Arc::clone(clock)).await {
            Ok(bus) => of_cluster(&bus, watch, clock.as_ref()).await,
            Err(_) => return vec![Finding::skipped(AREA, "groups", "no broker answers")],
        }
    };
    match found {
        Ok(all) => judge(&all),
        Err(e) => vec![Finding::told(AREA, "groups", &e.to_string())],
    }
}

async fn of_cluster(
    bus: &dyn EventBus,
    watch: Duration,
    clock: &dyn Clock,
) -> Result<Vec<LagView>, OpsError> {
    let mut looks = vec![groups::list(bus).await?];
    while looks.len() < LOOKS as usize {
        clock.sleep(watch / LOOKS).await;
        looks.push(groups::list(bus).await?);
    }
    groups::lag(bus, &looks, clock.now()).await
}

fn judge(all: &[LagView]) -> Vec<Finding> {
    if all.is_empty() {
        return vec![Finding::ok(AREA, "groups", "none of a shop's is there yet")];
    }
    let mut findings = vec![];
    let mut names: Vec<&str> = all.iter().map(|p| p.group.as_str()).collect();
    names.dedup();
    for name in names {
        let of = || all.iter().filter(|p| p.group == name);
        let lag: u64 = of().map(|p| p.lag).sum();
        // The worst: statuses are in the order of what must be done.
        let worst = of().map(|p| p.status).max().unwrap_or(LagStatus::Ok);
        let where_it_is = || {
            let places = of().filter(|p| p.status == worst);
            let places: Vec<String> =
                places.map(|p| format!("{}/{}", p.topic, p.partition)).collect();
            places.join(", ")
        };
        let found = |what: &str| format!("{what}, {lag} records behind: {}", where_it_is());
        findings.push(match worst {
            LagStatus::Ok => Finding::ok(AREA, name, format!("keeps up, {lag} records behind")),
            LagStatus::Slow => {
                let advice = "start more processes of its role, or see what it waits for";
                Finding::warn(AREA, name, found("falls behind"), advice)
            }
            LagStatus::Stalled => {
                let advice = "see the log of its process, and /readyz";
                Finding::fail(AREA, name, found("reads nothing"), advice)
            }
            LagStatus::Stopped => {
                let advice = "start a process of its role: `ecom serve --only …`";
                Finding::warn(AREA, name, found("nobody is there"), advice)
            }
        });
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::Status;
    use super::*;

    #[test]
    fn a_group_is_as_good_as_its_worst_partition() {
        use LagStatus::{Ok, Slow, Stalled, Stopped};
        let part = |group: &str, partition, status| LagView {
            group: group.into(),
            topic: "t".into(),
            partition,
            lag: 5,
            behind_ms: None,
            status,
        };
        let check = |statuses: &[LagStatus], expected: Status| {
            let all: Vec<LagView> =
                statuses.iter().zip(0..).map(|(status, p)| part("g", p, *status)).collect();
            let findings = judge(&all);
            assert_eq!(findings.len(), 1);
            assert_eq!(findings[0].status, expected, "{statuses:?}");
        };
        check(&[Ok, Ok], Status::Ok);
        check(&[Ok, Slow], Status::Warn);
        check(&[Stalled, Slow], Status::Fail);
        check(&[Stopped, Ok], Status::Warn);
        assert_eq!(judge(&[])[0].status, Status::Ok);
        let two = judge(&[part("a", 0, Ok), part("a", 1, Stalled), part("b", 0, Ok)]);
        assert_eq!(two.iter().map(|f| f.status).collect::<Vec<_>>(), [Status::Fail, Status::Ok]);
    }
}
