//! Whether clocks agree: this machine's with the servers', and with what the shop has noted before.

use std::sync::Arc;
use std::time::Duration;

use super::{Area, Finding};
use crate::app::checkup::journals;
use crate::app::{Settings, folder};
use crate::domain::Timestamp;
use crate::ports::Clock;

const AREA: Area = Area::Clock;
/// Orders of events of different machines are wrong by as much.
const SKEW_OK: Duration = Duration::from_millis(500);
/// Deadlines of charges and holds are minutes.
const SKEW_MAX: Duration = Duration::from_secs(10);
/// No build of this program is older: 2025-01-01.
const NOT_BEFORE: Timestamp = Timestamp::from_millis(1_735_689_600_000);

/// How far a server's clock is ahead of ours.
pub(super) fn judge_skew(server: &str, ahead_ms: i64) -> Finding {
    let check = format!("{server} and this machine");
    let by = Duration::from_millis(ahead_ms.unsigned_abs());
    let way = if ahead_ms < 0 { "behind" } else { "ahead" };
    let found = format!("{server} is {} ms {way}", ahead_ms.unsigned_abs());
    let advice = "let both machines set their clocks by NTP";
    if by <= SKEW_OK {
        Finding::ok(AREA, &check, found)
    } else if by <= SKEW_MAX {
        Finding::warn(AREA, &check, found, advice)
    } else {
        Finding::fail(AREA, &check, found, advice)
    }
}

pub(super) async fn look_at_folder(settings: &Settings, clock: &Arc<dyn Clock>) -> Vec<Finding> {
    let path = settings.data_dir().ok().filter(|path| folder::holds_data(path));
    let latest = match path {
        Some(path) => journals::latest_time(&path).await.ok().flatten(),
        None => None,
    };
    vec![judge_time(clock.now(), latest)]
}

fn judge_time(now: Timestamp, latest: Option<Timestamp>) -> Finding {
    let check = "this machine";
    let advice = "set the clock, and keep it right by NTP";
    if now < NOT_BEFORE {
        return Finding::fail(AREA, check, format!("it says that it is {now}"), advice);
    }
    match latest {
        Some(latest) if latest > now + SKEW_MAX => {
            let found = format!("it says that it is {now}, and the shop has noted {latest} before");
            Finding::fail(AREA, check, found, advice)
        }
        _ => Finding::ok(AREA, check, now.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Status;
    use super::*;

    #[test]
    fn clocks_may_differ_a_little() {
        for (ahead, status) in [
            (0, Status::Ok),
            (500, Status::Ok),
            (-500, Status::Ok),
            (501, Status::Warn),
            (-10_000, Status::Warn),
            (10_001, Status::Fail),
            (-10_001, Status::Fail),
        ] {
            assert_eq!(judge_skew("redis", ahead).status, status, "{ahead}");
        }
    }

    #[test]
    fn time_does_not_go_back() {
        let now = NOT_BEFORE + Duration::from_hours(1);
        for (now, latest, status) in [
            (now, None, Status::Ok),
            (now, Some(now), Status::Ok),
            (now, Some(now + Duration::from_secs(10)), Status::Ok),
            (now, Some(now + Duration::from_secs(11)), Status::Fail),
            (Timestamp::from_millis(0), None, Status::Fail),
        ] {
            assert_eq!(judge_time(now, latest).status, status, "{now} {latest:?}");
        }
    }
}
