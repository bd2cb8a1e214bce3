//! What the view needs to be told, again and again.

use super::super::keymap::View;
use super::super::msg::{Effect, Load};
use super::super::state::State;
use super::super::state::popup::Popup;

/// Asks for this, unless the same is under way.
pub(super) fn ask(state: &mut State, load: Load) -> Vec<Effect> {
    if state.busy.insert(load.kind()) { vec![Effect::Load(load)] } else { vec![] }
}

/// What is asked for now.
pub fn wanted(state: &mut State) -> Vec<Effect> {
    let mut loads = vec![Load::Pulse, Load::Run, Load::Logs(state.logs.last().map_or(0, |l| l.n))];
    match state.view {
        View::Overview | View::Groups => loads.push(Load::Lag),
        View::Dlq => loads.push(match state.letters.filter() {
            None => Load::Summary(state.letters.by),
            Some(filter) => Load::Letters(filter),
        }),
        View::Tail => loads.extend(state.tail.next.clone().map(Load::Tail)),
        View::Orders => loads.push(Load::Orders),
        View::Topics | View::Simulation | View::Logs => {}
    }
    match state.popups.last() {
        Some(Popup::Jobs(_)) => loads.push(Load::Jobs),
        Some(Popup::Job(job)) => loads.push(Load::Job(job.job.clone())),
        _ => {}
    }
    loads.into_iter().flat_map(|load| ask(state, load)).collect()
}
