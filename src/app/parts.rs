//! The parts of a shop that run by themselves, each under supervision.

use std::sync::Arc;

use anyhow::Context;

use super::Shop;
use super::roles::Role;
use crate::ports::Signal;
use crate::runtime::effects::EffectRunner;
use crate::runtime::janitor::Janitor;
use crate::runtime::lag;
use crate::runtime::outbox::Relay;
use crate::runtime::pressure::PressureGauge;
use crate::runtime::servers::{Server, watch};
use crate::runtime::sweeper;
use crate::runtime::worker::{Worker, WorkerDeps};
use crate::services::{Effects, Service, ServiceName};

impl Shop {
    pub(super) fn all_services(&self) -> Vec<Arc<dyn Service>> {
        let s = &self.services;
        ServiceName::ALL
            .iter()
            .map(|name| match name {
                ServiceName::Cart => Arc::clone(&s.carts) as Arc<dyn Service>,
                ServiceName::Order => Arc::clone(&s.orders) as _,
                ServiceName::Payment => Arc::clone(&s.payments) as _,
                ServiceName::Inventory => Arc::clone(&s.inventory) as _,
                ServiceName::Notification => Arc::clone(&s.notifications) as _,
                ServiceName::Catalog => Arc::clone(&s.catalog) as _,
            })
            .collect()
    }

    pub(super) fn start_worker(&self, service: &Arc<dyn Service>) {
        let deps = WorkerDeps {
            bus: Arc::clone(&self.ports.bus),
            clock: Arc::clone(&self.ports.clock),
            meters: Arc::clone(&self.meters),
            health: self.health.clone(),
            tracer: self.ports.tracer.clone(),
        };
        let (service, stop) = (Arc::clone(service), self.stop.clone());
        self.supervisor.run(&service.desk().name.group(), move || {
            let (service, deps, stop) = (Arc::clone(&service), deps.clone(), stop.clone());
            async move {
                let worker = Worker::join(service, deps).await.map_err(|e| e.to_string())?;
                worker.run(&stop).await
            }
        });
    }

    pub(super) fn start_sweeper(&self, service: &Arc<dyn Service>) {
        let (service, stop) = (Arc::clone(service), self.stop.clone());
        let name = format!("{}-sweeper", service.desk().name);
        self.supervisor.run(&name, move || sweeper::run(Arc::clone(&service), stop.clone()));
    }

    /// Gives the first sign of life to the processes that share the store, and goes on with it.
    pub(super) async fn start_members(&self) -> anyhow::Result<()> {
        if !self.members.is_shared() {
            return Ok(());
        }
        let (store, clock) = (Arc::clone(&self.ports.store), Arc::clone(&self.ports.clock));
        self.members
            .beat(store.as_ref(), clock.as_ref())
            .await
            .context("cannot join the others")?;
        let (members, health, stop) =
            (self.members.clone(), self.health.clone(), self.stop.clone());
        self.supervisor.run("members", move || {
            let (store, clock) = (Arc::clone(&store), Arc::clone(&clock));
            let (members, health, stop) = (members.clone(), health.clone(), stop.clone());
            async move { members.run(store.as_ref(), clock.as_ref(), &health, &stop).await }
        });
        Ok(())
    }

    pub(super) fn start_relay(&self) -> Signal {
        let relay = Arc::new(Relay {
            store: Arc::clone(&self.ports.store),
            bus: Arc::clone(&self.ports.bus),
            clock: Arc::clone(&self.ports.clock),
            bell: self.bells.outbox.clone(),
            members: self.members.clone(),
            notices: self.ports.others.as_ref().map(|others| Arc::clone(&others.notices)),
            one_journal: self.ports.one_journal,
            meters: Arc::clone(&self.meters),
            health: self.health.clone(),
            tracer: self.ports.tracer.clone(),
        });
        let (stop, bell) = (self.stop.clone(), relay.bell.clone());
        if self.members.is_shared() {
            let (relay, stop) = (Arc::clone(&relay), stop.clone());
            self.supervisor.run("outbox-notices", move || {
                let (relay, stop) = (Arc::clone(&relay), stop.clone());
                async move { relay.tell_others(&stop).await }
            });
        }
        self.supervisor.run("outbox-relay", move || {
            let (relay, stop) = (Arc::clone(&relay), stop.clone());
            async move { relay.run(&stop).await }
        });
        bell
    }

    pub(super) fn start_effects<S: Effects + 'static>(&self, name: &str, service: &Arc<S>) {
        let (service, stop) = (Arc::clone(service), self.stop.clone());
        let (members, tracer) = (self.members.clone(), self.ports.tracer.clone());
        self.supervisor.run(name, move || {
            let runner = EffectRunner::new(Arc::clone(&service), members.clone(), tracer.clone());
            let stop = stop.clone();
            async move { runner.run(&stop).await }
        });
    }

    pub(super) fn start_pressure_gauge(&self) {
        let gauge = Arc::new(PressureGauge {
            store: Arc::clone(&self.ports.store),
            clock: Arc::clone(&self.ports.clock),
            bells: self.bells.clone(),
            outbox_max: self.settings.delivery.outbox_max,
            disk_floor: self.settings.data.disk_floor.0,
            meters: Arc::clone(&self.meters),
            health: self.health.clone(),
        });
        let stop = self.stop.clone();
        self.supervisor.run("pressure-gauge", move || {
            let (gauge, stop) = (Arc::clone(&gauge), stop.clone());
            async move { gauge.run(&stop).await }
        });
    }

    pub(super) fn start_lag_meter(&self) {
        let (bus, clock) = (Arc::clone(&self.ports.bus), Arc::clone(&self.ports.clock));
        let (meters, stop) = (Arc::clone(&self.meters), self.stop.clone());
        self.supervisor.run("lag-meter", move || {
            let (bus, clock) = (Arc::clone(&bus), Arc::clone(&clock));
            let (meters, stop) = (Arc::clone(&meters), stop.clone());
            async move { lag::watch(bus.as_ref(), clock.as_ref(), &meters, &stop).await }
        });
    }

    /// Asks the servers that this process works with whether they answer.
    pub(super) fn start_watch(&self) {
        let ours =
            |roles: &[Role]| roles.is_empty() || roles.iter().any(|role| self.roles.has(*role));
        let all = self.ports.servers.iter().filter(|(_, roles)| ours(roles));
        let servers: Arc<[Server]> = all.map(|(server, _)| server.clone()).collect();
        if servers.is_empty() {
            return;
        }
        let (clock, health, stop) =
            (Arc::clone(&self.ports.clock), self.health.clone(), self.stop.clone());
        self.supervisor.run("servers", move || {
            let (servers, clock) = (Arc::clone(&servers), Arc::clone(&clock));
            let (health, stop) = (health.clone(), stop.clone());
            async move { watch(&servers, clock.as_ref(), &health, &stop).await }
        });
    }

    pub(super) fn start_janitor(&self) {
        let data = &self.settings.data;
        let janitor = Arc::new(Janitor {
            store: Arc::clone(&self.ports.store),
            clock: Arc::clone(&self.ports.clock),
            members: self.members.clone(),
            every: data.tidy_every.0,
            outbox_retention: data.outbox_retention.0,
            inbox_retention: data.inbox_retention.0,
        });
        let stop = self.stop.clone();
        self.supervisor.run("janitor", move || {
            let (janitor, stop) = (Arc::clone(&janitor), stop.clone());
            async move { janitor.run(&stop).await }
        });
    }
}
